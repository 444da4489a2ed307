package commands

import (
	"context"
	"fmt"
	"time"

	"broadsheet/store"
	"broadsheet/web/room"
)

const (
	overviewRates    = 7 * 24 * time.Hour
	overviewDomains  = 20
	overviewReturned = 50
	overviewAside    = 20
)

// roomWayBack meets [room.WayBack].
type roomWayBack struct{ *engine }

// Overview meets [room.WayBack]: it gathers what the page of what came back shows.
func (w roomWayBack) Overview(ctx context.Context) (*room.Overview, error) {
	e := w.engine
	now := e.now()
	o := &room.Overview{Since: now.Add(-overviewRates)}
	tasks, err := e.db.Tasks(ctx, true)
	if err != nil {
		return nil, err
	}
	for _, t := range tasks {
		task := room.OverviewTask{ID: t.ID, Kind: t.Kind, Address: t.Address, From: t.From, Subject: t.Subject, Detail: t.Detail, Doubt: t.Doubt(), At: t.At}
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
		o.Waves = append(o.Waves, room.OverviewWave{Issue: w.Issue, Edition: w.Edition, Slot: w.Slot, Domain: w.Domain, Mails: w.Mails, Hard: w.Hard, Norm: w.Norm, Held: w.Held})
	}
	slowed, err := e.db.SlowDomains(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range slowed {
		if rate, free := s.RateAt(now); !free {
			o.Slow = append(o.Slow, room.OverviewSlow{Name: s.Name, Rate: rate, Base: s.Base, Since: s.Since, Why: s.Why})
		}
	}
	if err := e.overviewOfRates(ctx, o); err != nil {
		return nil, err
	}
	return o, e.overviewOfMail(ctx, o)
}

// overviewOfRates counts what became of mails.
func (e *engine) overviewOfRates(ctx context.Context, o *room.Overview) error {
	for _, by := range []struct {
		what  store.RateBy
		limit int
		rows  *[]room.OverviewRate
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
			*by.rows = append(*by.rows, room.OverviewRate{Name: name, Taken: r.Taken, Delivered: r.Delivered, Delayed: r.Delayed,
				Hard: r.Hard, Soft: r.Soft, Policy: r.Policy, Content: r.Content, Complaints: r.Complaints, Refused: r.Refused})
		}
	}
	return nil
}

// overviewOfMail lists what came back, and what came in and was not understood.
func (e *engine) overviewOfMail(ctx context.Context, o *room.Overview) error {
	returned, err := e.db.Returned(ctx, o.Since, overviewReturned+1)
	if err != nil {
		return err
	}
	if o.MoreReturned = len(returned) > overviewReturned; o.MoreReturned {
		returned = returned[:overviewReturned]
	}
	for _, r := range returned {
		o.Returned = append(o.Returned, room.OverviewReturned{Delivery: r.Delivery(), Inbound: r.Inbound, Address: r.Address, Class: string(r.Class),
			Reason: r.Reason, Status: r.Status, Text: r.Text, Relay: r.Relay, At: r.At, Sure: r.Sure})
	}
	for m, err := range e.db.Inbound(ctx, store.InboundFilter{Aside: true, Since: o.Since}) {
		if err != nil {
			return fmt.Errorf("list what was set aside: %w", err)
		}
		if o.MoreAside = len(o.Aside) == overviewAside; o.MoreAside {
			break
		}
		o.Aside = append(o.Aside, room.OverviewAside{ID: m.ID, From: m.From, Subject: m.Subject, Why: m.Aside, At: m.At})
	}
	return nil
}

// alarms lists what is wrong here.
func (w roomWayBack) alarms(ctx context.Context) ([]room.Alarm, error) { return nil, nil }
