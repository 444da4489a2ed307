package capacity

import (
	"container/heap"
	"time"

	"broadsheet/mailer"
)

// send tries what is due, the oldest first, and tells what would keep it from doing more.
func (r *replay) send(m int64, out *Minute) (limit string) {
	room := int64(1 << 62)
	for _, x := range r.resources {
		if n := x.room(x.cost); n < room {
			room, limit = n, x.name
		}
	}
	r.urgent += r.plan.Urgent
	out.Urgent = min(r.urgent, room)
	r.urgent -= out.Urgent
	tries := out.Urgent
	room -= out.Urgent
	for room > 0 {
		l := r.next()
		if l == nil {
			break
		}
		p := &l.queue[0]
		n := min(room, l.room(l.cost), p.n)
		room -= n
		tries += n
		l.take(n, l.cost)
		p.n -= n
		p.issue.ready -= n
		r.judge(m, *p, n, out)
		if p.n == 0 {
			heap.Pop(&l.queue)
		}
	}
	for _, x := range r.resources {
		x.take(tries, x.cost)
		if room == 0 {
			x.carry()
		}
	}
	var held *lane // whose mail has waited longest
	for _, l := range r.lanes {
		if len(l.queue) > 0 {
			l.carry()
			if held == nil || l.queue.before(held.queue) {
				held = l
			}
		}
	}
	r.sum.Tries += tries
	if room > 0 && held != nil {
		return held.name
	}
	return limit
}

// next is the lane from which the next mail leaves: of those that may send, the one whose mail has been
// due longest; nil if there is none.
func (r *replay) next() (found *lane) {
	for _, l := range r.lanes {
		if len(l.queue) > 0 && l.room(l.cost) > 0 && (found == nil || l.queue.before(found.queue)) {
			found = l
		}
	}
	return found
}

// judge says what n mails of a parcel, which were tried, came to.
func (r *replay) judge(m int64, p parcel, n int64, out *Minute) {
	taken := r.accepted.take(n)
	failed := r.refused.take(n - taken)
	out.Accepted += taken
	out.Failed += failed
	if taken > 0 {
		r.late[p.issue.zone].add(m-p.issue.due, taken)
	}
	if n -= taken + failed; n == 0 {
		return
	}
	out.Deferred += n
	next := parcel{due: m + int64(mailer.RetryAfter(p.tries+1)/time.Minute), issue: p.issue, lane: p.lane, tries: p.tries + 1, n: n}
	if next.due >= p.issue.ends {
		out.Expired += n
		return
	}
	p.issue.deferred += n
	list := r.retries[next.due]
	if k := len(list) - 1; k >= 0 && list[k].issue == next.issue && list[k].lane == next.lane && list[k].tries == next.tries {
		list[k].n += n
		return
	}
	r.retries[next.due] = append(list, next)
}

func (r *replay) push(p parcel) {
	p.issue.ready += p.n
	heap.Push(&r.lanes[p.lane].queue, p)
}
