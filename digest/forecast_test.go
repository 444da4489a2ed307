package digest_test

import (
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
)

func TestForesee(t *testing.T) {
	due := time.Date(2026, 12, 1, 7, 0, 0, 0, time.UTC)
	slow := &mailer.DomainLimit{Name: "gmail", Rate: 2}
	load := func(id int64, relay string, mails int, begins time.Duration, life time.Duration) digest.Load {
		return digest.Load{Issue: digest.Issue{ID: id, Due: due, Ends: due.Add(life)}, Relay: relay, Mails: mails,
			Begins: due.Add(begins), Last: due.Add(begins + 20*time.Minute)}
	}
	paces := map[string]digest.Pace{"main": {10, 4, 100 * time.Millisecond}, "narrow": {1000, 1, 200 * time.Millisecond}}
	held := load(1, "main", 6000, 0, 6*time.Hour)
	held.Groups = map[*mailer.DomainLimit]int{slow: 3000}
	choked := load(1, "main", 60000, 0, time.Hour)
	choked.Groups = map[*mailer.DomainLimit]int{slow: 30000}
	for name, c := range map[string]struct {
		loads []digest.Load
		now   time.Duration
		need  time.Duration // of the last
		rate  float64
		late  int
		slow  bool
	}{
		"in time":         {[]digest.Load{load(1, "main", 36000, 0, 6*time.Hour)}, 0, time.Hour, 10, 0, false},
		"ahead of time":   {[]digest.Load{load(1, "main", 36000, 0, 6*time.Hour)}, -time.Hour, time.Hour, 10, 0, false},
		"too many":        {[]digest.Load{load(1, "main", 50000, 0, time.Hour)}, 0, 5000 * time.Second, 10, 14000, false},
		"begun late":      {[]digest.Load{load(1, "main", 36000, 0, time.Hour)}, 30 * time.Minute, time.Hour, 10, 18000, false},
		"over already":    {[]digest.Load{load(1, "main", 100, 0, time.Hour)}, 2 * time.Hour, 10 * time.Second, 10, 100, false},
		"spread":          {[]digest.Load{load(1, "main", 100, 0, time.Hour)}, 0, 20 * time.Minute, 10, 0, false},
		"one connection":  {[]digest.Load{load(1, "narrow", 9000, 0, time.Hour)}, 0, 30 * time.Minute, 5, 0, false},
		"behind another":  {[]digest.Load{load(2, "main", 600, time.Minute, 10*time.Minute), load(1, "main", 6000, 0, time.Hour)}, 0, 20 * time.Minute, 10, 600, false},
		"beside another":  {[]digest.Load{load(2, "main", 18000, time.Minute, time.Hour), load(1, "narrow", 18000, 0, time.Hour)}, 0, 30 * time.Minute, 10, 0, false},
		"a slow provider": {[]digest.Load{held}, 0, 25 * time.Minute, 10, 0, true},
		"too slow a one":  {[]digest.Load{choked}, 0, 15000 * time.Second, 10, 24000, true},
	} {
		t.Run(name, func(t *testing.T) {
			list := digest.Foresee(c.loads, paces, due.Add(c.now))
			if len(list) != len(c.loads) {
				t.Fatalf("%d prospects", len(list))
			}
			p := list[len(list)-1]
			if name == "behind another" {
				// It begins at one minute and waits for the end of the first at ten: its own ten are over then.
				if p.Issue.ID != 2 || p.Done != due.Add(21*time.Minute) || p.Late != 600 {
					t.Errorf("got %+v", p)
				}
				return
			}
			if p.Need != c.need || p.Rate != c.rate || p.Late != c.late || (p.Slow != nil) != c.slow {
				t.Errorf("need %s at %v a second, %d late, slow %v; want %s, %v, %d, %v", p.Need, p.Rate, p.Late, p.Slow, c.need, c.rate, c.late, c.slow)
			}
			if begin := due.Add(max(c.now, p.Begins.Sub(due))); p.Done != begin.Add(p.Need) {
				t.Errorf("done at %s", p.Done)
			}
		})
	}
	if list := digest.Foresee([]digest.Load{load(1, "gone", 5, 0, time.Hour)}, paces, due); len(list) > 0 {
		t.Errorf("a relay that is not there: %+v", list)
	}
}
