package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/store/storetest"
)

// aMove is one with the tests' key.
func aMove(from, to string) store.Move {
	return store.Move{From: from, To: to, AddressHash: hash, Fingerprint: "tests", By: operators.By{Who: "ada", Why: "a larger house"}}
}

// houses says how to make empty databases of all engines that there are.
func houses(t *testing.T) map[string]func(t *testing.T) string {
	all := map[string]func(t *testing.T) string{"sqlite": func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "new.db") }}
	if os.Getenv("BROADSHEET_POSTGRES") != "" {
		all["postgres"] = func(t *testing.T) string { return storetest.FreshPostgres(t) }
	} else {
		t.Log("no BROADSHEET_POSTGRES: databases move between SQLite files alone")
	}
	return all
}

// sums are what a database holds, without what a move itself writes.
func sums(t *testing.T, dsn string) map[string]string {
	t.Helper()
	db := open(t, dsn, store.Options{AddressHash: hash})
	defer db.Close()
	all, err := db.Sums(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"adoptions", "audit", "journals"} {
		delete(all, name)
	}
	return all
}

// TestSameSchema holds the tables and columns of both engines against each other, so that every one of them is carried.
func TestSameSchema(t *testing.T) {
	storetest.AboutBoth(t)
	want := sums(t, filepath.Join(t.TempDir(), "b.db"))
	if len(want) < 60 {
		t.Fatalf("only %d tables", len(want))
	}
	for _, name := range store.Uncarried() {
		if want[name] != "" {
			t.Errorf("%s is carried", name)
		}
	}
	for name, make := range houses(t) {
		if got := sums(t, make(t)); !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
			t.Errorf("%s has tables %v\nand not %v", name, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
	}
}

// TestMove moves a database that has rows in every table there and back again.
func TestMove(t *testing.T) {
	storetest.AboutBoth(t)
	for name, make := range houses(t) {
		t.Run(name, func(t *testing.T) {
			from := filepath.Join(t.TempDir(), "b.db")
			db := open(t, from, store.Options{AddressHash: hash})
			if err := db.FillAll(t.Context(), 120); err != nil {
				t.Fatal(err)
			}
			db.Close()
			to, back := make(t), filepath.Join(t.TempDir(), "back.db")
			var steps []store.MoveStep
			m := aMove(from, to).Together(50)
			m.Progress = func(s store.MoveStep) { steps = append(steps, s) }
			report, err := m.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := sums(t, from)
			for table, sum := range want {
				if strings.HasPrefix(sum, "0 ") {
					t.Errorf("%s is empty: the test moves nothing of it", table)
				}
			}
			if got := sums(t, to); !maps.Equal(got, want) {
				t.Errorf("moved:\n%v\nwant:\n%v", got, want)
			}
			if last := steps[len(steps)-1]; !last.Checking || last.Rows != last.Of || last.Of != report.Rows {
				t.Errorf("ended at %+v, moved %d rows", last, report.Rows)
			}
			db = open(t, to, store.Options{AddressHash: hash})
			if why := differsFrom(t, db); why != "" {
				t.Error(why)
			}
			db.Close()
			if _, err := aMove(to, back).Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := sums(t, back); !maps.Equal(got, want) {
				t.Errorf("back:\n%v\nwant:\n%v", got, want)
			}
			if report, err := aMove(to, back).Run(t.Context()); err != nil || !report.Before {
				t.Errorf("once more: %+v, %v", report, err)
			}
			// Where it was, nothing can be done any more.
			for _, old := range []string{from, to} {
				db := open(t, old, store.Options{AddressHash: hash})
				gone, err := db.Moved(t.Context())
				if err != nil || gone == nil || !gone.Done {
					t.Errorf("%s: %+v, %v", old, gone, err)
				}
				if why := differsFrom(t, db); !strings.Contains(why, "it moved to") {
					t.Errorf("%q", why)
				}
				db.Close()
				if _, err := aMove(old, filepath.Join(t.TempDir(), "other.db")).Run(t.Context()); !errors.Is(err, store.ErrMoved) {
					t.Errorf("moved once more: %v", err)
				}
			}
		})
	}
}

// differsFrom is why a database may not mail.
func differsFrom(t *testing.T, db *store.DB) string {
	t.Helper()
	s, err := db.Standing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(s.Differs(s.Adopted.PublicURL, s.Adopted.Accounts), "\n")
}

// TestInterruptedMove ends a move after each of its transactions, again and again.
func TestInterruptedMove(t *testing.T) {
	storetest.AboutBoth(t)
	for name, make := range houses(t) {
		t.Run(name, func(t *testing.T) {
			from := filepath.Join(t.TempDir(), "b.db")
			db := open(t, from, store.Options{AddressHash: hash})
			if err := db.FillAll(t.Context(), 40); err != nil {
				t.Fatal(err)
			}
			db.Close()
			to := make(t)
			var report store.MoveReport
			for n := 0; ; n++ {
				ctx, stop := context.WithCancel(t.Context())
				m, seen := aMove(from, to).Together(15), 0
				m.Progress = func(s store.MoveStep) {
					if seen++; seen > 3+6*n { // it gets further each time
						stop()
					}
				}
				var err error
				report, err = m.Run(ctx)
				stop()
				if err == nil {
					break
				}
				if !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				gone := movedOf(t, to)
				if gone == nil || !gone.Into {
					t.Fatalf("target is %+v", gone)
				}
				if gone := movedOf(t, from); gone == nil || gone.Done {
					t.Fatalf("source is %+v", gone)
				}
			}
			if !report.WentOn {
				t.Error("it began anew")
			}
			if got, want := sums(t, to), sums(t, from); !maps.Equal(got, want) {
				t.Errorf("moved:\n%v\nwant:\n%v", got, want)
			}
		})
	}
}

func movedOf(t *testing.T, dsn string) *store.Moved {
	t.Helper()
	db := open(t, dsn, store.Options{AddressHash: hash})
	defer db.Close()
	gone, err := db.Moved(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return gone
}

// TestMoveRefused: what is asked of a move and cannot be is said in a line, and changes nothing.
func TestMoveRefused(t *testing.T) {
	storetest.AboutBoth(t)
	for name, make := range houses(t) {
		t.Run(name, func(t *testing.T) {
			from := filepath.Join(t.TempDir(), "b.db")
			db := open(t, from, store.Options{AddressHash: hash})
			fill(t, db, 3, time.Now())
			refused := func(to string, want error) {
				t.Helper()
				if _, err := aMove(from, to).Run(t.Context()); !errors.Is(err, want) {
					t.Errorf("%v, want %v", err, want)
				}
				if gone := movedOf(t, from); gone != nil {
					t.Errorf("the source is marked: %v", gone)
				}
			}
			unlock, err := db.LockSender(t.Context(), false)
			if err != nil {
				t.Fatal(err)
			}
			refused(make(t), store.ErrLocked)
			unlock()
			refused(from, store.ErrSameDatabase)
			full := make(t)
			other := open(t, full, store.Options{AddressHash: hash})
			fill(t, other, 1, time.Now())
			other.Close()
			refused(full, store.ErrNotEmpty)
			db.Close()
			carried := filepath.Join(t.TempDir(), "copy.db")
			copyFile(t, from, carried)
			if _, err := aMove(carried, make(t)).Run(t.Context()); !errors.Is(err, store.ErrNotAdopted) {
				t.Errorf("a copy: %v", err)
			}
		})
	}
}

// TestMoveInUse: a PostgreSQL database is not moved away under processes that have it open, or while a lease lasts.
func TestMoveInUse(t *testing.T) {
	storetest.AboutBoth(t)
	from := storetest.FreshPostgres(t)
	db, now := open(t, from, store.Options{AddressHash: hash}), time.Now()
	i := fill(t, db, 30, now)
	plan(t, db, &i, now)
	to := filepath.Join(t.TempDir(), "new.db")
	if _, err := aMove(from, to).Run(t.Context()); !errors.Is(err, store.ErrInUse) {
		t.Errorf("with another process: %v", err)
	}
	b, err := db.Lease(t.Context(), "main", "w", now)
	if err != nil || b == nil {
		t.Fatal(b, err)
	}
	db.Close()
	if _, err := aMove(from, to).Run(t.Context()); !errors.Is(err, store.ErrInUse) {
		t.Errorf("with a lease: %v", err)
	}
	if gone := movedOf(t, from); gone != nil {
		t.Errorf("the source is marked: %v", gone)
	}
}

// TestShut: a process that slept through the move of its database writes nothing into it any more, until somebody
// adopts it.
func TestShut(t *testing.T) {
	storetest.AboutBoth(t)
	from, to := storetest.FreshPostgres(t), filepath.Join(t.TempDir(), "new.db")
	asleep := open(t, from+"?application_name=asleep", store.Options{AddressHash: hash})
	if _, err := aMove(from, to).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := asleep.AddStories(t.Context(), story(1), time.Now()); !errors.Is(err, store.ErrMoved) {
		t.Errorf("it wrote: %v", err)
	}
	adopt(t, asleep, "ada")
	if _, err := asleep.AddStories(t.Context(), story(1), time.Now()); err != nil {
		t.Error(err)
	}
	if gone := movedOf(t, from); gone != nil {
		t.Errorf("adopted, and %v", gone)
	}
}

// TestMoveOddTexts: what PostgreSQL does not take in a text is replaced and counted, also in keys.
func TestMoveOddTexts(t *testing.T) {
	storetest.AboutBoth(t)
	for name, make := range houses(t) {
		t.Run(name, func(t *testing.T) {
			from := filepath.Join(t.TempDir(), "b.db")
			open(t, from, store.Options{AddressHash: hash}).Close()
			raw, err := sql.Open("sqlite", "file:"+from)
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			if _, err := raw.Exec(`INSERT INTO wordings (body) VALUES ('plain'), ('nul ' || char(0) || ' in it'), (CAST(x'6cff6c' AS TEXT)), (x'62'), ('');
				INSERT INTO section_followers VALUES (CAST(x'fe41' AS TEXT), 1), (CAST(x'fe42' AS TEXT), 2), (CAST(x'fe43' AS TEXT), 3);
				INSERT INTO fragments (hash, body) VALUES (x'00ff', x'')`); err != nil {
				t.Fatal(err)
			}
			to := make(t)
			report, err := aMove(from, to).Together(1).Run(t.Context())
			if err != nil || report.Cleaned != 5 {
				t.Fatalf("%d cleaned, %v", report.Cleaned, err)
			}
			db := open(t, to, store.Options{AddressHash: hash})
			list, err := db.Texts(t.Context(), `SELECT body FROM wordings UNION ALL SELECT section FROM section_followers`)
			slices.Sort(list)
			if want := []string{"", "b", "l\uFFFDl", "nul \uFFFD in it", "plain", "\uFFFDA", "\uFFFDB", "\uFFFDC"}; err != nil || !slices.Equal(list, want) {
				t.Errorf("%q, %v", list, err)
			}
		})
	}
}

// TestMovedAndChanged: what a program that knows nothing of moves writes into the source in the middle of one is
// found at the end, and the next run begins anew.
func TestMovedAndChanged(t *testing.T) {
	storetest.AboutBoth(t)
	for name, make := range houses(t) {
		t.Run(name, func(t *testing.T) {
			from, to := filepath.Join(t.TempDir(), "b.db"), make(t)
			db := open(t, from, store.Options{AddressHash: hash})
			if err := db.FillAll(t.Context(), 20); err != nil {
				t.Fatal(err)
			}
			db.Close()
			ctx, stop := context.WithCancel(t.Context())
			m := aMove(from, to)
			m.Progress = func(s store.MoveStep) {
				if s.Table == "webhooks" {
					stop()
				}
			}
			if _, err := m.Run(ctx); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			raw, err := sql.Open("sqlite", "file:"+from)
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			if _, err := raw.Exec(`UPDATE settings SET name = 'Another' WHERE id = 3`); err != nil {
				t.Fatal(err)
			}
			if _, err := aMove(from, to).Run(t.Context()); !errors.Is(err, store.ErrDiffers) || !strings.Contains(err.Error(), "table settings has 20 rows") {
				t.Fatal(err)
			}
			if _, err := aMove(from, to).Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, want := sums(t, to), sums(t, from); !maps.Equal(got, want) {
				t.Errorf("moved:\n%v\nwant:\n%v", got, want)
			}
		})
	}
}

// TestKilledMove kills a moving process with -9 again and again.
func TestKilledMove(t *testing.T) {
	storetest.AboutBoth(t)
	if places := os.Getenv("BROADSHEET_TEST_MOVE"); places != "" {
		from, to, _ := strings.Cut(places, "\n")
		m := aMove(from, to).Together(40)
		m.Progress = func(s store.MoveStep) { fmt.Println(s.Rows) }
		if _, err := m.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		return
	}
	for name, make := range houses(t) {
		t.Run(name, func(t *testing.T) {
			from, to := filepath.Join(t.TempDir(), "b.db"), make(t)
			db := open(t, from, store.Options{AddressHash: hash})
			if err := db.FillAll(t.Context(), 300); err != nil {
				t.Fatal(err)
			}
			db.Close()
			kills := 0
			for lines := 5; ; lines += 15 {
				child := exec.Command(os.Args[0], "-test.run=^TestKilledMove$", "-test.v")
				child.Env = append(os.Environ(), "BROADSHEET_TEST_MOVE="+from+"\n"+to)
				out, err := child.StdoutPipe()
				if err == nil {
					err = child.Start()
				}
				if err != nil {
					t.Fatal(err)
				}
				s := bufio.NewScanner(out)
				var said []string
				for s.Scan() {
					if said = append(said, s.Text()); len(said) == lines {
						_ = child.Process.Kill()
						kills++
					}
				}
				if err := child.Wait(); err == nil {
					break
				} else if len(said) < lines {
					t.Fatalf("%v\n%s", err, strings.Join(said, "\n"))
				}
			}
			if got, want := sums(t, to), sums(t, from); !maps.Equal(got, want) || kills < 3 {
				t.Errorf("after %d kills:\n%v\nwant:\n%v", kills, got, want)
			}
		})
	}
}
