package digest

import (
	"fmt"
	"time"

	"broadsheet/schedule"
)

// calendar answers how far back an issue reaches.
type calendar struct {
	edition *schedule.Edition
	zone    *time.Location
	hour    int
	slot    schedule.Slot
	age     map[uint8]time.Duration // by days, for there are few patterns and many readers
}

func newCalendar(e *schedule.Edition, i *Issue) (*calendar, error) {
	zone, err := new(schedule.Zones).Load(i.Zone)
	if err != nil {
		return nil, fmt.Errorf("read zone of issue: %w", err)
	}
	return &calendar{
		edition: e,
		zone:    zone,
		hour:    i.Hour,
		slot:    schedule.Slot{Edition: i.Edition, Key: i.Slot, Zone: i.Zone, Hour: i.Hour, Local: i.Local, Due: i.Due},
		age:     map[uint8]time.Duration{},
	}, nil
}

// oldest is when a story must have arrived at the earliest to be shown to a reader with these days.
func (c *calendar) oldest(days []int) time.Time {
	mask := uint8(0)
	for _, d := range days {
		mask |= 1 << (d & 7)
	}
	age, ok := c.age[mask]
	if !ok {
		age = c.edition.ReachBack(c.zone, c.hour, days, c.slot)
		c.age[mask] = age
	}
	return c.slot.Due.Add(-age)
}

// period is when the slot before this one was due, on these days: whoever takes a day of each week and pauses for
// an hour has a week to catch up on.
func (c *calendar) period(days []int) time.Time {
	if s, ok := c.edition.SlotsBack(c.zone, c.hour, days, c.slot, 1); ok {
		return s.Due
	}
	return c.slot.Due.Add(-c.edition.Interval())
}

// since is from when on stories matter to any reader: those old enough for nobody may still tell the same event as
// one that is not.
func (c *calendar) since() time.Time {
	reach := c.oldest(nil)
	weekday := []int{c.weekday()} // the reader with the fewest days has just this one
	for _, t := range []time.Time{c.oldest(weekday), c.period(nil), c.slot.Due.Add(-c.edition.First)} {
		if t.Before(reach) {
			reach = t
		}
	}
	return reach.Add(-eventSpan)
}

// weekday is that of the slot's own date, 1 = Monday to 7 = Sunday; a gap in the clock may have moved the slot into
// the next one.
func (c *calendar) weekday() int {
	if d, err := time.Parse("2006-01-02 15:04", c.slot.Local); err == nil {
		return weekday(d)
	}
	return weekday(c.slot.Due.In(c.zone))
}

func weekday(t time.Time) int {
	if t.Weekday() == time.Sunday {
		return 7
	}
	return int(t.Weekday())
}
