package schedule

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// ReaderZone as an edition's zone means the zone of each reader.
const ReaderZone = "reader"

// NewEdition returns e ready for use: cron, zone and skip dates read, and every field that is
// zero set to its default. Editions that [Load] returns are ready; this is for those built in
// code. It checks what it reads, not what only the whole file can tell.
func NewEdition(e Edition) (Edition, error) {
	if e.Zone == "" {
		e.Zone = ReaderZone
	}
	r, err := parseCron(e.Cron)
	if err != nil {
		return Edition{}, fmt.Errorf("read cron %q of edition %q: %w", e.Cron, e.Name, err)
	}
	zones := new(Zones)
	if e.Zone != ReaderZone {
		if r.place, err = zones.Load(e.Zone); err != nil {
			return Edition{}, fmt.Errorf("make edition %q: %w", e.Name, err)
		}
	}
	r.skip = make(map[date]bool)
	for _, s := range e.Skip {
		d, err := parseDate(s)
		if err != nil {
			return Edition{}, fmt.Errorf("make edition %q: read skip date %q: %w", e.Name, s, err)
		}
		r.skip[d] = true
	}
	r.zones = zones
	e.rule = r
	e.fill()
	return e, nil
}

// fill sets the defaults; the rule must have been read. Those that hang on the interval are
// in proportion to a daily's.
func (e *Edition) fill() {
	quarter := e.rule.interval / 4
	preset(&e.Title, title(e.Name))
	preset(&e.Stories, 12)
	preset(&e.First, 24*time.Hour)
	preset(&e.CatchUp, quarter)
	preset(&e.DeliverWithin, min(quarter, 36*time.Hour))
	preset(&e.Spread, min(20*time.Minute, e.DeliverWithin/4))
	preset(&e.MinGap, 3*time.Hour)
	preset(&e.Approve, "none")
	preset(&e.Tripwires, UsualTripwires)
}

func preset[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// title makes a name to be read out of an id: "uk-politics" becomes "Uk politics".
func title(id string) string {
	first, size := utf8.DecodeRuneInString(id)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + strings.NewReplacer("-", " ", "_", " ").Replace(id[size:])
}
