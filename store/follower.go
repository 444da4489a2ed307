package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/subscribers"
)

var _ digest.Diary = (*DB)(nil)

// editionID is the row id of an edition's name; it is made where there is none.
func (t *tx) editionID(ctx context.Context, name string) (id int64, err error) {
	err = t.scan(ctx, `SELECT id FROM editions WHERE name = ?1`, args{name}, &id)
	if errors.Is(err, sql.ErrNoRows) {
		err = t.scan(ctx, `INSERT INTO editions (name) VALUES (?1) RETURNING id`, args{name}, &id)
	}
	return id, err
}

// follow brings a reader's rows in followers in line with new settings.
func (t *tx) follow(ctx context.Context, id int64, old, s *subscribers.Settings, now time.Time) error {
	active := 0
	if s.Status == subscribers.Active {
		active = 1
	}
	for _, name := range s.Editions {
		edition, err := t.editionID(ctx, name)
		if err != nil {
			return err
		}
		// Who comes back after a delivery was away since then.
		if err := t.later(ctx, `INSERT INTO followers (edition, subscriber, active, zone, hour, days) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
			ON CONFLICT (edition, subscriber) DO UPDATE SET zone = ?4, hour = ?5, days = ?6, active = ?3,
			returned = CASE WHEN followers.active = 0 AND ?3 = 1 AND followers.last_slot > 0 THEN 1 ELSE followers.returned END`, anyRows,
			edition, id, active, s.Zone, s.Hour, dayBits(s.Days)); err != nil {
			return err
		}
	}
	if old == nil {
		return nil
	}
	for _, name := range old.Editions {
		if slices.Contains(s.Editions, name) {
			continue
		}
		if _, err := t.exec(ctx, `UPDATE followers SET active = 0 WHERE subscriber = ?1 AND active = 1
			AND edition = (SELECT id FROM editions WHERE name = ?2)`, id, name); err != nil {
			return err
		}
	}
	if err := t.readersChanged(ctx); err != nil {
		return err
	}
	return t.bar(ctx, id, "", now)
}

// readersChanged tells senders, of other processes too, that what they know of readers from
// the lease of their batches may not hold any more.
func (t *tx) readersChanged(ctx context.Context) error {
	_, err := t.exec(ctx, `UPDATE counters SET value = value + 1 WHERE name = 'readers'`)
	return err
}

// bar takes the mail that waits for a reader out of the queue: all of it where a reason is
// given, else that of editions that are no longer theirs. What a sender has in hand is among it
// until it is handed: its hand then finds no row. What is on record as handed may have left or
// not: the sender is told ([DB.Recalled]). Notices go on, for one may tell of this very
// change, unless the reason bars them too or the reader is erased.
func (t *tx) bar(ctx context.Context, subscriber int64, reason string, now time.Time) error {
	type place struct{ slot, active int64 }
	list, err := selectAll(ctx, t, `SELECT last_slot, active FROM followers WHERE subscriber = ?1 AND last_slot > 0`, args{subscriber},
		func(r *sql.Rows) (p place, err error) { return p, r.Scan(&p.slot, &p.active) })
	if err != nil {
		return err
	}
	for _, p := range list {
		if p.active == 1 && reason == "" {
			continue
		}
		if err := t.barOne(ctx, p.slot, subscriber, reason, now); err != nil {
			return err
		}
	}
	if stopsNotices(reason) || reason == "erased" {
		return t.barNotices(ctx, subscriber, reason, now)
	}
	return nil
}

// barOne takes a delivery out of the queue that has not left.
func (t *tx) barOne(ctx context.Context, slot, subscriber int64, reason string, now time.Time) error {
	d, err := t.delivery(ctx, slot, subscriber)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if d.State == mailer.Handed {
		_, err := t.exec(ctx, `UPDATE deliveries SET reason = ?3 WHERE slot = ?1 AND subscriber = ?2`, slot, subscriber, reasonRecalled)
		return err
	}
	if d.State != mailer.Queued && d.State != mailer.Deferred && d.State != mailer.Sending {
		return nil
	}
	d.State, d.Reason = mailer.Suppressed, cmp.Or(reason, d.away())
	return t.save(ctx, d, now)
}

// countSections keeps section_followers right: readers, but those who left for good, by the
// sections that they have not muted.
func (t *tx) countSections(old, s *subscribers.Settings) {
	if t.sections == nil {
		t.sections = make(map[string]int)
	}
	count := func(s *subscribers.Settings, by int) {
		if s == nil || s.Status == subscribers.Unsubscribed {
			return
		}
		for _, f := range s.Sections {
			if f.Level != subscribers.Muted {
				t.sections[f.Section] += by
			}
		}
	}
	count(old, -1)
	count(s, 1)
}

// writeSections puts on record what countSections has counted; an import counts many readers.
func (t *tx) writeSections(ctx context.Context) error {
	for _, section := range slices.Sorted(maps.Keys(t.sections)) {
		by := t.sections[section]
		if by == 0 {
			continue
		}
		if err := t.later(ctx, `INSERT INTO section_followers (section, readers) VALUES (?1, ?2)
			ON CONFLICT (section) DO UPDATE SET readers = section_followers.readers + ?2`, anyRows, section, by); err != nil {
			return fmt.Errorf("count readers of sections: %w", err)
		}
	}
	clear(t.sections)
	return nil
}

// FollowedSections counts by section the readers who follow it: all but those unsubscribed.
func (db *DB) FollowedSections(ctx context.Context) (map[string]int, error) {
	type row struct {
		section string
		readers int
	}
	list, err := selectAll(ctx, db.read(), `SELECT section, readers FROM section_followers WHERE readers > 0`, nil,
		func(r *sql.Rows) (v row, err error) { return v, r.Scan(&v.section, &v.readers) })
	if err != nil {
		return nil, fmt.Errorf("list followed sections: %w", err)
	}
	sections := make(map[string]int, len(list))
	for _, v := range list {
		sections[v.section] = v.readers
	}
	return sections, nil
}

// Places meets [digest.Diary]. It seeks from one place to the next, so it takes as long as
// there are places and not as there are readers.
func (db *DB) Places(ctx context.Context, edition string) ([]digest.Place, error) {
	id, err := db.EditionID(ctx, edition)
	if err != nil {
		return nil, err
	}
	list, err := selectAll(ctx, db.read(), `SELECT zone, hour FROM issues`+db.dialect.by("issues_opening")+`
		WHERE edition = ?1 AND state = 'opening'`, args{id}, func(r *sql.Rows) (p digest.Place, err error) { return p, r.Scan(&p.Zone, &p.Hour) })
	if err != nil {
		return nil, fmt.Errorf("list half opened issues of %s: %w", edition, err)
	}
	for last := (digest.Place{Hour: -2}); ; {
		err := db.read().scan(ctx, `SELECT zone, hour FROM followers`+db.dialect.by("followers_place")+`
			WHERE edition = ?1 AND active = 1 AND (zone, hour) > (?2, ?3) ORDER BY zone, hour LIMIT 1`,
			args{id, last.Zone, last.Hour}, &last.Zone, &last.Hour)
		if errors.Is(err, sql.ErrNoRows) {
			return list, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list places of %s: %w", edition, err)
		}
		list = append(list, last)
	}
}
