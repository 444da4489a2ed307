package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Wave is the hard marks of one domain in one slot that are or were in quarantine, or of which an
// operator has decided.
type Wave struct {
	Issue         int64 // one of the slot's that had some
	Edition, Slot string
	Domain        string
	Mails         int       // of the slot to the domain, when they were last counted
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
	list, err := selectAll(ctx, db.read(), waveColumns+`(SELECT slot, domain FROM waves`+db.dialect.by("waves_held")+`WHERE held > 0 AND held >= ?1
			UNION SELECT slot, domain FROM waves`+db.dialect.by("waves_ended")+`WHERE ended > 0 AND ended >= ?1) mine `+waveJoins+`
		WHERE ?2 = 0 OR w.ended = 0 ORDER BY max(w.held, w.ended) DESC, w.issue DESC, w.domain LIMIT 1000`, args{us(since), open}, scanWave)
	if err != nil {
		return nil, fmt.Errorf("list waves: %w", err)
	}
	return list, nil
}

const (
	waveColumns = `SELECT w.issue, e.name, s.slot_key, w.domain, w.size, w.hard, w.norm, w.held, w.ended, w.ending FROM `
	waveJoins   = `CROSS JOIN waves w ON w.slot = mine.slot AND w.domain = mine.domain
		JOIN issues i ON i.id = w.issue JOIN editions e ON e.id = i.edition JOIN slots s ON s.id = i.slot`
)

func scanWave(r *sql.Rows) (w Wave, err error) {
	var held, ended int64
	err = r.Scan(&w.Issue, &w.Edition, &w.Slot, &w.Domain, &w.Mails, &w.Hard, &w.Norm, &held, &ended, &w.Ending)
	w.Held, w.Ended = fromUS(held), fromUS(ended)
	return w, err
}

// TellWaves lists the waves that wait for an operator and that it has not listed yet, for an alarm.
func (db *DB) TellWaves(ctx context.Context) (list []Wave, err error) {
	var some bool // mostly not: a look does not take the writer's turn
	err = db.read().scan(ctx, `SELECT EXISTS (SELECT 1 FROM waves`+db.dialect.by("waves_untold")+`WHERE held > 0 AND told = 0)`, nil, &some)
	if err == nil && some {
		err = db.write(ctx, func(ctx context.Context, t *tx) error {
			if list, err = selectAll(ctx, t, waveColumns+`(SELECT slot, domain FROM waves`+db.dialect.by("waves_untold")+`WHERE held > 0 AND told = 0) mine `+waveJoins+`
				WHERE w.ended = 0 ORDER BY w.held, w.issue, w.domain`, nil, scanWave); err != nil {
				return err
			}
			_, err := t.exec(ctx, `UPDATE waves`+db.dialect.by("waves_untold")+`SET told = 1 WHERE held > 0 AND told = 0`)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("list new waves: %w", err)
	}
	return list, nil
}
