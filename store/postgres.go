package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// isPostgres says whether dsn names a PostgreSQL database.
func isPostgres(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// Settings of our own connections. What the URL says comes before them.
var postgresSettings = map[string]string{
	"application_name": "broadsheet",
	// A process that is frozen in a transaction, or cut off, must not hold back all others.
	"idle_in_transaction_session_timeout": "10000",
	"tcp_user_timeout":                    "15000",
	"jit":                                 "off", // compiling takes longer than any of our queries
	"default_transaction_isolation":       "read committed",
}

// planSettings are those of connections whose statements find rows by keys, and are prepared once, mostly when tables and
// their parts are still empty and nobody has counted their rows: a plan must not depend on that. In an index of one page
// reading all of it seems as good as looking for a row, so entries of an index are said to be dear.
var planSettings = map[string]string{
	"plan_cache_mode":      "force_generic_plan",
	"enable_seqscan":       "off",
	"enable_hashjoin":      "off",
	"enable_mergejoin":     "off",
	"enable_material":      "off",
	"cpu_index_tuple_cost": "1",
	// What a statement of ours finds is little, and other processes take longer to start.
	"max_parallel_workers_per_gather": "0",
}

// openPostgres connects and brings the schema up to date.
func openPostgres(ctx context.Context, dsn string, opts Options) (*DB, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("open database: %w: give it as postgres://USER@HOST:PORT/NAME", err)
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 10 * time.Second
	}
	for name, value := range postgresSettings {
		if _, given := cfg.RuntimeParams[name]; !given {
			cfg.RuntimeParams[name] = value
		}
	}
	if _, given := cfg.RuntimeParams["lock_timeout"]; !given {
		// Longer than a frozen process can hold its lane.
		cfg.RuntimeParams["lock_timeout"] = strconv.FormatInt((opts.BusyTimeout + 10*time.Second).Milliseconds(), 10)
	}
	cfg.DialFunc = (&net.Dialer{Timeout: cfg.ConnectTimeout, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 2},
		Control: giveUpSoon}).DialContext
	// Of several servers the one that takes writes is meant, unless the URL says which.
	if cfg.ValidateConnect == nil && slices.ContainsFunc(cfg.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.Host != cfg.Host || f.Port != cfg.Port }) {
		cfg.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	// Statements are prepared by those who keep them.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	cfg.StatementCacheCapacity, cfg.DescriptionCacheCapacity = 0, 0
	if opts.name != "" {
		cfg.RuntimeParams["application_name"] = opts.name
	}
	db := newDB(opts, postgresDialect)
	db.config = cfg
	db.place = fmt.Sprintf("%s at %s:%d", cfg.Database, cfg.Host, cfg.Port)
	if err := db.connectPostgres(ctx, cfg); err != nil {
		db.Close()
		return nil, fmt.Errorf("open database %s: %w", db.place, explain(err))
	}
	return db, nil
}

func (db *DB) connectPostgres(ctx context.Context, cfg *pgx.ConnConfig) error {
	cfg = cfg.Copy() // migrations and moves go through whole tables
	for name, value := range planSettings {
		if _, given := cfg.RuntimeParams[name]; !given {
			cfg.RuntimeParams[name] = value
		}
	}
	pool := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		return db.setClock(func(query string, at *int64) error { return c.QueryRow(ctx, query).Scan(at) }) // it may be another server
	}))
	pool.SetMaxOpenConns(2) // the writer's, and one that looks after a commit, or for the schema
	pool.SetMaxIdleConns(1)
	db.writer = newWriter(db, pool)
	db.readers = stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, `SET default_transaction_read_only = on`) // not among the settings: a server is asked whether it is a standby before
		return err
	}))
	db.readers.SetMaxOpenConns(reading)
	db.readers.SetMaxIdleConns(reading)
	if err := db.migrate(ctx, pool); err != nil {
		return err
	}
	return db.begin(ctx)
}

// setClock finds out by how much the database's clock is ahead of this machine's: leases go by the former,
// which is the same for all processes. scan reads one number.
func (db *DB) setClock(scan func(query string, at *int64) error) error {
	began := db.started.Add(time.Since(db.started))
	var at int64
	if err := scan(`SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint`, &at); err != nil {
		return fmt.Errorf("read clock: %w", err)
	}
	ended := db.started.Add(time.Since(db.started))
	db.ahead.Store(int64(fromUS(at).Sub(began.Add(ended.Sub(began) / 2))))
	return nil
}

// dollars writes the placeholders ?1 and ? of a query as $1::type. The types are those of the values: PostgreSQL
// would else guess them by what stands beside, and take a number beside 0 for one of 32 bits.
func dollars(query string, values args) string {
	var b strings.Builder
	b.Grow(len(query) + 8*len(values))
	last, quoted, used := 0, false, make([]bool, len(values))
	for i := 0; i < len(query); i++ {
		switch c := query[i]; {
		case c == '\'':
			quoted = !quoted
			fallthrough
		case quoted || c != '?':
			b.WriteByte(c)
			continue
		}
		n := 0
		for i+1 < len(query) && '0' <= query[i+1] && query[i+1] <= '9' {
			i++
			n = 10*n + int(query[i]-'0')
		}
		if n == 0 {
			n = last + 1
		}
		last = max(last, n) // a bare one follows the largest, as in SQLite
		if n <= len(values) {
			used[n-1] = true
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		if n <= len(values) {
			b.WriteString(cast(values[n-1]))
		}
	}
	var rest []string // a value that stands nowhere must have a type all the same
	for n := range used {
		if !used[n] {
			rest = append(rest, "$"+strconv.Itoa(n+1)+cmp.Or(cast(values[n]), "::text"))
		}
	}
	if len(rest) > 0 {
		return "WITH unused AS (SELECT " + strings.Join(rest, ", ") + ") " + b.String()
	}
	return b.String()
}

// cast is the type of a value; "" if the value does not tell.
func cast(v any) string {
	switch v.(type) {
	case nil:
		return ""
	case []byte:
		return "::bytea"
	case []int64:
		return "::bigint[]"
	case []*int64:
		return "::bigint[]"
	case [][]byte:
		return "::bytea[]"
	case []string:
		return "::text[]"
	case sql.NullInt64, *int64:
		return "::bigint"
	case sql.NullString:
		return "::text"
	}
	switch t := reflect.TypeOf(v); t.Kind() {
	case reflect.String:
		return "::text"
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "::bigint"
	case reflect.Float32, reflect.Float64:
		return "::double precision"
	}
	return ""
}

// values makes numbers of truth values, as they stand in tables of either engine, and has PostgreSQL given texts that
// it takes: what comes from outside may have octets in it that are no text.
func (d dialect) values(list args) args {
	if d.name != postgresDialect.name {
		return list
	}
	for n, v := range list {
		switch v := v.(type) {
		case nil, int64, int, []byte:
		case bool:
			list[n] = int64(0)
			if v {
				list[n] = int64(1)
			}
		case string:
			if text, cleaned := clean(v); cleaned {
				list[n] = text
			}
		case sql.NullString:
			v.String, _ = clean(v.String)
			list[n] = v
		default:
			if of := reflect.ValueOf(v); of.Kind() == reflect.String {
				if text, cleaned := clean(of.String()); cleaned {
					list[n] = text
				}
			}
		}
	}
	return list
}

// sql is a query in the engine's own words.
func (d dialect) sql(query string, values args) string {
	if d.name != postgresDialect.name {
		return query
	}
	return dollars(inOrder.ReplaceAllString(query, "JOIN $1 ON "), values)
}

// inOrder finds the joins that SQLite must make in the order in which they stand: it takes a CROSS JOIN with a
// condition for that.
var inOrder = regexp.MustCompile(`CROSS JOIN (\w+(?: \w+)?)\s+ON `)

// explainPostgres is [explain] for what PostgreSQL says.
func explainPostgres(err error) error {
	of := func(words error) error { return fmt.Errorf("%w (%w)", words, flat{err}) }
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case e.Code == "53100": // disk_full
			return of(ErrFull)
		case e.Code == "57014": // query_canceled
			return of(ErrCut)
		case e.Code == "55P03", e.Code == "40P01", e.Code == "40001": // no lock in time, deadlock, serialization
			return of(ErrBusy)
		case e.Code == "25006": // read_only_sql_transaction
			return of(ErrStandby)
		case e.Code == "42501": // insufficient_privilege
			return of(ErrReadOnly)
		case e.Code == "3D000": // invalid_catalog_name
			return of(ErrNoDatabase)
		case strings.HasPrefix(e.Code, "28"): // invalid_authorization_specification
			return of(ErrLogin)
		case e.Code == "XX001", e.Code == "XX002": // data_corrupted, index_corrupted
			return of(ErrDamaged)
		case fatal(e), strings.HasPrefix(e.Code, "08"), e.Code == "53300": // shutting down, connection, too many connections
			return of(ErrAway)
		}
		return err
	}
	switch {
	case standby(err):
		return of(ErrStandby)
	case lostConnection(err):
		return of(ErrAway)
	}
	return err
}

// flat is an error that tells of several servers in several lines, each thing once.
type flat struct{ error }

func (e flat) Error() string {
	var told []string
	for line := range strings.Lines(e.error.Error()) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(told, line) {
			told = append(told, line)
		}
	}
	return strings.Join(told, "; ")
}

func (e flat) Unwrap() error { return e.error }

// passing says whether the same transaction, or read, may well succeed a little later, on another connection if need be:
// the server went away, came back as another, is only a standby just now, or had to break a tie.
func passing(err error) bool {
	if errors.Is(err, ErrAway) || errors.Is(err, errNoLane) || standby(err) || stale(err) {
		return true
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && !fatal(e) {
		return e.Code == "40P01" || e.Code == "40001" || e.Code == "53300" || strings.HasPrefix(e.Code, "08")
	}
	return lostConnection(err)
}

// standby says whether the server only takes reads.
func standby(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return errors.Is(err, ErrStandby) || errors.Is(err, pgconn.ErrReadOnlyConnection) || ok && e.Code == "25006"
}

// stale says whether statements that were prepared on a connection are of no more use: a table has changed under
// them, or something between us and the server has forgotten them.
func stale(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "0A000" && strings.Contains(e.Routine, "RevalidateCachedQuery") || e.Code == "26000")
}

// fatal says whether the server ended the connection with e, or does so with what it says next.
func fatal(e *pgconn.PgError) bool {
	refused := strings.HasPrefix(e.Code, "28") || e.Code == "3D000" || e.Code == "42501"
	return !refused && (e.SeverityUnlocalized == "FATAL" || e.SeverityUnlocalized == "PANIC" || strings.HasPrefix(e.Code, "57P") || e.Code == "25P03")
}

// lostConnection says whether err is the connection's own.
func lostConnection(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fatal(e)
	}
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) && !os.IsTimeout(err) {
		return false
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return pgconn.SafeToRetry(err) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, net.ErrClosed)
}
