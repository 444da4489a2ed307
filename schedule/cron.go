package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// rule is an edition's cron expression made ready for walking.
type rule struct {
	spec     *cron.SpecSchedule
	times    []int          // minutes after midnight, ascending
	interval time.Duration  // the shortest distance of two slots on the wall clock
	place    *time.Location // nil for readers' zones
	skip     map[date]bool
	zones    *Zones
}

// field is one of the five parts of a cron expression.
type field struct {
	name     string
	min, max int
	names    []string // name of min, min+1, …
}

var (
	monthNames = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
	dayNames   = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	cronFields = []field{
		{"minute", 0, 59, nil},
		{"hour", 0, 23, nil},
		{"day of month", 1, 31, nil},
		{"month", 1, 12, monthNames},
		{"day of week", 0, 7, dayNames},
	}
	descriptors = []string{"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
	cronParser  = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)
)

// parseCron reads a cron expression: vixie's five fields with names, lists, ranges and steps,
// Sunday as 0 and 7, weekday ranges that run over the end of the week. If both day fields are
// restricted a day needs to match one of them.
func parseCron(expr string) (r rule, err error) {
	spec, err := cronSpec(strings.TrimSpace(expr))
	if err != nil {
		return rule{}, err
	}
	r.spec = spec
	for h := range 24 {
		for m := range 60 {
			if spec.Hour&(1<<h) != 0 && spec.Minute&(1<<m) != 0 {
				r.times = append(r.times, h*60+m)
			}
		}
	}
	if r.interval = r.shortest(); r.interval == 0 {
		return rule{}, errors.New("it never fires: no month it names has such a day")
	}
	return r, nil
}

// cronSpec hands the expression to robfig's parser in a form it reads rightly. The guard is
// for its panics; what is known to cause one is refused before.
func cronSpec(expr string) (spec *cron.SpecSchedule, err error) {
	defer func() {
		if recover() != nil {
			spec, err = nil, errors.New("it cannot be read")
		}
	}()
	if strings.Contains(expr, "TZ=") {
		return nil, errors.New("a zone does not belong here; write it under zone")
	}
	if strings.HasPrefix(expr, "@") {
		if !slices.Contains(descriptors, expr) {
			return nil, fmt.Errorf("%q is not offered; write five fields, e.g. 0 7 * * *, or one of %s", expr, strings.Join(descriptors, " "))
		}
	} else if expr, err = plainCron(expr); err != nil {
		return nil, err
	}
	schedule, err := cronParser.Parse(expr)
	if err != nil {
		return nil, err
	}
	spec, ok := schedule.(*cron.SpecSchedule)
	if !ok {
		return nil, errors.New("it cannot be read")
	}
	return spec, nil
}

// plainCron checks the five fields and writes out what robfig's parser refuses or misreads.
func plainCron(expr string) (string, error) {
	parts := strings.Fields(expr)
	if len(parts) != len(cronFields) {
		return "", fmt.Errorf("it has %d fields, not five: minute, hour, day of month, month, day of week; e.g. 0 7 * * *", len(parts))
	}
	for i, f := range cronFields {
		items := strings.Split(parts[i], ",")
		for k, item := range items {
			plain, err := f.plain(item)
			if err != nil {
				return "", fmt.Errorf("%s %q: %w", f.name, item, err)
			}
			items[k] = plain
		}
		parts[i] = strings.Join(items, ",")
	}
	return strings.Join(parts, " "), nil
}

// plain turns one item of a field's list into stars, or into numbers within the field's range.
func (f field) plain(item string) (string, error) {
	span, stepText, stepped := strings.Cut(item, "/")
	step := 1
	if stepped {
		var err error
		if step, err = number(stepText); err != nil || step < 1 || step > f.max-f.min {
			return "", fmt.Errorf("a step is a number from 1 to %d", f.max-f.min)
		}
	}
	week := f.max == 7
	if span == "*" || span == "?" && (week || f.max == 31) {
		return "*" + item[len(span):], nil
	}
	lowText, highText, ranged := strings.Cut(span, "-")
	low, err := f.value(lowText)
	if err != nil {
		return "", err
	}
	high := low
	switch {
	case ranged:
		if high, err = f.value(highText); err != nil {
			return "", err
		}
	case stepped: // "5/10" means from 5 on
		high = f.max
		if week {
			high = 6
		}
	}
	if high < low {
		if !week {
			return "", errors.New("the range runs backwards")
		}
		high += 7
	}
	var list []string
	for v := low; v <= high; v += step {
		if week {
			list = append(list, strconv.Itoa(v%7))
		} else {
			list = append(list, strconv.Itoa(v))
		}
	}
	if len(list) == 0 { // "7/2": nothing of the week is left
		return "", errors.New("the range is empty")
	}
	return strings.Join(list, ","), nil
}

// value reads a number or a name.
func (f field) value(s string) (int, error) {
	if i := slices.Index(f.names, strings.ToLower(s)); i >= 0 {
		return f.min + i, nil
	}
	if strings.ContainsAny(s, "LW#") && !slices.Contains(f.names, strings.ToLower(s)) {
		return 0, errors.New("the signs L, W and # are not offered")
	}
	v, err := number(s)
	if err != nil || v < f.min || v > f.max {
		names := ""
		if f.names != nil {
			names = fmt.Sprintf(" or a name from %s to %s", f.names[0], f.names[len(f.names)-1])
		}
		return 0, fmt.Errorf("write a number from %d to %d%s", f.min, f.max, names)
	}
	return v, nil
}

// number reads one to three digits; strconv would take a sign, too.
func number(s string) (int, error) {
	if len(s) == 0 || len(s) > 3 || strings.Trim(s, "0123456789") != "" {
		return 0, errors.New("not a number")
	}
	return strconv.Atoi(s)
}

// star is the bit that robfig's parser sets in an unrestricted field.
const star = 1 << 63

// on reports whether the expression fires on that date.
func (r *rule) on(d date) bool {
	_, month, day := d.utc().Date()
	if r.spec.Month&(1<<uint(month)) == 0 {
		return false
	}
	inMonth := r.spec.Dom&(1<<uint(day)) != 0
	inWeek := r.spec.Dow&(1<<uint(d.weekday())) != 0
	if r.spec.Dom&star != 0 || r.spec.Dow&star != 0 {
		return inMonth && inWeek
	}
	return inMonth || inWeek
}

// longest is how far the walk looks for a date: 29 February may be eight years off, and a
// reader who takes Mondays only may wait 40 years for one that is 29 February.
const longest = 41 * 366

// seek returns the first date at or after d (step 1), or at or before it (step -1), on which
// the expression fires, skip dates left out. days is a mask of weekdays, bit 0 = Sunday.
func (r *rule) seek(d date, step int, days uint8) (date, bool) {
	for range longest {
		t := d.utc()
		if r.spec.Month&(1<<uint(t.Month())) == 0 { // leave the month in one stride
			if step > 0 {
				d += date(32 - t.Day())
				d -= date(d.utc().Day() - 1)
			} else {
				d -= date(t.Day())
			}
			continue
		}
		if days&(1<<uint(d.weekday())) != 0 && r.on(d) && !r.skip[d] {
			return d, true
		}
		d += date(step)
	}
	return 0, false
}

// shortest is the least distance of two slots on the wall clock; 0 if the expression never
// fires. Twelve years hold three leap days and every weekday of each date but theirs.
func (r *rule) shortest() time.Duration {
	if len(r.times) == 0 {
		return 0
	}
	first, last := r.times[0], r.times[len(r.times)-1]
	least := 0
	closer := func(minutes int) {
		if least == 0 || minutes < least {
			least = minutes
		}
	}
	before, found := date(0), false
	for d := dateOf(2000, 1, 1); d < dateOf(2012, 1, 1); d++ {
		if !r.on(d) {
			continue
		}
		if found {
			closer(int(d-before)*dayMinutes + first - last)
		}
		before, found = d, true
	}
	if !found {
		return 0
	}
	for i := 1; i < len(r.times); i++ {
		closer(r.times[i] - r.times[i-1])
	}
	return time.Duration(least) * time.Minute
}
