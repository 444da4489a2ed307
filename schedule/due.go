package schedule

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// mostMissed bounds the list of missed slots that Due hands back after a long standstill.
const mostMissed = 100

// Due says which slot is to be opened now. It is a pure rule over the clock and lastOpened,
// the key of the last slot that was opened or passed over for this zone and hour ("" if
// none). After a standstill that is the latest slot alone, if it is no older than catch_up
// and the next one is not nearer; missed lists the slots, oldest first and at most 100, that
// will have no issue of their own. With prepare a slot is to be opened that long before it
// is due.
func (e *Edition) Due(zone *time.Location, hour int, now time.Time, lastOpened string) (s Slot, missed []Slot, ok bool) {
	s, ok = e.Latest(zone, hour, now.Add(e.Prepare))
	if !ok || lastOpened != "" && s.Key <= lastOpened {
		return Slot{}, nil, false
	}
	if lastOpened != "" {
		for p := s; len(missed) < mostMissed; {
			var found bool
			if p, found = e.Previous(zone, hour, p.Due); !found || p.Key <= lastOpened {
				break
			}
			missed = append(missed, p)
		}
		slices.Reverse(missed)
	}
	if late := now.Sub(s.Due); late > 0 {
		next, found := e.Next(zone, hour, s.Due)
		if late > e.CatchUp || found && next.Due.Sub(now) < late {
			return Slot{}, append(missed, s), false
		}
	}
	return s, missed, true
}

// Ends is the end of life of a slot's deliveries: the later of slot and opening plus
// deliver_within, yet no later than an hour (a quarter of the interval, if that is less)
// before the next slot.
func (e *Edition) Ends(s Slot, opened time.Time) time.Time {
	start := s.Due
	if opened.After(start) {
		start = opened
	}
	end := start.Add(e.DeliverWithin)
	if e.rule.zones == nil {
		return end
	}
	zone, err := e.rule.zones.Load(s.Zone)
	if err != nil {
		return end
	}
	next, ok := e.Next(zone, s.Hour, s.Due)
	if !ok {
		return end
	}
	last := next.Due.Add(-min(time.Hour, next.Due.Sub(s.Due)/4))
	if last.Before(end) {
		return last.UTC()
	}
	return end.UTC()
}

// Occurrence is a coming slot, or a date of the edition that has no issue.
type Occurrence struct {
	Slot          // Due is the zero time if there is no issue
	Reason string // why not; "" if there is one
}

// Coming lists the next count slots due at from or later, the dates that have no issue among
// them: those that the zone's calendar skipped and the edition's skip dates. A date that the
// cron does not name, or that its month lacks, is not listed.
func (e *Edition) Coming(zone *time.Location, hour int, from time.Time, count int) []Occurrence {
	w, ok := e.walk(zone, hour, everyDay)
	if !ok || count <= 0 {
		return nil
	}
	all := *w.rule
	all.skip = nil
	var list []Occurrence
	for d := localDate(from, w.loc) - 1; len(list) < count; d++ {
		if d, ok = all.seek(d, 1, everyDay); !ok {
			break
		}
		for _, o := range e.onDate(w, d) {
			// A date without an issue has no instant; it is coming until that date is over.
			if o.Reason == "" && o.Due.Before(from) || o.Reason != "" && d < localDate(from, w.loc) {
				continue
			}
			list = append(list, o)
		}
	}
	// A gap at midnight may move a slot past one of the next date.
	slices.SortStableFunc(list, func(a, b Occurrence) int {
		if a.Due.IsZero() || b.Due.IsZero() {
			return cmp.Compare(a.Local, b.Local)
		}
		return a.Due.Compare(b.Due)
	})
	return list[:min(count, len(list))]
}

// onDate is what happens on a date on which the cron fires.
func (e *Edition) onDate(w walk, d date) []Occurrence {
	reason := ""
	if w.rule.skip[d] {
		reason = "skip date of the edition"
	} else if _, none := skipped(offsets(w.loc, d.at(0), d.at(dayMinutes)), d); none {
		reason = fmt.Sprintf("%s skipped this date", w.loc)
	}
	if reason != "" {
		s := e.slot(w, occurrence{wall: d.at(w.times[0])})
		return []Occurrence{{Slot: s, Reason: reason}}
	}
	var list []Occurrence
	for _, o := range w.around(d, d) {
		list = append(list, Occurrence{Slot: e.slot(w, o)})
	}
	return list
}

// QuietUntil reports whether nothing may be sent at t because of the edition's quiet hours in
// the reader's zone, and when they end. Spans that touch are one.
func (e *Edition) QuietUntil(t time.Time, loc *time.Location) (time.Time, bool) {
	until, quiet := t, false
	for range len(e.Quiet) + 1 {
		end, in := e.quietSpan(until, loc)
		if !in {
			break
		}
		until, quiet = end, true
	}
	return until, quiet
}

// quietSpan finds the end of the span that t lies in.
func (e *Edition) quietSpan(t time.Time, loc *time.Location) (time.Time, bool) {
	now := wallOf(t, loc)
	for _, q := range e.Quiet {
		if !q.holds(now.clock()) {
			continue
		}
		wait := minute((q.To - now.clock() + dayMinutes) % dayMinutes)
		end := now + wait
		at, _ := resolve(offsets(loc, end, end), end)
		if !at.After(t) { // the clock went back and shows the end of the span again
			at = t.Truncate(time.Minute).Add(time.Duration(wait) * time.Minute)
		}
		return at, true
	}
	return t, false
}

// holds reports whether a minute of the day lies in the span.
func (q Quiet) holds(clock int) bool {
	if q.From < q.To {
		return q.From <= clock && clock < q.To
	}
	return clock >= q.From || clock < q.To
}
