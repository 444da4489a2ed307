package store

import (
	"context"
	"time"
)

// forget takes a reader who never confirmed off the record.
func (db *DB) forget(ctx context.Context, t *tx, id int64, now time.Time) error {
	if _, err := t.exec(ctx, `UPDATE counters SET value = max(value, ?1) WHERE name = 'gone'`, id); err != nil {
		return err
	}
	if err := t.barNotices(ctx, id, "erased", now); err != nil {
		return err
	}
	for _, query := range []string{
		`DELETE FROM notice_slots WHERE subscriber = ?1`, `DELETE FROM requests WHERE subscriber = ?1`, `DELETE FROM consents WHERE subscriber = ?1`,
		`DELETE FROM settings WHERE subscriber = ?1`, `DELETE FROM followers WHERE subscriber = ?1`, `DELETE FROM subscribers WHERE id = ?1`,
	} {
		if _, err := t.exec(ctx, query, id); err != nil {
			return err
		}
	}
	return nil
}
