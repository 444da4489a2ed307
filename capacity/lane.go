package capacity

import "container/heap"

// lane is the mail of one provider's readers, or of all others, with a limit of its own; the others
// overtake it.
type lane struct {
	share share // of the mails that are not in a lane before this
	resource
	queue queue
}

// queue is what can leave, the longest due first; of what is due alike the order is that of the slots,
// zones, hours.
type queue []parcel

func (q queue) Len() int      { return len(q) }
func (q queue) Swap(a, b int) { q[a], q[b] = q[b], q[a] }
func (q *queue) Push(x any)   { *q = append(*q, x.(parcel)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	p := (*q)[last]
	(*q)[last] = parcel{}
	*q = (*q)[:last]
	return p
}

func (q queue) Less(a, b int) bool { return q[a].before(&q[b]) }

// before reports whether the first parcel of q goes before that of another queue.
func (q queue) before(other queue) bool { return q[0].before(&other[0]) }

func (x *parcel) before(y *parcel) bool {
	switch {
	case x.due != y.due:
		return x.due < y.due
	case x.issue.due != y.issue.due:
		return x.issue.due < y.issue.due
	case x.issue.zone != y.issue.zone:
		return x.issue.zone < y.issue.zone
	case x.issue != y.issue:
		return x.issue.slot.Hour < y.issue.slot.Hour
	}
	return x.tries < y.tries
}

// drop takes out all of an issue.
func (q *queue) drop(i *issue) {
	kept := (*q)[:0]
	for _, p := range *q {
		if p.issue != i {
			kept = append(kept, p)
		}
	}
	clear((*q)[len(kept):])
	*q = kept
	heap.Init(q)
}
