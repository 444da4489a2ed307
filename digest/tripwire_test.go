package digest_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/schedule"
)

const (
	feedA = "https://a.example/rss"
	feedB = "https://b.example/rss"
)

// dailies are the figures of n daily issues, the latest first, the next of which is due on 1 December
// 2026, a Tuesday.
func dailies(n int, change func(day time.Time, f *digest.Figures)) (past []digest.Figures) {
	for k := range n {
		day := time.Date(2026, 11, 30-k, 7, 0, 0, 0, time.UTC)
		past = append(past, daily(day, change))
	}
	return past
}

func daily(day time.Time, change func(day time.Time, f *digest.Figures)) digest.Figures {
	f := digest.Figures{Local: day.Format("2006-01-02 15:04"), Opened: day, Readers: 1000, Mails: 950, Skipped: 50, Stories: 7600, Digests: 700,
		HTML: 600, HTMLSize: 600 * 40 << 10, Feeds: map[string]int{feedA: 20, feedB: 4}, Hosts: map[string]int{"a.example": 20, "b.example": 4}}
	if change != nil {
		change(day, &f)
	}
	return f
}

func TestTripped(t *testing.T) {
	next := time.Date(2026, 12, 1, 7, 0, 0, 0, time.UTC)
	weekend := func(day time.Time, f *digest.Figures) { // one in five reads on a Sunday
		if day.Weekday() == time.Sunday {
			f.Readers, f.Mails, f.Skipped, f.Stories, f.Digests = 200, 190, 10, 800, 100
		}
	}
	small := func(_ time.Time, f *digest.Figures) {
		f.Readers, f.Mails, f.Skipped, f.Stories, f.Digests, f.HTML, f.HTMLSize = 6, 6, 0, 30, 6, 6, 6*40<<10
	}
	for name, c := range map[string]struct {
		n     int
		past  func(day time.Time, f *digest.Figures)
		next  time.Time
		now   func(f *digest.Figures)
		wires string // that trip, and a word of each
	}{
		"as usual":                  {n: 28},
		"half of the readers":       {n: 28, now: func(f *digest.Figures) { f.Readers = 499 }, wires: "readers here: 499 readers; usual are 1000, and 500 to 2000 would do"},
		"half and one":              {n: 28, now: func(f *digest.Figures) { f.Readers = 501 }},
		"twice the readers":         {n: 28, now: func(f *digest.Figures) { f.Readers = 2001 }, wires: "readers here: 2001"},
		"no reader":                 {n: 28, now: func(f *digest.Figures) { *f = digest.Figures{Local: f.Local, Opened: f.Opened} }, wires: "readers here: there is no reader at all"},
		"six issues":                {n: 6, now: func(f *digest.Figures) { f.Readers = 1 }},
		"a Sunday":                  {n: 28, past: weekend, next: time.Date(2026, 12, 6, 7, 0, 0, 0, time.UTC), now: func(f *digest.Figures) { weekend(time.Date(2026, 12, 6, 0, 0, 0, 0, time.UTC), f) }},
		"as few on a Tuesday":       {n: 28, past: weekend, now: func(f *digest.Figures) { weekend(time.Date(2026, 12, 6, 0, 0, 0, 0, time.UTC), f) }, wires: "readers here: 200"},
		"nothing for anybody":       {n: 28, now: func(f *digest.Figures) { f.Mails, f.Skipped, f.Stories, f.Digests, f.HTML = 0, 1000, 0, 0, 0 }, wires: "stories: there is no story for any of 1000 readers"},
		"nothing for many":          {n: 28, now: func(f *digest.Figures) { f.Mails, f.Skipped, f.Stories = 500, 500, 4000 }, wires: "empty: there is nothing for 50 %"},
		"a story each":              {n: 28, now: func(f *digest.Figures) { f.Stories = 950 }, wires: "stories: 1.0 stories a mail; usual are 8.0"},
		"one digest for all":        {n: 28, now: func(f *digest.Figures) { f.Digests, f.HTML, f.HTMLSize = 1, 1, 40<<10 }, wires: "digests: 1 different digests for 950 mails"},
		"a feed re-dates 200 posts": {n: 28, now: func(f *digest.Figures) { f.Feeds[feedB], f.Hosts["b.example"] = 204, 204 }, wires: "feed " + feedB + ": 204 new stories"},
		"a lively day":              {n: 28, now: func(f *digest.Figures) { f.Feeds[feedB] = 24 }},
		"a feed is silent":          {n: 28, now: func(f *digest.Figures) { delete(f.Feeds, feedA); delete(f.Hosts, "a.example") }, wires: "feed " + feedA + ": no new story"},
		"a lesser feed is silent":   {n: 28, now: func(f *digest.Figures) { delete(f.Feeds, feedB) }},
		"a new feed":                {n: 28, now: func(f *digest.Figures) { f.Feeds["https://c.example/rss"] = 60 }, wires: "feed https://c.example/rss: 60"},
		"after three days":          {n: 28, next: next.AddDate(0, 0, 2), now: func(f *digest.Figures) { f.Feeds[feedA], f.Feeds[feedB] = 150, 60 }},
		"a domain changed hands":    {n: 28, now: func(f *digest.Figures) { f.Hosts = map[string]int{"parked.example": 20, "b.example": 4} }, wires: "links: 20 of 24 new stories lead to parked.example"},
		"links to nowhere":          {n: 28, now: func(f *digest.Figures) { f.Hosts = map[string]int{"": 20, "b.example": 4} }, wires: "links: 20 of 24 new stories lead nowhere"},
		"heavy mails":               {n: 28, now: func(f *digest.Figures) { f.HTMLSize, f.Near = 600*88<<10, 590 }, wires: "size: 98 % of the HTML parts are within 5 %"},
		"light mails":               {n: 28, now: func(f *digest.Figures) { f.HTMLSize = 600 * 10 << 10 }, wires: "size: an HTML part has 10 KiB"},
		"few readers leave":         {n: 28, past: small, now: func(f *digest.Figures) { f.Readers, f.Mails, f.Stories, f.Digests, f.HTML = 1, 1, 1, 1, 1 }},
		"few readers become more":   {n: 28, past: small, now: func(f *digest.Figures) { f.Readers, f.Mails = 25, 25 }},
	} {
		t.Run(name, func(t *testing.T) {
			if c.next.IsZero() {
				c.next = next
			}
			now := daily(c.next, nil)
			if c.past != nil {
				c.past(c.next, &now)
			}
			if c.now != nil {
				c.now(&now)
			}
			var got []string
			for _, trip := range digest.Tripped(&now, dailies(c.n, c.past), schedule.UsualTripwires, "here") {
				got = append(got, trip.Wire+": "+trip.Text)
			}
			if all := strings.Join(got, "\n"); all != c.wires && (c.wires == "" || len(got) != 1 || !strings.HasPrefix(all, c.wires)) {
				t.Errorf("got %q, want %q", all, c.wires)
			}
			if trips := digest.Tripped(&now, dailies(c.n, c.past), schedule.NoTripwires, "here"); len(trips) > 0 {
				t.Errorf("tripped while all are off: %v", trips)
			}
		})
	}
}

// TestTrippedByNothing has a publication live for half a year, as chance has it: it grows from nothing by
// up to 5 % a day, days and feeds differ by half, and one reader in three reads on Sundays.
func TestTrippedByNothing(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		about := func(v float64) int { return int(v * (0.67 + 0.66*rnd.Float64())) }
		var past []digest.Figures
		readers := 3.0
		for day := range 180 {
			at := time.Date(2026, 1, day, 7, 0, 0, 0, time.UTC)
			readers *= 1 + 0.05*rnd.Float64()
			f := daily(at, nil)
			f.Readers = int(readers)
			if at.Weekday() == time.Sunday {
				f.Readers /= 3
			}
			f.Mails = f.Readers - f.Readers/20
			f.Skipped = f.Readers - f.Mails
			f.Stories, f.Digests, f.HTML = about(float64(8*f.Mails)), f.Mails*2/3+1, f.Mails*2/3+1
			f.HTMLSize = about(float64(f.HTML * 40 << 10))
			f.Feeds = map[string]int{feedA: about(20), feedB: about(4)}
			if trips := digest.Tripped(&f, past, schedule.UsualTripwires, ""); len(trips) > 0 {
				t.Errorf("seed %d, day %d: %v", seed, day, trips)
			}
			past = append([]digest.Figures{f}, past...)
		}
	}
}

func ExampleTripped() {
	now := daily(time.Date(2026, 12, 1, 7, 0, 0, 0, time.UTC), nil)
	now.Feeds[feedB] = 204
	for _, trip := range digest.Tripped(&now, dailies(28, nil), schedule.UsualTripwires, "Europe/London 7") {
		fmt.Println(trip.Text)
	}
	// Output: 204 new stories of https://b.example/rss; usual are 4, and up to 29 would do
}
