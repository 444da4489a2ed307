package schedule

import (
	"fmt"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // a machine without a zone database still knows every zone
)

// Zones loads IANA time zones and keeps them, for [time.LoadLocation] reads and parses a
// file each time. The zero value is ready; it may be used by any number of goroutines.
type Zones struct{ known sync.Map } // string → *time.Location

// Load returns the zone of that IANA name; aliases such as "GB" or "Asia/Calcutta" are names
// too. The empty name and "Local" are refused: they would mean whatever the machine is set to. So
// are "posix/" and "right/", which only some machines have and no reader's settings may name.
func (z *Zones) Load(name string) (*time.Location, error) {
	if loc, ok := z.known.Load(name); ok {
		return loc.(*time.Location), nil
	}
	if name == "" || name == "Local" || len(name) > 64 || strings.TrimSpace(name) != name ||
		strings.HasPrefix(name, "posix/") || strings.HasPrefix(name, "right/") {
		return nil, fmt.Errorf("load zone: %q is not a known IANA time zone", name)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("load zone: %q is not a known IANA time zone", name)
	}
	z.known.Store(name, loc)
	return loc, nil
}

// minute is a local wall time: minutes since 1970-01-01 00:00 on a clock that knows neither
// gaps nor overlaps.
type minute int64

// date is a local calendar date: days since 1970-01-01.
type date int64

const dayMinutes = 24 * 60

func dateOf(y int, m time.Month, d int) date {
	return date(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

func (d date) utc() time.Time                     { return time.Unix(int64(d)*86400, 0).UTC() }
func (d date) at(clock int) minute                { return minute(d)*dayMinutes + minute(clock) }
func (m minute) utc() time.Time                   { return time.Unix(int64(m)*60, 0).UTC() }
func (m minute) String() string                   { return m.utc().Format("2006-01-02 15:04") }
func (m minute) clock() int                       { return int(m - minute(m.date())*dayMinutes) }
func (d date) String() string                     { return d.utc().Format(time.DateOnly) }
func (d date) weekday() time.Weekday              { return time.Weekday(((int64(d)+4)%7 + 7) % 7) }
func parseDate(s string) (date, error)            { return parsed(time.Parse(time.DateOnly, s)) }
func parsed(t time.Time, err error) (date, error) { return dateOf(t.Date()), err }

func (m minute) date() date {
	d := date(m / dayMinutes)
	if m < 0 && m%dayMinutes != 0 {
		d--
	}
	return d
}

// localDate is the date that the zone's calendar shows at t.
func localDate(t time.Time, loc *time.Location) date { return dateOf(t.In(loc).Date()) }

// period is a stretch of time in which a zone keeps one offset from UTC; seconds since 1970.
type period struct {
	start, end int64 // [start, end)
	offset     int64
}

const beginning, forever = -1 << 62, 1 << 62

// offsets lists the periods of a zone that can matter to the local times from..to. No offset
// exceeds 16 hours, so a margin of a day on either side holds every candidate.
func offsets(loc *time.Location, from, to minute) []period {
	list := make([]period, 0, 4)
	last := int64(to)*60 + 86400
	for at := int64(from)*60 - 86400; at <= last; {
		t := time.Unix(at, 0).In(loc)
		_, offset := t.Zone()
		start, end := t.ZoneBounds()
		p := period{beginning, forever, int64(offset)}
		if !start.IsZero() {
			p.start = start.Unix()
		}
		if !end.IsZero() {
			p.end = end.Unix()
		}
		list = append(list, p)
		if p.end <= at { // cannot be; a loop without end would be worse than a missed period
			break
		}
		at = p.end
	}
	return list
}

// kind says how a local time stands in its zone.
type kind int

const (
	once    kind = iota
	gap          // the clock jumped over it; it is moved forward by the length of the jump
	overlap      // the clock shows it twice; the first counts
)

// resolve finds the instant of a local time: RFC 5545 §3.3.5 as Temporal's "compatible" has
// it. [time.Date] is of no use here: in a gap or an overlap its answer hangs on the sign of
// the zone's offset, and may even lie on the day before.
func resolve(list []period, wall minute) (time.Time, kind) {
	local := int64(wall) * 60
	for i, p := range list {
		at := local - p.offset
		switch {
		case at < p.start && i > 0: // past the end of the period before, yet not in this one
			return time.Unix(local-list[i-1].offset, 0).UTC(), gap
		case at < p.end:
			if i+1 < len(list) && local-list[i+1].offset >= list[i+1].start {
				return time.Unix(at, 0).UTC(), overlap
			}
			return time.Unix(at, 0).UTC(), once
		}
	}
	p := list[len(list)-1]
	return time.Unix(local-p.offset, 0).UTC(), once
}

// skipped reports whether the zone's calendar lacks the whole date, as Samoa's lacks
// 2011-12-30, and the instant at which it jumped over it.
func skipped(list []period, d date) (time.Time, bool) {
	from, to := int64(d)*86400, int64(d+1)*86400
	for i := 1; i < len(list); i++ {
		jump := list[i].start
		if jump+list[i-1].offset <= from && to <= jump+list[i].offset {
			return time.Unix(jump, 0).UTC(), true
		}
	}
	return time.Time{}, false
}
