package commands

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"broadsheet/digest"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/web/room"
)

const (
	// slotLate is how long after its slot an issue may be opened before that is an alarm.
	slotLate = 45 * time.Second
	// missedTold is for how long a slot that was missed is worth a word.
	missedTold = 24 * time.Hour
	// openingLong is how long an opening may take.
	openingLong = 5 * time.Minute
	// relayStale is the age from which on nobody knows how a relay is now.
	relayStale = 4 * relaySeen
	// relayBlinks is how long a relay may be in trouble before that is an alarm: a connection too many is none.
	relayBlinks = 5 * time.Second
)

// missed lists the slots of an edition that readers waited for and that are not on record.
func (e *engine) missed(ctx context.Context, ed *schedule.Edition) ([]digest.Missed, error) {
	all, err := e.finder.Missed(ctx, ed, e.now())
	if err != nil {
		return nil, err
	}
	var list []digest.Missed
	for _, m := range all {
		waited, err := e.db.Waited(ctx, ed.Name, m.Audience, m.Slot.Due)
		if err != nil {
			return nil, err
		}
		if waited {
			list = append(list, m)
		}
	}
	return list, nil
}

// noteMissed puts on record which slots of an edition will have no issue of their own. It comes before they
// are opened, which takes them out of sight.
func (e *engine) noteMissed(ctx context.Context, ed *schedule.Edition) error {
	list, err := e.missed(ctx, ed)
	if err != nil {
		return err
	}
	if list = slices.DeleteFunc(list, func(m digest.Missed) bool { return !m.Gone }); len(list) == 0 {
		return nil
	}
	_, err = e.db.NoteMissed(ctx, list)
	return err
}

// missedAlarms tells of slots that nobody opened, and of those that were missed within a day.
func (w roomToday) missedAlarms(ctx context.Context) (list []room.Alarm, err error) {
	awake, err := w.awake(ctx)
	if err != nil {
		return nil, err
	}
	found, err := w.db.Findings(ctx)
	if err != nil {
		return nil, err
	}
	noted, err := w.db.MissedSlots(ctx, time.Now().Add(-missedTold))
	if err != nil {
		return nil, err
	}
	for i := range w.cfg.Editions {
		ed := &w.cfg.Editions[i]
		waiting, err := w.missed(ctx, ed)
		if err != nil {
			return nil, err
		}
		waiting = slices.DeleteFunc(waiting, func(m digest.Missed) bool {
			return w.now().Sub(m.Slot.Due) <= slotLate || slices.ContainsFunc(noted, func(n store.MissedSlot) bool {
				return n.Edition == m.Edition && n.Slot == m.Slot.Key && n.Zone == m.Slot.Zone && n.Hour == m.Slot.Hour
			})
		})
		if len(waiting) > 0 {
			list = append(list, w.waitingAlarm(ed, waiting, found[findingOpening+ed.Name], awake))
		}
		var of []store.MissedSlot
		for _, n := range noted {
			if n.Edition == ed.Name {
				of = append(of, n)
			}
		}
		if len(of) > 0 {
			list = append(list, w.notedAlarm(ed, of))
		}
	}
	return list, nil
}

// slotName is a slot as people know it.
func (e *engine) slotName(ed *schedule.Edition, due time.Time, zone string) string {
	at := due.UTC()
	if z, err := e.cfg.Location(zone); err == nil {
		at = due.In(z)
	}
	return fmt.Sprintf("%s of %s in %s", ed.Name, at.Format("2 January, 15:04"), cmp.Or(zone, "UTC"))
}

// waitingAlarm is that of slots that nobody has opened.
func (w roomToday) waitingAlarm(ed *schedule.Edition, waiting []digest.Missed, opening store.Finding, awake bool) room.Alarm {
	last := waiting[len(waiting)-1]
	a := room.Alarm{Key: "missed " + ed.Name, Level: red, Since: waiting[0].Slot.Due, Link: "/doctor",
		What: fmt.Sprintf("Missed run: %s was not opened, %s past its slot", w.slotName(ed, last.Slot.Due, last.Slot.Zone), duration(w.now().Sub(last.Slot.Due)))}
	if n := len(waiting) - 1; n > 0 {
		a.What += fmt.Sprintf(", nor were %d before it", n)
	}
	switch {
	case opening.Detail != "" && !opening.OK && awake:
		a.What += ": " + opening.Detail
		a.Next, a.Do = "Mend what it says; serve tries again within half a minute.", "broadsheet issues next"
	case awake:
		a.Next, a.Do = "serve is awake and did not open it: look in its log, then restart it.", "broadsheet issues next"
	default:
		a.What += ": no serve is running"
		a.Next, a.Do = "Start serve, or send it by hand.", "broadsheet send "+ed.Name
	}
	if last.Gone {
		a.Next = "It is too late for it: its stories come with the next issue. See that serve runs then."
		a.Do = "broadsheet serve"
	}
	a.What += "."
	return a
}

// notedAlarm is that of slots that were missed.
func (w roomToday) notedAlarm(ed *schedule.Edition, of []store.MissedSlot) room.Alarm {
	last := of[0]
	a := room.Alarm{Key: "slots missed " + ed.Name, Level: amber, Since: last.Noted, Link: "/issues", Do: "broadsheet issues list --edition " + ed.Name,
		What: fmt.Sprintf("%s of %s %s missed, the last %s", count(len(of), "slot"), ed.Name, verb(len(of), "was", "were"), w.slotName(ed, last.Due, last.Zone)),
		Next: "Nothing is lost; find out why nobody opened it in time: was serve down, or the machine?"}
	if last.TakenIn != "" {
		a.What += "; the stories came with slot " + last.TakenIn + "."
	} else {
		a.What += "; the stories come with the next issue."
	}
	return a
}

// openingAlarms tells of issues that were begun and are not open.
func (w roomToday) openingAlarms(ctx context.Context) (list []room.Alarm, err error) {
	issues, err := w.db.Opening(ctx)
	if err != nil {
		return nil, err
	}
	for _, i := range issues {
		if w.now().Sub(i.Opened) < openingLong {
			continue
		}
		a := room.Alarm{Key: fmt.Sprintf("opening %d", i.ID), Level: amber, Since: i.Opened, Link: fmt.Sprintf("/issues/%d", i.ID), Do: "broadsheet send " + i.Edition,
			What: fmt.Sprintf("Issue %d, %s %s, has been opening since %s; it has %s so far.", i.ID, i.Edition, i.Slot, w.moment(i.Opened), count(i.Audience, "reader")),
			Next: "If no serve is at it, start serve or send: it goes on where it stood."}
		if w.now().After(i.Due.Add(slotLate)) {
			a.Level = red
		}
		list = append(list, a)
	}
	return list, nil
}

// lateAlarms tells of issues for which there is not enough time.
func (w roomToday) lateAlarms(ctx context.Context) (list []room.Alarm, err error) {
	k := &w.kept // its lock is held
	if time.Since(k.foreseen) < prospectKept {
		return k.late, nil
	}
	loads, err := w.db.Loads(ctx, 0, w.domains)
	if err != nil {
		return nil, err
	}
	for _, p := range w.prospects(loads) {
		if p.Late == 0 {
			continue
		}
		said, next, _ := strings.Cut(inWords(&p), " will expire. ")
		list = append(list, room.Alarm{Key: fmt.Sprintf("late %d %s", p.Issue.ID, p.Relay), Level: red, Since: p.Issue.Due, Link: fmt.Sprintf("/issues/%d", p.Issue.ID),
			What: capital(said) + " will expire.", Next: next + ".", Do: fmt.Sprintf("broadsheet issues show %d", p.Issue.ID)})
	}
	k.foreseen, k.late = time.Now(), list
	return list, nil
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// relayAlarms tells which relays take no mail.
func (w roomToday) relayAlarms(ctx context.Context) (list []room.Alarm, err error) {
	states, err := w.db.RelayStates(ctx)
	if err != nil {
		return nil, err
	}
	helpers := standIns(w.cfg)
	for _, s := range states {
		known := slices.ContainsFunc(w.cfg.Relays, func(r schedule.Relay) bool { return r.Name == s.Relay })
		if !known || s.State == store.RelayUp || s.State == store.RelaySlow || time.Since(s.Since) < relayBlinks {
			continue
		}
		list = append(list, w.relayAlarm(s, helpers[s.Relay]))
	}
	return list, nil
}

func (w roomToday) relayAlarm(s store.RelayState, helpers []string) room.Alarm {
	a := room.Alarm{Key: "relay " + s.Relay, Level: red, Since: s.Since, Link: "/doctor", Do: "broadsheet check"}
	word, stale := s.State, time.Since(s.Seen) > relayStale
	if stale {
		a.What = fmt.Sprintf("Relay %s was %s when a sender last saw it at %s, since %s: %s.", s.Relay, word, w.moment(s.Seen), w.moment(s.Since), s.Why)
		a.Next = "Nobody sends now; see that the relay answers, then start serve or send."
		return a
	}
	a.What = fmt.Sprintf("Relay %s is %s since %s: %s.", s.Relay, word, w.moment(s.Since), s.Why)
	switch {
	case s.State == store.RelayHeld:
		a.Next = "It refuses us as such, which waiting does not mend: look at password, sender and contents, and mend what it complains of."
	case len(helpers) > 0:
		a.Next = fmt.Sprintf("Its mail goes through %s after a minute; see why it does not answer: is the host up, has the network or its address changed?", helpers[0])
	default:
		a.Next = "Its mail waits and goes as soon as it answers; see why it does not: is the host up, has the network or its address changed?"
	}
	return a
}

// wayBackAlarms tells of what waits for a person's decision.
func (w roomToday) wayBackAlarms(ctx context.Context) (list []room.Alarm, err error) {
	waves, err := w.db.Waves(ctx, w.now().Add(-7*24*time.Hour), true, w.now())
	if err != nil {
		return nil, err
	}
	for _, v := range waves {
		list = append(list, room.Alarm{Key: fmt.Sprintf("quarantine %d %s", v.Issue, v.Domain), Level: amber, Since: v.Held, Link: "/returned#quarantine",
			What: fmt.Sprintf("Quarantine: %s says of %s at once that there is no such mailbox (issue %d); nobody is barred for it yet.", v.Domain, count(v.Hard, "reader"), v.Issue),
			Next: "Decide: a false alarm of the provider (undo), or true (apply).", Do: fmt.Sprintf("broadsheet suppressions undo --issue %d --domain %s", v.Issue, v.Domain)})
	}
	tasks, err := w.db.Tasks(ctx, true)
	if err != nil || len(tasks) == 0 {
		return list, err
	}
	return append(list, room.Alarm{Key: "tasks", Level: amber, Since: tasks[len(tasks)-1].At, Link: "/returned#tasks", Do: "broadsheet tasks list",
		What: fmt.Sprintf("%s for a person's decision, the oldest since %s.", capital(count(len(tasks), "task")+" "+verb(len(tasks), "waits", "wait")), w.moment(tasks[len(tasks)-1].At)),
		Next: "Look through them: some may be readers who ask to leave."}), nil
}
