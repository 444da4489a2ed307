package store_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/operators"
	"broadsheet/store"
)

// TestVerdicts: what is decided about one issue counts for its slot, also for zones that open later, and
// lets go only what tripped alike.
func TestVerdicts(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "verdicts.db"), store.Options{})
	ctx, now := t.Context(), time.Date(2026, 1, 13, 7, 0, 0, 0, time.UTC)
	by := operators.By{Who: "ada", Why: "because"}
	begin := func(zone string) digest.Issue {
		t.Helper()
		i, err := db.BeginIssue(ctx, digest.Issue{Edition: "morning", Slot: "2026-01-13", Zone: zone, Hour: 7, Local: "2026-01-13 07:00", Due: now, Ends: now.Add(time.Hour)}, now)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	opened := func(zone string, wires ...string) digest.Issue {
		t.Helper()
		i := begin(zone)
		var trips []digest.Trip
		for _, w := range wires {
			trips = append(trips, digest.Trip{Wire: w, Text: w + " is strange"})
		}
		if err := errors.Join(db.KeepFigures(ctx, &digest.Figures{Issue: i.ID}, trips, "hold"), db.FinishIssue(ctx, &i, 0, now)); err != nil {
			t.Fatal(err)
		}
		return i
	}
	holds := func(want string, issues ...digest.Issue) {
		t.Helper()
		var got []string
		for _, i := range issues {
			list, err := db.HoldsOf(ctx, i.ID, now)
			if err != nil {
				t.Fatal(err)
			}
			kinds := fmt.Sprint(i.ID)
			for _, h := range list {
				kinds += " " + string(h.Kind)
			}
			got = append(got, kinds)
		}
		if all := strings.Join(got, ", "); all != want {
			t.Errorf("held: %s; want %s", all, want)
		}
	}
	verdict := func(v store.Verdict, err error) store.Verdict {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	a, b := opened("A", "feed x"), opened("B", "feed x", "readers B")
	holds("1 approval tripwire, 2 approval tripwire", a, b)
	if v := verdict(db.Approve(ctx, a.ID, by, now)); fmt.Sprint(v) != "{[1 2] [2] [feed x]}" {
		t.Errorf("approved: %v", v)
	}
	c := opened("C", "feed x")
	holds("1, 2 tripwire, 3", a, b, c)
	if _, past, err := db.Figures(ctx, c.ID, 5); err != nil || len(past) != 0 {
		t.Errorf("compared with %v, %v", past, err)
	}
	verdict(db.Disapprove(ctx, c.ID, by, now))
	d := opened("D")
	holds("1 approval tripwire, 2 approval tripwire, 3 approval tripwire, 4 approval", a, b, c, d)
	verdict(db.Approve(ctx, b.ID, by, now))
	holds("1, 2, 3, 4", a, b, c, d)
	acts := 0
	for e, err := range db.Audit(ctx, store.AuditFilter{}) {
		if err != nil || e.By != by {
			t.Fatalf("%+v, %v", e, err)
		}
		acts++
	}
	p, err := db.Proof(ctx, d.ID)
	if err != nil || acts != 3 || len(p.Said) != 3 || p.Said[1].Approved || !p.Said[2].Approved {
		t.Errorf("%d acts, said %+v, %v", acts, p.Said, err)
	}
	if _, err := db.Approve(ctx, begin("E").ID, by, now); !errors.Is(err, store.ErrOpening) {
		t.Errorf("one that is being opened: %v", err)
	}
	if _, err := db.Disapprove(ctx, a.ID, by, now.Add(time.Hour)); !errors.Is(err, store.ErrTooLate) {
		t.Errorf("one that is over: %v", err)
	}
	if _, err := db.Approve(ctx, 99, by, now); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("one that is not there: %v", err)
	}
}
