package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
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
	w.must(Intend(ctx, w.db, b, &b.Deliveries[1], "k1", w.now()))
	w.must(Intend(ctx, w.db, b, &b.Deliveries[2], "k1", w.now()))
	w.must(Hand(ctx, w.db, b, &b.Deliveries[2], w.now()))
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
	if err := Hand(ctx, w.db, b, &b.Deliveries[1], w.now()); !errors.Is(err, mailer.ErrLost) {
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
	w.must(Settle(ctx, w.db, b, &b.Deliveries[2], mailer.Outcome{State: mailer.Deferred, Reason: "dot 451", Reply: mailer.Reply{Code: 451}, Due: w.now(), Charged: true}, w.now()))
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
		w.must(Intend(ctx, w.db, b, &b.Deliveries[n], "k1", w.now()))
		w.must(Hand(ctx, w.db, b, &b.Deliveries[n], w.now()))
	}
	w.pass(24 * time.Hour)
	w.tell("world", 1)
	j := w.openIssue("morning", "2026-04-03")
	w.must(w.db.Renew(ctx, b))
	w.must(Settle(ctx, w.db, b, &b.Deliveries[0], refused(&b.Deliveries[0]), w.now()))
	w.must(Settle(ctx, w.db, b, &b.Deliveries[1], accepted(&b.Deliveries[1]), w.now()))
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

// testGapTogether has two senders intend mails of two editions to the same readers at the same moment: each reader gets
// one, whoever looked first.
func testGapTogether(t *testing.T, w *world) {
	const readers = 60
	w.tell("world", 1)
	for n := range readers {
		s := settings(n)
		s.Editions = []string{"morning", "extra"}
		w.reader(s)
	}
	type sender struct {
		db *store.DB
		b  *mailer.Batch
	}
	var senders []sender
	for n, edition := range []string{"morning", "extra"} {
		i := w.issue(edition, "2026-04-02")
		i.MinGap, i.Ends = 3*time.Hour, w.now().Add(6*time.Hour)
		_, err := w.write(w.db, i, readers)
		w.must(err)
		w.tell("world", 1)
		db := w.open()
		b, err := db.Lease(t.Context(), "main", fmt.Sprint("w", n), w.now())
		w.must(err)
		if b == nil || len(b.Deliveries) != readers {
			t.Fatalf("%s: leased %+v", edition, b)
		}
		senders = append(senders, sender{db, b})
	}
	var mu sync.Mutex
	got := make(map[int64]int)
	waits := 0
	var wg sync.WaitGroup
	for _, s := range senders {
		wg.Go(func() {
			for n := range s.b.Deliveries {
				err := Intend(t.Context(), s.db, s.b, &s.b.Deliveries[n], "k1", w.now())
				mu.Lock()
				switch {
				case errors.Is(err, mailer.ErrWait):
					waits++
				case err != nil:
					t.Error(err)
				default:
					got[s.b.Deliveries[n].Subscriber]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for id, n := range got {
		if n > 1 {
			t.Errorf("reader %d gets %d mails at once", id, n)
		}
	}
	if len(got) != readers || waits != readers {
		t.Errorf("%d readers get mail, %d mails wait", len(got), waits)
	}
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
	w.must(Intend(ctx, w.db, b, &b.Deliveries[0], "k1", w.now())) // 1 is being sent, 2 was handed, 3 has had none
	w.must(w.try(w.db, b, &b.Deliveries[1], accepted))
	handed := w.now()
	w.pass(time.Minute)
	o := w.lease()
	if err := Intend(ctx, w.db, o, &o.Deliveries[0], "k1", w.now()); !errors.Is(err, mailer.ErrWait) {
		t.Fatalf("beside a mail that is being sent: %v", err)
	}
	if err := Intend(ctx, w.db, o, &o.Deliveries[1], "k1", w.now()); !errors.Is(err, mailer.ErrWait) {
		t.Fatalf("right behind a mail: %v", err)
	}
	w.must(w.try(w.db, o, &o.Deliveries[2], accepted))
	if err := Intend(ctx, w.db, b, &b.Deliveries[2], "k1", w.now()); !errors.Is(err, mailer.ErrWait) {
		t.Fatalf("the other way round: %v", err)
	}
	w.must(w.db.Release(ctx, o, w.now()))
	row := w.want(second, o.Deliveries[1].Subscriber, mailer.Queued, "min_gap")
	if !row.Due.Equal(handed.Add(3 * time.Hour)) {
		t.Fatalf("due %v after a mail at %v", row.Due, handed)
	}
	// The one that was being sent is refused: then nothing is to wait for.
	w.must(Hand(ctx, w.db, b, &b.Deliveries[0], w.now()))
	w.must(Settle(ctx, w.db, b, &b.Deliveries[0], refused(&b.Deliveries[0]), w.now()))
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
	if err := Intend(ctx, w.db, b, &b.Deliveries[1], "k1", w.now()); !errors.Is(err, mailer.ErrLost) {
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
					if err := Intend(ctx, w.db, b, d, "k1", w.now()); errors.Is(err, mailer.ErrLost) {
						continue
					} else if w.must(err); rnd.IntN(8) == 0 {
						continue // the sender dies here
					}
					w.must(Hand(ctx, w.db, b, d, w.now()))
					switch rnd.IntN(4) {
					case 0: // or here
						count(d)
					case 1:
						count(d)
						w.must(Settle(ctx, w.db, b, d, accepted(d), w.now()))
					case 2:
						count(d)
						w.must(Settle(ctx, w.db, b, d, w.unanswered(d), w.now()))
					case 3:
						w.must(Settle(ctx, w.db, b, d, refused(d), w.now()))
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
