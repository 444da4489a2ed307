package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// A database is carried table by table, in the order of keys: one goroutine reads, another writes, in transactions
// of some ten thousand rows. PostgreSQL is written with COPY.

// end is a connection to one of the two databases, and its tables.
type end struct {
	dialect dialect
	conn    *sql.Conn
	tables  []*table
}

// newEnd takes a connection of its own to a database for long work; free gives it up.
func (db *DB) newEnd(ctx context.Context) (e *end, free func(), err error) {
	pool, err := db.apart()
	if err != nil {
		return nil, nil, err
	}
	pool.SetMaxOpenConns(1)
	conn, err := pool.Conn(ctx)
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	free = func() { conn.Close(); pool.Close() }
	e = &end{dialect: db.dialect, conn: conn}
	if e.tables, err = e.dialect.tables(ctx, conn); err != nil {
		free()
		return nil, nil, fmt.Errorf("read schema: %w", err)
	}
	return e, free, nil
}

// apart is a pool of connections that work for long: neither a frozen transaction's timeout nor that of a
// statement ends them.
func (db *DB) apart() (*sql.DB, error) {
	if db.path != "" {
		return sql.Open("sqlite", db.source("", "secure_delete(1)", "wal_autocheckpoint(10000)", "cache_size(-65536)"))
	}
	cfg := db.config.Copy()
	for name, value := range map[string]string{"application_name": carrierName, "idle_in_transaction_session_timeout": "0",
		"statement_timeout": "0", "synchronous_commit": "off", "enable_seqscan": "on"} {
		cfg.RuntimeParams[name] = value
	}
	return stdlib.OpenDB(*cfg), nil
}

// carrierName is what PostgreSQL calls connections that carry a database.
const carrierName = "broadsheet migrate"

func (e *end) exec(ctx context.Context, query string, values ...any) error {
	_, err := e.conn.ExecContext(ctx, e.dialect.sql(query, values), values...)
	return err
}

// where leaves out what is not to be carried, and what comes no later than a key.
func (e *end) where(t *table, after []any) (string, []any) {
	var parts []string
	if t.name == "meta" {
		parts = append(parts, `name <> '`+metaMoving+`'`)
	}
	if after != nil {
		marks := make([]string, len(after))
		for n := range after {
			marks[n] = "?" + strconv.Itoa(n+1)
		}
		parts = append(parts, "("+t.keyList()+") > ("+strings.Join(marks, ", ")+")")
	}
	if len(parts) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(parts, " AND "), after
}

func (e *end) count(ctx context.Context, t *table) (n int64, err error) {
	where, _ := e.where(t, nil)
	err = e.conn.QueryRowContext(ctx, `SELECT count(*) FROM `+quote(t.name)+where).Scan(&n)
	return n, err
}

// each reads a table's rows; those behind a key, in the order of keys, if after is not nil. fn keeps no row.
func (e *end) each(ctx context.Context, t *table, after []any, ordered bool, fn func(row []any, cleaned int) error) error {
	where, values := e.where(t, after)
	query := `SELECT ` + t.list() + ` FROM ` + quote(t.name) + where
	if ordered {
		query += ` ORDER BY ` + t.keyList()
	}
	rows, err := e.conn.QueryContext(ctx, e.dialect.sql(query, values), values...)
	if err != nil {
		return err
	}
	defer rows.Close()
	raw, row, to := make([]any, len(t.columns)), make([]any, len(t.columns)), make([]any, len(t.columns))
	for n := range raw {
		to[n] = &raw[n]
	}
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return err
		}
		cleaned := 0
		for n := range raw {
			v, was, err := t.columns[n].take(raw[n])
			if err != nil {
				return fmt.Errorf("table %s, row %s: %w", t.name, t.describe(raw), err)
			}
			if was {
				cleaned++
			}
			row[n] = v
		}
		if err := fn(row, cleaned); err != nil {
			return err
		}
	}
	return rows.Err()
}

const (
	// carryTogether is how many rows a transaction carries.
	carryTogether = 50_000
	// slabRows and slabOctets is how much goes from the reader to the writer at once.
	slabRows   = 500
	slabOctets = 1 << 20
	slabsAhead = 4
)

// slab is some rows on their way, one behind the other in cells.
type slab struct {
	cells []any
	rows  int
	clean int // texts that were cleaned
}

// carrier carries tables.
type carrier struct {
	from, to *end
	together int              // rows to a transaction; 0 = carryTogether
	carried  func(rows int64) // is told of rows that are there for good; may be nil
	// keep notes in the transaction that writes rows the key of the last one, and how many of their texts were
	// cleaned; nil = nobody goes on from there
	keep func(ctx context.Context, key []any, rows, cleaned int64) error
}

// table carries what comes behind a key (nil = everything) and returns the sum of what it read.
func (c *carrier) table(ctx context.Context, t *table, after []any) (s sum, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	slabs := make(chan slab, slabsAhead)
	go func() {
		defer close(slabs)
		if err := c.read(ctx, t, after, &s, slabs); err != nil {
			stop(err)
		}
	}()
	err = c.write(ctx, t, slabs)
	stop(errStopped)
	for range slabs { // let the reader end
	}
	if cause := context.Cause(ctx); !errors.Is(cause, errStopped) {
		err = cause // the reader's error, or that nobody waits any more
	}
	if err != nil {
		return s, fmt.Errorf("carry table %s: %w", t.name, explain(err))
	}
	return s, nil
}

var errStopped = errors.New("stopped")

// read fills slabs.
func (c *carrier) read(ctx context.Context, t *table, after []any, s *sum, slabs chan<- slab) error {
	width := len(t.columns)
	source := named(c.from.tables, t.name).inColumnsOf(t)
	var b slab
	octets := 0
	give := func() error {
		select {
		case slabs <- b:
			b, octets = slab{}, 0
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	err := c.from.each(ctx, source, after, true, func(row []any, n int) error {
		s.add(row)
		b.clean += n
		if b.cells == nil {
			b.cells = make([]any, 0, slabRows*width)
		}
		b.cells = append(b.cells, row...)
		b.rows++
		octets += len(s.scratch)
		if b.rows < slabRows && octets < slabOctets {
			return nil
		}
		return give()
	})
	if err == nil && b.rows > 0 {
		err = give()
	}
	return err
}

// write writes slabs as they come.
func (c *carrier) write(ctx context.Context, t *table, slabs <-chan slab) error {
	most := c.together
	if most == 0 {
		most = carryTogether
	}
	in := &incoming{slabs: slabs, width: len(t.columns)}
	for in.more() {
		if err := c.chunk(ctx, t, in, most); err != nil {
			return err
		}
	}
	return nil
}

// chunk writes some rows in a transaction.
func (c *carrier) chunk(ctx context.Context, t *table, in *incoming, most int) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	begin := "BEGIN IMMEDIATE"
	if c.to.dialect.name == postgresDialect.name {
		begin = "BEGIN"
	}
	if err := c.to.exec(ctx, begin); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = c.to.exec(context.WithoutCancel(ctx), "ROLLBACK") // fails where the engine has done so by itself
		}
	}()
	in.most, in.given, in.clean = most, 0, 0
	if c.to.dialect.name == postgresDialect.name {
		err = c.copyIn(ctx, t, in)
	} else {
		err = c.insert(ctx, t, in)
	}
	if err != nil {
		if in.row != nil {
			err = fmt.Errorf("row %s or one before it: %w", t.describe(in.row), err)
		}
		return err
	}
	if c.keep != nil && in.row != nil {
		if err := c.keep(ctx, t.keyOf(in.row), int64(in.given), int64(in.clean)); err != nil {
			return err
		}
	}
	if err := c.to.exec(ctx, "COMMIT"); err != nil {
		return err
	}
	if c.carried != nil {
		c.carried(int64(in.given))
	}
	return nil
}

func (c *carrier) copyIn(ctx context.Context, t *table, in *incoming) error {
	return c.to.conn.Raw(func(raw any) error {
		_, err := raw.(*stdlib.Conn).Conn().CopyFrom(ctx, pgx.Identifier{t.name}, t.names(), in)
		return err
	})
}

func (c *carrier) insert(ctx context.Context, t *table, in *incoming) error {
	marks := strings.Repeat(", ?", len(t.columns))[2:]
	s, err := c.to.conn.PrepareContext(ctx, `INSERT INTO `+quote(t.name)+` (`+t.list()+`) VALUES (`+marks+`)`)
	if err != nil {
		return err
	}
	defer s.Close()
	for in.Next() {
		row, _ := in.Values()
		if _, err := s.ExecContext(ctx, row...); err != nil {
			return err
		}
	}
	return in.Err()
}

// incoming gives the writer one row after the other. It meets [pgx.CopyFromSource].
type incoming struct {
	slabs <-chan slab
	width int
	now   slab
	at    int   // row of now that is next
	most  int   // rows for a transaction, which ends with a slab
	given int   // that it took
	clean int   // texts in them that were cleaned
	row   []any // that was given last
}

// more reports whether there is another row.
func (in *incoming) more() bool {
	for in.at == in.now.rows {
		var ok bool
		in.now, ok = <-in.slabs
		if in.at = 0; !ok {
			return false
		}
	}
	return true
}

func (in *incoming) Next() bool {
	if in.at == in.now.rows && in.given >= in.most || !in.more() {
		return false
	}
	if in.at == 0 {
		in.clean += in.now.clean
	}
	in.row = in.now.cells[in.at*in.width : (in.at+1)*in.width]
	in.given, in.at = in.given+1, in.at+1
	return true
}

func (in *incoming) Values() ([]any, error) { return in.row, nil }
func (in *incoming) Err() error             { return nil }

// sumOf reads a table as it stands.
func (e *end) sumOf(ctx context.Context, t *table, seen func(n int64)) (s sum, err error) {
	err = e.each(ctx, t, nil, false, func(row []any, _ int) error {
		s.add(row)
		if s.rows%10_000 == 0 && seen != nil {
			seen(10_000)
		}
		return nil
	})
	if seen != nil {
		seen(s.rows % 10_000)
	}
	return s, err
}

// number has an identity column go on behind the numbers that are taken.
func (e *end) number(ctx context.Context) error {
	if e.dialect.name != postgresDialect.name {
		return nil // SQLite numbers by itself
	}
	for _, t := range e.tables {
		for _, c := range t.columns {
			if !c.identity {
				continue
			}
			if err := e.exec(ctx, fmt.Sprintf(`SELECT setval(pg_get_serial_sequence('%s', '%s'), coalesce(max(%s), 0) + 1, false) FROM %s`,
				strings.ReplaceAll(quote(t.name), "'", "''"), c.name, quote(c.name), quote(t.name))); err != nil {
				return fmt.Errorf("number rows of table %s: %w", t.name, err)
			}
		}
	}
	return nil
}

// analyze has PostgreSQL look at what its tables hold now.
func (e *end) analyze(ctx context.Context) error {
	if e.dialect.name != postgresDialect.name {
		return nil // SQLite plans by its indexes alone
	}
	for _, t := range e.tables {
		if err := e.exec(ctx, `ANALYZE `+quote(t.name)); err != nil {
			return fmt.Errorf("analyze table %s: %w", t.name, err)
		}
	}
	return nil
}

// empty reports whether a database holds nothing but what a new one has.
func (e *end) empty(ctx context.Context) (is bool, found string, err error) {
	for _, t := range e.tables {
		switch t.name {
		case "meta", "counters", "adoptions":
			continue // a new one has rows there
		}
		var any int
		switch err := e.conn.QueryRowContext(ctx, `SELECT 1 FROM `+quote(t.name)+` LIMIT 1`).Scan(&any); {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return false, "", err
		default:
			return false, t.name, nil
		}
	}
	return true, "", nil
}

// wipe empties all tables but for the line of meta that says that a database is being carried into this one.
func (e *end) wipe(ctx context.Context) error {
	var others []string
	for n := len(e.tables) - 1; n >= 0; n-- { // what refers goes before what it refers to
		t := e.tables[n]
		switch {
		case t.name == "meta":
			if err := e.exec(ctx, `DELETE FROM meta WHERE name <> '`+metaMoving+`'`); err != nil {
				return err
			}
		case e.dialect.name == postgresDialect.name:
			others = append(others, quote(t.name))
		default:
			if err := e.exec(ctx, `DELETE FROM `+quote(t.name)); err != nil {
				return err
			}
		}
	}
	if len(others) == 0 {
		return nil
	}
	return e.exec(ctx, `TRUNCATE `+strings.Join(others, ", "))
}
