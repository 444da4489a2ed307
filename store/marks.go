package store

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"broadsheet/mailer"
	"broadsheet/subscribers"
)

// A mark says that a mail to an address was refused for good or came back: a hard one that there is
// no such mailbox, a soft one that it took nothing. A delivery leaves one mark at most, the graver.
//
// A hard mark bars the address at once if it never took a mail that did not come back, else the
// second one does that comes at least hardPause after the first with no such mail in between:
// providers have bad days. Soft marks bar it when there are softMarks of them in a row over at least
// softPause. Marks count in the order in which their mails left, whenever word of them comes. What
// a relay says is not what counts: one that takes everything and returns it later forgives nothing.
//
// Hard marks of many readers of one domain in one slot are a wave: see waves.go.
const (
	// hardPause is a day less what a daily mail may be early by: two of them are never a day apart to
	// the second.
	hardPause = 20 * time.Hour
	softMarks = 5
	softPause = 10 * 24 * time.Hour
	// lookBack is how far back marks, and mails that stayed, are looked for.
	lookBack = 400 * 24 * time.Hour
)

// Effects of marks.
const (
	markCounts   = "counted"
	markBars     = "suppressed" // it barred the address
	markHeld     = "held"       // in quarantine: counts for nothing
	markUndone   = "undone"     // its wave was taken back: counts for nothing
	markForgiven = "forgiven"   // by a new address, by who lifted the suppression, or from the start: counts for its wave alone
)

const (
	hardBounce = "hard_bounce"
	softBounce = "soft_bounce"
)

// barReason is why an address is barred by marks of a class.
func barReason(class mailer.Class) string {
	if class == mailer.Soft {
		return softBounce
	}
	return hardBounce
}

// byMark reports whether suppressions for a reason come from marks.
func byMark(reason string) bool { return reason == hardBounce || reason == softBounce }

// mark takes in sure news of a delivery, whose row says already what became of it: it counts it,
// and does what follows for the address. sent is when the mail left, note goes into a suppression
// that comes of it. Each news is given once. The effect is for people, "" if there is none.
func (db *DB) mark(ctx context.Context, t *tx, d *delivery, class mailer.Class, sent, now time.Time, note string) (effect string, err error) {
	t.tally(sent, &d.Delivery, d.relay, tallyOf(class), 1)
	switch class {
	case mailer.Hard, mailer.Soft:
		return db.charge(ctx, t, d, class, markCounts, sent, now, note)
	case mailer.Complained:
		return db.complained(ctx, t, d, now, note)
	}
	return "", nil
}

// marked is the reader whom a mark is about, as far as the address is still theirs.
type marked struct {
	id       int64
	folded   string
	accepted bool // a relay took a mail to the address
	created  int64
}

// marked finds the reader of a delivery; nil if there is none any more who has its address.
func (t *tx) marked(ctx context.Context, subscriber int64, address string) (*marked, error) {
	r := &marked{id: subscriber, folded: subscribers.Fold(address)}
	err := t.scan(ctx, `SELECT accepted, created FROM subscribers WHERE id = ?1 AND address = ?2`, args{r.id, r.folded}, &r.accepted, &r.created)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return r, err
}

// charge leaves a hard or soft mark, with what follows if it counts: effect is [markCounts], or
// [markForgiven] for one that counts for its wave alone.
func (db *DB) charge(ctx context.Context, t *tx, d *delivery, class mailer.Class, effect string, sent, now time.Time, note string) (string, error) {
	if d.Address == "" {
		return "", nil // the reader was erased
	}
	var before string
	err := t.scan(ctx, `SELECT class FROM marks WHERE slot = ?1 AND subscriber = ?2`, args{d.Slot, d.Subscriber}, &before)
	if err != nil && !errors.Is(err, sql.ErrNoRows) || before == string(mailer.Hard) || before == string(class) {
		return "", err
	}
	r, err := t.marked(ctx, d.Subscriber, d.Address)
	if err != nil {
		return "", err
	}
	if r == nil {
		effect = markForgiven // the reader has another address by now
	}
	domain := mailer.DomainOf(d.Address)
	if _, err := t.exec(ctx, `INSERT INTO marks (slot, subscriber, domain, class, sent, at, effect) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
		ON CONFLICT (slot, subscriber) DO UPDATE SET class = ?4, sent = ?5, at = ?6, effect = ?7`,
		d.Slot, d.Subscriber, domain, string(class), us(sent), us(now), effect); err != nil {
		return "", err
	}
	if class == mailer.Hard && !d.notice { // who signs up with addresses that are not there makes no wave
		held, err := db.join(ctx, t, d, domain, effect, now)
		if held != "" || err != nil {
			return held, err
		}
	}
	if effect != markCounts {
		return "no mark: another address by now", nil
	}
	bars, err := t.bars(ctx, r, class, sent, now)
	if err != nil {
		return "", err
	}
	if bars {
		if is, err := db.barByMark(ctx, t, key{d.Slot, d.Subscriber}, d.Address, class, note, now); is || err != nil {
			return "address barred", err
		}
	}
	return string(class) + " mark", nil
}

// barByMark bars an address because of a mark; false if it was barred before.
func (db *DB) barByMark(ctx context.Context, t *tx, k key, address string, class mailer.Class, note string, now time.Time) (bool, error) {
	is, err := db.suppress(ctx, t, subscribers.Suppression{Address: address, Reason: barReason(class), Note: note, At: now}, nil, 0, now)
	if err != nil || !is {
		return false, err
	}
	hash := db.opts.AddressHash(subscribers.Fold(address))
	if _, err := t.exec(ctx, `UPDATE suppressions SET slot = ?2 WHERE hash = ?1`, hash[:], k.slot); err != nil {
		return false, err
	}
	return true, t.setMark(ctx, k, markBars)
}

// dropMark forgets the mark of a delivery that is tried once more, and takes it out of its wave. One that
// barred the address stays, as what says why: so can its wave be taken back.
func (t *tx) dropMark(ctx context.Context, d *delivery) error {
	var class string
	err := t.scan(ctx, `DELETE FROM marks WHERE slot = ?1 AND subscriber = ?2 AND effect <> 'suppressed' RETURNING class`, args{d.Slot, d.Subscriber}, &class)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil && class == string(mailer.Hard) {
		_, err = t.exec(ctx, `UPDATE waves SET hard = hard - 1 WHERE slot = ?1 AND domain = ?2`, d.Slot, mailer.DomainOf(d.Address))
	}
	return err
}

func (t *tx) setMark(ctx context.Context, k key, effect string) error {
	_, err := t.exec(ctx, `UPDATE marks SET effect = ?3 WHERE slot = ?1 AND subscriber = ?2`, k.slot, k.subscriber, effect)
	return err
}

// forgive has a reader's marks count no more. Those in quarantine and those that were taken back do
// not count anyway.
func (t *tx) forgive(ctx context.Context, subscriber int64) error {
	_, err := t.exec(ctx, `UPDATE marks SET effect = 'forgiven' WHERE subscriber = ?1 AND effect IN ('counted', 'suppressed')`, subscriber)
	return err
}

// bars reports whether the marks of a class that count, around one whose mail left at sent, are
// enough to bar the address.
func (t *tx) bars(ctx context.Context, r *marked, class mailer.Class, sent, now time.Time) (bool, error) {
	if class == mailer.Hard {
		if kept, err := t.kept(ctx, r, now); !kept || err != nil {
			return err == nil, err
		}
	}
	enough := func(from, to int64) (is bool, first int64, err error) {
		var n, last int64
		err = t.scan(ctx, `SELECT count(*), coalesce(min(sent), 0), coalesce(max(sent), 0) FROM marks
			WHERE subscriber = ?1 AND class = ?2 AND sent >= ?3 AND sent < ?4 AND effect IN ('counted', 'suppressed')`,
			args{r.id, string(class), from, to}, &n, &first, &last)
		span := time.Duration(last-first) * time.Microsecond
		if class == mailer.Soft {
			return n >= softMarks && span >= softPause, first, err
		}
		return span >= hardPause, first, err
	}
	is, first, err := enough(us(now.Add(-lookBack)), math.MaxInt64)
	if !is || err != nil {
		return false, err
	}
	from, to, err := t.keptAround(ctx, r.id, us(sent), first)
	if err != nil {
		return false, err
	}
	is, _, err = enough(max(from, first), to)
	return is, err
}
