package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
)

// Recast is what became of deliveries whose digests had to follow edits.
type Recast struct {
	Batches    int `json:"batches"`    // that were looked at
	Deliveries int `json:"deliveries"` // that got another digest
	Digests    int `json:"digests"`    // new ones
	Cancelled  int `json:"cancelled"`  // of whose digest nothing is left
	Uncertain  int `json:"uncertain"`  // with a copy out of what is withdrawn now
}

func (r *Recast) add(o Recast) {
	r.Batches += o.Batches
	r.Deliveries += o.Deliveries
	r.Digests += o.Digests
	r.Cancelled += o.Cancelled
	r.Uncertain += o.Uncertain
}

// Recaster lays digests of an issue out anew as edits want it; nil for one of which nothing is left. See
// [digest.Opener.Recast].
type Recaster func(ctx context.Context, i *digest.Issue, old []*digest.Digest, edits map[int64]digest.Edit) ([]*digest.Digest, error)

// Withheld reports whether there are batches that wait for [DB.Recast]. It costs little.
func (db *DB) Withheld(ctx context.Context) (is bool, err error) {
	if err = db.read().scan(ctx, `SELECT EXISTS (SELECT 1 FROM batches WHERE withheld = 1 AND done = 0)`, nil, &is); err != nil {
		return false, fmt.Errorf("look for withheld batches: %w", err)
	}
	return is, nil
}

// Recast has the digests of all open deliveries follow what editors have done to stories: deliveries
// without a copy get new digests, one of which nothing is left is cancelled, and one with a copy out of
// what is withdrawn ends uncertain. Each batch is laid out without holding anybody up and written in one
// transaction, after which it may go; those withheld come first. After a crash, or an error, it goes on
// where it stood. Several processes may be at it; batches that senders have are left to the look at their
// next lease. told hears of each batch; it may be nil.
func (db *DB) Recast(ctx context.Context, recast Recaster, now func() time.Time, told func(Recast)) (sum Recast, err error) {
	list, err := selectAll(ctx, db.read(), `SELECT b.id, b.issue FROM batches b JOIN issues i ON i.id = b.issue
		WHERE b.done = 0 AND b.lease_until = 0 AND (b.withheld = 1 OR i.edits < (SELECT coalesce(max(edited), 0) FROM stories WHERE edited > 0))
		ORDER BY b.withheld DESC, b.due, b.priority DESC, b.shuffle`, nil,
		func(r *sql.Rows) (b leased, err error) { return b, r.Scan(&b.id, &b.issue) })
	c := recasting{db: db, recast: recast}
	for k := 0; k < len(list) && err == nil; k++ {
		if err = ctx.Err(); err != nil {
			break
		}
		var one Recast
		one, err = c.batch(ctx, list[k].id, list[k].issue, now)
		sum.add(one)
		if told != nil && err == nil {
			told(sum)
		}
	}
	if err != nil {
		return sum, fmt.Errorf("recast digests: %w", err)
	}
	return sum, nil
}

// recasting is a call of Recast. It knows what it has made of the digests of one issue.
type recasting struct {
	db     *DB
	recast Recaster
	issue  digest.Issue
	edits  map[int64]digest.Edit
	next   map[int64]int64            // digest → the one that takes its place, 0 = nothing is left
	used   map[*digest.Fragment]int64 // on record
}

// begin turns to an issue.
func (c *recasting) begin(ctx context.Context, issue int64) error {
	edits, err := editsFor(ctx, c.db.read(), issue)
	if err != nil {
		return err
	}
	if c.issue.ID == issue && sameEdits(c.edits, edits) {
		return nil
	}
	c.edits, c.next, c.used = edits, make(map[int64]int64), make(map[*digest.Fragment]int64)
	c.issue, err = c.db.Issue(ctx, issue)
	return err
}

func sameEdits(a, b map[int64]digest.Edit) bool {
	for id, e := range b {
		if a[id] != e {
			return false
		}
	}
	return len(a) == len(b)
}

func (c *recasting) batch(ctx context.Context, batch, issue int64, now func() time.Time) (done Recast, err error) {
	db := c.db
	if err := c.begin(ctx, issue); err != nil {
		return done, err
	}
	rows, err := openRows(ctx, db.read(), db.dialect, batch)
	if err != nil {
		return done, err
	}
	stale, err := db.stale(ctx, db.read(), digestsOf(rows), c.edits)
	if err != nil {
		return done, err
	}
	made, err := c.make(ctx, rows, stale)
	if err != nil {
		return done, err
	}
	next, again := make(map[int64]int64), false
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		clear(next)
		if again {
			clear(c.used) // some of it is not on record
		}
		again = true
		done = Recast{Batches: 1}
		var leased, withheld int64
		var due sql.NullInt64
		if err := t.scan(ctx, `SELECT lease_until, withheld, due FROM batches WHERE id = ?1`, args{batch}, &leased, &withheld, &due); err != nil || leased > 0 {
			return err
		}
		if len(stale) == 0 && withheld == 0 {
			return nil
		}
		// What editors or senders have done in between is for the next look.
		edits, err := editsFor(ctx, t, issue)
		if err != nil || !sameEdits(c.edits, edits) {
			return err
		}
		if err := c.store(ctx, t, made, next, &done); err != nil {
			return fmt.Errorf("store digests: %w", err)
		}
		rows, err := openRows(ctx, t, db.dialect, batch)
		if err != nil {
			return err
		}
		left := false
		for _, r := range rows {
			ok, err := c.row(ctx, t, r, stale[r.digest], next, now(), &done)
			if err != nil {
				return err
			}
			left = left || !ok
		}
		if left {
			return nil
		}
		if _, err := t.exec(ctx, `UPDATE batches SET withheld = 0 WHERE id = ?1`, batch); err != nil {
			return err
		}
		if due.Valid { // else its issue is being opened, and FinishIssue says when it is due
			s, err := spanOf(ctx, t, batch)
			if err != nil {
				return err
			}
			return t.free(ctx, s)
		}
		return nil
	})
	if err != nil {
		clear(c.used) // some of it may not be on record
		return Recast{}, err
	}
	for old, id := range next {
		c.next[old] = id
	}
	return done, nil
}

// make lays out what takes the place of stale digests of deliveries without a copy, by the old one's id.
func (c *recasting) make(ctx context.Context, rows []openRow, stale map[int64]staleness) (map[int64]*digest.Digest, error) {
	wanted := make(map[int64]bool)
	for _, r := range rows {
		if _, known := c.next[r.digest]; stale[r.digest] != isCurrent && r.copies == 0 && !known {
			wanted[r.digest] = true
		}
	}
	ids := make([]int64, 0, len(wanted))
	for id := range wanted {
		ids = append(ids, id)
	}
	old, err := digestsBy(ctx, c.db.read(), c.db.dialect, ids)
	if err != nil || len(old) == 0 {
		return nil, err
	}
	fresh, err := c.recast(ctx, &c.issue, old, c.edits)
	if err != nil {
		return nil, err
	}
	made := make(map[int64]*digest.Digest, len(old))
	for n, d := range old {
		made[d.ID] = fresh[n]
	}
	return made, nil
}

// store puts new digests on record.
func (c *recasting) store(ctx context.Context, t *tx, made map[int64]*digest.Digest, next map[int64]int64, done *Recast) error {
	w := chunkWriter{t: t, c: &chunk{db: c.db, issue: &c.issue}, used: c.used}
	for old, d := range made {
		if d == nil {
			next[old] = 0
			continue
		}
		isNew, err := w.store(ctx, d)
		if err != nil {
			return err
		}
		if isNew {
			done.Digests++
		}
		next[old] = d.ID
	}
	if done.Digests == 0 {
		return nil
	}
	_, err := t.exec(ctx, `UPDATE issues SET digests = digests + ?2 WHERE id = ?1`, c.issue.ID, done.Digests)
	return err
}

// row has a delivery follow; ok is false if that must wait for another look.
func (c *recasting) row(ctx context.Context, t *tx, r openRow, s staleness, next map[int64]int64, now time.Time, done *Recast) (ok bool, err error) {
	if !s.holds(r.copies) {
		return true, nil
	}
	if r.state == mailer.Sending || r.state == mailer.Handed { // of a sender that died: to be put right first
		return false, nil
	}
	if r.copies > 0 {
		done.Uncertain++
		return true, t.end(ctx, r.key, mailer.Uncertain, reasonWithdrawn, now)
	}
	id, known := next[r.digest]
	if !known {
		if id, known = c.next[r.digest]; !known {
			return false, nil
		}
	}
	if id == 0 {
		done.Cancelled++
		return true, t.end(ctx, r.key, mailer.Cancelled, c.reason(), now)
	}
	done.Deliveries++
	_, err = t.exec(ctx, `UPDATE deliveries SET digest = ?3 WHERE slot = ?1 AND subscriber = ?2`, r.slot, r.subscriber, id)
	return true, err
}

// reason is why nothing is left of a digest.
func (c *recasting) reason() string {
	for _, e := range c.edits {
		if e.Withdrawn {
			return reasonWithdrawn
		}
	}
	return "story held back"
}
