package store

import (
	"context"
	"time"
)

// comesBack reports whether the owner of a suppressed address can bring it back by a confirmation.
func comesBack(reason string) bool {
	switch reason {
	case "unsubscribed", "hard_bounce", "erased", "import":
		return true
	}
	return false
}

func (db *DB) forget(ctx context.Context, t *tx, id int64, _ time.Time) error {
	if _, err := t.exec(ctx, `UPDATE counters SET value = max(value, ?1) WHERE name = 'gone'`, id); err != nil {
		return err
	}
	for _, query := range []string{
		`DELETE FROM notices WHERE subscriber = ?1`, `DELETE FROM requests WHERE subscriber = ?1`, `DELETE FROM consents WHERE subscriber = ?1`,
		`DELETE FROM settings WHERE subscriber = ?1`, `DELETE FROM followers WHERE subscriber = ?1`, `DELETE FROM subscribers WHERE id = ?1`,
	} {
		if _, err := t.exec(ctx, query, id); err != nil {
			return err
		}
	}
	return nil
}
