package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/store/storetest"
)

// sendSome sends n of what is due, each message by itself.
func sendSome(t *testing.T, db *store.DB, n int, now time.Time) (sent []int64) {
	t.Helper()
	for {
		b, err := db.Lease(t.Context(), "main", "w", now)
		if err != nil {
			t.Fatal(err)
		}
		if b == nil {
			return sent
		}
		for k := range b.Deliveries {
			d := &b.Deliveries[k]
			if len(sent) == n {
				if err := db.Release(t.Context(), b, now); err != nil {
					t.Fatal(err)
				}
				return sent
			}
			if err := errors.Join(storetest.Intend(t.Context(), db, b, d, "k", now), storetest.Hand(t.Context(), db, b, d, now)); err != nil {
				t.Fatal(err)
			}
			sent = append(sent, d.Subscriber)
			if err := storetest.Settle(t.Context(), db, b, d, taken250(d), now); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Release(t.Context(), b, now); err != nil {
			t.Fatal(err)
		}
	}
}

func journals(t *testing.T, path string) (names []string) {
	t.Helper()
	names, err := filepath.Glob(path + ".handed-*")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// restart opens the database of a sender that is gone and recovers.
func restart(t *testing.T, path string, now time.Time) *store.DB {
	t.Helper()
	db := open(t, path, store.Options{AddressHash: hash})
	if _, err := db.Recover(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	return db
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestPutBack takes a backup in the middle of an issue, before it or before any, sends on and
// puts the backup back: what has left since does not go again.
func TestPutBack(t *testing.T) {
	storetest.AboutSQLite(t, "its journals")
	const readers = 30
	for _, c := range []struct {
		name           string
		opened         bool // the issue is in the backup
		before, behind int  // mails sent before the backup and behind it
	}{
		{"in the middle", true, 10, 12}, {"all behind", true, 0, readers}, {"one mail", true, 10, 1}, {"nothing behind", true, 10, 0},
		{"before the issue", false, 0, 12},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, now := t.Context(), time.Now()
			path := filepath.Join(t.TempDir(), "b.db")
			issue := digest.Issue{Edition: "morning", Slot: "1", Zone: "UTC", Due: now, Ends: now.Add(6 * time.Hour)}
			db := open(t, path, store.Options{AddressHash: hash})
			if fill(t, db, readers, now); c.opened {
				plan(t, db, begin(t, db, issue, now), now)
			}
			first := sendSome(t, db, c.before, now)
			db.Close()
			copyFile(t, path, path+".backup")

			db = restart(t, path, now)
			if !c.opened {
				plan(t, db, begin(t, db, issue, now), now)
			}
			behind := sendSome(t, db, c.behind, now)
			db.Close()
			if n := len(journals(t, path)); c.before+c.behind > 0 && n == 0 {
				t.Fatal("no journal")
			}
			copyFile(t, path+".backup", path)

			db = restart(t, path, now)
			db.Close()
			db = restart(t, path, now) // once more changes nothing
			i := begin(t, db, issue, now)
			if !c.opened {
				plan(t, db, i, now)
			}
			rest := sendSome(t, db, -1, now)
			copies := make(map[int64]int)
			for _, id := range append(append(first, behind...), rest...) {
				if copies[id]++; copies[id] > 1 {
					t.Errorf("reader %d got two copies", id)
				}
			}
			counts, err := db.IssueCounts(ctx, i.ID)
			if err != nil || len(copies) != readers || counts["uncertain"] != c.behind || counts["accepted"] != readers-c.behind {
				t.Fatalf("%d readers got mail, %v, %v", len(copies), counts, err)
			}
			for _, id := range behind {
				d, err := db.Delivery(ctx, store.DeliveryID(i.SlotID, id))
				if err != nil || d.Reason != "handed before the database was put back" || d.Copies != 1 {
					t.Fatalf("%+v, %v", d, err)
				}
			}
		})
	}
}

func begin(t *testing.T, db *store.DB, i digest.Issue, now time.Time) *digest.Issue {
	t.Helper()
	i, err := db.BeginIssue(t.Context(), i, now)
	if err != nil {
		t.Fatal(err)
	}
	return &i
}

// TestCrashBehindTheJournal has a sender die when the journal is synced and the database is not
// committed: nothing of that group has left, so it goes, and once.
func TestCrashBehindTheJournal(t *testing.T) {
	storetest.AboutSQLite(t, "its journals")
	now := time.Now()
	path := filepath.Join(t.TempDir(), "b.db")
	db := open(t, path, store.Options{AddressHash: hash})
	i := fill(t, db, 5, now)
	plan(t, db, &i, now)
	first := sendSome(t, db, 1, now)
	b, err := db.Lease(t.Context(), "main", "w", now)
	if err != nil {
		t.Fatal(err)
	}
	d := &b.Deliveries[0]
	if err := storetest.Intend(t.Context(), db, b, d, "k", now); err != nil {
		t.Fatal(err)
	}
	db.Close()
	copyFile(t, path, path+".backup")
	db = open(t, path, store.Options{AddressHash: hash})
	again, err := db.Recover(t.Context(), now)
	if err != nil || again != 1 {
		t.Fatal(again, err)
	}
	sendSome(t, db, 1, now)
	db.Close()
	files := journals(t, path)
	last := files[len(files)-1]
	body, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, path+".backup", path)
	group := bytes.TrimSuffix(body, []byte("c\n")) // the transaction did not come to its end
	for _, c := range []struct {
		name string
		body []byte
	}{{"whole", group}, {"torn", group[:len(group)-3]}, {"zeros", append(bytes.Clone(group[:len(group)-3]), 0, 0, 0)}, {"head alone", group[:40]}, {"empty", nil}} {
		copyFile(t, path+".backup", path)
		if err := os.WriteFile(last, c.body, 0o600); err != nil {
			t.Fatal(err)
		}
		db = restart(t, path, now)
		rest := sendSome(t, db, -1, now)
		counts, err := db.IssueCounts(t.Context(), i.ID)
		if err != nil || len(first)+len(rest) != 5 || counts["accepted"] != 5 {
			t.Fatalf("%s: sent %v and %v, %v, %v", c.name, first, rest, counts, err)
		}
		db.Close()
		for _, name := range journals(t, path) {
			if name > last {
				if err := os.Remove(name); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func TestJournalFiles(t *testing.T) {
	storetest.AboutSQLite(t, "its journals")
	now := time.Now()
	path := filepath.Join(t.TempDir(), "b [1].db")
	db := open(t, path, store.Options{AddressHash: hash})
	i := fill(t, db, 3, now)
	plan(t, db, &i, now)
	b, err := db.Lease(t.Context(), "main", "w", now)
	if err != nil {
		t.Fatal(err)
	}
	if err := storetest.Intend(t.Context(), db, b, &b.Deliveries[0], "k", now); err != nil {
		t.Fatal(err)
	}
	list := func() (names []string) {
		t.Helper()
		files, err := os.ReadDir(filepath.Dir(path))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.Contains(f.Name(), ".handed-") {
				names = append(names, filepath.Join(filepath.Dir(path), f.Name()))
			}
		}
		return names
	}
	if n := len(list()); n != 0 {
		t.Fatalf("%d journals before anything was handed", n)
	}
	if err := storetest.Hand(t.Context(), db, b, &b.Deliveries[0], now); err != nil {
		t.Fatal(err)
	}
	if err := db.Release(t.Context(), b, now); err != nil {
		t.Fatal(err)
	}
	files := list()
	if len(files) != 1 {
		t.Fatalf("journals %v", files)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info.Mode(), err)
	}
	db.Close()
	// Another database's journal says nothing here.
	foreign := path + ".handed-20200101T000000.000000-1"
	body, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(foreign, bytes.Replace(body, []byte("handed 1 "), []byte("handed 1 f"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	restart(t, path, now).Close()
	if n := len(list()); n != 2 {
		t.Fatalf("%d journals", n)
	}
	old := time.Now().Add(-31 * 24 * time.Hour)
	for _, name := range list() {
		if err := os.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
	}
	restart(t, path, now).Close()
	if files := list(); len(files) != 0 {
		t.Fatalf("old journals stay: %v", files)
	}
	db = restart(t, path, now)
	if counts, err := db.IssueCounts(t.Context(), i.ID); err != nil || counts["uncertain"] != 0 {
		t.Fatal(counts, err)
	}
}

// TestJournalFull has no room for the journal: nothing is handed, and sending goes on when there is.
func TestJournalFull(t *testing.T) {
	storetest.AboutSQLite(t, "its journals")
	ctx, now := t.Context(), time.Now()
	path := filepath.Join(t.TempDir(), "b.db")
	db := open(t, path, store.Options{AddressHash: hash})
	i := fill(t, db, 3, now)
	plan(t, db, &i, now)
	b, err := db.Lease(ctx, "main", "w", now)
	if err != nil {
		t.Fatal(err)
	}
	d, other := &b.Deliveries[0], &b.Deliveries[1]
	if err := errors.Join(storetest.Intend(ctx, db, b, d, "k", now), storetest.Hand(ctx, db, b, d, now), storetest.Intend(ctx, db, b, other, "k", now)); err != nil {
		t.Fatal(err)
	}
	restore, err := db.FullJournal()
	if err != nil {
		t.Skip("open a full device: ", err)
	}
	before := *other
	if err := storetest.Hand(ctx, db, b, other, now); !errors.Is(err, store.ErrFull) {
		t.Fatalf("handed without a journal: %v", err)
	}
	if row, err := db.Delivery(ctx, store.DeliveryID(other.Slot, other.Subscriber)); err != nil || row.State != mailer.Sending || *other != before {
		t.Fatalf("%+v, %+v, %v", row, other, err)
	}
	if err := storetest.Settle(ctx, db, b, d, taken250(d), now); err != nil { // what a relay said needs no journal
		t.Fatal(err)
	}
	restore()
	if err := errors.Join(storetest.Hand(ctx, db, b, other, now), storetest.Settle(ctx, db, b, other, taken250(other), now), db.Release(ctx, b, now)); err != nil {
		t.Fatal(err)
	}
	if sent := sendSome(t, db, -1, now); len(sent) != 1 {
		t.Fatal(sent)
	}
	db.Close()
	db = restart(t, path, now)
	if counts, err := db.IssueCounts(ctx, i.ID); err != nil || fmt.Sprint(counts) != "map[accepted:3]" {
		t.Fatal(counts, err)
	}
}
