package capacity

import (
	"context"
	"time"
)

// replay is a plan on its way.
type replay struct {
	plan      *Plan
	resources []*resource
	opening   resource

	coming  []*issue // that have not begun, in order
	live    []*issue
	toOpen  []*issue // in order
	lanes   []*lane  // what is due, its issue being open: all other mail first, then each provider's
	retries map[int64][]parcel
	urgent  int64 // waiting

	accepted, refused share
	late              []late // by zone
	sum               Summary
}

// Replay walks through the minutes from the first in which an issue may be opened until all mail has
// its outcome. each may be nil; its error ends the replay, and so does that of ctx.
func (p *Plan) Replay(ctx context.Context, each func(*Minute) error) (*Summary, error) {
	issues, without, err := p.issues()
	if err != nil {
		return nil, err
	}
	r := &replay{plan: p, resources: p.Fleet.resources(), coming: issues, retries: make(map[int64][]parcel), late: make([]late, len(p.Zones)),
		opening:  resource{name: Opening, perMinute: p.Fleet.Databases * p.Fleet.OpenRate * 60, cost: 1},
		accepted: share{part: p.Accepted, of: Million}, refused: share{part: p.Refused, of: Million - p.Accepted},
		sum: Summary{Issues: len(issues), Without: without, Limits: make(map[string]time.Duration), Loads: make(map[string]float64)}}
	if len(issues) == 0 {
		return &r.sum, nil
	}
	rest := int64(Million)
	r.lanes = []*lane{{}}
	for _, v := range p.Providers {
		r.lanes = append(r.lanes, &lane{share: share{part: v.Share, of: rest}, resource: resource{name: v.Name, perMinute: p.Fleet.Relays * v.Rate * 60, cost: 1000}})
		rest -= v.Share
	}
	first := issues[0].begins
	r.sum.Begins = timeOf(first)
	for m := first; len(r.coming) > 0 || len(r.live) > 0; m++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out := r.minute(m)
		if each != nil {
			if err := each(out); err != nil {
				return nil, err
			}
		}
	}
	r.finish()
	return &r.sum, nil
}

// minute lets one pass.
func (r *replay) minute(m int64) *Minute {
	out := &Minute{At: timeOf(m)}
	r.opening.begin()
	for _, x := range r.resources {
		x.begin()
	}
	for _, l := range r.lanes {
		l.begin()
	}
	for len(r.coming) > 0 && r.coming[0].begins <= m {
		r.live = append(r.live, r.coming[0])
		r.toOpen = append(r.toOpen, r.coming[0])
		r.coming = r.coming[1:]
	}
	for _, p := range r.retries[m] {
		p.issue.deferred -= p.n
		r.push(p)
	}
	delete(r.retries, m)
	for _, i := range r.live {
		r.arrive(i, m, out)
	}
	openLimit := r.open(m, out)
	sendLimit := r.send(m, out)

	var ready, unopened, oldest int64
	oldest = m
	living := r.live[:0]
	for _, i := range r.live {
		ready += i.ready
		unopened += i.waiting
		out.Later += i.deferred
		if i.waiting > 0 {
			oldest = min(oldest, i.pending[0].due)
		}
		if i.arrived < i.readers || i.ready+i.waiting+i.deferred > 0 {
			living = append(living, i)
		}
	}
	clear(r.live[len(living):])
	r.live = living
	for _, l := range r.lanes {
		if len(l.queue) > 0 {
			oldest = min(oldest, l.queue[0].due)
		}
	}
	out.Backlog, out.Unopened, out.UrgentBacklog = ready+unopened, unopened, r.urgent
	out.Oldest = time.Duration(m-oldest) * time.Minute
	switch {
	case ready > 0:
		out.Limit = sendLimit
	case unopened > 0:
		out.Limit = openLimit
	}
	r.look(&r.opening, out)
	for _, x := range r.resources {
		r.look(x, out)
	}
	for _, l := range r.lanes[1:] {
		r.look(&l.resource, out)
	}
	r.count(out)
	return out
}

// look notes how much of a resource was used.
func (r *replay) look(x *resource, out *Minute) {
	l := x.load()
	if l > out.Load {
		out.Busiest, out.Load = x.name, l
	}
	r.sum.Loads[x.name] = max(r.sum.Loads[x.name], l)
}

// arrive takes in the mails of an issue that become due, and ends those whose life is over.
func (r *replay) arrive(i *issue, m int64, out *Minute) {
	if n := i.dueBefore((m-i.due+1)*60) - i.arrived; n > 0 {
		i.arrived += n
		out.Due += n
		if i.over {
			out.Expired += n
		} else {
			r.sort(i, m, n)
		}
	}
	if i.over || m < i.ends {
		return
	}
	i.over = true
	out.Expired += i.waiting + i.ready // what is deferred beyond this has expired already
	i.pending, i.waiting = nil, 0
	if i.ready > 0 {
		for _, l := range r.lanes {
			l.queue.drop(i)
		}
		i.ready = 0
	}
}

// sort puts mails that have become due into their lanes, or keeps them for when the issue is open.
func (r *replay) sort(i *issue, m, n int64) {
	put := func(lane int, n int64) {
		switch p := (parcel{due: m, issue: i, lane: lane, n: n}); {
		case n == 0:
		case i.open:
			r.push(p)
		default:
			i.pending = append(i.pending, p)
			i.waiting += n
		}
	}
	for k := 1; k < len(r.lanes); k++ {
		part := r.lanes[k].share.take(n)
		n -= part
		put(k, part)
	}
	put(0, n)
}

// open puts deliveries of issues on record, and tells what would keep it from doing more.
func (r *replay) open(m int64, out *Minute) (limit string) {
	databases, cost := r.resources[0], int64(r.plan.Fleet.OpenCPU)
	for len(r.toOpen) > 0 {
		i := r.toOpen[0]
		if !i.over {
			room := min(r.opening.room(1), databases.room(cost))
			if room == 0 {
				break
			}
			if !i.begun {
				i.begun = true
				i.ends = max(minuteOf(r.plan.Edition.Ends(i.slot, timeOf(m))), m+1)
			}
			n := min(room, i.readers-i.opened)
			r.opening.take(n, 1)
			databases.take(n, cost)
			i.opened += n
			out.Opened += n
			if i.opened < i.readers {
				continue
			}
			i.open = true
			for _, p := range i.pending {
				r.push(p)
			}
			i.pending, i.waiting = nil, 0
		}
		r.toOpen[0] = nil
		r.toOpen = r.toOpen[1:]
	}
	if databases.room(cost) < r.opening.room(1) {
		return Databases
	}
	return Opening
}
