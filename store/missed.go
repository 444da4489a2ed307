package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"broadsheet/digest"
)

// waitedLook is of how many readers it is asked whether they were there already.
const waitedLook = 1000

// Waited reports whether readers of an audience were waiting for a slot: whether one of the first thousand
// has had the settings of now since before it was due.
func (db *DB) Waited(ctx context.Context, edition string, a digest.Audience, due time.Time) (waited bool, err error) {
	id, err := db.EditionID(ctx, edition)
	if err != nil || id == 0 {
		return false, err
	}
	ids, err := db.audience(ctx, db.read(), id, a, 0, waitedLook)
	if err == nil && len(ids) > 0 {
		err = db.read().scan(ctx, `SELECT EXISTS (SELECT 1 FROM `+db.dialect.ids(1)+` v JOIN subscribers s ON s.id = v.value
			JOIN settings st ON st.id = s.settings WHERE st.at <= ?2)`, args{idList(ids), us(due)}, &waited)
	}
	if err != nil {
		return false, fmt.Errorf("look for readers of a missed slot: %w", err)
	}
	return waited, nil
}

// MissedSlot is a slot that has no issue of its own though readers waited for it.
type MissedSlot struct {
	Edition, Slot, Zone string
	Hour                int
	Due                 time.Time
	Noted               time.Time // by the machine's clock
	TakenIn             string    // key of the slot that took its stories; "" = the next that was opened
}

// NoteMissed puts missed slots on record, each once, and says how many are new.
func (db *DB) NoteMissed(ctx context.Context, list []digest.Missed) (fresh int, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		fresh = 0
		for _, m := range list {
			n, err := t.exec(ctx, `INSERT INTO missed_slots (edition, slot_key, zone, hour, due, noted, taken_in) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
				ON CONFLICT (edition, slot_key, zone, hour) DO NOTHING`, m.Edition, m.Slot.Key, m.Slot.Zone, m.Slot.Hour, us(m.Slot.Due), us(db.real()), m.Into)
			if err != nil {
				return err
			}
			fresh += int(n)
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("note missed slots: %w", err)
	}
	return fresh, nil
}

// MissedSlots lists those put on record since then, by the machine's clock, the latest first; at most a thousand.
func (db *DB) MissedSlots(ctx context.Context, since time.Time) ([]MissedSlot, error) {
	list, err := selectAll(ctx, db.read(), `SELECT edition, slot_key, zone, hour, due, noted, taken_in FROM missed_slots WHERE noted >= ?1
		ORDER BY noted DESC, due DESC LIMIT 1000`, args{us(since)}, func(r *sql.Rows) (m MissedSlot, err error) {
		var due, noted int64
		err = r.Scan(&m.Edition, &m.Slot, &m.Zone, &m.Hour, &due, &noted, &m.TakenIn)
		m.Due, m.Noted = fromUS(due), fromUS(noted)
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("list missed slots: %w", err)
	}
	return list, nil
}

// MissedCounts counts all that were ever missed, by edition.
func (db *DB) MissedCounts(ctx context.Context) (map[string]int, error) {
	counts := map[string]int{}
	_, err := selectAll(ctx, db.read(), `SELECT edition, count(*) FROM missed_slots GROUP BY edition`, nil, func(r *sql.Rows) (struct{}, error) {
		var edition string
		var n int
		err := r.Scan(&edition, &n)
		counts[edition] = n
		return struct{}{}, err
	})
	if err != nil {
		return nil, fmt.Errorf("count missed slots: %w", err)
	}
	return counts, nil
}
