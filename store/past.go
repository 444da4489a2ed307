package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"time"

	"broadsheet/digest"
)

// Past loads what a reader was sent in the edition's slot whose wall time is that many minutes
// after 1970, as links have it; [ErrNotFound] if that is nothing.
func (db *DB) Past(ctx context.Context, edition, wall, subscriber int64) (digest.Past, error) {
	at := time.Unix(wall*60, 0).UTC()
	key, minute := "", at.Format("2006-01-02 15:04")
	if wall%(24*60) == 0 {
		key = at.Format(time.DateOnly)
	}
	return db.pastOf(ctx, `FROM slots s CROSS JOIN deliveries d ON d.slot = s.id JOIN settings st ON st.id = d.settings JOIN digests g ON g.id = d.digest
		WHERE s.edition = ?1 AND s.slot_key IN (?2, ?3) AND d.subscriber = ?4 ORDER BY d.slot`, args{edition, key, minute, subscriber})
}

// PastDelivery loads a delivery as it was written, by its number, also one that has no digest;
// [ErrNotFound] if there is none or its reader is erased.
func (db *DB) PastDelivery(ctx context.Context, id int64) (digest.Past, error) {
	return db.pastOf(ctx, `FROM deliveries d JOIN settings st ON st.id = d.settings AND st.subscriber = d.subscriber LEFT JOIN digests g ON g.id = d.digest
		WHERE d.slot = ?1 AND d.subscriber = ?2`, args{id >> 32, id & math.MaxUint32})
}

func (db *DB) pastOf(ctx context.Context, from string, a args) (digest.Past, error) {
	list, err := selectAll(ctx, db.read(), `SELECT d.issue, coalesce(d.digest, 0), d.window_start, d.window_end, d.subscriber, d.settings,
		st.sections, st.days, st.zone, st.language, st.format, coalesce(g.subject, '') `+from, a,
		func(r *sql.Rows) (p digest.Past, err error) {
			var sections, format string
			var days int64
			err = r.Scan(&p.Issue.ID, &p.Digest, &p.Start, &p.End, &p.Reader.Subscriber, &p.Reader.SettingsID, &sections, &days,
				&p.Reader.Zone, &p.Reader.Language, &format, &p.Subject)
			p.Reader.Sections, p.Reader.Days, p.Reader.TextOnly = followsOf(sections), daysOf(days), format == "text"
			return p, err
		})
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return digest.Past{}, fmt.Errorf("load past digest: %w", err)
	}
	p := list[0]
	if p.Issue, err = db.Issue(ctx, p.Issue.ID); err == nil {
		err = db.withdrawnLeads(ctx, list)
	}
	if err != nil {
		return p, fmt.Errorf("load past digest: %w", err)
	}
	p.Withdrawn = list[0].Withdrawn
	return p, nil
}

// withdrawnLeads notes which digests' leads were withdrawn since. Mostly there is nothing to look for.
func (db *DB) withdrawnLeads(ctx context.Context, list []digest.Past) error {
	withdrawn, err := selectAll(ctx, db.read(), `SELECT id FROM stories WHERE withdrawn > 0`, nil, number)
	if err != nil || len(withdrawn) == 0 {
		return err
	}
	var ids []int64
	for _, p := range list {
		ids = append(ids, p.Digest)
	}
	told, err := db.storiesOf(ctx, db.read(), ids)
	if err != nil {
		return err
	}
	for n := range list {
		stories := told[list[n].Digest]
		list[n].Withdrawn = len(stories) > 0 && slices.Contains(withdrawn, stories[0])
	}
	return nil
}

// PastDigests lists what reached a reader, the latest first, of issues due before that instant.
func (db *DB) PastDigests(ctx context.Context, subscriber int64, before time.Time, limit int) ([]digest.Past, error) {
	list, err := selectAll(ctx, db.read(), `SELECT i.id, i.edition, e.name, s.slot_key, i.zone, i.hour, i.local, i.due, d.digest, g.subject, g.zone, g.language
		FROM followers f CROSS JOIN slots s ON s.edition = f.edition CROSS JOIN deliveries d ON d.slot = s.id AND d.subscriber = f.subscriber
		JOIN issues i ON i.id = d.issue JOIN editions e ON e.id = i.edition JOIN digests g ON g.id = d.digest
		WHERE f.subscriber = ?1 AND f.last_slot > 0 AND d.state IN ('handed', 'accepted', 'delayed', 'delivered', 'uncertain') AND i.due < ?2
		ORDER BY i.due DESC, i.id DESC LIMIT ?3`, args{subscriber, us(before), limit}, func(r *sql.Rows) (p digest.Past, err error) {
		var due int64
		err = r.Scan(&p.Issue.ID, &p.Issue.EditionID, &p.Issue.Edition, &p.Issue.Slot, &p.Issue.Zone, &p.Issue.Hour, &p.Issue.Local, &due,
			&p.Digest, &p.Subject, &p.Reader.Zone, &p.Reader.Language)
		p.Issue.Due, p.Reader.Subscriber = fromUS(due), subscriber
		return p, err
	})
	if err == nil {
		err = db.withdrawnLeads(ctx, list)
	}
	if err != nil {
		return nil, fmt.Errorf("list past digests: %w", err)
	}
	return list, nil
}

// SeenBefore lists the stories that a reader had, when that digest was chosen, in issues opened at
// or after since.
func (db *DB) SeenBefore(ctx context.Context, p *digest.Past, since time.Time, ownOnly bool) ([]int64, error) {
	own := int64(0)
	if ownOnly {
		own = p.Issue.EditionID
	}
	q := db.read()
	digests, err := selectAll(ctx, q, `SELECT DISTINCT d.digest FROM editions CROSS JOIN issues i`+db.dialect.by("issues_opened")+`
		CROSS JOIN deliveries d ON d.slot = i.slot AND d.issue = i.id AND d.subscriber = ?3
		WHERE editions.name <> '`+digest.NoticeEdition+`' AND (?5 = 0 OR editions.id = ?5) AND i.edition = editions.id
		AND i.opened >= ?1 AND i.id < ?2 AND i.slot <> ?4 AND d.digest IS NOT NULL
		AND d.state IN ('queued', 'sending', 'handed', 'deferred', 'accepted', 'delayed', 'delivered', 'bounced', 'uncertain')`,
		args{us(since), p.Issue.ID, p.Reader.Subscriber, p.Issue.SlotID, own}, number)
	if err != nil {
		return nil, fmt.Errorf("list what a reader had seen: %w", err)
	}
	told, err := db.storiesOf(ctx, q, digests)
	if err != nil {
		return nil, err
	}
	var seen []int64
	for _, list := range told {
		seen = append(seen, list...)
	}
	slices.Sort(seen)
	return slices.Compact(seen), nil
}

// WholeDigest loads a digest with its fragments' bodies.
func (db *DB) WholeDigest(ctx context.Context, id int64) (*digest.Digest, error) {
	d, err := db.Digest(ctx, id)
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, p := range d.Pieces {
		ids = append(ids, p.Fragment.ID)
	}
	slices.Sort(ids)
	found, err := db.Fragments(ctx, slices.Compact(ids))
	if err != nil {
		return nil, err
	}
	for n := range d.Pieces {
		f := found[d.Pieces[n].Fragment.ID]
		if f == nil {
			return nil, fmt.Errorf("load digest %d: fragment %d is missing: %w", id, d.Pieces[n].Fragment.ID, ErrDamaged)
		}
		d.Pieces[n].Fragment = f
	}
	return d, nil
}
