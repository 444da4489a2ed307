package schedule

import (
	"slices"
	"time"
)

// walk is an edition's rule in one zone and at one hour, on some days of the week.
type walk struct {
	rule  *rule
	loc   *time.Location
	times []int
	days  uint8 // bit 0 = Sunday
}

// everyDay is the mask of all weekdays.
const everyDay = 1<<7 - 1

// occurrence is a slot before it is written out.
type occurrence struct {
	wall minute
	due  time.Time
}

// walk readies the edition's rule. A place keeps its own zone and hour whoever asks.
func (e *Edition) walk(zone *time.Location, hour int, days uint8) (walk, bool) {
	w := walk{rule: &e.rule, loc: e.rule.place, times: e.rule.times, days: days}
	if w.loc == nil {
		w.loc = zone
		if h := e.ReaderHour(hour); h >= 0 {
			w.times = []int{h*60 + e.rule.times[0]%60}
		}
	}
	return w, w.loc != nil && e.rule.spec != nil
}

// around lists the occurrences on the dates lo..hi in order of their instants. One that a gap
// moved onto another of the same edition is left out: it would be a second mail at one time.
func (w walk) around(lo, hi date) []occurrence {
	list := make([]occurrence, 0, 4)
	var periods []period
	moved := false
	for d := lo; d <= hi; d++ {
		if !w.fires(d) {
			continue
		}
		if periods == nil {
			periods = offsets(w.loc, lo.at(0), hi.at(dayMinutes))
		}
		if _, none := skipped(periods, d); none {
			continue
		}
		for _, clock := range w.times {
			due, k := resolve(periods, d.at(clock))
			if k == gap {
				if shown := wallOf(due, w.loc); w.fires(shown.date()) && slices.Contains(w.times, shown.clock()) {
					continue
				}
				moved = true
			}
			list = append(list, occurrence{d.at(clock), due})
		}
	}
	if moved {
		slices.SortStableFunc(list, func(a, b occurrence) int { return a.due.Compare(b.due) })
	}
	return list
}

func (w walk) fires(d date) bool {
	return w.days&(1<<uint(d.weekday())) != 0 && w.rule.on(d) && !w.rule.skip[d]
}

// wallOf is the local time that the zone's clocks show at t.
func wallOf(t time.Time, loc *time.Location) minute {
	_, offset := t.In(loc).Zone()
	seconds := t.Unix() + int64(offset)
	m := minute(seconds / 60)
	if seconds < 0 && seconds%60 != 0 {
		m--
	}
	return m
}

// A local date may be a day off the slots that are due during it: a gap moves one into the
// next day, an overlap at midnight shows a date before the end of the one before it. So the
// walks look at a window of three dates first, and then at one firing date at a time; only
// dates that a zone skipped come up empty.
const emptyDates = 8

// after returns the first occurrence later than t.
func (w walk) after(t time.Time) (occurrence, bool) {
	d := localDate(t, w.loc)
	lo, hi := d-1, d+1
	for range emptyDates {
		for _, o := range w.around(lo, hi) {
			if o.due.After(t) {
				return o, true
			}
		}
		next, ok := w.rule.seek(hi+1, 1, w.days)
		if !ok {
			break
		}
		lo, hi = next, next
	}
	return occurrence{}, false
}

// before returns the last occurrence earlier than t.
func (w walk) before(t time.Time) (occurrence, bool) {
	d := localDate(t, w.loc)
	lo, hi := d-1, d+1
	for range emptyDates {
		for _, o := range slices.Backward(w.around(lo, hi)) {
			if o.due.Before(t) {
				return o, true
			}
		}
		last, ok := w.rule.seek(lo-1, -1, w.days)
		if !ok {
			break
		}
		lo, hi = last, last
	}
	return occurrence{}, false
}

func (e *Edition) slot(w walk, o occurrence) Slot {
	s := Slot{Edition: e.Name, Zone: w.loc.String(), Hour: o.wall.clock() / 60, Local: o.wall.String(), Due: o.due}
	s.Key = s.Local
	if e.DailyAtMost() {
		s.Key = o.wall.date().String()
	}
	return s
}

// DailyAtMost reports whether the cron fires at most once on a local date; the date is then
// the slot's key.
func (e *Edition) DailyAtMost() bool { return len(e.rule.times) == 1 }

// Interval is the shortest distance of two slots on the wall clock, 24 h for a daily.
func (e *Edition) Interval() time.Duration { return e.rule.interval }

// ReaderHour returns the hour at which a reader who asked for hour is served: the nearest of
// the edition's hours, the later of two equally near. A negative hour is a reader without a
// wish, who gets the cron's own hour. Where readers have no choice it is always the cron's
// hour, or -1 if the cron fires more than once a day.
func (e *Edition) ReaderHour(hour int) int {
	if !e.DailyAtMost() {
		return -1
	}
	own := e.rule.times[0] / 60
	if len(e.Hours) == 0 || e.rule.place != nil {
		return own
	}
	if hour < 0 {
		hour = own
	}
	best := -1
	for _, h := range e.Hours {
		far, near := abs(h-hour), abs(best-hour)
		if best < 0 || far < near || far == near && h > best {
			best = h
		}
	}
	return best
}

func abs(n int) int { return max(n, -n) }

// Next returns the first slot due later than after. zone and hour are the reader's; an
// edition for one place heeds neither, and a negative hour means the cron's own. ok is false
// if there is none, which for a loaded edition means that zone is nil.
func (e *Edition) Next(zone *time.Location, hour int, after time.Time) (s Slot, ok bool) {
	w, ok := e.walk(zone, hour, everyDay)
	if !ok {
		return Slot{}, false
	}
	o, ok := w.after(after)
	if !ok {
		return Slot{}, false
	}
	return e.slot(w, o), true
}

// Previous returns the last slot due earlier than before.
func (e *Edition) Previous(zone *time.Location, hour int, before time.Time) (s Slot, ok bool) {
	return e.previous(zone, hour, everyDay, before)
}

// Latest returns the last slot due at or before now, however long ago that was.
func (e *Edition) Latest(zone *time.Location, hour int, now time.Time) (s Slot, ok bool) {
	return e.previous(zone, hour, everyDay, now.Add(1))
}

func (e *Edition) previous(zone *time.Location, hour int, days uint8, before time.Time) (Slot, bool) {
	w, ok := e.walk(zone, hour, days)
	if !ok {
		return Slot{}, false
	}
	o, ok := w.before(before)
	if !ok {
		return Slot{}, false
	}
	return e.slot(w, o), true
}

// SlotsBack returns the n-th slot before from that falls on the reader's own days, 1 = Monday
// to 7 = Sunday; no days means all. n = 1 is the one just before.
func (e *Edition) SlotsBack(zone *time.Location, hour int, days []int, from Slot, n int) (s Slot, ok bool) {
	s = from
	for range n {
		if s, ok = e.previous(zone, hour, weekdays(days), s.Due); !ok {
			return Slot{}, false
		}
	}
	return s, n > 0
}

// weekdays turns the reader's days into a mask.
func weekdays(days []int) uint8 {
	mask := uint8(0)
	for _, d := range days {
		if d >= 1 && d <= 7 {
			mask |= 1 << (d % 7)
		}
	}
	if mask == 0 {
		return everyDay
	}
	return mask
}

// ReachBack is how old, by arrival, a story may be for a reader's mail of that slot: max_age,
// or the distance back to the second slot before it on the reader's own days, plus 26 h.
func (e *Edition) ReachBack(zone *time.Location, hour int, days []int, s Slot) time.Duration {
	const margin = 26 * time.Hour
	if e.MaxAge > 0 {
		return e.MaxAge
	}
	if second, ok := e.SlotsBack(zone, hour, days, s, 2); ok {
		return s.Due.Sub(second.Due) + margin
	}
	return 2*e.Interval() + margin
}
