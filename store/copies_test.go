package store_test

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"strings"
	"testing"

	"broadsheet/store"
	"broadsheet/store/storetest"
)

// TestPostgresCopy makes a second database of the first, which may not mail.
func TestPostgresCopy(t *testing.T) {
	dsn := storetest.FreshPostgres(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	differs := func(dsn string) []string {
		t.Helper()
		db, err := store.Open(t.Context(), dsn, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		s, err := db.Standing(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s.Differs("", nil)
	}
	if why := differs(dsn); len(why) > 0 {
		t.Fatalf("a new database is held: %q", why)
	}
	server, err := sql.Open("pgx", os.Getenv("BROADSHEET_POSTGRES"))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	name := strings.TrimPrefix(u.Path, "/")
	if _, err := server.ExecContext(t.Context(), `CREATE DATABASE `+name+`_copy TEMPLATE `+name); err != nil {
		t.Fatal(err)
	}
	defer server.ExecContext(context.Background(), `DROP DATABASE `+name+`_copy WITH (FORCE)`)
	u.Path += "_copy"
	if why := differs(u.String()); len(why) != 1 || !strings.Contains(why[0], "this is a copy") {
		t.Errorf("a copy is held because of %q", why)
	}
	if why := differs(dsn); len(why) > 0 {
		t.Errorf("the first is held once there is a copy: %q", why)
	}
}
