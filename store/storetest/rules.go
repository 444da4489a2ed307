package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/subscribers"
)

func testSuperseded(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(5)
	i := w.openIssue("morning", "2026-04-02")
	b := w.lease()
	// 0 is queued, 1 sending, 2 handed, 3 has an unanswered copy, 4 is accepted.
	w.must(w.db.Intend(ctx, b, &b.Deliveries[1], "k1", w.now()))
	w.must(w.db.Intend(ctx, b, &b.Deliveries[2], "k1", w.now()))
	w.must(w.db.Handed(ctx, b, &b.Deliveries[2], w.now()))
	w.must(w.try(w.db, b, &b.Deliveries[3], w.unanswered))
	w.must(w.try(w.db, b, &b.Deliveries[4], accepted))

	w.pass(time.Minute)
	w.tell("world", 1)
	j := w.openIssue("morning", "2026-04-03")
	w.want(i, ids[0], mailer.Superseded, "superseded")
	w.want(i, ids[1], mailer.Superseded, "superseded")
	w.want(i, ids[2], mailer.Handed, "")
	w.want(i, ids[3], mailer.Uncertain, "superseded")
	w.want(i, ids[4], mailer.Accepted, "")
	if err := w.db.Handed(ctx, b, &b.Deliveries[1], w.now()); !errors.Is(err, mailer.ErrLost) {
		t.Fatalf("a superseded mail is handed: %v", err)
	}
	for n, stories := range []int{2, 2, 1, 1, 1} {
		d, err := w.db.Digest(ctx, w.row(j, ids[n]).Digest)
		w.must(err)
		if len(d.Items) != stories {
			t.Errorf("reader %d gets %d stories, want %d", n, len(d.Items), stories)
		}
	}
	// The handed one is refused for now: it may not open again beside the later one.
	w.must(w.db.Record(ctx, b, &b.Deliveries[2], mailer.Outcome{State: mailer.Deferred, Reason: "dot 451", Reply: mailer.Reply{Code: 451}, Due: w.now(), Charged: true}, w.now()))
	w.want(i, ids[2], mailer.Superseded, "superseded")
}

func testCarry(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(2)
	w.openIssue("morning", "2026-04-01")
	w.sendAll(accepted)
	w.pass(24 * time.Hour)
	w.tell("world", 1)
	i := w.openIssue("morning", "2026-04-02")
	b := w.lease()
	for n := range b.Deliveries {
		w.must(w.db.Intend(ctx, b, &b.Deliveries[n], "k1", w.now()))
		w.must(w.db.Handed(ctx, b, &b.Deliveries[n], w.now()))
	}
	w.pass(24 * time.Hour)
	w.tell("world", 1)
	j := w.openIssue("morning", "2026-04-03")
	w.must(w.db.Renew(ctx, b))
	w.must(w.db.Record(ctx, b, &b.Deliveries[0], refused(&b.Deliveries[0]), w.now()))
	w.must(w.db.Record(ctx, b, &b.Deliveries[1], accepted(&b.Deliveries[1]), w.now()))
	w.must(w.db.Release(ctx, b, w.now()))
	w.want(i, ids[0], mailer.Failed, "dot 550")
	if n := w.sendAll(accepted); n != 2 {
		t.Fatal(n)
	}
	w.pass(24 * time.Hour)
	w.tell("world", 1)
	k := w.openIssue("morning", "2026-04-04")
	for n, want := range []string{"[2 4]", "[4]"} { // the lost story comes again, what came in between does not
		d, err := w.db.Digest(ctx, w.row(k, ids[n]).Digest)
		w.must(err)
		var got []int64
		for _, item := range d.Items {
			got = append(got, item.Story)
		}
		if fmt.Sprint(got) != want {
			t.Errorf("reader %d gets %v, want %s", n, got, want)
		}
	}
	w.want(j, ids[0], mailer.Accepted, "")
}

func testMinGap(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	w.tell("sport", 1)
	for n := range 3 {
		s := settings(n)
		s.Editions = []string{"morning", "extra"}
		s.Sections = append(s.Sections, subscribers.Follow{Section: "sport", Level: subscribers.Normal})
		w.reader(s)
	}
	open := func(edition string, life time.Duration) digest.Issue {
		i := w.issue(edition, "2026-04-02")
		i.MinGap, i.Ends = 3*time.Hour, w.now().Add(life)
		i, err := w.write(w.db, i, 10)
		w.must(err)
		return i
	}
	first := open("morning", 6*time.Hour)
	w.tell("world", 1)
	w.pass(time.Second)
	second := open("extra", 4*time.Hour)
	b := w.lease() // morning
	if b.Issue != first.ID {
		t.Fatalf("leased issue %d", b.Issue)
	}
	w.must(w.db.Intend(ctx, b, &b.Deliveries[0], "k1", w.now())) // 1 is being sent, 2 was handed, 3 has had none
	w.must(w.try(w.db, b, &b.Deliveries[1], accepted))
	handed := w.now()
	w.pass(time.Minute)
	o := w.lease()
	if err := w.db.Intend(ctx, o, &o.Deliveries[0], "k1", w.now()); !errors.Is(err, mailer.ErrWait) {
		t.Fatalf("beside a mail that is being sent: %v", err)
	}
	if err := w.db.Intend(ctx, o, &o.Deliveries[1], "k1", w.now()); !errors.Is(err, mailer.ErrWait) {
		t.Fatalf("right behind a mail: %v", err)
	}
	w.must(w.try(w.db, o, &o.Deliveries[2], accepted))
	if err := w.db.Intend(ctx, b, &b.Deliveries[2], "k1", w.now()); !errors.Is(err, mailer.ErrWait) {
		t.Fatalf("the other way round: %v", err)
	}
	w.must(w.db.Release(ctx, o, w.now()))
	row := w.want(second, o.Deliveries[1].Subscriber, mailer.Queued, "min_gap")
	if !row.Due.Equal(handed.Add(3 * time.Hour)) {
		t.Fatalf("due %v after a mail at %v", row.Due, handed)
	}
	// The one that was being sent is refused: then nothing is to wait for.
	w.must(w.db.Handed(ctx, b, &b.Deliveries[0], w.now()))
	w.must(w.db.Record(ctx, b, &b.Deliveries[0], refused(&b.Deliveries[0]), w.now()))
	w.must(w.db.Release(ctx, b, w.now()))
	w.pass(time.Minute)
	if n := w.sendAll(accepted); n != 1 {
		t.Fatalf("sent %d", n)
	}
	w.pass(3 * time.Hour)
	if n := w.sendAll(accepted); n != 2 {
		t.Fatalf("sent %d", n)
	}
	// One that would wait past its end goes no more.
	w.tell("world", 1)
	i := w.issue("morning", "2026-04-03")
	i.MinGap, i.Ends = 3*time.Hour, w.now().Add(time.Hour)
	i, err := w.write(w.db, i, 10)
	w.must(err)
	w.sendAll(accepted)
	if counts, err := w.db.IssueCounts(ctx, i.ID); err != nil || counts["expired"] < 2 {
		t.Fatal(counts, err)
	}
}

func testQuiet(t *testing.T, w *world) {
	w.tell("world", 1)
	ids := w.readers(1)
	i := w.issue("morning", "2026-04-02") // 06:00 UTC is 07:00 in London
	i.Quiet = []schedule.Quiet{{From: 6 * 60, To: 7*60 + 30}}
	i, err := w.write(w.db, i, 10)
	w.must(err)
	if n := w.sendAll(accepted); n != 0 {
		t.Fatal("sent in quiet hours")
	}
	if row := w.want(i, ids[0], mailer.Queued, "quiet hours"); !row.Due.Equal(w.now().Add(30 * time.Minute)) {
		t.Fatalf("due %v", row.Due)
	}
	w.pass(30 * time.Minute)
	if n := w.sendAll(accepted); n != 1 {
		t.Fatal(n)
	}
}

func testEndOfLife(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(3)
	i := w.openIssue("morning", "2026-04-02")
	b := w.lease()
	w.must(w.try(w.db, b, &b.Deliveries[0], w.unanswered))
	w.must(w.db.Release(ctx, b, w.now()))
	w.pass(6*time.Hour + time.Minute)
	b = w.lease()
	if err := w.db.Intend(ctx, b, &b.Deliveries[1], "k1", w.now()); !errors.Is(err, mailer.ErrLost) {
		t.Fatalf("begun after its end: %v", err)
	}
	w.must(w.db.Release(ctx, b, w.now()))
	if n, err := w.db.Expire(ctx, w.now()); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	w.want(i, ids[0], mailer.Uncertain, mailer.ReasonExpired)
	w.want(i, ids[1], mailer.Expired, mailer.ReasonExpired)
	w.want(i, ids[2], mailer.Expired, mailer.ReasonExpired)
	if _, ok, err := w.db.NextDue(ctx, "main"); err != nil || ok {
		t.Fatal("still due", err)
	}
}

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
	w.pass(23 * time.Hour)
	i := send(hard, hard)
	if barred(0) != "" {
		t.Fatal("barred within a day")
	}
	w.want(i, ids[1], mailer.Suppressed, "hard_bounce")
	send(accepted, hard) // forgives
	send(hard, hard)
	w.pass(25 * time.Hour)
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
		w.must(w.db.Intend(ctx, b, &b.Deliveries[n], "k1", w.now()))
		if handed {
			w.must(w.db.Handed(ctx, b, &b.Deliveries[n], w.now()))
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
	if err := w.db.RetryDelivery(ctx, id(2), "", w.now()); !errors.Is(err, store.ErrNoRetry) {
		t.Fatalf("an accepted mail goes again: %v", err)
	}
	w.must(w.db.RetryDelivery(ctx, id(0), "mailbox was full", w.now()))
	w.must(w.db.RetryDelivery(ctx, id(1), "", w.now()))
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
	if err := w.db.RetryDelivery(ctx, store.DeliveryID(9, 9), "", w.now()); !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	w.tell("world", 1)
	i = w.openIssue("morning", "2026-04-03")
	w.sendAll(refused)
	w.pass(7 * time.Hour)
	if err := w.db.RetryDelivery(ctx, id(0), "", w.now()); !errors.Is(err, store.ErrNoRetry) {
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

// testAnyOrder does everything at random for a while. Each reader may get a story once at most
// and the audit after it must hold.
func testAnyOrder(t *testing.T, w *world) {
	ctx := t.Context()
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	ids := w.readers(8)
	got := make(map[string]int) // reader and story → copies taken by the relay for sure
	count := func(d *mailer.Delivery) {
		dg, err := w.db.Digest(ctx, d.Digest)
		w.must(err)
		for _, item := range dg.Items {
			if key := fmt.Sprint("reader ", d.Subscriber, " story ", item.Story); d.Copies == 1 {
				if got[key]++; got[key] > 1 {
					t.Errorf("%s came twice", key)
				}
			}
		}
	}
	for day := range 25 {
		w.tell("world", rnd.IntN(3))
		if _, err := w.write(w.db, w.issue("morning", fmt.Sprintf("%03d", day)), 1+rnd.IntN(9)); err != nil {
			t.Fatal(err)
		}
		for range 6 {
			switch rnd.IntN(7) {
			case 0:
				w.pass(time.Duration(rnd.IntN(300)) * time.Minute)
			case 1:
				_, err := w.db.Recover(ctx, w.now())
				w.must(err)
			case 2:
				s, err := w.db.SubscriberByID(ctx, ids[rnd.IntN(len(ids))])
				w.must(err)
				s.Status = []subscribers.Status{subscribers.Active, subscribers.Active, subscribers.Paused}[rnd.IntN(3)]
				_, err = w.db.ChangeSettings(ctx, s.ID, s.Settings, "reader", w.now())
				w.must(err)
			case 3:
				_, err := w.db.Expire(ctx, w.now())
				w.must(err)
			default:
				b, err := w.db.Lease(ctx, "main", "w1", w.now())
				w.must(err)
				if b == nil {
					continue
				}
				for n := range b.Deliveries {
					d := &b.Deliveries[n]
					if err := w.db.Intend(ctx, b, d, "k1", w.now()); errors.Is(err, mailer.ErrLost) {
						continue
					} else if w.must(err); rnd.IntN(8) == 0 {
						continue // the sender dies here
					}
					w.must(w.db.Handed(ctx, b, d, w.now()))
					switch rnd.IntN(4) {
					case 0: // or here
						count(d)
					case 1:
						count(d)
						w.must(w.db.Record(ctx, b, d, accepted(d), w.now()))
					case 2:
						count(d)
						w.must(w.db.Record(ctx, b, d, w.unanswered(d), w.now()))
					case 3:
						w.must(w.db.Record(ctx, b, d, refused(d), w.now()))
					}
				}
				if rnd.IntN(2) == 0 {
					w.must(w.db.Release(ctx, b, w.now()))
				}
			}
		}
		w.pass(12 * time.Hour)
	}
}
