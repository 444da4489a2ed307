package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"broadsheet/store"
)

// postgres is the URL of a PostgreSQL server where databases may be made and dropped; "" = there is none.
func postgres() string { return os.Getenv("BROADSHEET_POSTGRES") }

// template is the name of a PostgreSQL database in which nothing is, made once: see empty.
var template = sync.OnceValues(func() (string, error) {
	name := "bs_empty_" + strings.ToLower(rand.Text()[:10])
	err := admin(context.Background(), `CREATE DATABASE `+name)
	if err != nil {
		return "", err
	}
	db, err := store.Open(context.Background(), named(name), store.Options{})
	if err != nil {
		return "", err
	}
	return name, db.Close()
})

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

// FreshPostgres makes an empty PostgreSQL database that lives as long as the test, and says how to open it. Without
// BROADSHEET_POSTGRES, the URL of a server where databases may be made, the test skips.
func FreshPostgres(t testing.TB) (dsn string) {
	t.Helper()
	if postgres() == "" {
		t.Skip("no BROADSHEET_POSTGRES: the URL of a PostgreSQL server where databases may be made")
	}
	from, err := template()
	if err != nil {
		t.Fatal(err)
	}
	name := "bs_" + strings.ToLower(rand.Text()[:16])
	if err := admin(t.Context(), `CREATE DATABASE `+name+` TEMPLATE `+from); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := admin(ctx, `DROP DATABASE `+name+` WITH (FORCE)`); err != nil {
			t.Error(err)
		}
	})
	db, err := sql.Open("pgx", named(name))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	// A name of its own, and nobody's yet.
	_, err = db.ExecContext(t.Context(), `UPDATE meta SET value = replace(gen_random_uuid()::text, '-', '') WHERE name = 'database'`)
	if _, more := db.ExecContext(t.Context(), `DELETE FROM adoptions`); err != nil || more != nil {
		t.Fatal(errors.Join(err, more))
	}
	return named(name)
}
