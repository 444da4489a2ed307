package commands

import (
	"cmp"
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

// Why a reader got no mail, in words for who answers the telephone. Times are those of the reader's
// place, with the zone's name beside them.

// answer is what became of a slot of an edition for a reader.
type answer struct {
	edition *schedule.Edition
	zone    *time.Location
	slot    schedule.Slot
	issue   int64 // 0 = not open
	state   mailer.State
	level   string // green: the mail went, or nothing is wrong; amber: none, and there is a reason; red: something went wrong
	says    string
}

// answersToday answers for each slot of today of each edition that the reader takes, in the order of the
// editions and the latest slot of one last.
func (e *engine) answersToday(ctx context.Context, s *subscribers.Subscriber) (list []answer, err error) {
	sent := map[string]store.DeliveryRow{} // by edition and slot
	for d, err := range e.db.Deliveries(ctx, store.DeliveryFilter{Subscriber: s.ID}) {
		if err != nil {
			return nil, err
		}
		sent[d.Edition+" "+d.SlotKey] = d
	}
	for _, name := range s.Editions {
		ed := e.cfg.Edition(name)
		if ed == nil {
			continue
		}
		zone, err := e.cfg.Location(editionZone(e.cfg, ed, s.Zone))
		if err != nil {
			return nil, err
		}
		slots := slotsToday(ed, zone, ed.ReaderHour(s.Hour), e.now())
		for _, slot := range slots {
			a := answer{edition: ed, zone: zone, slot: slot}
			d, has := sent[ed.Name+" "+slot.Key]
			if err := e.answer(ctx, s, &a, &d, has); err != nil {
				return nil, err
			}
			list = append(list, a)
		}
		if len(slots) == 0 {
			a := answer{edition: ed, zone: zone, level: "green", says: "no issue today, and none to come"}
			if slot, ok := ed.Next(zone, ed.ReaderHour(s.Hour), e.now()); ok {
				a.slot = slot
				a.says = "no issue today; the next one is due " + at(slot.Due, zone, e.now())
			}
			list = append(list, a)
		}
	}
	return list, nil
}

// slotsMost is how many slots of a day are answered for.
const slotsMost = 6

// slotsToday are those of an edition that are due on the local date of now, the latest ones if they are
// many.
func slotsToday(ed *schedule.Edition, zone *time.Location, hour int, now time.Time) (list []schedule.Slot) {
	today := now.In(zone).Format(time.DateOnly)
	if next, ok := ed.Next(zone, hour, now); ok && strings.HasPrefix(next.Local, today) {
		list = append(list, next)
	}
	for slot, ok := ed.Latest(zone, hour, now); ok && strings.HasPrefix(slot.Local, today) && len(list) < slotsMost; slot, ok = ed.Previous(zone, hour, slot.Due) {
		list = append(list, slot)
	}
	slices.Reverse(list)
	return list
}

// answer says what became of a slot. d is the reader's delivery in it, if there is one.
func (e *engine) answer(ctx context.Context, s *subscribers.Subscriber, a *answer, d *store.DeliveryRow, has bool) error {
	if has {
		a.issue, a.state = d.Issue, d.State
		f, err := e.fateOf(ctx, s, d, a.zone)
		a.level, a.says = f.level, f.says
		return err
	}
	i, err := e.db.IssueBySlot(ctx, a.edition.Name, a.slot.Key, a.slot.Zone, a.slot.Hour)
	if err == nil {
		a.issue, a.level = i.ID, "amber"
		a.says, err = e.absence(ctx, s, &i, a.zone)
		return err
	}
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return e.unopened(ctx, s, a)
}

// unopened says why a slot has no issue yet, and whether it will be the reader's.
func (e *engine) unopened(ctx context.Context, s *subscribers.Subscriber, a *answer) error {
	now := e.now()
	hour := -1
	if a.edition.Zone == schedule.ReaderZone {
		hour = a.edition.ReaderHour(s.Hour)
	}
	late := now.After(a.slot.Due)
	last, opened, err := e.db.LastIssue(ctx, a.edition.Name, a.zone.String(), hour)
	if err != nil {
		return err
	}
	key := ""
	if opened {
		key = last.Slot
	}
	switch due, _, ok := a.edition.Due(a.zone, a.edition.ReaderHour(s.Hour), now, key); {
	case !late:
		a.level, a.says = "green", "not open yet: it is due "+at(a.slot.Due, a.zone, now)
	case ok && due.Key == a.slot.Key:
		a.level, a.says = "red", "due since "+at(a.slot.Due, a.zone, now)+" and not open: serve opens it within half a minute, if it runs"
	case s.Created.After(a.slot.Due):
		a.level, a.says = "green", "none for this reader: joined after it was due, at "+at(s.Created, a.zone, now)
	case !opened:
		a.level, a.says = "amber", "no issue was opened for it: the program has not sent this edition here before "+at(now, a.zone, now)
	default:
		a.level, a.says = "red", "missed: no issue was opened at "+at(a.slot.Due, a.zone, now)+"; its stories come in the next one"
	}
	if away := strings.Join(e.awayOf(s), "; "); away != "" {
		a.level, a.says = "amber", a.says+"; and "+away
	} else if !onDays(s.Days, a.slot.Local) {
		a.level, a.says = "green", "none for this reader: wishes mail on "+weekdays(s.Days)+" only"
	}
	return nil
}

// awayOf lists what keeps all mail from a reader now.
func (e *engine) awayOf(s *subscribers.Subscriber) (list []string) {
	zone := e.placeOf(s)
	switch s.Status {
	case subscribers.Paused:
		until := "without an end"
		if !s.PausedUntil.IsZero() {
			until = "until " + at(s.PausedUntil, zone, e.now())
		}
		list = append(list, "the reader is paused "+until)
	case subscribers.Pending:
		list = append(list, "the reader is pending: has not confirmed the sign-up")
	case subscribers.Unsubscribed:
		list = append(list, "the reader has unsubscribed")
	}
	if b := s.Suppressed; b != nil && (s.Status != subscribers.Unsubscribed || b.Reason != "unsubscribed") {
		says := "the address is barred: " + barWords(b.Reason) + " on " + b.At.In(zone).Format("2 January 2006")
		if b.Note != "" {
			says += " (" + b.Note + ")"
		}
		list = append(list, says)
	}
	if len(s.Editions) == 0 {
		list = append(list, "the reader takes no edition")
	}
	if !slices.ContainsFunc(s.Sections, func(f subscribers.Follow) bool { return f.Level != subscribers.Muted }) {
		list = append(list, "the reader follows no section")
	}
	return list
}

// placeOf is the zone that a reader's times are told in.
func (e *engine) placeOf(s *subscribers.Subscriber) *time.Location {
	name := s.Zone
	if cities := e.cfg.Publication.Cities; name == "" && len(cities) > 0 {
		name = cities[0].Zone
	}
	if zone, err := e.cfg.Location(cmp.Or(name, "UTC")); err == nil {
		return zone
	}
	return time.UTC
}

// barWords is a reason of a suppression for people.
func barWords(reason string) string {
	switch reason {
	case "hard_bounce":
		return "hard bounce (there is no such mailbox)"
	case "soft_bounce":
		return "soft bounces (the mailbox refused mail again and again)"
	case "complaint":
		return "the reader said that our mail is spam"
	case "operator":
		return "an operator barred it"
	case "unsubscribed":
		return "unsubscribed"
	case "erased":
		return "its owner had everything erased"
	case "legal":
		return "for legal reasons"
	case "import":
		return "it came in with a list of barred addresses"
	}
	return reason
}

// notInAudience begins what absence says.
const notInAudience = "not in the audience: "

// absence says why a reader is not in the audience of an issue: by the settings as they were when it
// was opened.
func (e *engine) absence(ctx context.Context, s *subscribers.Subscriber, i *digest.Issue, zone *time.Location) (string, error) {
	history, err := e.db.History(ctx, s.ID)
	if err != nil {
		return "", err
	}
	now := e.now()
	opened := at(i.Opened, zone, now)
	var then, next *subscribers.Change
	for n := range history {
		if c := &history[n]; !c.At.After(i.Opened) {
			then = c
		} else if next == nil {
			next = c
		}
	}
	if then == nil {
		return notInAudience + "joined after the issue was opened (on record since " + at(s.Created, zone, now) + ", opened " + opened + ")", nil
	}
	since := ""
	if next != nil {
		since = "; changed " + at(next.At, zone, now) + " by " + next.By
	}
	switch {
	case then.Status == subscribers.Paused:
		return notInAudience + "was paused when it was opened (" + opened + ")" + since, nil
	case then.Status == subscribers.Pending:
		return notInAudience + "had not confirmed when it was opened (" + opened + ")" + since, nil
	case then.Status == subscribers.Unsubscribed:
		return notInAudience + "had unsubscribed when it was opened (" + opened + ")" + since, nil
	case !slices.Contains(then.Editions, i.Edition):
		return notInAudience + "did not take this edition when it was opened (" + opened + ")" + since, nil
	case !onDays(then.Days, i.Local):
		return notInAudience + "wishes mail on " + weekdays(then.Days) + " only", nil
	}
	if ed := e.cfg.Edition(i.Edition); ed != nil && ed.Zone == schedule.ReaderZone && (editionZone(e.cfg, ed, then.Zone) != i.Zone || ed.ReaderHour(then.Hour) != i.Hour) {
		return notInAudience + fmt.Sprintf("was served in %s at %d:00 when it was opened: that is another issue", editionZone(e.cfg, ed, then.Zone), ed.ReaderHour(then.Hour)) + since, nil
	}
	return notInAudience + "it was opened at " + opened + ", and settings that came at that moment count for the next one" + since, nil
}

var dayNames = []string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}

func weekdays(days []int) string {
	var names []string
	for _, d := range days {
		names = append(names, dayNames[d-1])
	}
	return strings.Join(names, ", ")
}

// at is an instant for people: without the date if it is today's.
func at(t time.Time, zone *time.Location, now time.Time) string {
	local := t.In(zone)
	switch {
	case local.Format(time.DateOnly) == now.In(zone).Format(time.DateOnly):
		return local.Format("15:04:05 MST")
	case local.Year() == now.In(zone).Year():
		return local.Format("Mon 2 Jan 15:04:05 MST")
	}
	return local.Format("Mon 2 Jan 2006 15:04:05 MST")
}
