package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"broadsheet/intake"
	"broadsheet/subscribers"
)

// newsMemory is what a transaction need not look up twice. The zero value is empty.
type newsMemory struct {
	slots   map[intake.Of][]int64 // by edition and wall time
	texts   map[string]sql.NullInt64
	servers map[[2]string]sql.NullInt64
}

// remember looks in one of its maps first.
func remember[K comparable, V any](known *map[K]V, k K, find func() (V, error)) (V, error) {
	if v, ok := (*known)[k]; ok {
		return v, nil
	}
	v, err := find()
	if err != nil {
		return v, err
	}
	if *known == nil {
		*known = make(map[K]V)
	}
	(*known)[k] = v
	return v, nil
}

// named finds the delivery that sure news is about; [sql.ErrNoRows] if there is none. That of the
// key may be missing all the same.
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

// byToken finds the delivery that a token names. A token knows the minute of a slot: of several
// notices of one minute, which have one token, and of a day's and its midnight's issue it is the
// one that left last.
func (t *tx) byToken(ctx context.Context, of intake.Of) (k key, err error) {
	slots, err := remember(&t.news.slots, intake.Of{Edition: of.Edition, Wall: of.Wall}, func() ([]int64, error) {
		at := time.Unix(of.Wall*60, 0).UTC()
		day, minute := "", at.Format("2006-01-02 15:04")
		if of.Wall%(24*60) == 0 {
			day = at.Format(time.DateOnly)
		}
		// ';' comes after ':', behind which notices have their seconds.
		return selectAll(ctx, t, `SELECT id FROM slots WHERE edition = ?1 AND (slot_key = ?2 OR slot_key >= ?3 AND slot_key < ?4) ORDER BY id`,
			args{of.Edition, day, minute, minute + ";"}, number)
	})
	k.subscriber = of.Subscriber
	switch {
	case err != nil:
	case len(slots) == 0:
		err = sql.ErrNoRows
	case len(slots) == 1:
		k.slot = slots[0]
	default:
		err = t.scan(ctx, `SELECT d.slot FROM `+t.w.dialect.ids(1)+` v CROSS JOIN deliveries d WHERE d.slot = v.value AND d.subscriber = ?2
			ORDER BY d.handed DESC, d.slot DESC LIMIT 1`, args{idList(slots), of.Subscriber}, &k.slot)
	}
	return k, err
}

// unsure puts news on record that names no mail, only a reader, mostly by the address. Anybody may
// have written that: it changes nothing.
func (t *tx) unsure(ctx context.Context, e *intake.Event, inbound int64, at time.Time) (fate, string, error) {
	folded := subscribers.Fold(e.Recipient)
	if e.Of.Subscriber == 0 && folded == "" {
		return fateUnknown, "it names nobody", nil
	}
	d := &delivery{}
	err := t.scan(ctx, `SELECT id, address FROM subscribers WHERE id = ?1 OR ?1 = 0 AND address = ?2`, args{e.Of.Subscriber, folded}, &d.Subscriber, &d.Address)
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

// theirs reports whether a delivery went to an address that is, or was, its reader's own. A notice
// may go to one that is only wished for: it may be a stranger's.
func (t *tx) theirs(ctx context.Context, d *delivery) (bool, error) {
	if !d.notice || d.Address == "" {
		return true, nil
	}
	own, err := owned(ctx, t, d.Subscriber)
	if err != nil {
		return false, err
	}
	var now string
	if err := t.scan(ctx, `SELECT address FROM subscribers WHERE id = ?1`, args{d.Subscriber}, &now); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	folded := subscribers.Fold(d.Address)
	return now == "" || folded == now || slices.ContainsFunc(own, func(a string) bool { return subscribers.Fold(a) == folded }), nil
}

// server keeps once who speaks and from what source that is known.
func (t *tx) server(ctx context.Context, e *intake.Event) (sql.NullInt64, error) {
	host := oneLine(e.Host, maxHost)
	return remember(&t.news.servers, [2]string{host, e.Source}, func() (id sql.NullInt64, err error) {
		err = t.scan(ctx, `SELECT id FROM servers WHERE host = ?1 AND source = ?2`, args{host, e.Source}, &id)
		if errors.Is(err, sql.ErrNoRows) {
			err = t.scan(ctx, `INSERT INTO servers (host, source) VALUES (?1, ?2) RETURNING id`, args{host, e.Source}, &id)
		}
		return id, err
	})
}
