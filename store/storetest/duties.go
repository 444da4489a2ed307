package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/store"
)

// testDuties: a duty has one process at a time, whoever asks when; who has died or given it up is followed by another.
func testDuties(t *testing.T, w *world) {
	ctx := t.Context()
	take := func(db *store.DB, worker string) bool {
		mine, err := db.TakeDuty(ctx, "prune", worker, time.Minute)
		w.must(err)
		return mine
	}
	other := w.open()
	if !take(w.db, "a") || take(other, "b") || !take(w.db, "a") {
		t.Fatal("not the first has it, or two have")
	}
	w.pass(40 * time.Second)
	if !take(w.db, "a") { // for a minute more
		t.Fatal("it cannot be kept")
	}
	w.pass(40 * time.Second)
	if take(other, "b") {
		t.Fatal("what was kept was taken away")
	}
	if list, err := other.Duties(ctx); err != nil || len(list) != 1 || list[0].Name != "prune" || list[0].Worker != "a" || !list[0].Until.Equal(w.machine().Add(20*time.Second)) {
		t.Fatalf("duties %+v %v", list, err)
	}
	w.pass(21 * time.Second) // a has died
	if !take(other, "b") || take(w.db, "a") {
		t.Fatal("nobody follows who has died, or two have it")
	}
	w.must(other.LeaveDuties(ctx, "a")) // has none
	if take(w.db, "a") {
		t.Fatal("another's duty was given up")
	}
	w.must(other.LeaveDuties(ctx, "b"))
	if list, err := other.Duties(ctx); err != nil || len(list) != 0 || !take(w.db, "a") {
		t.Fatalf("what was given up is not free: %+v %v", list, err)
	}

	dbs := []*store.DB{w.db, other}
	for len(dbs) < 8 {
		dbs = append(dbs, w.open())
	}
	for range 10 {
		w.pass(2 * time.Minute)
		var has atomic.Int32
		var wg sync.WaitGroup
		for n, db := range dbs {
			wg.Go(func() {
				mine, err := db.TakeDuty(ctx, "prune", fmt.Sprint("w", n), time.Minute)
				if err != nil {
					t.Error(err)
				}
				if mine {
					has.Add(1)
				}
			})
		}
		wg.Wait()
		if has.Load() != 1 {
			t.Fatalf("%d have one duty", has.Load())
		}
	}
}

// testPingOnce: of many processes that see the same call due, one makes it.
func testPingOnce(t *testing.T, w *world) {
	ctx := t.Context()
	due := func(db *store.DB) store.Ping {
		t.Helper()
		list, err := db.Pings(ctx, w.now(), false)
		w.must(err)
		if len(list) != 1 {
			t.Fatalf("pings %+v", list)
		}
		return list[0]
	}
	dbs := []*store.DB{w.db}
	for len(dbs) < 8 {
		dbs = append(dbs, w.open())
	}
	var added sync.WaitGroup
	for _, db := range dbs {
		added.Go(func() {
			if err := db.AddPing(ctx, store.Ping{Edition: "morning", Slot: "2026-04-02", Zone: "UTC", At: w.now()}); err != nil {
				t.Error(err)
			}
		})
	}
	added.Wait()
	for round := range 5 {
		seen := due(w.db)
		var called atomic.Int32
		var wg sync.WaitGroup
		for _, db := range dbs {
			wg.Go(func() {
				p := seen
				mine, err := db.BeginPing(ctx, &p, w.now())
				if err == nil && mine {
					called.Add(1)
					p.Due, p.Said = w.now().Add(time.Minute), "it is answered 500"
					err = db.Pinged(ctx, p)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if called.Load() != 1 {
			t.Fatalf("round %d: %d calls", round, called.Load())
		}
		w.pass(time.Minute)
	}

	lost := due(w.db) // by a process that dies over it
	if mine, err := w.db.BeginPing(ctx, &lost, w.now()); err != nil || !mine {
		t.Fatal(mine, err)
	}
	if list, err := w.db.Pings(ctx, w.now(), false); err != nil || len(list) != 0 {
		t.Fatalf("a call that is being made is due: %+v %v", list, err)
	}
	w.pass(2 * time.Minute)
	again := due(dbs[1])
	if mine, err := dbs[1].BeginPing(ctx, &again, w.now()); err != nil || !mine {
		t.Fatal("nobody follows who has died", mine, err)
	}
	lost.Due, lost.Said = time.Time{}, "late"
	w.must(w.db.Pinged(ctx, lost)) // it thaws
	again.Due, again.Said = w.now(), "in time"
	w.must(dbs[1].Pinged(ctx, again))
	if p := due(w.db); p.Said != "in time" {
		t.Fatalf("what came late counts: %+v", p)
	}
}

// testLeases: what each worker has of which relay is listed while it has it, and what nobody sends is known.
func testLeases(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 2)
	w.readers(7)
	_, err := w.write(w.db, w.issue("morning", "2026-04-02"), 3) // batches of a chunk each
	w.must(err)
	var mine *mailer.Batch
	for worker, n := range map[string]int{"a": 2, "b": 1} {
		for range n {
			b, err := w.db.Lease(ctx, "main", worker, w.now())
			w.must(err)
			if b == nil {
				t.Fatal("nothing to lease")
			}
			if worker == "b" {
				mine = b
			}
		}
	}
	list, err := w.open().Leases(ctx)
	w.must(err)
	if len(list) != 2 || list[0].Worker != "a" || list[0].Batches != 2 || list[0].Relay != "main" || list[1].Worker != "b" || list[1].Batches != 1 ||
		!list[1].Until.Equal(mine.Until) {
		t.Fatalf("%+v", list)
	}
	w.must(w.db.Release(ctx, mine, w.now()))
	if list, err = w.db.Leases(ctx); err != nil || len(list) != 1 || list[0].Worker != "a" {
		t.Fatalf("after a release: %+v %v", list, err)
	}

	if since, err := w.db.Unposted(ctx); err != nil || !since.IsZero() {
		t.Fatalf("something waits since %v %v", since, err)
	}
	if _, err := w.db.LeaveAll(ctx, 1, "reader", digest.NoticeLeft, w.now()); err != nil {
		t.Fatal(err)
	}
	if since, err := w.db.Unposted(ctx); err != nil || !since.Equal(w.now()) {
		t.Fatalf("a notice waits since %v %v", since, err)
	}
}
