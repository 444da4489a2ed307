package commands

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/store"
)

const (
	// relaySeen is how often a state that has not changed is put on record again: who reads it must
	// know whether it is still looked at.
	relaySeen = 15 * time.Second
	// relaySettles is the least time between two writes: a relay that hesitates costs a run nothing.
	relaySettles = time.Second
	// relayIdle is how long a relay may have nothing to carry before it is greeted without a mail, so
	// that one that dies at night is known before the morning's slot.
	relayIdle = 30 * time.Second
	// relayDoubt is the wait until the second look, before a relay that did not answer counts as down.
	relayDoubt = 5 * time.Second
	// relayLook is how long a look may take.
	relayLook = 20 * time.Second
)

// relayWatch puts on record how relays are, so that every process and page knows. It may be used by many
// goroutines.
type relayWatch struct {
	*engine
	kick chan struct{} // there is something to write

	mu     sync.Mutex
	relays map[string]*watchedRelay
	away   map[string]bool // other processes have all connections of the relay
}

// watchedRelay is what a process knows of a relay.
type watchedRelay struct {
	store.RelayState
	stats mailer.Stats // as the sender last told
	told  time.Time    // when
	dirty bool
	fails int // looks in a row that failed
}

func (e *engine) newRelayWatch() *relayWatch {
	return &relayWatch{engine: e, kick: make(chan struct{}, 1), relays: map[string]*watchedRelay{}, away: map[string]bool{}}
}

// stateOf says what a sender's word means.
func stateOf(s mailer.Stats) (state, why string, since time.Time) {
	switch {
	case s.Held:
		return store.RelayHeld, s.Trouble, s.Since
	case s.Slowed:
		return store.RelaySlow, s.Trouble, s.Since
	case !s.Since.IsZero():
		return store.RelayDown, s.Trouble, s.Since
	}
	return store.RelayUp, "", time.Time{}
}

// heard takes in what a relay's sender tells. One that has done nothing yet knows nothing.
func (w *relayWatch) heard(relay string, s mailer.Stats) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away[relay] = s.Away
	if s.Dials == 0 && s.Since.IsZero() {
		return
	}
	y := w.of(relay)
	if y.stats.Dials == s.Dials && y.stats.Since.Equal(s.Since) && tries(y.stats) == tries(s) {
		return // nothing of the relay: what a look found stands
	}
	w.meters.tried(relay, y.stats, s)
	y.stats, y.told, y.fails = s, time.Now(), 0
	state, why, since := stateOf(s)
	w.set(y, state, why, since)
}

func tries(s mailer.Stats) (n int) {
	for _, k := range s.Outcomes {
		n += k
	}
	return n
}

// of is a relay; w.mu is held.
func (w *relayWatch) of(relay string) *watchedRelay {
	y := w.relays[relay]
	if y == nil {
		y = &watchedRelay{RelayState: store.RelayState{Relay: relay, Worker: w.worker}}
		w.relays[relay] = y
	}
	return y
}

// set takes a state in; w.mu is held.
func (w *relayWatch) set(y *watchedRelay, state, why string, since time.Time) {
	now := time.Now()
	y.Seen = now
	if state == y.State && (why == y.Why || why == "") {
		return
	}
	if state != y.State {
		y.Since = now
		if !since.IsZero() {
			y.Since = since
		}
	}
	y.State, y.Why, y.dirty = state, why, true
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// keep writes what is new, and now and then that all is as it was, until ctx ends.
func (w *relayWatch) keep(ctx context.Context) {
	if list, err := w.db.RelayStates(ctx); err == nil { // since when it is as it is may be known from an earlier process
		w.mu.Lock()
		for _, s := range list {
			if y := w.relays[s.Relay]; y == nil {
				s.Worker = w.worker
				w.relays[s.Relay] = &watchedRelay{RelayState: s}
			} else if y.State == s.State {
				y.Since, y.dirty = s.Since, true
			}
		}
		w.mu.Unlock()
	}
	tick := time.NewTicker(relaySeen)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			w.write(context.WithoutCancel(ctx), false) // what was last heard outlives this process
			return
		case <-w.kick:
			w.write(ctx, false)
			select {
			case <-ctx.Done():
			case <-time.After(relaySettles):
			}
		case <-tick.C:
			w.write(ctx, true)
		}
	}
}

// write puts on record what changed; with all, what this process knows.
func (w *relayWatch) write(ctx context.Context, all bool) {
	w.mu.Lock()
	var list []store.RelayState
	for _, name := range slices.Sorted(maps.Keys(w.relays)) {
		y := w.relays[name]
		if all && (!y.stats.Since.IsZero() || w.idle(y) < relayIdle) {
			y.Seen = time.Now() // its sender is at it
		}
		if y.dirty || all && time.Since(y.Seen) < relaySeen {
			list = append(list, y.RelayState)
		}
	}
	w.mu.Unlock()
	if len(list) == 0 {
		return
	}
	if err := w.db.KeepRelayStates(ctx, list); err != nil {
		w.complain(ctx, "keep states of relays", err)
		return
	}
	w.mu.Lock()
	for _, s := range list {
		if y := w.relays[s.Relay]; y.RelayState.State == s.State && y.Why == s.Why {
			y.dirty = false
		}
	}
	w.mu.Unlock()
}

// idle is for how long a relay's sender has told nothing; w.mu is held.
func (w *relayWatch) idle(y *watchedRelay) time.Duration { return time.Since(y.told) }

// look greets relays that have had nothing to carry for a while.
func (w *relayWatch) look(ctx context.Context) {
	var wg sync.WaitGroup
	for _, r := range w.cfg.Relays {
		wg.Go(func() {
			wait := relayIdle
			for ctx.Err() == nil {
				select {
				case <-ctx.Done():
					return
				case <-time.After(wait):
				}
				wait = w.lookAt(ctx, r)
			}
		})
	}
	wg.Wait()
}

// lookAt greets a relay unless its sender knows better, and says when to look again.
func (w *relayWatch) lookAt(ctx context.Context, r schedule.Relay) time.Duration {
	w.mu.Lock()
	y := w.of(r.Name)
	idle, busy, away := w.idle(y), !y.stats.Since.IsZero(), w.away[r.Name]
	w.mu.Unlock()
	if away { // those who have them look
		return relayIdle
	}
	if idle < relayIdle {
		return relayIdle - idle
	}
	if busy { // in trouble: its sender tries, as long as it has mail
		if due, ok, err := w.db.NextDue(ctx, r.Name); err != nil || ok && !due.After(w.now()) {
			return relaySeen
		}
	}
	looking, cancel := context.WithTimeout(ctx, relayLook)
	defer cancel()
	relay := relayOf(w.cfg, r)
	relay.RootCAs = w.roots
	seen, err := mailer.Look(looking, relay)
	if ctx.Err() != nil {
		return 0
	}
	if !seen.Until.IsZero() {
		w.complain(ctx, "keep what was found", w.db.Find(ctx, findingCertificate+r.Name, true, seen.Until.UTC().Format(time.RFC3339)))
	}
	return w.found(y, seen, err)
}

// found takes in what a look found, and says when to look again.
func (w *relayWatch) found(y *watchedRelay, seen mailer.Seen, err error) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.idle(y) < relayIdle { // meanwhile its sender has told
		return relayIdle
	}
	switch {
	case err == nil:
		if y.fails = 0; y.State == store.RelayHeld && !y.stats.Since.IsZero() {
			return relayIdle // what it refused were our mails, and a greeting says nothing of that
		}
		if y.State == store.RelayDown {
			w.log.Info("relay answers again", slog.String("relay", y.Relay))
		}
		w.set(y, store.RelayUp, "", time.Time{})
	case y.fails == 0:
		y.fails++
		return relayDoubt
	default:
		state := store.RelayDown
		if seen.Held {
			state = store.RelayHeld
		}
		if y.fails++; y.State != state {
			w.log.Warn("relay does not answer", slog.String("relay", y.Relay), slog.Any("error", err))
		}
		w.set(y, state, err.Error(), time.Now().Add(-relayDoubt))
	}
	return relayIdle
}
