package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/store"
)

// testReadThenWrite has many processes read a row and then write what follows from it. A
// transaction that takes its lock only at the first write fails here at once.
func testReadThenWrite(t *testing.T, w *world) {
	ctx := t.Context()
	r := w.reader(settings(1))
	const writers, times = 6, 12
	var wg sync.WaitGroup
	for n := range writers {
		db := w.open()
		wg.Go(func() {
			for k := range times {
				s := settings(1)
				s.Name = fmt.Sprint("writer ", n, " time ", k)
				if _, err := db.ChangeSettings(ctx, r.ID, s, "command", w.now()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	history, err := w.db.History(ctx, r.ID)
	w.must(err)
	if len(history) != 1+writers*times {
		t.Fatalf("%d rows of history", len(history))
	}
	if sections, _ := w.db.FollowedSections(ctx); sections["world"] != 1 {
		t.Fatalf("followers drifted: %v", sections)
	}
}

func testOpeners(t *testing.T, w *world) {
	w.tell("world", 3)
	ids := w.readers(100)
	issue := w.issue("morning", "2026-04-02")
	var wg sync.WaitGroup
	for range 8 {
		db := w.open()
		wg.Go(func() {
			if _, err := w.write(db, issue, 7); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	i, ok, err := w.db.LastIssue(t.Context(), "morning", "Europe/London", 7)
	w.must(err)
	if !ok || i.Audience != len(ids) || i.State != digest.Open || i.Digests != 1 {
		t.Fatalf("issue %+v", i)
	}
	if n := w.sendAll(accepted); n != len(ids) {
		t.Fatalf("sent %d", n)
	}
}

// testLeftPlace looks whether a half opened issue is found again whose readers are elsewhere by now.
func testLeftPlace(t *testing.T, w *world) {
	ctx := t.Context()
	issue := w.issue("morning", "2026-04-02")
	issue.Zone, issue.Hour = "Asia/Tokyo", 6
	i, err := w.db.BeginIssue(ctx, issue, w.now())
	w.must(err)
	left := digest.Place{Zone: "Asia/Tokyo", Hour: 6}
	if places, err := w.db.Places(ctx, "morning"); err != nil || !slices.Contains(places, left) {
		t.Fatalf("places %v, %v", places, err)
	}
	w.must(w.db.FinishIssue(ctx, &i, 0, w.now()))
	if places, err := w.db.Places(ctx, "morning"); err != nil || slices.Contains(places, left) {
		t.Fatalf("places %v after the issue was opened, %v", places, err)
	}
}

func testResume(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	w.readers(10)
	i, err := w.db.BeginIssue(ctx, w.issue("morning", "2026-04-02"), w.now())
	w.must(err)
	crash := errors.New("crash")
	chunks := 0
	for err == nil {
		_, err = w.db.WriteChunk(ctx, &i, digest.Audience{}, 4, w.now(), func(c digest.Chunk) ([]digest.Planned, error) {
			if chunks++; chunks == 2 {
				return nil, crash
			}
			return w.plan(ctx, w.db, i, c, map[string]*digest.Digest{})
		})
	}
	if !errors.Is(err, crash) || i.Audience != 4 {
		t.Fatalf("%v, audience %d", err, i.Audience)
	}
	if b, err := w.db.Lease(ctx, "main", "w1", w.now()); err != nil || b != nil {
		t.Fatal("a half open issue goes out", err)
	}
	w.tell("world", 1) // too late for this issue
	again := w.openIssue("morning", "2026-04-02")
	if again.ID != i.ID || again.Cutoff != i.Cutoff || again.Audience != 10 || again.Digests != 1 {
		t.Fatalf("resumed %+v", again)
	}
}

func testOneMailASlot(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	s := settings(1)
	s.Zone = "Asia/Dubai"
	r := w.reader(s)
	open := func(zone, day string) digest.Issue {
		i := w.issue("morning", day)
		i.Zone = zone
		i, err := w.write(w.db, i, 3)
		w.must(err)
		return i
	}
	first := open("Asia/Dubai", "2026-04-02")
	if n := w.sendAll(accepted); n != 1 {
		t.Fatal(n)
	}
	// The reader flies west: the same slot comes round again and brings nothing more.
	s.Zone = "Europe/London"
	_, err := w.db.ChangeSettings(ctx, r.ID, s, "reader", w.now())
	w.must(err)
	w.tell("world", 1)
	second := open("Europe/London", "2026-04-02")
	if second.SlotID != first.SlotID || second.ID == first.ID || second.Audience != 0 {
		t.Fatalf("%+v after %+v", second, first)
	}
	// An older date that is written later is later.
	w.tell("world", 1)
	older := open("America/New_York", "2026-04-01")
	if older.Audience != 1 {
		t.Fatalf("%+v", older)
	}
	w.want(older, r.ID, mailer.Queued, "")
}

func testAudience(t *testing.T, w *world) {
	ctx := t.Context()
	var ids []int64
	for n := range 60 {
		s := settings(n)
		s.Zone, s.Hour = []string{"", "Asia/Dubai", "Europe/London"}[n%3], []int{-1, 6, 7, 8}[n%4]
		if n%5 == 0 {
			s.Days = []int{1, 2}
		}
		ids = append(ids, w.reader(s).ID)
	}
	has := func(a digest.Audience, slot string, want func(n int) bool) {
		t.Helper()
		i := w.issue("morning", slot)
		i, err := w.db.BeginIssue(ctx, i, w.now())
		w.must(err)
		a.EditionID = i.EditionID
		var got []int64
		for done := false; !done; {
			done, err = w.db.WriteChunk(ctx, &i, a, 7, w.now(), func(c digest.Chunk) ([]digest.Planned, error) {
				var out []digest.Planned
				for _, r := range c.Readers() {
					got = append(got, r.Subscriber)
					out = append(out, digest.Planned{Subscriber: r.Subscriber, SettingsID: r.SettingsID, State: "skipped"})
				}
				return out, nil
			})
			w.must(err)
		}
		var all []int64
		for n, id := range ids {
			if want(n) {
				all = append(all, id)
			}
		}
		if !slices.Equal(got, all) {
			t.Fatalf("audience %v, want %v", got, all)
		}
	}
	monday, friday := func(int) bool { return true }, func(n int) bool { return n%5 != 0 }
	has(digest.Audience{Weekday: 1}, "1", monday)
	has(digest.Audience{Weekday: 5}, "2", friday)
	has(digest.Audience{Zones: []string{"Asia/Dubai", ""}, Hours: []int{-1, 7}, Weekday: 5}, "3", func(n int) bool { return friday(n) && n%3 < 2 && n%2 == 0 })
	has(digest.Audience{Zones: []string{"Asia/Dubai"}, Weekday: 1}, "4", func(n int) bool { return n%3 == 1 })
	has(digest.Audience{Zones: []string{""}, Weekday: 1}, "5", func(n int) bool { return n%3 == 0 })
	has(digest.Audience{Hours: []int{6, 8}, Weekday: 1}, "6", func(n int) bool { return n%2 == 1 })
}

func testRehearse(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 2)
	r := w.reader(settings(1))
	other := settings(2)
	other.Editions = nil
	stranger := w.reader(other)
	had := w.openIssue("morning", "2026-04-02")
	w.sendAll(accepted)
	w.tell("world", 1)
	next := w.issue("morning", "2026-04-03")
	next.Opened, next.Cutoff = w.now(), 3
	w.must(w.db.Rehearse(ctx, next, r.ID, func(c digest.Chunk) error {
		if len(c.Readers()) != 1 || c.Readers()[0].Previous == nil || c.Readers()[0].Previous.WindowEnd != 2 {
			t.Fatalf("rehearsed %+v", c.Readers())
		}
		p, err := w.plan(ctx, w.db, next, c, map[string]*digest.Digest{})
		if err == nil && (p[0].Digest == nil || len(p[0].Digest.Items) != 1) {
			t.Fatalf("planned %+v", p)
		}
		return err
	}))
	w.must(w.db.Rehearse(ctx, had, stranger.ID, func(c digest.Chunk) error {
		if len(c.Readers()) != 1 || c.Readers()[0].Previous != nil {
			t.Fatalf("rehearsed %+v", c.Readers())
		}
		return nil
	}))
	if err := w.db.Rehearse(ctx, had, 999, func(digest.Chunk) error { return nil }); !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
}

func testSeen(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 2)
	s := settings(1)
	s.Editions = []string{"morning", "evening"}
	r := w.reader(s)
	w.openIssue("morning", "2026-04-02")
	// While the mail waits, its stories are taken in the other edition, but open in its own:
	// the next issue of it supersedes the mail.
	look := func(edition string, since time.Time, own bool, want int) {
		t.Helper()
		i := w.issue(edition, "look")
		w.must(w.db.Rehearse(ctx, i, r.ID, func(c digest.Chunk) error {
			seen, err := c.Seen(ctx, since, own)
			if len(seen[r.ID]) != want {
				t.Fatalf("%s has seen %v, want %d", edition, seen, want)
			}
			return err
		}))
	}
	past := w.now().Add(-time.Hour)
	look("evening", past, false, 2)
	look("evening", past, true, 0)
	look("morning", past, false, 0)
	w.sendAll(w.unanswered)
	look("morning", past, false, 2) // one copy may be there
	look("morning", w.now().Add(time.Second), false, 0)
	w.pass(time.Minute)
	w.sendAll(refused)
	look("evening", past, false, 2) // uncertain
}

func testSpread(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(50)
	i, err := w.db.BeginIssue(ctx, w.issue("morning", "2026-04-02"), w.now())
	w.must(err)
	for done := false; !done; {
		done, err = w.db.WriteChunk(ctx, &i, digest.Audience{}, 10, w.now(), func(c digest.Chunk) ([]digest.Planned, error) {
			list, err := w.plan(ctx, w.db, i, c, map[string]*digest.Digest{})
			for n := range list {
				list[n].Unreached = c.Readers()[0].Subscriber == ids[20] // the third batch
				if list[n].Subscriber >= ids[40] {
					list[n].Relay = "side"
				}
			}
			return list, err
		})
		w.must(err)
	}
	w.must(w.db.FinishIssue(ctx, &i, 20*time.Minute, w.now()))
	if side, err := w.db.Lease(ctx, "side", "w3", w.now()); err != nil || side == nil || len(side.Deliveries) != 10 {
		t.Fatal("another relay's only batch waits for this one's", err)
	} else {
		w.must(w.db.Release(ctx, side, w.now()))
	}
	b := w.lease()
	if len(b.Deliveries) != 10 || b.Deliveries[0].Subscriber != ids[20] {
		t.Fatalf("first of all goes %d", b.Deliveries[0].Subscriber)
	}
	if more, err := w.db.Lease(ctx, "main", "w2", w.now()); err != nil || more != nil {
		t.Fatal("two batches at once", err)
	}
	due, ok, err := w.db.NextDue(ctx, "main")
	w.must(err)
	if !ok || !due.Equal(w.now().Add(5*time.Minute)) {
		t.Fatalf("next due %v %v", due, ok)
	}
	w.must(w.db.Release(ctx, b, w.now()))
	w.pass(15 * time.Minute)
	if n := w.sendAll(accepted); n != 40 {
		t.Fatalf("sent %d", n)
	}
	if _, ok, err := w.db.NextDue(ctx, "main"); err != nil || ok {
		t.Fatal("something is still due", err)
	}
}

func testLists(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(1100) // more than two pages
	i, err := w.write(w.db, w.issue("morning", "1"), 500)
	w.must(err)
	w.tell("world", 1)
	j, err := w.write(w.db, w.issue("morning", "2"), 500)
	w.must(err)
	count := func(f store.DeliveryFilter, want int) {
		t.Helper()
		n, last := 0, int64(0)
		for d, err := range w.db.Deliveries(ctx, f) {
			w.must(err)
			if d.ID() <= last {
				t.Fatalf("%d after %d", d.ID(), last)
			}
			last = d.ID()
			n++
		}
		if n != want {
			t.Fatalf("%+v lists %d, want %d", f, n, want)
		}
	}
	count(store.DeliveryFilter{}, 2200)
	count(store.DeliveryFilter{Issue: i.ID}, 1100)
	count(store.DeliveryFilter{Issue: j.ID, State: mailer.Queued}, 1100)
	count(store.DeliveryFilter{State: mailer.Superseded}, 1100)
	count(store.DeliveryFilter{Subscriber: ids[7]}, 2)
	count(store.DeliveryFilter{Subscriber: ids[7], Issue: j.ID}, 1)
	for _, err := range w.db.Deliveries(ctx, store.DeliveryFilter{Issue: 99}) {
		if !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
	}
	n := 0
	for issue, err := range w.db.Issues(ctx, store.IssueFilter{Edition: "morning"}) {
		w.must(err)
		if n++; n == 1 && issue.ID != j.ID {
			t.Fatalf("first of all is %d", issue.ID)
		}
	}
	if n != 2 {
		t.Fatalf("%d issues", n)
	}
}
