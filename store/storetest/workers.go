package storetest

import (
	"slices"
	"testing"
	"time"

	"broadsheet/store"
)

// Workers are listed while they are at work, and one that was forgotten comes back with its next sign of life.
func testWorkers(t *testing.T, w *world) {
	me := store.Worker{Name: "one:1", Host: "one", PID: 1, Version: "v9", Roles: []string{"send", "web"}}
	if err := w.db.Enlist(t.Context(), me); err != nil {
		t.Fatal(err)
	}
	other := w.open()
	if err := other.Enlist(t.Context(), store.Worker{Name: "two:2"}); err != nil {
		t.Fatal(err)
	}
	list := func() (names []string) {
		t.Helper()
		all, err := w.db.Workers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, is := range all {
			names = append(names, is.Name)
			if is.Name == me.Name && (is.Version != "v9" || !slices.Equal(is.Roles, me.Roles) || is.Seen.Sub(w.machine()).Abs() > time.Millisecond) {
				t.Errorf("listed as %+v, it is %v", is, w.machine())
			}
		}
		slices.Sort(names)
		return names
	}
	if got := list(); !slices.Equal(got, []string{"one:1", "two:2"}) {
		t.Fatalf("workers are %q", got)
	}
	w.pass(2 * time.Hour)
	if err := w.db.Beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	third := w.open()
	if err := third.Enlist(t.Context(), store.Worker{Name: "three:3"}); err != nil { // forgets the second
		t.Fatal(err)
	}
	if got := list(); !slices.Equal(got, []string{"one:1", "three:3"}) {
		t.Fatalf("after two hours workers are %q", got)
	}
	if err := other.Beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := third.Close(); err != nil {
		t.Fatal(err)
	}
	if got := list(); !slices.Equal(got, []string{"one:1", "two:2"}) {
		t.Fatalf("at the end workers are %q", got)
	}
}
