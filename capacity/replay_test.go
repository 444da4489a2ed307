package capacity

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"broadsheet/mailer"
)

// small is one zone, one hour, one relay of 10 mails a second, and nothing else that limits.
func small(t *testing.T) *Plan {
	t.Helper()
	return &Plan{Readers: 6_000, Zones: []Zone{{"UTC", 1}}, Hours: Hours{7: 1}, Date: date("2026-11-27"), Days: 1,
		Edition: daily(t, 0, 0, 6*time.Hour), Accepted: Million,
		Fleet: Fleet{Databases: 1, DatabaseCores: 1, OpenRate: 1_000_000, Senders: 1, SenderCores: 1, Relays: 1, Rate: 10_000, Kept: 100}}
}

func daily(t *testing.T, spread, prepare, within time.Duration) *edition {
	t.Helper()
	e, err := Edition(spread, prepare, within)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func date(s string) time.Time {
	d, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return d
}

func replayed(t *testing.T, p *Plan) (*Summary, []Minute) {
	t.Helper()
	var list []Minute
	s, err := p.Replay(t.Context(), func(m *Minute) error { list = append(list, *m); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return s, list
}

// TestOneQueue reckons by hand: 6,000 mails at 10 a second take ten minutes.
func TestOneQueue(t *testing.T) {
	s, list := replayed(t, small(t))
	if len(list) != 10 || list[0].Accepted != 600 || list[0].Backlog != 5_400 || list[3].Oldest != 3*time.Minute || list[9].Backlog != 0 {
		t.Errorf("%d minutes: %+v", len(list), list)
	}
	if got := s.Finished.Format("15:04:05"); got != "07:10:00" || s.Peak != 5_400 || s.Limit != Relays || s.Limits[Relays] != 9*time.Minute {
		t.Errorf("%+v", s)
	}
	if want := (Lateness{4 * time.Minute, 9 * time.Minute, 9 * time.Minute}); s.Late != want || s.WorstZone != "UTC" || s.KeptOctets != 600_000 {
		t.Errorf("late %+v, not %+v: %+v", s.Late, want, s)
	}
	p := small(t)
	p.Readers, p.Fleet.Rate = 1_001, 3_333 // 199.98 a minute
	if s, list = replayed(t, p); list[0].Accepted != 199 || list[1].Accepted != 200 || len(list) != 6 || s.Finished.Format("15:04:05") != "07:05:00" {
		t.Errorf("at a rate that is no whole number a minute: %s, %+v", s.Finished, list)
	}
}

// TestLimits has each of the resources be the scarcest.
func TestLimits(t *testing.T) {
	for limit, change := range map[string]func(*Plan){
		Relays:      func(p *Plan) {},
		Connections: func(p *Plan) { p.Fleet.Connections, p.Fleet.Delay, p.Fleet.RoundTrips = 4, time.Second, 1 },
		Wire:        func(p *Plan) { p.Fleet.Wire, p.Fleet.Size = 1_000_000, 40_000 },
		Senders:     func(p *Plan) { p.Fleet.SendCPU = 300 * time.Millisecond },
		Databases:   func(p *Plan) { p.Fleet.LedgerCPU = 300 * time.Millisecond },
		Opening:     func(p *Plan) { p.Fleet.OpenRate, p.Fleet.Rate = 20, 0 },
		"gmail":     func(p *Plan) { p.Providers, p.Fleet.Rate = []Provider{{"gmail", Million / 2, 1_000}}, 0 },
	} {
		p := small(t)
		change(p)
		s, list := replayed(t, p)
		if s.Limit != limit || list[0].Limit != limit || list[0].Busiest != limit {
			t.Errorf("%s: limit %q, busiest %q at first", limit, s.Limit, list[0].Busiest)
		}
		if s.Accepted != p.Readers {
			t.Errorf("%s: %+v", limit, s)
		}
	}
}

// TestOvertake has other mail leave while a provider's waits for its turn.
func TestOvertake(t *testing.T) {
	p := small(t)
	p.Readers, p.Fleet.Rate, p.Providers = 800, 0, []Provider{{"gmail", Million / 4, 1_000}} // 200 of them at 60 a minute
	_, list := replayed(t, p)
	if len(list) != 4 || list[0].Accepted != 660 || list[1].Accepted != 60 || list[3].Accepted != 20 || list[2].Limit != "gmail" {
		t.Errorf("%+v", list)
	}
}

// TestUrgent has urgent mail leave first.
func TestUrgent(t *testing.T) {
	p := small(t)
	p.Urgent = 100
	s, list := replayed(t, p)
	if list[0].Urgent != 100 || list[0].Accepted != 500 || len(list) != 12 || s.Urgent != 1_200 || s.UrgentMost != 0 {
		t.Errorf("%+v", list)
	}
	p.Urgent, p.Fleet.Rate, p.Readers = 700, 20_000, 500
	if _, list = replayed(t, p); list[0].Accepted != 500 {
		t.Errorf("%+v", list)
	}
}

// TestExpires has what is left at its end of life expire, and an issue that nobody came to open be missed.
func TestExpires(t *testing.T) {
	p := small(t)
	p.Edition = daily(t, 0, 0, 5*time.Minute)
	s, list := replayed(t, p)
	if len(list) != 6 || s.Accepted != 3_000 || s.Expired != 3_000 || list[5].Expired != 3_000 || list[5].Backlog != 0 {
		t.Errorf("%+v", s)
	}
	p = small(t)
	p.Zones = []Zone{{"UTC", 1}, {"Europe/London", 1}, {"Africa/Abidjan", 1}} // alike in winter, and opened one after the other
	p.Fleet.OpenRate, p.Fleet.Rate, p.Readers = 1, 0, 63_000                  // 5 h 50 min each, and catch_up is 6 h
	s, list = replayed(t, p)
	if s.Accepted != 42_000 || s.Expired != 21_000 || s.Limit != Opening {
		t.Errorf("%+v\n%+v", s, list[len(list)-1])
	}
}

// TestPrepare has issues opened ahead of their slots, and nothing leave before.
func TestPrepare(t *testing.T) {
	p := small(t)
	p.Edition, p.Fleet.OpenRate = daily(t, 0, 10*time.Minute, 6*time.Hour), 10
	s, list := replayed(t, p)
	if list[0].Opened != 600 || list[9].Accepted != 0 || list[10].Accepted != 600 || s.Begins.Format("15:04") != "06:50" {
		t.Errorf("%+v", list)
	}
}

// TestSpread wants batches to begin as FinishIssue has it: of n, batch k at k/n of the spread.
func TestSpread(t *testing.T) {
	p := small(t)
	p.Readers, p.Fleet.Rate = 2_300, 0
	p.Edition = daily(t, 10*time.Minute, 0, time.Hour)
	_, list := replayed(t, p)
	for m, want := range []int64{500, 0, 500, 0, 500, 0, 500, 0, 300} {
		if list[m].Due != want || list[m].Accepted != want {
			t.Errorf("minute %d: %+v, not %d", m, list[m], want)
		}
	}
}

// TestBooks draws plans and wants the books to balance in every minute, no resource to be used beyond
// what there is, and the same figures when it is replayed once more.
func TestBooks(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 1))
	for range 60 {
		p := drawn(t, rnd)
		s, list := replayed(t, p)
		var due, ended, tries, opened int64
		for n, m := range list {
			due += m.Due
			ended += m.Accepted + m.Failed + m.Expired
			tries += m.Accepted + m.Failed + m.Deferred + m.Urgent
			opened += m.Opened
			if due != ended+m.Later+m.Backlog || m.Backlog < 0 || m.Later < 0 || m.Unopened < 0 || m.Unopened > m.Backlog {
				t.Fatalf("%+v\nminute %d: %d due, %d ended, %+v", p, n, due, ended, m)
			}
			if rate := p.Fleet.Rate * p.Fleet.Relays * 60; rate > 0 && tries*1000 > rate*int64(n+1) {
				t.Fatalf("%+v\nminute %d: %d tries so far", p, n, tries)
			}
			if opened > p.Fleet.OpenRate*p.Fleet.Databases*60*int64(n+1) || m.Load < 0 || m.Load > 1 || m.Backlog > 0 && m.Limit == "" {
				t.Fatalf("%+v\nminute %d: %d opened so far, %+v", p, n, opened, m)
			}
		}
		if last := list[len(list)-1]; last.Backlog != 0 || last.Later != 0 || due+s.Without != p.Readers*int64(p.Days) || s.Due != s.Accepted+s.Failed+s.Expired {
			t.Fatalf("%+v\nat the end %+v, %+v", p, last, s)
		}
		if again, same := replayed(t, p); !reflect.DeepEqual(again, s) || !reflect.DeepEqual(same, list) {
			t.Fatalf("%+v\nanother day the second time", p)
		}
	}
}

// drawn is a plan by chance.
func drawn(t *testing.T, rnd *rand.Rand) *Plan {
	world := World()
	p := &Plan{Readers: 1 + rnd.Int64N(3_000_000), Hours: []Hours{Morning(), Seven(), Even()}[rnd.IntN(3)], Days: 1 + rnd.IntN(2),
		Date: date("2026-01-01").AddDate(0, 0, rnd.IntN(365)), Target: 15 * time.Minute,
		Edition:  daily(t, time.Duration(rnd.IntN(3600))*time.Second, time.Duration(rnd.IntN(90))*time.Minute, time.Duration(61+rnd.IntN(400))*time.Minute),
		Accepted: 800_000 + rnd.Int64N(200_001), Urgent: rnd.Int64N(20),
		Fleet: Fleet{Databases: 1 + rnd.Int64N(3), DatabaseCores: 1 + rnd.Int64N(4), OpenRate: 10 + rnd.Int64N(2_000), OpenCPU: time.Duration(rnd.IntN(1e6)),
			LedgerCPU: time.Duration(rnd.IntN(1e6)), Senders: 1 + rnd.Int64N(3), SenderCores: 1 + rnd.Int64N(3), SendCPU: time.Duration(rnd.IntN(1e7)),
			Wire: rnd.Int64N(1e8), Size: 50_000, Relays: 1 + rnd.Int64N(4), Rate: rnd.Int64N(100_000), Connections: rnd.Int64N(20), Delay: time.Duration(rnd.IntN(1e8)),
			Turn: time.Duration(rnd.IntN(1e7)), RoundTrips: 1 + rnd.Int64N(4), Window: 1 + rnd.Int64N(4)}}
	p.Refused = rnd.Int64N(Million - p.Accepted + 1)
	for range 1 + rnd.IntN(8) {
		z := world[rnd.IntN(len(world))]
		if !slices.Contains(p.Zones, z) {
			p.Zones = append(p.Zones, z)
		}
	}
	for n := range rnd.IntN(3) {
		p.Providers = append(p.Providers, Provider{fmt.Sprint("provider", n), rnd.Int64N(Million/2 + 1), 1 + rnd.Int64N(50_000)})
	}
	return p
}

// TestMailByMail compares with a reckoning that knows every single mail and no queue.
func TestMailByMail(t *testing.T) {
	type mail struct {
		due, slot, ends int64
		zone, tries     int
	}
	rnd := rand.New(rand.NewPCG(7, 2))
	for range 25 {
		p := small(t)
		p.Zones = []Zone{{"UTC", 3}, {"Asia/Kolkata", 2}, {"Asia/Kathmandu", 2}}
		p.Hours = Hours{6: 1, 7: 2}
		p.Readers, p.Fleet.Rate = 500+rnd.Int64N(5_000), 300+rnd.Int64N(4_000)
		p.Edition = daily(t, time.Duration(rnd.IntN(20))*time.Minute, 0, time.Duration(30+rnd.IntN(120))*time.Minute)
		p.Accepted, p.Refused = 700_000, 100_000
		issues, _, err := p.issues()
		if err != nil {
			t.Fatal(err)
		}
		var all []mail
		for _, i := range issues {
			for n := range i.readers {
				batches := (i.readers + batch - 1) / batch
				due := i.due + int64(p.Edition.Spread.Seconds())*(n/batch)/batches/60
				all = append(all, mail{due, i.due, i.due + int64(p.Edition.DeliverWithin.Minutes()), i.zone, 0})
			}
		}
		accepted, refused := share{part: p.Accepted, of: Million}, share{part: p.Refused, of: Million - p.Accepted}
		_, list := replayed(t, p)
		start := minuteOf(list[0].At)
		var rates int64
		for n, got := range list {
			m := start + int64(n)
			want := Minute{}
			slices.SortStableFunc(all, func(a, b mail) int {
				return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.slot, b.slot), cmp.Compare(a.zone, b.zone), cmp.Compare(a.tries, b.tries))
			})
			rates += p.Fleet.Rate * 60
			var left []mail
			for _, x := range all {
				switch {
				case x.due > m:
					left = append(left, x)
				case m >= x.ends:
					want.Expired++
				case rates < 1000:
					want.Backlog++
					left = append(left, x)
				default:
					rates -= 1000
					if accepted.take(1) == 1 {
						want.Accepted++
					} else if refused.take(1) == 1 {
						want.Failed++
					} else if x.tries, x.due = x.tries+1, m+int64(mailer.RetryAfter(x.tries+1)/time.Minute); x.due >= x.ends {
						want.Deferred++
						want.Expired++
					} else {
						want.Deferred++
						left = append(left, x)
					}
				}
			}
			if want.Backlog == 0 {
				rates = 0
			}
			for _, x := range left {
				if x.tries > 0 && x.due > m {
					want.Later++
				}
			}
			all = left
			if got := (Minute{Accepted: got.Accepted, Failed: got.Failed, Expired: got.Expired, Deferred: got.Deferred, Backlog: got.Backlog, Later: got.Later}); got != want {
				t.Fatalf("%+v\nminute %d: %+v, not %+v", p, n, got, want)
			}
		}
		if len(all) > 0 {
			t.Fatalf("%d mails are left", len(all))
		}
	}
}

// TestEnd wants an error of who is shown the minutes to end the replay.
func TestEnd(t *testing.T) {
	stop := errors.New("stop")
	if _, err := small(t).Replay(t.Context(), func(*Minute) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}
