package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"broadsheet/digest"
)

// PublicSlots lists the slots of an edition that have an issue anywhere, those with the latest keys
// first, of keys below before ("" = all). Cutoff and Opened are those of the issue in that zone at
// that hour; if there is none, ID is 0.
func (db *DB) PublicSlots(ctx context.Context, edition, zone string, hour int, before string, limit int) ([]digest.Issue, error) {
	list, err := selectAll(ctx, db.read(), `SELECT s.id, s.edition, s.slot_key, coalesce(i.id, 0), coalesce(i.cutoff, 0), coalesce(i.opened, 0), coalesce(i.due, 0)
		FROM slots s LEFT JOIN issues i ON i.slot = s.id AND i.zone = ?2 AND i.hour = ?3
		WHERE s.edition = (SELECT id FROM editions WHERE name = ?1) AND (?4 = '' OR s.slot_key < ?4)
		ORDER BY s.slot_key DESC LIMIT ?5`, args{edition, zone, hour, before, limit}, func(r *sql.Rows) (i digest.Issue, err error) {
		var opened, due int64
		err = r.Scan(&i.SlotID, &i.EditionID, &i.Slot, &i.ID, &i.Cutoff, &opened, &due)
		i.Edition, i.Zone, i.Hour, i.Opened, i.Due = edition, zone, hour, fromUS(opened), fromUS(due)
		return i, err
	})
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
