package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"broadsheet/mailer"
	"broadsheet/subscribers"
)

// Reasons for which the ledger itself ends or delays a delivery.
const (
	reasonMinGap = "min_gap"
	reasonQuiet  = "quiet hours"
)

// ours reads d's row if batch b still has it, in one of states; else [mailer.ErrLost].
func (t *tx) ours(ctx context.Context, b *mailer.Batch, d *mailer.Delivery, states ...mailer.State) (*delivery, error) {
	row, err := t.delivery(ctx, d.Slot, d.Subscriber)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, mailer.ErrLost
	}
	if err != nil {
		return nil, err
	}
	if row.batch != b.ID || row.fence != b.Fence || row.leaseUntil == 0 {
		return nil, mailer.ErrLost
	}
	for _, s := range states {
		if row.State == s {
			return row, nil
		}
	}
	return nil, mailer.ErrLost
}

// Intend meets [mailer.Queue].
func (db *DB) Intend(ctx context.Context, b *mailer.Batch, d *mailer.Delivery, keyID string, now time.Time) error {
	var verdict error // ErrLost or ErrWait: what was written stays
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		row, err := t.ours(ctx, b, d, mailer.Queued, mailer.Deferred)
		if err != nil {
			return err
		}
		if row.leaseUntil < us(db.opts.Now()) {
			return mailer.ErrLost // it may finish what it has in hand, but begin nothing
		}
		end := func(s mailer.State, reason string) error {
			row.State, row.Reason, verdict = s, reason, mailer.ErrLost
			return t.save(ctx, row, now)
		}
		if !row.active {
			return end(mailer.Suppressed, row.away())
		}
		barred, err := db.barred(ctx, t, []string{row.Address})
		if err != nil {
			return err
		}
		if barred[0] != nil {
			return end(mailer.Suppressed, barred[0].Reason)
		}
		if now.After(row.Ends) {
			return end(mailer.Expired, mailer.ReasonExpired)
		}
		until, reason, err := db.waits(ctx, t, row, now)
		if err != nil {
			return err
		}
		if until.After(row.Ends) {
			return end(mailer.Expired, reason)
		}
		if until.After(now) {
			row.Due, row.Reason, verdict = until, reason, mailer.ErrWait
			return t.save(ctx, row, now)
		}
		if row.Date.IsZero() {
			row.Date, row.KeyID = now.UTC().Truncate(time.Second), keyID
		}
		row.State, row.Reason = mailer.Sending, ""
		row.Attempts++
		if err := t.save(ctx, row, now); err != nil {
			return err
		}
		*d = row.Delivery
		return nil
	})
	switch {
	case errors.Is(err, mailer.ErrLost):
		return mailer.ErrLost
	case err != nil:
		return fmt.Errorf("record intent: %w", err)
	}
	return verdict
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

// Handed meets [mailer.Queue].
func (db *DB) Handed(ctx context.Context, b *mailer.Batch, d *mailer.Delivery, now time.Time) error {
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE deliveries SET state = 'handed', copies = copies + 1, handed = ?5, at = ?5
			WHERE slot = ?1 AND subscriber = ?2 AND state = 'sending' AND batch = ?3
			AND EXISTS (SELECT 1 FROM batches WHERE id = ?3 AND fence = ?4 AND lease_until > 0)`,
			d.Slot, d.Subscriber, b.ID, b.Fence, us(now))
		if err == nil && n == 0 {
			return mailer.ErrLost
		}
		return err
	})
	switch {
	case errors.Is(err, mailer.ErrLost):
		return mailer.ErrLost
	case err != nil:
		return fmt.Errorf("record that the message is handed: %w", err)
	}
	d.State, d.At = mailer.Handed, now
	d.Copies++
	return nil
}

// Record meets [mailer.Queue]. d's fields are brought up to date. It does not give up when ctx
// ends: what the relay said must not get lost.
func (db *DB) Record(ctx context.Context, b *mailer.Batch, d *mailer.Delivery, o mailer.Outcome, now time.Time) error {
	err := db.write(context.WithoutCancel(ctx), func(ctx context.Context, t *tx) error {
		row, err := t.ours(ctx, b, d, mailer.Sending, mailer.Handed)
		if err != nil {
			return err
		}
		first := row.Attempts <= 1 && row.Copies <= 1
		row.State, row.Reason, row.Due, row.Copies = o.State, o.Reason, o.Due, o.Copies
		row.relay, row.reply = o.Relay, o.Reply
		if row.replyID, err = t.replyText(ctx, o.Reply.Text); err != nil {
			return err
		}
		if !o.Charged {
			row.Attempts = max(row.Attempts-1, 0)
		}
		if row.Copies == 0 && open(row.State) {
			row.Date, row.KeyID = time.Time{}, "" // nothing is out that the next try must equal
		}
		if err := t.save(ctx, row, now); err != nil {
			return err
		}
		if o.State != mailer.Accepted || !first {
			if err := t.attempt(ctx, row); err != nil {
				return err
			}
		}
		*d = row.Delivery
		switch {
		case o.State == mailer.Accepted:
			// A success forgives; most mails change nothing here.
			_, err = t.exec(ctx, `UPDATE subscribers SET accepted = 1, hard_at = 0
				WHERE id = ?1 AND address = ?2 AND (accepted = 0 OR hard_at <> 0)`, d.Subscriber, subscribers.Fold(row.Address))
		case o.Hard:
			err = db.hardMark(ctx, t, row, now)
		}
		return err
	})
	switch {
	case errors.Is(err, mailer.ErrLost):
		return mailer.ErrLost
	case err != nil:
		return fmt.Errorf("record outcome: %w", err)
	}
	return nil
}

// hardPause is how far apart two hard marks must be to bar an address that has taken mail.
const hardPause = 24 * time.Hour

// hardMark notes that a relay said the mailbox does not exist. The address is barred at once
// if it never took a mail, else by the second mark at least a day after the first: providers
// have bad days.
func (db *DB) hardMark(ctx context.Context, t *tx, d *delivery, now time.Time) error {
	var accepted, hardAt int64
	folded := subscribers.Fold(d.Address)
	err := t.scan(ctx, `SELECT accepted, hard_at FROM subscribers WHERE id = ?1 AND address = ?2`, args{d.Subscriber, folded}, &accepted, &hardAt)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // the reader has another address by now
	}
	if err != nil {
		return err
	}
	if accepted == 0 || hardAt != 0 && us(now)-hardAt >= hardPause.Microseconds() {
		_, err := db.suppress(ctx, t, subscribers.Suppression{Address: d.Address, Reason: "hard_bounce", Note: d.Reason, At: now}, nil, now)
		return err
	}
	if hardAt == 0 {
		_, err = t.exec(ctx, `UPDATE subscribers SET hard_at = ?2 WHERE id = ?1`, d.Subscriber, us(now))
	}
	return err
}
