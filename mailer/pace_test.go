package mailer

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"broadsheet/mailer/relaytest"
)

// TestPaceHalvesAndRecovers walks a group through bad news and quiet.
func TestPaceHalvesAndRecovers(t *testing.T) {
	clock := noon
	domains := NewDomains([]DomainGroup{{DomainLimit: DomainLimit{Name: "slow", Rate: 8}, Domains: []string{"slow.example", "slow.test"}}})
	p := NewPace(domains, func() time.Time { return clock }, nil)
	if _, ok := p.rate("slow"); ok {
		t.Error("a group is slowed before any news")
	}
	steps := []struct {
		after   time.Duration
		news    bool
		rate    float64 // 0: as before
		changed bool
	}{
		{0, true, 4, true},
		{30 * time.Second, true, 4, false}, // sent before the first
		{30 * time.Second, true, 2, true},
		{9 * time.Minute, false, 2, false},
		{time.Minute, false, 4, false},
		{10 * time.Minute, true, 4, true}, // it would have been free just now: begins anew
		{time.Minute, true, 2, true},
		{time.Minute, true, 1, true},
		{time.Minute, true, 0.5, true},
		{time.Minute, true, 0.25, true},
		{time.Minute, true, 0.125, true},
		{time.Minute, true, 0.1, true},
		{time.Minute, true, 0.1, true}, // no slower
		{10 * time.Minute, false, 0.2, false},
		{50 * time.Minute, false, 6.4, false},
		{9*time.Minute + 59*time.Second, false, 6.4, false},
		{time.Second, false, 0, false},
	}
	for n, step := range steps {
		clock = clock.Add(step.after)
		if step.news {
			if _, changed := p.Slow("reader@slow.test", "421 4.7.28 enough", clock); changed != step.changed {
				t.Errorf("step %d: changed is %t", n, changed)
			}
		}
		if rate, ok := p.rate("slow"); math.Abs(rate-step.rate) > 1e-9 && step.rate > 0 || ok != (step.rate > 0) {
			t.Errorf("step %d: rate %v, slowed %t, want %v", n, rate, ok, step.rate)
		}
	}
	if _, ok := p.rate("other.example"); ok {
		t.Error("another group is slowed")
	}
	if list := p.Slowed(); len(list) > 0 {
		t.Errorf("what is free is listed: %v", list)
	}
}

// TestPaceRemembers: what is put away and read again goes on where it was.
func TestPaceRemembers(t *testing.T) {
	clock := noon
	tell := func() time.Time { return clock }
	p := NewPace(nil, tell, nil)
	p.Slow("a.example", "host says 421: ada@a.example", clock)
	clock = clock.Add(2 * time.Minute)
	p.Slow("a.example", "again", clock)
	p.Slow("b.example", "later", clock)
	clock = clock.Add(13 * time.Minute)
	again := NewPace(nil, tell, p.Slowed())
	for _, name := range []string{"a.example", "b.example"} {
		want, slow := p.rate(name)
		if got, ok := again.rate(name); got != want || ok != slow {
			t.Errorf("%s goes at %v (%t) and went at %v (%t)", name, got, ok, want, slow)
		}
	}
	list := again.Slowed()
	if len(list) != 1 || list[0].Name != "a.example" || list[0].Why != "again" || !list[0].Until().Equal(noon.Add(22*time.Minute)) {
		t.Errorf("slowed: %+v", list)
	}
	if _, changed := again.Slow("a.example", "old news", noon.Add(time.Minute)); changed {
		t.Error("old news slows")
	}
}

// TestPaceWhy: no reader's address stands where operators look.
func TestPaceWhy(t *testing.T) {
	p := NewPace(nil, nil, nil)
	if s, _ := p.Slow("ada@a.example", "421 no <ada@a.example>", noon); strings.Contains(s.Why, "ada@") {
		t.Errorf("why is %q", s.Why)
	}
}

// TestSlowedAfter compares the time that turns take with a walk in seconds.
func TestSlowedAfter(t *testing.T) {
	s := Slowed{Rate: 0.1, Base: 3, Heard: noon}
	for _, start := range []time.Duration{-5 * time.Second, 0, 7 * time.Minute, 40 * time.Minute, 2 * time.Hour} {
		begin := noon.Add(start)
		gone, at := 0.0, begin
		for n := 1; n <= 400; n += 57 {
			for gone < float64(n) {
				rate, free := s.RateAt(at)
				if free {
					gone = math.Inf(1)
					break
				}
				gone += rate / 10
				at = at.Add(time.Second / 10)
			}
			if got := s.after(begin, n); (got - at.Sub(begin)).Abs() > time.Second {
				t.Errorf("from %v: %d mails take %v, want %v", start, n, got, at.Sub(begin))
			}
		}
	}
}

// TestPaceOthersGoOn: a relay says 421 4.7.28 at RCPT, or at the end, for one domain. Its
// deliveries are put off and charged, the domain is slowed, and all the others go at once.
func TestPaceOthersGoOn(t *testing.T) {
	for _, of := range offers {
		for _, line := range []string{
			"RCPT*@slow.example 421 4.7.28 an unusual rate of mail comes from you; hangup",
			"RCPT*@slow.example 450 4.7.28 an unusual rate of mail comes from you",
			"DOT*@slow.example 421 4.7.28 an unusual rate of mail comes from you; hangup",
		} {
			t.Run(of.name+" "+line, func(t *testing.T) {
				t.Parallel()
				relay, q := relaytest.Start(t, of.ehlo, line), newQueue(t, 240)
				var slow []int64
				for i := range q.rows {
					if i%8 == 3 {
						q.rows[i].Address = fmt.Sprintf("reader%d@slow.example", i+1)
						slow = append(slow, int64(i+1))
					}
				}
				s := sender(t, q, relay, 2)
				s.RetryFirst, s.RetryMost = time.Minute, time.Minute // a relay in trouble would be waited for
				s.Pace = NewPace(nil, s.Now, nil)
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				s.Progress = func(Stats) {
					if n := q.states(); n[Accepted] == 210 {
						stop()
					}
				}
				if _, err := s.Run(ctx, false); err != nil {
					t.Fatal(err)
				}
				states := q.states()
				if states[Accepted] != 210 || states[Deferred] == 0 || states[Deferred]+states[Queued] != 30 {
					t.Errorf("states: %v", states)
				}
				if rate, ok := s.Pace.rate("slow.example"); !ok || len(s.Pace.Slowed()) != 1 {
					t.Errorf("slow.example goes at %v (slowed: %t); slowed are %v", rate, ok, s.Pace.Slowed())
				}
				for _, n := range slow {
					d := q.row(n)
					if d.State == Deferred && (d.Attempts != 1 || d.Copies != 0 || !strings.Contains(d.Reason, "4.7.28")) {
						t.Errorf("deferred: %+v", d)
					}
				}
			})
		}
	}
}

// TestPaceRelayIsWell: a relay that says 421 4.7.28 of all that is left, over and over, is not in trouble:
// its mail must not go around the provider's limit through another one.
func TestPaceRelayIsWell(t *testing.T) {
	for _, of := range offers {
		t.Run(of.name, func(t *testing.T) {
			t.Parallel()
			relay, q := relaytest.Start(t, of.ehlo, "RCPT*@slow.example 421 4.7.28 an unusual rate of mail comes from you; hangup"), newQueue(t, 40)
			for i := range q.rows {
				q.rows[i].Address = fmt.Sprintf("reader%d@slow.example", i+1)
			}
			s := sender(t, q, relay, 2)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var tried int
			s.Progress = func(now Stats) {
				if !now.Since.IsZero() {
					t.Errorf("in trouble: %s", now.Trouble)
				}
				if tried = q.states()[Deferred]; tried > cutsInARow {
					stop()
				}
			}
			deadline := time.AfterFunc(20*time.Second, stop)
			defer deadline.Stop()
			if _, err := s.Run(ctx, false); err != nil {
				t.Fatal(err)
			}
			if tried <= cutsInARow {
				t.Errorf("%d were tried", tried)
			}
		})
	}
}

// TestPaceSlowsItsGroupAlone: what a slowed group is sent waits for its turns in all senders, and
// others do not.
func TestPaceSlowsItsGroupAlone(t *testing.T) {
	relays := []*relaytest.Relay{relaytest.Start(t), relaytest.Start(t)}
	pace := NewPace(nil, func() time.Time { return noon }, []Slowed{{Name: "slow.example", Rate: 5, Base: 100, Since: noon, Heard: noon}})
	start := time.Now()
	done := make(chan *memQueue)
	for _, relay := range relays {
		go func() {
			q := newQueue(t, 60)
			for i := range 4 {
				q.rows[i].Address = fmt.Sprintf("reader%d@slow.example", i+1)
			}
			s := sender(t, q, relay, 2)
			s.Pace = pace
			if _, err := s.Run(t.Context(), true); err != nil {
				t.Error(err)
			}
			done <- q
		}()
	}
	for range relays {
		wantStates(t, <-done, map[State]int{Accepted: 60})
	}
	if took := time.Since(start); took < 1500*time.Millisecond {
		t.Errorf("8 mails at 5 a second took %v", took)
	}
	for _, relay := range relays {
		count := map[string]int{}
		for _, session := range relay.Sessions() {
			var order []string
			for _, m := range session.Messages {
				order = append(order, DomainOf(m.To))
				count[DomainOf(m.To)]++
			}
			if n := slices.Index(order, "slow.example"); n >= 0 && (slices.Index(order, "example.org") > 3 || order[len(order)-1] != "slow.example") {
				t.Errorf("on one connection: %v", order)
			}
		}
		if count["slow.example"] != 4 || count["example.org"] != 56 {
			t.Errorf("came: %v", count)
		}
	}
}

// TestPaceSpills: of a slowed domain few wait at hand, the rest goes back to the queue and is due
// by the time when its turn can come; nobody is charged.
func TestPaceSpills(t *testing.T) {
	relay, q := relaytest.Start(t), newQueue(t, 200)
	for i := range 100 {
		q.rows[i].Address = fmt.Sprintf("reader%d@slow.example", i+1)
	}
	s := sender(t, q, relay, 2)
	s.Pace = NewPace(nil, s.Now, []Slowed{{Name: "slow.example", Rate: 0.1, Base: 0.4, Since: noon, Heard: noon}})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var back []time.Duration
	s.Progress = func(Stats) {
		if q.states()[Accepted] < 100 || back != nil {
			return
		}
		for i := range 100 {
			if d := q.row(int64(i + 1)); d.State == Queued && d.Due.After(noon) && d.Attempts == 0 && d.Copies == 0 {
				back = append(back, d.Due.Sub(noon))
			}
		}
		if len(back) < 80 {
			back = nil
			return
		}
		stop()
	}
	if _, err := s.Run(ctx, false); err != nil {
		t.Fatal(err)
	}
	if len(back) < 80 || slices.Max(back) > 20*time.Minute { // free by then
		t.Errorf("%d went back, the last due after %v", len(back), slices.Max(back))
	}
}

// TestPaceCounts: a group without a limit is halved from what it was sent at of late.
func TestPaceCounts(t *testing.T) {
	relay, q := relaytest.Start(t), newQueue(t, 100)
	s := sender(t, q, relay, 2)
	s.Pace = NewPace(nil, s.Now, nil)
	runIdle(t, s)
	got, _ := s.Pace.Slow("example.org", "421", noon)
	if got.Base < 20 || got.Base > 100 || got.Rate != got.Base/2 {
		t.Errorf("100 mails in no time: %+v", got)
	}
	if got, _ := s.Pace.Slow("nobody.example", "421", noon); got.Base != guessedRate {
		t.Errorf("a domain that got nothing: %+v", got)
	}
}

func TestAsksForLess(t *testing.T) {
	for _, tt := range []struct {
		n    News
		want bool
	}{
		{News{Class: Put, Status: "4.7.28", Text: "an unusual rate of mail"}, true},
		{News{Class: Put, Code: 421, Status: "4.7.0", Text: "[TSS04] Messages temporarily deferred due to unexpected volume or user complaints"}, true},
		{News{Class: Put, Code: 450, Text: "too many connections from your host"}, true},
		{News{Class: Put, Code: 451, Status: "4.3.2", Text: "Please come again", Reason: "ratelimited"}, true},
		{News{Class: Put, Status: "4.4.1", Text: "connect: connection timed out"}, false},
		{News{Class: Put, Status: "4.4.1", Text: "host is down", Reason: "networkerror"}, false},
		{News{Class: Put, Status: "4.4.1", Text: "connect to mx.example[192.0.2.1]:25: Connection refused"}, false},
		{News{Class: Put, Status: "4.4.3", Text: "Host or domain name not found"}, false},
		{News{Class: Put, Code: 451, Status: "4.3.0", Text: "Temporary lookup failure"}, false},
		{News{Class: Put}, false},
		{News{Class: Put, Status: "4.2.2", Text: "mailbox full"}, false},
		{News{Class: Put, Status: "4.1.1", Text: "unknown as yet"}, false},
		{News{Class: Put, Status: "4.7.1", Text: "Greylisted, come back"}, false},
		{News{Class: Soft, Status: "4.7.28"}, false},
	} {
		if got := tt.n.AsksForLess(); got != tt.want {
			t.Errorf("%+v: %t", tt.n, got)
		}
	}
}
