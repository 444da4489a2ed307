package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"broadsheet/intake"
	"broadsheet/mailer"
	"broadsheet/subscribers"
)

var _ intake.Ledger = (*DB)(nil)

// fate is what became of a piece of news.
type fate int

const (
	fateDone    fate = iota // on record, with what follows
	fateAgain               // on record before; nothing was done
	fateUnknown             // of no mail and no reader of ours; nothing is on record
	fateEarly               // a sender has the mail in hand; nothing is on record, bring it again
)

// TakeEvents meets [intake.Ledger]. Give it some hundred at a time.
func (db *DB) TakeEvents(ctx context.Context, events []intake.Event, now time.Time) (taken []intake.Taken, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		taken = make([]intake.Taken, len(events))
		for n := range events {
			f, effect, err := db.takeEvent(ctx, t, &events[n], 0, now)
			if err != nil {
				return err
			}
			taken[n] = intake.Taken{Again: f == fateAgain, Early: f == fateEarly, Effect: effect}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("take events: %w", err)
	}
	return taken, nil
}

// takeEvent is the one place where news change a delivery. inbound is the message on record that
// says so, 0 if none does. The effect is for people. With a fate other than fateDone nothing has
// been written.
func (db *DB) takeEvent(ctx context.Context, t *tx, e *intake.Event, inbound int64, now time.Time) (fate, string, error) {
	at := e.At
	if at.IsZero() || at.After(now) {
		at = now
	}
	if !e.Sure {
		return t.unsure(ctx, e, inbound, at)
	}
	k, err := t.named(ctx, e)
	if errors.Is(err, sql.ErrNoRows) {
		return db.ofNoMail(ctx, t, e, now)
	}
	if err != nil {
		return 0, "", err
	}
	if e.Class == mailer.Arrived {
		if done, err := t.arrive(ctx, k, e, at); done || err != nil {
			return fateDone, "delivered", err
		}
	}
	d, err := t.delivery(ctx, k.slot, k.subscriber)
	if errors.Is(err, sql.ErrNoRows) {
		return fateUnknown, "its mail is not on record", nil
	}
	if err != nil {
		return 0, "", err
	}
	return db.tell(ctx, t, d, e, inbound, at, now)
}

// tell puts news of a delivery on record, with what follows.
func (db *DB) tell(ctx context.Context, t *tx, d *delivery, e *intake.Event, inbound int64, at, now time.Time) (fate, string, error) {
	moves := e.Class.Bounce() || e.Class == mailer.Put || e.Class == mailer.Arrived
	inHand := (d.State == mailer.Sending || d.State == mailer.Handed) && d.leaseUntil >= us(db.leaseClock())
	if moves && inHand {
		return fateEarly, "", nil
	}
	again, err := t.knows(ctx, d, e, at)
	if err != nil {
		return 0, "", err
	}
	if again {
		return fateAgain, "on record before", nil
	}
	was := d.State
	to, moved := next(d, e.Class)
	if was == mailer.Delivered && moved {
		if err := t.keepArrival(ctx, d); err != nil {
			return 0, "", err
		}
	}
	if !moved || to != mailer.Delivered {
		if err := t.event(ctx, d, e, inbound, at); err != nil {
			return 0, "", err
		}
	}
	if !moved {
		effect, err := db.follows(ctx, t, d, e, now)
		return fateDone, effect, err
	}
	if err := t.move(ctx, d, to, e, at); err != nil {
		return 0, "", err
	}
	if open(was) { // it must not go again
		if err := t.settleBatch(ctx, d); err != nil {
			return 0, "", err
		}
	}
	effect, err := db.follows(ctx, t, d, e, now)
	return fateDone, strings.Trim(string(to)+", "+effect, ", "), err
}

// next says which state a delivery comes into by news of a class; moved is false if it stays
// where it is. What a sender has in hand is none of its business.
func next(d *delivery, c mailer.Class) (to mailer.State, moved bool) {
	out := d.State == mailer.Accepted || d.State == mailer.Delayed || d.State == mailer.Uncertain || open(d.State) && d.Copies > 0
	switch {
	case c == mailer.Put && out:
		return mailer.Delayed, true
	case c == mailer.Arrived && (out || open(d.State)):
		return mailer.Delivered, true
	case c.Bounce() && (out || d.State == mailer.Delivered):
		return mailer.Bounced, true
	}
	return d.State, false
}

// follows does what follows from news beside the delivery's state, and says it for people.
func (db *DB) follows(ctx context.Context, t *tx, d *delivery, e *intake.Event, now time.Time) (string, error) {
	switch e.Class {
	case mailer.OptedOut:
		return db.optOut(ctx, t, d.Subscriber, now)
	}
	return "", nil
}

// optOut has a reader leave everything, as the mail program's own button does.
func (db *DB) optOut(ctx context.Context, t *tx, id int64, now time.Time) (string, error) {
	out, err := db.leaveAll(ctx, t, id, "reader", "", now)
	switch {
	case errors.Is(err, ErrNotFound):
		return "the reader is gone", nil
	case err != nil:
		return "", err
	case !out.Changed:
		return "had left before", nil
	}
	return "left everything", nil
}

// ofNoMail deals with sure news of a mail that is not on record: what the reader wishes holds all
// the same.
func (db *DB) ofNoMail(ctx context.Context, t *tx, e *intake.Event, now time.Time) (fate, string, error) {
	if e.Class == mailer.OptedOut && e.Of.Subscriber > 0 {
		effect, err := db.optOut(ctx, t, e.Of.Subscriber, now)
		return fateDone, effect, err
	}
	return fateUnknown, "its mail is not on record", nil
}

// named finds the delivery that sure news is about; [sql.ErrNoRows] if there is none.
func (t *tx) named(ctx context.Context, e *intake.Event) (k key, err error) {
	if e.Of != (intake.Of{}) {
		return t.byToken(ctx, e.Of)
	}
	if e.Queue == "" {
		return k, sql.ErrNoRows
	}
	err = t.scan(ctx, `SELECT slot, subscriber FROM queue_ids WHERE relay = ?1 AND id = ?2`, args{e.Relay, e.Queue}, &k.slot, &k.subscriber)
	return k, err
}

// byToken finds the delivery that a token names. Of two notices of one minute, which have one
// token, it is the later one that left.
func (t *tx) byToken(ctx context.Context, of intake.Of) (k key, err error) {
	at := time.Unix(of.Wall*60, 0).UTC()
	day, minute := "", at.Format("2006-01-02 15:04")
	if of.Wall%(24*60) == 0 {
		day = at.Format(time.DateOnly)
	}
	k.subscriber = of.Subscriber
	// ';' comes after ':', behind which notices have their seconds.
	err = t.scan(ctx, `SELECT d.slot FROM slots s CROSS JOIN deliveries d ON d.slot = s.id
		WHERE s.edition = ?1 AND (s.slot_key = ?2 OR s.slot_key >= ?3 AND s.slot_key < ?4) AND d.subscriber = ?5
		ORDER BY d.handed = 0, d.slot DESC LIMIT 1`, args{of.Edition, day, minute, minute + ";", of.Subscriber}, &k.slot)
	return k, err
}

// unsure puts news on record that names no mail, only an address. Anybody may have written that:
// it changes nothing.
func (t *tx) unsure(ctx context.Context, e *intake.Event, inbound int64, at time.Time) (fate, string, error) {
	if e.Recipient == "" {
		return fateUnknown, "it names nobody", nil
	}
	d := &delivery{}
	folded := subscribers.Fold(e.Recipient)
	err := t.scan(ctx, `SELECT id FROM subscribers WHERE address = ?1`, args{folded}, &d.Subscriber)
	if errors.Is(err, sql.ErrNoRows) {
		return fateUnknown, "it names no reader", nil
	}
	if err != nil {
		return 0, "", err
	}
	d.Address = folded
	n, err := t.eventRow(ctx, d, e, inbound, at)
	if err == nil && n == 0 {
		return fateAgain, "on record before", nil
	}
	return fateDone, "no token: changes nothing", err
}

// move brings a delivery into a state behind accepted.
func (t *tx) move(ctx context.Context, d *delivery, to mailer.State, e *intake.Event, at time.Time) error {
	reply, err := t.newsText(ctx, e.Text)
	if err != nil {
		return err
	}
	var server sql.NullInt64
	if to == mailer.Delivered {
		if server, err = t.server(ctx, e); err != nil {
			return err
		}
	}
	_, err = t.exec(ctx, `UPDATE deliveries SET taken = CASE WHEN taken > 0 THEN taken WHEN state = 'accepted' THEN at WHEN handed > 0 THEN handed ELSE ?4 END,
			state = ?3, at = ?4, due = 0, reason = ?5, code = ?6, enhanced = ?7, reply = ?8, server = ?9 WHERE slot = ?1 AND subscriber = ?2`,
		d.Slot, d.Subscriber, string(to), us(at), e.Reason, e.Code, e.Status, reply, server)
	d.State, d.Reason, d.At = to, e.Reason, at
	d.reply, d.replyID = mailer.Reply{Code: e.Code, Enhanced: e.Status, Text: e.Text}, reply
	return err
}

// arrive is move for the common case: a mail that was accepted has arrived. done is false if it is
// not in that state.
func (t *tx) arrive(ctx context.Context, k key, e *intake.Event, at time.Time) (done bool, err error) {
	reply, err := t.newsText(ctx, e.Text)
	if err != nil {
		return false, err
	}
	server, err := t.server(ctx, e)
	if err != nil {
		return false, err
	}
	n, err := t.exec(ctx, `UPDATE deliveries SET taken = CASE WHEN taken > 0 THEN taken ELSE at END, state = 'delivered', at = ?3, reason = '',
			code = ?4, enhanced = ?5, reply = ?6, server = ?7 WHERE slot = ?1 AND subscriber = ?2 AND state IN ('accepted', 'delayed')`,
		k.slot, k.subscriber, us(at), e.Code, e.Status, reply, server)
	return n == 1, err
}

// settleBatch says when the batch of a delivery that is over is due again, unless a sender has it.
func (t *tx) settleBatch(ctx context.Context, d *delivery) error {
	if d.batch == 0 || d.leaseUntil > 0 {
		return nil
	}
	return t.free(ctx, d.batch)
}

// domainOf is what stands behind the '@' of an address, as it is compared.
func domainOf(address string) string {
	folded := subscribers.Fold(address)
	return folded[strings.LastIndexByte(folded, '@')+1:]
}

// server notes who speaks and by what source that is known.
func (t *tx) server(ctx context.Context, e *intake.Event) (id sql.NullInt64, err error) {
	host := oneLine(e.Host, 255)
	err = t.scan(ctx, `SELECT id FROM servers WHERE host = ?1 AND source = ?2`, args{host, e.Source}, &id)
	if errors.Is(err, sql.ErrNoRows) {
		err = t.scan(ctx, `INSERT INTO servers (host, source) VALUES (?1, ?2) RETURNING id`, args{host, e.Source}, &id)
	}
	return id, err
}
