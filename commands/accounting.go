package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/subscribers"
)

// accounting is why a reader got, or would get, the stories of an issue.
type accounting struct {
	reader   *subscribers.Subscriber
	issue    digest.Issue       // without an ID if it is not on record
	delivery *store.DeliveryRow // nil = none on record
	state    mailer.State
	reason   string
	subject  string
	follows  []digest.Follow // by the settings that count
	verdicts []digest.Verdict
	until    map[int64]time.Time // of stories that are held back
	first    bool                // no issue of the edition came before it
}

// account explains an issue to a reader; issue 0 is that of the latest delivery, and of none the next.
func (e *engine) account(ctx context.Context, s *subscribers.Subscriber, issue int64) (*accounting, error) {
	a := &accounting{reader: s}
	d, err := e.deliveryIn(ctx, s, issue)
	if err != nil {
		return nil, err
	}
	if d == nil {
		return a, e.lookAhead(ctx, a)
	}
	a.delivery, a.state, a.reason = d, d.State, d.Reason
	return a, e.recall(ctx, a)
}

// deliveryIn is the reader's delivery of an issue, for 0 the latest that is no notice; nil if that is none.
func (e *engine) deliveryIn(ctx context.Context, s *subscribers.Subscriber, issue int64) (*store.DeliveryRow, error) {
	if issue == 0 {
		var latest *store.DeliveryRow
		for d, err := range e.db.Deliveries(ctx, store.DeliveryFilter{Subscriber: s.ID}) {
			if err != nil {
				return nil, err
			}
			if d.Edition != digest.NoticeEdition && (latest == nil || d.Slot > latest.Slot) {
				latest = &d
			}
		}
		return latest, nil
	}
	i, err := findIssue(ctx, e.db, issue)
	if err != nil {
		return nil, err
	}
	if i.Edition == digest.NoticeEdition {
		return nil, usagef("issue %d is a run of notices, which choose no stories: see deliveries show", issue)
	}
	d, err := e.db.Delivery(ctx, store.DeliveryID(i.SlotID, s.ID))
	switch {
	case errors.Is(err, store.ErrNotFound):
		zone, err := e.cfg.Location(i.Zone)
		if err != nil {
			zone = time.UTC
		}
		why, err := e.absence(ctx, s, &i, zone)
		if err != nil {
			return nil, err
		}
		return nil, &exitError{exitNothing, fmt.Errorf("%w: %s is not in the audience of issue %d, %s %s in %s: %s", errNothing, s.Address, i.ID, i.Edition, i.Slot, i.Zone,
			strings.TrimPrefix(why, notInAudience))}
	case err == nil && d.Issue != i.ID:
		return nil, &exitError{exitNothing, fmt.Errorf("%w in issue %d: %s had that of %s %s with issue %d", errNothing, i.ID, s.Address, i.Edition, i.Slot, d.Issue)}
	}
	return &d, err
}

// recall goes once more over what there was to choose from for a delivery on record.
func (e *engine) recall(ctx context.Context, a *accounting) error {
	past, err := e.db.PastDelivery(ctx, a.delivery.ID())
	if err != nil {
		return err
	}
	a.issue, a.subject, a.follows, a.first = past.Issue, past.Subject, past.Reader.Sections, true
	for d, err := range e.db.Deliveries(ctx, store.DeliveryFilter{Subscriber: a.reader.ID}) {
		if err != nil {
			return err
		}
		if d.Edition == a.issue.Edition && d.Slot < a.delivery.Slot {
			a.first = false
			break
		}
	}
	ed := e.cfg.Edition(past.Issue.Edition)
	if ed == nil {
		return &exitError{exitFailed, fmt.Errorf("edition %q is not in %s any more, so what there was to choose from cannot be found; see deliveries show %d",
			past.Issue.Edition, e.cfg.File, a.delivery.ID())}
	}
	var items []digest.Item
	if past.Digest != 0 {
		dg, err := e.db.Digest(ctx, past.Digest)
		if err != nil {
			return err
		}
		items = dg.Items
	}
	then, err := e.opener(ed, nil).Hindsight(ctx, past.Issue)
	if err != nil {
		return err
	}
	rest, err := then.Recount(&past, items, func(since time.Time) ([]int64, error) {
		return e.db.SeenBefore(ctx, &past, since, ed.Roundup)
	})
	if err != nil {
		return err
	}
	return e.conclude(ctx, a, rest.Verdicts, items)
}

// lookAhead rehearses the issue that the reader's next mail is in.
func (e *engine) lookAhead(ctx context.Context, a *accounting) error {
	ed, i, err := e.nextIssue(ctx, a.reader)
	if err != nil {
		return err
	}
	a.first = true
	r, err := e.opener(ed, nil).Rehearse(ctx, i, a.reader.ID, true)
	if err != nil {
		return err
	}
	a.issue, a.state, a.reason = i, mailer.State(r.State), r.Reason
	for _, f := range a.reader.Sections {
		a.follows = append(a.follows, digest.Follow{Section: f.Section, Less: f.Level == subscribers.Less, Muted: f.Level == subscribers.Muted})
	}
	var items []digest.Item
	if r.Digest != nil && len(e.awayOf(a.reader)) == 0 { // else there is no mail for anything to stand in
		a.subject, items = r.Digest.Subject, r.Digest.Items
	}
	return e.conclude(ctx, a, r.Verdicts, items)
}

// nextIssue is the issue that the next mail to a reader who has had none is in: the one that is due
// and not open yet, else the one whose slot comes first, of all editions that the reader takes.
func (e *engine) nextIssue(ctx context.Context, s *subscribers.Subscriber) (ed *schedule.Edition, first digest.Issue, err error) {
	for _, name := range s.Editions {
		next := e.cfg.Edition(name)
		if next == nil {
			continue
		}
		i, ok, err := e.nextOf(ctx, next, s)
		if err != nil {
			return nil, first, err
		}
		if ok && (ed == nil || i.Due.Before(first.Due)) {
			ed, first = next, i
		}
	}
	if ed == nil {
		return nil, first, &exitError{exitNothing, fmt.Errorf("%w: %s takes no edition that has another slot", errNothing, s.Address)}
	}
	return ed, first, nil
}

func (e *engine) nextOf(ctx context.Context, ed *schedule.Edition, s *subscribers.Subscriber) (i digest.Issue, ok bool, err error) {
	loc, err := e.cfg.Location(editionZone(e.cfg, ed, s.Zone))
	if err != nil {
		return i, false, err
	}
	hour := ed.ReaderHour(s.Hour)
	id, err := e.db.EditionID(ctx, ed.Name)
	if err != nil {
		return i, false, err
	}
	served := hour
	if ed.Zone != schedule.ReaderZone {
		served = -1
	}
	last, opened, err := e.db.LastIssue(ctx, ed.Name, loc.String(), served)
	if err != nil {
		return i, false, err
	}
	key := ""
	if opened {
		key = last.Slot
	}
	slot, _, ok := ed.Due(loc, hour, e.now(), key)
	for after := e.now(); !ok || !onDays(s.Days, slot.Local); after = slot.Due {
		if slot, ok = ed.Next(loc, hour, after); !ok {
			return i, false, nil
		}
	}
	i = digest.NewIssue(ed, loc, hour, slot, e.now())
	i.EditionID = id
	return i, true, nil
}

// onDays reports whether a local time is on one of the weekdays, 1 Monday to 7; none is every day.
func onDays(days []int, local string) bool {
	t, err := time.Parse("2006-01-02 15:04", local)
	return len(days) == 0 || err != nil || slices.Contains(days, (int(t.Weekday())+6)%7+1)
}

// conclude adds what was held back, and gives each story its reason.
func (e *engine) conclude(ctx context.Context, a *accounting, verdicts []digest.Verdict, items []digest.Item) error {
	held, err := e.db.Embargoed(ctx, &a.issue)
	if err != nil {
		return err
	}
	a.until = map[int64]time.Time{}
	for _, c := range held {
		verdicts = append(verdicts, digest.Verdict{Story: c.Story, Revision: c.Revision, Section: c.Section, Reason: digest.Embargoed})
		a.until[c.Story] = c.Published
	}
	a.verdicts = digest.Account(verdicts, items)
	for n := range a.verdicts {
		if v := &a.verdicts[n]; a.first && v.Reason == digest.Earlier {
			v.Reason = digest.BeforeFirst
		}
	}
	return nil
}
