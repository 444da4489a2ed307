package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Wave is the hard marks of one domain in one issue that are or were in quarantine, or of which an
// operator has decided.
type Wave struct {
	Issue         int64
	Edition, Slot string
	Domain        string
	Mails         int       // of the issue to the domain
	Hard          int       // of them refused or returned because there is no such mailbox
	Norm          float64   // share of the domain's mails of which that was said in the weeks before
	Held          time.Time // when they came into quarantine; zero if they never did
	Ended         time.Time // when an operator decided; zero if none has
	Ending        string    // what: undone, applied; "" if nothing
}

// Share is what part of the mails left hard marks.
func (w *Wave) Share() float64 { return float64(w.Hard) / float64(max(w.Mails, 1)) }

// State says where a wave stands at a time: held (an operator should decide), lapsed (none has),
// undone or applied.
func (w *Wave) State(now time.Time) string {
	switch {
	case w.Ending != "":
		return w.Ending
	case now.Sub(w.Held) > waveLapse:
		return "lapsed"
	}
	return "held"
}

// Waves lists the waves that came into quarantine or were decided at a time or later, the newest
// first; if open is set, only those that wait for an operator to decide. There are at most 1000.
func (db *DB) Waves(ctx context.Context, since time.Time, open bool, now time.Time) ([]Wave, error) {
	if lapsed := now.Add(-waveLapse); open && since.Before(lapsed) {
		since = lapsed
	}
	list, err := selectAll(ctx, db.read(), `SELECT w.issue, e.name, s.slot_key, w.domain, w.size, w.hard, w.norm, w.held, w.ended, w.ending
		FROM (SELECT issue, domain FROM waves WHERE held > 0 AND held >= ?1 UNION SELECT issue, domain FROM waves WHERE ended > 0 AND ended >= ?1) mine
		CROSS JOIN waves w ON w.issue = mine.issue AND w.domain = mine.domain
		JOIN issues i ON i.id = w.issue JOIN editions e ON e.id = i.edition JOIN slots s ON s.id = i.slot
		WHERE ?2 = 0 OR w.ended = 0 ORDER BY max(w.held, w.ended) DESC, w.issue DESC, w.domain LIMIT 1000`, args{us(since), open},
		func(r *sql.Rows) (w Wave, err error) {
			var held, ended int64
			err = r.Scan(&w.Issue, &w.Edition, &w.Slot, &w.Domain, &w.Mails, &w.Hard, &w.Norm, &held, &ended, &w.Ending)
			w.Held, w.Ended = fromUS(held), fromUS(ended)
			return w, err
		})
	if err != nil {
		return nil, fmt.Errorf("list waves: %w", err)
	}
	return list, nil
}
