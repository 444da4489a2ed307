package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/operators"
)

// ErrNothingLeft says that an issue has nothing to stop.
var ErrNothingLeft = errors.New("nothing of it is left to stop")

// Stop is an operator's decision that nothing more of an issue goes.
type Stop struct {
	Issue int64
	By    operators.By
	At    time.Time
}

// StopIssue ends an issue because by says so. From its first transaction on nothing more of it
// leaves, whatever sender of whatever process has it leased. Then, batch by batch, what has no copy out is
// cancelled and what has an unanswered one is uncertain. A mail that is handed just now ends with its
// answer; inHand is how many there were at the end. If this is interrupted, [DB.FinishStops] goes on with
// it. It is [ErrNothingLeft] if all of the issue has come to its end. show, if not nil, is told how many
// deliveries were ended.
func (db *DB) StopIssue(ctx context.Context, issue int64, by operators.By, now time.Time, show func(ended int)) (inHand int, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		if issue == 0 {
			return ErrNotFound
		}
		if err := t.isIssue(ctx, issue); err != nil {
			return err
		}
		var left bool
		if err := t.scan(ctx, `SELECT EXISTS (SELECT 1 FROM issues WHERE id = ?1 AND state = ?2) OR EXISTS (SELECT 1 FROM batches WHERE issue = ?1 AND done = 0)`,
			args{issue, digest.Opening}, &left); err != nil {
			return err
		}
		if !left {
			return ErrNothingLeft
		}
		if news, err := t.hold(ctx, digest.Hold{Issue: issue, Kind: digest.HoldStopping, Reason: by.Why, At: now, Who: by.Who}); err != nil || !news {
			return err // it is being stopped already: this helps
		}
		if _, err := t.exec(ctx, `INSERT INTO issue_stops (issue, at, who, why) VALUES (?1, ?2, ?3, ?4)
			ON CONFLICT (issue) DO UPDATE SET at = ?2, who = ?3, why = ?4`, issue, us(now), by.Who, by.Why); err != nil {
			return err
		}
		return t.audit(ctx, by, "issue stop", issueName(issue), "", now)
	})
	if err == nil {
		inHand, err = db.finishStop(ctx, issue, now, show)
	}
	if err != nil {
		return 0, fmt.Errorf("stop %s: %w", issueName(issue), err)
	}
	return inHand, nil
}

// FinishStops goes on with stops that are not at their end: a process was killed over them, the issue
// was still being opened, or a mail was in hand.
func (db *DB) FinishStops(ctx context.Context, now time.Time) error {
	list, err := selectAll(ctx, db.read(), `SELECT issue FROM issue_holds WHERE kind = ?1`, args{string(digest.HoldStopping)}, number)
	for _, issue := range list {
		if err == nil {
			_, err = db.finishStop(ctx, issue, now, nil)
		}
	}
	if err != nil {
		return fmt.Errorf("finish stops: %w", err)
	}
	return nil
}

func (db *DB) finishStop(ctx context.Context, issue int64, now time.Time, show func(ended int)) (inHand int, err error) {
	list, err := selectAll(ctx, db.read(), `SELECT id FROM batches WHERE issue = ?1 AND done = 0`, args{issue}, number)
	if err != nil {
		return 0, err
	}
	slices.Sort(list)
	all := 0
	for _, id := range list {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		ended, handed, err := db.stopBatch(ctx, id, now)
		if err != nil {
			return 0, err
		}
		all, inHand = all+ended, inHand+handed
		if show != nil {
			show(all)
		}
	}
	return inHand, db.write(ctx, func(ctx context.Context, t *tx) error {
		var left bool
		// A sender may still have a batch of which nothing is left.
		if err := t.scan(ctx, `SELECT EXISTS (SELECT 1 FROM issues WHERE id = ?1 AND state = ?2)
			OR EXISTS (SELECT 1 FROM issue_states WHERE issue = ?1 AND n > 0 AND state IN ('queued', 'sending', 'handed', 'deferred'))`,
			args{issue, digest.Opening}, &left); err != nil || left {
			return err
		}
		if had, err := t.letGo(ctx, issue, digest.HoldStopping); err != nil || !had {
			return err
		}
		// Nothing else has a say about it any more either.
		if _, err := t.exec(ctx, `DELETE FROM issue_holds WHERE issue = ?1`, issue); err != nil {
			return err
		}
		var by operators.By
		if err := t.scan(ctx, `SELECT who, why FROM issue_stops WHERE issue = ?1`, args{issue}, &by.Who, &by.Why); err != nil {
			return err
		}
		var cancelled, uncertain int
		if err := t.scan(ctx, `SELECT coalesce(sum(CASE state WHEN 'cancelled' THEN n END), 0), coalesce(sum(CASE state WHEN 'uncertain' THEN n END), 0)
			FROM issue_states WHERE issue = ?1`, args{issue}, &cancelled, &uncertain); err != nil {
			return err
		}
		return t.audit(ctx, by, "issue stopped", issueName(issue), fmt.Sprintf("%d cancelled, %d uncertain", cancelled, uncertain), now)
	})
}

// stopBatch ends what of a batch is not handed, and what a sender that is gone has left.
func (db *DB) stopBatch(ctx context.Context, batch int64, now time.Time) (ended, handed int, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		ended, handed = 0, 0
		var leased int64
		if err := t.scan(ctx, `SELECT lease_until FROM batches WHERE id = ?1`, args{batch}, &leased); err != nil {
			return err
		}
		s, err := spanOf(ctx, t, batch)
		if err != nil {
			return err
		}
		if leased > 0 && leased < us(db.leaseClock()) {
			if err := t.repair(ctx, s, now, now); err != nil {
				return err
			}
			leased = 0
		}
		type place struct {
			key
			handed bool
		}
		list, err := selectAll(ctx, t, `SELECT d.slot, d.subscriber, d.state = 'handed' FROM `+t.w.dialect.deliveries(s.slot)+` d WHERE `+t.w.dialect.within()+`
			AND d.state IN ('queued', 'sending', 'deferred', 'handed') ORDER BY d.slot, d.subscriber`, s.args(),
			func(r *sql.Rows) (p place, err error) { return p, r.Scan(&p.slot, &p.subscriber, &p.handed) })
		if err != nil {
			return err
		}
		for _, p := range list {
			if p.handed {
				handed++
				continue
			}
			d, err := t.delivery(ctx, p.slot, p.subscriber)
			if err != nil {
				return err
			}
			d.State, d.Reason = mailer.Cancelled, reasonStopped
			if err := t.save(ctx, d, now); err != nil {
				return err
			}
			if d.Copies > 0 {
				if err := t.attempt(ctx, d); err != nil {
					return err
				}
			}
			ended++
		}
		if leased > 0 {
			return nil // its sender gives it back
		}
		return t.free(ctx, s)
	})
	return ended, handed, err
}

// StopOf is the decision to stop an issue; nil if there was none.
func (db *DB) StopOf(ctx context.Context, issue int64) (*Stop, error) {
	list, err := selectAll(ctx, db.read(), `SELECT issue, at, who, why FROM issue_stops WHERE issue = ?1`, args{issue},
		func(r *sql.Rows) (s Stop, err error) {
			var at int64
			err = r.Scan(&s.Issue, &at, &s.By.Who, &s.By.Why)
			s.At = fromUS(at)
			return s, err
		})
	if err != nil {
		return nil, fmt.Errorf("load stop of issue %d: %w", issue, err)
	}
	if len(list) == 0 {
		return nil, nil
	}
	return &list[0], nil
}
