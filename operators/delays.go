package operators

import (
	"sync"
	"time"
)

// How failures to log in are met. The first few of a client with a name cost nothing: people mistype. Then
// each doubles the wait, up to a minute: that is 1,440 guesses a day, and who shares a client with somebody who
// guesses is not kept out for long. A client that tries many names is met the same way.
// Nobody is kept out by what others do elsewhere: a wait belongs to who failed.
const (
	freeFailures    = 5  // of one client with one name
	clientFailures  = 30 // of one client with any name
	longestDelay    = time.Minute
	failuresForget  = time.Hour // after the last one
	failuresTracked = 20_000    // beyond it the oldest go: memory has a bound
)

// Delays knows who has failed to log in lately. The zero value is ready; safe for many goroutines.
type Delays struct {
	mu sync.Mutex
	by map[failing]*failures
}

type failing struct{ client, name string } // name "" = with any

type failures struct {
	n     int
	last  time.Time
	until time.Time
}

// Wait is how long a client has to wait before it may try a name; 0 = it may now, and then the try
// counts as failed until [Delays.Passed]: tries at the same time count one by one.
func (d *Delays) Wait(client, name string, now time.Time) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	pair, all := d.of(failing{client, name}, now), d.of(failing{client, ""}, now)
	if wait := max(pair.until.Sub(now), all.until.Sub(now)); wait > 0 {
		return wait
	}
	pair.fail(freeFailures, now)
	all.fail(clientFailures, now)
	return 0
}

// Passed forgets the failures of a client with a name: the try was good.
func (d *Delays) Passed(client, name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.by, failing{client, name})
	if all := d.by[failing{client, ""}]; all != nil { // others at this client may still be guessing
		all.n = max(all.n-1, 0)
		all.until = time.Time{}
	}
}

func (f *failures) fail(free int, now time.Time) {
	f.n++
	f.last = now
	if over := f.n - free; over >= 0 {
		f.until = now.Add(min(time.Second<<min(over, 20), longestDelay))
	}
}

func (d *Delays) of(who failing, now time.Time) *failures {
	if d.by == nil {
		d.by = make(map[failing]*failures)
	}
	f := d.by[who]
	if f != nil && now.Sub(f.last) < failuresForget {
		return f
	}
	if f == nil && len(d.by) >= failuresTracked {
		d.shed(now)
	}
	f = &failures{last: now}
	d.by[who] = f
	return f
}

// shed makes room: what is forgotten anyhow, and of the rest the half that was heard of longest ago, as
// near as one pass can tell.
func (d *Delays) shed(now time.Time) {
	oldest := now
	for who, f := range d.by {
		if now.Sub(f.last) >= failuresForget {
			delete(d.by, who)
		} else if f.last.Before(oldest) {
			oldest = f.last
		}
	}
	if len(d.by) < failuresTracked {
		return
	}
	middle := oldest.Add(now.Sub(oldest) / 2)
	for who, f := range d.by {
		if !f.last.After(middle) {
			delete(d.by, who)
		}
	}
	if len(d.by) >= failuresTracked {
		clear(d.by)
	}
}
