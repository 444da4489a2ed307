package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"broadsheet/digest"
)

const issueColumns = `i.id, e.name, i.edition, s.slot_key, i.slot, i.zone, i.hour, i.local, i.due, i.next, i.ends, i.opened,
	i.cutoff, i.state, i.position, i.audience, i.digests, i.min_gap, i.quiet
	FROM issues i JOIN editions e ON e.id = i.edition JOIN slots s ON s.id = i.slot `

func scanIssue(r *sql.Rows) (i digest.Issue, err error) {
	var due, next, ends, opened, gap int64
	var quiet string
	err = r.Scan(&i.ID, &i.Edition, &i.EditionID, &i.Slot, &i.SlotID, &i.Zone, &i.Hour, &i.Local, &due, &next, &ends, &opened,
		&i.Cutoff, &i.State, &i.Cursor, &i.Audience, &i.Digests, &gap, &quiet)
	if err != nil {
		return i, err
	}
	i.Due, i.Next, i.Ends, i.Opened = fromUS(due), fromUS(next), fromUS(ends), fromUS(opened)
	i.MinGap = time.Duration(gap) * time.Microsecond
	return i, json.Unmarshal([]byte(quiet), &i.Quiet)
}

func issueWhere(ctx context.Context, q querier, where string, args ...any) (digest.Issue, error) {
	list, err := selectAll(ctx, q, `SELECT `+issueColumns+where, args, scanIssue)
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return digest.Issue{}, err
	}
	return list[0], nil
}

// BeginIssue meets [digest.Ledger].
func (db *DB) BeginIssue(ctx context.Context, i digest.Issue, now time.Time) (digest.Issue, error) {
	var out digest.Issue
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		edition, err := t.editionID(ctx, i.Edition)
		if err != nil {
			return err
		}
		var slot int64
		if err := t.scan(ctx, `INSERT INTO slots (edition, slot_key, ends) VALUES (?1, ?2, ?3) ON CONFLICT (edition, slot_key)
			DO UPDATE SET ends = CASE WHEN slots.ends < ?3 THEN ?3 ELSE slots.ends END RETURNING id`,
			args{edition, i.Slot, us(i.Ends)}, &slot); err != nil {
			return err
		}
		out, err = issueWhere(ctx, t, `WHERE i.slot = ?1 AND i.zone = ?2 AND i.hour = ?3`, slot, i.Zone, i.Hour)
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		c, err := t.takeCounter(ctx, now)
		if err != nil {
			return err
		}
		if err := errors.Join(c.release(ctx), c.put(ctx)); err != nil {
			return err
		}
		quiet, err := json.Marshal(i.Quiet)
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, `INSERT INTO issues (edition, slot, zone, hour, local, due, next, ends, opened, cutoff, state,
				position, audience, digests, min_gap, quiet, edits)
			VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0, 0, 0, ?12, ?13, (SELECT value FROM counters WHERE name = 'stories'))`,
			edition, slot, i.Zone, i.Hour, i.Local, us(i.Due), us(i.Next), us(i.Ends), us(now), c.value, digest.Opening,
			i.MinGap.Microseconds(), string(quiet)); err != nil {
			return err
		}
		out, err = issueWhere(ctx, t, `WHERE i.slot = ?1 AND i.zone = ?2 AND i.hour = ?3`, slot, i.Zone, i.Hour)
		return err
	})
	if err != nil {
		return i, fmt.Errorf("begin issue: %w", err)
	}
	return out, nil
}

// FinishIssue meets [digest.Ledger]. Of a relay's n batches the one at place k, those with the most
// readers whom the last issue missed first, is due at Due + k/n of spread.
func (db *DB) FinishIssue(ctx context.Context, i *digest.Issue, spread time.Duration, now time.Time) error {
	var out digest.Issue
	err := db.write(ctx, func(ctx context.Context, t *tx) (err error) {
		if out, err = issueWhere(ctx, t, `WHERE i.id = ?1`, i.ID); err != nil || out.State != digest.Opening {
			return err
		}
		type batch struct {
			id, priority, shuffle int64
			relay                 string
		}
		list, err := selectAll(ctx, t, `SELECT id, priority, shuffle, relay FROM batches WHERE issue = ?1`, args{i.ID},
			func(r *sql.Rows) (b batch, err error) { return b, r.Scan(&b.id, &b.priority, &b.shuffle, &b.relay) })
		if err != nil {
			return err
		}
		slices.SortFunc(list, func(a, b batch) int {
			return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(a.shuffle, b.shuffle), cmp.Compare(a.id, b.id))
		})
		of, place := map[string]int{}, map[string]int{} // by relay: each has a pace of its own
		for _, b := range list {
			of[b.relay]++
		}
		for _, b := range list {
			start := out.Due.Add(spread * time.Duration(place[b.relay]) / time.Duration(of[b.relay]))
			place[b.relay]++
			if _, err := t.exec(ctx, `UPDATE batches SET start = ?2, due = ?2 WHERE id = ?1`, b.id, us(start)); err != nil {
				return err
			}
		}
		out.State = digest.Open
		if err := t.waits(ctx, &out, now); err != nil {
			return err
		}
		_, err = t.exec(ctx, `UPDATE issues SET state = ?2 WHERE id = ?1`, i.ID, digest.Open)
		return err
	})
	if err != nil {
		return fmt.Errorf("finish issue: %w", err)
	}
	db.fragments.forget()
	*i = out
	return nil
}

// Issue meets [digest.Archive].
func (db *DB) Issue(ctx context.Context, id int64) (digest.Issue, error) {
	i, err := issueWhere(ctx, db.read(), `WHERE i.id = ?1`, id)
	if err != nil {
		return i, fmt.Errorf("load issue %d: %w", id, err)
	}
	return i, nil
}

// LastIssue meets [digest.Diary].
func (db *DB) LastIssue(ctx context.Context, edition, zone string, hour int) (digest.Issue, bool, error) {
	i, err := issueWhere(ctx, db.read(), `WHERE i.edition = (SELECT id FROM editions WHERE name = ?1) AND i.zone = ?2
		AND (?3 = -1 OR i.hour = ?3) ORDER BY i.due DESC, i.id DESC LIMIT 1`, edition, zone, hour)
	switch {
	case errors.Is(err, ErrNotFound):
		return digest.Issue{}, false, nil
	case err != nil:
		return digest.Issue{}, false, fmt.Errorf("load last issue of %s in %s: %w", edition, zone, err)
	}
	return i, true, nil
}

// IssueFilter says which issues to list. Zero fields do not filter.
type IssueFilter struct {
	Edition string
	Since   time.Time // due at or after
	Notices bool      // runs of notices too
	Before  int64     // with a lower ID; 0 = all
}

// Issues lists issues, the latest on record first. Memory stays flat.
func (db *DB) Issues(ctx context.Context, f IssueFilter) iter.Seq2[digest.Issue, error] {
	return pages(func(after digest.Issue) ([]digest.Issue, error) {
		return selectAll(ctx, db.read(), `SELECT `+issueColumns+`WHERE (?1 = 0 OR i.id < ?1) AND (?2 = '' OR e.name = ?2)
			AND i.due >= ?3 AND (?5 = 1 OR e.name <> '`+digest.NoticeEdition+`') ORDER BY i.id DESC LIMIT ?4`,
			args{cmp.Or(after.ID, f.Before), f.Edition, us(f.Since), pageSize, f.Notices || f.Edition == digest.NoticeEdition}, scanIssue)
	}, "list issues")
}

// IssueCounts counts an issue's deliveries by state; their sum is its audience. It reads
// counters (books.go).
func (db *DB) IssueCounts(ctx context.Context, id int64) (map[string]int, error) {
	type count struct {
		state string
		n     int
	}
	list, err := selectAll(ctx, db.read(), `SELECT state, sum(n) FROM issue_states WHERE issue = ?1 GROUP BY state HAVING sum(n) <> 0`, args{id}, func(r *sql.Rows) (c count, err error) { return c, r.Scan(&c.state, &c.n) })
	if err != nil {
		return nil, fmt.Errorf("count deliveries of issue %d: %w", id, err)
	}
	counts := make(map[string]int, len(list))
	for _, c := range list {
		counts[c.state] = c.n
	}
	return counts, nil
}
