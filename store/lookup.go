package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
)

// EditionID is the row id of an edition's name, 0 while no reader and no issue has named it.
func (db *DB) EditionID(ctx context.Context, name string) (id int64, err error) {
	err = db.read().scan(ctx, `SELECT id FROM editions WHERE name = ?1`, args{name}, &id)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("load edition %s: %w", name, err)
	}
	return id, nil
}

// IssueBySlot finds an issue by what it is for; [ErrNotFound] if it was not opened.
func (db *DB) IssueBySlot(ctx context.Context, edition, slot, zone string, hour int) (digest.Issue, error) {
	i, err := issueWhere(ctx, db.read(), `WHERE e.name = ?1 AND s.slot_key = ?2 AND i.zone = ?3 AND i.hour = ?4`, edition, slot, zone, hour)
	if err != nil {
		return i, fmt.Errorf("load issue %s %s in %s: %w", edition, slot, zone, err)
	}
	return i, nil
}

// UnfinishedIssues lists the issues of an edition that have deliveries still to go.
func (db *DB) UnfinishedIssues(ctx context.Context, edition string) ([]int64, error) {
	list, err := selectAll(ctx, db.read(), `SELECT DISTINCT b.issue FROM batches b`+db.dialect.by("batches_due")+`
		WHERE b.done = 0 AND b.edition = (SELECT id FROM editions WHERE name = ?1) ORDER BY b.issue`, args{edition}, number)
	if err != nil {
		return nil, fmt.Errorf("list unfinished issues of %s: %w", edition, err)
	}
	return list, nil
}

// ReasonCount is how many readers of an issue have a state for a reason.
type ReasonCount struct {
	State   mailer.State `json:"state"`
	Reason  string       `json:"reason"`
	Readers int          `json:"readers"`
}

// IssueReasons counts an issue's deliveries by state and reason, those without a reason left out.
func (db *DB) IssueReasons(ctx context.Context, id int64) ([]ReasonCount, error) {
	list, err := selectAll(ctx, db.read(), `SELECT d.state, d.reason, count(*) FROM issues i JOIN deliveries d ON d.slot = i.slot AND d.issue = i.id
		WHERE i.id = ?1 AND d.reason <> '' GROUP BY d.state, d.reason ORDER BY d.state, count(*) DESC, d.reason`, args{id},
		func(r *sql.Rows) (c ReasonCount, err error) { return c, r.Scan(&c.State, &c.Reason, &c.Readers) })
	if err != nil {
		return nil, fmt.Errorf("count reasons of issue %d: %w", id, err)
	}
	return list, nil
}

// SpreadUntil is when the next batch begins that an issue of the edition spreads over time, of
// issues whose slot has come and that are not on hold; ok is false if none is left.
func (db *DB) SpreadUntil(ctx context.Context, edition int64, now time.Time) (at time.Time, ok bool, err error) {
	var start sql.NullInt64
	err = db.read().scan(ctx, `SELECT min(b.start) FROM batches b JOIN issues i ON i.id = b.issue
		WHERE b.done = 0 AND b.start > ?1 AND i.due <= ?1 AND i.state = ?2 AND i.edition = ?3`+unheld, args{us(now), digest.Open, edition}, &start)
	if err != nil {
		return at, false, fmt.Errorf("find next batch: %w", err)
	}
	return fromUS(start.Int64), start.Valid, nil
}

// Survey hands the audience of an issue to see in chunks of limit readers and writes nothing.
// It meets digest.Surveyor. i need not be on record.
func (db *DB) Survey(ctx context.Context, i digest.Issue, a digest.Audience, limit int, see func(c digest.Chunk) error) error {
	var err error
	if i.EditionID, err = db.EditionID(ctx, i.Edition); err != nil {
		return err
	}
	q := db.read()
	for after := int64(0); ; {
		ids, err := db.audience(ctx, q, i.EditionID, a, after, limit)
		if err != nil {
			return fmt.Errorf("list audience: %w", err)
		}
		if len(ids) == 0 {
			return nil
		}
		c, err := db.chunk(ctx, q, &i, ids)
		if err != nil {
			return fmt.Errorf("load readers: %w", err)
		}
		if err := see(c); err != nil {
			return err
		}
		after = ids[len(ids)-1]
	}
}

// OfEdition is a queue that holds the deliveries of one edition.
type OfEdition struct {
	*DB
	Number int64 // of the edition, not 0
}

// Lease takes the edition's next due batch.
func (o OfEdition) Lease(ctx context.Context, relay, worker string, now time.Time) (*mailer.Batch, error) {
	return o.lease(ctx, relay, o.Number, worker, now)
}

// NextDue is when the edition's next open delivery is due.
func (o OfEdition) NextDue(ctx context.Context, relay string) (time.Time, bool, error) {
	return o.nextDue(ctx, relay, o.Number)
}

// Only is a queue that holds one reader's delivery of one issue.
type Only struct {
	*DB
	Number, Reader int64 // of the issue, of the subscriber
}

// Lease takes that delivery if it is due and relay's. It looks first whose it is: to lease it and
// give it back would keep it from the right relay's sender just when that one looks.
func (o Only) Lease(ctx context.Context, relay, worker string, now time.Time) (*mailer.Batch, error) {
	var its string
	err := o.read().scan(ctx, `SELECT b.relay FROM issues i JOIN deliveries d ON d.slot = i.slot AND d.subscriber = ?2
		JOIN batches b ON b.id = d.batch WHERE i.id = ?1`, args{o.Number, o.Reader}, &its)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && its != relay:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("lease delivery: %w", err)
	}
	return o.LeaseOne(ctx, o.Number, o.Reader, worker, now)
}

// NextDue is when that delivery is due, if it is relay's and open.
func (o Only) NextDue(ctx context.Context, relay string) (time.Time, bool, error) {
	var due int64
	err := o.read().scan(ctx, `SELECT d.due FROM issues i JOIN deliveries d ON d.slot = i.slot AND d.subscriber = ?2
		JOIN batches b ON b.id = d.batch WHERE i.id = ?1 AND b.relay = ?3 AND d.state IN ('queued', 'deferred')`+unheld,
		args{o.Number, o.Reader, relay}, &due)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, false, fmt.Errorf("find due delivery: %w", err)
	}
	return fromUS(due), true, nil
}

// EditionName is the name of an edition by its row id; [ErrNotFound] if there is none.
func (db *DB) EditionName(ctx context.Context, id int64) (name string, err error) {
	if err := db.read().scan(ctx, `SELECT name FROM editions WHERE id = ?1`, args{id}, &name); err != nil {
		return "", fmt.Errorf("load edition: %w", notFound(err, "%d", id))
	}
	return name, nil
}
