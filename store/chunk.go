package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
)

var (
	_ digest.Ledger   = (*DB)(nil)
	_ digest.Archive  = (*DB)(nil)
	_ digest.Surveyor = (*DB)(nil)
)

// maxBatch is how many deliveries a batch has at most.
const maxBatch = 500

// chunk meets [digest.Chunk].
type chunk struct {
	db      *DB
	q       querier
	issue   *digest.Issue
	readers []digest.Reader
	ids     string // JSON array of the readers
	// ending is the slot of the open delivery that the chunk supersedes, by reader. One that
	// is handed is not among them, nor is one with a copy out: these count as seen.
	ending map[int64]int64
}

func (c *chunk) Readers() []digest.Reader { return c.readers }

// WriteChunk meets [digest.Ledger]. plan may read through db but not write.
func (db *DB) WriteChunk(ctx context.Context, i *digest.Issue, a digest.Audience, limit int, now time.Time,
	plan func(c digest.Chunk) ([]digest.Planned, error)) (done bool, err error) {
	var out digest.Issue
	var fresh []*int64 // ids given out, to be taken back if they do not stay
	stop := ctx
	err = db.write(ctx, func(ctx context.Context, t *tx) (err error) {
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
		c, err := db.chunk(ctx, t, &out, ids)
		if err != nil {
			return err
		}
		planned, err := plan(c)
		if err != nil {
			return err
		}
		if err := stop.Err(); err != nil { // planning is the long part
			return err
		}
		w := chunkWriter{t: t, c: c, now: now, batches: make(map[string]*openBatch), fresh: &fresh}
		if err := w.write(ctx, planned); err != nil {
			return err
		}
		out.Cursor = ids[len(ids)-1]
		out.Audience += len(planned)
		out.Digests += w.digests
		_, err = t.exec(ctx, `UPDATE issues SET position = ?2, audience = ?3, digests = ?4 WHERE id = ?1`,
			out.ID, out.Cursor, out.Audience, out.Digests)
		return err
	})
	if err != nil {
		for _, id := range fresh {
			*id = 0
		}
		return false, fmt.Errorf("write chunk: %w", err)
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
	c := &chunk{db: db, q: q, issue: i, ids: idList(ids), ending: make(map[int64]int64)}
	var addresses []string
	list, err := selectAll(ctx, q, `SELECT s.id, st.id, st.address, st.sections, st.days, st.zone, st.language, st.format,
			coalesce(f.returned, 0), f.carry, p.slot, p.state, p.copies, p.window_start, p.window_end
		FROM `+db.dialect.ids(1)+` v CROSS JOIN subscribers s JOIN settings st ON st.id = s.settings
		LEFT JOIN followers f ON f.edition = ?2 AND f.subscriber = s.id
		LEFT JOIN deliveries p ON p.slot = f.last_slot AND p.subscriber = s.id
		WHERE s.id = v.value AND NOT EXISTS (SELECT 1 FROM deliveries m WHERE m.slot = ?3 AND m.subscriber = s.id)
		ORDER BY v.key`, args{c.ids, i.EditionID, i.SlotID}, func(r *sql.Rows) (m digest.Reader, err error) {
		var address, sections, format string
		var days int64
		var carry, slot, copies, start, end sql.NullInt64
		var state sql.NullString
		if err := r.Scan(&m.Subscriber, &m.SettingsID, &address, &sections, &days, &m.Zone, &m.Language, &format,
			&m.Returned, &carry, &slot, &state, &copies, &start, &end); err != nil {
			return m, err
		}
		for _, f := range parseFollows(sections) {
			m.Sections = append(m.Sections, digest.Follow{Section: f.Section, Less: f.Level == "less", Muted: f.Level == "muted"})
		}
		m.Days, m.TextOnly = daysOf(days), format == "text"
		if carry.Valid {
			m.Carry = &carry.Int64
		}
		if slot.Valid {
			m.Previous = &digest.Previous{Slot: slot.Int64, State: state.String, Copies: int(copies.Int64),
				WindowStart: start.Int64, WindowEnd: end.Int64}
		}
		addresses = append(addresses, address)
		return m, nil
	})
	if err != nil {
		return nil, err
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

// Seen meets [digest.Chunk].
func (c *chunk) Seen(ctx context.Context, since time.Time, ownOnly bool) (map[int64][]int64, error) {
	own := int64(0)
	if ownOnly {
		if own = c.issue.EditionID; own == 0 {
			return nil, nil // an edition without an issue or a reader so far
		}
	}
	slots, err := selectAll(ctx, c.q, `SELECT slot FROM issues WHERE opened >= ?1 AND (?2 = 0 OR edition = ?2)`, args{us(since), own}, number)
	if err != nil {
		return nil, fmt.Errorf("list slots: %w", err)
	}
	slices.Sort(slots)
	slots = slices.Compact(slots)
	seen := make(map[int64][]int64, len(c.readers))
	type had struct{ subscriber, digest int64 }
	for _, slot := range slots {
		list, err := selectAll(ctx, c.q, `SELECT d.subscriber, d.digest FROM `+c.db.dialect.ids(2)+` v CROSS JOIN deliveries d
			WHERE d.slot = ?1 AND d.subscriber = v.value AND d.digest IS NOT NULL
			AND d.state IN ('queued', 'sending', 'handed', 'deferred', 'accepted', 'bounced', 'uncertain')`, args{slot, c.ids},
			func(r *sql.Rows) (h had, err error) { return h, r.Scan(&h.subscriber, &h.digest) })
		if err != nil {
			return nil, fmt.Errorf("list what readers have seen: %w", err)
		}
		for _, h := range list {
			if c.ending[h.subscriber] == slot {
				continue
			}
			told, err := c.db.storiesOf(ctx, c.q, h.digest)
			if err != nil {
				return nil, err
			}
			seen[h.subscriber] = append(seen[h.subscriber], told...)
		}
	}
	return seen, nil
}

// chunkWriter writes what was planned for a chunk.
type chunkWriter struct {
	t       *tx
	c       *chunk
	now     time.Time
	batches map[string]*openBatch // by relay
	digests int                   // new ones
	fresh   *[]*int64
}

type openBatch struct{ id, first, last, size, priority int64 }

func (w *chunkWriter) write(ctx context.Context, planned []digest.Planned) error {
	readers := make(map[int64]*digest.Reader, len(w.c.readers))
	for n := range w.c.readers {
		readers[w.c.readers[n].Subscriber] = &w.c.readers[n]
	}
	planned = slices.SortedFunc(slices.Values(planned), func(a, b digest.Planned) int { return cmp.Compare(a.Subscriber, b.Subscriber) })
	for _, p := range planned {
		r := readers[p.Subscriber]
		if r == nil {
			return fmt.Errorf("subscriber %d was planned twice or is not in the chunk", p.Subscriber)
		}
		delete(readers, p.Subscriber)
		if err := w.one(ctx, r, &p); err != nil {
			return fmt.Errorf("subscriber %d: %w", p.Subscriber, err)
		}
	}
	for _, b := range w.batches {
		if err := w.finish(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func (w *chunkWriter) one(ctx context.Context, r *digest.Reader, p *digest.Planned) error {
	i := w.c.issue
	var digestID, batch any
	if p.Digest != nil {
		if p.Digest.ID == 0 {
			isNew, err := w.store(ctx, p.Digest)
			if err != nil {
				return fmt.Errorf("store digest: %w", err)
			}
			if isNew {
				w.digests++
			}
		}
		digestID = p.Digest.ID
	}
	if p.State == string(mailer.Queued) {
		b, err := w.batch(ctx, p)
		if err != nil {
			return fmt.Errorf("make batch: %w", err)
		}
		batch = b.id
	}
	if err := w.supersede(ctx, r); err != nil {
		return fmt.Errorf("supersede: %w", err)
	}
	if _, err := w.t.exec(ctx, `INSERT INTO deliveries (slot, subscriber, issue, settings, digest, batch, state, reason, window_start, window_end, at)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)`, i.SlotID, p.Subscriber, i.ID, p.SettingsID, digestID, batch,
		p.State, p.Reason, p.WindowStart, p.WindowEnd, us(w.now)); err != nil {
		return err
	}
	// The new window has taken in what was carried over.
	_, err := w.t.exec(ctx, `UPDATE followers SET last_slot = ?3, carry = NULL, returned = 0 WHERE edition = ?1 AND subscriber = ?2`,
		i.EditionID, p.Subscriber, i.SlotID)
	return err
}

// supersede ends the reader's open delivery of an earlier slot. Its late `handed` then finds
// no row. One that is handed already waits for its answer.
func (w *chunkWriter) supersede(ctx context.Context, r *digest.Reader) error {
	p := r.Previous
	if p == nil || !open(mailer.State(p.State)) || p.State == string(mailer.Handed) {
		return nil
	}
	_, err := w.t.exec(ctx, `UPDATE deliveries SET state = CASE WHEN copies > 0 THEN 'uncertain' ELSE 'superseded' END,
		reason = 'superseded by a later issue', due = 0, at = ?3 WHERE slot = ?1 AND subscriber = ?2`, p.Slot, r.Subscriber, us(w.now))
	return err
}

// batch returns the batch that takes one more delivery.
func (w *chunkWriter) batch(ctx context.Context, p *digest.Planned) (*openBatch, error) {
	b := w.batches[p.Relay]
	if b != nil && b.size == maxBatch {
		if err := w.finish(ctx, b); err != nil {
			return nil, err
		}
		b = nil
	}
	if b == nil {
		b = &openBatch{first: p.Subscriber}
		if err := w.t.scan(ctx, `INSERT INTO batches (issue, edition, relay, first, last, size, priority, shuffle, start)
			VALUES (?1, ?2, ?3, ?4, ?4, 0, 0, 0, 0) RETURNING id`,
			args{w.c.issue.ID, w.c.issue.EditionID, p.Relay, p.Subscriber}, &b.id); err != nil {
			return nil, err
		}
		w.batches[p.Relay] = b
	}
	b.size++
	b.last = p.Subscriber
	if p.Unreached {
		b.priority++
	}
	return b, nil
}

func (w *chunkWriter) finish(ctx context.Context, b *openBatch) error {
	h := fnv.New32a()
	fmt.Fprintf(h, "%d/%d", w.c.issue.ID, b.id)
	_, err := w.t.exec(ctx, `UPDATE batches SET last = ?2, size = ?3, priority = ?4, shuffle = ?5 WHERE id = ?1`,
		b.id, b.last, b.size, b.priority, int64(h.Sum32()))
	return err
}
