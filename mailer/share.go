package mailer

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// Whole is what a relay takes from all its senders together.
type Whole struct {
	Connections int     // at least 1
	Rate        float64 // messages a second; 0 = no limit
}

// Part is what one sender may use of a [Whole]. Its connections are places with numbers, so that of a limit of
// the relay or of a provider each piece goes with a place, and no two senders ever have the same.
type Part struct {
	Places []int         // from 0 to Of, in order
	Keep   []int         // of them those to go on with: others are to get the rest, once nothing is under way there
	Of     int           // how many places there are in all
	Rate   float64       // messages a second that go with Keep; 0 = no limit
	For    time.Duration // from the moment when it was asked for; nothing is begun after that
	Again  time.Duration // when to ask the next time
}

// Sharer divides relays among the senders of several processes. At no moment have the parts that were given and
// are not over, together, more than the whole.
type Sharer interface {
	// Share takes part of a relay for a worker, or keeps the part it has. held are the places that it cannot give
	// up yet; nil at first.
	Share(ctx context.Context, relay, worker string, whole Whole, held []int) (Part, error)
	// Leave gives up what a worker has.
	Leave(ctx context.Context, relay, worker string) error
}

// shareAgain is when to ask again after an error.
const shareAgain = time.Second

// share keeps this sender's part of the relay until ctx ends.
func (r *run) share(ctx context.Context) {
	if r.Sharer == nil {
		return
	}
	whole := Whole{max(1, r.Relay.Connections), r.Relay.Rate}
	var last Part
	failed := false
	for ctx.Err() == nil {
		asked := now() // before the ledger's clock is read: our end comes first
		p, err := r.Sharer.Share(ctx, r.Relay.Name, r.Worker, whole, r.held(last))
		name := slog.String("relay", r.Relay.Name)
		wait := shareAgain
		if err != nil && ctx.Err() == nil && !failed {
			r.Log.Warn("part of relay not kept: nothing is begun once it is over", name, slog.String("error", err.Error()))
		}
		if err == nil {
			if failed {
				r.Log.Info("part of relay kept again", name)
			}
			if len(p.Keep) != len(last.Keep) && (len(last.Keep) > 0 || len(p.Keep) < p.Of) {
				r.Log.Info("part of relay", name, slog.Int("connections", len(p.Keep)), slog.Int("of", p.Of), slog.Float64("rate", p.Rate))
			}
			r.have(p, asked.Add(p.For))
			last, wait = p, p.Again
		}
		failed = err != nil
		r.sleep(ctx, nil, wait)
	}
}

// unshare gives this sender's part up; nothing is under way.
func (r *run) unshare() {
	if r.Sharer == nil {
		return
	}
	r.Pace.share(r.Relay.Name, 0)
	if err := r.Sharer.Leave(context.Background(), r.Relay.Name, r.Worker); err != nil { // it ends by itself
		r.Log.Warn("part of relay not given up", slog.String("relay", r.Relay.Name), slog.String("error", err.Error()))
	}
}

// have goes by a part from now on.
func (r *run) have(p Part, ends time.Time) {
	ours := part{p.Keep, p.Of}
	r.mu.Lock()
	news := len(r.part.places) != len(p.Keep)
	r.part = ours
	r.mu.Unlock()
	away := r.gate.without()
	r.gate.have(len(p.Keep), p.Rate, ends, len(p.Keep) == p.Of)
	r.Pace.share(r.Relay.Name, ours.fraction())
	if !news && away == r.gate.without() {
		return
	}
	r.mu.Lock()
	r.wake()
	r.mu.Unlock()
	r.tell()
}

// held are the places of a part that cannot be given up: those that we go by, and of the others as many as are in use.
func (r *run) held(p Part) []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.gate.dialled()
	set := part{slices.Clone(p.Keep), p.Of}
	fits := func() bool {
		return len(set.places) >= lines && !slices.ContainsFunc(r.lanes, func(a *lane) bool {
			return a.limit.Connections > 0 && a.inHand > set.units(a.limit.Connections)
		})
	}
	for _, place := range p.Places {
		if !slices.Contains(p.Keep, place) && !fits() {
			set.places = append(set.places, place)
		}
	}
	return set.places
}

// part is what a sender goes by.
type part struct {
	places []int
	of     int // 0 = it has everything, and shares with nobody
}

// fraction is how much that is of the whole.
func (p part) fraction() float64 {
	if p.of == 0 {
		return 1
	}
	return float64(len(p.places)) / float64(p.of)
}

// units are those of a limit that go with the places: over all places they are just the limit.
func (p part) units(limit int) (n int) {
	if p.of == 0 {
		return limit
	}
	for _, place := range p.places {
		n += (place+1)*limit/p.of - place*limit/p.of
	}
	return n
}

// limit is our part of a provider's limit; ok is false if nothing of it is ours. Where there are fewer connections than
// senders, those who have none have no rate either.
func (p part) limit(l *DomainLimit) (rate float64, connections int, ok bool) {
	if p.of == 0 {
		return l.Rate, l.Connections, true
	}
	share := p.fraction()
	if l.Connections > 0 {
		connections = p.units(l.Connections)
		share = float64(connections) / float64(l.Connections)
	}
	return l.Rate * share, connections, share > 0
}
