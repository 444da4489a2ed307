package store_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/subscribers"
)

// TestUpsertReader: the same row twice changes nothing, and no row brings back who left, is barred or was erased.
func TestUpsertReader(t *testing.T) {
	ctx, now := t.Context(), time.Date(2026, 4, 2, 7, 0, 0, 0, time.UTC)
	db := open(t, filepath.Join(t.TempDir(), "b.db"), store.Options{AddressHash: hash})
	by := operators.By{Who: "token crm"}
	put := func(id, address string, more func(r *subscribers.Row)) (*subscribers.Subscriber, string, error) {
		t.Helper()
		row := subscribers.Row{Given: subscribers.FieldConsentSource | subscribers.FieldEditions,
			Settings: subscribers.Settings{Address: address, ConsentSource: "shop", Editions: []string{"morning"}, Hour: -1}}
		if more != nil {
			more(&row)
		}
		return db.UpsertReader(ctx, by, id, row, now)
	}
	want := func(got, wanted string, err error) {
		t.Helper()
		if err != nil || got != wanted {
			t.Fatalf("%q, not %q: %v", got, wanted, err)
		}
	}
	s, came, err := put("7", "Ada@Example.org", nil)
	want(came, store.UpsertNew, err)
	if s.Status != subscribers.Active || s.ExternalID != "7" {
		t.Fatalf("%+v", s)
	}
	_, came, err = put("7", "Ada@Example.org", nil)
	want(came, store.UpsertSame, err)
	s, came, err = put("7", "ada@new.example", nil)
	want(came, store.UpsertChanged, err)
	if s.Address != "ada@new.example" {
		t.Errorf("address %s", s.Address)
	}
	if found, err := db.ReaderByExternalID(ctx, "7"); err != nil || found.ID != s.ID {
		t.Errorf("%v, %v", found, err)
	}
	if _, err := db.ReaderByExternalID(ctx, ""); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	if _, _, err := put("8", "ada@new.example", nil); !errors.Is(err, store.ErrNotHere) {
		t.Errorf("another id for the same address: %v", err)
	}
	if _, _, err := put("9", "no address", nil); err == nil {
		t.Error("a bad address goes in")
	}
	_, came, err = put("10", "bob@example.org", nil)
	want(came, store.UpsertNew, err)
	if _, _, err := put("10", "ADA@new.example", nil); !errors.Is(err, store.ErrTaken) {
		t.Errorf("another's address: %v", err)
	}
	// Who leaves by it stays away, at this address and at another.
	s, came, err = put("10", "bob@example.org", func(r *subscribers.Row) {
		r.Given |= subscribers.FieldStatus
		r.Settings.Status = subscribers.Unsubscribed
	})
	want(came, store.UpsertChanged, err)
	if s.Suppressed == nil || s.Status != subscribers.Unsubscribed {
		t.Fatalf("%+v", s)
	}
	s, _, err = put("10", "bob@example.org", func(r *subscribers.Row) { r.Given |= subscribers.FieldStatus; r.Settings.Status = subscribers.Active })
	if err != nil || s.Status != subscribers.Unsubscribed || s.Suppressed == nil {
		t.Errorf("%+v: %v", s, err)
	}
	if _, _, err := put("10", "bob@elsewhere.example", nil); !errors.Is(err, store.ErrNotHere) {
		t.Errorf("who left comes back by another address: %v", err)
	}
	if err := db.EraseFor(ctx, by, s.ID, now); err != nil {
		t.Fatal(err)
	}
	if _, _, err := put("10", "bob@example.org", nil); !errors.Is(err, store.ErrErased) {
		t.Errorf("who was erased: %v", err)
	}
}

// TestImportsOneAtATime: one that has been silent is unfinished, and the next may begin.
func TestImportsOneAtATime(t *testing.T) {
	ctx, at := t.Context(), time.Date(2026, 4, 2, 7, 0, 0, 0, time.UTC)
	db := open(t, filepath.Join(t.TempDir(), "b.db"), store.Options{AddressHash: hash, Now: func() time.Time { return at }})
	by := operators.By{Who: "ann"}
	if _, err := db.LastImport(ctx); !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	if _, err := db.BeginImport(ctx, by, "a.csv", 10, at); err != nil {
		t.Fatal(err)
	}
	if _, err := db.BeginImport(ctx, by, "b.csv", 10, at); !errors.Is(err, store.ErrImporting) {
		t.Errorf("two at a time: %v", err)
	}
	at = at.Add(time.Minute)
	if r, err := db.LastImport(ctx); err != nil || r.State != store.ImportUnfinished {
		t.Errorf("%+v: %v", r, err)
	}
	if _, err := db.BeginImport(ctx, by, "b.csv", 10, at); err != nil {
		t.Error(err)
	}
}
