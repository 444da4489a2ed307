package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/subscribers"
)

// testPast looks back at three days of digests after the reader has changed everything.
func testPast(t *testing.T, w *world) {
	ctx := t.Context()
	r := w.reader(settings(1))
	other := w.reader(settings(2))
	var issues []digest.Issue
	for _, day := range []string{"2026-04-02", "2026-04-03", "2026-04-04"} {
		w.tell("world", 2)
		issues = append(issues, w.openIssue("morning", day))
		verdict := accepted
		if day == "2026-04-03" {
			verdict = refused
		}
		w.sendAll(verdict)
		w.pass(24 * time.Hour)
	}
	if _, err := w.db.ChangeSettings(ctx, r.ID, subscribers.NewSettings("new@example.org"), "reader", w.now()); err != nil {
		t.Fatal(err)
	}
	list, err := w.db.PastDigests(ctx, r.ID, w.now(), 10)
	w.must(err)
	if len(list) != 2 || list[0].Issue.Slot != "2026-04-04" || list[1].Issue.Slot != "2026-04-02" || list[0].Subject != "S" {
		t.Fatalf("past digests are %+v", list)
	}
	if list, err = w.db.PastDigests(ctx, r.ID, list[0].Issue.Due, 1); err != nil || len(list) != 1 || list[0].Issue.ID != issues[0].ID {
		t.Fatalf("before the last there are %+v, %v", list, err)
	}
	p, err := w.db.Past(ctx, issues[2].EditionID, issues[2].Wall(), r.ID)
	w.must(err)
	if p.Issue.ID != issues[2].ID || p.Reader.SettingsID != r.SettingsID || len(p.Reader.Sections) != 1 || p.End != issues[2].Cutoff {
		t.Fatalf("past digest is %+v", p)
	}
	same, err := w.db.PastDelivery(ctx, store.DeliveryID(issues[2].SlotID, r.ID))
	if d := cmp.Diff(p, same); err != nil || d != "" {
		t.Fatalf("%v\n%s", err, d)
	}
	if _, err = w.db.PastDelivery(ctx, store.DeliveryID(issues[2].SlotID, r.ID+99)); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("a delivery of nobody is %v", err)
	}
	d, err := w.db.WholeDigest(ctx, p.Digest)
	w.must(err)
	if len(d.Pieces) != len(d.Items) || len(d.Pieces[0].Fragment.Body) == 0 {
		t.Fatalf("digest is %+v", d)
	}
	seen, err := w.db.SeenBefore(ctx, &p, issues[0].Opened, false)
	w.must(err)
	if !slices.Equal(seen, []int64{1, 2}) { // what failed on the second day was not seen
		t.Fatalf("seen before is %v", seen)
	}
	if seen, err = w.db.SeenBefore(ctx, &p, issues[1].Opened, false); err != nil || len(seen) > 0 {
		t.Fatalf("seen since the second day is %v, %v", seen, err)
	}
	for _, c := range [][3]int64{{issues[0].EditionID + 9, issues[0].Wall(), r.ID}, {issues[0].EditionID, issues[0].Wall() + 1, r.ID},
		{issues[0].EditionID, -1 << 40, r.ID}, {issues[0].EditionID, issues[0].Wall(), other.ID + 9}} {
		if _, err := w.db.Past(ctx, c[0], c[1], c[2]); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("%v gives %v", c, err)
		}
	}
}

// testSlotKeys lists slots, and what had arrived at their times.
func testSlotKeys(t *testing.T, w *world) {
	ctx := t.Context()
	w.readers(1)
	if n, err := w.db.ArrivalAt(ctx, w.now()); n != 0 || err != nil {
		t.Fatalf("before any story the arrival is %d, %v", n, err)
	}
	w.tell("world", 3)
	w.openIssue("morning", "2026-04-02")
	w.openIssue("evening", "2026-04-04")
	w.pass(24 * time.Hour)
	w.tell("world", 2)
	w.openIssue("morning", "2026-04-03")
	for _, c := range []struct {
		edition, before string
		limit           int
		want            []string
	}{
		{"morning", "", 9, []string{"2026-04-03", "2026-04-02"}}, {"morning", "2026-04-03", 9, []string{"2026-04-02"}},
		{"morning", "", 1, []string{"2026-04-03"}}, {"none", "", 9, nil},
	} {
		if list, err := w.db.SlotKeys(ctx, c.edition, c.before, c.limit); err != nil || !slices.Equal(list, c.want) {
			t.Errorf("slots of %s before %q are %q, %v", c.edition, c.before, list, err)
		}
	}
	for at, want := range map[time.Time]int64{w.now(): 5, w.now().Add(-time.Second): 3, w.now().Add(time.Hour): 5} {
		if n, err := w.db.ArrivalAt(ctx, at); n != want || err != nil {
			t.Errorf("arrival at %v is %d, %v, want %d", at, n, err, want)
		}
	}
}

func testPrivateFeed(t *testing.T, w *world) {
	ctx := t.Context()
	ids := w.readers(2)
	if n, err := w.db.PrivateFeed(ctx, ids[0]); n != 0 || err != nil {
		t.Fatalf("there is feed %d, %v", n, err)
	}
	w.must(w.db.SetPrivateFeed(ctx, ids[0], 1<<62))
	w.must(w.db.SetPrivateFeed(ctx, ids[1], 5))
	w.must(w.db.SetPrivateFeed(ctx, ids[0], 7))
	w.must(w.db.SetPrivateFeed(ctx, 99, 8)) // no reader
	for number, want := range map[int64]int64{7: ids[0], 5: ids[1], 1 << 62: 0, 8: 0} {
		got, err := w.db.PrivateFeedOf(ctx, number)
		if got != want || (want == 0) != errors.Is(err, store.ErrNotFound) {
			t.Errorf("feed %d is of %d, %v", number, got, err)
		}
	}
	w.must(w.db.SetPrivateFeed(ctx, ids[0], 0))
	if n, err := w.db.PrivateFeed(ctx, ids[0]); n != 0 || err != nil {
		t.Fatalf("there is still feed %d, %v", n, err)
	}
}

// testClicks: counts add up, and are shown from twenty readers on.
func testClicks(t *testing.T, w *world) {
	ctx := t.Context()
	ids := w.readers(20)
	w.tell("world", 1)
	i := w.openIssue("morning", "2026-04-02")
	sent := 0
	w.sendAll(func(d *mailer.Delivery) mailer.Outcome {
		if sent++; sent == 20 {
			return refused(d)
		}
		return accepted(d)
	})
	story := digest.Click{Edition: i.EditionID, Slot: i.Wall(), Story: 1}
	more := digest.Click{Edition: i.EditionID, Slot: i.Wall(), Section: "world"}
	w.must(w.db.AddClicks(ctx, map[digest.Click]int64{story: 2, more: 1, {Edition: i.EditionID, Slot: i.Wall(), Story: 77}: 50}))
	w.must(w.db.AddClicks(ctx, map[digest.Click]int64{story: 3}))
	if list, err := w.db.Clicks(ctx, &i); err != nil || len(list) > 0 {
		t.Fatalf("with 19 readers clicks are %+v, %v", list, err)
	}
	w.must(w.db.RetryDelivery(ctx, store.DeliveryID(i.SlotID, ids[19]), operators.By{}, w.now()))
	w.sendAll(accepted)
	list, err := w.db.Clicks(ctx, &i)
	w.must(err)
	want := []store.ClickCount{{Story: 1, Headline: "Headline 1", Clicks: 5, Readers: 20}, {Section: "world", Clicks: 1, Readers: 20}}
	if !slices.Equal(list, want) {
		t.Fatalf("clicks are %+v, want %+v", list, want)
	}
}
