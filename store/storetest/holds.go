package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/operators"
	"broadsheet/store"
)

var ada = operators.By{Who: "ada", Why: "wrong lead"}

func (w *world) pause(db *store.DB, issue int64) {
	w.Helper()
	_, err := db.Hold(w.Context(), digest.Hold{Issue: issue, Kind: digest.HoldPaused, Reason: ada.Why}, ada, w.now())
	w.must(err)
}

func (w *world) resume(db *store.DB, issue int64) {
	w.Helper()
	_, err := db.LetGo(w.Context(), issue, digest.HoldPaused, ada, w.now())
	w.must(err)
}

// testHold: from another process's hold on nothing more is begun, and what is handed comes to its end.
func testHold(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(6)
	i := w.openIssue("morning", "2026-04-02")
	other := w.open()
	b := w.lease()
	d := b.Deliveries
	for _, n := range []int{1, 2, 3, 4} { // 0 is queued, 1 sending, 2 to 4 handed
		w.must(Intend(ctx, w.db, b, &d[n], "k1", w.now()))
		if n > 1 {
			w.must(Hand(ctx, w.db, b, &d[n], w.now()))
		}
	}
	w.pause(other, i.ID)
	w.pause(other, i.ID) // once more changes nothing
	if holds, err := w.db.HoldsOf(ctx, i.ID, w.now()); err != nil || len(holds) != 1 || holds[0].Who != "ada" || holds[0].Reason != "wrong lead" || !holds[0].At.Equal(w.now()) {
		t.Fatal(holds, err)
	}
	if err := Intend(ctx, w.db, b, &d[0], "k1", w.now()); !errors.Is(err, mailer.ErrLost) {
		t.Fatalf("a mail on hold is begun: %v", err)
	}
	if err := Hand(ctx, w.db, b, &d[1], w.now()); !errors.Is(err, mailer.ErrLost) {
		t.Fatalf("a mail on hold is handed: %v", err)
	}
	if is, err := w.db.Recalled(ctx, &d[2]); !is || err != nil {
		t.Fatal("a mail that was handed ahead of its turn goes", err)
	}
	w.must(Settle(ctx, w.db, b, &d[2], accepted(&d[2]), w.now()))
	w.must(Settle(ctx, w.db, b, &d[3], refused(&d[3]), w.now()))
	w.must(w.db.Renew(ctx, b)) // for those in hand
	w.must(w.db.Release(ctx, b, w.now()))
	w.want(i, ids[0], mailer.Queued, "")
	w.want(i, ids[1], mailer.Queued, "")
	w.want(i, ids[2], mailer.Accepted, "")
	w.want(i, ids[3], mailer.Failed, "dot 550")
	w.want(i, ids[4], mailer.Deferred, mailer.ReasonUnanswered)
	if b, err := w.db.Lease(ctx, "main", "w1", w.now()); b != nil || err != nil {
		t.Fatal("a batch on hold is leased", err)
	}
	if b, err := w.db.LeaseOne(ctx, i.ID, ids[0], "w1", w.now()); b != nil || err != nil {
		t.Fatal("a mail on hold is leased", err)
	}
	if at, ok, err := w.db.NextDue(ctx, "main"); ok || err != nil {
		t.Fatal("what is on hold is due", at, err)
	}
	w.resume(other, i.ID)
	w.pass(time.Minute)
	copies := map[int64]int{}
	w.sendAll(func(d *mailer.Delivery) mailer.Outcome { copies[d.Subscriber] = d.Copies; return accepted(d) })
	if len(copies) != 4 || copies[ids[0]] != 1 || copies[ids[1]] != 1 || copies[ids[4]] != 2 {
		t.Fatal(copies)
	}
	var acts []string
	for e, err := range w.db.Audit(ctx, store.AuditFilter{Object: fmt.Sprintf("issue %d", i.ID)}) {
		w.must(err)
		acts = append(acts, e.Act+" by "+e.By.Who+": "+e.By.Why)
	}
	if want := []string{"issue resume by ada: wrong lead", "issue pause by ada: wrong lead"}; !slices.Equal(acts, want) {
		t.Fatalf("%q", acts)
	}
}

// testHoldAll: a hold of everything is one of issues that open later too, and lives end under it.
func testHoldAll(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(2)
	w.pause(w.db, 0)
	i := w.openIssue("morning", "2026-04-02")
	if b, err := w.db.Lease(ctx, "main", "w1", w.now()); b != nil || err != nil {
		t.Fatal("a batch is leased", err)
	}
	_, err := w.db.Hold(ctx, digest.Hold{Issue: 99, Kind: digest.HoldTripwire}, ada, w.now())
	if !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	w.pass(7 * time.Hour)
	if n, err := w.db.Expire(ctx, w.now()); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	w.want(i, ids[0], mailer.Expired, "")
}

// testHoldEnds: a hold ends with its issue, and a verdict on the slot holds nothing that is over.
func testHoldEnds(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	w.readers(2)
	i := w.openIssue("morning", "2026-04-02")
	on := func(kind digest.HoldKind) {
		t.Helper()
		_, err := w.db.Hold(ctx, digest.Hold{Issue: i.ID, Kind: kind}, ada, w.now())
		w.must(err)
	}
	listed := func(want ...digest.HoldKind) {
		t.Helper()
		var got []digest.HoldKind
		holds, err := w.db.HoldsOf(ctx, i.ID, w.now())
		for _, h := range holds {
			got = append(got, h.Kind)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Fatal(got, err)
		}
	}
	on(digest.HoldPaused)
	on(digest.HoldTripwire)
	listed(digest.HoldPaused, digest.HoldTripwire)
	w.pass(7 * time.Hour)
	listed() // nobody can let it go any more
	if n, err := w.db.Expire(ctx, w.now()); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	for _, kind := range []digest.HoldKind{digest.HoldPaused, digest.HoldTripwire} {
		if had, err := w.db.LetGo(ctx, i.ID, kind, ada, w.now()); had || err != nil {
			t.Fatal(kind, had, err)
		}
	}

	i = w.openIssue("morning", "2026-04-03")
	if n := w.sendAll(accepted); n != 2 {
		t.Fatal(n)
	}
	on(digest.HoldPaused) // it ended just before
	listed()
	v, err := w.db.Disapprove(ctx, i.ID, ada, w.now())
	if len(v.Changed) != 0 || err != nil {
		t.Fatal("what has gone is held", v, err)
	}
	listed()
}

func testStop(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(8)
	i := w.openIssue("morning", "2026-04-02")
	other := w.open()
	b := w.lease()
	w.must(w.try(w.db, b, &b.Deliveries[0], accepted))
	w.must(w.try(w.db, b, &b.Deliveries[1], w.unanswered))
	for n := 2; n < 7; n++ {
		w.must(Intend(ctx, w.db, b, &b.Deliveries[n], "k1", w.now()))
		if n > 2 {
			w.must(Hand(ctx, w.db, b, &b.Deliveries[n], w.now()))
		}
	}
	inHand, err := other.StopIssue(ctx, i.ID, ada, w.now(), nil)
	if inHand != 4 || err != nil {
		t.Fatal(inHand, err)
	}
	if err := Hand(ctx, w.db, b, &b.Deliveries[2], w.now()); !errors.Is(err, mailer.ErrLost) {
		t.Fatal(err)
	}
	w.want(i, ids[0], mailer.Accepted, "")
	w.want(i, ids[1], mailer.Uncertain, "stopped")
	w.want(i, ids[2], mailer.Cancelled, "stopped")
	w.want(i, ids[3], mailer.Handed, "")
	w.want(i, ids[7], mailer.Cancelled, "stopped")
	put := func(n int, o mailer.Outcome) {
		t.Helper()
		w.must(Settle(ctx, w.db, b, &b.Deliveries[n], o, w.now()))
	}
	put(3, accepted(&b.Deliveries[3]))
	put(4, mailer.Outcome{State: mailer.Deferred, Reason: "dot 451", Reply: mailer.Reply{Code: 451}, Due: w.now(), Charged: true})
	put(5, w.unanswered(&b.Deliveries[5]))
	w.want(i, ids[3], mailer.Accepted, "")
	w.want(i, ids[4], mailer.Cancelled, "stopped")
	w.want(i, ids[5], mailer.Uncertain, "stopped")
	w.must(other.FinishStops(ctx, w.now()))
	if holds, err := w.db.HoldsOf(ctx, i.ID, w.now()); len(holds) != 1 || err != nil {
		t.Fatal("a stop is over with a mail in hand", holds, err)
	}
	// The sender dies over the last one.
	w.pass(3 * time.Minute)
	w.must(other.FinishStops(ctx, w.now()))
	w.want(i, ids[6], mailer.Uncertain, "stopped")
	if holds, err := w.db.Holds(ctx, w.now()); len(holds) != 0 || err != nil {
		t.Fatal(holds, err)
	}
	if _, err := w.db.StopIssue(ctx, i.ID, ada, w.now(), nil); !errors.Is(err, store.ErrNothingLeft) {
		t.Fatal(err)
	}
	if stop, err := w.db.StopOf(ctx, i.ID); stop == nil || stop.By != ada || err != nil {
		t.Fatal(stop, err)
	}
	var said []string
	for e, err := range w.db.Audit(ctx, store.AuditFilter{}) {
		w.must(err)
		said = append(said, e.Act+" "+e.Detail)
	}
	if !slices.Equal(said, []string{"issue stopped 3 cancelled, 3 uncertain", "issue stop "}) {
		t.Fatalf("%q", said)
	}
	if n := w.sendAll(accepted); n != 0 {
		t.Fatalf("%d mails of a stopped issue go", n)
	}
}

// testStopOpening stops an issue whose chunks are being written.
func testStopOpening(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(60)
	i, err := w.db.BeginIssue(ctx, w.issue("morning", "2026-04-02"), w.now())
	w.must(err)
	stored := make(map[string]*digest.Digest)
	_, err = w.db.WriteChunk(ctx, &i, digest.Audience{EditionID: i.EditionID}, 20, w.now(), func(c digest.Chunk) ([]digest.Planned, error) {
		return w.plan(ctx, w.db, i, c, stored)
	})
	w.must(err)
	_, err = w.db.StopIssue(ctx, i.ID, ada, w.now(), nil)
	w.must(err)
	i, err = w.write(w.db, w.issue("morning", "2026-04-02"), 20)
	w.must(err)
	if i.Audience != 60 {
		t.Fatal(i.Audience)
	}
	if n := w.sendAll(accepted); n != 0 {
		t.Fatalf("%d mails go", n)
	}
	w.must(w.db.FinishStops(ctx, w.now()))
	for _, id := range ids {
		w.want(i, id, mailer.Cancelled, "stopped")
	}
	if holds, err := w.db.Holds(ctx, w.now()); len(holds) != 0 || err != nil {
		t.Fatal(holds, err)
	}
}

// testAfterStop: what a stopped issue did not bring comes with the next one.
func testAfterStop(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(4)
	i := w.openIssue("morning", "2026-04-02")
	b := w.lease()
	w.must(w.try(w.db, b, &b.Deliveries[0], accepted))
	w.must(w.try(w.db, b, &b.Deliveries[1], w.unanswered))
	w.must(Intend(ctx, w.db, b, &b.Deliveries[2], "k1", w.now()))
	w.must(Hand(ctx, w.db, b, &b.Deliveries[2], w.now()))
	_, err := w.db.StopIssue(ctx, i.ID, ada, w.now(), nil)
	w.must(err)
	w.pass(time.Minute)
	w.tell("world", 1)
	j := w.openIssue("morning", "2026-04-03")
	// The one in hand counted as reached when the next was written; now it is put off, and so cancelled.
	w.must(Settle(ctx, w.db, b, &b.Deliveries[2], mailer.Outcome{State: mailer.Deferred, Reply: mailer.Reply{Code: 451}, Due: w.now(), Charged: true}, w.now()))
	w.must(w.db.Release(ctx, b, w.now()))
	w.must(w.db.FinishStops(ctx, w.now()))
	w.sendAll(accepted)
	w.pass(24 * time.Hour)
	w.tell("world", 1)
	k := w.openIssue("morning", "2026-04-04")
	for n, want := range [][]int{{1, 1}, {1, 1}, {1, 2}, {2, 1}} {
		for m, issue := range []digest.Issue{j, k} {
			d, err := w.db.Digest(ctx, w.row(issue, ids[n]).Digest)
			w.must(err)
			if len(d.Items) != want[m] {
				t.Errorf("reader %d gets %d stories in issue %d after the stopped one, want %d", n, len(d.Items), m+1, want[m])
			}
		}
	}
}

func testSettle(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(3)
	i := w.openIssue("morning", "2026-04-02")
	var date time.Time
	unanswered := func(d *mailer.Delivery) mailer.Outcome {
		if d.Subscriber == ids[2] {
			return refused(d)
		}
		date = d.Date
		return w.unanswered(d)
	}
	w.sendAll(unanswered)
	w.pass(time.Minute)
	w.sendAll(unanswered)
	w.want(i, ids[0], mailer.Uncertain, "")
	id := func(n int) int64 { return store.DeliveryID(i.SlotID, ids[n]) }
	if err := w.db.SettleDelivery(ctx, id(2), store.SettleArrived, ada, w.now()); !errors.Is(err, store.ErrNotUncertain) {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	w.must(w.db.SettleDelivery(ctx, id(0), store.SettleAgain, ada, w.now()))
	w.must(w.db.SettleDelivery(ctx, id(1), store.SettleArrived, ada, w.now()))
	w.want(i, ids[1], mailer.Accepted, "marked as arrived: wrong lead")
	w.sendAll(func(d *mailer.Delivery) mailer.Outcome {
		if d.Subscriber != ids[0] || d.Copies != 3 || !d.Date.Equal(date) {
			t.Errorf("sent again: %+v, first at %s", d, date)
		}
		return accepted(d)
	})
	w.want(i, ids[0], mailer.Accepted, "")
	tries, err := w.db.Attempts(ctx, id(1))
	w.must(err)
	if last := tries[len(tries)-1]; last.State != mailer.Accepted || !strings.Contains(last.Reason, "wrong lead") {
		t.Fatalf("%+v", tries)
	}
}

func testRetryIssue(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	var ids []int64
	for n := range 250 {
		s := settings(n)
		if n%3 == 0 {
			s.Address = fmt.Sprintf("reader%d@Other.example", n)
		}
		ids = append(ids, w.reader(s).ID)
	}
	i := w.openIssue("morning", "2026-04-02")
	w.sendAll(func(d *mailer.Delivery) mailer.Outcome {
		o := refused(d)
		if d.Subscriber%2 == 0 {
			o.Reason = "rcpt 554"
		}
		return o
	})
	want := 0
	for n, id := range ids {
		if n%3 == 0 && id%2 == 0 {
			want++
		}
	}
	a, err := w.db.RetryIssue(ctx, i.ID, store.Pick{Domain: "other.EXAMPLE", Reason: "rcpt"}, ada, w.now(), nil)
	if err != nil || a.Done != want || a.Left != 0 {
		t.Fatal(a, want, err)
	}
	shown := 0
	a, err = w.db.RetryIssue(ctx, i.ID, store.Pick{}, ada, w.now(), func(n, _ int) { shown = n })
	if err != nil || a.Done != len(ids)-want || shown != len(ids)-want {
		t.Fatal(a, shown, err)
	}
	if n := w.sendAll(refused); n != len(ids) {
		t.Fatal(n)
	}
	w.pass(time.Hour)
	w.tell("world", 1)
	w.openIssue("morning", "2026-04-03")
	a, err = w.db.RetryIssue(ctx, i.ID, store.Pick{}, ada, w.now(), nil)
	if err != nil || a.Done != 0 || a.Left != len(ids) || a.Why["a later issue has taken over"] != len(ids) {
		t.Fatal(a, err)
	}
	if _, err := w.db.RetryIssue(ctx, 99, store.Pick{}, ada, w.now(), nil); !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	lines := 0
	for e, err := range w.db.Audit(ctx, store.AuditFilter{}) {
		w.must(err)
		if lines++; e.Act != "issue retry" || e.By != ada {
			t.Errorf("%+v", e)
		}
	}
	if lines != 5 { // one alone, and twice one at each end
		t.Errorf("%d lines in the audit log", lines)
	}
}

// testAnyHold lets a sender and an operator in two processes do anything in any order; senders die at
// times. Nobody is lost, nobody gets more copies than there were deaths, errors and wishes for them, and
// nothing leaves while there is a hold.
func testAnyHold(t *testing.T, w *world) {
	ctx := t.Context()
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(1, seed))
	defer func() {
		if t.Failed() {
			t.Log("seed", seed)
		}
	}()
	w.tell("world", 1)
	ids := w.readers(40)
	room := w.open()
	left := map[int64]int{} // mails whose last octet left, by reader
	paused, stopped := false, false
	i := w.openIssue("morning", "2026-04-02")
	var b *mailer.Batch
	handed := map[int]bool{}
	for range 400 {
		switch rnd.IntN(14) {
		case 0:
			if !stopped {
				w.pause(room, i.ID)
				paused = true
			}
		case 1:
			w.resume(room, i.ID)
			paused = false
		case 2:
			if rnd.IntN(12) == 0 {
				if _, err := room.StopIssue(ctx, i.ID, ada, w.now(), nil); err == nil {
					stopped = true
				} else if !errors.Is(err, store.ErrNothingLeft) {
					t.Fatal(err)
				}
			}
			w.must(room.FinishStops(ctx, w.now()))
		case 3:
			if b != nil && rnd.IntN(3) == 0 { // the sender dies
				b = nil
				clear(handed)
				if rnd.IntN(2) == 0 {
					_, err := w.db.Recover(ctx, w.now())
					w.must(err)
				}
				w.pass(20 * time.Minute / 40)
			}
		case 4:
			w.pass(time.Duration(rnd.IntN(60)) * time.Second)
			if b != nil {
				_ = w.db.Renew(ctx, b)
			}
		case 5:
			if b != nil && rnd.IntN(4) == 0 {
				w.must(w.db.Release(ctx, b, w.now()))
				b = nil
				clear(handed)
			}
		default:
			if b == nil {
				var err error
				b, err = w.db.Lease(ctx, "main", "w1", w.now())
				w.must(err)
				if b != nil && (paused || stopped) {
					t.Fatal("a batch on hold is leased")
				}
				continue
			}
			n := rnd.IntN(len(b.Deliveries))
			d := &b.Deliveries[n]
			if handed[n] {
				o := []mailer.Outcome{accepted(d), refused(d), w.unanswered(d)}[min(rnd.IntN(8), 2)]
				if o.State == mailer.Failed {
					o.State, o.Due = mailer.Deferred, w.now()
				}
				_ = Settle(ctx, w.db, b, d, o, w.now())
				delete(handed, n)
				continue
			}
			if d.State != mailer.Sending {
				if err := Intend(ctx, w.db, b, d, "k1", w.now()); err != nil {
					continue
				}
				if paused || stopped {
					t.Fatal("a mail on hold is begun")
				}
				continue
			}
			if Hand(ctx, w.db, b, d, w.now()) == nil {
				if paused || stopped {
					t.Fatal("a mail on hold is handed")
				}
				handed[n] = true
				left[d.Subscriber]++
			}
		}
	}
	w.resume(room, i.ID)
	w.pass(20 * time.Minute)
	_, err := w.db.Recover(ctx, w.now())
	w.must(err)
	w.must(room.FinishStops(ctx, w.now()))
	for range 3 {
		w.sendAll(func(d *mailer.Delivery) mailer.Outcome { left[d.Subscriber]++; return accepted(d) })
		w.pass(20 * time.Minute)
	}
	for _, id := range ids {
		d := w.row(i, id)
		switch {
		case d.State == mailer.Cancelled && stopped && d.Copies == 0:
		case d.State == mailer.Uncertain && d.Copies > 0:
		case d.State == mailer.Accepted && left[id] > 0:
		default:
			t.Errorf("reader %d: %s with %d copies, %d left", id, d.State, d.Copies, left[id])
		}
	}
	if holds, err := w.db.Holds(ctx, w.now()); len(holds) != 0 || err != nil {
		t.Error(holds, err)
	}
}
