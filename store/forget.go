package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// forget takes a reader off the record: who never confirmed, or is erased.
func (db *DB) forget(ctx context.Context, t *tx, id int64, now time.Time) error {
	old, err := load(ctx, t, "s.id = ?1", id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	t.countSections(&old.Settings, nil)
	if _, err := t.exec(ctx, `UPDATE counters SET value = max(value, ?1) WHERE name = 'gone'`, id); err != nil {
		return err
	}
	if err := t.barNotices(ctx, id, "erased", now); err != nil {
		return err
	}
	if err := t.forgetNews(ctx, id); err != nil {
		return err
	}
	for _, query := range []string{
		`DELETE FROM notices WHERE subscriber = ?1`, `DELETE FROM notice_slots WHERE subscriber = ?1`,
		`DELETE FROM requests WHERE subscriber = ?1`, `DELETE FROM consents WHERE subscriber = ?1`,
		`DELETE FROM pauses WHERE subscriber = ?1`, `DELETE FROM marks WHERE subscriber = ?1`, `DELETE FROM private_feeds WHERE subscriber = ?1`,
		`DELETE FROM settings WHERE subscriber = ?1`, `DELETE FROM followers WHERE subscriber = ?1`, `DELETE FROM subscribers WHERE id = ?1`,
	} {
		if _, err := t.exec(ctx, query, id); err != nil {
			return err
		}
	}
	return t.readersChanged(ctx)
}
