package capacity

import "time"

// Fleet is the machines and what they can do. Everything of a kind is alike; databases share the
// readers evenly, and senders work for all of them.
type Fleet struct {
	Databases, DatabaseCores int64
	OpenRate                 int64         // deliveries a second that a database's issues are opened at
	OpenCPU                  time.Duration // of the database's processors, for a delivery when its issue opens
	LedgerCPU                time.Duration // of them, for a delivery's marks
	Kept                     int64         // octets that a delivery keeps in the database

	Senders, SenderCores int64
	SendCPU              time.Duration // of a sender's processors, for a mail
	Wire                 int64         // bits a second of each sender's line; 0 = no limit
	Size                 int64         // octets of a mail on it

	Relays      int64
	Rate        int64 // thousandths of a mail that a relay takes a second; 0 = no limit
	Connections int64 // to a relay, from all senders together
	Delay, Turn time.Duration
	RoundTrips  int64 // for a window of mails
	Window      int64 // mails of a connection that are on their way at once: with CHUNKING in_doubt, else 1
}

// What can be the limit, as [Minute] and [Summary] name it.
const (
	Opening     = "opening"
	Databases   = "databases"
	Senders     = "senders"
	Wire        = "wire"
	Connections = "connections"
	Relays      = "relays"
)

// resource is one of the fleet's resources: so many units a minute, of which a mail takes cost. Units are
// nanoseconds of processors or connections, bits, thousandths of mails.
type resource struct {
	name      string
	perMinute int64 // 0 = no limit
	cost      int64

	left  int64 // in this minute
	over  int64 // of the minute before, too little for a mail
	used  int64 // in this minute
	total int64 // in all minutes
}

func (x *resource) begin() { x.left, x.over, x.used = x.perMinute+x.over, 0, 0 }

// room is how many things at that cost it still has this minute.
func (x *resource) room(cost int64) int64 {
	if x.perMinute == 0 || cost == 0 {
		return 1 << 62
	}
	return x.left / cost
}

func (x *resource) take(n, cost int64) {
	if x.perMinute > 0 {
		x.left -= n * cost
	}
	x.used += n * cost
	x.total += n * cost
}

// carry keeps what is too little for one more mail, so that a resource that is the limit does its rate exactly.
func (x *resource) carry() {
	if x.cost > 0 && x.left < x.cost {
		x.over = x.left
	}
}

// load is how much of the resource this minute took, from 0 to 1.
func (x *resource) load() float64 {
	if x.perMinute == 0 {
		return 0
	}
	return min(1, float64(x.used)/float64(x.perMinute))
}

// resources are those of sending, in the order in which ties are named; the databases come first.
func (f *Fleet) resources() []*resource {
	const minute = int64(time.Minute)
	window := max(f.Window, 1)
	return []*resource{
		{name: Databases, perMinute: f.Databases * f.DatabaseCores * minute, cost: int64(f.LedgerCPU)},
		{name: Senders, perMinute: f.Senders * f.SenderCores * minute, cost: int64(f.SendCPU)},
		{name: Wire, perMinute: f.Senders * f.Wire * 60, cost: f.Size * 8},
		{name: Connections, perMinute: f.Relays * f.Connections * minute, cost: (f.RoundTrips*int64(f.Delay) + int64(f.Turn)) / window},
		{name: Relays, perMinute: f.Relays * f.Rate * 60, cost: 1000},
	}
}
