package store

import (
	"context"
	"fmt"
	"time"
)

// Trouble is what keeps the database from being written.
type Trouble struct {
	Err   error     // wraps [ErrFull], [ErrBusy], [ErrDamaged] or [ErrReadOnly]
	Since time.Time // the machine's clock
	Last  time.Time // when it last was so
}

// note takes in how a transaction ended.
func (w *writer) note(err error) {
	old := w.trouble.Load()
	err = explain(err)
	switch {
	case err == nil && old != nil:
		w.trouble.Store(nil)
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

// findingReady is what [DB.Ready] writes under.
const findingReady = "ready"

// Ready writes a row and reads it, and says what is wrong if that cannot be done. Who has waited for a
// lock as long as a write may gets [ErrBusy]; what a long-running write of this process holds up is waited for
// as long as ctx lasts.
func (db *DB) Ready(ctx context.Context) error {
	if err := db.Find(ctx, findingReady, true, ""); err != nil {
		return err
	}
	var at int64
	if err := db.read().scan(ctx, `SELECT at FROM findings WHERE name = ?1`, args{findingReady}, &at); err != nil {
		return fmt.Errorf("read database: %w", err)
	}
	return nil
}
