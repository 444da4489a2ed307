package commands

import (
	"context"
	"sync"
	"time"

	"broadsheet/intake"
	"broadsheet/mailer/provider"
	"broadsheet/schedule"
	"broadsheet/stories"
	"broadsheet/subscribers"
)

const (
	longestCertificate = 64 << 10
	reportsAtOnce      = 200
)

// providers are the relays' providers that report to us.
func (e *engine) providers() map[string]*provider.Endpoint {
	fetcher := &stories.Fetcher{} // without fetch.allow: nothing private, whatever is allowed for feeds
	certificates := &provider.Certificates{Fetch: func(ctx context.Context, url string) ([]byte, error) {
		return fetcher.Get(ctx, url, longestCertificate)
	}}
	endpoints := make(map[string]*provider.Endpoint)
	for _, y := range e.cfg.Relays {
		if y.Events != nil {
			endpoints[y.Name] = &provider.Endpoint{Provider: y.Events.Provider, Topic: y.Events.Topic, Secret: y.Events.Secret, Certificates: certificates}
		}
	}
	return endpoints
}

// reportLedger is what a reportDesk needs of the database.
type reportLedger interface {
	TakeReports(ctx context.Context, reports []intake.Reported, now time.Time) ([]intake.Taken, error)
}

// reportDesk puts what providers report on record. Reports that come at a time share transactions: after
// a large issue a provider posts faster than a disk can sync one by one.
type reportDesk struct {
	db      reportLedger
	cfg     *schedule.Config
	keys    *subscribers.Keys
	now     func() time.Time
	turn    chan struct{} // of one: who holds it writes
	mu      sync.Mutex
	waiting []*waitingReport
}

type waitingReport struct {
	intake.Reported
	done  chan struct{} // closed once the rest is there
	taken intake.Taken
	err   error
}

func (e *engine) reportDesk() *reportDesk {
	return &reportDesk{db: e.db, cfg: e.cfg, keys: e.keys, now: e.now, turn: make(chan struct{}, 1)}
}

// TakeReport meets [web.Reports].
func (d *reportDesk) TakeReport(ctx context.Context, relay string, r *provider.Report) error {
	w := &waitingReport{Reported: intake.Reported{Relay: relay, ID: r.ID, Events: d.events(relay, r)}, done: make(chan struct{})}
	d.mu.Lock()
	d.waiting = append(d.waiting, w)
	d.mu.Unlock()
	for {
		select {
		case <-w.done:
			if w.err == nil && w.taken.Early {
				return errEarly
			}
			return w.err
		case d.turn <- struct{}{}:
			d.write(context.WithoutCancel(ctx)) // others' too
			<-d.turn
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// write puts those on record that wait.
func (d *reportDesk) write(ctx context.Context) {
	d.mu.Lock()
	n := min(len(d.waiting), reportsAtOnce)
	batch := d.waiting[:n:n]
	d.waiting = d.waiting[n:]
	d.mu.Unlock()
	if n == 0 {
		return
	}
	reports := make([]intake.Reported, n)
	for i, w := range batch {
		reports[i] = w.Reported
	}
	taken, err := d.db.TakeReports(ctx, reports, d.now())
	for i, w := range batch {
		if w.err = err; err == nil {
			w.taken, w.err = taken[i], taken[i].Err
		}
		close(w.done)
	}
}

// events finds out whose mails a report is about. A provider's word is sure of a mail that it names by
// our token, or by its own name of it.
func (d *reportDesk) events(relay string, r *provider.Report) []intake.Event {
	source := ""
	for _, y := range d.cfg.Relays {
		if y.Name == relay && y.Events != nil {
			source = y.Events.Provider
		}
	}
	events := make([]intake.Event, len(r.Events))
	for i, e := range r.Events {
		events[i] = intake.Event{News: e.News, Source: source, Relay: relay, Queue: e.Queue, Sure: e.Queue != ""}
		for _, name := range e.Names {
			if box, edition, wall, subscriber, ok := d.keys.OpenBox(name); ok && box == subscribers.Bounces {
				events[i].Of, events[i].Sure = intake.Of{Edition: edition, Wall: wall, Subscriber: subscriber}, true
				break
			}
		}
	}
	return events
}

// forgetReports deletes the names of reports that are refused by their time anyway.
func (e *engine) forgetReports(ctx context.Context) error {
	_, err := e.db.ForgetReports(ctx, e.now().Add(-provider.KeepIDs))
	return err
}
