package storetest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/store"
)

// sharing is a sender of a relay as package mailer is one: it goes by what it was told to keep, and uses more until
// what is under way there is over.
type sharing struct {
	db   *store.DB
	name string
	last mailer.Part
	uses []int     // where something is under way
	ends time.Time // by the machine's clock
}

func (s *sharing) ask(w *world, whole mailer.Whole) {
	w.Helper()
	asked := w.machine()
	p, err := s.db.Share(w.Context(), "main", s.name, whole, s.held())
	w.must(err)
	s.last, s.ends = p, asked.Add(p.For)
}

// held are the places that it goes by and those of its others that are in use.
func (s *sharing) held() []int {
	held := slices.Clone(s.last.Keep)
	for _, place := range s.uses {
		if !slices.Contains(held, place) {
			held = append(held, place)
		}
	}
	return held
}

// valid are the places where it may begin something at that time, or has something under way.
func (s *sharing) valid(at time.Time) []int {
	if !at.Before(s.ends) {
		return nil
	}
	return s.held()
}

// testShares: one sender has a whole relay at once, two have half of it each, and who died is followed.
func testShares(t *testing.T, w *world) {
	whole := mailer.Whole{Connections: 5, Rate: 10}
	a, b := &sharing{db: w.db, name: "a"}, &sharing{db: w.open(), name: "b"}
	want := func(s *sharing, rate float64, keep ...int) {
		t.Helper()
		s.ask(w, whole)
		if !slices.Equal(s.last.Keep, keep) || s.last.Of != 5 || s.last.Rate != rate {
			t.Fatalf("%s has %+v, want %v and %v a second", s.name, s.last, keep, rate)
		}
	}
	want(a, 10, 0, 1, 2, 3, 4)
	w.pass(time.Millisecond)
	want(b, 0) // all is a's
	a.uses = []int{0, 4}
	want(a, 6, 0, 1, 2) // is to go down, and still has all
	if !slices.Equal(a.last.Places, []int{0, 1, 2, 3, 4}) {
		t.Fatalf("a place in use was taken away: %+v", a.last)
	}
	want(b, 0)
	want(a, 6, 0, 1, 2)
	if !slices.Equal(a.last.Places, []int{0, 1, 2, 4}) {
		t.Fatalf("what is not in use was not given up: %+v", a.last)
	}
	want(b, 2, 3)
	a.uses = nil
	want(a, 6, 0, 1, 2)
	want(b, 4, 3, 4)
	list, err := w.db.Shares(t.Context())
	w.must(err)
	if len(list) != 2 || list[0].Worker != "a" || list[1].Rate != 4 || !list[1].Until.After(w.machine()) {
		t.Fatalf("shares are %+v", list)
	}
	w.pass(19 * time.Second) // a is frozen
	want(b, 4, 3, 4)
	w.pass(2 * time.Second)
	want(b, 10, 0, 1, 2, 3, 4)
	w.pass(time.Millisecond)
	want(a, 0) // thawed
	want(b, 6, 0, 1, 2)
	want(b, 6, 0, 1, 2)
	want(a, 4, 3, 4)
	w.must(w.db.Leave(t.Context(), "main", "a"))
	want(b, 10, 0, 1, 2, 3, 4)
	whole = mailer.Whole{Connections: 5} // no rate
	want(b, 0, 0, 1, 2, 3, 4)
}

// testFewPlaces: with fewer connections than senders some have none, until one ends.
func testFewPlaces(t *testing.T, w *world) {
	whole := mailer.Whole{Connections: 2, Rate: 1}
	var all []*sharing
	for n := range 4 {
		s := &sharing{db: w.db, name: fmt.Sprint("w", n)}
		if n > 0 {
			s.db = w.open()
		}
		all = append(all, s)
		w.pass(time.Millisecond)
		s.ask(w, whole)
	}
	settle := func() (has []int) {
		for range 3 {
			for _, s := range all {
				s.ask(w, whole)
			}
		}
		for _, s := range all {
			has = append(has, len(s.last.Keep))
		}
		return has
	}
	if got := settle(); !slices.Equal(got, []int{1, 1, 0, 0}) {
		t.Fatalf("two connections are divided as %v", got)
	}
	w.must(all[0].db.Leave(t.Context(), "main", all[0].name))
	all = all[1:]
	if got := settle(); !slices.Equal(got, []int{1, 1, 0}) {
		t.Fatalf("after one has ended: %v", got)
	}
}

// testAnyShares: senders come, die, freeze, thaw and leave at random, and answers are late; at no moment two have
// the same place, nor all of them more than there is.
func testAnyShares(t *testing.T, w *world) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 18))
	whole := mailer.Whole{Connections: 1 + rnd.IntN(9), Rate: 20}
	var dbs []*store.DB
	for range 6 {
		dbs = append(dbs, w.open())
	}
	live := map[*store.DB]*sharing{}
	var gone []*sharing // dead or frozen; what is under way in a frozen one goes on
	check := func(what string) {
		t.Helper()
		seen := map[int]string{}
		for _, s := range slices.AppendSeq(slices.Clone(gone), maps.Values(live)) {
			for _, place := range s.valid(w.machine()) {
				if other, ok := seen[place]; ok || place >= whole.Connections {
					t.Fatalf("after %s: place %d of %d is of %s and %s", what, place, whole.Connections, s.name, other)
				}
				seen[place] = s.name
			}
		}
	}
	for n := range 400 {
		db := dbs[rnd.IntN(len(dbs))]
		s := live[db]
		what := ""
		switch k := rnd.IntN(20); {
		case s == nil:
			s = &sharing{db: db, name: fmt.Sprint("w", n)}
			live[db] = s
			s.ask(w, whole)
			what = "a join"
		case k == 0: // frozen; a process in its place has another handle
			what = "a freeze"
			gone = append(gone, s)
			delete(live, db)
			dbs[slices.Index(dbs, db)] = w.open()
		case k == 1:
			what = "an end"
			w.must(db.Leave(t.Context(), "main", s.name))
			delete(live, db)
		case k == 2 && len(gone) > 0:
			what = "a thaw"
			s = gone[0]
			if !w.machine().Before(s.ends) {
				s.uses = nil // the margin is for what was in hand
			}
			gone = slices.Clone(gone[1:])
			dbs, live[s.db] = append(dbs, s.db), s
			s.ask(w, whole)
		case k < 6:
			what = "time"
			w.pass(time.Duration(rnd.IntN(6000)) * time.Millisecond)
		default:
			what = "a renewal"
			s.uses = slices.DeleteFunc(s.uses, func(int) bool { return rnd.IntN(2) == 0 || !w.machine().Before(s.ends) })
			for _, place := range s.last.Keep {
				if rnd.IntN(2) == 0 && w.machine().Before(s.ends) && !slices.Contains(s.uses, place) {
					s.uses = append(s.uses, place)
				}
			}
			before := *s
			s.ask(w, whole)
			if rnd.IntN(10) == 0 { // the answer was lost: it goes by what it knew
				s.last, s.ends = before.last, before.ends
			}
		}
		check(what)
	}
	w.pass(30 * time.Second) // who is gone is forgotten
	for range 8 {
		for _, s := range live {
			s.uses = nil
			s.ask(w, whole)
		}
	}
	sum := 0
	for _, s := range live {
		sum += len(s.last.Keep)
	}
	if len(live) > 0 && sum != whole.Connections {
		t.Errorf("%d senders have %d of %d places", len(live), sum, whole.Connections)
	}
}

// testSharesTogether: processes that ask in the same moment are answered one after the other.
func testSharesTogether(t *testing.T, w *world) {
	whole := mailer.Whole{Connections: 7, Rate: 7}
	var all []*sharing
	for n := range 5 {
		all = append(all, &sharing{db: w.open(), name: fmt.Sprint("w", n)})
	}
	for round := range 10 {
		var wg sync.WaitGroup
		for _, s := range all {
			wg.Go(func() {
				p, err := s.db.Share(t.Context(), "main", s.name, whole, s.held())
				if err != nil {
					t.Error(err)
				}
				s.last = p
			})
		}
		wg.Wait()
		seen := map[int]bool{}
		rate := 0.0
		for _, s := range all {
			rate += s.last.Rate
			for _, place := range s.last.Places {
				if seen[place] {
					t.Fatalf("round %d: place %d has two", round, place)
				}
				seen[place] = true
			}
		}
		if rate > 7+1e-9 {
			t.Fatalf("round %d: %v mails a second", round, rate)
		}
	}
	for _, s := range all {
		if n := len(s.last.Keep); n < 1 || n > 2 {
			t.Errorf("%s has %d of 7", s.name, n)
		}
	}
}

// testRelayStates: a relay is as the worst of its senders says, and who has left it is not asked.
func testRelayStates(t *testing.T, w *world) {
	ctx, whole := t.Context(), mailer.Whole{Connections: 2}
	other := w.open()
	for n, db := range []*store.DB{w.db, other} {
		_, err := db.Share(ctx, "main", []string{"a", "b"}[n], whole, nil)
		w.must(err)
	}
	say := func(worker, state string) {
		w.must(w.db.KeepRelayStates(ctx, []store.RelayState{{Relay: "main", State: state, Since: w.machine(), Seen: w.machine(), Worker: worker}}))
	}
	want := func(worker, state string) {
		t.Helper()
		list, err := w.db.RelayStates(ctx)
		w.must(err)
		if len(list) != 1 || list[0].Worker != worker || list[0].State != state {
			t.Fatalf("states are %+v, want %s by %s", list, state, worker)
		}
	}
	say("b", store.RelayDown)
	say("a", store.RelayUp)
	want("b", store.RelayDown)
	say("b", store.RelayUp)
	say("a", store.RelaySlow)
	want("a", store.RelaySlow)
	say("b", store.RelayHeld)
	want("b", store.RelayHeld)
	w.must(other.Leave(ctx, "main", "b"))
	want("b", store.RelayHeld)
	say("a", store.RelayUp)
	want("a", store.RelayUp)
	w.must(w.db.Leave(ctx, "main", "a"))
	say("c", store.RelayUp) // with one sender at a time the last word counts
	want("c", store.RelayUp)
}

// testCaps: processes that open issues at the same time do not give a relay more than its day's cap.
func testCaps(t *testing.T, w *world) {
	const cap = 15
	w.tell("world", 3)
	w.readers(60)
	warm := schedule.WarmUp{From: w.now().Truncate(24 * time.Hour), First: cap, Growth: 2}
	routes := digest.NewRoutes([]schedule.Relay{{Name: "main", Weight: 1}, {Name: "new", Weight: 1, WarmUp: warm}})
	var wg sync.WaitGroup
	for n := range 6 {
		db, issue := w.open(), w.issue([]string{"morning", "evening"}[n%2], "2026-04-02")
		wg.Go(func() {
			i, err := db.BeginIssue(t.Context(), issue, w.now())
			stored := make(map[string]*digest.Digest)
			for done := err != nil; !done; {
				done, err = db.WriteChunk(t.Context(), &i, digest.Audience{}, 7, w.now(), func(c digest.Chunk) ([]digest.Planned, error) {
					list, err := w.plan(t.Context(), db, i, c, stored)
					day, assigned, more := c.Assigned(t.Context())
					give := routes.Day(day, assigned)
					for k := range list {
						if list[k].Digest != nil {
							list[k].Relay, _ = give.Assign(list[k].Subscriber, "")
						}
					}
					return list, errors.Join(err, more)
				})
				done = done || err != nil
			}
			if err == nil {
				err = db.FinishIssue(t.Context(), &i, 0, w.now())
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := w.db.Assigned(t.Context(), digest.UTCDay(w.now()))
	w.must(err)
	if got["new"] != cap || got["main"] < 60-cap {
		t.Errorf("assigned are %v, with a cap of %d", got, cap)
	}
}
