package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// PrivateFeed is the number of a reader's feed, 0 if the reader has none.
func (db *DB) PrivateFeed(ctx context.Context, subscriber int64) (n int64, err error) {
	err = db.read().scan(ctx, `SELECT number FROM private_feeds WHERE subscriber = ?1`, args{subscriber}, &n)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("load private feed: %w", err)
	}
	return n, nil
}

// PrivateFeedOf is the reader whose feed has that number; [ErrNotFound] if it is no reader's, or no longer.
func (db *DB) PrivateFeedOf(ctx context.Context, number int64) (subscriber int64, err error) {
	err = db.read().scan(ctx, `SELECT subscriber FROM private_feeds WHERE number = ?1`, args{number}, &subscriber)
	if err != nil {
		return 0, fmt.Errorf("load private feed: %w", notFound(err, "no such feed"))
	}
	return subscriber, nil
}

// SetPrivateFeed gives a reader's feed a number, which must be random; the one before ends. 0 ends
// the feed.
func (db *DB) SetPrivateFeed(ctx context.Context, subscriber, number int64) error {
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		if number == 0 {
			_, err := t.exec(ctx, `DELETE FROM private_feeds WHERE subscriber = ?1`, subscriber)
			return err
		}
		_, err := t.exec(ctx, `INSERT INTO private_feeds (subscriber, number) SELECT id, ?2 FROM subscribers WHERE id = ?1
			ON CONFLICT (subscriber) DO UPDATE SET number = ?2`, subscriber, number)
		return err
	})
	if err != nil {
		return fmt.Errorf("set private feed: %w", err)
	}
	return nil
}
