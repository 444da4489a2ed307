package mailer

import (
	"context"
	"log/slog"
	"time"
)

// lane is what one provider's recipients wait in, where a limit is set for them: they go at its
// rate, and the others overtake them. It is guarded by the run's mutex.
type lane struct {
	limit    *DomainLimit
	waiting  []*Letter // drawn from their batches, their intent not on record
	inHand   int       // drawn and not settled, those waiting left out
	tokens   float64
	refilled time.Time
}

// lane finds the lane of a delivery, nil if its provider has no limit; r.mu is held.
func (r *run) lane(d *Delivery) *lane {
	limit := r.Domains.Group(d.Address)
	if limit == nil || limit.Rate <= 0 && limit.Connections <= 0 {
		return nil
	}
	for _, a := range r.lanes {
		if a.limit == limit {
			return a
		}
	}
	a := &lane{limit: limit, tokens: burst(limit.Rate), refilled: now()}
	r.lanes = append(r.lanes, a)
	return a
}

// before is how many of those waiting a letter has before it: urgent ones go first.
func (a *lane) before(l *Letter) int {
	n := len(a.waiting)
	if l.leased.batch.Urgent {
		for n = 0; n < len(a.waiting) && a.waiting[n].leased.batch.Urgent; n++ {
		}
	}
	return n
}

// turn takes a turn if there is one.
func (a *lane) turn(t time.Time) bool {
	if a.pause(t) > 0 {
		return false
	}
	a.inHand++
	a.tokens--
	return true
}

// pause is how long it is to the next turn.
func (a *lane) pause(t time.Time) time.Duration {
	if a.limit.Connections > 0 && a.inHand >= a.limit.Connections {
		return time.Second // or when one comes back
	}
	if a.limit.Rate <= 0 {
		a.tokens = 1
		return 0
	}
	a.tokens = min(burst(a.limit.Rate), a.tokens+t.Sub(a.refilled).Seconds()*a.limit.Rate)
	a.refilled = t
	if a.tokens >= 1 {
		return 0
	}
	return time.Duration((1-a.tokens)/a.limit.Rate*float64(time.Second)) + 1
}

// emptyLanes takes out what waits in lanes.
func (r *run) emptyLanes() (letters []*Letter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.lanes {
		a.inHand += len(a.waiting) // settled takes it off again
		letters = append(letters, a.waiting...)
		a.waiting = nil
	}
	return letters
}

// laneTime is how long a lane's deliveries may wait at hand. What is beyond goes back to the
// queue until there can be room for it, so that the batches it came in are not held up and the
// recipients of others come to their turn.
const laneTime = 30 * time.Second

// spill puts back what is too much for its lane, due when its turn can come.
func (r *run) spill() {
	r.mu.Lock()
	var marks []Mark
	var letters []*Letter
	for _, a := range r.lanes {
		rate := a.limit.Rate
		if rate <= 0 {
			rate = float64(10 * a.limit.Connections) // a mail takes a tenth of a second, say
		}
		room := max(2*maxSlice, int(rate*laneTime.Seconds()))
		if len(a.waiting) <= 2*room {
			continue
		}
		for n, l := range a.waiting[room:] {
			due := r.Now().Add(time.Duration(float64(room+n) / rate * float64(time.Second)))
			if !l.d.Ends.IsZero() && due.After(l.d.Ends) {
				due = l.d.Ends
			}
			b := l.leased.batch
			marks = append(marks, Mark{Step: Intend, Batch: b, Delivery: l.d, KeyID: r.KeyID, Selector: r.selector()},
				Mark{Step: Settle, Batch: b, Delivery: l.d, Outcome: Outcome{State: Queued, Due: due, Copies: l.d.Copies,
					Reason: "limit of " + a.limit.Name, Relay: r.Relay.Name}})
			letters = append(letters, l)
		}
		a.inHand += len(a.waiting) - room
		a.waiting = a.waiting[:room:room]
	}
	r.mu.Unlock()
	if len(letters) == 0 {
		return
	}
	if err := r.Queue.Commit(context.Background(), marks, r.Now()); err != nil {
		r.Log.Warn("deliveries not put back", slog.Int("deliveries", len(letters)), slog.String("error", err.Error()))
	}
	r.settled(letters...)
}
