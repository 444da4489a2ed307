package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Retention says how long things are kept. 0 = for ever.
type Retention struct {
	Deliveries, Attempts, Events, Audit time.Duration
}

// Dropped is what retention has dropped of a kind.
type Dropped struct {
	What string
	At   time.Time // last
	Rows int       // in all
}

const (
	// dropTogether is how many rows a transaction drops: senders wait for it no longer than for a commit of their own.
	dropTogether = 200
	// dropPause is how long others get their turn between two.
	dropPause = 20 * time.Millisecond
	// dropMost is how many rows of a kind one call drops: the next one goes on.
	dropMost = 4000
)

// Drop drops what is older than it is kept, some thousand rows of a kind at a time, and says how many it
// dropped. Of issues their books stay, as figures, and so do subscribers, consents and stories. A delivery
// stays as long as it is the latest of its reader in its edition: the next window begins where it ended.
func (db *DB) Drop(ctx context.Context, keep Retention, now time.Time) (rows int, err error) {
	for _, kind := range []struct {
		what string
		span time.Duration
		drop func(ctx context.Context, before, n int64) (int, error)
	}{
		{"attempts", keep.Attempts, db.dropAttempts}, {"deliveries", keep.Deliveries, db.dropDeliveries},
		{"events", keep.Events, db.dropEvents}, {"audit", keep.Audit, db.dropAudit},
	} {
		for n := 0; kind.span > 0 && n < dropMost && ctx.Err() == nil; {
			dropped, err := kind.drop(ctx, us(now.Add(-kind.span)), dropTogether)
			if err == nil && dropped > 0 {
				err = db.noteDropped(ctx, kind.what, dropped, now)
			}
			if err != nil {
				return rows, fmt.Errorf("drop old %s: %w", kind.what, err)
			}
			if dropped == 0 {
				break
			}
			n, rows = n+dropped, rows+dropped
			select {
			case <-ctx.Done():
			case <-time.After(dropPause):
			}
		}
	}
	return rows, nil
}

// Dropped says what was dropped so far, by kind.
func (db *DB) Dropped(ctx context.Context) (map[string]Dropped, error) {
	out := make(map[string]Dropped)
	_, err := selectAll(ctx, db.read(), `SELECT what, at, n FROM dropped`, nil, func(r *sql.Rows) (none struct{}, err error) {
		var d Dropped
		var at int64
		err = r.Scan(&d.What, &at, &d.Rows)
		d.At = fromUS(at)
		out[d.What] = d
		return none, err
	})
	if err != nil {
		return nil, fmt.Errorf("list what was dropped: %w", err)
	}
	return out, nil
}

func (db *DB) noteDropped(ctx context.Context, what string, n int, now time.Time) error {
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO dropped (what, at, n) VALUES (?1, ?2, ?3) ON CONFLICT (what) DO UPDATE SET at = ?2, n = dropped.n + ?3`, what, us(now), n)
		return err
	})
}

// old finds a slot that ended before then and has rows to drop, by a query; 0 if there is none.
func (db *DB) old(ctx context.Context, query string, before int64) (slot int64, err error) {
	err = db.read().scan(ctx, `SELECT coalesce((`+query+`), 0)`, args{before}, &slot)
	return slot, err
}

// dropAttempts drops some attempts of one slot.
func (db *DB) dropAttempts(ctx context.Context, before, n int64) (int, error) {
	slot, err := db.old(ctx, `SELECT s.id FROM slots s WHERE s.ends > `+noticeDropped+` AND s.ends < ?1
		AND EXISTS (SELECT 1 FROM attempts a WHERE a.slot = s.id) ORDER BY s.ends LIMIT 1`, before)
	if err != nil || slot == 0 {
		return 0, err
	}
	return db.dropRows(ctx, `DELETE FROM attempts WHERE slot = ?1 AND subscriber IN (SELECT subscriber FROM attempts WHERE slot = ?1 LIMIT ?2)`, slot, n)
}

// dropDeliveries drops some deliveries of one slot, and its digests with the last of them.
func (db *DB) dropDeliveries(ctx context.Context, before, n int64) (int, error) {
	if db.path == "" {
		if err := db.dropDigests(ctx); err != nil {
			return 0, err
		}
		return db.dropPart(ctx, before)
	}
	slot, err := db.oldNotices(ctx, before)
	if err == nil && slot == 0 {
		slot, err = db.oldSlot(ctx, before)
	}
	if err != nil || slot == 0 {
		return 0, err
	}
	dropped := 0
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		list, err := selectAll(ctx, t, `SELECT d.subscriber FROM slots s JOIN deliveries d ON d.slot = s.id
			LEFT JOIN followers f ON f.edition = s.edition AND f.subscriber = d.subscriber
			WHERE s.id = ?1 AND coalesce(f.last_slot, 0) <> s.id LIMIT ?2`, args{slot, n}, number)
		if err != nil {
			return err
		}
		dropped = len(list)
		ids := idList(list)
		if _, err := t.exec(ctx, `INSERT INTO dropped_states (issue, relay, state, n) SELECT issue, relay, state, count(*) FROM deliveries
			WHERE slot = ?1 AND subscriber `+db.dialect.in(2)+` GROUP BY issue, relay, state
			ON CONFLICT (issue, relay, state) DO UPDATE SET n = dropped_states.n + excluded.n`, slot, ids); err != nil {
			return err
		}
		for _, table := range []string{"attempts", "deliveries", "marks", "notice_slots"} {
			if _, err := t.exec(ctx, `DELETE FROM `+table+` WHERE slot = ?1 AND subscriber `+db.dialect.in(2)+``, slot, ids); err != nil {
				return err
			}
		}
		if _, err = t.exec(ctx, `DELETE FROM digests WHERE issue IN (SELECT id FROM issues WHERE slot = ?1)
			AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.slot = ?1)`, slot); err != nil {
			return err
		}
		_, err = t.exec(ctx, `UPDATE slots SET ends = `+noticeDropped+` WHERE id = ?1 AND ends = 0 AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.slot = ?1)`, slot)
		return err
	})
	return dropped, err
}

// noticeDropped is what slots of notices end at once their deliveries are dropped. Before that it is 0,
// for slots are looked through by their ends for mails that are near, and notices are near to none.
const noticeDropped = "1"

// oldNotices is the oldest run of notices that has deliveries, if it ended before then; else 0.
func (db *DB) oldNotices(ctx context.Context, before int64) (slot int64, err error) {
	return db.old(ctx, `SELECT found.id FROM (SELECT id FROM slots WHERE ends = 0 ORDER BY id LIMIT 1) found JOIN issues i ON i.slot = found.id WHERE i.ends < ?1`, before)
}

// oldSlot is a slot of digests that ended before then and has deliveries that are not their readers' latest.
func (db *DB) oldSlot(ctx context.Context, before int64) (slot int64, err error) {
	return db.old(ctx, `SELECT s.id FROM slots s WHERE s.ends > `+noticeDropped+` AND s.ends < ?1
		AND EXISTS (SELECT 1 FROM deliveries d LEFT JOIN followers f ON f.edition = s.edition AND f.subscriber = d.subscriber
			WHERE d.slot = s.id AND coalesce(f.last_slot, 0) <> s.id) ORDER BY s.ends LIMIT 1`, before)
}

func (db *DB) dropEvents(ctx context.Context, before, n int64) (int, error) {
	return db.dropRows(ctx, `DELETE FROM events WHERE (slot, subscriber, class, at) IN (SELECT slot, subscriber, class, at FROM events WHERE at < ?1 ORDER BY at LIMIT ?2)`, before, n)
}

// The log is in the order of its numbers, so that its oldest lines are the first.
func (db *DB) dropAudit(ctx context.Context, before, n int64) (int, error) {
	return db.dropRows(ctx, `DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE id > 0 ORDER BY id LIMIT ?2) AND at < ?1`, before, n)
}

func (db *DB) dropRows(ctx context.Context, query string, values ...any) (dropped int, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, query, values...)
		dropped = int(n)
		return err
	})
	return dropped, err
}
