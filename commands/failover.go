package commands

import (
	"log/slog"
	"sync"
	"time"

	"broadsheet/mailer"
	"broadsheet/schedule"
)

// downAfter is how long a relay must have been in trouble, without a mail taken, before another
// takes its mail: a hiccup is to move nobody.
const downAfter = time.Minute

// lookout knows which relays are down, by what their senders tell, and who stands in for them. It
// may be used by many goroutines.
type lookout struct {
	helpers map[string][]string // as standIns has it
	after   time.Duration
	log     *slog.Logger

	mu     sync.Mutex
	relays map[string]health
	acting map[string]string // who stands in for a relay, as it was last said
}

// health is what is known of a relay. The zero value is well.
type health struct {
	since time.Time // in trouble; zero = all is well
	gone  bool      // held, or its sender gave up
}

func newLookout(cfg *schedule.Config, after time.Duration, log *slog.Logger) *lookout {
	return &lookout{helpers: standIns(cfg), after: after, log: log, relays: map[string]health{}, acting: map[string]string{}}
}

// heard takes in what a relay's sender tells.
func (o *lookout) heard(relay string, s mailer.Stats) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.relays[relay] = health{s.Since, s.Held}
}

// gaveUp notes that a sender has ended because of its relay.
func (o *lookout) gaveUp(relay string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.relays[relay] = health{o.relays[relay].since, true}
}

// down reports whether others are to take a relay's mail; o.mu is held.
func (o *lookout) down(relay string) bool {
	h := o.relays[relay]
	return h.gone || !h.since.IsZero() && time.Since(h.since) >= o.after
}

// standsInFor lists the relays whose mail goes through this one now: those that are down and
// have no helper before it that is well.
func (o *lookout) standsInFor(relay string) (list []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for other, helpers := range o.helpers {
		now := ""
		if o.down(other) {
			for _, h := range helpers {
				if !o.down(h) {
					now = h
					break
				}
			}
		}
		if now == relay {
			list = append(list, other)
		}
		if o.acting[other] == now {
			continue
		}
		o.acting[other] = now
		if now == "" {
			o.log.Info("no relay stands in any more", slog.String("relay", other))
		} else {
			o.log.Warn("mail of a relay that is down goes through another", slog.String("relay", other), slog.String("through", now))
		}
	}
	return list
}
