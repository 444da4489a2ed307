package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"broadsheet/digest"
)

// Ping is a call of an edition's ping address that is to be made, because an issue came to its end.
type Ping struct {
	Edition, Slot, Zone string
	Hour                int
	OK                  bool      // it ended well
	At                  time.Time // when that was seen
	Tries               int
	Due                 time.Time // of the next try; zero: it was answered, or given up
	Said                string    // what the last try came to; "" before the first
}

// Opening lists the issues that were begun and are not open yet, the oldest first.
func (db *DB) Opening(ctx context.Context) ([]digest.Issue, error) {
	list, err := selectAll(ctx, db.read(), `SELECT `+issueColumns+`WHERE i.state = '`+digest.Opening+`' ORDER BY i.id`, nil, scanIssue)
	if err != nil {
		return nil, fmt.Errorf("list issues that are opening: %w", err)
	}
	return list, nil
}

// Ended lists the open issues of an edition that were due in a span and of which nothing is left to send, and
// no ping of a good end is on record.
func (db *DB) Ended(ctx context.Context, edition string, from, to time.Time) ([]digest.Issue, error) {
	list, err := selectAll(ctx, db.read(), `SELECT `+issueColumns+`WHERE e.name = ?1 AND i.due > ?2 AND i.due <= ?3 AND i.state = '`+digest.Open+`'
		AND NOT EXISTS (SELECT 1 FROM batches b WHERE b.issue = i.id AND b.done = 0)
		AND NOT EXISTS (SELECT 1 FROM pings p WHERE p.ok = 1 AND p.edition = e.name AND p.slot_key = s.slot_key AND p.zone = i.zone AND p.hour = i.hour)
		ORDER BY i.due, i.id`, args{edition, us(from), us(to)}, scanIssue)
	if err != nil {
		return nil, fmt.Errorf("list issues that have ended: %w", err)
	}
	return list, nil
}

// AddPing notes that an edition's ping address is to be called: once for each slot, zone and hour, and once
// more if one that was called as bad came to a good end after all.
func (db *DB) AddPing(ctx context.Context, p Ping) error {
	err := db.writeIn(ctx, ownLane, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO pings (edition, slot_key, zone, hour, ok, at, due) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)
			ON CONFLICT (edition, slot_key, zone, hour) DO UPDATE SET ok = 1, at = excluded.at, due = excluded.due, tries = 0, said = ''
			WHERE excluded.ok = 1 AND pings.ok = 0`, p.Edition, p.Slot, p.Zone, p.Hour, p.OK, us(p.At))
		return err
	})
	if err != nil {
		return fmt.Errorf("note ping: %w", err)
	}
	return nil
}

// Pings lists the calls that are due, the oldest first; with all, those that wait for a later try too.
func (db *DB) Pings(ctx context.Context, now time.Time, all bool) ([]Ping, error) {
	list, err := selectAll(ctx, db.read(), `SELECT edition, slot_key, zone, hour, ok, at, tries, due, said FROM pings`+db.dialect.by("pings_due")+`
		WHERE due IS NOT NULL AND (?2 <> 0 OR due <= ?1) ORDER BY due LIMIT 100`, args{us(now), all}, func(r *sql.Rows) (p Ping, err error) {
		var at, due int64
		err = r.Scan(&p.Edition, &p.Slot, &p.Zone, &p.Hour, &p.OK, &at, &p.Tries, &due, &p.Said)
		p.At, p.Due = fromUS(at), fromUS(due)
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("list pings: %w", err)
	}
	return list, nil
}

// pingClaim is how long one call may take before another process may make it.
const pingClaim = time.Minute

// BeginPing claims a call that is due, counts the try and moves its due time behind the longest that it may take.
// mine is false if another process has it, or it was made meanwhile.
func (db *DB) BeginPing(ctx context.Context, p *Ping, now time.Time) (mine bool, err error) {
	err = db.writeIn(ctx, ownLane, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE pings SET tries = tries + 1, due = ?5 WHERE edition = ?1 AND slot_key = ?2 AND zone = ?3 AND hour = ?4
			AND tries = ?6 AND due = ?7 AND ok = ?8`, p.Edition, p.Slot, p.Zone, p.Hour, us(now.Add(pingClaim)), p.Tries, us(p.Due), p.OK)
		mine = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("begin ping: %w", err)
	}
	if mine {
		p.Tries++
	}
	return mine, nil
}

// Pinged puts on record what a try that was begun came to: p's Due and Said. It does nothing if another process has
// begun the next.
func (db *DB) Pinged(ctx context.Context, p Ping) error {
	var due any
	if !p.Due.IsZero() {
		due = us(p.Due)
	}
	err := db.writeIn(ctx, ownLane, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE pings SET due = ?6, said = ?7 WHERE edition = ?1 AND slot_key = ?2 AND zone = ?3 AND hour = ?4 AND tries = ?5 AND ok = ?8`,
			p.Edition, p.Slot, p.Zone, p.Hour, p.Tries, due, oneLine(p.Said, 200), p.OK)
		return err
	})
	if err != nil {
		return fmt.Errorf("put ping on record: %w", err)
	}
	return nil
}
