package storetest

import (
	"errors"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/operators"
	"broadsheet/subscribers"
)

// testSameSecond has two editions begin mails to the same readers in one step: one of them waits.
func testSameSecond(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	for n := range 3 {
		s := settings(n)
		s.Editions = []string{"morning", "extra"}
		w.reader(s)
	}
	open := func(edition string) digest.Issue {
		w.tell("world", 1) // what the other edition brings is no news
		i := w.issue(edition, "2026-04-02")
		i.MinGap = 3 * time.Hour
		i, err := w.write(w.db, i, 10)
		w.must(err)
		return i
	}
	open("morning")
	open("extra")
	one, other := w.lease(), w.lease()
	var marks []mailer.Mark
	for n := range 3 {
		marks = append(marks, mailer.Mark{Step: mailer.Intend, Batch: one, Delivery: &one.Deliveries[n]}, mailer.Mark{Step: mailer.Intend, Batch: other, Delivery: &other.Deliveries[n]})
	}
	w.must(w.db.Commit(ctx, marks, w.now()))
	for n, m := range marks {
		if first := n%2 == 0; first && m.Err != nil || !first && !errors.Is(m.Err, mailer.ErrWait) {
			t.Errorf("mark %d: %v", n, m.Err)
		}
	}
	marks = marks[:0]
	for n := range 3 {
		m := mailer.Mark{Batch: one, Delivery: &one.Deliveries[n]}
		again := m
		m.Step, again.Step, again.Outcome = mailer.Hand, mailer.Settle, accepted(&mailer.Delivery{Copies: 1})
		marks = append(marks, m, again)
	}
	w.must(w.db.Commit(ctx, marks, w.now()))
	w.pass(2 * time.Minute)
	if n := w.sendAll(accepted); n != 0 {
		t.Fatalf("%d mails right behind others", n)
	}
	w.must(w.db.Release(ctx, one, w.now()))
	w.must(w.db.Release(ctx, other, w.now()))
	if n := w.sendAll(accepted); n != 0 {
		t.Fatalf("%d mails right behind others", n)
	}
}

// testOldAddress has readers go to new addresses while mails to their old ones wait, and the old
// ones barred, before the batch is leased and after.
func testOldAddress(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(6)
	i := w.openIssue("morning", "2026-04-02")
	var old []string
	for _, id := range ids {
		s, err := w.db.SubscriberByID(ctx, id)
		w.must(err)
		old = append(old, s.Address)
		s.Address = "new." + s.Address
		_, err = w.db.ChangeSettings(ctx, id, s.Settings, "reader", w.now())
		w.must(err)
	}
	bar := func(n int) {
		_, err := w.open().Suppress(ctx, subscribers.Suppression{Address: old[n], Reason: "complaint"}, w.now())
		w.must(err)
	}
	bar(0)
	bar(1)
	b := w.lease()
	if err := Intend(ctx, w.db, b, &b.Deliveries[0], "k1", w.now()); !errors.Is(err, mailer.ErrLost) {
		t.Errorf("barred before the lease: %v", err)
	}
	bar(2)
	var marks []mailer.Mark
	for n := range b.Deliveries {
		marks = append(marks, mailer.Mark{Step: mailer.Intend, Batch: b, Delivery: &b.Deliveries[n]})
	}
	w.must(w.db.Commit(ctx, marks, w.now()))
	for n, m := range marks {
		if n < 3 != errors.Is(m.Err, mailer.ErrLost) || n >= 3 && m.Err != nil {
			t.Errorf("reader %d: %v", n, m.Err)
		}
	}
	for n := range 3 {
		w.want(i, ids[n], mailer.Suppressed, "complaint")
		w.want(i, ids[3+n], mailer.Sending, "")
	}
	// What a relay says of an old address is no news of the new one.
	for n := range marks {
		marks[n].Step = mailer.Hand
	}
	w.must(w.db.Commit(ctx, marks[3:], w.now()))
	for n := range marks {
		marks[n].Step, marks[n].Outcome = mailer.Settle, accepted(&b.Deliveries[n])
	}
	w.must(w.db.Commit(ctx, marks[3:], w.now()))
	w.must(w.db.Release(ctx, b, w.now()))
	w.pass(24 * time.Hour)
	w.tell("world", 1)
	i = w.openIssue("morning", "2026-04-03")
	w.sendAll(func(d *mailer.Delivery) mailer.Outcome {
		o := refused(d)
		o.Hard = true
		return o
	})
	_, err := w.db.ApplyWave(ctx, operators.By{Who: "ann"}, i.ID, "example.org", w.now()) // all of a domain's mails are a wave
	w.must(err)
	for _, id := range ids {
		s, err := w.db.SubscriberByID(ctx, id)
		w.must(err)
		if s.Suppressed == nil { // at once: nothing was ever accepted there
			t.Errorf("reader %d is not barred", id)
		}
	}
}
