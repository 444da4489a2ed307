package storetest

import (
	"errors"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/subscribers"
)

// testLeaving has readers go while their mail waits, and come back.
func testLeaving(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(8)
	i := w.openIssue("morning", "2026-04-02")
	b := w.lease()
	change := func(n int, f func(s *subscribers.Settings)) {
		t.Helper()
		s, err := w.db.SubscriberByID(ctx, ids[n])
		w.must(err)
		f(&s.Settings)
		_, err = w.db.ChangeSettings(ctx, ids[n], s.Settings, "reader", w.now())
		w.must(err)
	}
	for n := range 2 {
		w.must(Intend(ctx, w.db, b, &b.Deliveries[3+3*n], "k1", w.now()))
	}
	w.must(Intend(ctx, w.db, b, &b.Deliveries[7], "k1", w.now()))
	w.must(Hand(ctx, w.db, b, &b.Deliveries[7], w.now()))
	change(0, func(s *subscribers.Settings) { s.Status = subscribers.Unsubscribed })
	change(1, func(s *subscribers.Settings) { s.Editions = nil })
	change(2, func(s *subscribers.Settings) { s.Status = subscribers.Paused })
	for _, n := range []int{3, 6, 7} { // being sent, and on its connection already
		change(n, func(s *subscribers.Settings) { s.Status = subscribers.Unsubscribed })
	}
	if _, err := w.db.Suppress(ctx, subscribers.Suppression{Address: "reader5@example.org", Reason: "complaint"}, w.now()); err != nil {
		t.Fatal(err)
	}
	w.want(i, ids[0], mailer.Suppressed, "unsubscribed")
	w.want(i, ids[1], mailer.Suppressed, "left the edition")
	w.want(i, ids[2], mailer.Suppressed, "paused")
	w.want(i, ids[3], mailer.Suppressed, "unsubscribed")
	w.want(i, ids[7], mailer.Handed, "")
	w.want(i, ids[4], mailer.Suppressed, "complaint")
	for n := range 6 {
		d := &b.Deliveries[n]
		switch err := Intend(ctx, w.db, b, d, "k1", w.now()); {
		case n == 5 && err != nil, n != 5 && !errors.Is(err, mailer.ErrLost):
			t.Fatalf("reader %d: %v", n, err)
		}
	}
	if err := Hand(ctx, w.db, b, &b.Deliveries[3], w.now()); !errors.Is(err, mailer.ErrLost) {
		t.Fatalf("a mail whose reader has left is handed: %v", err)
	}
	if err := Settle(ctx, w.db, b, &b.Deliveries[6], refused(&b.Deliveries[6]), w.now()); !errors.Is(err, mailer.ErrLost) {
		t.Fatalf("its outcome is taken: %v", err)
	}
	w.must(Settle(ctx, w.db, b, &b.Deliveries[7], accepted(&b.Deliveries[7]), w.now()))
	for n, state := range map[int]mailer.State{3: mailer.Suppressed, 6: mailer.Suppressed, 7: mailer.Accepted} {
		w.want(i, ids[n], state, "")
	}
	w.must(w.db.Release(ctx, b, w.now()))

	change(2, func(s *subscribers.Settings) { s.Status = subscribers.Active })
	next := w.issue("morning", "2026-04-03")
	w.must(w.db.Rehearse(ctx, next, ids[2], func(c digest.Chunk) error {
		if r := c.Readers()[0]; !r.Returned || r.Previous.State != "suppressed" {
			t.Fatalf("came back as %+v", r)
		}
		return nil
	}))
	w.pass(24 * time.Hour)
	j := w.openIssue("morning", "2026-04-03")
	if j.Audience != 3 {
		t.Fatalf("audience %d", j.Audience)
	}
	w.want(j, ids[2], mailer.Queued, "")
	w.must(w.db.Rehearse(ctx, next, ids[2], func(c digest.Chunk) error {
		if c.Readers()[0].Returned {
			t.Fatal("still away")
		}
		return nil
	}))
}

// testBetweenChunks has readers come and go while an issue is half open.
func testBetweenChunks(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(4)
	i, err := w.db.BeginIssue(ctx, w.issue("morning", "2026-04-02"), w.now())
	w.must(err)
	stored := make(map[string]*digest.Digest)
	chunk := func() bool {
		t.Helper()
		done, err := w.db.WriteChunk(ctx, &i, digest.Audience{EditionID: i.EditionID}, 2, w.now(), func(c digest.Chunk) ([]digest.Planned, error) {
			return w.plan(ctx, w.db, i, c, stored)
		})
		w.must(err)
		return done
	}
	change := func(id int64, f func(s *subscribers.Settings)) {
		t.Helper()
		s, err := w.db.SubscriberByID(ctx, id)
		w.must(err)
		f(&s.Settings)
		_, err = w.db.ChangeSettings(ctx, id, s.Settings, "reader", w.now())
		w.must(err)
	}
	leave := func(s *subscribers.Settings) { s.Editions = nil }
	back := func(s *subscribers.Settings) { s.Editions = []string{"morning"} }
	chunk()
	change(ids[0], leave) // written already
	change(ids[2], leave) // not yet
	change(ids[1], leave)
	change(ids[1], back) // too late for this one
	late := w.reader(settings(9))
	for !chunk() {
	}
	w.must(w.db.FinishIssue(ctx, &i, 0, w.now()))
	if i.Audience != 4 {
		t.Fatalf("audience %d", i.Audience)
	}
	w.want(i, ids[0], mailer.Suppressed, "left the edition")
	w.want(i, ids[1], mailer.Suppressed, "left the edition")
	if _, err := w.db.Delivery(ctx, store.DeliveryID(i.SlotID, ids[2])); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("who left before the chunk has a delivery: %v", err)
	}
	if n := w.sendAll(accepted); n != 2 {
		t.Fatalf("sent %d", n)
	}
	w.want(i, late.ID, mailer.Accepted, "")
	if _, ok, err := w.db.NextDue(ctx, "main"); ok || err != nil {
		t.Fatal("something is still due", err)
	}
}

// testNewAddress has a reader change the address between two copies: both go to the old one, and
// what the relay says of it does not touch the new one.
func testNewAddress(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	r := w.reader(settings(1))
	i := w.openIssue("morning", "2026-04-02")
	w.sendAll(w.unanswered)
	s := r.Settings
	s.Address = "new@example.org"
	_, err := w.db.ChangeSettings(ctx, r.ID, s, "reader", w.now())
	w.must(err)
	w.pass(time.Minute)
	b := w.lease()
	d := &b.Deliveries[0]
	w.must(w.try(w.db, b, d, func(d *mailer.Delivery) mailer.Outcome {
		o := refused(d)
		o.Hard = true
		return o
	}))
	if d.Address != "reader1@example.org" {
		t.Fatalf("second copy to %s", d.Address)
	}
	w.must(w.db.Release(ctx, b, w.now()))
	w.want(i, r.ID, mailer.Uncertain, "dot 550")
	got, err := w.db.SubscriberByID(ctx, r.ID)
	w.must(err)
	if got.Suppressed != nil {
		t.Fatalf("the new address is barred: %+v", got.Suppressed)
	}
	w.pass(24 * time.Hour)
	w.tell("world", 1)
	j := w.openIssue("morning", "2026-04-03")
	w.sendAll(accepted)
	if row := w.want(j, r.ID, mailer.Accepted, ""); row.Address != "new@example.org" {
		t.Fatalf("next issue to %s", row.Address)
	}
}
