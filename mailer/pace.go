package mailer

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Pace is how fast mails may go to groups of recipients' domains whose servers say that they get
// too many, over all senders that share it. The first such news halves what the group was sent at of late (or
// its limit, if that is less), each further one halves again, at most once a minute and down to a
// mail in ten seconds; after each ten quiet minutes the rate doubles, until it is as before. Other
// groups are not slowed. It may be used by many goroutines; nil slows nobody.
type Pace struct {
	domains *Domains
	now     func() time.Time // the program's clock

	some atomic.Bool // a group is slowed
	mu   sync.Mutex
	slow map[string]*bucket

	shares map[string]float64 // by relay: what is ours of it; nil = everything is
	part   float64            // of each slowed group's rate, that is ours

	counted, before map[string]sent // mails answered, in this minute and the one before
	since           time.Time       // when this minute began, real time
}

// bucket hands out the turns of a slowed group, on real time.
type bucket struct {
	Slowed
	halved   time.Time
	tokens   float64
	refilled time.Time
}

// sent is how many mails of a group were answered, and from when to when, real time.
type sent struct {
	n           int
	first, last time.Time
}

// NewPace makes one that knows what is slowed already. now is the program's clock, nil is real time.
func NewPace(domains *Domains, clock func() time.Time, known []Slowed) *Pace {
	if clock == nil {
		clock = time.Now
	}
	p := &Pace{domains: domains, now: clock, slow: make(map[string]*bucket), counted: make(map[string]sent), since: now(), part: 1}
	for _, s := range known {
		p.slow[s.Name] = &bucket{Slowed: s, halved: s.Heard, refilled: now()}
	}
	p.some.Store(len(known) > 0)
	return p
}

// Slow takes in that a server has put a mail off at a moment of the program's clock: address, or
// the domain alone, says whose. It returns what the group may have now; changed says that this is less
// than before. News older than what is known changes nothing.
func (p *Pace) Slow(address, why string, at time.Time) (s Slowed, changed bool) {
	if p == nil {
		return s, false
	}
	limit, name := p.domains.Group(address), p.domains.GroupOf(address)
	why = maskAll(why)
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.slow[name]
	known := b != nil
	if known {
		_, free := b.RateAt(at)
		known = !free
	}
	switch {
	case !known:
		b = &bucket{Slowed: newSlowed(name, why, p.lately(name, limit), at), halved: at, refilled: now()}
		p.slow[name] = b
		p.some.Store(true)
		changed = true
	case at.After(b.Heard):
		changed = at.Sub(b.halved) >= halvePause
		b.Slowed = b.slower(why, at, changed)
		if changed {
			b.halved, b.tokens = at, min(b.tokens, 0)
		}
	}
	return b.Slowed, changed
}

// lately is what a group was sent at in the last minute or two, at most its limit; p.mu is held.
func (p *Pace) lately(name string, limit *DomainLimit) float64 {
	c, cc := p.before[name], p.counted[name]
	if c.n == 0 {
		c.first = cc.first
	}
	if c.n += cc.n; cc.n > 0 {
		c.last = cc.last
	}
	rate := float64(c.n) / max(c.last.Sub(c.first).Seconds(), 1)
	if p.part > 0 {
		rate /= p.part // the others do as much
	}
	limited := limit != nil && limit.Rate > 0
	switch {
	case c.n == 0 && limited:
		return limit.Rate
	case c.n == 0:
		return guessedRate
	case limited:
		return min(rate, limit.Rate)
	}
	return rate
}

// count takes in whose mails were answered.
func (p *Pace) count(list []settled) {
	if p == nil {
		return
	}
	t := now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.Sub(p.since) > time.Minute {
		p.before, p.counted, p.since = p.counted, make(map[string]sent), t
	}
	for n := range list {
		if list[n].outcome.Reply.Code == 0 {
			continue
		}
		name := p.domains.GroupOf(list[n].letter.d.Address)
		c, ok := p.counted[name]
		if !ok {
			c.first = t
			name = strings.Clone(name) // it would hold on to the address, and that to its batch
		}
		c.n, c.last = c.n+1, t
		p.counted[name] = c
	}
}

// Slowed lists the groups that are slowed now, by name, and forgets those that are free again.
func (p *Pace) Slowed() []Slowed {
	if p == nil || !p.some.Load() {
		return nil
	}
	t := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.slow, func(_ string, b *bucket) bool {
		_, free := b.RateAt(t)
		return free
	})
	p.some.Store(len(p.slow) > 0)
	list := make([]Slowed, 0, len(p.slow))
	for _, name := range slices.Sorted(maps.Keys(p.slow)) {
		list = append(list, p.slow[name].Slowed)
	}
	return list
}

// slows reports whether an address is of a slowed group, and names that.
func (p *Pace) slows(address string) (name string, ok bool) {
	if p == nil || !p.some.Load() {
		return "", false
	}
	name = p.domains.GroupOf(address)
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok = p.slow[name]
	return name, ok
}

// wait is how long it is to a group's next turn; with take that turn is taken if it is there.
func (p *Pace) wait(name string, take bool) time.Duration {
	if p == nil || !p.some.Load() {
		return 0
	}
	t, clock := now(), p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.slow[name]
	if b == nil {
		return 0
	}
	rate, free := b.RateAt(clock)
	if free {
		return 0
	}
	if rate *= p.part; rate == 0 {
		return time.Second // or when something of it is ours
	}
	b.tokens = min(burst(rate), b.tokens+t.Sub(b.refilled).Seconds()*rate)
	b.refilled = t
	if b.tokens < 1 {
		return time.Duration((1-b.tokens)/rate*float64(time.Second)) + 1
	}
	if take {
		b.tokens--
	}
	return 0
}

// rate is what we may send a group now; ok is false if it is not slowed.
func (p *Pace) rate(name string) (rate float64, ok bool) {
	s, part, ok := p.known(name)
	if ok {
		rate, _ = s.RateAt(p.now())
	}
	return rate * part, ok
}

// after is how long the turns of n mails of a group take; ok is false if it is not slowed.
func (p *Pace) after(name string, n int) (d time.Duration, ok bool) {
	s, part, ok := p.known(name)
	switch {
	case ok && part == 0:
		d = laneTime
	case ok:
		d = s.after(p.now(), int(float64(n)/part))
	}
	return d, ok
}

// known is a group that is slowed now, and how much of it is ours.
func (p *Pace) known(name string) (s Slowed, part float64, ok bool) {
	if p == nil || !p.some.Load() {
		return s, 1, false
	}
	t := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.slow[name]
	if b == nil {
		return s, 1, false
	}
	_, free := b.RateAt(t)
	return b.Slowed, p.part, !free
}

// Divide has senders of other processes use the pace of slowed groups too. A group is written to through all relays at
// once, so of its rate this process has the mean of its parts of the relays named, as their senders come to say:
// what all processes have is never more than the whole, and whoever may send through any relay has some of it.
func (p *Pace) Divide(relays []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shares, p.part = make(map[string]float64, len(relays)), 0
	for _, name := range relays {
		p.shares[name] = 0
	}
}

// share takes in how much of a relay is ours.
func (p *Pace) share(relay string, fraction float64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.shares[relay]; !ok {
		return
	}
	p.shares[relay] = fraction
	sum := 0.0
	for _, f := range p.shares {
		sum += f
	}
	p.part = sum / float64(len(p.shares))
}

// Learn takes in what other processes know of slowed groups; what is older than what is known here changes nothing.
func (p *Pace) Learn(list []Slowed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range list {
		switch b := p.slow[s.Name]; {
		case b == nil:
			if _, free := s.RateAt(p.now()); free {
				continue
			}
			p.slow[s.Name] = &bucket{Slowed: s, halved: s.Heard, refilled: now()}
			p.some.Store(true)
		case !s.Heard.Before(b.Heard):
			rate, _ := b.RateAt(s.Heard)
			if s.Rate < rate {
				b.halved, b.tokens = s.Heard, min(b.tokens, 0)
			}
			b.Slowed, b.Rate = s, min(s.Rate, rate)
		}
	}
}
