package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// querier is what reads need: a transaction or the pool of readers.
type querier interface {
	rows(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	// scan reads one row; sql.ErrNoRows if there is none.
	scan(ctx context.Context, query string, args []any, dest ...any) error
}

// writer is the one connection that writes. Its transactions run one after the other.
type writer struct {
	pool    *sql.DB
	dialect dialect
	turn    chan struct{} // a mutex that a context can give up on
	conn    *sql.Conn     // nil until needed, and again after an error that spoils it
	lane    int64         // this process's row in workers; 0 = none yet
	wrote   bool          // a transaction has come to its end
	worker  Worker        // what that row says
	now     func() time.Time
	stmts   map[string]*sql.Stmt
	signs   bool                    // the connection knows [sign]
	named   map[string]string       // statements that go with others, see later.go
	trouble atomic.Pointer[Trouble] // of the last transaction; nil = there was none
}

func newWriter(db *DB, pool *sql.DB) *writer {
	return &writer{pool: pool, dialect: db.dialect, turn: make(chan struct{}, 1), now: db.leaseClock}
}

// tx is a transaction that writes. Rows are read to their end before the next statement.
type tx struct {
	w         *writer
	leaves    []leave // for the journal
	replaying bool    // what the journal says is done again, and needs no new line
	news      newsMemory
	counts    tally // of what became of mails
	books     books // of issues
	all       bool  // write what senders have counted too
	begun     bool
	signed    int64 // what it wrote into its lane, on PostgreSQL
	pending   []pending
	sections  map[string]int // readers of sections, not written yet
}

// write runs fn in a transaction that is alone: nothing else writes before it ends. It waits for its
// turn, and for a server that is away, as long as ctx lasts; once begun, a transaction runs to its end, for it is short and an
// outcome must not get lost to a Ctrl-C. fn may not call write. It may run more than once (lanes.go): what it
// leaves in variables outside it sets anew each time. Marks of deliveries take their turn by themselves, many at a time (commit.go).
func (db *DB) write(ctx context.Context, fn func(ctx context.Context, t *tx) error) error {
	return db.writeIn(ctx, allLanes, fn)
}

// writeIn is write for a transaction that need not be alone.
func (db *DB) writeIn(ctx context.Context, l lanes, fn func(ctx context.Context, t *tx) error) error {
	w := db.writer
	if err := w.take(ctx); err != nil {
		return err
	}
	defer w.leave()
	all := false
	_, err := w.run(ctx, l, func(ctx context.Context, t *tx) error {
		all = false
		if err := fn(ctx, t); err != nil {
			return err
		}
		if t.all {
			t.counts.join(db.ledger.counts)
		}
		all = t.all
		if err := t.writeTally(ctx, t.counts); err != nil {
			return err
		}
		if err := t.writeBooks(ctx); err != nil {
			return err
		}
		return db.journalLeaves(ctx, t)
	})
	if all && err == nil {
		db.ledger.counts, db.ledger.counted = nil, time.Now()
	}
	switch j := &db.ledger.journal; {
	case err == nil:
		j.keep()
	case j.next != 0:
		j.drop()
	}
	return explain(err)
}

// take waits for the writer's turn as long as ctx lasts; whoever comes first is first.
func (w *writer) take(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		w.leave()
		return err
	}
	return nil
}

func (w *writer) leave() { <-w.turn }

// run runs fn in a transaction, in the writer's turn, and says how long its COMMIT took.
func (w *writer) run(ctx context.Context, l lanes, fn func(ctx context.Context, t *tx) error) (took time.Duration, err error) {
	defer func() { w.note(ctx, err) }()
	if w.dialect.name == postgresDialect.name {
		return w.again(ctx, l, fn)
	}
	return w.once(ctx, l, fn)
}

// once runs fn once. ctx ends no more than the wait for a connection.
func (w *writer) once(ctx context.Context, l lanes, fn func(ctx context.Context, t *tx) error) (took time.Duration, err error) {
	if w.conn == nil {
		if w.conn, err = w.pool.Conn(ctx); err != nil {
			return 0, err
		}
		w.stmts, w.named, w.signs = make(map[string]*sql.Stmt), make(map[string]string), false
	}
	ctx = context.WithoutCancel(ctx)
	t := &tx{w: w}
	committed := false
	defer func() {
		var undone error
		t.pending = nil
		if !committed && (t.begun || w.dialect.name == postgresDialect.name) {
			undone = t.rollback(ctx)
		}
		if !committed && (undone != nil || spoilt(err)) {
			w.drop()
		}
	}()
	if err := t.begin(ctx, l); err != nil {
		return 0, err
	}
	t.begun = true
	if err := fn(ctx, t); err != nil {
		return 0, err
	}
	if err := t.send(ctx); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := t.commit(ctx); err != nil {
		return 0, err
	}
	committed, w.wrote = true, true
	return time.Since(began), nil
}

// drop closes the connection for good; the next transaction opens another.
func (w *writer) drop() {
	for _, s := range w.stmts {
		s.Close()
	}
	_ = w.conn.Raw(func(any) error { return driver.ErrBadConn }) // keeps the pool from using it again
	w.conn.Close()
	w.conn = nil
}

func (w *writer) close() error {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	if w.conn != nil {
		for _, s := range w.stmts {
			s.Close()
		}
		w.conn.Close()
		w.conn = nil
	}
	return w.pool.Close()
}

func (t *tx) prepare(ctx context.Context, query string, values args) (*sql.Stmt, error) {
	if err := t.send(ctx); err != nil {
		return nil, err
	}
	if s := t.w.stmts[query]; s != nil {
		return s, nil
	}
	s, err := t.w.conn.PrepareContext(ctx, t.w.dialect.sql(query, values))
	if err == nil {
		t.w.stmts[query] = s
	}
	return s, err
}

// exec returns the number of rows that it changed.
func (t *tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	args = t.w.dialect.values(args)
	s, err := t.prepare(ctx, query, args)
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (t *tx) rows(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	args = t.w.dialect.values(args)
	s, err := t.prepare(ctx, query, args)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (t *tx) scan(ctx context.Context, query string, args []any, dest ...any) error {
	args = t.w.dialect.values(args)
	s, err := t.prepare(ctx, query, args)
	if err != nil {
		return err
	}
	return s.QueryRowContext(ctx, args...).Scan(dest...)
}

// pool reads on the readers' connections.
type pool struct{ db *DB }

func (db *DB) read() pool { return pool{db} }

func (p pool) prepare(ctx context.Context, query string, values args) (*sql.Stmt, error) {
	if s, ok := p.db.stmts.Load(query); ok {
		return s.(*sql.Stmt), nil
	}
	s, err := p.db.readers.PrepareContext(ctx, p.db.dialect.sql(query, values))
	if err != nil {
		return nil, err
	}
	if old, loaded := p.db.stmts.LoadOrStore(query, s); loaded {
		s.Close()
		return old.(*sql.Stmt), nil
	}
	return s, nil
}

func (p pool) rows(ctx context.Context, query string, args ...any) (rows *sql.Rows, err error) {
	args = p.db.dialect.values(args)
	return rows, p.insist(ctx, func() error {
		s, err := p.prepare(ctx, query, args)
		if err == nil {
			rows, err = s.QueryContext(ctx, args...)
		}
		return err
	})
}

func (p pool) scan(ctx context.Context, query string, args []any, dest ...any) error {
	args = p.db.dialect.values(args)
	return p.insist(ctx, func() error {
		s, err := p.prepare(ctx, query, args)
		if err == nil {
			err = s.QueryRowContext(ctx, args...).Scan(dest...)
		}
		return err
	})
}

// readPatience is how long a read is tried again of which nothing has come yet because its connection was cut, or
// the server is away. Once it has been away for so long, each read is tried once.
const readPatience = 5 * time.Second

// insist does so, and puts the words for people before what is wrong.
func (p pool) insist(ctx context.Context, read func() error) error {
	if p.db.path != "" {
		return explain(read())
	}
	for wait := firstWait; ; wait = min(2*wait, mostWait) {
		err := read()
		if err == nil || !passing(err) {
			if p.db.cut.Load() != nil {
				p.db.cut.Store(nil)
			}
			return explain(err)
		}
		if stale(err) { // close the idle connections, and with them what was prepared on them
			p.db.readers.SetMaxIdleConns(0)
			p.db.readers.SetMaxIdleConns(reading)
		}
		now := time.Now()
		p.db.cut.CompareAndSwap(nil, &now)
		if since := p.db.cut.Load(); since != nil && now.Sub(*since) > readPatience {
			return explain(err)
		}
		select {
		case <-ctx.Done():
			return explain(err)
		case <-time.After(wait):
		}
	}
}

// args are the values of ?1, ?2 and so on.
type args = []any

// selectAll reads all rows of a query.
func selectAll[T any](ctx context.Context, q querier, query string, a args, scan func(*sql.Rows) (T, error)) ([]T, error) {
	rows, err := q.rows(ctx, query, a...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, explain(rows.Err())
}

func number(r *sql.Rows) (n int64, err error) { return n, r.Scan(&n) }

// idList is a list for [dialect.ids].
func idList(ids []int64) string {
	if len(ids) == 0 {
		return "[]"
	}
	b, _ := json.Marshal(ids) // numbers cannot fail
	return string(b)
}

func notFound(err error, format string, args ...any) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf(format+": %w", append(args, ErrNotFound)...)
	}
	return err
}
