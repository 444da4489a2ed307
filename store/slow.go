package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"broadsheet/mailer"
)

// Delay is the latest news of a kind that servers of a domain have put our mails off.
type Delay struct {
	Domain string
	mailer.News
}

// Delays lists why servers have put our mails off since then, each domain, status and text once, as a
// relay's log or its provider says. What a message says is not among it: the token in it tells whose
// mail it is about, and the reader may have written the rest.
func (db *DB) Delays(ctx context.Context, since time.Time) ([]Delay, error) {
	list, err := selectAll(ctx, db.read(), `SELECT e.domain, e.reason, e.status, e.code, coalesce(rt.body, ''), max(e.at)
		FROM events e`+db.dialect.by("events_delayed")+` LEFT JOIN reply_texts rt ON rt.id = e.reply
		WHERE e.class = 'delayed' AND e.at > ?1 AND e.sure = 1 AND e.inbound = 0 GROUP BY 1, 2, 3, 4, 5 ORDER BY 6`, args{us(since)}, func(r *sql.Rows) (d Delay, err error) {
		var at int64
		err = r.Scan(&d.Domain, &d.Reason, &d.Status, &d.Code, &d.Text, &at)
		d.Class, d.At = mailer.Put, fromUS(at)
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("list delays: %w", err)
	}
	return list, nil
}

// SlowDomains lists the groups of domains that are slowed, those that are free again by now too.
func (db *DB) SlowDomains(ctx context.Context) ([]mailer.Slowed, error) {
	list, err := selectAll(ctx, db.read(), `SELECT name, rate, base, since, heard, why FROM slow_domains ORDER BY name`, nil,
		func(r *sql.Rows) (s mailer.Slowed, err error) {
			var since, heard int64
			err = r.Scan(&s.Name, &s.Rate, &s.Base, &since, &heard, &s.Why)
			s.Since, s.Heard = fromUS(since), fromUS(heard)
			return s, err
		})
	if err != nil {
		return nil, fmt.Errorf("list slow domains: %w", err)
	}
	return list, nil
}

// KeepSlowDomains puts groups on record that are slowed, unless another process has put newer news of them there, and takes
// those off that are free again by now.
func (db *DB) KeepSlowDomains(ctx context.Context, slowed []mailer.Slowed, free []string, now time.Time) error {
	err := db.writeIn(ctx, ownLane, func(ctx context.Context, t *tx) error {
		for _, s := range slowed {
			if _, err := t.exec(ctx, `INSERT INTO slow_domains (name, rate, base, since, heard, until, why) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
				ON CONFLICT (name) DO UPDATE SET rate = excluded.rate, base = excluded.base, since = excluded.since, heard = excluded.heard,
				until = excluded.until, why = excluded.why WHERE excluded.heard >= slow_domains.heard`,
				s.Name, s.Rate, s.Base, us(s.Since), us(s.Heard), us(s.Until()), s.Why); err != nil {
				return err
			}
		}
		for _, name := range free {
			if _, err := t.exec(ctx, `DELETE FROM slow_domains WHERE name = ?1 AND until <= ?2`, name, us(now)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep slow domains: %w", err)
	}
	return nil
}
