package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"broadsheet/mailer"
	"broadsheet/store"
)

func testDelivery(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(3)
	i := w.openIssue("morning", "2026-04-02")
	b := w.lease()
	if b.Relay != "main" || b.Issue != i.ID || len(b.Deliveries) != 3 || !b.Until.After(w.machine()) {
		t.Fatalf("batch %+v", b)
	}
	d := &b.Deliveries[0]
	if d.Address != "reader1@example.org" || !d.Ends.Equal(i.Ends) || !d.Due.Equal(i.Due) || d.Digest == 0 {
		t.Fatalf("delivery %+v", d)
	}
	w.pass(1500 * time.Millisecond)
	w.must(Intend(ctx, w.db, b, d, "k1", w.now()))
	first := w.now().Truncate(time.Second)
	if d.State != mailer.Sending || d.Attempts != 1 || d.Copies != 0 || !d.Date.Equal(first) || d.KeyID != "k1" {
		t.Fatalf("after the intent %+v", d)
	}
	if err := Intend(ctx, w.db, b, d, "k1", w.now()); !errors.Is(err, mailer.ErrLost) {
		t.Fatalf("tried twice at once: %v", err)
	}
	// A definite 4xx: the next try is a new message with a new date.
	w.must(Hand(ctx, w.db, b, d, w.now()))
	later := w.now().Add(time.Minute)
	w.must(Settle(ctx, w.db, b, d, mailer.Outcome{State: mailer.Deferred, Reason: "dot 451", Reply: mailer.Reply{Code: 451, Enhanced: "4.3.0", Text: "Later"},
		Due: later, Charged: true, Copies: 0, Relay: "main"}, w.now()))
	row := w.want(i, ids[0], mailer.Deferred, "dot 451")
	if row.Copies != 0 || row.Attempts != 1 || !row.Date.IsZero() || !row.Due.Equal(later) || row.Reply.Code != 451 || row.Reply.Text != "Later" {
		t.Fatalf("deferred %+v", row)
	}
	// The relay's own fault charges nothing.
	d = &b.Deliveries[1]
	w.must(Intend(ctx, w.db, b, d, "k1", w.now()))
	w.must(Settle(ctx, w.db, b, d, mailer.Outcome{State: mailer.Queued, Reason: "connection lost", Due: w.now(), Relay: "main"}, w.now()))
	if row := w.want(i, ids[1], mailer.Queued, "connection lost"); row.Attempts != 0 {
		t.Fatalf("charged %+v", row)
	}
	w.must(w.db.Release(ctx, b, w.now()))
	w.pass(time.Minute)
	if n := w.sendAll(accepted); n != 3 {
		t.Fatalf("sent %d", n)
	}
	row = w.want(i, ids[0], mailer.Accepted, "")
	if row.Copies != 1 || row.Attempts != 2 || row.Relay != "main" || row.Reply.Code != 250 || row.Reply.Enhanced != "2.0.0" || !row.Date.After(first) {
		t.Fatalf("accepted %+v", row)
	}
	tries, err := w.db.Attempts(ctx, row.ID())
	w.must(err)
	if len(tries) != 2 || tries[0].Reply.Code != 451 || tries[1].State != mailer.Accepted {
		t.Fatalf("attempts %+v", tries)
	}
	if tries, err := w.db.Attempts(ctx, store.DeliveryID(i.SlotID, ids[2])); err != nil || len(tries) != 0 {
		t.Fatalf("attempts of a delivery taken at once: %+v %v", tries, err)
	}
}

func testSenders(t *testing.T, w *world) {
	w.tell("world", 1)
	ids := w.readers(300)
	i, err := w.write(w.db, w.issue("morning", "2026-04-02"), 20)
	w.must(err)
	var mu sync.Mutex
	got := make(map[int64]int)
	var wg sync.WaitGroup
	for n := range 6 {
		db := w.open()
		wg.Go(func() {
			for {
				b, err := db.Lease(t.Context(), "main", fmt.Sprint("w", n), w.now())
				if err != nil {
					t.Error(err)
					return
				}
				if b == nil {
					return
				}
				for k := range b.Deliveries {
					err := w.try(db, b, &b.Deliveries[k], func(d *mailer.Delivery) mailer.Outcome {
						mu.Lock()
						defer mu.Unlock()
						got[d.Subscriber]++
						return accepted(d)
					})
					if err != nil {
						t.Error(err)
					}
				}
				if err := db.Release(t.Context(), b, w.now()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if got[id] != 1 {
			t.Fatalf("reader %d got %d mails", id, got[id])
		}
	}
	if counts, err := w.db.IssueCounts(t.Context(), i.ID); err != nil || counts["accepted"] != 300 {
		t.Fatal(counts, err)
	}
}

func testLostLease(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(4)
	i := w.openIssue("morning", "2026-04-02")
	late := w.lease()
	sending, handed, idle := &late.Deliveries[0], &late.Deliveries[1], &late.Deliveries[2]
	w.must(Intend(ctx, w.db, late, sending, "k1", w.now()))
	w.must(Intend(ctx, w.db, late, handed, "k1", w.now()))
	w.must(Hand(ctx, w.db, late, handed, w.now()))
	w.must(w.db.Renew(ctx, late))

	w.pass(3 * time.Minute)
	// The owner wakes up: it may begin nothing new, even before another has come.
	if err := Intend(ctx, w.db, late, idle, "k1", w.now()); !errors.Is(err, mailer.ErrLost) {
		t.Fatalf("begun after the lease: %v", err)
	}
	b := w.lease()
	if b.ID == late.ID && b.Fence <= late.Fence {
		t.Fatalf("fence %d after %d", b.Fence, late.Fence)
	}
	for _, err := range []error{Hand(ctx, w.db, late, sending, w.now()), Settle(ctx, w.db, late, handed, accepted(handed), w.now()), Intend(ctx, w.db, late, idle, "k1", w.now()), w.db.Renew(ctx, late)} {
		if !errors.Is(err, mailer.ErrLost) {
			t.Fatalf("late word of a lost lease: %v", err)
		}
	}
	w.must(w.db.Release(ctx, late, w.now())) // leaves the new owner's lease alone
	w.must(w.db.Renew(ctx, b))
	w.want(i, ids[0], mailer.Queued, "")
	row := w.want(i, ids[1], mailer.Deferred, mailer.ReasonUnanswered)
	// The lease ended a minute ago, so fourteen are left.
	if row.Copies != 1 || !row.Due.Equal(w.now().Add(14*time.Minute)) {
		t.Fatalf("unanswered copy: %+v, now %v", row, w.now())
	}
}

// testSilence has a relay that takes every message and never answers.
func testSilence(t *testing.T, w *world) {
	w.tell("world", 1)
	ids := w.readers(3)
	i := w.openIssue("morning", "2026-04-02")
	if n := w.sendAll(w.unanswered); n != 3 {
		t.Fatal(n)
	}
	row := w.want(i, ids[0], mailer.Deferred, mailer.ReasonUnanswered)
	date := row.Date
	w.pass(time.Minute)
	if n := w.sendAll(func(d *mailer.Delivery) mailer.Outcome {
		if !d.Date.Equal(date) || d.KeyID != "k1" {
			t.Errorf("second copy is dated %v, the first %v", d.Date, date)
		}
		switch d.Subscriber {
		case ids[0]:
			return w.unanswered(d)
		case ids[1]:
			o := refused(d) // the store knows that the first copy may be there
			return o
		}
		return accepted(d)
	}); n != 3 {
		t.Fatal(n)
	}
	w.want(i, ids[0], mailer.Uncertain, mailer.ReasonUnanswered)
	w.want(i, ids[1], mailer.Uncertain, "dot 550")
	w.want(i, ids[2], mailer.Accepted, "")
	w.pass(time.Hour)
	if n := w.sendAll(accepted); n != 0 {
		t.Fatalf("%d third copies", n)
	}
}
