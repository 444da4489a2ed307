package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"broadsheet/store"
)

// postgres is the URL of a PostgreSQL server where databases may be made and dropped; "" = there is none.
func postgres() string { return os.Getenv("BROADSHEET_POSTGRES") }

// OnPostgres says whether the environment has all tests run on PostgreSQL: BROADSHEET_ENGINE=postgres, with the
// URL of a server in BROADSHEET_POSTGRES.
func OnPostgres() bool { return os.Getenv("BROADSHEET_ENGINE") == "postgres" }

// AboutSQLite skips a test on PostgreSQL that is about what only SQLite has: a file, with its lock, its journals and
// its marks beside it. What says so in a few words.
func AboutSQLite(t testing.TB, what string) {
	t.Helper()
	if OnPostgres() {
		t.Skip("about SQLite: " + what)
	}
}

// AboutBoth skips a test on PostgreSQL that is about the way from one engine to the other: it takes it without
// BROADSHEET_ENGINE.
func AboutBoth(t testing.TB) {
	t.Helper()
	if OnPostgres() {
		t.Skip("about both engines: it runs without BROADSHEET_ENGINE, with BROADSHEET_POSTGRES")
	}
}

// Waiting is dsn with a limit for how long a write waits for another process; SQLite has it from the options alone.
func Waiting(dsn string, limit time.Duration) string {
	u, err := url.Parse(dsn)
	if !OnPostgres() || err != nil {
		return dsn
	}
	q := u.Query()
	q.Set("lock_timeout", strconv.FormatInt(limit.Milliseconds(), 10))
	u.RawQuery = q.Encode()
	return u.String()
}

// Hold keeps all others from writing until let go.
func Hold(t testing.TB, path string) (letGo func()) {
	t.Helper()
	conn, err := Raw(t, path).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lock := `BEGIN IMMEDIATE`
	if OnPostgres() {
		lock = `BEGIN; SELECT id FROM workers ORDER BY id FOR UPDATE`
	}
	if _, err := conn.ExecContext(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if _, err := conn.ExecContext(t.Context(), `ROLLBACK`); err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
}

// Main runs a package's tests and drops what they shared on PostgreSQL. A TestMain calls it.
func Main(m *testing.M) {
	code := m.Run()
	if err := dropTemplate(); err != nil {
		fmt.Fprintln(os.Stderr, "drop template:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// Databases are named bs_HOURS_…, where HOURS is when they were made, in hours since 1970.
func newName() string {
	return fmt.Sprintf("bs_%d_%s", time.Now().Unix()/3600, strings.ToLower(rand.Text()[:16]))
}

var shared struct {
	sync.Mutex
	template string            // a database in which nothing is; "" = not made yet
	urls     map[string]string // by path, see known
}

// known is the URL that stands for path in this test.
func known(t testing.TB, path string, fresh func() string) string {
	t.Helper()
	if strings.HasPrefix(path, "postgres://") {
		return path
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	shared.Lock()
	dsn := shared.urls[path]
	shared.Unlock()
	if dsn != "" {
		return dsn
	}
	dsn = fresh()
	shared.Lock()
	defer shared.Unlock()
	if shared.urls == nil {
		shared.urls = make(map[string]string)
	}
	shared.urls[path] = dsn
	t.Cleanup(func() {
		shared.Lock()
		defer shared.Unlock()
		delete(shared.urls, path)
	})
	return dsn
}

// empties makes the template, once for all tests of a process.
func empties() (string, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.template != "" {
		return shared.template, nil
	}
	ctx := context.Background()
	if err := sweep(ctx); err != nil {
		return "", err
	}
	name := newName()
	if err := admin(ctx, `CREATE DATABASE `+name); err != nil {
		return "", err
	}
	shared.template = name
	db, err := store.Open(ctx, named(name), store.Options{})
	if err != nil {
		return "", err
	}
	return name, db.Close()
}

func dropTemplate() error {
	shared.Lock()
	defer shared.Unlock()
	if shared.template == "" {
		return nil
	}
	return admin(context.Background(), `DROP DATABASE IF EXISTS `+shared.template+` WITH (FORCE)`)
}

// sweep drops what tests left that were killed long ago.
func sweep(ctx context.Context) error {
	db, err := sql.Open("pgx", postgres())
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, `SELECT datname FROM pg_database WHERE datname ~ '^bs_[0-9]+_' AND split_part(datname, '_', 2)::bigint < extract(epoch FROM now()) / 3600 - 24`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var old []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		old = append(old, name)
	}
	for _, name := range old {
		if err := admin(ctx, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`); err != nil {
			return err
		}
	}
	return rows.Err()
}

// named is the URL of a database on the server.
func named(name string) string {
	u, err := url.Parse(postgres())
	if err != nil {
		panic(err) // store.Open would say so too, of another URL
	}
	u.Path = "/" + name
	return u.String()
}

func admin(ctx context.Context, query string) error {
	db, err := sql.Open("pgx", postgres())
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, query)
	return err
}

// create makes a database that lives as long as the test; template "" = without tables.
func create(t testing.TB, template string) (dsn string) {
	t.Helper()
	if template != "" {
		template = ` TEMPLATE ` + template
	}
	name := newName()
	if err := admin(t.Context(), `CREATE DATABASE `+name+template); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := admin(ctx, `DROP DATABASE `+name+` WITH (FORCE)`); err != nil {
			t.Error(err)
		}
	})
	return named(name)
}

// FreshPostgres makes an empty PostgreSQL database that lives as long as the test, and says how to open it. Without
// BROADSHEET_POSTGRES, the URL of a server where databases may be made, the test skips.
func FreshPostgres(t testing.TB) (dsn string) {
	t.Helper()
	switch {
	case postgres() == "" && OnPostgres():
		t.Fatal("BROADSHEET_ENGINE=postgres wants BROADSHEET_POSTGRES too: the URL of a server where databases may be made")
	case postgres() == "":
		t.Skip("no BROADSHEET_POSTGRES: the URL of a PostgreSQL server where databases may be made")
	}
	template, err := empties()
	if err != nil {
		t.Fatal(err)
	}
	dsn = create(t, template)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	// A name of its own, and nobody's yet.
	_, err = db.ExecContext(t.Context(), `UPDATE meta SET value = replace(gen_random_uuid()::text, '-', '') WHERE name = 'database'`)
	if _, more := db.ExecContext(t.Context(), `DELETE FROM adoptions`); err != nil || more != nil {
		t.Fatal(errors.Join(err, more))
	}
	return dsn
}
