package mailer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// ErrDown says that the relay could not be reached or would not talk for longer than Patience.
// What it did not take is queued as before.
var ErrDown = errors.New("relay is down")

// ErrHeld says that the relay refuses us as such (credentials, sender, contents), which waiting
// does not mend: a person must look.
var ErrHeld = errors.New("relay is held")

// Sender takes due deliveries of one relay from the queue and sends them. Set the fields, then
// call Run, as often as you like; several senders may share a queue. Queue, Composer, Relay and Worker are required.
type Sender struct {
	Queue    Queue
	Composer Composer
	Relay    Relay
	Worker   string // who leases; unique among running senders
	KeyID    string // signing key of the links in messages begun now

	Log      *slog.Logger      // nil: none
	Now      func() time.Time  // the program's clock, for due times and Date; nil: real time
	Rand     func() float64    // jitter, in [0, 1); nil: math/rand
	Progress func(Stats)       // called now and then, at changes of the relay and at the end, one call at a time; may be nil
	Taken    func(d *Delivery) // called for each delivery that the relay took, once that is on record, from many goroutines; may be nil
	Domains  *Domains          // limits of recipients' domains; nil: none
	Pace     *Pace             // which groups of them are slowed just now, for all senders that share it; nil: none
	Sharer   Sharer            // divides the relay among processes; nil: it is all ours
	Signer   Signer            // signs each message; nil: the relay does
	// StandIn names the relays whose mail goes through this one just now, because they are down;
	// nil: none. It is asked whenever this relay has nothing of its own to do.
	StandIn func() []string

	// Patience is how long a run until idle waits for a relay that is down; 0 means 2 minutes.
	// A message in hand is waited for as long as its deadlines allow.
	Patience time.Duration
	// RetryFirst and RetryMost bound the waits between attempts to reach a relay in trouble,
	// RetryHeld is the wait when it is held. 0 means 1 s, 1 min and 10 min: some 70
	// attempts in an hour, and one more for each connection.
	RetryFirst, RetryMost, RetryHeld time.Duration
	// Poll is how often a run that is not until idle asks for work though none is said to be
	// due. 0 means 5 s.
	Poll time.Duration

	finish, hearOut time.Duration // finishIn and hearOutIn unless a test is in a hurry
}

// Stats counts what a run has done. Each delivery is counted once a try.
type Stats struct {
	Outcomes map[State]int // tries by the state they led to
	Lost     int           // deliveries that another took out of our hands
	Waiting  int           // deliveries that may not go yet
	Dials    int           // connections tried
	Held     bool          // the relay is held
	Away     bool          // other senders have all its connections
	Slowed   bool          // it throttles: mail goes at a lower rate than was set
	Trouble  string        // what the relay last did wrong, "" while all is well
	Since    time.Time     // since when, real time
}

// Run sends what is due until ctx ends or, if untilIdle, until nothing is due now; deliveries
// deferred to a later time are left then. It returns nil at the end of ctx. An error other than
// [ErrDown] and [ErrHeld] (both only if untilIdle) is the queue's, after a minute of trying.
//
// When ctx ends no new message is begun. One in hand has 8 s to come to its end, 28 s if only
// the reply to its last byte is missing; what is cut short before its last byte is queued again.
func (s *Sender) Run(ctx context.Context, untilIdle bool) (Stats, error) {
	if err := s.check(); err != nil {
		return Stats{}, err
	}
	r := s.newRun(untilIdle)
	ctx, r.cancel = context.WithCancel(ctx)
	defer r.cancel()
	// Leases are kept while messages in hand come to their end, which may be after ctx.
	keep, done := context.WithCancel(context.WithoutCancel(ctx))
	defer done()

	var workers, helpers sync.WaitGroup
	helpers.Go(func() { r.renew(keep) })
	helpers.Go(func() { r.share(keep) })
	helpers.Go(func() { r.watch(ctx) })
	helpers.Go(func() { r.sweep(keep) })
	workers.Go(func() { r.feed(ctx) })
	for range max(1, s.Relay.Connections) {
		workers.Go(func() { r.work(ctx) })
	}
	workers.Wait()
	r.cancel()
	done()
	helpers.Wait()
	r.releaseAll()
	r.unshare()
	r.mu.Lock()
	r.untold = true
	r.mu.Unlock()
	r.tellNow()
	return r.snapshot(), r.err
}

func (s *Sender) check() error {
	switch {
	case s.Queue == nil, s.Composer == nil:
		return errors.New("send: the sender needs a queue and a composer")
	case s.Worker == "":
		return errors.New("send: the sender needs a worker name")
	}
	return s.Relay.Check()
}

// run is one call of Run.
type run struct {
	Sender
	untilIdle bool
	gate      *gate
	ladder    ladder
	cancel    context.CancelFunc
	buffers   buffers

	mu        sync.Mutex
	changed   chan struct{} // closed and replaced when there is new work or a place where it was
	batches   []*leased
	lanes     []*lane          // one for each provider with a limit, and those in slowLanes
	slowLanes map[string]*lane // by group
	part      part             // of the relay, that is ours
	spares    []*Letter        // on record as intended, left over by connections
	desks     []*desk
	inHand    int // deliveries taken and not settled
	lines     int // connections, dialling or open
	strikes   map[identity]int
	waiting   int       // calls that the ledger has refused and that are tried again
	looked    time.Time // for issues on hold
	doubt     bool      // the ledger has refused a mark since
	stats     Stats
	err       error // why the run had to end

	untold  bool       // the stats have changed since the last call of Progress
	telling sync.Mutex // one call of Progress at a time
	cores   chan struct{}
}

type identity struct{ slot, subscriber int64 }

func (s *Sender) newRun(untilIdle bool) *run {
	r := &run{Sender: *s, untilIdle: untilIdle, changed: make(chan struct{}),
		strikes: map[identity]int{}, slowLanes: map[string]*lane{}, stats: Stats{Outcomes: map[State]int{}}, cores: cores()}
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	if r.Now == nil {
		r.Now = time.Now
	}
	if r.Rand == nil {
		r.Rand = rand.Float64
	}
	r.Patience = cmp.Or(r.Patience, 2*time.Minute)
	r.Poll = cmp.Or(r.Poll, 5*time.Second)
	r.finish, r.hearOut = cmp.Or(r.finish, finishIn), cmp.Or(r.hearOut, hearOutIn)
	r.Relay.Timeouts = r.Relay.Timeouts.withDefaults()
	r.gate = newGate(r.Relay.Rate, max(1, r.Relay.Connections), cmp.Or(r.RetryFirst, time.Second), cmp.Or(r.RetryMost, time.Minute),
		cmp.Or(r.RetryHeld, 10*time.Minute), r.Rand)
	if r.Sharer != nil { // nothing before it was asked for
		r.part, r.gate.places = part{of: max(1, r.Relay.Connections)}, 0
	}
	return r
}

// watch ends a run until idle whose relay has been down for too long.
func (r *run) watch(ctx context.Context) {
	if !r.untilIdle {
		return
	}
	tick := time.NewTicker(min(r.Patience/4+1, time.Second))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		r.mu.Lock()
		busy := r.inHand > 0 // a slow relay with a message is not down
		r.mu.Unlock()
		if _, since, why := r.gate.health(); !busy && !since.IsZero() && now().Sub(since) > r.Patience {
			r.fail(fmt.Errorf("send through %s: %w for %s: %s", r.Relay, ErrDown, r.Patience, why))
		}
	}
}

// sweep writes down outcomes that wait too long, gives back what is on hold and tells of progress.
func (r *run) sweep(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		r.mu.Lock()
		desks := slices.Clone(r.desks)
		r.mu.Unlock()
		for _, k := range desks {
			k.relieve()
		}
		r.spill()
		r.halt(ctx)
		r.tellNow()
	}
}

// heard takes in what a try meant for the relay and says so when it changes.
func (r *run) heard(e Effect, verb Verb, reply Reply, err error) {
	if e == GoOn && r.gate.fine() {
		return
	}
	why := ""
	switch {
	case e == GoOn:
	case err != nil:
		why = string(verb) + ": " + maskAll(err.Error())
	default:
		why = string(verb) + ": " + maskAll(reply.String())
	}
	_, before, said := r.gate.health()
	alarm := r.gate.apply(e, why)
	held, since, says := r.gate.health()
	name := slog.String("relay", r.Relay.Name)
	switch {
	case alarm:
		r.Log.Error("relay held", name, slog.String("reason", why))
	case !since.IsZero() && (before.IsZero() || says != said):
		r.Log.Warn("relay in trouble", name, slog.String("effect", string(e)), slog.String("reason", why))
	case !before.IsZero() && since.IsZero():
		r.Log.Info("relay well again", name, slog.Duration("after", now().Sub(before)))
	case before.IsZero():
		return
	}
	if held && r.untilIdle {
		r.fail(fmt.Errorf("send through %s: %w: %s", r.Relay, ErrHeld, why))
	}
	r.mu.Lock()
	r.stats.Held, r.stats.Since, r.stats.Trouble = held, since, why
	r.mu.Unlock()
	r.tell()
	r.tellNow()
}

// fail ends the run for a reason.
func (r *run) fail(err error) {
	r.mu.Lock()
	if r.err == nil {
		r.err = err
	}
	r.mu.Unlock()
	r.cancel()
}

// tell notes that there is something to tell.
func (r *run) tell() {
	r.mu.Lock()
	r.untold = true
	r.mu.Unlock()
}

// tellNow calls Progress if there is.
func (r *run) tellNow() {
	r.telling.Lock()
	defer r.telling.Unlock()
	r.mu.Lock()
	news := r.untold
	r.untold = false
	r.mu.Unlock()
	if news && r.Progress != nil {
		r.Progress(r.snapshot())
	}
}

func (r *run) snapshot() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Slowed, s.Away = r.gate.slowed(), r.gate.without()
	s.Outcomes = maps.Clone(r.stats.Outcomes)
	return s
}
