package digest

import (
	"hash/fnv"
	"math"
	"slices"
	"time"

	"broadsheet/mailer"
	"broadsheet/schedule"
)

// Routes says through which relay a reader's mail goes. Relays whose domains name the reader's go
// before those that take all; among equals a reader stays with one, by weight, and a relay that
// comes or goes moves its own share alone. It may be used by many goroutines.
type Routes struct{ relays []route }

type route struct {
	schedule.Relay
	seed uint64
}

// NewRoutes makes the routes over these relays.
func NewRoutes(relays []schedule.Relay) *Routes {
	r := &Routes{}
	for _, y := range relays {
		h := fnv.New64a()
		h.Write([]byte(y.Name))
		r.relays = append(r.relays, route{y, h.Sum64()})
	}
	return r
}

// Names lists the relays.
func (r *Routes) Names() []string {
	names := make([]string, len(r.relays))
	for n, y := range r.relays {
		names[n] = y.Name
	}
	return names
}

// UTCDay numbers t's day in UTC, from 1970 on.
func UTCDay(t time.Time) int64 { return t.Unix() / (24 * 60 * 60) }

// Day gives out the deliveries of a day, of which the relays have been assigned some already.
func (r *Routes) Day(day int64, assigned map[string]int) *RelayDay {
	d := &RelayDay{routes: r, room: make([]int, len(r.relays))}
	at := time.Unix(day*24*60*60, 0)
	for n := range r.relays {
		d.room[n] = r.relays[n].WarmUp.Cap(at) - assigned[r.relays[n].Name]
	}
	return d
}

// RelayDay gives out the deliveries of a day in UTC within the relays' warm-up caps. It is for one
// goroutine.
type RelayDay struct {
	routes *Routes
	room   []int // by relay, how many more it may get
}

// Assign gives a delivery to a relay and counts it. What is over a warm-up's cap goes to a relay
// that does not warm up; if there is none, which a configuration file must not say, it goes over
// the cap: late for a provider's taste is better than never. ok is false if no relay takes mail
// to the address.
func (d *RelayDay) Assign(subscriber int64, address string) (relay string, ok bool) {
	domain := mailer.DomainOf(address)
	n := d.routes.best(subscriber, domain, false)
	if n < 0 {
		return "", false
	}
	if d.room[n] <= 0 {
		if other := d.routes.best(subscriber, domain, true); other >= 0 {
			n = other
		}
	}
	d.room[n]--
	return d.routes.relays[n].Name, true
}

// best is the index of the relay for a reader, -1 if there is none; established leaves out those
// that warm up.
func (r *Routes) best(subscriber int64, domain string, established bool) int {
	best, bestRank, bestScore := -1, 0, 0.0
	for n := range r.relays {
		y := &r.relays[n]
		rank := y.rank(domain)
		if rank == 0 || established && !y.WarmUp.From.IsZero() {
			continue
		}
		if score := y.score(subscriber); rank > bestRank || rank == bestRank && score > bestScore {
			best, bestRank, bestScore = n, rank, score
		}
	}
	return best
}

// rank orders relays by how much a domain is theirs; 0 = they do not take it.
func (y *route) rank(domain string) int {
	named := slices.Contains(y.Domains, domain)
	switch {
	case !named && len(y.Domains) > 0:
		return 0
	case y.Standby:
		return 1 // only when nobody else takes it, or there is no room
	case !named:
		return 2
	}
	return 3
}

// score is weighted rendezvous hashing: the relay with the highest score for a reader has them,
// with a probability in proportion to its weight and whatever other relays there are.
func (y *route) score(subscriber int64) float64 {
	x := mix(y.seed ^ mix(uint64(subscriber)))
	u := (float64(x>>11) + 0.5) / (1 << 53) // in (0, 1)
	return -float64(y.Weight) / math.Log(u)
}

// mix spreads the bits of x over all of the result (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
