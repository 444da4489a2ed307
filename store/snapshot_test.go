package store_test

import (
	"errors"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/subscribers"
)

// TestServerBackup backs a PostgreSQL database up, and puts the copy into another one and into a file.
func TestServerBackup(t *testing.T) {
	from, now := storetest.FreshPostgres(t), time.Now()
	db := open(t, from, store.Options{AddressHash: hash})
	if err := db.CheckKey(t.Context(), "tests"); err != nil {
		t.Fatal(err)
	}
	if err := db.FillAll(t.Context(), 60); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	file := filepath.Join(folder, "b.db")
	want := sums(t, from)
	b, err := db.Backup(t.Context(), operators.By{Who: "ada"}, file, now)
	if err != nil || b.Readers != 60 || b.Deliveries != 60 || b.Journals != 0 {
		t.Fatalf("%+v, %v", b, err)
	}
	if list, err := db.Backups(t.Context(), 1); err != nil || len(list) != 1 || list[0].Path != file {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := db.Backup(t.Context(), operators.By{Who: "ada"}, file, now); !errors.Is(err, store.ErrExists) {
		t.Errorf("over it: %v", err)
	}
	if gone, err := db.PruneBackups(t.Context(), folder, 1); err != nil || len(gone) != 0 {
		t.Errorf("pruned %v, %v", gone, err)
	}

	to := storetest.FreshPostgres(t)
	m := store.Move{AddressHash: hash, Fingerprint: "tests", By: operators.By{Who: "ada"}}
	done, back, err := store.RestoreServer(t.Context(), to, file, m)
	if err != nil || back != nil || done.Readers != 60 || !strings.Contains(done.Path, " at ") {
		t.Fatalf("%+v, %+v, %v", done, back, err)
	}
	got := sums(t, to)
	if !maps.Equal(got, want) {
		t.Errorf("restored:\n%v\nwant:\n%v", got, want)
	}
	other := open(t, to, store.Options{AddressHash: hash})
	if why := differsFrom(t, other); !strings.Contains(why, "put back from "+file) {
		t.Errorf("%q", why)
	}
	adopt(t, other, "ada")
	if why := differsFrom(t, other); why != "" {
		t.Error(why)
	}
	other.Close()
	if _, _, err := store.RestoreServer(t.Context(), to, file, m); !errors.Is(err, store.ErrNotEmpty) {
		t.Errorf("into a full one: %v", err)
	}
	m.Fingerprint = "another"
	if _, _, err := store.RestoreServer(t.Context(), storetest.FreshPostgres(t), file, m); !errors.Is(err, store.ErrKey) {
		t.Errorf("with another key: %v", err)
	}

	here := filepath.Join(t.TempDir(), "here.db")
	_, unlock, err := store.Restore(t.Context(), here, file, "tests", now)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	here = "sqlite:" + here
	if got := sums(t, here); !maps.Equal(got, want) {
		t.Errorf("restored into a file:\n%v\nwant:\n%v", got, want)
	}
	held := open(t, here, store.Options{AddressHash: hash})
	if why := differsFrom(t, held); why == "" {
		t.Error("a copy may mail")
	}
}

// TestJournalsIntoServer: who left after a backup of a file was made has left too where that is put into a server.
func TestJournalsIntoServer(t *testing.T) {
	to := storetest.FreshPostgres(t)
	g := newGone(t, 4)
	b, err := g.Backup(t.Context(), operators.By{Who: "ada"}, filepath.Join(t.TempDir(), "b.db"), time.Now())
	g.must(err)
	g.leaveAll(1)
	g.must(g.Close())
	for _, name := range journals(t, g.path) {
		copyFile(t, name, filepath.Join(filepath.Dir(b.Path), filepath.Base(name)))
	}
	_, back, err := store.RestoreServer(t.Context(), to, b.Path, store.Move{AddressHash: hash, By: operators.By{Who: "ada"}})
	if err != nil || back == nil || back.Gone != 1 {
		t.Fatalf("%+v, %v", back, err)
	}
	db := open(t, to, store.Options{AddressHash: hash})
	if s, err := db.SubscriberByID(t.Context(), 1); err != nil || s.Status != subscribers.Unsubscribed {
		t.Errorf("%+v, %v", s, err)
	}
}
