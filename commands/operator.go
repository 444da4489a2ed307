package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/web"
)

const (
	overviewRates    = 7 * 24 * time.Hour
	overviewDomains  = 20
	overviewReturned = 50
	overviewAside    = 20
)

// listenOperator listens for the operator's page, which is for this machine alone. nil = nobody wants it.
func listenOperator(address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, usagef("--operator: %w; write e.g. 127.0.0.1:8081", err)
	}
	if !schedule.Loopback(host) {
		return nil, usagef("--operator: %q is not this machine alone; write e.g. 127.0.0.1:8081, and reach it from elsewhere through ssh -L", address)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, usagef("--operator: %w", err)
	}
	return l, nil
}

// serveOperator shows the operator's page on l, which may be nil, until the end that it returns.
func (e *engine) serveOperator(l net.Listener) (end func(), err error) {
	if l == nil {
		return func() {}, nil
	}
	page := &web.Operator{Publication: e.cfg.Publication.Name, Now: e.now, Log: e.log, Look: e.overview}
	handler, err := page.Handler()
	if err != nil {
		l.Close()
		return nil, err
	}
	server := pageServer(handler, e.log)
	e.log.Info("operator's page", slog.String("address", "http://"+l.Addr().String()+"/"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			e.log.Error("serve operator's page", slog.Any("error", err))
		}
	}()
	return func() {
		server.Close()
		<-done
	}, nil
}

// overview gathers what the operator's page shows.
func (e *engine) overview(ctx context.Context) (*web.Overview, error) {
	now := e.now()
	o := &web.Overview{Since: now.Add(-overviewRates)}
	tasks, err := e.db.Tasks(ctx, true)
	if err != nil {
		return nil, err
	}
	for _, t := range tasks {
		task := web.OverviewTask{ID: t.ID, Kind: t.Kind, Address: t.Address, From: t.From, Subject: t.Subject, Detail: t.Detail, Doubt: t.Doubt(), At: t.At}
		if task.Detail == task.Doubt {
			task.Detail = ""
		}
		o.Tasks = append(o.Tasks, task)
	}
	waves, err := e.db.Waves(ctx, time.Time{}, true, now)
	if err != nil {
		return nil, err
	}
	for _, w := range waves {
		o.Waves = append(o.Waves, web.OverviewWave{Issue: w.Issue, Edition: w.Edition, Slot: w.Slot, Domain: w.Domain, Mails: w.Mails, Hard: w.Hard, Norm: w.Norm, Held: w.Held})
	}
	slowed, err := e.db.SlowDomains(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range slowed {
		if rate, free := s.RateAt(now); !free {
			o.Slow = append(o.Slow, web.OverviewSlow{Name: s.Name, Rate: rate, Base: s.Base, Since: s.Since, Why: s.Why})
		}
	}
	if err := e.overviewOfRates(ctx, o); err != nil {
		return nil, err
	}
	return o, e.overviewOfMail(ctx, o)
}

// overviewOfRates counts what became of mails.
func (e *engine) overviewOfRates(ctx context.Context, o *web.Overview) error {
	for _, by := range []struct {
		what  store.RateBy
		limit int
		rows  *[]web.OverviewRate
	}{{store.RateDomain, overviewDomains, &o.Domains}, {store.RateRelay, 0, &o.Relays}, {store.RateDay, 0, &o.Days}} {
		rates, err := e.db.Rates(ctx, store.RateQuery{Since: o.Since, By: by.what, Limit: by.limit})
		if err != nil {
			return err
		}
		for _, r := range rates {
			name := r.Domain + r.Relay
			if by.what == store.RateDay {
				name = r.Day.Format("Mon 2 January")
			}
			*by.rows = append(*by.rows, web.OverviewRate{Name: name, Taken: r.Taken, Delivered: r.Delivered, Delayed: r.Delayed,
				Hard: r.Hard, Soft: r.Soft, Policy: r.Policy, Content: r.Content, Complaints: r.Complaints, Refused: r.Refused})
		}
	}
	return nil
}

// overviewOfMail lists what came back, and what came in and was not understood.
func (e *engine) overviewOfMail(ctx context.Context, o *web.Overview) error {
	returned, err := e.db.Returned(ctx, o.Since, overviewReturned+1)
	if err != nil {
		return err
	}
	if o.MoreReturned = len(returned) > overviewReturned; o.MoreReturned {
		returned = returned[:overviewReturned]
	}
	for _, r := range returned {
		o.Returned = append(o.Returned, web.OverviewReturned{Delivery: r.Delivery(), Inbound: r.Inbound, Address: r.Address, Class: string(r.Class),
			Reason: r.Reason, Status: r.Status, Text: r.Text, Relay: r.Relay, At: r.At, Sure: r.Sure})
	}
	for m, err := range e.db.Inbound(ctx, store.InboundFilter{Aside: true, Since: o.Since}) {
		if err != nil {
			return fmt.Errorf("list what was set aside: %w", err)
		}
		if o.MoreAside = len(o.Aside) == overviewAside; o.MoreAside {
			break
		}
		o.Aside = append(o.Aside, web.OverviewAside{ID: m.ID, From: m.From, Subject: m.Subject, Why: m.Aside, At: m.At})
	}
	return nil
}
