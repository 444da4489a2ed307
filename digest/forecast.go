package digest

import (
	"slices"
	"time"

	"broadsheet/mailer"
)

// Load is the mail of one issue that is still to go through one relay.
type Load struct {
	Issue  Issue
	Relay  string
	Mails  int
	Groups map[*mailer.DomainLimit]int // how many of them belong to groups with limits
	Begins time.Time                   // of the earliest batch
	Last   time.Time                   // of its latest batch: the issue's spread
}

// Pace is what a relay can do.
type Pace struct {
	Rate        float64       // mails a second; 0 = no limit
	Connections int           // at least 1
	Message     time.Duration // that a mail takes on a connection
}

// perSecond is how many mails go a second within a rate and a number of connections, 0 = no limit.
func (p Pace) perSecond(rate float64, connections int) float64 {
	lines := max(p.Connections, 1)
	if connections > 0 {
		lines = min(lines, connections)
	}
	out := float64(lines) / p.Message.Seconds()
	if rate > 0 {
		out = min(out, rate)
	}
	return out
}

// Prospect is what is likely to become of a load, if the relay takes what it is given.
type Prospect struct {
	Load
	Rate float64             // mails a second that the relay will do
	Slow *mailer.DomainLimit // the group that holds the load up more than that; nil = none
	Need time.Duration       // from its beginning, or now, to its end
	Done time.Time
	Late int // mails that will not go before the end of life
}

// Foresee says when loads will be done, in their order. A relay takes those that begin earlier
// first, and each group of domains has its own queue beside that. Relays without a pace are left out.
func Foresee(loads []Load, paces map[string]Pace, now time.Time) []Prospect {
	type queue struct {
		relay string
		group *mailer.DomainLimit
	}
	free := make(map[queue]time.Time)
	var out []Prospect
	for _, l := range slices.SortedStableFunc(slices.Values(loads), func(a, b Load) int { return a.Begins.Compare(b.Begins) }) {
		pace, ok := paces[l.Relay]
		if !ok {
			continue
		}
		begin := later(now, l.Begins)
		p := Prospect{Load: l, Rate: pace.perSecond(pace.Rate, 0)}
		// run puts n mails at the end of a queue.
		run := func(q queue, n int, rate float64) (done time.Time, late int) {
			start := later(begin, free[q])
			// A time that is beyond all life need not be exact, but must fit.
			done = start.Add(time.Duration(min(float64(n)/rate, 1e9) * float64(time.Second)))
			free[q] = done
			return done, n - min(n, max(0, int(rate*l.Issue.Ends.Sub(start).Seconds())))
		}
		p.Done, p.Late = run(queue{l.Relay, nil}, l.Mails, p.Rate)
		slow := 0
		for g, n := range l.Groups {
			done, late := run(queue{l.Relay, g}, n, min(p.Rate, pace.perSecond(g.Rate, g.Connections)))
			slow += late
			if done.After(p.Done) && done.After(l.Last) {
				p.Done, p.Slow = done, g
			}
		}
		p.Late = max(p.Late, slow)
		p.Done = later(p.Done, l.Last)
		p.Need = p.Done.Sub(begin)
		out = append(out, p)
	}
	return out
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
