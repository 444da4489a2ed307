package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"broadsheet/subscribers"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Options are what a database needs from the program around it. The zero value works for
// everything that neither reads nor writes suppressions.
type Options struct {
	// AddressHash is the keyed hash of a folded address by which suppressions are found.
	AddressHash func(folded string) subscribers.Hash
	// Now is the machine's clock, for leases and real_at; time.Now if nil, and then a step of that clock
	// does not end leases.
	Now func() time.Time
	// BusyTimeout is how long a write waits for another process; 10 s if 0.
	BusyTimeout time.Duration
	// Existing has a database that is not there refused ([ErrNoDatabase]) instead of made.
	Existing bool
	// Pragmas are further SQLite settings of the write connection, as "max_page_count(100)".
	Pragmas []string

	name       string // that PostgreSQL calls connections by; "" = broadsheet
	migrations fs.FS  // of the engine; nil = the program's own
}

// DB is the database. All methods may be called from many goroutines and return errors that
// say what was tried.
type DB struct {
	opts    Options
	dialect dialect
	path    string          // of SQLite's file; "" on PostgreSQL
	place   string          // for people
	config  *pgx.ConnConfig // of PostgreSQL
	ahead   atomic.Int64    // of this machine's clock, by so many nanoseconds, is the database's
	writer  *writer
	readers *sql.DB
	stmts   sync.Map                  // SQL text → *sql.Stmt, on readers
	cut     atomic.Pointer[time.Time] // since when reads find no server; nil = they do

	zones  sync.Map                                  // name → *time.Location
	onlyTo atomic.Pointer[func(address string) bool] // whom mail may go to; nil = all
	traced atomic.Pointer[map[string]bool]           // relays whose names of mails are kept; nil = none

	fragments fragmentIDs
	told      digestStories

	run     string    // names this run of the program
	started time.Time // for the clock of leases
	ledger  ledger

	unscrubbed atomic.Bool // an erased reader may still stand in the WAL
	tray       *tray
}

// reading is how many connections read beside the one that writes.
const reading = 4

// Open opens the database and brings its schema up to date. dsn is a path, sqlite:PATH or
// file:PATH; a file that is not there is made, readable by its owner alone. Or it is the
// postgres:// URL of a PostgreSQL database, which must be there.
func Open(ctx context.Context, dsn string, opts Options) (*DB, error) {
	if opts.BusyTimeout == 0 {
		opts.BusyTimeout = 10 * time.Second
	}
	if isPostgres(dsn) {
		return openPostgres(ctx, dsn, opts)
	}
	path, err := sqlitePath(dsn)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); opts.Existing && errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w at %s", ErrNoDatabase, path)
	}
	if err := prepareFile(path); err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	db := newDB(opts, sqliteDialect)
	db.path, db.place = path, path
	if err := db.connect(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("open database %s: %w", path, explain(err))
	}
	return db, nil
}

func newDB(opts Options, d dialect) *DB {
	return &DB{opts: opts, dialect: d, told: digestStories{of: make(map[int64][]int64)}, started: time.Now(), run: newRun(), tray: newTray()}
}

// Close waits for the transaction under way and closes all connections.
func (db *DB) Close() error {
	var errs []error
	if db.writer != nil {
		errs = append(errs, db.leaveLane())
	}
	if db.readers != nil {
		errs = append(errs, db.readers.Close())
	}
	if db.writer != nil {
		errs = append(errs, db.writer.close(), db.ledger.journal.close())
	}
	return errors.Join(errs...)
}

// real is the machine's clock.
func (db *DB) real() time.Time {
	if db.opts.Now != nil {
		return db.opts.Now()
	}
	return time.Now()
}

// leaseClock is the clock for leases: the machine's, or that of the server that several machines
// share. It does not jump when somebody sets the machine's clock.
func (db *DB) leaseClock() time.Time {
	if db.opts.Now != nil {
		return db.opts.Now()
	}
	return db.started.Add(time.Since(db.started) + time.Duration(db.ahead.Load())) // by the monotonic reading
}

// Path is the database's file; "" if it is a PostgreSQL database.
func (db *DB) Path() string { return db.path }

// Place says where the database is, without any password.
func (db *DB) Place() string { return db.place }

func sqlitePath(dsn string) (string, error) {
	scheme, rest, ok := strings.Cut(dsn, ":")
	switch {
	case ok && (scheme == "sqlite" || scheme == "file"):
		dsn = rest
		if host, abs := strings.CutPrefix(dsn, "//"); abs {
			dsn = host
		}
	case ok && strings.HasPrefix(rest, "//"):
		return "", fmt.Errorf("open database: %s:// is no known kind of database: give the path of a SQLite file or a postgres:// URL", scheme)
	}
	if dsn == "" || dsn == ":memory:" {
		return "", fmt.Errorf("open database: %q names no file: give the path of a SQLite file", dsn)
	}
	path, err := filepath.Abs(dsn)
	if err != nil {
		return "", err
	}
	// A link leads to the file whose lock and journal lie beside it: two names must not give two senders.
	if file, err := filepath.EvalSymlinks(path); err == nil {
		path = file
	}
	return path, nil
}

// prepareFile makes the file or takes the rights of others away from it: it holds addresses.
func prepareFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return err
		case info.IsDir():
			return errors.New("it is a folder: give the path of a file")
		case name == path && info.Size() == 0:
			if wal, err := os.Stat(path + "-wal"); err == nil && wal.Size() > 0 {
				return fmt.Errorf("%w: the file is empty but has a journal beside it: restore a backup", ErrDamaged)
			}
		}
		if info.Mode().Perm()&0o077 != 0 {
			if err := os.Chmod(name, info.Mode().Perm()&0o700); err != nil {
				return fmt.Errorf("others may read %s and that cannot be mended (run chmod 600 on it as its owner): %w", name, err)
			}
		}
	}
	return nil
}

// source names the file and its settings in the driver's own form.
func (db *DB) source(query string, pragmas ...string) string {
	v := url.Values{}
	for _, p := range append([]string{
		fmt.Sprintf("busy_timeout(%d)", db.opts.BusyTimeout.Milliseconds()),
		"foreign_keys(1)", "temp_store(MEMORY)"}, pragmas...) {
		v.Add("_pragma", p)
	}
	return "file:" + (&url.URL{Path: db.path}).EscapedPath() + "?" + v.Encode() + query
}

func (db *DB) connect(ctx context.Context) error {
	// FULL: a power cut must not forget that a mail went out. The checkpoint is rare because a
	// ledger that grows in key order writes its pages once. What is deleted is written over, for
	// whoever is erased is to be nowhere in the file.
	pool, err := sql.Open("sqlite", db.source("&_txlock=immediate", append([]string{
		"journal_mode(WAL)", "synchronous(FULL)", "secure_delete(1)", "wal_autocheckpoint(10000)"}, db.opts.Pragmas...)...))
	if err != nil {
		return err
	}
	pool.SetMaxOpenConns(1) // a pool of writers starves or fails; one takes them all in turn
	db.writer = newWriter(db, pool)
	if err := db.migrate(ctx, pool); err != nil {
		return err
	}
	if db.readers, err = sql.Open("sqlite", db.source("", "query_only(1)")); err != nil {
		return err
	}
	db.readers.SetMaxOpenConns(reading)
	db.readers.SetMaxIdleConns(reading)
	return db.begin(ctx)
}

// Check reads the whole file and reports damage as [ErrDamaged]. It takes about a second for
// every gigabyte. PostgreSQL looks after its files by itself (data_checksums, amcheck).
func (db *DB) Check(ctx context.Context) error {
	if db.path == "" {
		return nil
	}
	var found string
	if err := db.readers.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&found); err != nil {
		return fmt.Errorf("check database: %w", explain(err))
	}
	if found != "ok" {
		return fmt.Errorf("check database: %w: %s", ErrDamaged, found)
	}
	return nil
}

func us(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromUS(v int64) time.Time {
	if v == 0 {
		return time.Time{}
	}
	return time.UnixMicro(v).UTC()
}

// Size is how many octets the database takes on its disk.
func (db *DB) Size() (size int64, err error) {
	if db.path == "" {
		if err := db.read().scan(context.Background(), `SELECT pg_database_size(current_database())`, nil, &size); err != nil {
			return 0, fmt.Errorf("measure database: %w", err)
		}
		return size, nil
	}
	for _, name := range []string{db.path, db.path + "-wal"} {
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) && name != db.path {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("measure database: %w", err)
		}
		size += info.Size()
	}
	return size, nil
}
