package store

import (
	"context"
	"database/sql"

	"broadsheet/mailer"
	"broadsheet/subscribers"
)

// ownNews adds what came of a reader's mails and is not of one delivery.
func (db *DB) ownNews(ctx context.Context, d *subscribers.Held) error {
	loose, err := db.Events(ctx, d.Number) // of no slot
	if err != nil {
		return err
	}
	for _, e := range loose {
		d.News = append(d.News, ownEvent(&e))
	}
	q := db.read()
	if d.Marks, err = selectAll(ctx, q, `SELECT at, sent, class, effect FROM marks WHERE subscriber = ?1 ORDER BY sent, at`, args{d.Number},
		func(r *sql.Rows) (m subscribers.OwnMark, err error) {
			var at, sent int64
			err = r.Scan(&at, &sent, &m.Class, &m.Effect)
			m.At, m.Sent = fromUS(at), fromUS(sent)
			return m, err
		}); err != nil {
		return err
	}
	d.Tasks, err = selectAll(ctx, q, `SELECT kind, at, done, outcome FROM tasks WHERE subscriber = ?1 ORDER BY id`, args{d.Number},
		func(r *sql.Rows) (o subscribers.OwnTask, err error) {
			var at, done int64
			err = r.Scan(&o.Kind, &at, &done, &o.Outcome)
			o.At, o.Done = fromUS(at), fromUS(done)
			return o, err
		})
	return err
}

// ownMail adds what the reader wrote, and what came in about the reader's mails.
func (db *DB) ownMail(ctx context.Context, address string, d *subscribers.Held) error {
	seen := make(map[int64]bool)
	for _, f := range []InboundFilter{{Subscriber: d.Number}, {Address: subscribers.Fold(address)}} {
		for m, err := range db.Inbound(ctx, f) {
			if err != nil {
				return err
			}
			if seen[m.ID] || m.Subscriber > 0 && m.Subscriber != d.Number { // another's mail
				continue
			}
			seen[m.ID] = true
			_, raw, err := db.InboundMail(ctx, m.ID)
			if err != nil {
				return err
			}
			d.Mail = append(d.Mail, subscribers.OwnMail{At: m.At, From: m.From, To: m.To, Subject: m.Subject, Class: string(m.Class),
				Effect: m.Effect, Message: string(raw), Cut: m.Cut})
		}
	}
	return nil
}

func ownEvent(e *EventRow) subscribers.OwnNews {
	return subscribers.OwnNews{At: e.At, Class: string(e.Class), Reason: e.Reason, Server: e.Host, Source: e.Source,
		Reply: said(mailer.Reply{Code: e.Code, Enhanced: e.Status, Text: e.Text})}
}
