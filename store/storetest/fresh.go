package storetest

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"broadsheet/store"
)

// empty is an SQLite file of a database in which nothing is, made once: to bring one through all
// migrations costs more than most tests.
var empty = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "broadsheet-empty")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "b.db")
	db, err := store.Open(context.Background(), path, store.Options{})
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// Fresh makes an empty database and says how to open it. It is like one that [store.Open] makes: another in no
// other test. On SQLite it lies at path, if there is no file yet. On PostgreSQL (see [OnPostgres]) it has a name of
// its own, by which the same path is known until the test ends; what is a URL already stays as it is.
func Fresh(t testing.TB, path string) (dsn string) {
	t.Helper()
	if OnPostgres() {
		return known(t, path, func() string { return FreshPostgres(t) })
	}
	if _, err := os.Stat(path); err == nil {
		return path
	}
	b, err := empty()
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(OFF)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	// A name of its own, and nobody's yet: it is a copy, which else would not mail.
	if _, err := db.ExecContext(t.Context(), `UPDATE meta SET value = lower(hex(randomblob(16))) WHERE name = 'database'; DELETE FROM adoptions`); err != nil {
		t.Fatal(err)
	}
	return path
}

// Unmade is [Fresh] for a database that [store.Open] is still to fill: no file, or a PostgreSQL database without tables.
func Unmade(t testing.TB, path string) (dsn string) {
	t.Helper()
	if !OnPostgres() {
		return path
	}
	return known(t, path, func() string { return create(t, "") })
}

// At is what stands for the file at a path, of which it need not be known whether it is there: the path itself, or the
// URL of a PostgreSQL database.
func At(t testing.TB, path string) (dsn string) {
	t.Helper()
	if !OnPostgres() {
		return path
	}
	return Fresh(t, path)
}
