package store_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/store/storetest"
)

// TestBooksOfOld: a database from before there were counters gets them from its deliveries.
func TestBooksOfOld(t *testing.T) {
	storetest.AboutSQLite(t, "a step of its schema")
	ctx, now := t.Context(), time.Now()
	path := filepath.Join(t.TempDir(), "b.db")
	db := open(t, path, store.Options{AddressHash: hash})
	i := fill(t, db, 5, now)
	plan(t, db, &i, now)
	b, err := db.Lease(ctx, "main", "w", now)
	if err != nil {
		t.Fatal(err)
	}
	for k, o := range []mailer.Outcome{{State: mailer.Accepted, Charged: true, Relay: "main", Copies: 1, Reply: mailer.Reply{Code: 250}},
		{State: mailer.Deferred, Charged: true, Relay: "main", Due: now.Add(time.Hour), Reply: mailer.Reply{Code: 450}}} {
		d := &b.Deliveries[k]
		if err := errors.Join(storetest.Intend(ctx, db, b, d, "k", now), storetest.Hand(ctx, db, b, d, now), storetest.Settle(ctx, db, b, d, o, now)); err != nil {
			t.Fatal(err)
		}
	}
	before, audience, err := db.Books(ctx, i.ID)
	if err != nil || len(before) != 3 || audience != 5 {
		t.Fatal(before, err)
	}
	db.Close()
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	migration, err := os.ReadFile("migrations/sqlite/00009_books.sql")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := raw.Exec(`DROP TABLE issue_states; DROP TABLE issue_minutes; ` + string(migration)); err != nil {
		t.Fatal(err)
	}
	db = open(t, path, store.Options{AddressHash: hash})
	if err := db.CheckBooks(ctx, i.ID); err != nil {
		t.Error(err)
	}
	after, _, err := db.Books(ctx, i.ID)
	if err != nil || len(after) != 3 || after[0] != before[0] || after[1] != before[1] || after[2] != before[2] {
		t.Errorf("%v, %v; before: %v", after, err, before)
	}
}

// TestWrongBooks: a counter that is wrong is found.
func TestWrongBooks(t *testing.T) {
	ctx, now := t.Context(), time.Now()
	path := filepath.Join(t.TempDir(), "b.db")
	db := open(t, path, store.Options{AddressHash: hash})
	i := fill(t, db, 5, now)
	plan(t, db, &i, now)
	if err := db.CheckBooks(ctx, i.ID); err != nil {
		t.Error(err)
	}
	if _, err := storetest.Raw(t, path).Exec(`UPDATE issue_states SET n = n + 1 WHERE state = 'queued'`); err != nil {
		t.Fatal(err)
	}
	if err := db.CheckBooks(ctx, i.ID); !errors.Is(err, store.ErrBooks) {
		t.Errorf("a wrong counter is not found: %v", err)
	}
}
