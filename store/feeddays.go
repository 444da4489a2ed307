package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"broadsheet/stories"
)

// FeedDay counts what became of fetching a feed on a day in UTC.
type FeedDay struct {
	URL       string
	Day       time.Time
	Fetches   int
	Unchanged int // of them, that were answered with "not modified"
	Failures  int // of them
	Stories   int // that were new
}

const dayUS = int64(24 * time.Hour / time.Microsecond)

// countFeed counts a try, in the transaction that says what it came to.
func (t *tx) countFeed(ctx context.Context, f *stories.FeedState) error {
	unchanged, failed := 0, 0
	if f.Last.Unchanged {
		unchanged = 1
	}
	if f.Error != "" {
		failed = 1
	}
	_, err := t.exec(ctx, `INSERT INTO feed_days (url, day, fetches, unchanged, failures, stories) VALUES (?1, ?2, 1, ?3, ?4, ?5)
		ON CONFLICT (url, day) DO UPDATE SET fetches = feed_days.fetches + 1, unchanged = feed_days.unchanged + ?3,
		failures = feed_days.failures + ?4, stories = feed_days.stories + ?5`, f.URL, us(f.Fetched)/dayUS, unchanged, failed, f.Last.New)
	return err
}

// FeedDays lists the days of all feeds on and after that of since, by URL and day. Days on which a feed was not
// fetched are not among them.
func (db *DB) FeedDays(ctx context.Context, since time.Time) ([]FeedDay, error) {
	list, err := selectAll(ctx, db.read(), `SELECT d.url, d.day, d.fetches, d.unchanged, d.failures, d.stories FROM feeds
		CROSS JOIN feed_days d ON d.url = feeds.url AND d.day >= ?1 ORDER BY d.url, d.day`, args{us(since) / dayUS},
		func(r *sql.Rows) (d FeedDay, err error) {
			var day int64
			err = r.Scan(&d.URL, &day, &d.Fetches, &d.Unchanged, &d.Failures, &d.Stories)
			d.Day = fromUS(day * dayUS).UTC()
			return d, err
		})
	if err != nil {
		return nil, fmt.Errorf("list days of feeds: %w", err)
	}
	return list, nil
}
