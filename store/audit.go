package store

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"time"

	"broadsheet/operators"
)

// audit puts on record what an operator did, in the transaction that does it.
func (t *tx) audit(ctx context.Context, by operators.By, act, object, detail string, now time.Time) error {
	_, err := t.exec(ctx, `INSERT INTO audit (at, who, why, act, object, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,
		us(now), by.Who, by.Why, act, object, detail)
	return err
}

// Note puts on record what an operator did that changed nothing in the database by itself.
func (db *DB) Note(ctx context.Context, by operators.By, act, object, detail string, now time.Time) error {
	err := db.write(ctx, func(ctx context.Context, t *tx) error { return t.audit(ctx, by, act, object, detail, now) })
	if err != nil {
		return fmt.Errorf("write audit log: %w", err)
	}
	return nil
}

// AuditFilter says which entries to list. Zero fields do not filter.
type AuditFilter struct {
	Object string
	Who    string
	Act    string // it begins with this: "issue" finds "issue pause"
	Since  time.Time
	Before int64 // id: only earlier entries
}

// Audit lists the audit log, the latest entry first. Memory stays flat.
func (db *DB) Audit(ctx context.Context, f AuditFilter) iter.Seq2[operators.Entry, error] {
	return pages(func(after operators.Entry) ([]operators.Entry, error) {
		before := f.Before
		if after.ID != 0 {
			before = after.ID
		}
		return selectAll(ctx, db.read(), `SELECT id, at, who, why, act, object, detail FROM audit
			WHERE (?1 = 0 OR id < ?1) AND (?2 = '' OR object = ?2) AND at >= ?3 AND (?4 = '' OR who = ?4) AND substr(act, 1, length(?5)) = ?5 ORDER BY id DESC LIMIT ?6`,
			args{before, f.Object, us(f.Since), f.Who, f.Act, pageSize}, func(r *sql.Rows) (e operators.Entry, err error) {
				var at int64
				err = r.Scan(&e.ID, &at, &e.By.Who, &e.By.Why, &e.Act, &e.Object, &e.Detail)
				e.At = fromUS(at)
				return e, err
			})
	}, "list audit log")
}
