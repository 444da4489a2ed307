package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/operators"
)

var _ mailer.Halter = (*DB)(nil)

const (
	// unheld leaves out the batches b of issues on hold. A lease asks it of each batch that it walks past. That there are
	// two conditions has PostgreSQL expect to find a free batch soon, and so walk along the index in order.
	unheld = ` AND NOT EXISTS (SELECT 1 FROM issue_holds WHERE issue = 0) AND b.issue NOT IN (SELECT issue FROM issue_holds) `
	// freeBatches leaves out those whose digests are being laid out anew too.
	freeBatches = ` AND b.withheld = 0` + unheld
	// onHold is 0 for a delivery d or batch that may go, 2 for one of an issue that is being stopped, else 1.
	onHold = `(SELECT coalesce(max(CASE h.kind WHEN 'stopping' THEN 2 ELSE 1 END), 0) FROM issue_holds h WHERE h.issue IN (0, `
)

// hold keeps an issue's mails here from the end of the transaction on, whatever sender of whatever
// process has them leased: it may bring to an end what it has handed, and begin nothing. One of the same
// kind that is there already stays as it is, and news is false.
func (t *tx) hold(ctx context.Context, h digest.Hold) (news bool, err error) {
	n, err := t.exec(ctx, `INSERT INTO issue_holds (issue, kind, reason, at, who) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (issue, kind) DO NOTHING`,
		h.Issue, string(h.Kind), h.Reason, us(h.At), h.Who)
	return n > 0, err
}

// letGo takes one hold away. The issue goes on once none is left.
func (t *tx) letGo(ctx context.Context, issue int64, kind digest.HoldKind) (had bool, err error) {
	n, err := t.exec(ctx, `DELETE FROM issue_holds WHERE issue = ?1 AND kind = ?2`, issue, string(kind))
	return n > 0, err
}

// Hold keeps an issue here because by says so, with a line in the audit log; issue 0 is everything.
// news is false, and nothing is written, if it has a hold of that kind; [ErrNotFound] if there is no
// such issue.
func (db *DB) Hold(ctx context.Context, h digest.Hold, by operators.By, now time.Time) (news bool, err error) {
	h.At, h.Who = now, by.Who
	err = db.write(ctx, func(ctx context.Context, t *tx) (err error) {
		if err := t.isIssue(ctx, h.Issue); err != nil {
			return err
		}
		if news, err = t.hold(ctx, h); err != nil || !news {
			return err
		}
		return t.audit(ctx, by, actOfHold(h.Kind, "issue hold", "issue pause"), issueName(h.Issue), h.Reason, now)
	})
	if err != nil {
		return false, fmt.Errorf("hold %s: %w", issueName(h.Issue), err)
	}
	return news, nil
}

// LetGo takes a hold away because by says so, with a line in the audit log. had is false, and nothing
// is written, if there was none; [ErrNotFound] if there is no such issue.
func (db *DB) LetGo(ctx context.Context, issue int64, kind digest.HoldKind, by operators.By, now time.Time) (had bool, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) (err error) {
		had = false
		if err := t.isIssue(ctx, issue); err != nil {
			return err
		}
		if had, err = t.letGo(ctx, issue, kind); err != nil || !had {
			return err
		}
		return t.audit(ctx, by, actOfHold(kind, "issue let go", "issue resume"), issueName(issue), "", now)
	})
	if err != nil {
		return false, fmt.Errorf("let %s go: %w", issueName(issue), err)
	}
	return had, nil
}

// actOfHold is how the audit log calls what is done with a hold of a kind.
func actOfHold(kind digest.HoldKind, act, pause string) string {
	if kind == digest.HoldPaused {
		return pause
	}
	return act + " " + string(kind)
}

// issueName is how the audit log names an issue.
func issueName(id int64) string {
	if id == 0 {
		return "all issues"
	}
	return fmt.Sprintf("issue %d", id)
}

// isIssue is [ErrNotFound] for a number that no issue has.
func (t *tx) isIssue(ctx context.Context, id int64) error {
	if id == 0 {
		return nil
	}
	var is bool
	if err := t.scan(ctx, `SELECT EXISTS (SELECT 1 FROM issues WHERE id = ?1)`, args{id}, &is); err != nil {
		return err
	}
	if !is {
		return ErrNotFound
	}
	return nil
}

// noMore says of an issue i that it is written and has nothing left to go.
const noMore = `(i.state = 'open' AND NOT EXISTS (SELECT 1 FROM batches b WHERE b.issue = i.id AND b.done = 0))`

// Holds lists the holds that keep anything here at now, the oldest first. A pause of an issue of which
// nothing is left to go keeps nothing, nor does any hold of one whose life has ended. A stop lasts until
// all has come to its end.
func (db *DB) Holds(ctx context.Context, now time.Time) ([]digest.Hold, error) {
	return db.holds(ctx, `1 = 1`, now)
}

// HoldsOf lists what keeps an issue here at now, as [DB.Holds] does: its own holds, and those of everything.
func (db *DB) HoldsOf(ctx context.Context, issue int64, now time.Time) ([]digest.Hold, error) {
	return db.holds(ctx, `issue IN (0, ?2)`, now, issue)
}

func (db *DB) holds(ctx context.Context, where string, now time.Time, a ...any) ([]digest.Hold, error) {
	list, err := selectAll(ctx, db.read(), `SELECT issue, kind, reason, at, who FROM issue_holds WHERE `+where+` AND (issue = 0 OR kind = 'stopping'
		OR EXISTS (SELECT 1 FROM issues i WHERE i.id = issue_holds.issue AND i.ends > ?1 AND (kind <> 'paused' OR NOT `+noMore+`)))
		ORDER BY at, issue, kind`, append(args{us(now)}, a...), scanHold)
	if err != nil {
		return nil, fmt.Errorf("list holds: %w", err)
	}
	return list, nil
}

// endHolds takes away what keeps nothing any more: a pause of an issue of which nothing is left to go, and
// every hold of one whose life has ended so. A verdict stays while the issue lives, for what an operator
// queues again.
func (db *DB) endHolds(ctx context.Context, now time.Time) error {
	const over = `FROM issue_holds WHERE kind <> 'stopping' AND EXISTS (SELECT 1 FROM issues i
		WHERE i.id = issue_holds.issue AND (i.ends <= ?1 OR issue_holds.kind = 'paused') AND ` + noMore + `)`
	var any bool
	if err := db.read().scan(ctx, `SELECT EXISTS (SELECT 1 `+over+`)`, args{us(now)}, &any); err != nil || !any {
		return err
	}
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `DELETE `+over, us(now))
		return err
	})
}

func scanHold(r *sql.Rows) (h digest.Hold, err error) {
	var at int64
	err = r.Scan(&h.Issue, &h.Kind, &h.Reason, &at, &h.Who)
	h.At = fromUS(at)
	return h, err
}

// Halted meets [mailer.Halter].
func (db *DB) Halted(ctx context.Context) (issues []int64, err error) {
	issues, err = selectAll(ctx, db.read(), `SELECT DISTINCT issue FROM issue_holds`, nil, number)
	if err != nil {
		return nil, fmt.Errorf("look for holds: %w", err)
	}
	return issues, nil
}
