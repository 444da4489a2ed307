package storetest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"broadsheet/mailer"
)

// testPaused has an owner that sleeps past its lease: it may finish what it has in hand as long as
// nobody has taken the batch, and begin nothing.
func testPaused(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(4)
	i := w.openIssue("morning", "2026-04-02")
	b := w.lease()
	for n := range 3 {
		w.must(Intend(ctx, w.db, b, &b.Deliveries[n], "k1", w.now()))
	}
	w.must(Hand(ctx, w.db, b, &b.Deliveries[0], w.now()))
	w.pass(time.Hour)
	if err := Intend(ctx, w.db, b, &b.Deliveries[3], "k1", w.now()); !errors.Is(err, mailer.ErrLost) {
		t.Fatalf("begun behind the lease: %v", err)
	}
	w.must(Settle(ctx, w.db, b, &b.Deliveries[0], accepted(&b.Deliveries[0]), w.now()))
	w.must(Hand(ctx, w.db, b, &b.Deliveries[1], w.now()))
	w.must(w.db.Renew(ctx, b)) // nobody was there
	w.must(Intend(ctx, w.db, b, &b.Deliveries[3], "k1", w.now()))
	w.pass(time.Hour)
	other := w.lease()
	for n, m := range []mailer.Mark{{Step: mailer.Settle, Outcome: accepted(&b.Deliveries[1])}, {Step: mailer.Hand}, {Step: mailer.Hand}, {Step: mailer.Settle, Outcome: refused(&b.Deliveries[3])}} {
		m.Batch, m.Delivery = b, &b.Deliveries[min(n+1, 3)]
		marks := []mailer.Mark{m}
		if w.must(w.db.Commit(ctx, marks, w.now())); !errors.Is(marks[0].Err, mailer.ErrLost) {
			t.Fatalf("late word %d: %v", n, marks[0].Err)
		}
	}
	w.must(w.db.Release(ctx, other, w.now()))
	w.want(i, ids[0], mailer.Accepted, "")
	w.want(i, ids[1], mailer.Deferred, mailer.ReasonUnanswered)
	if n := w.sendAll(accepted); n != 3 {
		t.Fatalf("sent %d", n)
	}
}

// testClockJumps sets the program's clock while mails are on their way. Whatever it says, nobody
// gets two and nobody is left out without a word.
func testClockJumps(t *testing.T, w *world) {
	const day = 24 * time.Hour
	ctx := t.Context()
	ids := w.readers(6)
	for _, jump := range []time.Duration{day, -day, 3653 * day, -3653 * day, -2 * time.Second} {
		w.tell("world", 1)
		i := w.openIssue("morning", "jump "+jump.String())
		b := w.lease()
		sent := make(map[int64]int)
		note := func(d *mailer.Delivery) mailer.Outcome { sent[d.Subscriber]++; return accepted(d) }
		w.must(Intend(ctx, w.db, b, &b.Deliveries[0], "k1", w.now()))
		w.must(Intend(ctx, w.db, b, &b.Deliveries[1], "k1", w.now()))
		w.must(Hand(ctx, w.db, b, &b.Deliveries[1], w.now()))
		before := w.now()
		w.set(before.Add(jump))
		// What is in hand comes to its end.
		w.must(Hand(ctx, w.db, b, &b.Deliveries[0], w.now()))
		for n := range 2 {
			w.must(Settle(ctx, w.db, b, &b.Deliveries[n], note(&b.Deliveries[n]), w.now()))
		}
		err := w.try(w.db, b, &b.Deliveries[2], note)
		if gone := jump > 6*time.Hour; gone != errors.Is(err, mailer.ErrLost) || !gone && err != nil {
			t.Fatalf("%v: begun behind the jump: %v", jump, err)
		}
		if again, err := w.db.Lease(ctx, "main", "w2", w.now()); err != nil || again != nil {
			t.Fatalf("%v: a batch in hand is leased again: %v, %v", jump, again, err)
		}
		w.must(w.db.Release(ctx, b, w.now()))
		w.sendAll(note)
		w.set(before) // the clock is put right
		w.sendAll(note)
		counts, err := w.db.IssueCounts(ctx, i.ID)
		w.must(err)
		if counts["accepted"]+counts["expired"] != len(ids) || counts["accepted"] != len(sent) || jump < 0 && counts["expired"] > 0 {
			t.Fatalf("%v: %v, sent %v", jump, counts, sent)
		}
		for id, n := range sent {
			if n > 1 {
				t.Fatalf("%v: reader %d got %d", jump, id, n)
			}
		}
	}
}

// testTogether has many callers at once, each with one message in doubt.
func testTogether(t *testing.T, w *world) {
	const callers, readers = 16, 160
	w.tell("world", 1)
	w.readers(readers)
	i := w.openIssue("morning", "2026-04-02")
	work := make(chan mailer.Mark, readers)
	for range 4 {
		b := w.lease()
		for n := range b.Deliveries {
			work <- mailer.Mark{Batch: b, Delivery: &b.Deliveries[n], KeyID: "k1", Selector: "s1"}
		}
	}
	close(work)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for m := range work {
				for _, step := range []mailer.Step{mailer.Intend, mailer.Hand, mailer.Settle} {
					m.Step, m.Outcome = step, accepted(m.Delivery)
					marks := []mailer.Mark{m}
					if err := errors.Join(w.db.Commit(t.Context(), marks, w.now()), marks[0].Err); err != nil {
						t.Error(err)
						return
					}
				}
				if d := m.Delivery; d.State != mailer.Accepted || d.Copies != 1 || d.Attempts != 1 || d.Selector != "s1" || d.Date.IsZero() {
					t.Errorf("delivery %+v", *d)
				}
			}
		})
	}
	wg.Wait()
	counts, err := w.db.IssueCounts(t.Context(), i.ID)
	if s := w.db.Stats(); err != nil || counts["accepted"] != readers || s.Marks != 3*readers || s.Commits > s.Calls {
		t.Fatal(counts, err, s)
	}
}
