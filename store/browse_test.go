package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"broadsheet/mailer"
	"broadsheet/store"
)

// TestBrowse finds deliveries by what is asked for, in pages and in stretches, each once.
func TestBrowse(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 6,000 readers: not with -short")
	}
	ctx, now := t.Context(), time.Now()
	db := open(t, filepath.Join(t.TempDir(), "b.db"), store.Options{AddressHash: hash})
	i := fill(t, db, 6000, now)
	plan(t, db, &i, now)
	never, always := func() bool { return false }, func() bool { return true }
	all := func(b store.Browse, limit int, enough func() bool) (n, pages int) {
		t.Helper()
		b.Issue = i.ID
		seen := map[int64]bool{}
		for {
			list, next, err := db.BrowseDeliveries(ctx, b, limit, enough)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range list {
				if seen[d.Subscriber] {
					t.Fatalf("subscriber %d is listed twice", d.Subscriber)
				}
				seen[d.Subscriber] = true
			}
			n, pages = n+len(list), pages+1
			if len(list) > limit || next != 0 && next <= b.After {
				t.Fatalf("%d rows of %d, next %d after %d", len(list), limit, next, b.After)
			}
			if b.After = next; next == 0 {
				return n, pages
			}
		}
	}
	for _, c := range []struct {
		name     string
		b        store.Browse
		limit    int
		enough   func() bool
		n, pages int
	}{
		{"all", store.Browse{}, 2000, never, 6000, 3},
		{"all, a stretch at a time", store.Browse{}, 5000, always, 6000, 3},
		{"none, a stretch at a time", store.Browse{State: mailer.Failed}, 50, always, 0, 3},
		{"state", store.Browse{State: mailer.Queued}, 6000, never, 6000, 1},
		{"address", store.Browse{Address: "5999@EXAMPLE"}, 50, never, 1, 1},
		{"domain", store.Browse{Domain: "Example.org"}, 6000, never, 6000, 1},
		{"other domain", store.Browse{Domain: "ample.org"}, 50, never, 0, 1},
		{"relay", store.Browse{Relay: "main"}, 6000, never, 6000, 1},
		{"reply", store.Browse{Reply: "4"}, 50, never, 0, 1},
		{"words", store.Browse{Reply: "mailbox full"}, 50, never, 0, 1},
	} {
		if n, pages := all(c.b, c.limit, c.enough); n != c.n || pages != c.pages {
			t.Errorf("%s: %d rows on %d pages, want %d on %d", c.name, n, pages, c.n, c.pages)
		}
	}
	rows := 0
	for after := int64(0); ; {
		list, next, err := db.PlotRows(ctx, &i, after)
		if err != nil {
			t.Fatal(err)
		}
		if rows += len(list); next == 0 {
			break
		}
		after = next
	}
	if rows != 6000 {
		t.Errorf("%d rows for plots", rows)
	}
	places, err := db.FollowersByPlace(ctx, "morning")
	if err != nil || len(places) != 1 || places[0].Readers != 6000 {
		t.Errorf("%v, %v", places, err)
	}
	if left, err := db.ToGo(ctx, i.ID); err != nil || left["main"] != 6000 {
		t.Errorf("%v, %v", left, err)
	}
	if running, err := db.RunningIssues(ctx); err != nil || len(running) != 1 {
		t.Errorf("%v, %v", running, err)
	}
}
