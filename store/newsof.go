package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"broadsheet/intake"
	"broadsheet/subscribers"
)

// named finds the delivery that sure news is about; [sql.ErrNoRows] if there is none.
func (t *tx) named(ctx context.Context, e *intake.Event) (k key, err error) {
	if e.Of != (intake.Of{}) {
		return t.byToken(ctx, e.Of)
	}
	if e.Queue == "" {
		return k, sql.ErrNoRows
	}
	err = t.scan(ctx, `SELECT q.slot, q.subscriber FROM queue_ids q JOIN deliveries d ON d.slot = q.slot AND d.subscriber = q.subscriber
		WHERE q.relay = ?1 AND q.id = ?2`, args{e.Relay, e.Queue}, &k.slot, &k.subscriber)
	return k, err
}

// byToken finds the delivery that a token names. Notices of one minute have one token: it is the
// last of them that left.
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
		ORDER BY d.handed DESC, d.slot DESC LIMIT 1`, args{of.Edition, day, minute, minute + ";", of.Subscriber}, &k.slot)
	return k, err
}

// unsure puts news on record that names no mail, only an address. Anybody may have written that:
// it changes nothing.
func (t *tx) unsure(ctx context.Context, e *intake.Event, inbound int64, at time.Time) (fate, string, error) {
	if e.Recipient == "" {
		return fateUnknown, "it names nobody", nil
	}
	d := &delivery{}
	d.Address = subscribers.Fold(e.Recipient)
	err := t.scan(ctx, `SELECT id FROM subscribers WHERE address = ?1`, args{d.Address}, &d.Subscriber)
	if errors.Is(err, sql.ErrNoRows) {
		return fateUnknown, "it names no reader", nil
	}
	if err != nil {
		return 0, "", err
	}
	fresh, err := t.event(ctx, d, e, inbound, at)
	if err == nil && !fresh {
		return fateAgain, "on record before", nil
	}
	return fateDone, "noted, and counts for nothing: it has no token", err
}

// domainOf is what stands behind the '@' of an address, in the form in which addresses are compared.
func domainOf(address string) string {
	folded := subscribers.Fold(address)
	return folded[strings.LastIndexByte(folded, '@')+1:]
}

// server keeps once who speaks and from what source that is known.
func (t *tx) server(ctx context.Context, e *intake.Event) (id sql.NullInt64, err error) {
	host := oneLine(e.Host, maxHost)
	err = t.scan(ctx, `SELECT id FROM servers WHERE host = ?1 AND source = ?2`, args{host, e.Source}, &id)
	if errors.Is(err, sql.ErrNoRows) {
		err = t.scan(ctx, `INSERT INTO servers (host, source) VALUES (?1, ?2) RETURNING id`, args{host, e.Source}, &id)
	}
	return id, err
}
