package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Statements whose answer nobody waits for go to PostgreSQL together, in one round trip. Whatever reads has them go
// before it.

// pending is a statement that has not gone yet.
type pending struct {
	query string
	args  args
	rows  int64 // that it must change; anyRows
}

// anyRows says that it does not matter how many rows a statement changes.
const anyRows = -1

// later has a statement go with the next that is waited for, or with [tx.send]; it is [errDiffers] if it changes
// another number of rows than it should. SQLite runs it at once.
func (t *tx) later(ctx context.Context, query string, rows int64, args ...any) error {
	if t.w.dialect.name == postgresDialect.name {
		t.pending = append(t.pending, pending{query, t.w.dialect.values(args), rows})
		return nil
	}
	n, err := t.exec(ctx, query, args...)
	if err == nil && rows != anyRows && n != rows {
		err = errDiffers
	}
	return err
}

// measure has PostgreSQL count the rows of tables that it has never counted. Plans are made for the tables as they
// were when they were counted last, and it would count by itself within a minute: a run may be over by then.
func (t *tx) measure(ctx context.Context, tables ...string) error {
	if t.w.dialect.name != postgresDialect.name {
		return nil
	}
	list, err := selectAll(ctx, t, `SELECT oid::bigint FROM pg_class WHERE oid = ANY (?1::text[]::regclass[]) AND reltuples <= 0`, args{tables}, number)
	if err != nil || len(list) == 0 {
		return err
	}
	if _, err := t.simple(ctx, "ANALYZE "+strings.Join(tables, ", ")); err != nil {
		return fmt.Errorf("count rows: %w", err)
	}
	return nil
}

// send has go what waits.
func (t *tx) send(ctx context.Context) error {
	list := t.pending
	if len(list) == 0 {
		return nil
	}
	t.pending = nil
	var err error
	rawErr := t.w.conn.Raw(func(c any) error {
		conn := c.(*stdlib.Conn).Conn()
		var b pgx.Batch
		for _, p := range list {
			name := t.w.named[p.query]
			if name == "" {
				name = "later_" + strconv.Itoa(len(t.w.named)) // the server tells no more than 63 octets apart
				if _, err = conn.Prepare(ctx, name, t.w.dialect.sql(p.query, p.args)); err != nil {
					return nil
				}
				t.w.named[p.query] = name
			}
			b.Queue(name, p.args...)
		}
		r := conn.SendBatch(ctx, &b)
		for _, p := range list {
			tag, execErr := r.Exec()
			if err = execErr; err != nil {
				break
			}
			if p.rows != anyRows && tag.RowsAffected() != p.rows {
				err = errDiffers
				break
			}
		}
		if closeErr := r.Close(); err == nil {
			err = closeErr
		}
		return nil
	})
	return errors.Join(err, rawErr)
}
