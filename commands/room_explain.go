package commands

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/subscribers"
	"broadsheet/web/room"
)

// Explain meets [room.Readers].
func (w roomReaders) Explain(ctx context.Context, as string, issue int64) (*room.Explanation, error) {
	out := &room.Explanation{Asked: strings.TrimSpace(as), Near: []room.ReaderBrief{}, Today: []room.DayAnswer{}, Away: []string{}}
	if out.Asked == "" {
		return out, nil
	}
	s, err := w.readerOf(ctx, out.Asked)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return out, w.nobody(ctx, out)
	}
	b := brief(s)
	out.Reader = &b
	out.Away = append(out.Away, w.awayOf(s)...)
	today, err := w.answersToday(ctx, s)
	if err != nil {
		return nil, err
	}
	for n := range today {
		out.Today = append(out.Today, w.dayAnswer(&today[n]))
	}
	if issue != 0 {
		if _, err := w.db.Issue(ctx, issue); errors.Is(err, store.ErrNotFound) {
			return nil, fmt.Errorf("%w: issue %d", room.ErrNotFound, issue)
		} else if err != nil {
			return nil, err
		}
	}
	a, err := w.account(ctx, s, issue)
	if _, is := errors.AsType[*exitError](err); is {
		out.Nothing = strings.TrimPrefix(err.Error(), errNothing.Error()+": ")
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	out.Account, err = w.accountOf(ctx, a)
	return out, err
}

// readerOf finds a reader by address or number; nil if there is none.
func (w roomReaders) readerOf(ctx context.Context, as string) (*subscribers.Subscriber, error) {
	s, err := w.db.Subscriber(ctx, as)
	if id, bad := strconv.ParseInt(as, 10, 64); bad == nil && errors.Is(err, store.ErrNotFound) {
		s, err = w.db.SubscriberByID(ctx, id)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return s, err
}

// nobody says what is known of an address that is no reader's, and who may be meant.
func (w roomReaders) nobody(ctx context.Context, out *room.Explanation) error {
	if strings.Contains(out.Asked, "@") {
		bar, err := w.db.SuppressionOf(ctx, out.Asked)
		if err != nil {
			return err
		}
		if bar != nil {
			out.Barred = barWords(bar.Reason) + ", since " + bar.At.UTC().Format("2 January 2006")
		}
	}
	near, err := w.db.NearReaders(ctx, out.Asked, nearMost)
	if err != nil {
		return err
	}
	if len(near) == 0 && !strings.Contains(out.Asked, "@") { // a name, perhaps
		page, err := w.db.FindReaders(ctx, store.ReaderQuery{Name: out.Asked, Limit: nearMost})
		if err != nil {
			return err
		}
		near = page.Readers
	}
	for n := range near {
		out.Near = append(out.Near, brief(&near[n]))
	}
	return nil
}

func (w roomReaders) dayAnswer(a *answer) room.DayAnswer {
	d := room.DayAnswer{Edition: a.edition.Name, Title: a.edition.Title, Slot: a.slot.Key, Zone: a.zone.String(), Due: a.slot.Due, Issue: a.issue,
		State: string(a.state), Level: a.level, Answer: a.says}
	if !a.slot.Due.IsZero() {
		d.When = at(a.slot.Due, a.zone, w.now())
	}
	return d
}

// accountOf is an accounting for the page.
func (w roomReaders) accountOf(ctx context.Context, a *accounting) (*room.Account, error) {
	zone, err := w.cfg.Location(a.issue.Zone)
	if err != nil {
		zone = time.UTC
	}
	out := &room.Account{Issue: a.issue.ID, Edition: a.issue.Edition, Slot: a.issue.Slot, Zone: a.issue.Zone, Due: a.issue.Due, When: at(a.issue.Due, zone, w.now()),
		State: string(a.state), Subject: a.subject, Candidates: len(a.verdicts), Reasons: []room.ReasonCount{}, Stories: []room.StoryReason{}, Life: []room.Moment{}}
	f, err := w.fateIn(ctx, a, zone)
	if err != nil {
		return nil, err
	}
	out.Level, out.Answer = f.level, f.says
	if a.delivery != nil {
		out.Delivery = a.delivery.ID()
	}
	for _, f := range jsonFollows(a.follows) {
		name := sectionName(w.cfg, f.Section)
		if f.Level != "normal" {
			name += " (" + f.Level + ")"
		}
		out.Follows = append(out.Follows, name)
	}
	revisions := make([]int64, len(a.verdicts))
	for n, v := range a.verdicts {
		revisions[n] = v.Revision
	}
	headlines, err := w.db.Headlines(ctx, revisions)
	if err != nil {
		return nil, err
	}
	for _, r := range countReasons(a.verdicts) {
		out.Reasons = append(out.Reasons, room.ReasonCount{Reason: string(r.Reason), Stories: r.Stories})
	}
	for _, v := range a.verdicts {
		out.Stories = append(out.Stories, room.StoryReason{Story: v.Story, Section: v.Section, Headline: headlines[v.Revision], Reason: string(v.Reason),
			Because: because(v, a.until[v.Story])})
	}
	for _, m := range f.life {
		what := m.what
		if m.class != "" {
			what += ", " + string(m.class)
		}
		out.Life = append(out.Life, room.Moment{At: m.at, When: at(m.at, zone, w.now()), What: what, By: m.by, Reply: said(m.reply), Reason: m.reason})
	}
	return out, nil
}

// fateIn is what became of the mail of an accounting, or will.
func (e *engine) fateIn(ctx context.Context, a *accounting, zone *time.Location) (fate, error) {
	if a.delivery == nil {
		if away := e.awayOf(a.reader); len(away) > 0 {
			return fate{level: "amber", says: fmt.Sprintf("the issue is not open yet: it is due %s, and no mail of it goes to this reader as things are: %s",
				at(a.issue.Due, zone, e.now()), strings.Join(away, "; "))}, nil
		}
		return fate{level: "green", says: lookedAhead(a, zone, e.now())}, nil
	}
	f, err := e.fateOf(ctx, a.reader, a.delivery, zone)
	if a.state == mailer.Suppressed && len(e.awayOf(a.reader)) > 0 {
		f.level = "amber"
	}
	return f, err
}

// countReasons counts verdicts by reason; those of one follow each other.
func countReasons(verdicts []digest.Verdict) (list []reasonJSON) {
	for _, v := range verdicts {
		if n := len(list); n == 0 || list[n-1].Reason != v.Reason {
			list = append(list, reasonJSON{Reason: v.Reason})
		}
		list[len(list)-1].Stories++
	}
	return list
}

func sectionName(cfg *schedule.Config, id string) string {
	if s, ok := cfg.Section(id); ok {
		return s.Name
	}
	return id
}
