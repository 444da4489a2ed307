package store

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/pressly/goose/v3"

	"broadsheet/subscribers"
)

// TestUpgrade opens databases as they were made by each schema there was, with a reader and a delivery in
// them: they are read as before, and become the ones that mail, once.
func TestUpgrade(t *testing.T) {
	if os.Getenv("BROADSHEET_ENGINE") == "postgres" { // as storetest has it
		t.Skip("about SQLite: the steps of its schema, of which PostgreSQL has few")
	}
	newest, err := sqliteDialect.newestSchema()
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Sub(migrations, sqliteDialect.migrations)
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil || len(names) < 6 {
		t.Fatal(names, err)
	}
	ctx := t.Context()
	for _, name := range names {
		var version int64
		if _, err := fmt.Sscanf(name, "%05d_", &version); err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "b.db")
			pool, err := sql.Open("sqlite", "file:"+path)
			if err != nil {
				t.Fatal(err)
			}
			p, err := goose.NewProvider(sqliteDialect.goose, pool, files, goose.WithDisableGlobalRegistry(true))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.UpTo(ctx, 1); err != nil {
				t.Fatal(err)
			}
			for _, query := range []string{
				`INSERT INTO editions VALUES (1, 'morning')`,
				`INSERT INTO subscribers (id, address, settings, created) VALUES (7, 'ada@reader.example', 3, 1)`,
				`INSERT INTO settings VALUES (3, 7, 'ada@reader.example', '', '', 'active', 'world', 'morning', -1, 0, '', '', 'html', 'form', 1, 1, 1, 'command')`,
				`INSERT INTO followers (edition, subscriber, active, zone, hour, days, last_slot) VALUES (1, 7, 1, '', -1, 0, 1)`,
				`INSERT INTO slots VALUES (1, 1, '2026-01-13', 1000)`,
				`INSERT INTO issues VALUES (1, 1, 1, 'UTC', -1, '2026-01-13 07:00', 1, 2, 1000, 1, 5, 'open', 7, 1, 0, 0, '')`,
				`INSERT INTO deliveries (slot, subscriber, issue, settings, state, reason, window_start, window_end, at) VALUES (1, 7, 1, 3, 'accepted', '', 0, 5, 1)`,
			} {
				if _, err := pool.ExecContext(ctx, query); err != nil {
					t.Fatalf("%s: %v", query, err)
				}
			}
			if _, err := p.UpTo(ctx, version); err != nil {
				t.Fatal(err)
			}
			if err := pool.Close(); err != nil {
				t.Fatal(err)
			}
			looks(t, path)
			looks(t, path) // opened again it is the same
		})
	}
	if newest != int64(mustVersion(names[len(names)-1])) {
		t.Errorf("the newest schema is said to be %d", newest)
	}
}

func mustVersion(name string) (v int) {
	_, _ = fmt.Sscanf(name, "%05d_", &v)
	return v
}

// looks opens a database of TestUpgrade and reads what is in it.
func looks(t *testing.T, path string) {
	t.Helper()
	db, err := Open(context.Background(), path, Options{AddressHash: func(string) (h subscribers.Hash) { return h }})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := db.Sound(t.Context(), false); err != nil {
		t.Error(err)
	}
	s, err := db.Subscriber(t.Context(), "ada@reader.example")
	if err != nil || s.ID != 7 || s.Status != subscribers.Active {
		t.Errorf("%+v, %v", s, err)
	}
	if counts, err := db.IssueCounts(t.Context(), 1); err != nil || counts["accepted"] != 1 {
		t.Errorf("%v, %v", counts, err)
	}
	list, err := db.Adoptions(t.Context())
	if err != nil || len(list) != 1 || list[0].By.Who != "first start" {
		t.Errorf("%+v, %v", list, err)
	}
	stands, err := db.Standing(t.Context())
	if why := stands.Differs("https://lantern.example", []string{"relay"}); err != nil || len(why) > 0 {
		t.Error(why, err)
	}
}
