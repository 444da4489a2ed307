package capacity

import (
	"fmt"
	"strconv"
	"strings"

	"broadsheet/schedule"
)

// Zone is a time zone and how many of the readers live there, relative to the others.
type Zone struct {
	Name   string // IANA
	Weight int64
}

// World is the world's people by time zone, in thousands, each group of countries with the same clock
// under the name of one of its places. The figures are our own, put together by hand from what is
// generally known of countries' populations in the middle of the 2020s, and rough: good for the shape
// of a day, not for demography. Countries with several zones are split by eye.
func World() []Zone {
	return []Zone{
		{"Pacific/Pago_Pago", 60}, {"Pacific/Honolulu", 1_700}, {"Pacific/Marquesas", 10}, {"America/Anchorage", 700},
		{"America/Los_Angeles", 62_000}, {"America/Denver", 24_000}, {"America/Phoenix", 10_500},
		{"America/Chicago", 97_000}, {"America/Mexico_City", 115_000}, {"America/Guatemala", 48_000},
		{"America/New_York", 184_000}, {"America/Bogota", 113_000}, {"America/Havana", 11_000}, {"America/Port-au-Prince", 11_700},
		{"America/Halifax", 2_500}, {"America/Caracas", 58_000}, {"America/Manaus", 13_000}, {"America/Santiago", 19_600},
		{"America/St_Johns", 500}, {"America/Sao_Paulo", 198_000}, {"America/Argentina/Buenos_Aires", 56_000},
		{"America/Noronha", 3}, {"America/Nuuk", 57}, {"Atlantic/Azores", 240}, {"Atlantic/Cape_Verde", 590},
		{"Europe/London", 84_000}, {"Africa/Abidjan", 179_000},
		{"Europe/Berlin", 414_000}, {"Africa/Lagos", 477_000}, {"Africa/Casablanca", 38_000},
		{"Europe/Athens", 90_000}, {"Africa/Cairo", 115_000}, {"Africa/Johannesburg", 317_000}, {"Asia/Jerusalem", 15_000}, {"Asia/Beirut", 5_800},
		{"Europe/Istanbul", 87_000}, {"Europe/Moscow", 114_000}, {"Asia/Riyadh", 165_000}, {"Africa/Nairobi", 363_000},
		{"Asia/Tehran", 91_000}, {"Asia/Dubai", 42_000}, {"Asia/Kabul", 42_000}, {"Asia/Karachi", 348_000},
		{"Asia/Kolkata", 1_472_000}, {"Asia/Kathmandu", 30_000}, {"Asia/Dhaka", 183_000}, {"Asia/Yangon", 54_000},
		{"Asia/Jakarta", 230_000}, {"Asia/Bangkok", 198_000}, {"Asia/Novosibirsk", 13_000},
		{"Asia/Shanghai", 1_441_000}, {"Asia/Manila", 116_000}, {"Asia/Singapore", 42_000}, {"Asia/Makassar", 47_000}, {"Australia/Perth", 9_000},
		{"Australia/Eucla", 1}, {"Asia/Tokyo", 124_000}, {"Asia/Seoul", 78_000}, {"Asia/Jayapura", 11_000},
		{"Australia/Adelaide", 1_900}, {"Australia/Darwin", 260},
		{"Australia/Sydney", 16_600}, {"Australia/Brisbane", 5_600}, {"Pacific/Port_Moresby", 13_600}, {"Australia/Lord_Howe", 1},
		{"Pacific/Noumea", 2_300}, {"Pacific/Fiji", 1_500}, {"Pacific/Auckland", 5_300}, {"Pacific/Chatham", 1},
		{"Pacific/Tongatapu", 320}, {"Pacific/Kiritimati", 10},
	}
}

// ParseZones reads "world", a zone, or zones with weights, as "Europe/London=60,Asia/Dubai=40".
func ParseZones(s string) ([]Zone, error) {
	if s == "world" {
		return World(), nil
	}
	var known schedule.Zones
	var list []Zone
	seen := make(map[string]bool)
	for part := range strings.SplitSeq(s, ",") {
		name, weight, err := weighted(part)
		if err != nil {
			return nil, err
		}
		if _, err := known.Load(name); err != nil {
			return nil, fmt.Errorf("%q is not a known IANA time zone", name)
		}
		if seen[name] {
			return nil, fmt.Errorf("%s is there twice", name)
		}
		seen[name] = true
		list = append(list, Zone{name, weight})
	}
	return list, nil
}

// Hours is how many readers want their mail at each local hour, relative to the other hours.
type Hours [24]int64

// Morning has most readers before work, some at noon and in the evening. An assumption: who has
// readers counts theirs.
func Morning() Hours {
	return Hours{5: 4, 6: 16, 7: 30, 8: 22, 9: 9, 10: 3, 12: 4, 13: 1, 16: 1, 17: 3, 18: 4, 19: 2, 20: 1}
}

// Seven has everybody at 07:00: the worst case.
func Seven() Hours { return Hours{7: 1} }

// Even has as many readers at each hour as at any other: the best case.
func Even() (h Hours) {
	for n := range h {
		h[n] = 1
	}
	return h
}

// ParseHours reads "morning", "seven", "even", an hour, or hours with weights, as "6=1,7=3".
func ParseHours(s string) (h Hours, err error) {
	switch s {
	case "morning":
		return Morning(), nil
	case "seven":
		return Seven(), nil
	case "even":
		return Even(), nil
	}
	for part := range strings.SplitSeq(s, ",") {
		name, weight, err := weighted(part)
		if err != nil {
			return h, err
		}
		hour, err := strconv.Atoi(name)
		if err != nil || hour < 0 || hour > 23 {
			return h, fmt.Errorf("%q is no hour from 0 to 23, nor morning, seven or even", name)
		}
		if h[hour] > 0 {
			return h, fmt.Errorf("hour %d is there twice", hour)
		}
		h[hour] = weight
	}
	return h, nil
}

// mostWeight bounds weights so that sums of them fit.
const mostWeight = 1_000_000_000

// weighted reads NAME or NAME=WEIGHT.
func weighted(s string) (name string, weight int64, err error) {
	name, text, given := strings.Cut(strings.TrimSpace(s), "=")
	if !given {
		return name, 1, nil
	}
	weight, err = strconv.ParseInt(text, 10, 64)
	if err != nil || weight < 1 || weight > mostWeight {
		return "", 0, fmt.Errorf("%q: the weight is no whole number from 1 to %d", s, mostWeight)
	}
	return name, weight, nil
}
