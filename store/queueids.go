package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// queueIDLife is how long relays' names of mails are kept: as long as anything may be said of them.
const queueIDLife = 30 * 24 * time.Hour

// Trace says of which relays the names that they give to mails are kept from now on, because a log or
// events speak of mails by these names.
func (db *DB) Trace(relays []string) {
	traced := make(map[string]bool, len(relays))
	for _, name := range relays {
		traced[name] = true
	}
	db.traced.Store(&traced)
}

// traces reports whether a relay's names of mails are kept.
func (db *DB) traces(relay string) bool {
	traced := db.traced.Load()
	return traced != nil && (*traced)[relay]
}

const (
	queueIDColumns = `INSERT INTO queue_ids (relay, at, slot, id, subscriber) VALUES `
	queueIDAgain   = ` ON CONFLICT (relay, id) DO UPDATE SET slot = excluded.slot, subscriber = excluded.subscriber, at = excluded.at, ended = 0`
)

var queueIDLists [len(bulkSizes)]string // statement, by size

func init() {
	for n, size := range bulkSizes {
		queueIDLists[n] = queueIDColumns + strings.TrimSuffix(strings.Repeat("(?1, ?2, ?3, ?, ?), ", size), ", ") + queueIDAgain
	}
}

// keepQueueIDs keeps the names of a set's mails. Most relays make them so that they rise with time.
func (t *tx) keepQueueIDs(ctx context.Context, s *set, now time.Time) error {
	values := make(args, 3, 3+2*bulkSizes[len(bulkSizes)-1])
	values[0], values[1], values[2] = s.relay, us(now), s.h.slot
	write := func(size int) error {
		_, err := t.exec(ctx, queueIDLists[size], values...)
		values = values[:3]
		return err
	}
	for n, id := range s.ids {
		if id == "" {
			continue
		}
		if values = append(values, id, s.rows[n].id); len(values) == cap(values) {
			if err := write(len(bulkSizes) - 1); err != nil {
				return err
			}
		}
	}
	rest := slices.Clone(values[3:])
	for size := len(bulkSizes) - 1; size >= 0; size-- {
		for width := 2 * bulkSizes[size]; len(rest) >= width; rest = rest[width:] {
			values = append(values[:3], rest[:width]...)
			if err := write(size); err != nil {
				return err
			}
		}
	}
	return nil
}

// keepQueueID does so for one.
func (t *tx) keepQueueID(ctx context.Context, relay, id string, k key, now time.Time) error {
	_, err := t.exec(ctx, queueIDLists[0], relay, us(now), k.slot, id, k.subscriber)
	return err
}

// keepNext keeps a name that the log says a mail has got behind the relay's own, unless another mail has
// it: a server further on may say any name.
func (t *tx) keepNext(ctx context.Context, relay, id string, k key, now time.Time) error {
	_, err := t.exec(ctx, queueIDLists[0]+` WHERE queue_ids.ended = 1`, relay, us(now), k.slot, id, k.subscriber)
	return err
}

// ForgetQueueIDs forgets the names that relays gave to mails a month ago, some at a time, and
// returns how many.
func (db *DB) ForgetQueueIDs(ctx context.Context, now time.Time) (forgotten int64, err error) {
	for n := int64(forgetAtOnce); n == forgetAtOnce; forgotten += n {
		err := db.write(ctx, func(ctx context.Context, t *tx) (err error) {
			n, err = t.exec(ctx, `DELETE FROM queue_ids WHERE (relay, id) IN (SELECT relay, id FROM queue_ids WHERE at < ?1 ORDER BY at LIMIT ?2)`,
				us(now.Add(-queueIDLife)), forgetAtOnce)
			return err
		})
		if err != nil {
			return forgotten, fmt.Errorf("forget queue ids: %w", err)
		}
	}
	return forgotten, nil
}

// forgetAtOnce is how many rows go in one transaction, so that others get their turn.
const forgetAtOnce = 500
