package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"broadsheet/mailer"
	"broadsheet/operators"
	"broadsheet/subscribers"
)

// WaveEnd is what came of deciding about a wave.
type WaveEnd struct {
	Marks     int // that count for nothing from now on, or count after all
	Addresses int // that get mail again, or are barred
}

func (e WaveEnd) words(domain, marks, addresses string) string {
	return fmt.Sprintf("%s: %d hard bounces %s, %d addresses %s", domain, e.Marks, marks, e.Addresses, addresses)
}

func issueObject(id int64) string { return fmt.Sprintf("issue %d", id) }

var (
	// ErrNoWave says that there are no hard marks to decide about.
	ErrNoWave = errors.New("no hard bounces")
	// ErrDecided says that an operator has decided about a wave before.
	ErrDecided = errors.New("decided before")
)

// UndoWave has the hard marks of a domain in the slot of an issue count for nothing for good, those that come
// later among them, and lifts what they barred, whether or not they came into quarantine. A complaint
// or a leave that came in between stays. Deliveries stay bounced or failed. by is who decides so.
func (db *DB) UndoWave(ctx context.Context, by operators.By, issue int64, domain string, now time.Time) (end WaveEnd, err error) {
	err = db.decide(ctx, issue, domain, "undone", now, func(ctx context.Context, t *tx, slot int64, domain string, w *Wave) error {
		if w.Ending == "undone" {
			return fmt.Errorf("%w: undone at %s", ErrDecided, w.Ended.UTC().Format(time.RFC3339))
		}
		if end, err = db.takeBack(ctx, t, slot, issue, domain, markUndone, now); err != nil {
			return err
		}
		return t.audit(ctx, by, "wave undo", issueObject(issue), end.words(domain, "count for nothing", "get mail again"), now)
	})
	if err != nil {
		return WaveEnd{}, fmt.Errorf("undo hard bounces of %s in issue %d: %w", domain, issue, err)
	}
	return end, nil
}

// ApplyWave ends the quarantine of a domain's hard marks in the slot of an issue because what they say is true:
// they count as if there had been none. by is who decides so.
func (db *DB) ApplyWave(ctx context.Context, by operators.By, issue int64, domain string, now time.Time) (end WaveEnd, err error) {
	err = db.decide(ctx, issue, domain, "applied", now, func(ctx context.Context, t *tx, slot int64, domain string, w *Wave) error {
		switch {
		case w.Ending != "":
			return fmt.Errorf("%w: %s at %s", ErrDecided, w.Ending, w.Ended.UTC().Format(time.RFC3339))
		case w.Held.IsZero():
			return fmt.Errorf("%w in quarantine: they count already", ErrNoWave)
		}
		if end, err = db.letCount(ctx, t, slot, domain, now); err != nil {
			return err
		}
		return t.audit(ctx, by, "wave apply", issueObject(issue), end.words(domain, "count", "are barred"), now)
	})
	if err != nil {
		return WaveEnd{}, fmt.Errorf("apply hard bounces of %s in issue %d: %w", domain, issue, err)
	}
	return end, nil
}

// decide has do deal with the hard marks of a domain in the slot of an issue, and notes how their wave ended.
func (db *DB) decide(ctx context.Context, issue int64, domain, ending string, now time.Time,
	do func(ctx context.Context, t *tx, slot int64, domain string, w *Wave) error) error {
	ascii, err := subscribers.ASCIIDomain(strings.TrimPrefix(strings.TrimSpace(domain), "@"))
	if err != nil {
		return fmt.Errorf("%q is no domain: %w", domain, err)
	}
	domain = strings.ToLower(ascii)
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		var slot, held, ended int64
		if err := t.scan(ctx, `SELECT slot FROM issues WHERE id = ?1`, args{issue}, &slot); err != nil {
			return notFound(err, "issue %d", issue)
		}
		var w Wave
		err := t.scan(ctx, `SELECT held, ended, ending FROM waves WHERE slot = ?1 AND domain = ?2`, args{slot, domain}, &held, &ended, &w.Ending)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if held == 0 && w.Ending == "" {
			hard, err := t.hardMarks(ctx, slot, domain)
			if err != nil {
				return err
			}
			if hard == 0 {
				return ErrNoWave
			}
			if _, err = t.wave(ctx, slot, issue, domain, hard, true); err != nil {
				return err
			}
		}
		w.Held, w.Ended = fromUS(held), fromUS(ended)
		if err := do(ctx, t, slot, domain, &w); err != nil {
			return err
		}
		_, err = t.exec(ctx, `UPDATE waves SET ended = ?3, ending = ?4 WHERE slot = ?1 AND domain = ?2`, slot, domain, us(now), ending)
		return err
	})
}

// letCount has marks that were held count, in the order in which their mails left.
func (db *DB) letCount(ctx context.Context, t *tx, slot int64, domain string, now time.Time) (end WaveEnd, err error) {
	list, err := t.waveMarks(ctx, slot, domain)
	if err != nil {
		return end, err
	}
	list = slices.DeleteFunc(list, func(m waveMark) bool { return m.effect != markHeld })
	slices.SortStableFunc(list, func(a, b waveMark) int { return cmp.Compare(a.sent, b.sent) })
	for _, m := range list {
		r, err := t.marked(ctx, m.subscriber, m.address)
		if err != nil {
			return end, err
		}
		if r == nil { // the reader is gone, or has another address by now
			if err := t.setMark(ctx, m.key, markForgiven); err != nil {
				return end, err
			}
			continue
		}
		if err := t.setMark(ctx, m.key, markCounts); err != nil {
			return end, err
		}
		end.Marks++
		bars, err := t.bars(ctx, r, mailer.Hard, fromUS(m.sent), now)
		if err != nil {
			return end, err
		}
		if !bars {
			continue
		}
		is, err := db.barByMark(ctx, t, m.key, m.address, mailer.Hard, m.reason, now)
		if err != nil {
			return end, err
		}
		if is {
			end.Addresses++
		}
	}
	return end, nil
}
