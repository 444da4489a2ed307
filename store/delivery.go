package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/subscribers"
)

// delivery is a row of the ledger with what its batch, issue and reader say about it.
type delivery struct {
	mailer.Delivery
	was                         book // as it stands on record
	batch, edition, windowStart int64
	relay                       string // that gave the last reply
	reply                       mailer.Reply
	replyID                     sql.NullInt64 // of reply.Text
	handed                      time.Time     // when a last octet last left
	taken                       time.Time     // when the relay took it; zero if it did not, or nobody knows

	lastSlot int64 // of the reader's latest delivery in the edition
	active   bool  // the reader still gets the edition
	notice   bool  // it is no edition: see stopsNotices
	held     bool  // its issue is on hold
	stopping bool  // and is being stopped
	status   subscribers.Status

	fence, leaseUntil int64 // of the batch
	minGap            time.Duration
	zone, quiet       string
}

// later says that the reader has a later delivery in the edition.
func (d *delivery) later() bool { return d.lastSlot != 0 && d.lastSlot != d.Slot }

// away says why the reader does not get the edition any more.
func (d *delivery) away() string {
	switch d.status {
	case subscribers.Active:
		return "left the edition"
	case "":
		return "erased"
	}
	return string(d.status)
}

// delivery reads a row of the ledger; [sql.ErrNoRows] if there is none.
func (t *tx) delivery(ctx context.Context, slot, subscriber int64) (*delivery, error) {
	d := &delivery{Delivery: mailer.Delivery{Slot: slot, Subscriber: subscriber}}
	var digest, batch, fence, leaseUntil sql.NullInt64
	var due, date, ends, at, handed, taken, minGap, hold int64
	err := t.scan(ctx, `SELECT d.issue, d.digest, d.batch, d.state, d.reason, d.window_start, d.attempts, d.copies, d.due, d.date,
			d.key_id, d.selector, d.relay, d.code, d.enhanced, d.reply, d.at, d.handed, `+takenAt+`, coalesce(ds.address, ''),
			i.edition, i.ends, i.min_gap, i.zone, i.quiet, b.fence, b.lease_until,
			coalesce(f.last_slot, 0), coalesce(f.active, 0), coalesce(st.status, ''), `+isNotice+`, `+onHold+`d.issue))
		FROM deliveries d JOIN issues i ON i.id = d.issue LEFT JOIN settings ds ON ds.id = d.settings AND ds.subscriber = d.subscriber
		LEFT JOIN batches b ON b.id = d.batch
		LEFT JOIN followers f ON f.edition = i.edition AND f.subscriber = d.subscriber
		LEFT JOIN subscribers s ON s.id = d.subscriber LEFT JOIN settings st ON st.id = s.settings
		WHERE d.slot = ?1 AND d.subscriber = ?2`, args{slot, subscriber},
		&d.Issue, &digest, &batch, &d.State, &d.Reason, &d.windowStart, &d.Attempts, &d.Copies, &due, &date,
		&d.KeyID, &d.Selector, &d.relay, &d.reply.Code, &d.reply.Enhanced, &d.replyID, &at, &handed, &taken, &d.Address,
		&d.edition, &ends, &minGap, &d.zone, &d.quiet, &fence, &leaseUntil,
		&d.lastSlot, &d.active, &d.status, &d.notice, &hold)
	if err != nil {
		return nil, err
	}
	d.was = book{d.Issue, d.relay, string(d.State)}
	d.Digest, d.batch, d.fence, d.leaseUntil = digest.Int64, batch.Int64, fence.Int64, leaseUntil.Int64
	d.held, d.stopping = hold > 0, hold > 1
	d.Due, d.Date, d.Ends, d.At, d.handed, d.taken, d.minGap = fromUS(due), fromUS(date), fromUS(ends), fromUS(at), fromUS(handed), fromUS(taken), time.Duration(minGap)*time.Microsecond
	return d, nil
}

// save writes d as it now is, after bending its state to the rules that hold over every
// way a delivery can end: with an unanswered copy out it ends only as accepted or uncertain,
// and once a later one is on record, or its issue is being stopped, it does not open again.
func (t *tx) save(ctx context.Context, d *delivery, now time.Time) error {
	if (d.State == mailer.Queued || d.State == mailer.Deferred) && d.later() {
		d.State, d.Reason = mailer.Superseded, "superseded by a later issue"
	}
	if (d.State == mailer.Queued || d.State == mailer.Deferred) && d.stopping {
		d.State, d.Reason = mailer.Cancelled, reasonStopped
	}
	if d.Copies > 0 && !open(d.State) && !d.State.Taken() {
		d.State = mailer.Uncertain
	}
	if !open(d.State) {
		d.Due = time.Time{}
	}
	d.At = now
	if _, err := t.exec(ctx, `UPDATE deliveries SET state = ?3, reason = ?4, attempts = ?5, copies = ?6, due = ?7, date = ?8,
			key_id = ?9, selector = ?15, relay = ?10, code = ?11, enhanced = ?12, reply = ?13, at = ?14
		WHERE slot = ?1 AND subscriber = ?2`, d.Slot, d.Subscriber, string(d.State), d.Reason, d.Attempts, d.Copies, us(d.Due), us(d.Date),
		d.KeyID, d.relay, d.reply.Code, d.reply.Enhanced, d.replyID, us(now), d.Selector); err != nil {
		return err
	}
	t.keepBooks(d, now)
	if unreached(d.State) && d.later() {
		_, err := t.exec(ctx, `UPDATE followers SET carry = CASE WHEN carry < ?3 THEN carry ELSE ?3 END
			WHERE edition = ?1 AND subscriber = ?2`, d.edition, d.Subscriber, d.windowStart)
		return err
	}
	return nil
}

// keepBooks says where a delivery has gone since it was read or last written.
func (t *tx) keepBooks(d *delivery, now time.Time) {
	is := book{d.Issue, d.relay, string(d.State)}
	t.answered(now, d.was, is, 1)
	d.was = is
}

// open says that a delivery in this state may still go out or be answered.
func open(s mailer.State) bool {
	switch s {
	case mailer.Queued, mailer.Sending, mailer.Handed, mailer.Deferred:
		return true
	}
	return false
}

// unreached says that a delivery ended without bringing its stories to the reader.
func unreached(s mailer.State) bool {
	switch s {
	case mailer.Failed, mailer.Expired, mailer.Suppressed, mailer.Superseded, mailer.Cancelled:
		return true
	}
	return false
}

// quietUntil says until when an issue's quiet hours last, if they hold at t.
func (db *DB) quietUntil(d *delivery, t time.Time) (time.Time, bool) {
	if d.quiet == "" || d.quiet == "null" || d.quiet == "[]" {
		return t, false
	}
	var e schedule.Edition
	if json.Unmarshal([]byte(d.quiet), &e.Quiet) != nil {
		return t, false
	}
	loc, ok := db.zones.Load(d.zone)
	if !ok {
		read, err := time.LoadLocation(d.zone)
		if err != nil {
			return t, false // a zone that went missing with an update must not keep mail back for ever
		}
		loc, _ = db.zones.LoadOrStore(d.zone, read)
	}
	return e.QuietUntil(t, loc.(*time.Location))
}

// replyText keeps a text once and returns its id; NULL for none.
func (t *tx) replyText(ctx context.Context, text string) (id sql.NullInt64, err error) {
	text = cutIDs(text)
	if text == "" {
		return id, nil
	}
	// Another process may keep the same words at the same moment: then there is nothing to insert, and they are there.
	for err = sql.ErrNoRows; errors.Is(err, sql.ErrNoRows); {
		if err = t.scan(ctx, `SELECT id FROM reply_texts WHERE body = ?1`, args{text}, &id); errors.Is(err, sql.ErrNoRows) {
			err = t.scan(ctx, `INSERT INTO reply_texts (body) VALUES (?1) ON CONFLICT (body) DO NOTHING RETURNING id`, args{text}, &id)
		}
	}
	return id, err
}

// attempt keeps a try that was not accepted at once.
func (t *tx) attempt(ctx context.Context, d *delivery) error {
	_, err := t.exec(ctx, `INSERT INTO attempts (slot, subscriber, n, at, state, reason, relay, code, enhanced, reply)
		SELECT ?1, ?2, coalesce(max(n), 0) + 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM attempts WHERE slot = ?1 AND subscriber = ?2`,
		d.Slot, d.Subscriber, us(d.At), string(d.State), d.Reason, d.relay, d.reply.Code, d.reply.Enhanced, d.replyID)
	return err
}
