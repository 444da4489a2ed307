package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/stories"
)

func TestSQLite(t *testing.T) {
	storetest.AboutSQLite(t, "TestPostgres runs the suite")
	storetest.Run(t, func(t *testing.T) string { return storetest.Fresh(t, filepath.Join(t.TempDir(), "b.db")) })
}

// open opens the database that stands for a path on the engine of this run, or, with a scheme before it, that very one.
func open(t testing.TB, path string, o store.Options) *store.DB {
	t.Helper()
	dsn := path
	if !strings.ContainsAny(path, "?#%") && !strings.Contains(path, "://") && !strings.HasPrefix(path, "sqlite:") && !o.Existing {
		dsn = storetest.Fresh(t, path)
	}
	if 0 < o.BusyTimeout && o.BusyTimeout < time.Second {
		dsn = storetest.Waiting(dsn, o.BusyTimeout)
	}
	db, err := store.Open(t.Context(), dsn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func story(n int) []stories.Story {
	return []stories.Story{{GUID: fmt.Sprint(n), Headline: strings.Repeat("Headline ", 100), Sections: []string{"world"}, Source: "feed"}}
}

func TestFileIsPrivate(t *testing.T) {
	storetest.AboutSQLite(t, "its file's rights")
	path := filepath.Join(t.TempDir(), "odd ?%41#name;.db")
	db := open(t, path, store.Options{})
	if _, err := db.AddStories(t.Context(), story(1), time.Now()); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		for _, name := range []string{path, path + "-wal", path + "-shm"} {
			info, err := os.Stat(name)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Fatalf("%s: %v, %v", name, info, err)
			}
		}
	}
	check()
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if err := os.Chmod(name, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	open(t, "sqlite:"+path, store.Options{})
	check()
}

func TestOpenRefuses(t *testing.T) {
	storetest.AboutSQLite(t, "files that are no database")
	dir := t.TempDir()
	good := filepath.Join(dir, "good.db")
	db := open(t, good, store.Options{})
	for n := range 50 {
		if _, err := db.AddStories(t.Context(), story(n), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string, body []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, body, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	zeros := append(make([]byte, 100), whole[100:]...)
	torn := file("torn.db", nil)
	if err := os.WriteFile(torn+"-wal", whole, 0o600); err != nil {
		t.Fatal(err)
	}
	newer := file("newer.db", whole)
	raw, err := sql.Open("sqlite", newer)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1); INSERT INTO meta (name, value) VALUES ('oldest', '9998')"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, dsn string
		is        error
		says      string
	}{
		{"zero header", file("zero.db", zeros), store.ErrDamaged, "restore a backup"},
		{"truncated", file("cut.db", whole[:len(whole)/2]), store.ErrDamaged, "restore a backup"},
		{"no database", file("text.db", []byte(strings.Repeat("no database\n", 100))), store.ErrDamaged, "restore a backup"},
		{"journal of an emptied file", torn, store.ErrDamaged, "restore a backup"},
		{"newer", newer, store.ErrNewer, "its schema is 9999"},
		{"folder", dir, nil, "is a folder"},
		{"no folder", filepath.Join(dir, "none", "b.db"), os.ErrNotExist, "none"},
		{"postgres", "postgres://nobody@127.0.0.1:1/x", nil, "database server cannot be reached"},
		{"unknown engine", "mysql://localhost/x", nil, "no known kind"},
		{"memory", ":memory:", nil, "names no file"},
	} {
		db, err := store.Open(t.Context(), c.dsn, store.Options{})
		if err == nil {
			db.Close()
		}
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	damaged := []byte(string(whole))
	var root, size int // where the stories begin, whatever else is in the file
	if err := raw.QueryRow("SELECT rootpage, page_size FROM sqlite_schema, pragma_page_size WHERE name = 'stories'").Scan(&root, &size); err != nil {
		t.Fatal(err)
	}
	for n := (root - 1) * size; n < root*size; n++ {
		damaged[n] ^= 0x55
	}
	db = open(t, file("flip.db", damaged), store.Options{})
	if err := db.Check(t.Context()); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("flipped bits: %v", err)
	}
}

func TestManyOpenAtOnce(t *testing.T) {
	dsn := storetest.Unmade(t, filepath.Join(t.TempDir(), "b.db"))
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			db, err := store.Open(t.Context(), dsn, store.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			defer db.Close()
			if _, err := db.AddStories(t.Context(), story(n), time.Now()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestLockedByAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.db")
	db := open(t, path, store.Options{BusyTimeout: 50 * time.Millisecond})
	letGo := storetest.Hold(t, path)
	if _, err := db.AddStories(t.Context(), story(1), time.Now()); !errors.Is(err, store.ErrBusy) {
		t.Fatalf("write while locked: %v", err)
	}
	if _, err := db.Feeds(t.Context()); err != nil {
		t.Fatalf("read while locked: %v", err)
	}
	beside, err := store.Open(t.Context(), storetest.Fresh(t, path), store.Options{BusyTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatalf("open while locked: %v", err)
	}
	beside.Close()
	letGo()
	if _, err := db.AddStories(t.Context(), story(1), time.Now()); err != nil {
		t.Fatal(err)
	}
}

func TestLockSender(t *testing.T) {
	storetest.AboutSQLite(t, "senders of one machine take turns at a lock file")
	path := filepath.Join(t.TempDir(), "b.db")
	one, two := open(t, path, store.Options{}), open(t, path, store.Options{})
	unlock, err := one.LockSender(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.LockSender(t.Context(), false); !errors.Is(err, store.ErrLocked) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := two.LockSender(ctx, true); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	time.AfterFunc(20*time.Millisecond, unlock)
	again, err := two.LockSender(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	again()
}

// TestDiskFull sends into a database that cannot grow, and goes on when it can.
func TestLockSenderThroughLink(t *testing.T) {
	storetest.AboutSQLite(t, "its lock file")
	file := filepath.Join(t.TempDir(), "b.db")
	one := open(t, file, store.Options{})
	link := filepath.Join(t.TempDir(), "other.db")
	if err := os.Symlink(file, link); err != nil {
		t.Skip("make a link: ", err)
	}
	two := open(t, link, store.Options{})
	unlock, err := one.LockSender(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if _, err := two.LockSender(t.Context(), false); !errors.Is(err, store.ErrLocked) {
		t.Errorf("second sender under another name: %v", err)
	}
}

func TestDiskFull(t *testing.T) {
	storetest.AboutSQLite(t, "a file that may not grow")
	ctx, now := t.Context(), time.Now()
	path := filepath.Join(t.TempDir(), "b.db")
	db := open(t, path, store.Options{AddressHash: hash})
	i := fill(t, db, 300, now)
	plan(t, db, &i, now)
	db.Close()

	// send gives every reader a different reply, so that the outcomes need room.
	copies := make(map[int64]int)
	send := func(db *store.DB) error {
		for {
			b, err := db.Lease(ctx, "main", "w", now)
			if err != nil || b == nil {
				return err
			}
			for k := range b.Deliveries {
				d := &b.Deliveries[k]
				if err := storetest.Intend(ctx, db, b, d, "k", now); err != nil {
					return err
				}
				if err := storetest.Hand(ctx, db, b, d, now); err != nil {
					return err
				}
				copies[d.Subscriber]++
				o := mailer.Outcome{State: mailer.Accepted, Charged: true, Copies: d.Copies, Relay: "main",
					Reply: mailer.Reply{Code: 250, Text: strings.Repeat(fmt.Sprintf("reader %d says yes ", d.Subscriber), 20)}}
				if err := storetest.Settle(ctx, db, b, d, o, now); err != nil {
					return err
				}
			}
			if err := db.Release(ctx, b, now); err != nil {
				return err
			}
		}
	}
	full := open(t, path, store.Options{AddressHash: hash, Pragmas: []string{"max_page_count(1)"}}) // as many as there are
	err := send(full)
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("full: %v", err)
	}
	if _, err := full.IssueCounts(ctx, i.ID); err != nil {
		t.Fatalf("read while full: %v", err)
	}
	if err := full.Check(ctx); err != nil {
		t.Fatal(err)
	}
	full.Close()

	db = open(t, path, store.Options{AddressHash: hash})
	if _, err := db.Recover(ctx, now); err != nil {
		t.Fatal(err)
	}
	if err := send(db); err != nil {
		t.Fatal(err)
	}
	counts, err := db.IssueCounts(ctx, i.ID)
	if err != nil || counts["accepted"] != 300 {
		t.Fatal(counts, err)
	}
	extra := 0
	for _, n := range copies {
		extra += n - 1
	}
	if len(copies) != 300 || extra > 1 {
		t.Fatalf("%d readers, %d extra copies", len(copies), extra)
	}
}

// TestWriteGoesOnAfterFull makes room on the handle that met the full disk.
func TestWriteGoesOnAfterFull(t *testing.T) {
	storetest.AboutSQLite(t, "a file that may not grow")
	ctx, now := t.Context(), time.Now()
	path := filepath.Join(t.TempDir(), "b.db")
	open(t, path, store.Options{}).Close()
	db := open(t, path, store.Options{Pragmas: []string{"max_page_count(1)"}})
	var err error
	n := 0
	for ; err == nil && n < 1000; n++ {
		_, err = db.AddStories(ctx, story(n), now)
	}
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("full: %v", err)
	}
	other, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Exec(`DELETE FROM revisions`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.AddStories(ctx, story(n), now); err != nil {
		t.Fatalf("after there is room: %v", err)
	}
}

// TestFragmentsOfAnEarlierIssue drops an issue's digests, as the end of their retention does, and
// opens the next with the very same fragments in memory.
func TestFragmentsOfAnEarlierIssue(t *testing.T) {
	ctx, now := t.Context(), time.Now()
	path := filepath.Join(t.TempDir(), "b.db")
	db := open(t, path, store.Options{AddressHash: hash})
	shared := []*digest.Fragment{{Body: []byte("one\r\n")}, {Body: []byte("two\r\n")}}
	write := func(i digest.Issue, first int) int64 {
		t.Helper()
		d := &digest.Digest{Key: "k", Pieces: []digest.Piece{{Fragment: shared[first]}, {Fragment: shared[1-first]}}}
		_, err := db.WriteChunk(ctx, &i, digest.Audience{}, 10, now, func(c digest.Chunk) (list []digest.Planned, err error) {
			for _, r := range c.Readers() {
				list = append(list, digest.Planned{Subscriber: r.Subscriber, SettingsID: r.SettingsID, Digest: d, State: "queued"})
			}
			return list, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return d.ID
	}
	write(fill(t, db, 3, now), 0)
	if _, err := storetest.Raw(t, path).Exec(`DELETE FROM deliveries; DELETE FROM digests; DELETE FROM fragments`); err != nil {
		t.Fatal(err)
	}
	i, err := db.BeginIssue(ctx, digest.Issue{Edition: "morning", Slot: "2", Zone: "UTC", Due: now, Ends: now.Add(time.Hour)}, now)
	if err != nil {
		t.Fatal(err)
	}
	d, err := db.Digest(ctx, write(i, 1)) // the other way round: a number that is given anew is another fragment's
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []string{"two\r\n", "one\r\n"} {
		id := d.Pieces[n].Fragment.ID
		found, err := db.Fragments(ctx, []int64{id})
		if err != nil || found[id] == nil || string(found[id].Body) != want {
			t.Errorf("piece %d is %v (%v), want %q", n, found[id], err, want)
		}
	}
}

// TestDamagedDigest reads a digest that is not what was written.
func TestDamagedDigest(t *testing.T) {
	ctx, now := t.Context(), time.Now()
	path := filepath.Join(t.TempDir(), "b.db")
	db := open(t, path, store.Options{AddressHash: hash})
	i := fill(t, db, 1, now)
	plan(t, db, &i, now)
	raw := storetest.Raw(t, path)
	var whole []byte
	if err := raw.QueryRow(`SELECT body FROM digests`).Scan(&whole); err != nil {
		t.Fatal(err)
	}
	write := func(body string) {
		t.Helper()
		if _, err := raw.Exec(`UPDATE digests SET body = ?1`, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	for body, says := range map[string]string{string(whole[:len(whole)-1]): "ends too early", string(whole) + "\x00": "too many",
		"\x03": "form 3 is unknown", "": "ends too early", "\x01\xff\xff\x7f": "things in"} {
		write(body)
		if _, err := db.Digest(ctx, 1); !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "load digest 1") {
			t.Errorf("%q: %v", body, err)
		}
		if err := db.Digests(ctx, []int64{1}, func(_ int64, p digest.Packed) error { return digest.Unpack(p.Body, &digest.Digest{}) }); !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "digest 1") {
			t.Errorf("%q among many: %v", body, err)
		}
	}
	write(string(whole))
	if _, err := db.Digest(ctx, 1); err != nil {
		t.Error(err)
	}
}
