package store

import (
	"context"
	"fmt"
)

// Sound looks whether the database's file is whole, as [DB.Check] does; without full it does not
// compare indexes with their tables, which is much quicker.
func (db *DB) Sound(ctx context.Context, full bool) error {
	if full || db.path == "" {
		return db.Check(ctx)
	}
	var found string
	if err := db.readers.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found); err != nil {
		return fmt.Errorf("check database: %w", explain(err))
	}
	if found != "ok" {
		return fmt.Errorf("check database: %w: %s", ErrDamaged, found)
	}
	return nil
}
