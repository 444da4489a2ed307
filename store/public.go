package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// SlotKeys lists the slots of an edition that have an issue anywhere, the latest keys first, of
// keys below before; "" = all.
func (db *DB) SlotKeys(ctx context.Context, edition, before string, limit int) ([]string, error) {
	list, err := selectAll(ctx, db.read(), `SELECT slot_key FROM slots WHERE edition = (SELECT id FROM editions WHERE name = ?1)
		AND (?2 = '' OR slot_key < ?2) ORDER BY slot_key DESC LIMIT ?3`, args{edition, before, limit},
		func(r *sql.Rows) (key string, err error) { return key, r.Scan(&key) })
	if err != nil {
		return nil, fmt.Errorf("list slots of %s: %w", edition, err)
	}
	return list, nil
}

// ArrivalAt is the highest arrival number given up to t, 0 if there is none.
func (db *DB) ArrivalAt(ctx context.Context, t time.Time) (n int64, err error) {
	err = db.read().scan(ctx, `SELECT coalesce(max(arrival), 0) FROM story_sections WHERE arrival IS NOT NULL AND arrived =
		(SELECT max(arrived) FROM story_sections WHERE arrival IS NOT NULL AND arrived <= ?1)`, args{us(t)}, &n)
	if err != nil {
		return 0, fmt.Errorf("find last arrival: %w", err)
	}
	return n, nil
}
