package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"broadsheet/mailer"
	"broadsheet/subscribers"
)

// Reasons for which the ledger itself ends or delays a delivery.
const (
	reasonMinGap = "min_gap"
	reasonOnlyTo = "only_to"
	reasonQuiet  = "quiet hours"
	// reasonRecalled stands beside a delivery that was handed when its reader left, until it is settled.
	reasonRecalled = "left while it was handed"
	reasonStopped  = "stopped by an operator"
)

// OnlyTo says to which addresses mail may go from now on; nil = to all. What waits for others ends as
// suppressed when its turn comes, so that a configuration that a copy of a database is given holds for
// what was queued before.
func (db *DB) OnlyTo(may func(address string) bool) {
	if may == nil {
		db.onlyTo.Store(nil)
		return
	}
	db.onlyTo.Store(&may)
}

func (db *DB) mayGet(address string) bool {
	may := db.onlyTo.Load()
	return may == nil || (*may)(address)
}

// ours reads the row of a mark's delivery if the mark's batch still has it, in one of states;
// else there is none, and the verdict is [mailer.ErrLost].
func (t *tx) ours(ctx context.Context, m *mailer.Mark, states ...mailer.State) (row *delivery, verdict, err error) {
	row, err = t.delivery(ctx, m.Delivery.Slot, m.Delivery.Subscriber)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, mailer.ErrLost, nil
	case err != nil:
		return nil, nil, err
	case row.batch != m.Batch.ID || row.fence != m.Batch.Fence || row.leaseUntil == 0 || !slices.Contains(states, row.State):
		return nil, mailer.ErrLost, nil
	}
	return row, nil, nil
}

// intend writes that a delivery is about to be tried. The verdict says why it is not; what was
// written then stays.
func (db *DB) intend(ctx context.Context, t *tx, m *mailer.Mark, now time.Time) (row *delivery, verdict, err error) {
	row, verdict, err = t.ours(ctx, m, mailer.Queued, mailer.Deferred)
	if row == nil {
		return nil, verdict, err
	}
	if row.held || row.leaseUntil < us(db.leaseClock()) {
		return nil, mailer.ErrLost, nil // it may finish what it has in hand, but begin nothing
	}
	end := func(s mailer.State, reason string) (*delivery, error, error) {
		row.State, row.Reason = s, reason
		return nil, mailer.ErrLost, t.save(ctx, row, now)
	}
	if row.Address == "" { // the reader is gone, and the settings that were used
		return end(mailer.Suppressed, "erased")
	}
	if !db.mayGet(row.Address) {
		return end(mailer.Suppressed, reasonOnlyTo)
	}
	if !row.active && !row.notice {
		return end(mailer.Suppressed, row.away())
	}
	barred, err := db.barred(ctx, t, []string{row.Address})
	if err != nil {
		return nil, nil, err
	}
	if barred[0] != nil && (!row.notice || stopsNotices(barred[0].Reason)) {
		return end(mailer.Suppressed, barred[0].Reason)
	}
	if now.After(row.Ends) {
		return end(mailer.Expired, mailer.ReasonExpired)
	}
	until, reason, err := db.waits(ctx, t, row, now)
	if err != nil {
		return nil, nil, err
	}
	if until.After(row.Ends) {
		return end(mailer.Expired, reason)
	}
	if until.After(now) {
		row.Due, row.Reason = until, reason
		return nil, mailer.ErrWait, t.save(ctx, row, now)
	}
	if row.Date.IsZero() || row.Copies == 0 { // nothing is out that this must equal
		row.Date, row.KeyID, row.Selector = now.UTC().Truncate(time.Second), m.KeyID, m.Selector
	}
	row.State, row.Reason = mailer.Sending, ""
	row.Attempts++
	return row, nil, t.save(ctx, row, now)
}

// waits says until when a delivery may not go, and why; not after now if it may.
func (db *DB) waits(ctx context.Context, t *tx, d *delivery, now time.Time) (until time.Time, reason string, err error) {
	until = now
	if d.minGap > 0 {
		// Mails of other slots that are long over cannot be near.
		var last sql.NullInt64
		var sending bool
		if err := t.scan(ctx, `SELECT max(CASE WHEN o.copies > 0 THEN o.handed END), coalesce(max(CASE WHEN o.state = 'sending' THEN 1 ELSE 0 END), 0)
			FROM slots s CROSS JOIN deliveries o WHERE s.ends >= ?1 AND o.slot = s.id AND o.subscriber = ?2 AND s.id <> ?3`,
			args{us(now.Add(-d.minGap - silence)), d.Subscriber, d.Slot}, &last, &sending); err != nil {
			return until, "", err
		}
		if last.Valid {
			until, reason = fromUS(last.Int64).Add(d.minGap), reasonMinGap
		}
		if soon := now.Add(time.Minute); sending && until.Before(soon) {
			until, reason = soon, reasonMinGap // whether that one gets through will be known by then
		}
		if until.Before(now) {
			until = now
		}
	}
	if t, quiet := db.quietUntil(d, until); quiet {
		until, reason = t, reasonQuiet
	}
	return until, reason, nil
}

// hand writes that a message's last octet is about to leave.
func (t *tx) hand(ctx context.Context, m *mailer.Mark, now time.Time) (row *delivery, verdict, err error) {
	row, verdict, err = t.ours(ctx, m, mailer.Sending)
	if row == nil {
		return nil, verdict, err
	}
	if row.held { // its batch takes it back when it is released
		return nil, mailer.ErrLost, nil
	}
	_, err = t.exec(ctx, `UPDATE deliveries SET state = 'handed', copies = copies + 1, handed = ?3, at = ?3 WHERE slot = ?1 AND subscriber = ?2`,
		row.Slot, row.Subscriber, us(now))
	row.State, row.At = mailer.Handed, now
	row.Copies++
	t.keepBooks(row, now)
	return row, nil, err
}

// Recalled meets [mailer.Recaller].
func (db *DB) Recalled(ctx context.Context, d *mailer.Delivery) (is bool, err error) {
	// One that is not on record as handed any more was taken from a sender of which nothing was heard for long.
	err = db.read().scan(ctx, `SELECT EXISTS (SELECT 1 FROM deliveries d WHERE d.slot = ?1 AND d.subscriber = ?2
		AND (d.state <> 'handed' OR d.reason IN (?3, ?4) OR EXISTS (SELECT 1 FROM issue_holds h WHERE h.issue IN (0, d.issue))))`,
		args{d.Slot, d.Subscriber, reasonRecalled, reasonWithdrawn}, &is)
	if err != nil {
		return false, fmt.Errorf("look for recalled delivery: %w", err)
	}
	return is, nil
}

// settle writes an outcome.
func (db *DB) settle(ctx context.Context, t *tx, m *mailer.Mark, now time.Time) (row *delivery, verdict, err error) {
	row, verdict, err = t.ours(ctx, m, mailer.Sending, mailer.Handed)
	if row == nil {
		return nil, verdict, err
	}
	o := &m.Outcome
	withdrawn := row.State == mailer.Handed && row.Reason == reasonWithdrawn
	first := row.Attempts <= 1 && row.Copies <= 1
	row.State, row.Reason, row.Due, row.Copies = o.State, o.Reason, o.Due, o.Copies
	row.relay, row.reply = o.Relay, o.Reply
	if row.replyID, err = t.replyText(ctx, o.Reply.Text); err != nil {
		return nil, nil, err
	}
	if !o.Charged {
		row.Attempts = max(row.Attempts-1, 0)
	}
	if row.Copies == 0 && open(row.State) {
		row.Date, row.KeyID, row.Selector = time.Time{}, "", "" // nothing is out that the next try must equal
	}
	if withdrawn && open(row.State) && row.Copies > 0 {
		row.State, row.Reason = mailer.Uncertain, reasonWithdrawn // no second copy of it
	}
	if err := t.save(ctx, row, now); err != nil {
		return nil, nil, err
	}
	if o.State != mailer.Accepted || !first {
		if err := t.attempt(ctx, row); err != nil {
			return nil, nil, err
		}
	}
	if o.State == mailer.Accepted && db.traces(o.Relay) {
		if id := mailer.QueueID(o.Reply.Text); id != "" {
			if err := t.keepQueueID(ctx, o.Relay, id, key{row.Slot, row.Subscriber}, now); err != nil {
				return nil, nil, err
			}
		}
	}
	switch {
	case o.State == mailer.Accepted:
		t.tally(now, &row.Delivery, row.relay, tallyTaken, 1)
		err = t.tookMail(ctx, &row.Delivery)
	case o.State == mailer.Failed && o.Reply.Code >= 500:
		t.tally(now, &row.Delivery, row.relay, tallyRefused, 1)
	}
	if err == nil && (o.Hard || o.Doubted) {
		effect := markCounts
		if o.Doubted {
			effect = markForgiven
		}
		_, err = db.charge(ctx, t, row, mailer.Hard, effect, now, now, row.Reason)
	}
	return row, nil, err
}

// tookMail notes that a relay took a mail to an address. Most mails change nothing here.
func (t *tx) tookMail(ctx context.Context, d *mailer.Delivery) error {
	_, err := t.exec(ctx, `UPDATE subscribers SET accepted = 1 WHERE id = ?1 AND address = ?2 AND accepted = 0`,
		d.Subscriber, subscribers.Fold(d.Address))
	return err
}
