package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"broadsheet/digest"
)

// RateBy says what has a row of its own in [DB.Rates].
type RateBy int

const (
	RateDay RateBy = 1 << iota
	RateRelay
	RateDomain
)

// RateQuery says what to count.
type RateQuery struct {
	Since  time.Time // the day in UTC that it falls on is the first
	Domain string    // "" = all
	Relay  string    // "" = all
	By     RateBy    // 0 = one row for everything
	Limit  int       // rows at most, 0 = 100
}

// Rate is what became of mails, by the day in UTC on which they left. A mail that was delivered
// and returned later counts as both.
type Rate struct {
	Day                         time.Time // with RateDay
	Domain, Relay               string    // with RateDomain, with RateRelay
	Taken                       int       // by the relay
	Delivered, Delayed          int       // as far as is known
	Hard, Soft, Policy, Content int       // returned later, by class
	Complaints                  int
	Refused                     int // by the relay itself, for good
}

// Bounced is how many came back.
func (r *Rate) Bounced() int { return r.Hard + r.Soft + r.Policy + r.Content }

// Rates counts what became of mails: the latest days first, and then those rows first that have the
// most mails.
func (db *DB) Rates(ctx context.Context, q RateQuery) ([]Rate, error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	list, err := selectAll(ctx, db.read(), `SELECT CASE WHEN ?4 <> 0 THEN day ELSE 0 END, CASE WHEN ?5 <> 0 THEN relay ELSE '' END, CASE WHEN ?6 <> 0 THEN domain ELSE '' END,
			sum(taken), sum(delivered), sum(delayed), sum(hard), sum(soft), sum(policy), sum(content), sum(complaints), sum(refused)
		FROM domain_days WHERE day >= ?1 AND (?2 = '' OR domain = ?2) AND (?3 = '' OR relay = ?3)
		GROUP BY 1, 2, 3 ORDER BY 1 DESC, sum(taken + refused) DESC, 2, 3 LIMIT ?7`,
		args{digest.UTCDay(q.Since), q.Domain, q.Relay, q.By&RateDay != 0, q.By&RateRelay != 0, q.By&RateDomain != 0, q.Limit},
		func(rows *sql.Rows) (r Rate, err error) {
			var day int64
			err = rows.Scan(&day, &r.Relay, &r.Domain, &r.Taken, &r.Delivered, &r.Delayed, &r.Hard, &r.Soft, &r.Policy, &r.Content, &r.Complaints, &r.Refused)
			if day != 0 {
				r.Day = time.Unix(day*24*60*60, 0).UTC()
			}
			return r, err
		})
	if err != nil {
		return nil, fmt.Errorf("count refusals: %w", err)
	}
	return list, nil
}

// keepRates is how long counts of a day are kept.
const keepRates = 400 * 24 * time.Hour

// ForgetRates deletes counts that are older than they are kept.
func (db *DB) ForgetRates(ctx context.Context, now time.Time) error {
	before := digest.UTCDay(now.Add(-keepRates))
	var some bool // mostly not: a look does not take the writer's turn
	err := db.read().scan(ctx, `SELECT EXISTS (SELECT 1 FROM domain_days WHERE day < ?1)`, args{before}, &some)
	if err == nil && some {
		err = db.write(ctx, func(ctx context.Context, t *tx) error {
			_, err := t.exec(ctx, `DELETE FROM domain_days WHERE day < ?1`, before)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("forget old counts: %w", err)
	}
	return nil
}
