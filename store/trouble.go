package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Trouble is what keeps the database from being written.
type Trouble struct {
	Err   error     // wraps [ErrFull], [ErrBusy], [ErrDamaged] or [ErrReadOnly]
	Since time.Time // the machine's clock
	Last  time.Time // when it last was so
}

// trial marks the context of a write that changes nothing: it finds no disk full.
type trial struct{}

// note takes in how a transaction ended.
func (w *writer) note(ctx context.Context, err error) {
	old := w.trouble.Load()
	err = explain(err)
	switch {
	case err == nil && old != nil:
		if ctx.Value(trial{}) == nil || !errors.Is(old.Err, ErrFull) {
			w.trouble.Store(nil)
		}
	case err != nil && known(err):
		now := time.Now()
		t := &Trouble{Err: err, Since: now, Last: now}
		if old != nil {
			t.Since = old.Since
		}
		w.trouble.Store(t)
	}
}

// Trouble is what this process's last write met; nil if it went well.
func (db *DB) Trouble() *Trouble { return db.writer.trouble.Load() }

// Ready takes the lock for writing and reads, and says what is wrong if that cannot be done. It changes
// nothing. What this process's own writes hold up is waited for as long as ctx lasts.
func (db *DB) Ready(ctx context.Context) error {
	err := db.write(context.WithValue(ctx, trial{}, true), func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE counters SET value = value WHERE name = 'arrival'`)
		return err
	})
	if err != nil {
		return fmt.Errorf("write database: %w", err)
	}
	var arrival int64
	if err := db.read().scan(ctx, `SELECT value FROM counters WHERE name = 'arrival'`, nil, &arrival); err != nil {
		return fmt.Errorf("read database: %w", err)
	}
	return nil
}
