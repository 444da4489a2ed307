package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// WakeScheduler is the wake of what opens issues.
const WakeScheduler = "scheduler"

// Wake notes that something that runs again and again did so, at a time by the machine's clock.
func (db *DB) Wake(ctx context.Context, name string, at time.Time) error {
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO wakes (name, at) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET at = ?2`, name, us(at))
		return err
	})
	if err != nil {
		return fmt.Errorf("note wake: %w", err)
	}
	return nil
}

// LastWake is when that last happened; zero if it never did.
func (db *DB) LastWake(ctx context.Context, name string) (time.Time, error) {
	var at int64
	if err := db.read().scan(ctx, `SELECT at FROM wakes WHERE name = ?1`, args{name}, &at); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, fmt.Errorf("load last wake: %w", err)
	}
	return fromUS(at), nil
}
