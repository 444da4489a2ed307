package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/subscribers"
)

// OwnData puts together everything that is held about a reader; [ErrNotFound] if there is none.
// What counts for all readers together, such as clicks, knows nobody and is not in it.
func (db *DB) OwnData(ctx context.Context, id int64, now time.Time) (*subscribers.Held, error) {
	d, err := db.ownData(ctx, id, now)
	if err != nil {
		return nil, fmt.Errorf("load own data: %w", err)
	}
	return d, nil
}

// Record is OwnData without the deliveries and the messages that came in: what is quickly read.
func (db *DB) Record(ctx context.Context, id int64, now time.Time) (*subscribers.Held, error) {
	d, err := db.record(ctx, id, now)
	if err != nil {
		return nil, fmt.Errorf("load record of reader %d: %w", id, err)
	}
	return d, nil
}

func (db *DB) ownData(ctx context.Context, id int64, now time.Time) (*subscribers.Held, error) {
	d, err := db.record(ctx, id, now)
	if err != nil {
		return nil, err
	}
	for row, err := range db.Deliveries(ctx, DeliveryFilter{Subscriber: id}) {
		if err != nil {
			return nil, err
		}
		o, err := db.ownDelivery(ctx, &row)
		if err != nil {
			return nil, err
		}
		d.Deliveries = append(d.Deliveries, o)
	}
	return d, db.ownMail(ctx, d.Now.Address, d)
}

func (db *DB) record(ctx context.Context, id int64, now time.Time) (*subscribers.Held, error) {
	q := db.read()
	s, err := db.withSuppression(ctx, q, "s.id = ?1", id)
	if err != nil {
		return nil, notFound(err, "subscriber %d", id)
	}
	d := &subscribers.Held{Made: now.UTC(), Number: id, Since: s.Created, Now: s.OwnSettings(), Changes: []subscribers.OwnChange{},
		Deliveries: []subscribers.OwnDelivery{}}
	if b := s.Suppressed; b != nil {
		d.Barred = &subscribers.OwnBar{Reason: b.Reason, Note: b.Note, At: b.At}
	}
	var hard int64
	if err := q.scan(ctx, `SELECT accepted, (SELECT coalesce(min(sent), 0) FROM marks
		WHERE subscriber = ?1 AND class = 'hard' AND effect IN ('counted', 'suppressed')) FROM subscribers WHERE id = ?1`, args{id}, &d.TookMail, &hard); err != nil {
		return nil, notFound(err, "subscriber %d", id)
	}
	d.Refused = fromUS(hard)
	history, err := db.History(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, c := range history {
		d.Changes = append(d.Changes, subscribers.OwnChange{At: c.At, RealAt: c.RealAt, By: c.By, OwnSettings: c.OwnSettings()})
	}
	if d.Consents, err = some(ctx, q, `SELECT w.body, c.page, c.language, c.at, c.client, c.confirmed_at, c.confirmed_client
		FROM consents c JOIN wordings w ON w.id = c.wording WHERE c.subscriber = ?1 ORDER BY c.id`, args{id},
		func(r *sql.Rows) (c subscribers.OwnConsent, err error) {
			var at, confirmed int64
			err = r.Scan(&c.Wording, &c.Page, &c.Language, &at, &c.Client, &confirmed, &c.ConfirmedClient)
			c.At, c.ConfirmedAt = fromUS(at), fromUS(confirmed)
			return c, err
		}); err != nil {
		return nil, err
	}
	if d.Requests, err = some(ctx, q, `SELECT `+settingsColumns+`, r.kind, r.at, r.expires, r.used FROM requests r
		JOIN settings st ON st.id = r.settings WHERE r.subscriber = ?1 ORDER BY r.id`, args{id},
		func(r *sql.Rows) (o subscribers.OwnRequest, err error) {
			var at, expires, used int64
			c, err := scanChange(r, &o.Kind, &at, &expires, &used)
			wish := c.OwnSettings()
			o.At, o.Expires, o.Used, o.Wish = fromUS(at), fromUS(expires), fromUS(used), &wish
			return o, err
		}); err != nil {
		return nil, err
	}
	if d.Waiting, err = some(ctx, q, `SELECT kind, at FROM notices WHERE subscriber = ?1 ORDER BY id`, args{id},
		func(r *sql.Rows) (n subscribers.OwnNotice, err error) {
			var at int64
			err = r.Scan(&n.Kind, &at)
			n.At = fromUS(at)
			return n, err
		}); err != nil {
		return nil, err
	}
	if d.PrivateFeed, err = db.PrivateFeed(ctx, id); err != nil {
		return nil, err
	}
	if err := db.ownHash(ctx, s.Address, d); err != nil {
		return nil, err
	}
	return d, db.ownNews(ctx, d)
}

// some reads all rows; where there is none the list is empty and not nil, for JSON's sake.
func some[T any](ctx context.Context, q querier, query string, a args, scan func(*sql.Rows) (T, error)) ([]T, error) {
	list, err := selectAll(ctx, q, query, a, scan)
	if list == nil {
		list = []T{}
	}
	return list, err
}

// ownHash adds what is found by the hash of the address.
func (db *DB) ownHash(ctx context.Context, address string, d *subscribers.Held) (err error) {
	if db.opts.AddressHash == nil {
		return ErrNoKey
	}
	hash := db.opts.AddressHash(subscribers.Fold(address))
	d.BarredOnce, err = some(ctx, db.read(), `SELECT reason, note, at, lifted_at, why FROM lifted_suppressions WHERE hash = ?1 ORDER BY id`, args{hash[:]},
		func(r *sql.Rows) (b subscribers.OwnBar, err error) {
			var at, lifted int64
			err = r.Scan(&b.Reason, &b.Note, &at, &lifted, &b.Why)
			b.At, b.LiftedAt = fromUS(at), fromUS(lifted)
			return b, err
		})
	if err != nil {
		return err
	}
	d.MailsAsked, err = some(ctx, db.read(), `SELECT kind, at, n FROM asked WHERE hash = ?1 ORDER BY at`, args{hash[:]},
		func(r *sql.Rows) (a subscribers.OwnAsked, err error) {
			var at int64
			err = r.Scan(&a.Kind, &at, &a.N)
			a.At = fromUS(at)
			return a, err
		})
	return err
}

func (db *DB) ownDelivery(ctx context.Context, row *DeliveryRow) (subscribers.OwnDelivery, error) {
	o := subscribers.OwnDelivery{Edition: row.Edition, Slot: row.SlotKey, Address: row.Address, State: string(row.State), Reason: row.Reason,
		At: row.At, Taken: row.Taken, Tries: row.Attempts, Relay: row.Relay, Reply: said(row.Reply), Stories: []subscribers.OwnStory{}}
	if row.Edition == digest.NoticeEdition {
		o.Edition = "notice"
	}
	tries, err := db.Attempts(ctx, row.ID())
	if err != nil {
		return o, err
	}
	for _, a := range tries {
		o.Earlier = append(o.Earlier, subscribers.OwnTry{At: a.At, State: string(a.State), Reason: a.Reason, Relay: a.Relay, Reply: said(a.Reply)})
	}
	news, err := db.Events(ctx, row.ID())
	if err != nil {
		return o, err
	}
	for _, e := range news {
		o.News = append(o.News, ownEvent(&e))
	}
	if row.Digest == 0 {
		return o, nil
	}
	dg, err := db.Digest(ctx, row.Digest)
	if err != nil {
		return o, err
	}
	var revisions []int64
	for _, item := range dg.Items {
		revisions = append(revisions, item.Revision)
	}
	told, err := db.Stories(ctx, revisions)
	if err != nil {
		return o, err
	}
	o.Subject = dg.Subject
	for n, item := range dg.Items {
		story := subscribers.OwnStory{Section: item.Section}
		s := told[item.Revision]
		switch {
		case s == nil:
		case !s.Withdrawn.IsZero():
			story.Headline = "(withdrawn)"
			if n == 0 {
				o.Subject = story.Headline
			}
		default:
			story.Headline, story.URL = s.Headline, s.URL
		}
		o.Stories = append(o.Stories, story)
	}
	return o, nil
}

// said is a reply in one line, "" for none.
func said(r mailer.Reply) string {
	if r.Code == 0 {
		return r.Text
	}
	return strings.TrimSpace(strings.Join(strings.Fields(fmt.Sprint(r.Code, " ", r.Enhanced, " ", r.Text)), " "))
}
