package mailer

import (
	"context"
	"testing"

	"broadsheet/mailer/relaytest"
)

// recallQueue is one whose readers all leave once the relay has a mail.
type recallQueue struct {
	*memQueue
	left func() bool
}

func (q *recallQueue) Recalled(context.Context, *Delivery) (bool, error) { return q.left(), nil }

// TestSenderRecall: when readers leave, a mail that is not on its connection yet stays here, also
// if it is on record as handed for its turn is near.
func TestSenderRecall(t *testing.T) {
	for _, inDoubt := range []int{1, 20} {
		each(t, nil, func(t *testing.T, _ Dialogue, relay *relaytest.Relay) {
			q := newQueue(t, 40)
			left := func() bool { return len(relay.Messages()) >= 8 }
			end := func(d *Delivery) bool {
				if left() {
					d.State = Suppressed
				}
				return left()
			}
			q.steal = end
			q.onIntend = func(d *Delivery) error {
				if end(d) {
					return ErrLost
				}
				return nil
			}
			s := sender(t, &recallQueue{q, left}, relay, 1)
			s.Relay.InDoubt, s.Relay.Rate = inDoubt, 25
			runIdle(t, s)
			n := len(relay.Messages())
			if n > 9 { // one more may have been on its connection when they left
				t.Errorf("%d in doubt: %d mails arrived", inDoubt, n)
			}
			wantStates(t, q, map[State]int{Accepted: n, Suppressed: 40 - n})
		})
	}
}
