package mailer

import (
	"context"
	"sync"
	"time"
)

// gate is what all connections to one relay know of its health: whether a new connection or a
// message may go now, and how fast. It runs on real time.
//
// Trouble with a new connection (refused, 421, lost) makes new connections wait and leaves open ones
// alone, so a relay that allows two of our four keeps two busy. While it lasts one attempt is
// made per wait, not one per connection. Trouble with the relay as a whole makes messages wait too.
type gate struct {
	first, max, hold time.Duration // waits: after the first failure, at most, and when held
	rnd              func() float64

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when a wait may have become shorter

	rate       float64 // messages a second now; 0: no limit
	full       float64 // as configured
	tokens     float64
	refilled   time.Time
	peak       float64 // messages a second when a relay without a limit first throttled
	sinceSlow  int
	counted    int       // messages answered since counting
	counting   time.Time // when that began, at most a second ago or so
	lines      int       // connections, dialling or open
	open       int       // of them, open
	most       int       // as configured
	allowed    int       // connections that the relay seems to like
	places     int       // connections that are ours to have
	ends       time.Time // until when; zero = for good
	sinceGrown int       // messages answered
	growAt     time.Time // no growth before: the relay has just refused one more
	cut        int       // Redial in a row
	lost       int       // connections lost in a row
	dialAt     time.Time // no new connection before
	probeAt    time.Time // in bad times, no further one before: one is trying
	waits      int       // BackOff and Slow in a row
	sendAt     time.Time // no message before
	noSender   int       // SenderRefused in a row
	noContent  int       // ContentRefused in a row
	answered   int       // messages that got an answer of their own
	refused    int       // ContentRefused in all
	noOne      int       // recipients refused for good in a row with the same code
	refusal    string    // that code
	taken      bool      // the relay took a message
	held       bool
	why        string
	downSince  time.Time // zero: the last thing heard was good
	downReason string
}

// Thresholds at which refusals that are aimed at us and not at a reader hold the relay.
const (
	cutsInARow     = 20 // connections that may end with no answer before new ones wait
	sendersInARow  = 3
	bareInARow     = 2   // recipients refused alike in a row that may be the recipients' doing, by a bare code
	marksInARow    = 5   // the same by an enhanced code
	provenInARow   = 20  // the same by a relay that takes mail
	noOnesInARow   = 20  // recipients refused alike in a row that say that the relay takes nobody's mail
	noMoreInARow   = 100 // the same of a relay that took some
	contentsInARow = 20
	contentShare   = 0.05 // of a run, once it is long enough to tell
	contentEnough  = 200
	recoverAfter   = 200         // messages after which a slowed relay gets twice the rate again
	firstLines     = 4           // connections to begin with
	growPause      = time.Minute // after a connection too many, before one more is tried
)

func newGate(rate float64, lines int, first, most, hold time.Duration, rnd func() float64) *gate {
	return &gate{first: first, max: most, hold: hold, rnd: rnd, rate: rate, full: rate, most: lines, allowed: min(lines, firstLines), places: lines,
		tokens: burst(rate), refilled: now(), counting: now(), changed: make(chan struct{})}
}

// burst is how many messages may go at once: a tenth of a second's worth, so that timers need
// not be exact at high rates.
func burst(rate float64) float64 { return max(1, rate/10) }

// apply takes in what a try meant for the relay and reports whether that raised an alarm.
func (g *gate) apply(e Effect, why string) (alarm bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := now()
	switch e {
	case GoOn, ContentRefused:
		if g.good(e); !g.tooManyContents(e) {
			return false
		}
		return g.holdNow(t, why)
	case Redial:
		if g.cut++; g.cut <= cutsInARow {
			return false
		}
		fallthrough
	case RedialLater:
		g.lost++
		g.dialAt = later(g.sendAt, t.Add(g.wait(g.lost)))
	case Hold:
		return g.holdNow(t, why)
	case SenderRefused:
		if g.noSender++; g.noSender >= sendersInARow {
			return g.holdNow(t, why)
		}
		g.pause(t)
	case Slow:
		if t.Before(g.sendAt) {
			break // said to several messages that were under way together
		}
		g.slow(t)
		g.sinceSlow = 0
		g.pause(t)
	case BackOff:
		g.pause(t)
	}
	if g.downSince.IsZero() {
		g.downSince = t
	}
	g.downReason = why
	return false
}

// good notes that the relay answered a message as such.
func (g *gate) good(e Effect) {
	g.answered++
	g.cut, g.noSender, g.waits, g.downSince = 0, 0, 0, time.Time{}
	g.noContent++
	if e == ContentRefused {
		g.refused++
	} else {
		g.noContent = 0
	}
	if t := now(); t.Sub(g.counting) > time.Second {
		g.counting, g.counted = t, 0
	}
	g.counted++
	if g.sinceSlow++; g.sinceSlow >= recoverAfter && g.rate > 0 && (g.rate < g.full || g.full == 0) {
		g.rate, g.sinceSlow = 2*g.rate, 0
		if g.full > 0 {
			g.rate = min(g.rate, g.full)
		} else if g.rate > g.peak {
			g.rate = 0
		}
	}
	if g.sinceGrown++; g.sinceGrown >= g.allowed && g.allowed < min(g.most, g.places) {
		g.grow()
	}
	if g.held && e == GoOn {
		g.held, g.why, g.probeAt = false, "", time.Time{}
		g.wake()
	}
}

// slow halves the rate. That of a relay without a limit is what it was when it first throttled.
func (g *gate) slow(t time.Time) {
	if g.rate == 0 {
		g.peak = max(float64(g.counted)/max(t.Sub(g.counting).Seconds(), 0.1), 2)
		g.rate = g.peak
		g.tokens = 0
	}
	g.rate = max(g.rate/2, max(g.full, g.peak)/16)
}

// grow lets further connections come: as many again while all goes well, one at a time for a
// relay that has refused one.
func (g *gate) grow() {
	g.sinceGrown = 0
	switch t := now(); {
	case g.growAt.IsZero():
		g.allowed = min(2*g.allowed, g.most)
	case t.Before(g.growAt):
		return
	default:
		g.allowed++
		g.growAt = t.Add(growPause)
	}
	g.wake()
}

// turnedAway takes in that no connection could be had: if others are at work, they are as many as
// the relay likes; if not, it is found again with one.
func (g *gate) turnedAway() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sinceGrown = 0
	if g.open > 0 {
		g.allowed, g.growAt = min(g.allowed, g.open), now().Add(growPause)
	} else {
		g.allowed, g.growAt = 1, time.Time{}
	}
}

// opened notes that a connection is open, closed that it is not any more.
func (g *gate) opened() { g.mu.Lock(); g.open++; g.mu.Unlock() }
func (g *gate) closed() { g.mu.Lock(); g.open--; g.mu.Unlock() }

// leave notes that a connection is no more, or was not tried after all.
func (g *gate) leave() {
	g.mu.Lock()
	g.lines--
	g.wake()
	g.mu.Unlock()
}

// tooManyContents reports whether refusals of contents have come to say something about us: one
// after a hold does, or many in a row, or a share of a long run.
func (g *gate) tooManyContents(e Effect) bool {
	return e == ContentRefused && (g.held || g.noContent >= contentsInARow ||
		g.answered >= contentEnough && float64(g.refused) > contentShare*float64(g.answered))
}

// took notes that the relay took a message.
func (g *gate) took() {
	g.mu.Lock()
	g.noOne, g.refusal, g.taken = 0, "", true
	g.mu.Unlock()
}

// refusedRecipient takes in that a recipient was refused for good. mark says that this may be the
// recipient's doing, hold that it is not.
func (g *gate) refusedRecipient(r Reply) (mark, hold bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	code := Reply{Code: r.Code, Enhanced: r.Enhanced}.String()
	if code != g.refusal {
		g.noOne, g.refusal = 0, code
	}
	g.noOne++
	switch {
	case g.taken:
		return g.noOne <= provenInARow, g.noOne >= noMoreInARow
	case r.Enhanced == "":
		return g.noOne <= bareInARow, g.noOne >= noOnesInARow
	}
	return g.noOne <= marksInARow, g.noOne >= noOnesInARow
}

func (g *gate) pause(t time.Time) {
	g.waits++
	g.sendAt = t.Add(g.wait(g.waits))
	g.dialAt = later(g.dialAt, g.sendAt)
}

func (g *gate) holdNow(t time.Time, why string) (alarm bool) {
	alarm = !g.held || g.why != why
	g.held, g.why = true, why
	g.noContent, g.noSender, g.refused, g.answered, g.taken = 0, 0, 0, 0, false // noOne stays: one more holds again
	g.sendAt = t.Add(g.jitter(g.hold))
	g.dialAt = g.sendAt
	if g.downSince.IsZero() {
		g.downSince = t
	}
	g.downReason = why
	g.wake()
	return alarm
}

// proved notes that a new connection has carried a message: others may follow at once.
func (g *gate) proved() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lost > 0 {
		g.lost, g.dialAt, g.probeAt = 0, g.sendAt, time.Time{}
		g.wake()
	}
}

// wait doubles from first to max.
func (g *gate) wait(n int) time.Duration {
	d := g.first
	for i := 1; i < n && d < g.max; i++ {
		d *= 2
	}
	return g.jitter(min(d, g.max))
}

func (g *gate) jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*g.rnd()))
}

func (g *gate) wake() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// mayDial waits until a new connection may be tried, which counts until leave is called. In bad
// times each wait lets one through.
func (g *gate) mayDial(ctx context.Context) error {
	return g.until(ctx, func(t time.Time) time.Duration {
		d := later(g.dialAt, g.probeAt).Sub(t)
		if d <= 0 && g.lines >= g.ours(t) {
			return time.Second // or when that changes
		}
		switch {
		case d > 0:
		case g.held:
			g.probeAt = t.Add(g.jitter(g.max))
		case g.lost > 0:
			g.probeAt = t.Add(g.wait(g.lost))
		}
		if d <= 0 {
			g.lines++
		}
		return d
	})
}

// fine takes in that a message was answered as it should be, and reports whether that is all there
// is to say, because the relay was well before.
func (g *gate) fine() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held || !g.downSince.IsZero() {
		return false
	}
	g.good(GoOn)
	return true
}

// mayGo reports whether messages may go, rate aside.
func (g *gate) mayGo() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.sendAt.After(now())
}

// shut is how long no message and no new connection may go.
func (g *gate) shut() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return later(g.dialAt, g.sendAt).Sub(now())
}

// pace waits for the next message's turn at the relay's rate.
func (g *gate) pace(ctx context.Context) error { return g.until(ctx, g.take) }

// turn takes a turn at the relay's rate if there is one, else it says how long to wait.
func (g *gate) turn() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.rate == 0 {
		return 0
	}
	return g.take(now())
}

// take is turn under the lock.
func (g *gate) take(t time.Time) time.Duration {
	if g.rate == 0 {
		return 0
	}
	g.refill(t)
	if g.tokens >= 1 {
		g.tokens--
		return 0
	}
	return time.Duration((1-g.tokens)/g.rate*float64(time.Second)) + 1 // 0 would be a turn
}

func (g *gate) refill(t time.Time) {
	g.tokens = min(burst(g.rate), g.tokens+t.Sub(g.refilled).Seconds()*g.rate)
	g.refilled = t
}

// crowded reports whether there are more connections than the relay likes, or than are ours.
func (g *gate) crowded() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open > g.ours(now())
}

// have takes in how many connections and how many messages a second are ours until ends; all says that this is
// everything. A slowed relay stays slowed as much as it was. What was not ours saves up no turns.
func (g *gate) have(places int, rate float64, ends time.Time, all bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := now()
	switch {
	case g.ours(t) == 0:
		g.tokens, g.refilled = 0, t
		if all {
			g.tokens = burst(rate)
		}
	case g.rate > 0:
		g.refill(t)
	}
	if places > 0 && g.full != rate { // without places no rate is asked for
		if g.rate == g.full {
			g.rate = rate
		} else {
			g.rate *= rate / g.full
		}
		g.full = rate
		g.tokens = min(g.tokens, burst(g.rate))
	}
	g.places, g.ends = places, ends
	g.wake()
}

// ours is how many connections there may be now. A machine that slept may not have counted that time: so the wall clock
// ends a part too.
func (g *gate) ours(t time.Time) int {
	if !g.ends.IsZero() && (!t.Before(g.ends) || !t.Round(0).Before(g.ends.Round(0))) {
		return 0
	}
	return min(g.allowed, g.places)
}

// without reports whether others have all connections just now.
func (g *gate) without() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ours(now()) == 0
}

// dialled is how many connections there are.
func (g *gate) dialled() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lines
}

// until waits until due, asked under the lock, gives no more wait.
func (g *gate) until(ctx context.Context, due func(now time.Time) time.Duration) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		g.mu.Lock()
		d := due(now())
		changed := g.changed
		g.mu.Unlock()
		if d <= 0 {
			return nil
		}
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// slowed reports whether the relay has throttled, and its rate has not come back yet.
func (g *gate) slowed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.rate != g.full
}

// health says whether the relay is held, since when nothing good was heard, and why.
func (g *gate) health() (held bool, since time.Time, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held, g.downSince, g.downReason
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
