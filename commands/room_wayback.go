package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"broadsheet/mailer/report"
	"broadsheet/operators"
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
		task := room.OverviewTask{ID: t.ID, Reader: t.Subscriber, Inbound: t.Inbound, Kind: t.Kind, Address: t.Address, From: t.From, Subject: t.Subject, Detail: t.Detail, Doubt: t.Doubt(), At: t.At}
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

// FinishTask meets [room.WayBack].
func (w roomWayBack) FinishTask(ctx context.Context, by operators.By, id int64, leave bool) (string, error) {
	if err := needWhy(by); err != nil {
		return "", err
	}
	task, err := w.db.Task(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return "", fmt.Errorf("%w: task %d", room.ErrNotFound, id)
	}
	if err != nil {
		return "", err
	}
	if leave && task.Subscriber == 0 {
		return "", fmt.Errorf("%w: the task does not say which reader it is about", room.ErrRefused)
	}
	outcome, done, err := finishTask(ctx, w.db, by, &task, leave, by.Why, w.now())
	switch {
	case err != nil:
		return "", err
	case !done:
		return fmt.Sprintf("Task %d was closed before.", id), nil
	}
	return fmt.Sprintf("Task %d is closed: %s.", id, outcome), nil
}

// UndoWave meets [room.WayBack].
func (w roomWayBack) UndoWave(ctx context.Context, by operators.By, issue int64, domain string) (string, error) {
	return w.decide(ctx, by, issue, domain, (*store.DB).UndoWave, "%d hard bounces count for nothing, %d addresses get mail again.")
}

// ApplyWave meets [room.WayBack].
func (w roomWayBack) ApplyWave(ctx context.Context, by operators.By, issue int64, domain string) (string, error) {
	return w.decide(ctx, by, issue, domain, (*store.DB).ApplyWave, "%d hard bounces count, %d addresses are barred.")
}

func (w roomWayBack) decide(ctx context.Context, by operators.By, issue int64, domain string,
	how func(*store.DB, context.Context, operators.By, int64, string, time.Time) (store.WaveEnd, error), done string) (string, error) {
	if err := needWhy(by); err != nil {
		return "", err
	}
	end, err := how(w.db, ctx, by, issue, domain, w.now())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "", fmt.Errorf("%w: issue %d", room.ErrNotFound, issue)
	case errors.Is(err, store.ErrDecided), errors.Is(err, store.ErrNoWave):
		return "", fmt.Errorf("%w: %w", room.ErrRefused, err)
	case err != nil:
		return "", err
	}
	return fmt.Sprintf(done, end.Marks, end.Addresses), nil
}

// letterMost is how much of a message the page shows, in octets.
const letterMost = 64 << 10

// Letter meets [room.WayBack].
func (w roomWayBack) Letter(ctx context.Context, id int64) (*room.Letter, error) {
	m, raw, err := w.db.InboundMail(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("%w: message %d", room.ErrNotFound, id)
	}
	if err != nil {
		return nil, err
	}
	l := &room.Letter{ID: m.ID, At: m.At, Source: m.Source, To: m.To, From: m.From, Subject: m.Subject, Class: string(m.Class), Reason: joinNotes(m.Reason, m.Status),
		Said: m.Text, Reader: m.Subscriber, Address: m.Reader, Issue: m.Issue, Delivery: m.Delivery(), Aside: m.Aside, Effect: m.Effect, Kept: m.Kept, Cut: m.Cut}
	if len(raw) > 0 {
		l.Text = legible(report.Read(raw).Text)
		l.Cut = l.Cut || len(raw) > letterMost
		l.Raw = legible(string(raw[:min(len(raw), letterMost)]))
	}
	return l, nil
}

// legible is text without the characters that could hide or turn others.
func legible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r':
			return -1
		case r < ' ', r >= 0x7f && r < 0xa0, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == utf8.RuneError:
			return '\uFFFD'
		}
		return r
	}, s)
}
