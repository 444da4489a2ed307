package schedule

import (
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Retention says how long things are kept. 0 = for ever.
type Retention struct {
	Deliveries time.Duration // deliveries with their digests, after their slot has ended; default 400d, at least 100d
	Attempts   time.Duration // the tries of a delivery, after its slot has ended; default 100d
	Events     time.Duration // news of mails: bounces, complaints, delays; default 400d
	Inbound    time.Duration // messages that came in; default 90d
	Audit      time.Duration // what operators did; default 1100d
}

// leastDeliveries is for how long what a reader was sent decides over what comes: digest looks back 90 days
// at most.
const leastDeliveries = 100 * 24 * time.Hour

// longestKept bounds retention.
const longestKept = 20 * 366 * 24 * time.Hour

// retention reads how long things are kept; n is nil if the file does not say.
func (r *reader) retention(n ast.Node, c *Config) Retention {
	const day = 24 * time.Hour
	k := Retention{Deliveries: 400 * day, Attempts: 100 * day, Events: 400 * day, Inbound: 90 * day, Audit: 1100 * day}
	if n == nil {
		return k
	}
	t, ok := r.table(n, "retention", "deliveries", "attempts", "events", "inbound", "audit")
	if !ok {
		return k
	}
	t.kept("deliveries", &k.Deliveries, leastDeliveries)
	t.kept("attempts", &k.Attempts, 7*day)
	t.kept("events", &k.Events, 30*day)
	t.kept("inbound", &k.Inbound, day)
	t.kept("audit", &k.Audit, 90*day)
	for _, e := range c.Editions {
		if k.Deliveries > 0 && k.Deliveries < e.MaxAge+10*day {
			t.bad("deliveries", "deliveries must be at least %s, ten days more than max_age of edition %q: else its readers get stories again", spanText(e.MaxAge+10*day), e.Name)
		}
	}
	if k.Attempts == 0 && k.Deliveries != 0 || k.Deliveries != 0 && k.Attempts > k.Deliveries {
		k.Attempts = k.Deliveries // they go with it
	}
	return k
}

// kept is a duration of at least low, or "for ever".
func (t *table) kept(key string, to *time.Duration, low time.Duration) {
	n, ok := t.values[key]
	if !ok {
		return
	}
	s, _ := textOf(n)
	d, err := parseSpan(s)
	switch {
	case strings.EqualFold(s, "for ever"):
		*to = 0
	case err != nil:
		t.bad(key, "%s %s is not a duration; write e.g. 400d, or for ever", key, shown(n))
	case d < low:
		t.bad(key, "%s must be at least %s", key, spanText(low))
	case d > longestKept:
		t.bad(key, "%s must be at most %s; write for ever if that is meant", key, spanText(longestKept))
	default:
		*to = d
	}
}
