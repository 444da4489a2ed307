package store

import (
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

// writerSettings are those of the connection that writes. Its statements find rows by keys, and are prepared once,
// mostly when tables are still small and nobody has counted their rows: a plan must not depend on that.
var writerSettings = map[string]string{
	"plan_cache_mode":  "force_generic_plan",
	"enable_seqscan":   "off",
	"enable_hashjoin":  "off",
	"enable_mergejoin": "off",
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
	writes := cfg.Copy()
	for name, value := range writerSettings {
		if _, given := writes.RuntimeParams[name]; !given {
			writes.RuntimeParams[name] = value
		}
	}
	pool := stdlib.OpenDB(*writes)
	pool.SetMaxOpenConns(2) // the writer's, and one for the schema
	pool.SetMaxIdleConns(1)
	db.writer = newWriter(db, pool)
	reads := cfg.Copy()
	reads.RuntimeParams["default_transaction_read_only"] = "on"
	if _, given := reads.RuntimeParams["enable_seqscan"]; !given {
		reads.RuntimeParams["enable_seqscan"] = "off" // for the same reason
	}
	db.readers = stdlib.OpenDB(*reads)
	db.readers.SetMaxOpenConns(reading)
	db.readers.SetMaxIdleConns(reading)
	if err := db.migrate(ctx, pool); err != nil {
		return err
	}
	if err := db.setClock(ctx); err != nil {
		return err
	}
	return db.begin(ctx)
}

// setClock finds out by how much the database's clock is ahead of this machine's: leases go by the former,
// which is the same for all processes.
func (db *DB) setClock(ctx context.Context) error {
	began := db.started.Add(time.Since(db.started))
	var at int64
	if err := db.read().scan(ctx, `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint`, nil, &at); err != nil {
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
	last, quoted := 0, false
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
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		if n <= len(values) {
			b.WriteString(cast(values[n-1]))
		}
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

// values makes numbers of truth values, as they stand in tables of either engine.
func (d dialect) values(list args) args {
	if d.name != postgresDialect.name {
		return list
	}
	for n, v := range list {
		if is, ok := v.(bool); ok {
			list[n] = int64(0)
			if is {
				list[n] = int64(1)
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
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return fmt.Errorf("%w (%w)", ErrAway, err)
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	switch {
	case e.Code == "53100": // disk_full
		return fmt.Errorf("%w (%w)", ErrFull, err)
	case e.Code == "55P03", e.Code == "57014", e.Code == "40P01", e.Code == "40001": // no lock in time, cancelled, deadlock, serialization
		return fmt.Errorf("%w (%w)", ErrBusy, err)
	case e.Code == "25006": // read_only_sql_transaction
		return fmt.Errorf("%w (%w)", ErrStandby, err)
	case e.Code == "42501": // insufficient_privilege
		return fmt.Errorf("%w (%w)", ErrReadOnly, err)
	case e.Code == "3D000": // invalid_catalog_name
		return fmt.Errorf("%w (%w)", ErrNoDatabase, err)
	case e.Code == "XX001", e.Code == "XX002": // data_corrupted, index_corrupted
		return fmt.Errorf("%w (%w)", ErrDamaged, err)
	case strings.HasPrefix(e.Code, "57P"), strings.HasPrefix(e.Code, "08"), e.Code == "53300": // shutting down, connection, too many connections
		return fmt.Errorf("%w (%w)", ErrAway, err)
	}
	return err
}

// passing says whether the same transaction may well succeed a little later, on another connection if need be:
// the server went away, came back as another, is only a standby just now, or had to break a tie.
func passing(err error) bool {
	if errors.Is(err, ErrAway) || errors.Is(err, ErrStandby) {
		return true
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return lostConnection(err)
	}
	return e.Code == "40P01" || e.Code == "40001" || e.Code == "25006" || e.Code == "25P03" || e.Code == "0A000" || e.Code == "53300" ||
		strings.HasPrefix(e.Code, "57P") || strings.HasPrefix(e.Code, "08")
}

// lostConnection says whether err is the connection's own.
func lostConnection(err error) bool {
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
