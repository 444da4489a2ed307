package store

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"slices"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
)

// Having is a delivery that brought a story to a reader, or may have: its digest as it went shows the
// story, and a copy of it is out or was taken.
type Having struct {
	Delivery   int64
	Issue      int64
	Edition    string
	Slot       string // key
	Subscriber int64
	Address    string // that was written to; "" = the reader is erased
	State      mailer.State
	Reason     string
	Copies     int
	Revision   int64 // of the story that it shows
	At         time.Time
}

// Having lists who has a story, by issue and reader: what relays took, bounced or not, what is handed,
// and copies that nobody answered. Memory grows with the digests of one issue. After each stretch of reading,
// rest is told how long that took, and may take its time; nil = no rest.
func (db *DB) Having(ctx context.Context, story int64, rest func(ctx context.Context, took time.Duration) error) iter.Seq2[Having, error] {
	if rest == nil {
		rest = func(context.Context, time.Duration) error { return nil }
	}
	return func(yield func(Having, error) bool) {
		issues, err := selectAll(ctx, db.read(), `SELECT i.id FROM issues i JOIN editions e ON e.id = i.edition CROSS JOIN stories s
			WHERE s.id = ?1 AND i.opened >= s.created AND e.name <> '`+digest.NoticeEdition+`' ORDER BY i.id`, args{story}, number)
		for k := 0; k < len(issues) && err == nil; k++ {
			var done bool
			if done, err = db.havingOf(ctx, story, issues[k], rest, yield); done {
				return
			}
		}
		if err != nil {
			yield(Having{}, fmt.Errorf("list who has story %d: %w", story, err))
		}
	}
}

// havingOf lists those of an issue; done says that nobody wants more.
func (db *DB) havingOf(ctx context.Context, story, issue int64, rest func(ctx context.Context, took time.Duration) error, yield func(Having, error) bool) (done bool, err error) {
	i, err := db.Issue(ctx, issue)
	if err != nil {
		return false, err
	}
	shows, err := db.showing(ctx, story, issue, rest)
	if err != nil || len(shows) == 0 {
		return false, err
	}
	const page = 5000
	for after := int64(0); ; {
		began := time.Now()
		list, err := selectAll(ctx, db.read(), `SELECT d.subscriber, coalesce(d.digest, 0), d.state, d.reason, d.copies, d.at, coalesce(ds.address, '')
			FROM deliveries d LEFT JOIN settings ds ON ds.id = d.settings AND ds.subscriber = d.subscriber
			WHERE d.slot = ?1 AND d.subscriber > ?2 AND d.issue = ?3 AND (d.copies > 0 OR d.state IN ('accepted', 'delayed', 'delivered', 'bounced'))
			ORDER BY d.subscriber LIMIT ?4`, args{i.SlotID, after, issue, page}, func(r *sql.Rows) (h Having, err error) {
			var dg, at int64
			err = r.Scan(&h.Subscriber, &dg, &h.State, &h.Reason, &h.Copies, &at, &h.Address)
			h.Delivery, h.Issue, h.Edition, h.Slot, h.At, h.Revision = DeliveryID(i.SlotID, h.Subscriber), i.ID, i.Edition, i.Slot, fromUS(at), shows[dg]
			return h, err
		})
		if err != nil {
			return false, err
		}
		took := time.Since(began)
		for _, h := range list {
			if after = h.Subscriber; h.Revision != 0 && !yield(h, nil) {
				return true, nil
			}
		}
		if len(list) < page {
			return false, nil
		}
		if err := rest(ctx, took); err != nil {
			return false, err
		}
	}
}

// showing finds the digests of an issue that show a story, each with the revision that it shows.
func (db *DB) showing(ctx context.Context, story, issue int64, rest func(ctx context.Context, took time.Duration) error) (map[int64]int64, error) {
	shows := make(map[int64]int64)
	const page = 500
	for after := ""; ; {
		began := time.Now()
		list, err := selectAll(ctx, db.read(), `SELECT id, digest_key, subject, body FROM digests WHERE issue = ?1 AND digest_key > ?2 ORDER BY digest_key LIMIT ?3`,
			args{issue, after, page}, func(r *sql.Rows) (key string, err error) {
				var id int64
				var subject string
				var body sql.RawBytes
				if err := r.Scan(&id, &key, &subject, &body); err != nil {
					return key, err
				}
				told, err := digest.UnpackStories(body)
				if err != nil || !slices.Contains(told, story) {
					return key, damaged(err)
				}
				d := digest.Digest{Subject: subject}
				if err := digest.Unpack(body, &d); err != nil {
					return key, fmt.Errorf("digest %d: %w", id, damaged(err))
				}
				for _, item := range d.Items {
					if item.Story == story {
						shows[id] = item.Revision
					}
				}
				return key, nil
			})
		if err != nil || len(list) < page {
			return shows, err
		}
		after = list[page-1]
		if err := rest(ctx, time.Since(began)); err != nil {
			return shows, err
		}
	}
}
