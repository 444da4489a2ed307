package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"broadsheet/subscribers"
)

// pause keeps the table of pauses that have an end in line with new settings.
func (t *tx) pause(ctx context.Context, id int64, old, s *subscribers.Settings) (err error) {
	switch {
	case s.Status == subscribers.Paused && !s.PausedUntil.IsZero():
		_, err = t.exec(ctx, `INSERT INTO pauses (subscriber, until) VALUES (?1, ?2)
			ON CONFLICT (subscriber) DO UPDATE SET until = ?2`, id, us(s.PausedUntil))
	case old != nil && old.Status == subscribers.Paused && !old.PausedUntil.IsZero():
		_, err = t.exec(ctx, `DELETE FROM pauses WHERE subscriber = ?1`, id)
	}
	return err
}

// EndPauses makes those readers active whose pause ends at now or did before, and counts them.
// Call it before issues are opened: who comes back is then in their audience.
func (db *DB) EndPauses(ctx context.Context, now time.Time) (ended int, err error) {
	const some = 100 // in a transaction: senders want their turn
	for more := true; more && err == nil; {
		n := 0
		err = db.write(ctx, func(ctx context.Context, t *tx) error {
			ids, err := selectAll(ctx, t, `SELECT subscriber FROM pauses WHERE until <= ?1 ORDER BY until LIMIT ?2`, args{us(now), some}, number)
			more = len(ids) == some
			for _, id := range ids {
				if err != nil {
					break
				}
				err = db.endPause(ctx, t, id, now)
			}
			n = len(ids)
			return err
		})
		if err == nil {
			ended += n
		}
	}
	if err != nil {
		return ended, fmt.Errorf("end pauses: %w", err)
	}
	return ended, nil
}

func (db *DB) endPause(ctx context.Context, t *tx, id int64, now time.Time) error {
	old, err := load(ctx, t, "s.id = ?1", id)
	if errors.Is(err, sql.ErrNoRows) || err == nil && old.Status != subscribers.Paused {
		_, err = t.exec(ctx, `DELETE FROM pauses WHERE subscriber = ?1`, id)
		return err
	}
	if err != nil {
		return err
	}
	s := old.Settings
	s.Resume()
	_, err = db.apply(ctx, t, id, &old.Settings, s, "schedule", now)
	return err
}
