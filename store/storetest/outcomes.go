package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/operators"
	"broadsheet/store"
)

func testHardMarks(t *testing.T, w *world) {
	ctx := t.Context()
	ids := w.readers(2)
	day := 0
	send := func(verdicts ...func(d *mailer.Delivery) mailer.Outcome) digest.Issue {
		t.Helper()
		day++
		w.tell("world", 1)
		i := w.openIssue("morning", fmt.Sprint("day ", day))
		w.sendAll(func(d *mailer.Delivery) mailer.Outcome {
			for n, id := range ids {
				if d.Subscriber == id {
					return verdicts[n](d)
				}
			}
			return accepted(d)
		})
		return i
	}
	hard := func(d *mailer.Delivery) mailer.Outcome {
		o := refused(d)
		o.Hard = true
		return o
	}
	barred := func(n int) string {
		t.Helper()
		s, err := w.db.SubscriberByID(ctx, ids[n])
		w.must(err)
		if s.Suppressed == nil {
			return ""
		}
		return s.Suppressed.Reason
	}
	send(accepted, hard)
	if barred(0) != "" || barred(1) != "hard_bounce" {
		t.Fatal("an address that never took a mail is barred at once, no other")
	}
	send(hard, hard)
	w.pass(19 * time.Hour)
	i := send(hard, hard)
	if barred(0) != "" {
		t.Fatal("barred within a day")
	}
	w.want(i, ids[1], mailer.Suppressed, "hard_bounce")
	send(accepted, hard) // forgives
	send(hard, hard)
	w.pass(24*time.Hour - time.Second) // as daily mails are
	if barred(0) != "" {
		t.Fatal("a mark from before a success counts")
	}
	send(hard, hard)
	if barred(0) != "hard_bounce" {
		t.Fatal("the second mark a day later does not bar")
	}
}

func testRecover(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(5)
	i := w.openIssue("morning", "2026-04-02")
	b := w.lease()
	begin := func(n int, handed bool) {
		t.Helper()
		w.must(Intend(ctx, w.db, b, &b.Deliveries[n], "k1", w.now()))
		if handed {
			w.must(Hand(ctx, w.db, b, &b.Deliveries[n], w.now()))
		}
	}
	begin(0, false)
	begin(1, true)
	w.must(w.try(w.db, b, &b.Deliveries[2], accepted))
	crash := func() {
		t.Helper()
		if n, err := w.db.Recover(ctx, w.now()); err != nil || n != 1 {
			t.Fatalf("recovered %d, %v", n, err)
		}
	}
	if w.db.Path() == "" { // others may be at work: what a lost lease had in hand ends with it, see testLostLease
		n, err := w.db.Recover(ctx, w.now())
		if err != nil || n != 0 {
			t.Fatalf("recovered %d, %v", n, err)
		}
		w.want(i, ids[0], mailer.Sending, "")
		w.want(i, ids[1], mailer.Handed, "")
		return
	}
	crash()
	if row := w.want(i, ids[0], mailer.Queued, ""); row.Attempts != 0 {
		t.Fatalf("charged for a crash: %+v", row)
	}
	row := w.want(i, ids[1], mailer.Deferred, mailer.ReasonUnanswered)
	if row.Copies != 1 || row.Due.After(w.now()) {
		t.Fatalf("second copy %+v", row)
	}
	w.want(i, ids[2], mailer.Accepted, "")
	w.want(i, ids[3], mailer.Queued, "")
	b = w.lease()
	if len(b.Deliveries) != 4 {
		t.Fatalf("leased %d", len(b.Deliveries))
	}
	begin(1, true)
	crash() // the second copy of 1 is out and unanswered: no third
	w.want(i, ids[1], mailer.Uncertain, mailer.ReasonUnanswered)
	b = w.lease()
	begin(0, true)
	crash()
	b = w.lease()
	begin(0, false) // dies before the second copy leaves
	crash()
	if row := w.want(i, ids[0], mailer.Deferred, mailer.ReasonUnanswered); row.Copies != 1 {
		t.Fatalf("%+v", row)
	}
	if n := w.sendAll(accepted); n != 3 {
		t.Fatal(n)
	}
}

func testRetry(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(3)
	i := w.openIssue("morning", "2026-04-02")
	w.sendAll(func(d *mailer.Delivery) mailer.Outcome {
		if d.Subscriber == ids[0] {
			return refused(d)
		}
		if d.Subscriber == ids[1] {
			return w.unanswered(d)
		}
		return accepted(d)
	})
	w.pass(time.Minute)
	w.sendAll(w.unanswered)
	w.want(i, ids[1], mailer.Uncertain, "")
	id := func(n int) int64 { return store.DeliveryID(i.SlotID, ids[n]) }
	if err := w.db.RetryDelivery(ctx, id(2), operators.By{}, w.now()); !errors.Is(err, store.ErrNoRetry) {
		t.Fatalf("an accepted mail goes again: %v", err)
	}
	w.must(w.db.RetryDelivery(ctx, id(0), operators.By{Why: "mailbox was full"}, w.now()))
	w.must(w.db.RetryDelivery(ctx, id(1), operators.By{}, w.now()))
	w.want(i, ids[0], mailer.Queued, "mailbox was full (was failed: dot 550)")
	if n := w.sendAll(accepted); n != 2 {
		t.Fatal(n)
	}
	if row := w.want(i, ids[1], mailer.Accepted, ""); row.Copies != 3 {
		t.Fatalf("%+v", row)
	}
	tries, err := w.db.Attempts(ctx, id(0))
	w.must(err)
	if len(tries) != 3 || tries[1].State != mailer.Queued {
		t.Fatalf("attempts %+v", tries)
	}
	if err := w.db.RetryDelivery(ctx, store.DeliveryID(9, 9), operators.By{}, w.now()); !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	w.tell("world", 1)
	i = w.openIssue("morning", "2026-04-03")
	w.sendAll(refused)
	w.pass(7 * time.Hour)
	if err := w.db.RetryDelivery(ctx, id(0), operators.By{}, w.now()); !errors.Is(err, store.ErrNoRetry) {
		t.Fatalf("after its end: %v", err)
	}
}

func testOnly(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(5)
	i := w.openIssue("morning", "2026-04-02")
	b, err := w.db.LeaseOne(ctx, i.ID, ids[3], "w1", w.now())
	w.must(err)
	if b == nil || len(b.Deliveries) != 1 || b.Deliveries[0].Subscriber != ids[3] {
		t.Fatalf("leased %+v", b)
	}
	w.must(w.try(w.db, b, &b.Deliveries[0], accepted))
	w.must(w.db.Release(ctx, b, w.now()))
	if b, err := w.db.LeaseOne(ctx, i.ID, ids[3], "w1", w.now()); err != nil || b != nil {
		t.Fatal("sent twice", err)
	}
	if n := w.sendAll(accepted); n != 4 {
		t.Fatal(n)
	}
}

func testReplyTexts(t *testing.T, w *world) {
	w.tell("world", 1)
	ids := w.readers(20)
	i := w.openIssue("morning", "2026-04-02")
	n := 0
	w.sendAll(func(d *mailer.Delivery) mailer.Outcome {
		n++
		o := accepted(d)
		o.Reply.Text = fmt.Sprintf("Ok: queued as 4Xy%06dabc on mx1.relay.example", n)
		return o
	})
	for _, id := range ids {
		if text := w.row(i, id).Reply.Text; text != "Ok: queued as … on mx1.relay.example" {
			t.Fatalf("text %q", text)
		}
	}
	o := accepted(&mailer.Delivery{})
	if strings.Contains(o.Reply.Text, "…") {
		t.Fatal("the caller's reply is changed")
	}
}
