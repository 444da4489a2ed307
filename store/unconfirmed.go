package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"broadsheet/subscribers"
)

// Forgotten counts what was deleted because its time was up.
type Forgotten struct {
	Requests int // never confirmed, or done long ago
	Readers  int // among them those who signed up and never confirmed
}

// expired is a request whose time is up.
type expired struct {
	id, subscriber, settings, consent int64
}

// ForgetUnconfirmed deletes requests after seven days, with the readers who signed up and never
// confirmed, and what was counted of mails that were asked for once no limit looks at it any more.
func (db *DB) ForgetUnconfirmed(ctx context.Context, now time.Time) (f Forgotten, err error) {
	const run = 100
	for more := true; more; {
		part := Forgotten{}
		err := db.write(ctx, func(ctx context.Context, t *tx) error {
			part = Forgotten{}
			list, err := selectAll(ctx, t, `SELECT id, subscriber, settings, consent FROM requests WHERE expires < ?1
				ORDER BY expires LIMIT ?2`, args{us(now), run}, func(r *sql.Rows) (e expired, err error) {
				return e, r.Scan(&e.id, &e.subscriber, &e.settings, &e.consent)
			})
			if err != nil {
				return err
			}
			for _, e := range list {
				gone, err := db.forgetRequest(ctx, t, e, now)
				if err != nil {
					return err
				}
				part.Requests++
				if gone {
					part.Readers++
				}
			}
			more = len(list) == run
			return nil
		})
		if err != nil {
			return f, fmt.Errorf("forget requests: %w", err)
		}
		f.Requests += part.Requests
		f.Readers += part.Readers
	}
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, `DELETE FROM asked WHERE at <= ?1`, us(now.Add(-month))); err != nil {
			return err
		}
		_, err := t.exec(ctx, `DELETE FROM asked WHERE kind IN (?1, ?2) AND at <= ?3`, askedClient, askedAll, us(now.Add(-time.Hour-time.Minute)))
		return err
	})
	if err != nil {
		return f, fmt.Errorf("forget what was asked for: %w", err)
	}
	return f, nil
}

func (db *DB) forgetRequest(ctx context.Context, t *tx, e expired, now time.Time) (gone bool, err error) {
	if _, err := t.exec(ctx, `DELETE FROM requests WHERE id = ?1`, e.id); err != nil {
		return false, err
	}
	var lives bool
	err = t.scan(ctx, `SELECT EXISTS (SELECT 1 FROM requests WHERE subscriber = ?1) OR EXISTS (SELECT 1 FROM subscribers s
		JOIN settings st ON st.id = s.settings WHERE s.id = ?1 AND NOT (st.status = ?2 AND st.by = 'reader'))`,
		args{e.subscriber, string(subscribers.Pending)}, &lives)
	if err != nil {
		return false, err
	}
	if !lives {
		return true, db.forget(ctx, t, e.subscriber, now)
	}
	if _, err := t.exec(ctx, `DELETE FROM consents WHERE id = ?1 AND confirmed_at = 0`, e.consent); err != nil {
		return false, err
	}
	// The row stays for the delivery of its notice; an address that was not confirmed may be another person's.
	_, err = t.exec(ctx, `UPDATE settings SET address = '' WHERE id = ?1 AND draft = 1 AND address <>
		(SELECT st.address FROM subscribers s JOIN settings st ON st.id = s.settings WHERE s.id = ?2)`, e.settings, e.subscriber)
	return false, err
}
