package mailer

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"broadsheet/mailer/relaytest"
)

// hurriedQueue has an urgent batch, its last, once enough of the others have been composed.
type hurriedQueue struct {
	*memQueue
	ready func() bool
}

func (q *hurriedQueue) LeaseUrgent(_ context.Context, relay, _ string, now time.Time) (*Batch, error) {
	if !q.ready() {
		return nil, nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	last := (len(q.rows) - 1) / q.size
	for n := last * q.size; n < len(q.rows); n++ {
		q.rows[n].Due = noon
	}
	b := q.leasePart(last, relay, now)
	if b != nil {
		b.Urgent = true
	}
	return b, nil
}

// Lease takes urgent batches first.
func (q *hurriedQueue) Lease(ctx context.Context, relay, worker string, now time.Time) (*Batch, error) {
	if b, err := q.LeaseUrgent(ctx, relay, worker, now); b != nil || err != nil {
		return b, err
	}
	return q.memQueue.Lease(ctx, relay, worker, now)
}

// TestHurry: an urgent mail that comes while a large batch is being sent does not wait for its end,
// nor behind those who wait for the same provider's turn.
func TestHurry(t *testing.T) {
	for _, domain := range []string{"example.org", "slow.example"} {
		relay, q := relaytest.Start(t), newQueue(t, 201)
		q.size = 200
		q.rows[200].Due = noon.Add(time.Hour)
		for n := range q.rows {
			q.rows[n].Address = fmt.Sprintf("reader%d@%s", n+1, domain)
		}
		var mu sync.Mutex
		var order []int64
		hurried := &hurriedQueue{q, func() bool { mu.Lock(); defer mu.Unlock(); return len(order) >= 10 }}
		s := sender(t, hurried, relay, 1)
		s.Relay.Rate = 100
		s.Domains = NewDomains([]DomainGroup{{DomainLimit: DomainLimit{Name: "slow", Rate: 60}, Domains: []string{"slow.example"}}})
		s.Composer = letters{func(d *Delivery) error {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, d.Subscriber)
			return nil
		}}
		runIdle(t, s)
		wantStates(t, q, map[State]int{Accepted: 201})
		// What the connection had drawn already goes before it: a second's worth at most.
		at := slices.Index(order, 201)
		t.Logf("%s: number %d of %d", domain, at+1, len(order))
		if at < 10 || at > 140 {
			t.Errorf("%s: the urgent mail was number %d of %d", domain, at+1, len(order))
		}
	}
}
