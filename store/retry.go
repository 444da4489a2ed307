package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"broadsheet/mailer"
	"broadsheet/operators"
)

// ErrNoRetry says why an operator cannot send a delivery again.
var ErrNoRetry = errors.New("cannot be sent again")

// Retryable are the states out of which a delivery may be sent again. One that is uncertain may arrive
// twice: see [DB.SettleDelivery].
var Retryable = []mailer.State{mailer.Failed, mailer.Expired, mailer.Cancelled, mailer.Uncertain}

// RetryDelivery puts a delivery that ended in one of [Retryable] back into the queue because by wishes
// it, and keeps that among its attempts. It is [ErrNoRetry] if the delivery is in another state, past its
// end of life, or if a later one took its stories over.
func (db *DB) RetryDelivery(ctx context.Context, id int64, by operators.By, now time.Time) error {
	err := db.actOn(ctx, id, by, "delivery retry", now, func(ctx context.Context, t *tx, d *delivery) error {
		return t.requeue(ctx, d, Retryable, by, now)
	})
	if err != nil {
		return fmt.Errorf("retry delivery %d: %w", id, err)
	}
	return nil
}

// Settlement is how an operator ends that a delivery is uncertain.
type Settlement string

const (
	SettleAgain   Settlement = "again"   // one copy more, the same octets
	SettleArrived Settlement = "arrived" // it counts as taken by the relay
)

// ErrNotUncertain says that there is nothing to settle about a delivery.
var ErrNotUncertain = errors.New("cannot be settled")

// SettleDelivery ends that a delivery is uncertain because by knows better, and keeps that among its
// attempts. It is [ErrNotUncertain] if it is not, and [ErrNoRetry] if it cannot go again.
func (db *DB) SettleDelivery(ctx context.Context, id int64, how Settlement, by operators.By, now time.Time) error {
	err := db.actOn(ctx, id, by, "delivery settle", now, func(ctx context.Context, t *tx, d *delivery) error {
		return t.settleUncertain(ctx, d, how, by, now)
	})
	if err != nil {
		return fmt.Errorf("settle delivery %d: %w", id, err)
	}
	return nil
}

// actOn does something to one delivery, with a line in the audit log.
func (db *DB) actOn(ctx context.Context, id int64, by operators.By, act string, now time.Time, do func(ctx context.Context, t *tx, d *delivery) error) error {
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		d, err := t.delivery(ctx, id>>32, id&math.MaxUint32)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		was := d.State
		if err := do(ctx, t, d); err != nil {
			return err
		}
		return t.audit(ctx, by, act, fmt.Sprintf("delivery %d", id), fmt.Sprintf("was %s, is %s", was, d.State), now)
	})
}

// requeue puts a delivery that ended in one of states back into the queue.
func (t *tx) requeue(ctx context.Context, d *delivery, states []mailer.State, by operators.By, now time.Time) error {
	switch {
	case !slices.Contains(states, d.State):
		return fmt.Errorf("%w: it is %s", ErrNoRetry, d.State)
	case d.batch == 0:
		return fmt.Errorf("%w: no relay takes it", ErrNoRetry)
	case d.stopping:
		return fmt.Errorf("%w: its issue is being stopped", ErrNoRetry)
	case now.After(d.Ends):
		return fmt.Errorf("%w: its life ended at %s", ErrNoRetry, d.Ends.Format(time.RFC3339))
	case d.later():
		return fmt.Errorf("%w: a later issue has taken over", ErrNoRetry)
	}
	// Somebody knows better than the relay did, and the next try has a word of its own.
	if err := t.dropMark(ctx, d); err != nil {
		return err
	}
	d.Reason = cmp.Or(by.Why, "by an operator") + " (was " + strings.TrimSuffix(string(d.State)+": "+d.Reason, ": ") + ")"
	d.State, d.Due, d.relay, d.reply, d.replyID = mailer.Queued, now, "", mailer.Reply{}, sql.NullInt64{}
	if err := t.save(ctx, d, now); err != nil {
		return err
	}
	if err := t.attempt(ctx, d); err != nil {
		return err
	}
	_, err := t.exec(ctx, `UPDATE batches SET done = 0, due = CASE WHEN done = 0 AND due < ?2 THEN due ELSE ?2 END WHERE id = ?1`, d.batch, us(now))
	return err
}

// settleUncertain ends that a delivery is uncertain.
func (t *tx) settleUncertain(ctx context.Context, d *delivery, how Settlement, by operators.By, now time.Time) error {
	if d.State != mailer.Uncertain {
		return fmt.Errorf("%w: it is %s", ErrNotUncertain, d.State)
	}
	if how == SettleAgain {
		return t.requeue(ctx, d, []mailer.State{mailer.Uncertain}, by, now)
	}
	d.Reason = "marked as arrived: " + cmp.Or(by.Why, "by an operator")
	d.State = mailer.Accepted
	if err := t.save(ctx, d, now); err != nil {
		return err
	}
	return t.attempt(ctx, d)
}

// Pick says which deliveries of an issue an act is about. Zero fields do not pick.
type Pick struct {
	States []mailer.State // one of these
	Reason string         // its reason begins so
	Domain string         // of the recipient
}

// Acted is what an act on many deliveries came to.
type Acted struct {
	Done int            `json:"done"`
	Left int            `json:"left"` // nothing could be done about
	Why  map[string]int `json:"why"`  // of those, by what speaks against it
}

// actTogether is how many deliveries an act on many of them takes in one transaction.
const actTogether = 200

// RetryIssue does what [DB.RetryDelivery] does for those deliveries of an issue that pick names, failed
// and expired ones if it names no states, in transactions of a few hundred. What it could not do when it
// is interrupted, another call does. show, if not nil, is told how many were looked at, of how many.
func (db *DB) RetryIssue(ctx context.Context, issue int64, pick Pick, by operators.By, now time.Time, show func(n, of int)) (Acted, error) {
	if len(pick.States) == 0 {
		pick.States = []mailer.State{mailer.Failed, mailer.Expired}
	}
	a, err := db.actOnMany(ctx, issue, pick, by, "issue retry", "queued again", now, show, func(ctx context.Context, t *tx, d *delivery) error {
		return t.requeue(ctx, d, pick.States, by, now)
	})
	if err != nil {
		return a, fmt.Errorf("retry deliveries of issue %d: %w", issue, err)
	}
	return a, nil
}

// SettleIssue does what [DB.SettleDelivery] does for those uncertain deliveries of an issue that pick
// names, as [DB.RetryIssue] does.
func (db *DB) SettleIssue(ctx context.Context, issue int64, pick Pick, how Settlement, by operators.By, now time.Time, show func(n, of int)) (Acted, error) {
	pick.States = []mailer.State{mailer.Uncertain}
	came := "marked as arrived"
	if how == SettleAgain {
		came = "queued for a further copy"
	}
	a, err := db.actOnMany(ctx, issue, pick, by, "issue settle", came, now, show, func(ctx context.Context, t *tx, d *delivery) error {
		return t.settleUncertain(ctx, d, how, by, now)
	})
	if err != nil {
		return a, fmt.Errorf("settle deliveries of issue %d: %w", issue, err)
	}
	return a, nil
}

// picked lists the deliveries that pick names.
func (db *DB) picked(ctx context.Context, issue int64, pick Pick) ([]key, error) {
	var slot int64
	if err := db.read().scan(ctx, `SELECT slot FROM issues WHERE id = ?1`, args{issue}, &slot); err != nil {
		return nil, notFound(err, "issue %d", issue)
	}
	states := ""
	for _, s := range pick.States {
		states += " " + string(s) + " "
	}
	return selectAll(ctx, db.read(), `SELECT d.slot, d.subscriber FROM deliveries d `+ofSettings+`
		WHERE d.slot = ?1 AND d.issue = ?2 AND `+db.dialect.instr+`(?3, ' ' || d.state || ' ') > 0 AND (?4 = '' OR substr(d.reason, 1, length(?4)) = ?4)
		AND (?5 = '' OR lower(substr(st.address, `+db.dialect.instr+`(st.address, '@') + 1)) = ?5) ORDER BY d.subscriber`,
		args{slot, issue, states, pick.Reason, strings.ToLower(pick.Domain)}, func(r *sql.Rows) (k key, err error) { return k, r.Scan(&k.slot, &k.subscriber) })
}

// actOnMany does something to picked deliveries. The first of its transactions says in the audit log
// what is begun, the last what came of it; one that is alone says it once.
func (db *DB) actOnMany(ctx context.Context, issue int64, pick Pick, by operators.By, act, came string, now time.Time, show func(n, of int),
	do func(ctx context.Context, t *tx, d *delivery) error) (Acted, error) {
	all := Acted{Why: make(map[string]int)}
	list, err := db.picked(ctx, issue, pick)
	if err != nil {
		return all, err
	}
	of := len(list)
	for n := 0; n < of; n += actTogether {
		if err := ctx.Err(); err != nil {
			if n > 0 { // what was begun has its end in the audit log
				err = errors.Join(err, db.Note(context.WithoutCancel(ctx), by, act, issueName(issue),
					fmt.Sprintf("interrupted: %d of %d %s", all.Done, of, came), now))
			}
			return all, err
		}
		part := list[n:min(n+actTogether, of)]
		var now1 Acted
		err := db.write(ctx, func(ctx context.Context, t *tx) error {
			now1 = Acted{Why: make(map[string]int)}
			for _, k := range part {
				d, err := t.delivery(ctx, k.slot, k.subscriber)
				if err == nil {
					err = do(ctx, t, d)
				}
				switch {
				case errors.Is(err, ErrNoRetry), errors.Is(err, ErrNotUncertain), errors.Is(err, sql.ErrNoRows): // somebody was quicker, perhaps
					now1.Left++
					now1.Why[against(err)]++
				case err != nil:
					return err
				default:
					now1.Done++
				}
			}
			if n == 0 && len(part) < of {
				if err := t.audit(ctx, by, act, issueName(issue), fmt.Sprintf("begun: %d deliveries", of), now); err != nil {
					return err
				}
			}
			if n+len(part) < of {
				return nil
			}
			return t.audit(ctx, by, act, issueName(issue), fmt.Sprintf("%d %s, %d left as they are", all.Done+now1.Done, came, all.Left+now1.Left), now)
		})
		if err != nil {
			return all, err
		}
		all.Done, all.Left = all.Done+now1.Done, all.Left+now1.Left
		for why, k := range now1.Why {
			all.Why[why] += k
		}
		if show != nil {
			show(n+len(part), of)
		}
	}
	return all, nil
}

// against is what speaks against an act, without whose it is.
func against(err error) string {
	for _, e := range []error{ErrNoRetry, ErrNotUncertain} {
		if errors.Is(err, e) {
			return strings.TrimPrefix(err.Error(), e.Error()+": ")
		}
	}
	return "it is gone"
}
