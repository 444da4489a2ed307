package mailer

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// lane is what one provider's recipients wait in, where a limit is set for them or their servers
// have asked for less: they go at its rate, and the others overtake them. It is guarded by the run's
// mutex.
type lane struct {
	name     string       // of the group
	limit    *DomainLimit // nil: none of its own
	pace     *Pace
	part     *part     // of the relay, that is ours
	waiting  []*Letter // drawn from their batches, their intent not on record
	inHand   int       // drawn and not settled, those waiting left out
	tokens   float64
	refilled time.Time
	spilt    time.Time // when some last went back to the queue
}

// unlimited is the limit of lanes that have none.
var unlimited = new(DomainLimit)

// lane finds the lane of a delivery, nil if its provider has no limit and is not slowed; r.mu is held.
func (r *run) lane(d *Delivery) *lane {
	limit := r.Domains.Group(d.Address)
	if limit == nil || limit.Rate <= 0 && limit.Connections <= 0 {
		return r.slowLane(d)
	}
	for _, a := range r.lanes {
		if a.limit == limit {
			return a
		}
	}
	a := &lane{name: limit.Name, limit: limit, pace: r.Pace, part: &r.part, refilled: now()}
	if r.part.fraction() == 1 {
		a.tokens = burst(limit.Rate)
	}
	r.lanes = append(r.lanes, a)
	return a
}

// slowLane finds the lane of a delivery whose group is slowed and has no limit otherwise; there may
// be many. r.mu is held.
func (r *run) slowLane(d *Delivery) *lane {
	name, slow := r.Pace.slows(d.Address)
	if !slow {
		return nil
	}
	a := r.slowLanes[name]
	if a == nil {
		a = &lane{name: name, limit: unlimited, pace: r.Pace, part: &r.part}
		r.slowLanes[name] = a
		r.lanes = append(r.lanes, a)
	}
	return a
}

// tidyLanes takes away those that came because a group was slowed, once it is not; r.mu is held.
func (r *run) tidyLanes() {
	r.lanes = slices.DeleteFunc(r.lanes, func(a *lane) bool {
		if a.limit != unlimited || len(a.waiting) > 0 || a.inHand > 0 {
			return false
		}
		if _, slow := a.pace.rate(a.name); slow {
			return false
		}
		delete(r.slowLanes, a.name)
		return true
	})
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
	if a.pause(t) > 0 || a.pace.wait(a.name, true) > 0 {
		return false
	}
	a.inHand++
	a.tokens--
	return true
}

// pause is how long it is to the next turn.
func (a *lane) pause(t time.Time) time.Duration {
	rate, connections, ok := a.part.limit(a.limit)
	if !ok || connections > 0 && a.inHand >= connections {
		return time.Second // or when one comes back
	}
	slow := a.pace.wait(a.name, false)
	if rate <= 0 {
		a.tokens = 1
		return slow
	}
	a.tokens = min(burst(rate), a.tokens+t.Sub(a.refilled).Seconds()*rate)
	a.refilled = t
	if a.tokens >= 1 {
		return slow
	}
	return max(slow, time.Duration((1-a.tokens)/rate*float64(time.Second))+1)
}

// emptyLanes takes out those that wait in lanes.
func (r *run) emptyLanes(which func(*Letter) bool) (letters []*Letter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.lanes {
		a.waiting = slices.DeleteFunc(a.waiting, func(l *Letter) bool {
			if !which(l) {
				return false
			}
			a.inHand++ // settled takes it off again
			letters = append(letters, l)
			return true
		})
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
	r.tidyLanes()
	var marks []Mark
	var letters []*Letter
	for _, a := range r.lanes {
		room := a.room()
		if len(a.waiting) <= 2*room || room == 0 && now().Sub(a.spilt) < time.Second { // a few commits, not many
			continue
		}
		a.spilt = now()
		for n, l := range a.waiting[room:] {
			wait, why := a.wait(room + n)
			due := r.Now().Add(wait)
			if !l.d.Ends.IsZero() && due.After(l.d.Ends) {
				due = l.d.Ends
			}
			b := l.leased.batch
			marks = append(marks, Mark{Step: Intend, Batch: b, Delivery: l.d, KeyID: r.KeyID, Selector: r.selector()},
				Mark{Step: Settle, Batch: b, Delivery: l.d, Outcome: Outcome{State: Queued, Due: due, Copies: l.d.Copies,
					Reason: why, Relay: r.Relay.Name}})
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

// rate is what the lane's own limit lets go in a second; 0 if it has none.
func (a *lane) rate() float64 {
	rate, connections, _ := a.part.limit(a.limit)
	if rate <= 0 {
		return float64(10 * connections) // a mail takes a tenth of a second, say
	}
	return rate
}

// leastRoom is how many may wait in the lane of a slowed group, however slow it is.
const leastRoom = 4

// room is how many may wait in the lane.
func (a *lane) room() int {
	if _, _, ok := a.part.limit(a.limit); !ok {
		return 0
	}
	room := max(2*maxSlice, int(a.rate()*laneTime.Seconds()))
	if rate, slow := a.pace.rate(a.name); slow {
		room = min(room, max(leastRoom, int(rate*laneTime.Seconds())))
	}
	return room
}

// wait is how long the turns of n mails take, and why that is so.
func (a *lane) wait(n int) (d time.Duration, why string) {
	if rate := a.rate(); rate > 0 {
		d = time.Duration(float64(n) / rate * float64(time.Second))
	}
	why = "limit of " + a.name
	if _, _, ok := a.part.limit(a.limit); !ok {
		d = laneTime // others may have it meanwhile
	}
	if slow, ok := a.pace.after(a.name, n); ok && slow > d {
		d, why = slow, a.name+" asks for less"
	}
	return d, why
}
