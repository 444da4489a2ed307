package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/stories"
)

// TestWithdrawnStaysWithdrawn: a backup from before two withdrawals is put back, one of a story that it has, with
// mails that show it, and one of a story that came later. Nothing is leased, and no feed brings either back.
func TestWithdrawnStaysWithdrawn(t *testing.T) {
	storetest.AboutSQLite(t, "a file is put back")
	ctx, now := t.Context(), time.Now()
	path := filepath.Join(t.TempDir(), "b.db")
	db := open(t, path, store.Options{AddressHash: hash})
	i := fill(t, db, 5, now)
	plan(t, db, &i, now)
	db.Close()
	copyFile(t, path, path+".backup")

	db = restart(t, path, now)
	late := []stories.Story{{GUID: "late", Headline: "Late", Lead: "Late.", Sections: []string{"world"}, Source: "desk", Published: now}}
	if _, err := db.AddStories(ctx, late, now); err != nil {
		t.Fatal(err)
	}
	for id := range int64(2) {
		if news, err := db.WithdrawStory(ctx, operators.By{Who: "ada", Why: "wrong"}, id+1, now); err != nil || !news {
			t.Fatal(news, err)
		}
	}
	db.Close()

	copyFile(t, path+".backup", path)
	db = restart(t, path, now)
	defer db.Close()
	if b, err := db.Lease(ctx, "main", "w", now); b != nil || err != nil {
		t.Errorf("mails with a withdrawn story are leased: %v, %v", b, err)
	}
	back, err := db.PutBacks(ctx, 1)
	if err != nil || len(back) != 1 || back[0].Withdrawn != 2 {
		t.Errorf("%+v, %v", back, err)
	}
	for _, batch := range [][]stories.Story{late, story(1)} {
		if added, err := db.AddStories(ctx, batch, now); err != nil || added.Known != 1 || added.New != 0 {
			t.Errorf("a withdrawn story comes back: %+v, %v", added, err)
		}
	}
	if _, err := db.Recover(ctx, now); err != nil {
		t.Fatal(err)
	}
	if back, err := db.PutBacks(ctx, 5); err != nil || len(back) != 1 {
		t.Errorf("told twice: %+v, %v", back, err)
	}
}
