package commands

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/store"
)

const (
	metricsKept   = 5 * time.Second  // however many scrape, the record is read so often
	metricsLimit  = 10 * time.Second // for reading it
	metricsIssues = 24 * time.Hour   // issues due since then are counted by state
)

// metricsHandler answers scrapes: what the process counted, and what is on record.
func (e *engine) metricsHandler() http.Handler {
	k := &e.metered
	k.once.Do(func() { k.handler = e.scraped() })
	return k.handler
}

func (e *engine) scraped() http.Handler {
	return promhttp.HandlerFor(e.registry(), promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(e.log.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError, Timeout: 2 * metricsLimit})
}

// registry holds every metric there is.
func (e *engine) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "broadsheet_build_info", Help: "Always 1; the program's version and Go's.",
		ConstLabels: prometheus.Labels{"version": strings.TrimSuffix(version(), ", "+runtime.Version()), "goversion": runtime.Version()}}, func() float64 { return 1 })
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build,
		e.meters.attempts, e.meters.latency, e.meters.fetches, &recordCollector{engine: e})
	return r
}

// fact is a metric that is read from the record.
type fact struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func gauge(name, help string, labels ...string) fact {
	return fact{prometheus.NewDesc("broadsheet_"+name, help, labels, nil), prometheus.GaugeValue}
}

func counter(name, help string, labels ...string) fact {
	return fact{prometheus.NewDesc("broadsheet_"+name, help, labels, nil), prometheus.CounterValue}
}

// What is read from the record. Labels are names from the configuration and states, never addresses or
// domains.
var (
	factDatabase    = gauge("database_ready", "1 if the database can be written and read.")
	factDatabaseLen = gauge("database_size_bytes", "Size of the database's file and its journal of changes.")
	factDiskFree    = gauge("disk_free_bytes", "Free space on the database's disk.")
	factDiskSize    = gauge("disk_size_bytes", "Size of the database's disk.")
	factWake        = gauge("scheduler_last_wake_timestamp_seconds", "When the scheduler of serve last woke; absent if it never did.")
	factMissed      = counter("issues_missed_total", "Slots that readers waited for and that had no issue of their own, since the database was made.", "edition")
	factWaiting     = gauge("issues_waiting", "Slots that are more than 45 seconds past and were not opened by anybody.", "edition")
	factUnfinished  = gauge("issues_unfinished", "Issues that have deliveries still to go.", "edition")
	factLate        = gauge("issues_late", "Issue and relay pairs for which there is not enough time before their end of life.")
	factLastDue     = gauge("issue_last_due_timestamp_seconds", "Slot of the latest issue on record.", "edition")
	factLastOpened  = gauge("issue_last_opened_timestamp_seconds", "When the latest issue on record was opened.", "edition")
	factDeliveries  = gauge("deliveries", "Deliveries by state, of issues that were due within the last 24 hours or are unfinished.", "edition", "state")
	factQueueAge    = gauge("queue_age_seconds", "For how long the oldest due batch of a relay has waited; 0 if nothing is due.", "relay")
	factRelayUp     = gauge("relay_up", "1 if the relay takes mail (up or slow) as it was last seen, 0 if it is down or held.", "relay")
	factRelayState  = gauge("relay_state", "1 for the state in which the relay was last seen: up, slow, down or held.", "relay", "state")
	factRelaySeen   = gauge("relay_last_seen_timestamp_seconds", "When the relay was last seen.", "relay")
	factFeeds       = gauge("feeds", "Feeds of the configuration by how their last fetch went: ok, failing, or new for none yet.", "state")
	factFeedFails   = gauge("feed_failures", "Failures in a row, summed over all feeds.")
	factTasks       = gauge("tasks_open", "Tasks that wait for a person.")
	factQuarantine  = gauge("quarantine_domains", "Waves of hard marks that wait for a decision.")
	factPings       = gauge("pings_waiting", "Ping addresses that have not answered yet.")
	factPublic      = gauge("public_url_ok", "1 if public_url answered the last self-test as it must; absent if it is not tested.")
	factCertificate = gauge("certificate_expiry_timestamp_seconds", "When a certificate ends: of public_url or of a relay.", "of")
	factAlarms      = gauge("alarms", "Alarms that Today shows, by level.", "level")
	factRole        = gauge("role", "1 for each role that this process has: schedule, intake, send, web.", "role")
	factErrors      = gauge("record_errors", "Parts of the record that could not be read for this scrape.")

	facts = []fact{factDatabase, factDatabaseLen, factDiskFree, factDiskSize, factWake, factMissed, factWaiting, factUnfinished, factLate,
		factLastDue, factLastOpened, factDeliveries, factQueueAge, factRelayUp, factRelayState, factRelaySeen, factFeeds, factFeedFails, factTasks,
		factQuarantine, factPings, factPublic, factCertificate, factAlarms, factRole, factErrors}
)

// recordCollector reads the record for scrapes, at most once in five seconds.
type recordCollector struct{ *engine }

// keptMetrics are those that were last read, and what answers scrapes, made once.
type keptMetrics struct {
	once    sync.Once
	handler http.Handler

	mu   sync.Mutex
	at   time.Time
	list []prometheus.Metric
}

// Describe meets [prometheus.Collector].
func (c *recordCollector) Describe(to chan<- *prometheus.Desc) {
	for _, f := range facts {
		to <- f.desc
	}
}

// Collect meets [prometheus.Collector].
func (c *recordCollector) Collect(to chan<- prometheus.Metric) {
	k := &c.metered
	k.mu.Lock()
	if time.Since(k.at) > metricsKept {
		ctx, cancel := context.WithTimeout(context.Background(), metricsLimit)
		defer cancel()
		k.list = c.readRecord(ctx)
		k.at = time.Now()
	}
	list := k.list
	k.mu.Unlock()
	for _, m := range list {
		to <- m
	}
}

// recordReader gathers metrics.
type recordReader struct {
	*engine
	list []prometheus.Metric
}

func (r *recordReader) add(f fact, value float64, labels ...string) {
	m, err := prometheus.NewConstMetric(f.desc, f.kind, value, labels...)
	if err == nil { // it fails for a label that is no UTF-8, and a name of the configuration is
		r.list = append(r.list, m)
	}
}

// readRecord reads all of it. A part that cannot be read leaves its metrics out and is counted.
func (c *recordCollector) readRecord(ctx context.Context) []prometheus.Metric {
	r := &recordReader{engine: c.engine}
	errs := 0
	for _, part := range []func(context.Context) error{r.machine, r.slots, r.deliveries, r.relays, r.feedHealth, r.findings, r.waiting, r.alarms} {
		if err := part(ctx); err != nil {
			errs++
			c.complain(ctx, "read record for metrics", err)
		}
	}
	r.add(factErrors, float64(errs))
	return r.list
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// epoch is a time as Prometheus has it.
func epoch(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func (r *recordReader) machine(ctx context.Context) error {
	for _, role := range allRoles {
		if r.roles.has(role) {
			r.add(factRole, 1, string(role))
		}
	}
	r.add(factDatabase, truth(r.ready(ctx) == nil))
	size, err := r.db.Size()
	if err != nil {
		return err
	}
	r.add(factDatabaseLen, float64(size))
	space, err := r.disk()
	switch {
	case err == nil:
		r.add(factDiskFree, float64(space.Free))
		r.add(factDiskSize, float64(space.Size))
	case !errors.Is(err, errAfar):
		return err
	}
	last, err := r.lastWake(ctx)
	if err == nil && !last.IsZero() {
		r.add(factWake, epoch(last))
	}
	return err
}

func (r *recordReader) slots(ctx context.Context) error {
	missed, err := r.db.MissedCounts(ctx)
	if err != nil {
		return err
	}
	for i := range r.cfg.Editions {
		ed := &r.cfg.Editions[i]
		r.add(factMissed, float64(missed[ed.Name]), ed.Name)
		waiting, err := r.missed(ctx, ed)
		if err != nil {
			return err
		}
		n := 0
		for _, m := range waiting {
			if r.now().Sub(m.Slot.Due) > slotLate && !m.Gone {
				n++
			}
		}
		r.add(factWaiting, float64(n), ed.Name)
		unfinished, err := r.db.UnfinishedIssues(ctx, ed.Name)
		if err != nil {
			return err
		}
		r.add(factUnfinished, float64(len(unfinished)), ed.Name)
	}
	return nil
}

// deliveries counts those of the issues of a day, and of older ones that have mail to go.
func (r *recordReader) deliveries(ctx context.Context) error {
	var issues []digest.Issue
	have := map[int64]bool{}
	for i, err := range r.db.Issues(ctx, store.IssueFilter{Since: r.now().Add(-metricsIssues)}) {
		if err != nil {
			return err
		}
		issues, have[i.ID] = append(issues, i), true
	}
	for _, ed := range r.cfg.Editions {
		ids, err := r.db.UnfinishedIssues(ctx, ed.Name)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if have[id] {
				continue
			}
			i, err := r.db.Issue(ctx, id)
			if err != nil {
				return err
			}
			issues = append(issues, i)
		}
	}
	counts := map[string]map[string]int{}
	due, opened := map[string]time.Time{}, map[string]time.Time{}
	for _, i := range issues {
		if r.cfg.Edition(i.Edition) == nil {
			continue // one that was: the names of all that ever were are no bounded set
		}
		states, err := r.db.IssueCounts(ctx, i.ID)
		if err != nil {
			return err
		}
		of := counts[i.Edition]
		if of == nil {
			of = map[string]int{}
			counts[i.Edition] = of
		}
		for state, n := range states {
			of[state] += n
		}
		if i.Due.After(due[i.Edition]) {
			due[i.Edition], opened[i.Edition] = i.Due, i.Opened
		}
	}
	for _, ed := range r.cfg.Editions {
		for _, state := range mailer.States {
			r.add(factDeliveries, float64(counts[ed.Name][string(state)]), ed.Name, string(state))
		}
		if at := due[ed.Name]; !at.IsZero() {
			r.add(factLastDue, epoch(at), ed.Name)
			r.add(factLastOpened, epoch(opened[ed.Name]), ed.Name)
		}
	}
	return nil
}

func (r *recordReader) relays(ctx context.Context) error {
	states, err := r.db.RelayStates(ctx)
	if err != nil {
		return err
	}
	for _, y := range r.cfg.Relays {
		due, ok, err := r.db.NextDue(ctx, y.Name)
		if err != nil {
			return err
		}
		age := 0.0
		if ok {
			age = max(0, r.now().Sub(due).Seconds())
		}
		r.add(factQueueAge, age, y.Name)
		for _, s := range states {
			if s.Relay != y.Name {
				continue
			}
			r.add(factRelayUp, truth(s.State == store.RelayUp || s.State == store.RelaySlow), y.Name)
			for _, state := range []string{store.RelayUp, store.RelaySlow, store.RelayDown, store.RelayHeld} {
				r.add(factRelayState, truth(s.State == state), y.Name, state)
			}
			r.add(factRelaySeen, epoch(s.Seen), y.Name)
		}
	}
	return nil
}

func (r *recordReader) feedHealth(ctx context.Context) error {
	states, err := r.db.Feeds(ctx)
	if err != nil {
		return err
	}
	failures := map[string]int{}
	for _, s := range states {
		failures[s.URL] = s.Failures
	}
	var ok, failing, fresh, sum int
	for _, f := range r.cfg.Feeds {
		switch n, known := failures[f.URL]; {
		case !known:
			fresh++
		case n > 0:
			failing, sum = failing+1, sum+n
		default:
			ok++
		}
	}
	r.add(factFeeds, float64(ok), "ok")
	r.add(factFeeds, float64(failing), "failing")
	r.add(factFeeds, float64(fresh), "new")
	r.add(factFeedFails, float64(sum))
	return nil
}

func (r *recordReader) findings(ctx context.Context) error {
	found, err := r.db.Findings(ctx)
	if err != nil {
		return err
	}
	if f, ok := found[findingPublic]; ok && r.probed() {
		r.add(factPublic, truth(f.OK))
	}
	names := []string{findingPublic}
	for _, y := range r.cfg.Relays {
		names = append(names, y.Name)
	}
	for _, name := range names {
		if end, err := time.Parse(time.RFC3339, found[findingCertificate+name].Detail); err == nil {
			r.add(factCertificate, epoch(end), strings.ReplaceAll(name, " ", "_"))
		}
	}
	return nil
}

func (r *recordReader) waiting(ctx context.Context) error {
	tasks, err := r.db.Tasks(ctx, true)
	if err != nil {
		return err
	}
	r.add(factTasks, float64(len(tasks)))
	waves, err := r.db.Waves(ctx, r.now().Add(-7*24*time.Hour), true, r.now())
	if err != nil {
		return err
	}
	r.add(factQuarantine, float64(len(waves)))
	pings, err := r.db.Pings(ctx, r.now(), true)
	if err == nil {
		r.add(factPings, float64(len(pings)))
	}
	return err
}

func (r *recordReader) alarms(ctx context.Context) error {
	list, err := roomToday{r.engine}.Alarms(ctx)
	if err != nil {
		return err
	}
	levels, late := map[string]int{}, 0
	for _, a := range list {
		levels[a.Level]++
		if strings.HasPrefix(a.Key, "late ") {
			late++
		}
	}
	r.add(factAlarms, float64(levels[red]), red)
	r.add(factAlarms, float64(levels[amber]), amber)
	r.add(factLate, float64(late))
	return nil
}
