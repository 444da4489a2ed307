package templates

import (
	"fmt"
	"strings"
	"time"
)

// Clock is the wall time of t, in t's own zone.
func (w *Words) Clock(t time.Time) string {
	return Fill(w.Time, "hour", w.digits(t.Format("15")), "minute", w.digits(t.Format("04")))
}

// Day is the date of t with its weekday.
func (w *Words) Day(t time.Time) string {
	return Fill(w.Date, "weekday", w.weekday(w.Weekdays, t), "day", w.Number(t.Day()),
		"month", w.Months[t.Month()-1], "year", w.Number(t.Year()))
}

// Zoned is the wall time of t with its zone: the abbreviation where it has letters ("07:40 CEST"),
// else the city ("07:40, Abu Dhabi"), for "+04" says nothing. city is the publication's own name
// for the zone's city, "" if it has none.
func (w *Words) Zoned(t time.Time, city string) string {
	if abbr := t.Format("MST"); strings.ContainsAny(abbr, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		return Fill(w.TimeZone, "time", w.Clock(t), "zone", abbr)
	}
	return Fill(w.TimeCity, "time", w.Clock(t), "city", w.city(t, city))
}

// When is the time of a story as the issue of the moment ref shows it, in t's own zone: the time
// alone on ref's own date, before that with its weekday ("Sun 23:32" in a mail of Monday morning,
// where 23:32 alone would seem to lie ahead), after six days (when a weekday could be taken for
// the wrong one) and for times to come with the date. It never counts back from the moment of
// reading, which nobody knows.
func (w *Words) When(t, ref time.Time, city string) string {
	age := ref.Sub(t)
	zoned := w.Zoned(t, city)
	switch {
	case age < -24*time.Hour || age > 6*24*time.Hour:
		return Fill(w.DateTime, "day", w.Number(t.Day()), "month", w.Months[t.Month()-1], "time", zoned)
	case t.Format(time.DateOnly) != ref.In(t.Location()).Format(time.DateOnly):
		return Fill(w.WeekdayTime, "weekday", w.weekday(w.WeekdaysShort, t), "time", zoned)
	}
	return zoned
}

// DayTime is a moment to come: date, time and zone.
func (w *Words) DayTime(t time.Time, city string) string {
	return Fill(w.WeekdayTime, "weekday", w.weekday(w.Weekdays, t)+" "+w.Number(t.Day())+" "+w.Months[t.Month()-1],
		"time", w.Zoned(t, city))
}

func (w *Words) weekday(names []string, t time.Time) string {
	return names[(int(t.Weekday())+6)%7]
}

// city names a zone that has no letters of its own. Zones such as Etc/GMT-4 have their sign the
// wrong way round (POSIX), so those show their distance from UTC.
func (w *Words) city(t time.Time, own string) string {
	if own != "" {
		return w.City(own)
	}
	zone := t.Location().String()
	_, offset := t.Zone()
	if !strings.Contains(zone, "/") || strings.HasPrefix(zone, "Etc/") {
		sign := '+'
		if offset < 0 {
			sign, offset = '-', -offset
		}
		return fmt.Sprintf("UTC%c%d:%02d", sign, offset/3600, offset/60%60)
	}
	return w.City(strings.ReplaceAll(zone[strings.LastIndex(zone, "/")+1:], "_", " "))
}

// City is the name of a city in the language, if its file of words knows it.
func (w *Words) City(name string) string {
	if own := w.Cities[name]; own != "" {
		return own
	}
	return name
}
