package mailer

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// memQueue keeps the promises of Queue in memory: leases with fencing, states, copies, attempts.
// It reports every call that a sender must not make.
type memQueue struct {
	t    testing.TB
	term time.Duration // of a lease
	size int           // deliveries a batch

	mu       sync.Mutex
	rows     []Delivery // subscriber i+1 is row i
	leases   map[int64]*memLease
	outcomes map[int64][]Outcome
	handed   map[int64]int          // how often, whatever became of it
	renewed  chan struct{}          // one value for each renewal
	released chan struct{}          // one value for each release
	steal    func(d *Delivery) bool // at Handed: another takes the delivery
	broken   error                  // what Handed answers
	onIntend func(d *Delivery) error
}

type memLease struct {
	fence int64
	until time.Time
	held  bool
}

func newQueue(t testing.TB, n int) *memQueue {
	q := &memQueue{t: t, term: time.Minute, size: 8, leases: map[int64]*memLease{},
		outcomes: map[int64][]Outcome{}, handed: map[int64]int{},
		renewed: make(chan struct{}, 10000), released: make(chan struct{}, 10000)}
	for i := range n {
		q.rows = append(q.rows, Delivery{Issue: 1, Slot: 7, Subscriber: int64(i + 1), Digest: 1,
			Address: fmt.Sprintf("reader%d@example.org", i+1), State: Queued, Due: noon, Ends: noon.Add(6 * time.Hour)})
	}
	return q
}

func (q *memQueue) Lease(_ context.Context, relay, worker string, now time.Time) (*Batch, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for part := range slices.Collect(slices.Chunk(q.rows, q.size)) {
		if b := q.leasePart(part, relay, now); b != nil {
			return b, nil
		}
	}
	return nil, nil
}

// leasePart leases a run of rows, nil if nothing of it is due; q.mu is held.
func (q *memQueue) leasePart(part int, relay string, now time.Time) *Batch {
	id := int64(part)
	l := q.leases[id]
	if l == nil {
		l = &memLease{}
		q.leases[id] = l
	}
	if l.held && time.Now().Before(l.until) {
		return nil
	}
	var due []Delivery
	for _, d := range q.rows[part*q.size : min((part+1)*q.size, len(q.rows))] {
		if (d.State == Queued || d.State == Deferred) && !d.Due.After(now) {
			due = append(due, d)
		}
	}
	if len(due) == 0 {
		return nil
	}
	l.fence++
	l.held, l.until = true, time.Now().Add(q.term)
	return &Batch{ID: id, Issue: 1, Relay: relay, Fence: l.fence, Until: l.until, Deliveries: due}
}

// ours returns the row if the lease still stands; q.mu is held.
func (q *memQueue) ours(b *Batch, d *Delivery) (*Delivery, error) {
	if l := q.leases[b.ID]; !l.held || l.fence != b.Fence || time.Now().After(l.until) {
		return nil, ErrLost
	}
	if d == nil {
		return nil, nil
	}
	return &q.rows[d.Subscriber-1], nil
}

func (q *memQueue) Renew(_ context.Context, b *Batch) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, err := q.ours(b, nil); err != nil {
		return err
	}
	q.renewed <- struct{}{}
	b.Until = time.Now().Add(q.term)
	q.leases[b.ID].until = b.Until
	return nil
}

func (q *memQueue) Release(_ context.Context, b *Batch, _ time.Time) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, err := q.ours(b, nil); err != nil {
		return err
	}
	q.leases[b.ID].held = false
	q.released <- struct{}{}
	return nil
}

func (q *memQueue) Commit(_ context.Context, marks []Mark, now time.Time) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range marks {
		if m.Step == Hand && q.broken != nil {
			return q.broken
		}
	}
	for n := range marks {
		m := &marks[n]
		row, err := q.ours(m.Batch, m.Delivery)
		if err == nil {
			switch m.Step {
			case Intend:
				err = q.intend(row, m, now)
			case Hand:
				err = q.hand(row)
			case Settle:
				q.settle(row, &m.Outcome, now)
			}
		}
		if m.Err = err; err == nil {
			*m.Delivery = *row
		}
	}
	return nil
}

func (q *memQueue) intend(row *Delivery, m *Mark, now time.Time) error {
	if q.onIntend != nil {
		if err := q.onIntend(row); err != nil {
			return err
		}
	}
	if row.State != Queued && row.State != Deferred {
		q.t.Errorf("intent for subscriber %d in state %s", row.Subscriber, row.State)
	}
	row.State = Sending
	row.Attempts++
	if row.Date.IsZero() || row.Copies == 0 {
		row.Date, row.KeyID, row.Selector = now, m.KeyID, m.Selector
	}
	return nil
}

func (q *memQueue) hand(row *Delivery) error {
	if q.steal != nil && q.steal(row) {
		return ErrLost
	}
	if row.State != Sending {
		q.t.Errorf("subscriber %d handed in state %s", row.Subscriber, row.State)
	}
	row.State = Handed
	row.Copies++
	q.handed[row.Subscriber]++
	return nil
}

func (q *memQueue) settle(row *Delivery, o *Outcome, now time.Time) {
	if row.State != Sending && row.State != Handed {
		q.t.Errorf("outcome for subscriber %d in state %s", row.Subscriber, row.State)
	}
	if o.Relay == "" {
		q.t.Errorf("outcome for subscriber %d without a relay", row.Subscriber)
	}
	row.State, row.Reason, row.Due, row.Copies, row.At = o.State, o.Reason, o.Due, o.Copies, now
	if !o.Charged {
		row.Attempts--
	}
	q.outcomes[row.Subscriber] = append(q.outcomes[row.Subscriber], *o)
}

func (q *memQueue) NextDue(_ context.Context, _ string) (at time.Time, ok bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, d := range q.rows {
		if (d.State == Queued || d.State == Deferred) && (!ok || d.Due.Before(at)) {
			at, ok = d.Due, true
		}
	}
	return at, ok, nil
}

// row returns a copy of a subscriber's delivery.
func (q *memQueue) row(subscriber int64) Delivery {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.rows[subscriber-1]
}

// states counts the rows by state.
func (q *memQueue) states() map[State]int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := map[State]int{}
	for _, d := range q.rows {
		n[d.State]++
	}
	return n
}
