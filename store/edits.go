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

// reasonWithdrawn stands beside what came to an end because its mail shows a story that was withdrawn, and
// beside a delivery that was handed at that moment, until it is settled.
const reasonWithdrawn = "story withdrawn"

// editsFor says what editors have done to stories since an issue was begun, by story. Mostly there is
// nothing, and looking costs next to nothing.
func editsFor(ctx context.Context, q querier, issue int64) (map[int64]digest.Edit, error) {
	list, err := selectAll(ctx, q, `SELECT s.id, s.withdrawn > 0, s.held > 0, CASE WHEN r.editor <> '' THEN r.id ELSE 0 END
		FROM issues i CROSS JOIN stories s JOIN revisions r ON r.id = s.revision WHERE i.id = ?1 AND s.edited > 0 AND s.edited > i.edits`, args{issue},
		func(r *sql.Rows) (e digest.Edit, err error) {
			return e, r.Scan(&e.Story, &e.Withdrawn, &e.Held, &e.Revision)
		})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	edits := make(map[int64]digest.Edit, len(list))
	for _, e := range list {
		if e.Withdrawn || e.Held || e.Revision != 0 {
			edits[e.Story] = e
		}
	}
	return edits, nil
}

// Edits meets [digest.Chunk].
func (c *chunk) Edits(ctx context.Context) (map[int64]digest.Edit, error) {
	return editsFor(ctx, c.q, c.issue.ID)
}

// StoryEdits is a number that rises with everything that editors do to stories, in any process: whoever
// keeps what was made of them makes it anew when it has risen.
func (db *DB) StoryEdits(ctx context.Context) (n int64, err error) {
	if err = db.read().scan(ctx, `SELECT value FROM counters WHERE name = 'stories'`, nil, &n); err != nil {
		return 0, fmt.Errorf("count edits of stories: %w", err)
	}
	return n, nil
}

// staleness is what keeps a digest from going as it is.
type staleness int

const (
	isCurrent   staleness = iota
	isOutdated            // another digest takes its place where no copy is out
	isWithdrawn           // the same, and where a copy is out no second one follows
)

// holds reports whether a delivery of such a digest may not go, with so many copies out.
func (s staleness) holds(copies int) bool { return s == isWithdrawn || s == isOutdated && copies == 0 }

// stale looks at digests with edits in mind; those that may go are not in what it returns.
func (db *DB) stale(ctx context.Context, q querier, digests []int64, edits map[int64]digest.Edit) (map[int64]staleness, error) {
	if len(edits) == 0 || len(digests) == 0 {
		return nil, nil
	}
	told, err := db.storiesOf(ctx, q, digests)
	if err != nil {
		return nil, err
	}
	found := make(map[int64]staleness)
	var corrected []int64 // digests whose revisions must be looked at
	for id, stories := range told {
		for _, story := range stories {
			switch e := edits[story]; {
			case e.Withdrawn:
				found[id] = isWithdrawn
			case e.Held:
				found[id] = max(found[id], isOutdated)
			case e.Revision != 0:
				corrected = append(corrected, id)
			}
		}
	}
	corrected = slices.DeleteFunc(corrected, func(id int64) bool { return found[id] != isCurrent })
	old, err := digestsBy(ctx, q, db.dialect, corrected)
	if err != nil {
		return nil, err
	}
	for _, d := range old {
		if d.Stale(edits) {
			found[d.ID] = isOutdated
		}
	}
	return found, nil
}

// digestsBy loads digests with the ids of their fragments.
func digestsBy(ctx context.Context, q querier, d dialect, ids []int64) ([]*digest.Digest, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	return selectAll(ctx, q, `SELECT g.id, g.digest_key, g.language, g.zone, g.text_only, g.subject, g.html_size, g.body
		FROM `+d.ids(1)+` v CROSS JOIN digests g WHERE g.id = v.value`, args{idList(ids)}, func(r *sql.Rows) (*digest.Digest, error) {
		g := &digest.Digest{}
		var body sql.RawBytes
		if err := r.Scan(&g.ID, &g.Key, &g.Language, &g.Zone, &g.TextOnly, &g.Subject, &g.HTMLSize, &body); err != nil {
			return nil, err
		}
		if err := digest.Unpack(body, g); err != nil {
			return nil, fmt.Errorf("load digest %d: %w", g.ID, damaged(err))
		}
		return g, nil
	})
}

// withhold keeps a batch that is about to be leased if any of its rows shows what it would not any more,
// and reports whether it did.
func (db *DB) withhold(ctx context.Context, t *tx, b *leased, h *held) (bool, error) {
	edits, err := editsFor(ctx, t, b.issue)
	if err != nil || len(edits) == 0 {
		return false, err
	}
	digests := make([]int64, 0, len(h.rows))
	for n := range h.rows {
		digests = append(digests, h.rows[n].d.Digest)
	}
	stale, err := db.stale(ctx, t, digests, edits)
	if err != nil || len(stale) == 0 {
		return false, err
	}
	if !slices.ContainsFunc(h.rows, func(r heldRow) bool { return stale[r.d.Digest].holds(r.d.Copies) }) {
		return false, nil
	}
	_, err = t.exec(ctx, `UPDATE batches SET withheld = 1 WHERE id = ?1`, b.id)
	return true, err
}

// recall takes out of senders' hands, at once and in all processes, what shows a story that an editor has
// just withdrawn, held back or corrected. What has not left is moved to batches that nobody gets before
// their digests have followed; the sender's next mark of it finds no row. A copy that was handed in this
// moment may have left or not: where the story is withdrawn the sender is told ([DB.Recalled]). Only
// batches that are leased are looked at, and they are few: all others are withheld.
func (db *DB) recall(ctx context.Context, t *tx, now time.Time) error {
	type batch struct {
		id, issue int64
		relay     string
	}
	if _, err := t.exec(ctx, `UPDATE batches SET withheld = 1 WHERE done = 0 AND lease_until = 0 AND urgent = 0 AND withheld = 0
		AND issue IN (SELECT id FROM issues WHERE edits < (SELECT value FROM counters WHERE name = 'stories'))`); err != nil {
		return err
	}
	list, err := selectAll(ctx, t, `SELECT id, issue, relay FROM batches WHERE lease_until > 0 ORDER BY id`, nil,
		func(r *sql.Rows) (b batch, err error) { return b, r.Scan(&b.id, &b.issue, &b.relay) })
	if err != nil {
		return err
	}
	for _, b := range list {
		edits, err := editsFor(ctx, t, b.issue)
		if err != nil {
			return err
		}
		if len(edits) == 0 {
			continue
		}
		rows, err := openRows(ctx, t, t.w.dialect, b.id)
		if err != nil {
			return err
		}
		stale, err := db.stale(ctx, t, digestsOf(rows), edits)
		if err != nil {
			return err
		}
		var away []key
		for _, r := range rows {
			s := stale[r.digest]
			handed := r.state == mailer.Handed
			switch {
			case s == isCurrent, handed && s != isWithdrawn:
			case handed:
				_, err = t.exec(ctx, `UPDATE deliveries SET reason = ?3 WHERE slot = ?1 AND subscriber = ?2`, r.slot, r.subscriber, reasonWithdrawn)
			case r.copies > 0 && s == isWithdrawn:
				err = t.end(ctx, r.key, mailer.Uncertain, reasonWithdrawn, now)
			case r.copies == 0:
				away = append(away, r.key)
				if r.state == mailer.Sending {
					err = t.unintend(ctx, r.key, now)
				}
			}
			if err != nil {
				return err
			}
		}
		if len(away) == 0 {
			continue
		}
		to, err := t.split(ctx, b.id, b.relay, away)
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, `UPDATE batches SET withheld = 1 WHERE id = ?1`, to); err != nil {
			return err
		}
	}
	return nil
}

// openRow is an open delivery of a batch.
type openRow struct {
	key
	digest int64
	state  mailer.State
	copies int
}

func openRows(ctx context.Context, q querier, d dialect, batch int64) ([]openRow, error) {
	s, err := spanOf(ctx, q, batch)
	if err != nil {
		return nil, err
	}
	return selectAll(ctx, q, `SELECT d.slot, d.subscriber, coalesce(d.digest, 0), d.state, d.copies FROM deliveries d
		WHERE `+d.within()+` AND d.state IN ('queued', 'sending', 'handed', 'deferred') ORDER BY d.slot, d.subscriber`, s.args(),
		func(r *sql.Rows) (d openRow, err error) {
			return d, r.Scan(&d.slot, &d.subscriber, &d.digest, &d.state, &d.copies)
		})
}

func digestsOf(rows []openRow) []int64 {
	ids := make([]int64, 0, len(rows))
	for _, r := range rows {
		ids = append(ids, r.digest)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// end ends a delivery.
func (t *tx) end(ctx context.Context, k key, state mailer.State, reason string, now time.Time) error {
	d, err := t.delivery(ctx, k.slot, k.subscriber)
	if err != nil {
		return err
	}
	d.State, d.Reason = state, reason
	return t.save(ctx, d, now)
}

// unintend takes back the intent of a delivery without a copy.
func (t *tx) unintend(ctx context.Context, k key, now time.Time) error {
	d, err := t.delivery(ctx, k.slot, k.subscriber)
	if err != nil {
		return err
	}
	d.State, d.Reason, d.Due = mailer.Queued, "", time.Time{}
	d.Attempts = max(d.Attempts-1, 0)
	d.Date, d.KeyID, d.Selector = time.Time{}, "", ""
	return t.save(ctx, d, now)
}
