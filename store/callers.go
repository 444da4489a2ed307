package store

import (
	"time"

	"broadsheet/mailer"
)

// callers knows who is at work: whoever has deliveries in hand, between intent and outcome, will
// come again. Calls are told apart by the deliveries that they have in common.
type callers struct {
	latest int64
	of     map[int64]*caller
}

type caller struct {
	inHand int
	at     time.Time // of the last word
}

// atWork is how long ago a caller's last word may be to be waited for: a relay may think long.
const atWork = 4 * gatherMost

// note takes in what a group's calls have in hand now.
func (c *callers) note(calls [][]*heldRow, now time.Time) {
	if c.of == nil {
		c.of = make(map[int64]*caller)
	}
	for _, rows := range calls {
		id := int64(0)
		for n := 0; n < len(rows) && id == 0; n++ {
			id = rows[n].caller
		}
		who := c.of[id]
		if who == nil { // nobody, or one that was not waited for any more
			c.latest++
			id, who = c.latest, &caller{}
			c.of[id] = who
		}
		who.at = now
		for _, r := range rows {
			busy := r.d.State == mailer.Sending || r.d.State == mailer.Handed
			if before := c.of[r.caller]; before != nil {
				before.inHand--
			}
			r.caller = 0
			if busy {
				r.caller = id
				who.inHand++
			}
		}
		if who.inHand <= 0 {
			delete(c.of, id)
		}
	}
}

// active counts the callers who will come soon.
func (c *callers) active(now time.Time) (n int) {
	for id, who := range c.of {
		if now.Sub(who.at) > atWork {
			delete(c.of, id) // comes back as another, see note
			continue
		}
		n++
	}
	return n
}
