package mailer

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"broadsheet/mailer/relaytest"
)

// TestUnits: however the places of a relay are divided, the pieces of a provider's limit are the limit.
func TestUnits(t *testing.T) {
	for range 1000 {
		of, limit := 1+rand.IntN(20), 1+rand.IntN(30)
		parts := make([]part, 1+rand.IntN(6))
		for n := range parts {
			parts[n].of = of
		}
		for place := range of {
			p := &parts[rand.IntN(len(parts))]
			p.places = append(p.places, place)
		}
		l := &DomainLimit{Rate: 3, Connections: limit}
		lines, rate := 0, 0.0
		for _, p := range parts {
			r, n, ok := p.limit(l)
			if lines, rate = lines+n, rate+r; ok != (n > 0) || ok != (r > 0) {
				t.Fatalf("%d connections and %v a second, and that is %v", n, r, ok)
			}
		}
		if lines != limit || rate < 2.999 || rate > 3.001 {
			t.Fatalf("of %d connections and 3 a second %d and %v were given out", limit, lines, rate)
		}
	}
	if r, n, ok := (part{}).limit(unlimited); r != 0 || n != 0 || !ok {
		t.Error("without a limit there is one")
	}
}

// TestGateShares: two gates that have half a relay each let no more through than one that has it all, and one whose part is
// over lets nothing through.
func TestGateShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		gates := []*gate{productGate(20), productGate(20)}
		gates[0].have(4, 20, start.Add(time.Hour), true)
		gates[1].have(0, 0, start.Add(time.Hour), false)
		if !gates[1].without() || gates[0].without() {
			t.Fatal("who has nothing has something, or the other way round")
		}
		gates[0].have(2, 10, start.Add(time.Hour), false)
		gates[1].have(2, 10, start.Add(10*time.Second), false)
		gone := func(g *gate, d time.Duration) (n int) {
			for end := time.Now().Add(d); time.Now().Before(end); {
				wait := 10 * time.Millisecond
				if !g.crowdedWith(1) {
					wait = g.turn()
				}
				if wait <= 0 {
					n++
				}
				time.Sleep(wait)
			}
			return n
		}
		var counts [2]int
		var wg sync.WaitGroup
		for n, g := range gates {
			wg.Go(func() { counts[n] = gone(g, 10*time.Second-5*time.Millisecond) })
		}
		wg.Wait()
		if sum := counts[0] + counts[1]; sum > 202 || sum < 195 {
			t.Errorf("%v mails in 10 s at 20 a second", counts)
		}
		time.Sleep(time.Second)
		if n := gone(gates[1], time.Second); n > 0 || !gates[1].without() {
			t.Errorf("%d mails after the end of the part", n)
		}
		// A relay that throttled stays slowed as much.
		gates[0].apply(Slow, "slow down")
		gates[0].have(4, 20, time.Time{}, true)
		if gates[0].rate != 10 || !gates[0].slowed() {
			t.Errorf("half of 20 a second is %v", gates[0].rate)
		}
	})
}

// crowdedWith is crowded with so many connections open.
func (g *gate) crowdedWith(open int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return open > g.ours(now())
}

// giver is a Sharer that gives what it is told to.
type giver struct {
	mu   sync.Mutex
	part Part
	held []int
	err  error
	left bool
}

func (g *giver) Share(_ context.Context, _, _ string, _ Whole, held []int) (Part, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = held
	return g.part, g.err
}

func (g *giver) Leave(context.Context, string, string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left = true
	return nil
}

func (g *giver) give(keep []int, places ...int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.part = Part{Places: places, Keep: keep, Of: 4, For: time.Minute, Again: 5 * time.Millisecond}
}

func (g *giver) holds() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.held)
}

// TestSenderShares: a sender without a place sends nothing and leaves the queue alone; with places it uses no more than
// these, and holds on to those in use only.
func TestSenderShares(t *testing.T) {
	relay, q := relaytest.Start(t, "DOT* wait; 250 2.0.0 taken"), newQueue(t, 40)
	s := sender(t, q, relay, 4)
	g := &giver{}
	g.give(nil)
	s.Sharer = g
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { _, err := s.Run(ctx, false); done <- err }()
	await := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal(what)
			}
		}
	}
	select {
	case <-relay.Waiting():
		t.Error("a mail left without a place")
	case <-time.After(200 * time.Millisecond):
	}
	if b, err := q.Lease(ctx, "main", "other", noon); err != nil || b == nil {
		t.Fatalf("the queue is not free for others: %v", err)
	} else if err := q.Release(ctx, b, noon); err != nil {
		t.Fatal(err)
	}
	g.give([]int{0, 1, 3}, 0, 1, 3)
	for range 3 {
		<-relay.Waiting()
	}
	select {
	case <-relay.Waiting():
		t.Error("a fourth connection for three places")
	case <-time.After(100 * time.Millisecond):
	}
	g.give([]int{1}, 0, 1, 3)
	time.Sleep(50 * time.Millisecond)
	if n := g.holds(); n != 3 {
		t.Errorf("%d places are held, and three are in use", n)
	}
	relay.Release()
	await("places are held that are not in use", func() bool { return g.holds() == 1 })
	await("not all was sent", func() bool { return q.states()[Accepted] == 40 })
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !g.left {
		t.Error("it has not given its part up")
	}
}

// TestLaneNotOurs: mails to a provider of whose connections none is ours go back for others, and the rest is sent.
func TestLaneNotOurs(t *testing.T) {
	relay, q := relaytest.Start(t), newQueue(t, 30)
	for i := range 10 {
		q.rows[i].Address = "reader@one.example"
	}
	s := sender(t, q, relay, 4)
	s.Domains = NewDomains([]DomainGroup{{DomainLimit: DomainLimit{Name: "one", Rate: 100, Connections: 1}, Domains: []string{"one.example"}}})
	g := &giver{}
	g.give([]int{0, 1}, 0, 1) // the provider's goes with 3
	s.Sharer = g
	runIdle(t, s)
	wantStates(t, q, map[State]int{Accepted: 20, Queued: 10})
	if d := q.row(1); !d.Due.Equal(noon.Add(laneTime)) || d.Reason != "limit of one" || d.Attempts != 0 {
		t.Errorf("what is for others came back as %+v", d)
	}
	g.give([]int{2, 3}, 2, 3)
	s.Now = func() time.Time { return noon.Add(time.Minute) }
	runIdle(t, s)
	wantStates(t, q, map[State]int{Accepted: 30})
}

// TestSenderShareEnds: a part that cannot be renewed ends, and nothing is begun after that. A run until idle does not wait for
// a place if nothing is due.
func TestSenderShareEnds(t *testing.T) {
	relay, q := relaytest.Start(t), newQueue(t, 400)
	s := sender(t, q, relay, 2)
	s.Relay.Rate = 200
	g := &giver{}
	g.part = Part{Places: []int{0, 1, 2, 3}, Keep: []int{0, 1, 2, 3}, Of: 4, Rate: 200, For: 500 * time.Millisecond, Again: time.Hour}
	s.Sharer = g
	ctx, stop := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer stop()
	if _, err := s.Run(ctx, false); err != nil {
		t.Fatal(err)
	}
	if n := q.states()[Accepted]; n == 0 || n > 150 {
		t.Errorf("%d mails in half a second at 200 a second", n)
	}
	g.give(nil)
	g.err = errors.New("cut off")
	s.Queue = newQueue(t, 0)
	runIdle(t, s)
}

// TestPaceDivided: of what a slowed group may be sent a process has the mean of its parts of the relays, and it goes by news
// of others unless it has newer.
func TestPaceDivided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := time.Now()
		known := Slowed{Name: "gmail", Rate: 10, Base: 40, Since: at, Heard: at}
		p := NewPace(NewDomains(nil), nil, []Slowed{known})
		rate := func() float64 { r, _ := p.rate("gmail"); return r }
		if rate() != 10 {
			t.Fatalf("alone it has %v", rate())
		}
		p.Divide([]string{"a", "b"})
		if rate() != 0 || p.wait("gmail", true) <= 0 {
			t.Fatal("it sends though it has no part of any relay")
		}
		p.share("a", 1)
		p.share("gone", 1)
		if rate() != 5 {
			t.Fatalf("with one of two relays it has %v", rate())
		}
		p.share("b", 0.5)
		if rate() != 7.5 {
			t.Fatalf("with one and a half of two relays it has %v", rate())
		}
		if d, slow := p.after("gmail", 75); !slow || d != 10*time.Second {
			t.Errorf("75 mails take %v", d)
		}
		time.Sleep(30 * time.Second)
		p.Slow("gmail.com", "too many", time.Now()) // within the minute: heard, not halved
		p.Learn([]Slowed{{Name: "gmail", Rate: 1, Base: 40, Since: at, Heard: at.Add(time.Second)}})
		if s := p.Slowed()[0]; s.Rate != 10 {
			t.Errorf("older news made it %v", s.Rate)
		}
		p.Learn([]Slowed{{Name: "gmail", Rate: 4, Base: 40, Since: at, Heard: time.Now()}, {Name: "gmx", Rate: 2, Base: 4, Since: at, Heard: at}})
		if s := p.Slowed(); len(s) != 2 || s[0].Rate != 4 || s[1].Rate != 2 {
			t.Errorf("others' news came to %+v", s)
		}
		p.Learn([]Slowed{{Name: "gmail", Rate: 30, Base: 40, Since: at, Heard: time.Now()}})
		if s := p.Slowed()[0]; s.Rate != 4 {
			t.Errorf("who knows less made it %v", s.Rate)
		}
		if s, changed := p.Slow("gmail.com", "too many", time.Now().Add(time.Second)); changed || s.Rate != 4 {
			t.Error("what another process has halved is halved again at once")
		}
	})
}
