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

// TakeIn meets [intake.Ledger]: all of it in one transaction. Give it some hundred at a time.
func (db *DB) TakeIn(ctx context.Context, entries []intake.Entry, now time.Time) (taken []intake.Taken, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		taken = make([]intake.Taken, len(entries))
		for n := range entries {
			var err error
			if taken[n], err = db.takeIn(ctx, t, &entries[n], now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("take mail in: %w", err)
	}
	return taken, nil
}

// takeIn puts a message on record with what follows from it.
func (db *DB) takeIn(ctx context.Context, t *tx, e *intake.Entry, now time.Time) (out intake.Taken, err error) {
	err = t.scan(ctx, `SELECT id, effect, aside FROM inbound WHERE hash = ?1`, args{e.Hash[:]}, &out.ID, &out.Effect, &out.Held)
	if err == nil || !errors.Is(err, sql.ErrNoRows) {
		out.Again = err == nil
		return out, err
	}
	for n := range e.Events {
		early, err := db.early(ctx, t, &e.Events[n])
		if err != nil || early {
			return intake.Taken{Early: early}, err
		}
	}
	if out.ID, err = t.inbound(ctx, db, e, now); err != nil {
		return out, err
	}
	var effects []string
	if e.Done != "" {
		effects = append(effects, e.Done)
	}
	for n := range e.Events {
		_, effect, err := db.takeEvent(ctx, t, &e.Events[n], out.ID, now)
		if err != nil {
			return out, err
		}
		effects = append(effects, effect)
	}
	if e.Task != "" {
		effect, err := t.standFor(ctx, e, out.ID, now)
		if err != nil {
			return out, err
		}
		effects = append(effects, effect)
	}
	if e.Forward {
		var effect string
		if effect, out.Held, err = t.addForward(ctx, out.ID, now); err != nil {
			return out, err
		}
		effects = append(effects, effect)
	}
	out.Effect = strings.Join(effects, "; ")
	_, err = t.exec(ctx, `UPDATE inbound SET effect = ?2, aside = ?3 WHERE id = ?1`, out.ID, out.Effect, cmp.Or(e.Aside, out.Held))
	return out, err
}

// early says of news whether a sender has its mail in hand.
func (db *DB) early(ctx context.Context, t *tx, e *intake.Event) (bool, error) {
	if !e.Sure || !moves(e.Class) {
		return false, nil
	}
	k, err := t.named(ctx, e)
	var until int64
	if err == nil {
		err = t.scan(ctx, `SELECT coalesce(b.lease_until, 0) FROM deliveries d LEFT JOIN batches b ON b.id = d.batch
			WHERE d.slot = ?1 AND d.subscriber = ?2 AND d.state IN ('sending', 'handed')`, args{k.slot, k.subscriber}, &until)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return until >= us(db.leaseClock()), err
}

// inbound writes a message's row. Of a reader who is gone only numbers are kept, unless a person
// wrote to be answered.
func (t *tx) inbound(ctx context.Context, db *DB, e *intake.Entry, now time.Time) (id int64, err error) {
	worst := worstOf(e)
	reply, err := t.newsText(ctx, &worst.News)
	if err != nil {
		return 0, err
	}
	of, left, err := t.mailOf(ctx, e.Of)
	if err != nil {
		return 0, err
	}
	at := e.At
	if at.Before(left) { // what its source says is wrong
		at = left
	}
	if at.IsZero() || at.After(now) {
		at = now
	}
	m := InboundRow{To: oneLine(e.To, maxAddress), From: subscribers.Fold(oneLine(e.From, maxAddress)), Subject: oneLine(e.Subject, maxSubject),
		Cut: e.Cut || len(e.Raw) > intake.KeptRaw}
	m.Recipient = subscribers.Fold(oneLine(worst.Recipient, maxAddress))
	raw := append([]byte{}, e.Raw[:min(len(e.Raw), intake.KeptRaw)]...) // not NULL, which says that it is kept no more
	if !e.Forward && e.Task == "" {
		gone, err := db.gone(ctx, t, of.subscriber, m.Recipient)
		if err != nil {
			return 0, err
		}
		if gone {
			m, raw, reply = InboundRow{}, nil, sql.NullInt64{}
		}
	}
	err = t.scan(ctx, `INSERT INTO inbound (hash, source, place, at, recorded, recipient, sender, subject, class, reason, status, code, reply, address,
			slot, subscriber, writer, aside, effect, cut, raw)
		VALUES (?1, ?2, ?3, ?4, ?19, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?20, ?16, '', ?17, ?18) RETURNING id`,
		args{e.Hash[:], e.Source, e.Key, us(at), m.To, m.From, m.Subject, string(cmp.Or(e.Class, mailer.NoBounce)),
			oneLine(worst.Reason, maxReason), oneLine(worst.Status, maxStatus), worst.Code, reply, m.Recipient,
			of.slot, of.subscriber, e.Aside, m.Cut, raw, us(now), e.Writer}, &id)
	return id, err
}

// worstOf is the gravest news of a message, the zero value if it has none.
func worstOf(e *intake.Entry) (worst intake.Event) {
	for _, event := range e.Events {
		if worst.Class == "" || event.Class == e.Class && worst.Class != e.Class {
			worst = event
		}
	}
	return worst
}

// mailOf finds the delivery that a message is about, and when it left; its slot is 0 if that is not
// on record.
func (t *tx) mailOf(ctx context.Context, of intake.Of) (k key, left time.Time, err error) {
	if of == (intake.Of{}) {
		return k, left, nil
	}
	var handed int64
	found, err := t.byToken(ctx, of)
	if err == nil {
		err = t.scan(ctx, `SELECT slot, handed FROM deliveries WHERE slot = ?1 AND subscriber = ?2`, args{found.slot, found.subscriber}, &k.slot, &handed)
	}
	k.subscriber = of.Subscriber
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return k, fromUS(handed), err
}

// gone says whether a message is about somebody who was erased, or forgotten: by the number of the
// token, or by the address that it names.
func (db *DB) gone(ctx context.Context, t *tx, subscriber int64, address string) (is bool, err error) {
	if subscriber > 0 {
		err = t.scan(ctx, `SELECT NOT EXISTS (SELECT 1 FROM subscribers WHERE id = ?1)`, args{subscriber}, &is)
		return is, err
	}
	if address == "" || db.opts.AddressHash == nil {
		return false, nil
	}
	hash := db.opts.AddressHash(address)
	err = t.scan(ctx, `SELECT EXISTS (SELECT 1 FROM suppressions WHERE hash = ?1 AND erased = 1)`, args{hash[:]}, &is)
	return is, err
}
