package store_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/subscribers"
)

const ownURL = "https://lantern.example"

var ownAccounts = []string{"smtp.lantern.example:465 as lantern"}

// differs is why a database may not mail with the accounts that it used so far.
func differs(t *testing.T, db *store.DB) string {
	t.Helper()
	s, err := db.Standing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(s.Differs(ownURL, ownAccounts), "\n")
}

func adopt(t *testing.T, db *store.DB, who string) {
	t.Helper()
	if err := db.Adopt(t.Context(), operators.By{Who: who}, ownURL, ownAccounts, "", time.Now()); err != nil {
		t.Fatal(err)
	}
}

func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// TestCopies tells copies of a database from the one that mails: what a copy changes is noticed, and what
// happens to a database in its life is not.
func TestCopies(t *testing.T) {
	storetest.AboutSQLite(t, "copies of files")
	dir := filepath.Join(t.TempDir(), "a")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "b.db")
	db := open(t, path, store.Options{AddressHash: hash})
	fill(t, db, 3, time.Now())
	adopt(t, db, "")
	if _, err := db.LeaveAll(t.Context(), 1, "reader", "", time.Now()); err != nil {
		t.Fatal(err)
	}
	if why := differs(t, db); why != "" {
		t.Fatal(why)
	}
	db.Close()
	reopen := func(path string) *store.DB { return open(t, path, store.Options{AddressHash: hash}) }
	db = reopen(path)
	if why := differs(t, db); why != "" {
		t.Fatal("opened again:", why)
	}
	db.Close()

	moved := filepath.Join(filepath.Dir(dir), "moved")
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	db = reopen(filepath.Join(moved, "b.db"))
	if why := differs(t, db); why != "" {
		t.Fatal("moved:", why)
	}
	db.Close()

	for _, c := range []struct {
		name string
		do   func(to string)
		want string
	}{
		{"a folder copied", func(to string) { copyDir(t, moved, to) }, "this is a copy"},
		{"the database alone", func(to string) {
			if err := os.Mkdir(to, 0o700); err != nil {
				t.Fatal(err)
			}
			copyFile(t, filepath.Join(moved, "b.db"), filepath.Join(to, "b.db"))
		}, "is not there"},
		{"without its journals", func(to string) {
			copyDir(t, moved, to)
			for _, name := range journals(t, filepath.Join(to, "b.db")) {
				if err := os.Remove(name); err != nil {
					t.Fatal(err)
				}
			}
		}, "1 of its journals are gone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := filepath.Join(t.TempDir(), "copy")
			c.do(to)
			db := open(t, filepath.Join(to, "b.db"), store.Options{AddressHash: hash})
			if _, err := db.Recover(t.Context(), time.Now()); err != nil {
				t.Fatal(err)
			}
			if why := differs(t, db); !strings.Contains(why, c.want) {
				t.Fatalf("%q, want %q", why, c.want)
			}
			adopt(t, db, "ada")
			if why := differs(t, db); why != "" {
				t.Fatal("adopted:", why)
			}
			n := 0
			for e, err := range db.Audit(t.Context(), store.AuditFilter{}) {
				if n++; err != nil || e.By.Who != "ada" || e.Act != "adopt" {
					t.Error(e, err)
				}
			}
			if n != 1 {
				t.Errorf("%d lines in the audit log", n)
			}
		})
	}
	db = reopen(filepath.Join(moved, "b.db"))
	if why := differs(t, db); why != "" {
		t.Fatal("the first one, after its copies were adopted:", why)
	}
	s, err := db.Standing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if why := s.Differs("https://staging.example", ownAccounts); len(why) != 1 || !strings.Contains(why[0], "public_url") {
		t.Error(why)
	}
	if why := s.Differs(ownURL, []string{"smtp.lantern.example:465 as other"}); len(why) != 1 || !strings.Contains(why[0], "relay account") {
		t.Error(why)
	}
	if why := s.Differs(ownURL, nil); len(why) != 0 { // an account that is used no more is no danger
		t.Error(why)
	}
}

// TestPutBackBehindItsJournals: an older database in its own place is the same one as long as all journals
// since are there; one that is gone, or was dropped since, is noticed.
func TestPutBackBehindItsJournals(t *testing.T) {
	g := newGone(t, 4)
	adopt(t, g.DB, "")
	g.must(g.Close())
	copyFile(t, g.path, g.backup)
	g.reopen()
	g.leaveAll(1)
	g.putBack()
	if why := differs(t, g.DB); why != "" {
		t.Fatal(why)
	}
	list, err := g.PutBacks(t.Context(), 10)
	if err != nil || len(list) != 1 || list[0].Gone != 1 {
		t.Fatal(list, err)
	}
	g.must(g.Close())
	for _, name := range journals(t, g.path) {
		g.must(os.Remove(name))
	}
	copyFile(t, g.backup, g.path)
	g.reopen()
	if why := differs(t, g.DB); !strings.Contains(why, "journals are gone") {
		t.Fatalf("%q", why)
	}
	adopt(t, g.DB, "ada")
	if why := differs(t, g.DB); why != "" {
		t.Fatal(why)
	}

	// Dropped since, for its time was up.
	g.must(g.Close())
	copyFile(t, g.path, g.backup)
	g.reopen()
	g.leaveAll(2)
	g.must(g.Close())
	old := time.Now().Add(-100 * 24 * time.Hour)
	for _, name := range journals(t, g.path) {
		g.must(os.Chtimes(name, old, old))
	}
	g.now = time.Now()
	g.reopen()
	if n := len(journals(t, g.path)); n != 0 {
		t.Fatalf("%d journals stay", n)
	}
	if why := differs(t, g.DB); why != "" {
		t.Fatal(why)
	}
	g.putBack()
	if why := differs(t, g.DB); !strings.Contains(why, "journals are gone") {
		t.Fatalf("%q", why)
	}
}

// TestSaidAgain: what operators and imports wrote down since a backup holds after it was put back: leaves,
// suppressions and their end, pauses.
func TestSaidAgain(t *testing.T) {
	g := newGone(t, 8)
	set := func(id int64, do func(s *subscribers.Settings)) {
		t.Helper()
		g.now = g.now.Add(time.Second)
		r, err := g.SubscriberByID(t.Context(), id)
		g.must(err)
		s := r.Clone()
		do(&s)
		_, err = g.ChangeSettings(t.Context(), id, s, "operator", g.now)
		g.must(err)
	}
	bar := func(id int64, reason string) string {
		t.Helper()
		g.now = g.now.Add(time.Second)
		r, err := g.SubscriberByID(t.Context(), id)
		g.must(err)
		_, err = g.Suppress(t.Context(), subscribers.Suppression{Address: r.Address, Reason: reason}, g.now)
		g.must(err)
		return r.Address
	}
	set(1, func(s *subscribers.Settings) { s.Editions = nil })
	set(2, func(s *subscribers.Settings) { s.Status = subscribers.Unsubscribed })
	set(3, func(s *subscribers.Settings) { s.Status = subscribers.Paused })
	set(4, func(s *subscribers.Settings) { s.Status = subscribers.Paused })
	set(4, func(s *subscribers.Settings) { s.Status = subscribers.Active })
	bar(5, "operator")
	address := bar(6, "operator")
	g.now = g.now.Add(time.Second)
	if _, err := g.LiftSuppression(t.Context(), address, subscribers.ByOperator, "a mistake", g.now); err != nil {
		t.Fatal(err)
	}
	bar(7, "hard-bounce")
	want := g.books()
	g.putBack()
	got := g.books()
	for id, part := range map[int]string{1: "0@example.org active []", 2: "1@example.org unsubscribed", 3: "2@example.org paused",
		4: "3@example.org active [morning]", 5: "4@example.org active [morning] operator", 6: "5@example.org active [morning]\n",
		7: "6@example.org active [morning] hard-bounce"} {
		if !strings.Contains(got, part) {
			t.Errorf("reader %d:\n%s\nwant:\n%s", id, got, want)
		}
	}
	list, err := g.PutBacks(t.Context(), 1)
	if err != nil || len(list) != 1 || list[0].Gone != 2 || list[0].Barred != 3 || list[0].Paused != 1 || list[0].Lifted != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestFirstStartWithoutJournals: a database of a time before there was an instance file, carried elsewhere without
// its journals, waits for a person; with them it goes on by itself.
func TestFirstStartWithoutJournals(t *testing.T) {
	g := newGone(t, 2)
	g.leaveAll(1)
	g.must(g.Close())
	raw, err := sql.Open("sqlite", g.path)
	g.must(err)
	_, err = raw.Exec(`DELETE FROM adoptions`)
	g.must(errors.Join(err, raw.Close(), os.Remove(g.path+".instance")))
	dir := t.TempDir()
	copyFile(t, g.path, filepath.Join(dir, "b.db"))
	carried := open(t, filepath.Join(dir, "b.db"), store.Options{AddressHash: hash})
	if why := differs(t, carried); !strings.Contains(why, "journals are gone") {
		t.Errorf("carried without journals: %q", why)
	}
	adopt(t, carried, "ada")
	if why := differs(t, carried); why != "" {
		t.Error("adopted:", why)
	}
	g.reopen()
	if why := differs(t, g.DB); why != "" {
		t.Error("with its journals:", why)
	}
}

// TestSameNumber: a copy that got the same number in another file system is told by when it was made.
func TestSameNumber(t *testing.T) {
	g := newGone(t, 1)
	b, err := os.ReadFile(g.path + ".instance")
	g.must(err)
	is := regexp.MustCompile(`"born":"[0-9.]+"`)
	if !is.Match(b) {
		t.Skip("this file system does not say when files were made")
	}
	f, err := os.OpenFile(g.path+".instance", os.O_WRONLY|os.O_TRUNC, 0) // the file stays, and so does its number
	g.must(err)
	_, err = f.Write(is.ReplaceAll(b, []byte(`"born":"1.0"`)))
	g.must(errors.Join(err, f.Close()))
	if why := differs(t, g.DB); !strings.Contains(why, "this is a copy") {
		t.Errorf("%q", why)
	}
}
