package commands

import (
	"context"
	"fmt"
	"math"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/web/room"
)

// lookTally counts deliveries for a look.
type lookTally struct {
	n       int
	start   time.Time // from which latency counts
	latency []int     // by latencySteps
	fine    map[int]int
	taken   int
	tries   []int
	domains map[string]*room.DomainCount
	replies map[replyKey]int
	reasons map[reasonKey]int
}

type replyKey struct {
	state    mailer.State
	code     int
	enhanced string
	text     int64
}

type reasonKey struct {
	state  mailer.State
	reason string
}

const mostTries = 6 // bars; the last one is for more

func newLookTally(i *digest.Issue) *lookTally {
	t := &lookTally{start: i.Due, latency: make([]int, len(latencySteps)), fine: map[int]int{}, tries: make([]int, mostTries),
		domains: map[string]*room.DomainCount{}, replies: map[replyKey]int{}, reasons: map[reasonKey]int{}}
	if i.Opened.After(t.start) {
		t.start = i.Opened
	}
	return t
}

func (t *lookTally) add(r *store.PlotRow) {
	t.n++
	if !r.Taken.IsZero() {
		d := max(r.Taken.Sub(t.start), 0)
		for n, step := range latencySteps {
			if d <= step {
				t.latency[n]++
				break
			}
		}
		t.taken++
		t.fine[int(20*math.Log1p(d.Seconds()))]++
	}
	if r.Attempts > 0 {
		t.tries[min(r.Attempts, mostTries)-1]++
	}
	if d := r.Domain; d != "" {
		c := t.domains[d]
		if c == nil {
			c = &room.DomainCount{Domain: d}
			t.domains[d] = c
		}
		c.Mails++
		if r.State.Taken() {
			c.Taken++
		}
		switch r.State {
		case mailer.Deferred, mailer.Delayed:
			c.Put++
		case mailer.Failed:
			c.Refused++
		case mailer.Bounced:
			c.Bounced++
		}
	}
	if r.Code != 0 || r.Enhanced != "" || r.Reply != 0 {
		t.replies[replyKey{r.State, r.Code, r.Enhanced, r.Reply}]++
	}
	if r.Reason != "" {
		t.reasons[reasonKey{r.State, r.Reason}]++
	}
}

// quantile is about how long a share of what was taken took at most, in seconds.
func (t *lookTally) quantile(share float64) float64 {
	left := int(math.Ceil(share * float64(t.taken)))
	for n := 0; left > 0; n++ {
		if left -= t.fine[n]; left <= 0 {
			return math.Expm1((float64(n) + 0.5) / 20)
		}
	}
	return 0
}

// conclude brings the counts into a look.
func (t *lookTally) conclude(ctx context.Context, db *store.DB, look *room.Look) error {
	look.Latency, look.Tries = []room.Column{}, []room.Column{}
	for n, step := range latencySteps {
		look.Latency = append(look.Latency, room.Column{Name: stepName(step), N: t.latency[n]})
	}
	for n := range t.tries {
		name := fmt.Sprint(n + 1)
		if n == mostTries-1 {
			name += " or more"
		}
		look.Tries = append(look.Tries, room.Column{Name: name, N: t.tries[n]})
	}
	look.Median, look.P99 = t.quantile(0.5), t.quantile(0.99)
	domains := []room.DomainCount{}
	for _, c := range t.domains {
		domains = append(domains, *c)
	}
	// Trouble weighs more than any number of mails.
	look.Domains = most(domains, func(c *room.DomainCount) int { return (c.Refused+c.Bounced+c.Put)<<32 + c.Mails }, func(c *room.DomainCount) string { return c.Domain })
	reasons := []room.StateReason{}
	for k, n := range t.reasons {
		reasons = append(reasons, room.StateReason{State: string(k.state), Reason: k.reason, N: n})
	}
	look.Reasons = most(reasons, func(c *room.StateReason) int { return c.N }, func(c *room.StateReason) string { return c.State + c.Reason })
	type heard struct {
		replyKey
		n int
	}
	replies := []heard{}
	for k, n := range t.replies {
		replies = append(replies, heard{k, n})
	}
	look.Replies = []room.ReplyCount{}
	for _, h := range most(replies, func(h *heard) int { return h.n }, func(h *heard) string { return fmt.Sprint(h.replyKey) }) {
		text, err := db.ReplyText(ctx, h.text)
		if err != nil {
			return err
		}
		look.Replies = append(look.Replies, room.ReplyCount{State: string(h.state), Code: h.code, Enhanced: h.enhanced, Text: text, N: h.n})
	}
	return nil
}
