package store

import (
	"context"
	"fmt"
	"time"

	"broadsheet/digest"
	"broadsheet/subscribers"
)

// What table asked counts, beside kinds of notices that a reader asks for by a link.
const (
	askedAddress = "confirm" // mails to an address that somebody typed, by its hash
	askedClient  = "client"  // forms, by the hash of where they came from
	askedAll     = "all"     // mails to addresses that somebody typed
)

// How many of them there may be, and within what time. They are counted by hash, so that an
// address that is forgotten has not got its mails anew.
const (
	addressADay    = 1
	addressAMonth  = 3
	clientAnHour   = 10
	linksADay      = 3
	day            = 24 * time.Hour
	month          = 30 * day
	signUpsHeld    = day     // how long a form waits for a better hour
	signUpsWaiting = 100_000 // forms; older ones are dropped beyond it, so that a flood does not fill the disk
)

// asked counts what was asked for since a time.
func (t *tx) asked(ctx context.Context, kind string, hash subscribers.Hash, since time.Time) (n int, err error) {
	err = t.scan(ctx, `SELECT coalesce(sum(n), 0) FROM asked WHERE kind = ?1 AND hash = ?2 AND at > ?3`, args{kind, hash[:], us(since)}, &n)
	return n, err
}

// ask counts one more.
func (t *tx) ask(ctx context.Context, kind string, hash subscribers.Hash, at time.Time) error {
	_, err := t.exec(ctx, `INSERT INTO asked (kind, hash, at, n) VALUES (?1, ?2, ?3, 1)
		ON CONFLICT (kind, hash, at) DO UPDATE SET n = asked.n + 1`, kind, hash[:], us(at))
	return err
}

// AskLink has a fresh link mailed to a reader's own address, by a notice of that kind. It is false
// if three of the kind were asked for within a day.
func (db *DB) AskLink(ctx context.Context, id int64, kind string, now time.Time) (asked bool, err error) {
	switch kind {
	case digest.NoticeLink, digest.NoticeData, digest.NoticeAddress, digest.NoticeErase, digest.NoticeFeed:
	default:
		return false, fmt.Errorf("ask for link: there is no notice %q of that sort", kind)
	}
	if db.opts.AddressHash == nil {
		return false, fmt.Errorf("ask for link: %w", ErrNoKey)
	}
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		asked = false
		r, err := load(ctx, t, "s.id = ?1", id)
		if err != nil {
			return notFound(err, "subscriber %d", id)
		}
		hash := db.opts.AddressHash(subscribers.Fold(r.Address))
		n, err := t.asked(ctx, kind, hash, now.Add(-day))
		if err != nil || n >= linksADay {
			return err
		}
		asked = true
		if err := t.ask(ctx, kind, hash, now); err != nil {
			return err
		}
		return t.notice(ctx, kind, id, r.SettingsID, 0, "", now)
	})
	if err != nil {
		return false, fmt.Errorf("ask for link: %w", err)
	}
	return asked, nil
}
