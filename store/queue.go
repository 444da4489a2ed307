package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"broadsheet/mailer"
)

var (
	_ mailer.Queue    = (*DB)(nil)
	_ mailer.Hurrier  = (*DB)(nil)
	_ mailer.Recaller = (*DB)(nil)
)

const (
	// leaseTime is how long a batch stays with a sender that does not renew.
	leaseTime = 2 * time.Minute
	// silence is how long after a lost lease its handed deliveries wait for their second
	// copy: the lost sender may still be waiting for the answer to the first.
	silence = 15 * time.Minute
)

// leased is a batch as it is being claimed.
type leased struct {
	id, issue, leaseUntil, start int64
	relay                        string
	urgent                       bool
	span                         span
}

const batchColumns = `SELECT b.id, b.issue, b.lease_until, b.start, b.relay, b.urgent, b.first, b.last, (SELECT slot FROM issues WHERE id = b.issue) FROM batches b `

func scanBatch(r *sql.Rows) (b leased, err error) {
	err = r.Scan(&b.id, &b.issue, &b.leaseUntil, &b.start, &b.relay, &b.urgent, &b.span.first, &b.span.last, &b.span.slot)
	b.span.batch = b.id
	return b, err
}

// Lease meets [mailer.Queue]. It takes urgent batches first, then by due time, then by how many of their readers
// the last issue missed, then in an order that changes with the issue. Issues on hold have none.
func (db *DB) Lease(ctx context.Context, relay, worker string, now time.Time) (*mailer.Batch, error) {
	return db.lease(ctx, relay, 0, worker, now)
}

// lease is Lease for the batches of one edition; 0 = all.
func (db *DB) lease(ctx context.Context, relay string, edition int64, worker string, now time.Time) (*mailer.Batch, error) {
	var out *mailer.Batch
	err := db.writeIn(ctx, ownLane, func(ctx context.Context, t *tx) error {
		out = nil
		if edition == 0 {
			var err error
			if out, err = db.leaseUrgent(ctx, t, relay, worker, now); err != nil || out != nil {
				return err
			}
		}
		for {
			found, err := selectAll(ctx, t, batchColumns+`WHERE b.relay = ?1 AND b.done = 0 AND b.due <= ?2 AND b.lease_until < ?3
				AND (?4 = 0 OR b.edition = ?4)`+freeBatches+`
				ORDER BY b.due, b.priority DESC, b.shuffle LIMIT 1`+db.dialect.skipLocked, args{relay, us(now), us(db.leaseClock()), edition}, scanBatch)
			if err != nil || len(found) == 0 {
				return err
			}
			// One without anything due is put right on the way; then the next is looked at.
			if out, err = db.take(ctx, t, &found[0], worker, now, 0); err != nil || out != nil {
				return err
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("lease batch: %w", err)
	}
	return out, nil
}

// leaseUrgent takes the first urgent batch; nil if none is due.
func (db *DB) leaseUrgent(ctx context.Context, t *tx, relay, worker string, now time.Time) (*mailer.Batch, error) {
	for {
		found, err := selectAll(ctx, t, batchColumns+`WHERE b.relay = ?1 AND b.done = 0 AND b.urgent = 1 AND b.due <= ?2 AND b.lease_until < ?3`+freeBatches+`
			ORDER BY b.due LIMIT 1`+db.dialect.skipLocked, args{relay, us(now), us(db.leaseClock())}, scanBatch)
		if err != nil || len(found) == 0 {
			return nil, err
		}
		if out, err := db.take(ctx, t, &found[0], worker, now, 0); err != nil || out != nil {
			return out, err
		}
	}
}

// LeaseUrgent meets [mailer.Hurrier].
func (db *DB) LeaseUrgent(ctx context.Context, relay, worker string, now time.Time) (*mailer.Batch, error) {
	var some bool // mostly not: a look does not take the writer's turn
	err := db.read().scan(ctx, `SELECT EXISTS (SELECT 1 FROM batches b WHERE b.relay = ?1 AND b.done = 0 AND b.urgent = 1 AND b.due <= ?2 AND b.lease_until < ?3`+freeBatches+`)`,
		args{relay, us(now), us(db.leaseClock())}, &some)
	var out *mailer.Batch
	if err == nil && some {
		err = db.writeIn(ctx, ownLane, func(ctx context.Context, t *tx) (err error) {
			out, err = db.leaseUrgent(ctx, t, relay, worker, now)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("lease urgent batch: %w", err)
	}
	return out, nil
}

// LeaseOne takes the batch of one reader's delivery in an issue, without waiting for the
// batch's turn, and returns that delivery alone. It returns nil if the delivery is not due,
// not open, of an issue on hold, or in a batch that another sender has.
func (db *DB) LeaseOne(ctx context.Context, issue, subscriber int64, worker string, now time.Time) (*mailer.Batch, error) {
	var out *mailer.Batch
	err := db.writeIn(ctx, ownLane, func(ctx context.Context, t *tx) error {
		out = nil
		found, err := selectAll(ctx, t, batchColumns+`JOIN issues i ON i.id = b.issue
			JOIN deliveries d ON d.slot = i.slot AND d.subscriber = ?2 AND d.batch = b.id
			WHERE i.id = ?1 AND i.state = 'open' AND i.due <= ?3 AND b.done = 0 AND b.lease_until < ?4`+freeBatches+db.dialect.skipLocked,
			args{issue, subscriber, us(now), us(db.leaseClock())}, scanBatch)
		if err != nil || len(found) == 0 {
			return err
		}
		out, err = db.take(ctx, t, &found[0], worker, now, subscriber)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("lease delivery: %w", err)
	}
	return out, nil
}

// take leases a batch with those of its deliveries that are due, or with that of one reader.
// It returns nil if there are none, and says in the batch's row when there will be.
func (db *DB) take(ctx context.Context, t *tx, b *leased, worker string, now time.Time, only int64) (*mailer.Batch, error) {
	if b.leaseUntil > 0 {
		// The lease ended without a word.
		ended := db.leaseClock().Sub(fromUS(b.leaseUntil))
		if err := t.repair(ctx, b.span, now.Add(max(0, silence-ended)), now); err != nil {
			return nil, fmt.Errorf("free lost batch: %w", err)
		}
	}
	h, err := db.hold(ctx, t, b, now, only)
	if err != nil {
		return nil, err
	}
	withheld, err := db.withhold(ctx, t, b, h)
	if err != nil {
		return nil, fmt.Errorf("look at edits: %w", err)
	}
	if withheld || len(h.rows) == 0 {
		return nil, t.free(ctx, b.span)
	}
	h.until = db.leaseClock().Add(leaseTime)
	if err := t.scan(ctx, `UPDATE batches SET worker = ?2, lease_until = ?3, fence = fence + 1 WHERE id = ?1 RETURNING fence`,
		args{b.id, cmp.Or(worker, "-"), us(h.until)}, &h.fence); err != nil {
		return nil, err
	}
	out := &mailer.Batch{ID: b.id, Issue: b.issue, Relay: b.relay, Fence: h.fence, Until: h.until, Urgent: b.urgent, Deliveries: make([]mailer.Delivery, len(h.rows))}
	start := fromUS(b.start)
	for n := range h.rows {
		out.Deliveries[n] = h.rows[n].d
		if only == 0 && start.After(h.rows[n].d.Due) {
			out.Deliveries[n].Due = start
		}
	}
	db.ledger.keep(b.id, h, db.leaseClock())
	return out, nil
}

// free ends a lease and says when the batch is due again, or that it is done.
func (t *tx) free(ctx context.Context, s span) error {
	var due sql.NullInt64
	if err := t.scan(ctx, `SELECT min(d.due) FROM `+t.w.dialect.deliveries(s.slot)+` d
		WHERE `+t.w.dialect.within()+` AND d.state IN ('queued', 'deferred', 'sending', 'handed')`, s.args(), &due); err != nil {
		return err
	}
	_, err := t.exec(ctx, `UPDATE batches SET worker = '', lease_until = 0, due = CASE WHEN ?2 IS NULL THEN due WHEN ?2 > start THEN ?2 ELSE start END,
		done = CASE WHEN ?2 IS NULL THEN 1 ELSE 0 END WHERE id = ?1`, s.batch, due)
	return err
}

// key names a delivery.
type key struct{ slot, subscriber int64 }

// inState lists the deliveries of a batch that are in one of two states.
func (t *tx) inState(ctx context.Context, s span, one, other mailer.State) ([]key, error) {
	return selectAll(ctx, t, `SELECT d.slot, d.subscriber FROM `+t.w.dialect.deliveries(s.slot)+` d WHERE `+t.w.dialect.within()+`
		AND d.state IN (?5, ?6) ORDER BY d.slot, d.subscriber`, s.args(string(one), string(other)), func(r *sql.Rows) (k key, err error) { return k, r.Scan(&k.slot, &k.subscriber) })
}

// repair puts right what a sender left in the middle: what had not left goes back, what had
// left without an answer goes once more at again, or is uncertain.
func (t *tx) repair(ctx context.Context, s span, again, now time.Time) error {
	list, err := t.inState(ctx, s, mailer.Sending, mailer.Handed)
	if err != nil {
		return err
	}
	for _, k := range list {
		d, err := t.delivery(ctx, k.slot, k.subscriber)
		if err != nil {
			return err
		}
		handed := d.State == mailer.Handed
		switch {
		case !handed && d.Copies == 0:
			d.State, d.Reason, d.Due = mailer.Queued, "sender ended", time.Time{}
			d.Attempts = max(d.Attempts-1, 0) // our fault, not the reader's
		case !handed:
			d.State, d.Reason, d.Due = mailer.Deferred, mailer.ReasonUnanswered, now
			d.Attempts = max(d.Attempts-1, 0)
		case d.Copies > 1:
			d.State, d.Reason = mailer.Uncertain, mailer.ReasonUnanswered
		default:
			d.State, d.Reason, d.Due = mailer.Deferred, mailer.ReasonUnanswered, again
		}
		if err := t.save(ctx, d, now); err != nil {
			return err
		}
		if handed {
			if err := t.attempt(ctx, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// Renew meets [mailer.Queue].
func (db *DB) Renew(ctx context.Context, b *mailer.Batch) error {
	until := db.leaseClock().Add(leaseTime)
	err := db.writeIn(ctx, ownLane, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE batches SET lease_until = ?3 WHERE id = ?1 AND fence = ?2 AND lease_until > 0`, b.ID, b.Fence, us(until))
		if err == nil && n == 0 {
			return mailer.ErrLost
		}
		if h := db.ledger.held[b.ID]; h != nil && h.fence == b.Fence {
			h.until = until
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("renew lease: %w", err)
	}
	b.Until = until
	return nil
}

// Release meets [mailer.Queue]. A batch that another has by now is left alone. It does not
// give up when ctx ends.
func (db *DB) Release(ctx context.Context, b *mailer.Batch, now time.Time) error {
	err := db.writeIn(context.WithoutCancel(ctx), ownLane, func(ctx context.Context, t *tx) error {
		t.all = true
		if err := t.lockBatches(ctx, []int64{b.ID}); err != nil {
			return err
		}
		var fence, until int64
		if err := t.scan(ctx, `SELECT fence, lease_until FROM batches WHERE id = ?1`, args{b.ID}, &fence, &until); err != nil {
			return err
		}
		if h := db.ledger.held[b.ID]; h != nil && h.fence == b.Fence {
			delete(db.ledger.held, b.ID)
		}
		if fence != b.Fence || until == 0 {
			return nil
		}
		s, err := spanOf(ctx, t, b.ID)
		if err != nil {
			return err
		}
		if err := t.repair(ctx, s, now.Add(time.Minute), now); err != nil {
			return err
		}
		return t.free(ctx, s)
	})
	if err != nil {
		return fmt.Errorf("release batch: %w", err)
	}
	return nil
}

// Recover puts right what a sender that is gone has left, without waiting for its leases to
// end, and takes in what its journal says of a database that has been put back since. Call it
// with the lock of [DB.LockSender] in hand. On PostgreSQL, where others may be at work, it puts right only what
// leases have left that are over. It returns the number of batches.
func (db *DB) Recover(ctx context.Context, now time.Time) (int, error) {
	return db.recover(ctx, false, now)
}

// RecoverOld is [DB.Recover] for a database that was just put back: what it says is in hand has left.
func (db *DB) RecoverOld(ctx context.Context, now time.Time) (int, error) {
	return db.recover(ctx, true, now)
}

func (db *DB) recover(ctx context.Context, old bool, now time.Time) (int, error) {
	if db.path == "" { // others may be at work
		n, err := db.endLeases(ctx, now)
		if err != nil {
			return n, fmt.Errorf("recover: %w", err)
		}
		return n, nil
	}
	var n int
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		if err := db.replay(ctx, t, old, now); err != nil {
			return err
		}
		list, err := selectAll(ctx, t, `SELECT id FROM batches WHERE lease_until > 0`, nil, number)
		if err != nil {
			return err
		}
		n = len(list)
		slices.Sort(list)
		for _, id := range list {
			s, err := spanOf(ctx, t, id)
			if err != nil {
				return err
			}
			if err := errors.Join(t.repair(ctx, s, now, now), t.free(ctx, s)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("recover: %w", err)
	}
	return n, nil
}

// endLeases puts right what senders left whose leases ended without a word, as who takes such a batch does: perhaps
// nobody will. It returns the number of batches.
func (db *DB) endLeases(ctx context.Context, now time.Time) (n int, err error) {
	list, err := selectAll(ctx, db.read(), `SELECT id FROM batches WHERE lease_until > 0 AND lease_until < ?1 ORDER BY id`, args{us(db.leaseClock())}, number)
	for k := 0; k < len(list) && err == nil; k++ {
		is := false
		err = db.write(ctx, func(ctx context.Context, t *tx) error {
			is = false
			var until int64
			if err := t.scan(ctx, `SELECT lease_until FROM batches WHERE id = ?1`, args{list[k]}, &until); err != nil {
				return err
			}
			ended := db.leaseClock().Sub(fromUS(until))
			if until == 0 || ended <= 0 { // somebody has taken it
				return nil
			}
			s, err := spanOf(ctx, t, list[k])
			if err != nil {
				return err
			}
			is = true
			return errors.Join(t.repair(ctx, s, now.Add(max(0, silence-ended)), now), t.free(ctx, s))
		})
		if is && err == nil {
			n++
		}
	}
	if err != nil {
		return n, fmt.Errorf("free lost batches: %w", err)
	}
	return n, nil
}

// NextDue meets [mailer.Queue]. What a sender has in hand does not count, nor what is on hold.
func (db *DB) NextDue(ctx context.Context, relay string) (time.Time, bool, error) {
	return db.nextDue(ctx, relay, 0)
}

func (db *DB) nextDue(ctx context.Context, relay string, edition int64) (time.Time, bool, error) {
	var due sql.NullInt64
	err := db.read().scan(ctx, `SELECT min(b.due) FROM batches b WHERE b.relay = ?1 AND b.done = 0 AND b.due IS NOT NULL AND b.lease_until < ?2
		AND (?3 = 0 OR b.edition = ?3)`+freeBatches, args{relay, us(db.leaseClock()), edition}, &due)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("find next due delivery: %w", err)
	}
	return fromUS(due.Int64), due.Valid, nil
}

// Expire ends the deliveries that wait past their end of life, of all relays, held ones too, and the holds
// of issues that are over.
// Each batch is a transaction of its own, so that others get their turn.
func (db *DB) Expire(ctx context.Context, now time.Time) (int, error) {
	if _, err := db.endLeases(ctx, now); err != nil {
		return 0, fmt.Errorf("expire deliveries: %w", err)
	}
	list, err := selectAll(ctx, db.read(), `SELECT b.id FROM batches b`+db.dialect.by("batches_due")+`JOIN issues i ON i.id = b.issue
		WHERE b.done = 0 AND b.due IS NOT NULL AND b.lease_until = 0 AND i.ends < ?1 ORDER BY b.id`, args{us(now)}, number)
	n := 0
	for k := 0; k < len(list) && err == nil; k++ {
		var ended int
		ended, err = db.expire(ctx, list[k], now)
		n += ended
	}
	if err == nil {
		err = db.endHolds(ctx, now)
	}
	if err != nil {
		return n, fmt.Errorf("expire deliveries: %w", err)
	}
	return n, nil
}

// expire does so for a batch, unless a sender has taken it.
func (db *DB) expire(ctx context.Context, batch int64, now time.Time) (n int, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		n = 0
		var leased int64
		if err := t.scan(ctx, `SELECT lease_until FROM batches WHERE id = ?1`, args{batch}, &leased); err != nil || leased > 0 {
			return err
		}
		s, err := spanOf(ctx, t, batch)
		if err != nil {
			return err
		}
		list, err := t.inState(ctx, s, mailer.Queued, mailer.Deferred)
		if err != nil {
			return err
		}
		for _, k := range list {
			d, err := t.delivery(ctx, k.slot, k.subscriber)
			if err != nil {
				return err
			}
			d.State, d.Reason = mailer.Expired, mailer.ReasonExpired
			if err := t.save(ctx, d, now); err != nil {
				return err
			}
			n++
		}
		return t.free(ctx, s)
	})
	return n, err
}
