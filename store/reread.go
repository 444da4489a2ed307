package store

import (
	"cmp"
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

// Reread is what came of reading a message on record once more.
type Reread struct {
	Changed bool   // it is on record otherwise than before
	Effect  string // what followed from it, "" if nothing did
	Early   bool   // a sender has the mail in hand that it is about: nothing is on record, try again
}

// Reread puts on record what a message that is there says by a later reading of it. What followed
// from the first reading does not follow again. A hard or soft mark that it left goes if it is no
// such bounce; the state of the delivery, and what was counted by day, stay. [ErrNotFound] if there is
// no such message.
func (db *DB) Reread(ctx context.Context, id int64, e *intake.Entry, now time.Time) (out Reread, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		out, err = db.reread(ctx, t, id, e, now)
		return err
	})
	if err != nil {
		return Reread{}, fmt.Errorf("read message %d once more: %w", id, err)
	}
	return out, nil
}

func (db *DB) reread(ctx context.Context, t *tx, id int64, e *intake.Entry, now time.Time) (out Reread, err error) {
	was, err := t.inboundRow(ctx, id)
	if err != nil {
		return out, err
	}
	told, err := t.toldBy(ctx, id, was)
	if err != nil {
		return out, err
	}
	var effects []string
	if !told {
		for n := range e.Events {
			if out.Early, err = db.early(ctx, t, &e.Events[n]); err != nil || out.Early {
				return out, err
			}
		}
		for n := range e.Events {
			fate, effect, err := db.takeEvent(ctx, t, &e.Events[n], id, now)
			if err != nil {
				return out, err
			}
			if fate == fateDone {
				effects = append(effects, effect)
			}
		}
	} else if was.Class.Bounce() && was.Class != e.Class {
		d, err := t.delivery(ctx, was.Slot, was.Subscriber)
		var effect string
		if err == nil {
			effect, err = db.unmark(ctx, t, d, was.Class, "the report was read once more and says no such thing", now)
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return out, err
		}
		effects = append(effects, effect)
	}
	if e.Done != "" {
		effects = append(effects, e.Done)
	}
	more, held, err := t.passOnOnce(ctx, id, e, now)
	if err != nil {
		return out, err
	}
	out.Effect = joined(append(effects, more...))
	out.Changed, err = t.rewriteInbound(ctx, was, e, cmp.Or(e.Aside, held), out.Effect)
	return out, err
}

// joined is effects in one text.
func joined(effects []string) string {
	var said []string
	for _, s := range effects {
		if s != "" {
			said = append(said, s)
		}
	}
	return strings.Join(said, "; ")
}

func (t *tx) inboundRow(ctx context.Context, id int64) (*InboundRow, error) {
	list, err := selectAll(ctx, t, inboundColumns+`WHERE m.id = ?1`, args{id}, scanInbound)
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return &list[0], nil
}

// toldBy says whether news of a message is on record with its delivery.
func (t *tx) toldBy(ctx context.Context, id int64, m *InboundRow) (is bool, err error) {
	err = t.scan(ctx, `SELECT EXISTS (SELECT 1 FROM events WHERE slot = ?1 AND subscriber = ?2 AND slot > 0 AND inbound = ?3)`,
		args{m.Slot, m.Subscriber, id}, &is)
	return is, err
}

// unmark takes back the mark that a delivery's bounce of a class left, which is no such bounce as it
// was taken for: why says so.
func (db *DB) unmark(ctx context.Context, t *tx, d *delivery, class mailer.Class, why string, now time.Time) (string, error) {
	w := waveMark{key: key{d.Slot, d.Subscriber}, address: d.Address, reason: d.Reason}
	var left string
	err := t.scan(ctx, `SELECT class, sent, effect FROM marks WHERE slot = ?1 AND subscriber = ?2`, args{d.Slot, d.Subscriber}, &left, &w.sent, &w.effect)
	if errors.Is(err, sql.ErrNoRows) || err == nil && (left != string(class) || w.effect == markForgiven || w.effect == markUndone) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if err := t.setMark(ctx, w.key, markUndone); err != nil {
		return "", err
	}
	lifted, err := db.reconsider(ctx, t, &w, why, now)
	if lifted {
		return "mark taken back, address barred no more", err
	}
	return "mark taken back", err
}

// passOnOnce opens a task and has an answer forwarded, unless that was done when the message came. held
// is why the answer was not, if there were too many.
func (t *tx) passOnOnce(ctx context.Context, id int64, e *intake.Entry, now time.Time) (effects []string, held string, err error) {
	var task int64
	var forwards bool
	if err := t.scan(ctx, `SELECT task, EXISTS (SELECT 1 FROM forwards WHERE inbound = ?1) FROM inbound WHERE id = ?1`, args{id}, &task, &forwards); err != nil {
		return nil, "", err
	}
	if e.Task != "" && task == 0 {
		effect, err := t.standFor(ctx, e, id, now)
		if err != nil {
			return nil, "", err
		}
		effects = append(effects, effect)
	}
	if e.Forward && !forwards {
		var effect string
		if effect, held, err = t.addForward(ctx, id, now); err != nil {
			return nil, "", err
		}
		effects = append(effects, effect)
	}
	if forwards { // it stays aside if it was held
		err = t.scan(ctx, `SELECT reason FROM forwards WHERE inbound = ?1 AND state = 'aside' AND reason IN (?2, ?3)`, args{id, forwardFlood, forwardLoose}, &held)
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
	}
	return effects, held, err
}

// rewriteInbound has a message's row say what it says now, and what followed since.
func (t *tx) rewriteInbound(ctx context.Context, was *InboundRow, e *intake.Entry, aside, effect string) (changed bool, err error) {
	worst := worstOf(e)
	of := key{was.Slot, was.Subscriber}
	if e.Of != (intake.Of{}) {
		if of, _, err = t.mailOf(ctx, e.Of); err != nil {
			return false, err
		}
	}
	class := cmp.Or(e.Class, mailer.NoBounce)
	now := InboundRow{News: mailer.News{Class: class, Reason: oneLine(worst.Reason, maxReason), Status: oneLine(worst.Status, maxStatus), Code: worst.Code,
		Recipient: subscribers.Fold(oneLine(worst.Recipient, maxAddress))}, Slot: of.slot, Subscriber: of.subscriber, Aside: aside}
	before := InboundRow{News: mailer.News{Class: was.Class, Reason: was.Reason, Status: was.Status, Code: was.Code, Recipient: was.Recipient},
		Slot: was.Slot, Subscriber: was.Subscriber, Aside: was.Aside}
	if now == before && effect == "" {
		return false, nil
	}
	reply, err := t.newsText(ctx, &worst.News)
	if err != nil {
		return false, err
	}
	_, err = t.exec(ctx, `UPDATE inbound SET class = ?2, reason = ?3, status = ?4, code = ?5, reply = ?6, address = ?7, slot = ?8, subscriber = ?9,
			aside = ?10, effect = ?11 WHERE id = ?1`, was.ID, string(class), now.Reason, now.Status, now.Code, reply, now.Recipient, now.Slot, now.Subscriber,
		aside, joined([]string{was.Effect, effect}))
	return true, err
}
