package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/intake"
	"broadsheet/mailer"
	"broadsheet/store"
)

// testAnyNews has news of all kinds rain on an issue while two senders are at it, one of which dies
// now and then. The books must balance at every moment, and what is known to have arrived or come
// back is never sent again.
func testAnyNews(t *testing.T, w *world) {
	ctx := t.Context()
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 9))
	t.Logf("seed %d", seed)
	ids := w.readers(8)
	classes := []mailer.Class{mailer.Arrived, mailer.Arrived, mailer.Put, mailer.Soft, mailer.Content, mailer.Answer}
	over := map[int64]store.DeliveryRow{} // deliveries of which something sure is known
	var issues []digest.Issue
	rain := func() {
		i := issues[rnd.IntN(len(issues))]
		id := ids[rnd.IntN(len(ids))]
		before := w.row(i, id)
		c := classes[rnd.IntN(len(classes))]
		got := w.news(i, id, c, fmt.Sprint("said ", rnd.IntN(3)))
		after := w.row(i, id)
		switch {
		case got.Early || got.Again:
			if after != before {
				t.Fatalf("%s changed %+v to %+v: %+v", c, before, after, got)
			}
		case before.State.Taken() && !after.State.Taken():
			t.Fatalf("%s brought %s back to %s", c, before.State, after.State)
		case after.State == mailer.Delivered || after.State == mailer.Bounced:
			over[after.ID()] = after
		}
	}
	for day := range 6 {
		w.tell("world", 1+rnd.IntN(2))
		i, err := w.write(w.db, w.issue("morning", fmt.Sprintf("2026-05-%02d", day+1)), 1+rnd.IntN(9))
		w.must(err)
		issues = append(issues, i)
		for range 8 {
			rain()
			if rnd.IntN(3) == 0 {
				w.pass(time.Duration(rnd.IntN(20)) * time.Minute)
			}
			if rnd.IntN(6) == 0 {
				_, err := w.db.Recover(ctx, w.now())
				w.must(err)
			}
			b, err := w.db.Lease(ctx, "main", "w1", w.now())
			w.must(err)
			for n := 0; b != nil && n < len(b.Deliveries); n++ {
				d := &b.Deliveries[n]
				verdict := []func(*mailer.Delivery) mailer.Outcome{accepted, accepted, w.unanswered, refused}[rnd.IntN(4)]
				steps := []func() error{
					func() error { return Intend(ctx, w.db, b, d, "k1", w.now()) },
					func() error { return Hand(ctx, w.db, b, d, w.now()) },
					func() error { return Settle(ctx, w.db, b, d, verdict(d), w.now()) },
				}
				for _, step := range steps[:len(steps)-rnd.IntN(5)/4] { // a sender may die before its last word
					rain()
					if err := step(); errors.Is(err, mailer.ErrLost) {
						break
					} else if err != nil {
						t.Fatal(err)
					}
				}
			}
			if b != nil && rnd.IntN(4) > 0 {
				w.must(w.db.Release(ctx, b, w.now()))
			}
			w.audit()
		}
		w.pass(12 * time.Hour)
	}
	if len(over) == 0 {
		t.Error("nothing arrived or came back")
	}
	for id, was := range over {
		now, err := w.db.Delivery(ctx, id)
		w.must(err)
		if now.Copies != was.Copies || now.Attempts != was.Attempts || now.State != mailer.Delivered && now.State != mailer.Bounced {
			t.Errorf("went again: %+v, then %+v", was, now)
		}
	}
}

// testNewsWhileSending has four senders at an issue while news of its mails come in, and looks at
// the books all the time.
func testNewsWhileSending(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(300)
	i := w.openIssue("morning", "2026-04-02")
	var sending, others sync.WaitGroup
	var hands [300]atomic.Int32 // copies that left, by reader
	first := ids[0]
	for n := range 4 {
		sending.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(n), 5))
			for {
				b, err := w.db.Lease(ctx, "main", fmt.Sprint("w", n), w.now())
				if err != nil {
					t.Error(err)
				}
				if b == nil || err != nil {
					return
				}
				for part := range slices.Chunk(b.Deliveries, 20) {
					for _, step := range []mailer.Step{mailer.Intend, mailer.Hand, mailer.Settle} {
						var marks []mailer.Mark
						for k := range part {
							d := &part[k]
							m := mailer.Mark{Step: step, Batch: b, Delivery: d, KeyID: "k1"}
							if m.Outcome = accepted(d); rnd.IntN(5) == 0 {
								m.Outcome = w.unanswered(d)
							}
							marks = append(marks, m)
						}
						if err := w.db.Commit(ctx, marks, w.now()); err != nil {
							t.Error(err)
							return
						}
						for k := range marks {
							if err := marks[k].Err; err != nil && !errors.Is(err, mailer.ErrLost) {
								t.Error(err)
							} else if err == nil && step == mailer.Hand {
								hands[part[k].Subscriber-first].Add(1)
							}
						}
					}
				}
				if err := w.db.Release(ctx, b, w.now()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	looks, early := 0, 0
	over := map[int64]int32{} // copies of those known to be over, as they stood then
	others.Go(func() {
		rnd := rand.New(rand.NewPCG(6, 6))
		for classes := []mailer.Class{mailer.Arrived, mailer.Arrived, mailer.Put, mailer.Content}; ; {
			select {
			case <-done:
				return
			default:
			}
			var events []intake.Event
			for range 20 {
				if k := rnd.IntN(len(ids)); hands[k].Load() > 0 {
					events = append(events, intake.Event{News: mailer.News{Class: classes[rnd.IntN(len(classes))], At: w.now()}, Source: "log", Of: of(i, ids[k]), Sure: true})
				}
			}
			taken, err := w.db.TakeEvents(ctx, events, w.now())
			if err != nil {
				t.Error(err)
				return
			}
			for k, got := range taken {
				id := events[k].Of.Subscriber
				if got.Early {
					early++
				} else if _, known := over[id]; !known && (strings.HasPrefix(got.Effect, "delivered") || strings.HasPrefix(got.Effect, "bounced")) {
					over[id] = hands[id-first].Load()
				}
			}
		}
	})
	others.Go(func() {
		for ; ; looks++ {
			select {
			case <-done:
				return
			default:
			}
			counts, err := w.db.IssueCounts(ctx, i.ID)
			sum := 0
			for _, n := range counts {
				sum += n
			}
			if err != nil || sum != i.Audience {
				t.Errorf("audience %d, states %v: %v", i.Audience, counts, err)
				return
			}
		}
	})
	sending.Wait()
	w.pass(time.Minute) // second copies of what was not answered
	w.sendAll(func(d *mailer.Delivery) mailer.Outcome {
		hands[d.Subscriber-first].Add(1)
		return accepted(d)
	})
	close(done)
	others.Wait()
	if looks == 0 || len(over) == 0 {
		t.Errorf("%d looks at the books, %d mails over, %d news early", looks, len(over), early)
	}
	for id, copies := range over {
		d := w.row(i, id)
		if d.State != mailer.Delivered && d.State != mailer.Bounced {
			t.Errorf("over, and now %s", d.State)
		}
		if d.Copies > int(copies) {
			t.Errorf("reader %d: %d copies, and it was over with %d", id, d.Copies, copies)
		}
	}
}
