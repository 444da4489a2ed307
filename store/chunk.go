package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
)

var (
	_ digest.Ledger   = (*DB)(nil)
	_ digest.Archive  = (*DB)(nil)
	_ digest.Surveyor = (*DB)(nil)
	_ digest.Proofs   = (*DB)(nil)
)

// chunk meets [digest.Chunk].
type chunk struct {
	db      *DB
	q       querier
	issue   *digest.Issue
	readers []digest.Reader
	day     int64      // in UTC, on which its deliveries begin to go
	ids     neighbours // the readers
	// ending is the slot of the open delivery that the chunk supersedes, by reader. One that
	// is handed is not among them, nor is one with a copy out: these count as seen.
	ending map[int64]int64
}

func (c *chunk) Readers() []digest.Reader { return c.readers }

// WriteChunk meets [digest.Ledger]. plan may read through db but not write.
func (db *DB) WriteChunk(ctx context.Context, i *digest.Issue, a digest.Audience, limit int, now time.Time,
	plan func(c digest.Chunk) ([]digest.Planned, error)) (done bool, err error) {
	var out digest.Issue
	var w chunkWriter
	stop := ctx
	err = db.writeIn(ctx, ownLane, func(ctx context.Context, t *tx) (err error) {
		w.forget()
		w, done = chunkWriter{}, false
		if err := t.alone(ctx, 0, nil); err != nil {
			return err
		}
		if out, err = issueWhere(ctx, t, `WHERE i.id = ?1`, i.ID); err != nil {
			return err
		}
		if out.State != digest.Opening {
			done = true
			return nil
		}
		ids, err := db.audience(ctx, t, out.EditionID, a, out.Cursor, limit)
		if err != nil {
			return err
		}
		done = len(ids) < limit
		if len(ids) == 0 {
			return nil
		}
		if err := t.alone(ctx, out.EditionID, ids); err != nil {
			return err
		}
		c, err := db.chunk(ctx, t, &out, ids)
		if err != nil {
			return err
		}
		c.day = out.Day(now)
		planned, err := plan(c)
		if err != nil {
			return err
		}
		if err := stop.Err(); err != nil { // planning is the long part
			return err
		}
		w = chunkWriter{t: t, c: c, now: now, batches: make(map[string]*openBatch), queued: make(map[string]int), used: make(map[*digest.Fragment]int64)}
		if err := w.write(ctx, planned); err != nil {
			return err
		}
		out.Cursor = ids[len(ids)-1]
		if err := t.assign(ctx, c.day, w.queued); err != nil {
			return err
		}
		if err := t.addFigures(ctx, out.ID, &w.figures); err != nil {
			return err
		}
		out.Audience += len(planned)
		out.Digests += w.digests
		if _, err = t.exec(ctx, `UPDATE issues SET position = ?2, audience = ?3, digests = ?4 WHERE id = ?1`,
			out.ID, out.Cursor, out.Audience, out.Digests); err != nil {
			return err
		}
		return t.measure(ctx, db.dialect.deliveries(out.SlotID), "digests", "batches")
	})
	if err != nil {
		w.forget()
		return false, fmt.Errorf("write chunk: %w", err)
	}
	if len(w.used) > 0 {
		db.fragments.add(out.ID, w.used)
	}
	*i = out
	return done, nil
}

// Rehearse meets [digest.Ledger]. A reader who does not get the edition is handed over too.
func (db *DB) Rehearse(ctx context.Context, i digest.Issue, subscriber int64, plan func(c digest.Chunk) error) error {
	q := db.read()
	if i.EditionID == 0 {
		var err error
		if i.EditionID, err = db.EditionID(ctx, i.Edition); err != nil {
			return fmt.Errorf("rehearse: %w", err)
		}
	}
	i.SlotID = 0 // a delivery that is there already does not keep its reader out
	c, err := db.chunk(ctx, q, &i, []int64{subscriber})
	if err == nil && len(c.readers) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("rehearse for subscriber %d: %w", subscriber, err)
	}
	return plan(c)
}

// audience lists the next members behind after.
func (db *DB) audience(ctx context.Context, q querier, edition int64, a digest.Audience, after int64, limit int) ([]int64, error) {
	day := int64(0)
	if a.Weekday > 0 {
		day = 1 << (a.Weekday - 1)
	}
	if a.Zones == nil || a.Hours == nil {
		return selectAll(ctx, q, `SELECT subscriber FROM followers WHERE edition = ?1 AND subscriber > ?2 AND active = 1
			AND (?3 = 0 OR days = 0 OR days & ?3 <> 0) AND (?4 = '' OR `+db.dialect.instr+`(?4, ' ' || zone || ' ') > 0)
			AND (?5 = '' OR `+db.dialect.instr+`(?5, ' ' || hour || ' ') > 0) ORDER BY subscriber LIMIT ?6`,
			args{edition, after, day, spaced(a.Zones), spaced(a.Hours), limit}, number)
	}
	// One seek for each zone and hour instead of a walk past the readers of all others.
	var all []int64
	for _, zone := range a.Zones {
		for _, hour := range a.Hours {
			ids, err := selectAll(ctx, q, `SELECT subscriber FROM followers`+db.dialect.by("followers_place")+`WHERE edition = ?1 AND active = 1 AND zone = ?2 AND hour = ?3
				AND subscriber > ?4 AND (?5 = 0 OR days = 0 OR days & ?5 <> 0) ORDER BY subscriber LIMIT ?6`, args{edition, zone, hour, after, day, limit}, number)
			if err != nil {
				return nil, err
			}
			all = append(all, ids...)
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return all[:min(len(all), limit)], nil
}

// spaced writes a list with blanks around each value; "" for nil.
func spaced[T any](list []T) string {
	if list == nil {
		return ""
	}
	s := " "
	for _, v := range list {
		s += fmt.Sprint(v) + " "
	}
	return s
}

// chunk loads readers, but those who have a delivery in the slot already.
func (db *DB) chunk(ctx context.Context, q querier, i *digest.Issue, ids []int64) (*chunk, error) {
	c := &chunk{db: db, q: q, issue: i, day: digest.UTCDay(i.Due), ids: ids, ending: make(map[int64]int64)}
	in, values := c.ids.where(db.dialect, "m.subscriber", 2)
	have, err := selectAll(ctx, q, `SELECT m.subscriber FROM `+db.dialect.deliveries(i.SlotID)+` m WHERE m.slot = ?1 AND `+in+` ORDER BY m.subscriber`,
		append(args{i.SlotID}, values...), number)
	if err != nil {
		return nil, err
	}
	in, values = c.ids.where(db.dialect, "s.id", 2)
	list, err := selectAll(ctx, q, `SELECT s.id, st.id, st.address, st.sections, st.days, st.zone, st.language, st.format,
			coalesce(f.returned, 0), f.carry, p.slot, p.state, p.copies, p.window_start, p.window_end
		FROM subscribers s CROSS JOIN settings st ON st.id = s.settings
		LEFT JOIN followers f ON f.edition = ?1 AND f.subscriber = s.id
		LEFT JOIN deliveries p ON p.slot = f.last_slot AND p.subscriber = f.subscriber
		WHERE `+in+` ORDER BY s.id`, append(args{i.EditionID}, values...), func(r *sql.Rows) (m digest.Reader, err error) {
		var sections, format string
		var days int64
		var carry, slot, copies, start, end sql.NullInt64
		var state sql.NullString
		if err := r.Scan(&m.Subscriber, &m.SettingsID, &m.Address, &sections, &days, &m.Zone, &m.Language, &format,
			&m.Returned, &carry, &slot, &state, &copies, &start, &end); err != nil {
			return m, err
		}
		m.Sections, m.Days, m.TextOnly = followsOf(sections), daysOf(days), format == "text"
		if carry.Valid {
			m.Carry = &carry.Int64
		}
		if slot.Valid {
			m.Previous = &digest.Previous{Slot: slot.Int64, State: state.String, Copies: int(copies.Int64),
				WindowStart: start.Int64, WindowEnd: end.Int64}
		}
		return m, nil
	})
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(m digest.Reader) bool {
		return !c.ids.have(m.Subscriber) || neighbours(have).have(m.Subscriber)
	})
	addresses := make([]string, len(list))
	for n := range list {
		addresses[n] = list[n].Address
	}
	barred, err := db.barred(ctx, q, addresses)
	if err != nil {
		return nil, err
	}
	for n := range list {
		if barred[n] != nil {
			list[n].Barred = barred[n].Reason
		}
		if p := list[n].Previous; p != nil && open(mailer.State(p.State)) && p.State != string(mailer.Handed) && p.Copies == 0 {
			c.ending[list[n].Subscriber] = p.Slot
		}
	}
	c.readers = list
	return c, nil
}

// followsOf reads a settings row's sections.
func followsOf(list string) (follows []digest.Follow) {
	for _, f := range parseFollows(list) {
		follows = append(follows, digest.Follow{Section: f.Section, Less: f.Level == "less", Muted: f.Level == "muted"})
	}
	return follows
}

// Seen meets [digest.Chunk].
func (c *chunk) Seen(ctx context.Context, since time.Time, ownOnly bool) (map[int64][]int64, error) {
	own := int64(0)
	if ownOnly {
		if own = c.issue.EditionID; own == 0 {
			return nil, nil // an edition without an issue or a reader so far
		}
	}
	slots, err := selectAll(ctx, c.q, `SELECT issues.slot FROM editions CROSS JOIN issues WHERE editions.name <> '`+digest.NoticeEdition+`'
		AND (?2 = 0 OR editions.id = ?2) AND issues.edition = editions.id AND issues.opened >= ?1`+c.db.dialect.hasPart("issues.slot"), args{us(since), own}, number)
	if err != nil {
		return nil, fmt.Errorf("list slots: %w", err)
	}
	slices.Sort(slots)
	slots = slices.Compact(slots)
	type had struct{ subscriber, digest int64 }
	var all []had
	var digests []int64
	in, values := c.ids.where(c.db.dialect, "d.subscriber", 2)
	for _, slot := range slots {
		list, err := selectAll(ctx, c.q, `SELECT d.subscriber, d.digest FROM `+c.db.dialect.deliveries(slot)+` d
			WHERE d.slot = ?1 AND `+in+` AND d.digest IS NOT NULL
			AND d.state IN ('queued', 'sending', 'handed', 'deferred', 'accepted', 'delayed', 'delivered', 'bounced', 'uncertain')`, append(args{slot}, values...),
			func(r *sql.Rows) (h had, err error) { return h, r.Scan(&h.subscriber, &h.digest) })
		if err != nil {
			return nil, fmt.Errorf("list what readers have seen: %w", err)
		}
		for _, h := range list {
			if c.ids.have(h.subscriber) && c.ending[h.subscriber] != slot {
				all, digests = append(all, h), append(digests, h.digest)
			}
		}
	}
	told, err := c.db.storiesOf(ctx, c.q, digests)
	if err != nil {
		return nil, err
	}
	seen := make(map[int64][]int64, len(c.readers))
	for _, h := range all {
		seen[h.subscriber] = append(seen[h.subscriber], told[h.digest]...)
	}
	return seen, nil
}
