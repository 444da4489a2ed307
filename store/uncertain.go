package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"broadsheet/digest"
)

// IssueCount is how many deliveries of an issue are in a state.
type IssueCount struct {
	Issue         int64
	Edition, Slot string
	N             int
	Ends          time.Time // until when they may be sent again
}

// UncertainIssues lists the issues opened since then that have uncertain deliveries, the latest first.
func (db *DB) UncertainIssues(ctx context.Context, since time.Time) ([]IssueCount, error) {
	list, err := selectAll(ctx, db.read(), `SELECT i.id, editions.name, s.slot_key, sum(b.n), i.ends FROM editions
		CROSS JOIN issues i`+db.dialect.by("issues_opened")+`CROSS JOIN issue_states b ON b.issue = i.id JOIN slots s ON s.id = i.slot
		WHERE i.edition = editions.id AND i.opened >= ?1 AND b.state = 'uncertain' AND b.n > 0 GROUP BY i.id, editions.name, s.slot_key, i.ends ORDER BY i.id DESC`, args{us(since)},
		func(r *sql.Rows) (c IssueCount, err error) {
			var ends int64
			err = r.Scan(&c.Issue, &c.Edition, &c.Slot, &c.N, &ends)
			c.Ends = fromUS(ends)
			return c, err
		})
	if err != nil {
		return nil, fmt.Errorf("look for uncertain deliveries: %w", err)
	}
	return list, nil
}

// AnyLeft reports whether deliveries of an issue may still go, or may still be written;
// [ErrNotFound] if there is no such issue.
func (db *DB) AnyLeft(ctx context.Context, issue int64) (left bool, err error) {
	if err := db.read().scan(ctx, `SELECT i.state = ?2 OR EXISTS (SELECT 1 FROM batches WHERE issue = ?1 AND done = 0) FROM issues i WHERE i.id = ?1`,
		args{issue, digest.Opening}, &left); err != nil {
		return false, fmt.Errorf("look for what is left: %w", notFound(err, "issue %d", issue))
	}
	return left, nil
}
