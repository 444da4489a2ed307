package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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

// TakeEvents meets [intake.Ledger]: all of it in one transaction. Give it some hundred at a time.
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
// says so, 0 if none does. The effect is for people.
func (db *DB) takeEvent(ctx context.Context, t *tx, e *intake.Event, inbound int64, now time.Time) (fate, string, error) {
	t.books.clock = now // what the books say changes now, however old the news
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
			return fateDone, string(mailer.Delivered), err
		}
	}
	d, err := t.delivery(ctx, k.slot, k.subscriber)
	if errors.Is(err, sql.ErrNoRows) {
		return db.ofNoMail(ctx, t, e, now)
	}
	if err != nil {
		return 0, "", err
	}
	return db.tell(ctx, t, d, e, inbound, at, now)
}

// moves says of a class whether such news are about a mail's way.
func moves(c mailer.Class) bool { return c.Bounce() || c == mailer.Put || c == mailer.Arrived }

// tell puts news of a delivery on record, with what follows.
func (db *DB) tell(ctx context.Context, t *tx, d *delivery, e *intake.Event, inbound int64, at, now time.Time) (fate, string, error) {
	inHand := (d.State == mailer.Sending || d.State == mailer.Handed) && d.leaseUntil >= us(db.leaseClock())
	if inHand && moves(e.Class) {
		return fateEarly, "", nil
	}
	for _, left := range []time.Time{d.handed, d.taken} {
		if at.Before(left) { // logs know whole seconds, and clocks differ
			at = left
		}
	}
	if inbound > 0 && e.Class == mailer.Hard && e.Recipient != "" && d.Address != "" && subscribers.Fold(e.Recipient) != subscribers.Fold(d.Address) {
		other := *e // a member of a list, or one of several that an address stands for, is gone: the reader may be there
		other.Class = mailer.Soft
		e = &other
	}
	if d.Address == "" { // the reader was erased: numbers only
		bare := *e
		bare.Text, bare.Host = "", ""
		e = &bare
	}
	again, err := t.knows(ctx, d, e, at)
	if err != nil {
		return 0, "", err
	}
	if again {
		return fateAgain, "on record before", nil
	}
	if e.Class == mailer.Put {
		if room, err := t.roomForDelay(ctx, d, at); !room || err != nil {
			return fateAgain, "one more of many delays", err
		}
	}
	was := d.State
	to, moved := next(d, e.Class)
	var before mailer.Class // of a bounce that is known, and that this one puts right
	if e.Class.Bounce() && was == mailer.Bounced {
		known, err := t.returnedAs(ctx, d)
		if err != nil {
			return 0, "", err
		}
		if moved = known != "" && gravity(e.Class) > gravity(known); moved {
			to, before = mailer.Bounced, known
		}
	}
	if moved && was == mailer.Delivered {
		if err := t.keepArrival(ctx, d); err != nil {
			return 0, "", err
		}
	}
	if !moved || to != mailer.Delivered {
		if _, err := t.event(ctx, d, e, inbound, at); err != nil {
			return 0, "", err
		}
	}
	if moved {
		if err := t.move(ctx, d, to, e, at); err != nil {
			return 0, "", err
		}
		if open(was) && d.batch != 0 && d.leaseUntil == 0 { // it does not go again: its batch may be done
			s, err := spanOf(ctx, t, d.batch)
			if err != nil {
				return 0, "", err
			}
			if err := t.free(ctx, s); err != nil {
				return 0, "", err
			}
		}
	}
	var effects []string
	if before != "" {
		effect, err := db.correct(ctx, t, d, before, now)
		if err != nil {
			return 0, "", err
		}
		effects = append(effects, effect)
	}
	effect, err := db.follows(ctx, t, d, e, was, moved, now)
	return fateDone, joined(append(effects, effect)), err
}

// A mail comes back once, but a log, a provider and a report may each say so, and in words that are
// read differently. The first that is sure counts, until a graver one puts it right.

// gravity orders the classes of bounces: of two for one mail the graver is believed, for the vaguer
// one is that of a source that knows less. 0 is no bounce.
func gravity(c mailer.Class) int {
	switch c {
	case mailer.Hard:
		return 3
	case mailer.Policy, mailer.Content:
		return 2
	case mailer.Soft:
		return 1
	}
	return 0
}

// correct takes back what a bounce counted for that is known to be a graver one by now.
func (db *DB) correct(ctx context.Context, t *tx, d *delivery, before mailer.Class, now time.Time) (string, error) {
	t.tally(d.handed, &d.Delivery, d.relay, tallyOf(before), -1)
	if before != mailer.Soft {
		return "", nil // it left no mark
	}
	effect, err := db.unmark(ctx, t, d, before, "its mail came back for a graver reason", now)
	if effect == "mark taken back" {
		effect = "" // another one takes its place, or none did any harm
	}
	return effect, err
}

// next says which state a delivery comes into by news of a class; moved is false if it stays
// where it is. Later news of a delay undo nothing. Of a mail that would go again it is enough that
// it arrived, for that says that a copy is out whatever the relay's reply was.
func next(d *delivery, c mailer.Class) (to mailer.State, moved bool) {
	out := d.State == mailer.Accepted || d.State == mailer.Uncertain || open(d.State) && d.Copies > 0
	switch {
	case c == mailer.Put && (out || d.State == mailer.Delayed):
		return mailer.Delayed, true
	case c == mailer.Arrived && (out || d.State == mailer.Delayed || open(d.State)):
		return mailer.Delivered, true
	case c.Bounce() && (out || d.State == mailer.Delayed || d.State == mailer.Delivered):
		return mailer.Bounced, true
	}
	return d.State, false
}

// follows does what follows from news beside the delivery's state, and says all of it for people.
func (db *DB) follows(ctx context.Context, t *tx, d *delivery, e *intake.Event, was mailer.State, moved bool, now time.Time) (string, error) {
	if e.Class == mailer.OptedOut {
		return db.optOut(ctx, t, d, now)
	}
	effect := "noted"
	if moved {
		effect = string(d.State)
	}
	// A mail that a relay refused cannot come back, one that came back cannot do so again, and one that is
	// put off again was counted.
	if moves(e.Class) && !moved || e.Class == mailer.Put && was == mailer.Delayed {
		return effect, nil
	}
	sent := d.handed
	if sent.IsZero() {
		sent = now
	}
	note := oneLine(e.Reason+" "+e.Status, maxReason)
	more, err := db.mark(ctx, t, d, e.Class, sent, now, note)
	if more != "" {
		effect += ", " + more
	}
	return effect, err
}

// optOut has the reader of a delivery leave everything, as a mail program's own button does. Whoever
// got a mail about an address that a reader only wished for is another: that address is barred alone.
func (db *DB) optOut(ctx context.Context, t *tx, d *delivery, now time.Time) (string, error) {
	theirs, err := t.theirs(ctx, d)
	if err != nil {
		return "", err
	}
	if !theirs {
		_, err := db.suppress(ctx, t, subscribers.Suppression{Address: d.Address, Reason: "unsubscribed", At: now}, nil, 0, now)
		return "address barred", err
	}
	out, err := db.leaveAll(ctx, t, d.Subscriber, "reader", "", now)
	switch {
	case errors.Is(err, ErrNotFound):
		return gone, nil
	case err != nil:
		return "", err
	case !out.Changed:
		return "had left before", nil
	}
	return "left everything", nil
}

// ofNoMail deals with sure news of a mail that is not on record, as after a backup was put back:
// what the reader wishes holds all the same.
func (db *DB) ofNoMail(ctx context.Context, t *tx, e *intake.Event, now time.Time) (fate, string, error) {
	const unknown = "its mail is not on record"
	if e.Of.Subscriber == 0 {
		return fateUnknown, unknown, nil
	}
	d := &delivery{Delivery: mailer.Delivery{Subscriber: e.Of.Subscriber}}
	switch e.Class {
	case mailer.OptedOut:
		effect, err := db.optOut(ctx, t, d, now)
		return fateDone, effect, err
	case mailer.Complained:
		effect, err := db.complained(ctx, t, d, now, "")
		if effect == gone {
			return fateUnknown, unknown, err
		}
		return fateDone, effect, err
	}
	return fateUnknown, unknown, nil
}

// move brings a delivery into a state behind accepted.
func (t *tx) move(ctx context.Context, d *delivery, to mailer.State, e *intake.Event, at time.Time) error {
	reply, err := t.newsText(ctx, &e.News)
	if err != nil {
		return err
	}
	reason := oneLine(e.Reason, maxReason)
	var server sql.NullInt64
	if to == mailer.Delivered {
		reason = ""
		if server, err = t.server(ctx, e); err != nil {
			return err
		}
	}
	_, err = t.exec(ctx, `UPDATE deliveries SET taken = CASE WHEN taken > 0 THEN taken WHEN state = 'accepted' THEN at WHEN handed > 0 THEN handed ELSE ?4 END,
			handed = CASE WHEN handed > 0 THEN handed ELSE ?4 END, copies = CASE WHEN copies > 0 THEN copies ELSE 1 END,
			state = ?3, at = ?4, due = 0, reason = ?5, code = ?6, enhanced = ?7, reply = ?8, server = ?9 WHERE slot = ?1 AND subscriber = ?2`,
		d.Slot, d.Subscriber, string(to), us(at), reason, e.Code, oneLine(e.Status, maxStatus), reply, server)
	if d.handed.IsZero() {
		d.handed = at
	}
	d.State, d.Reason, d.At, d.Due = to, reason, at, time.Time{}
	t.keepBooks(d, at)
	d.reply, d.replyID = mailer.Reply{Code: e.Code, Enhanced: e.Status, Text: bareText(&e.News)}, reply
	return err
}

// arrive is move for the common case: a mail that a relay took has arrived. done is false if it is
// in another state; nothing has changed then.
func (t *tx) arrive(ctx context.Context, k key, e *intake.Event, at time.Time) (done bool, err error) {
	reply, err := t.newsText(ctx, &e.News)
	if err != nil {
		return false, err
	}
	server, err := t.server(ctx, e)
	if err != nil {
		return false, err
	}
	const arrived = `UPDATE deliveries SET taken = CASE WHEN taken > 0 THEN taken ELSE at END, state = 'delivered',
			at = CASE WHEN at > ?3 THEN at ELSE ?3 END, reason = '', code = ?4, enhanced = ?5, reply = ?6, server = ?7
		WHERE slot = ?1 AND subscriber = ?2 AND state = ?8`
	var n int64
	var was mailer.State
	for _, was = range []mailer.State{mailer.Accepted, mailer.Delayed} {
		n, err = t.exec(ctx, arrived, k.slot, k.subscriber, us(at), e.Code, oneLine(e.Status, maxStatus), reply, server, string(was))
		if err != nil || n > 0 {
			break
		}
	}
	if err != nil || n == 0 {
		return false, err
	}
	here, err := t.countArrived(ctx, k, was, at)
	if err == nil && !here { // the reader was erased: numbers only
		_, err = t.exec(ctx, `UPDATE deliveries SET reply = NULL, server = NULL WHERE slot = ?1 AND subscriber = ?2`, k.slot, k.subscriber)
	}
	return true, err
}
