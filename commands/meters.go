package commands

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/stories"
)

// meters count what this process does, from its start on. What is on record is read when somebody asks
// (metrics.go). They may be used by many goroutines.
type meters struct {
	attempts *prometheus.CounterVec   // relay, state
	latency  *prometheus.HistogramVec // edition
	fetches  *prometheus.CounterVec   // result

	mu     sync.Mutex
	issues map[int64]digest.Issue // some of those that mails were taken of lately
}

// meteredIssues is how many issues are kept in mind: more than are on their way at once.
const meteredIssues = 256

func newMeters() *meters {
	return &meters{
		issues: map[int64]digest.Issue{},
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "broadsheet_delivery_attempts_total",
			Help: "Tries to deliver a mail by this process, by relay and the state that they led to (queued: the relay's fault, tried again)."}, []string{"relay", "state"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "broadsheet_delivery_latency_seconds",
			Help:    "Time from an issue's slot to the relay's acceptance of a mail, by edition; mails sent by this process.",
			Buckets: []float64{1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800}}, []string{"edition"}),
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "broadsheet_feed_fetches_total",
			Help: "Fetches of feeds by this process, by result."}, []string{"result"}),
	}
}

// tried counts what a relay's sender has told since it last did. A sender that began anew counts from nothing.
func (m *meters) tried(relay string, before, now mailer.Stats) {
	if tries(now) < tries(before) {
		before = mailer.Stats{}
	}
	for state, n := range now.Outcomes {
		if more := n - before.Outcomes[state]; more > 0 {
			m.attempts.WithLabelValues(relay, string(state)).Add(float64(more))
		}
	}
}

// taken takes the time of a mail that a relay took.
func (e *engine) taken(d *mailer.Delivery) {
	m := e.meters
	m.mu.Lock()
	i, ok := m.issues[d.Issue]
	m.mu.Unlock()
	if !ok {
		var err error
		if i, err = e.db.Issue(context.Background(), d.Issue); err != nil { // gone by now: a figure less
			return
		}
		m.mu.Lock()
		if len(m.issues) >= meteredIssues {
			clear(m.issues)
		}
		m.issues[d.Issue] = i
		m.mu.Unlock()
	}
	if i.Edition != digest.NoticeEdition {
		e.meters.latency.WithLabelValues(i.Edition).Observe(max(0, e.now().Sub(i.Due).Seconds()))
	}
}

// fetched counts fetches of feeds.
func (m *meters) fetched(results []stories.FeedResult) {
	for _, r := range results {
		if r.Status != stories.NotDue && r.Status != stories.Busy {
			m.fetches.WithLabelValues(r.Status).Inc()
		}
	}
}
