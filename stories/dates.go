package stories

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// parseDate reads the dates that feeds write: RFC 822 and its many misspellings, RFC 3339 and ISO
// 8601, Unix time, and month names of the larger European languages. A date without a zone is UTC.
// Letters for a zone count only if they have one meaning in practice; others make it no date rather
// than a wrong one. Years outside 1000 to 2200 are refused: those are slips and stand-ins for no date.
func parseDate(s string) (time.Time, bool) {
	s = line(s)
	if s == "" || len(s) > 100 {
		return time.Time{}, false
	}
	for _, read := range []func(string) (time.Time, bool){isoDate, wordDate, slashDate, unixDate} {
		if t, ok := read(s); ok && t.Year() >= 1000 && t.Year() <= 2200 {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

const clockPart = `(?:(\d{1,2})[:.](\d{1,2})(?:[:.](\d{1,2})(?:[.,](\d{1,9}))?)?\s*([AaPp]\.?[Mm]\.?)?)`
const zonePart = `\s*\(?([A-Za-z]{1,5}|(?:GMT|UTC|UT|Z)?\s?[+-]\d{1,2}(?::?\d{2})?(?::?\d{2})?)?\)?(?:\s*\([^)]*\))?`

var (
	compact = regexp.MustCompile(`^(\d{4}-?\d{2}-?\d{2}[Tt])(\d{2})(\d{2})(\d{2})?`)
	isoRx   = regexp.MustCompile(`^(\d{4})(?:-?(\d{1,2})(?:-?(\d{1,2}))?)?(?:[Tt ,]\s*` + clockPart + zonePart + `)?$`)
	dayRx   = regexp.MustCompile(`^(?:\p{L}+\.?\s*,?\s*)?(\d{1,2})(?:st|nd|rd|th|\.)?[ -]*(?:de\s+)?(\p{L}+)\.?,?[ -]*(?:de\s+)?(\d{2,4})(?:,?\s+(?:at\s+|à\s+)?` + clockPart + zonePart + `)?$`)
	monthRx = regexp.MustCompile(`^(?:\p{L}+\.?\s*,?\s+)?(\p{L}+)\.?\s+(\d{1,2})(?:st|nd|rd|th)?\s*,?\s+(\d{4})(?:,?\s+(?:at\s+)?` + clockPart + zonePart + `)?$`)
	unixRx  = regexp.MustCompile(`^(?:\p{L}+\.?\s*,?\s+)?(\p{L}+)\.?\s+(\d{1,2})\s+` + clockPart + zonePart + `\s+(\d{4})$`)
	slashRx = regexp.MustCompile(`^(\d{1,4})[-/.](\d{1,2})[-/.](\d{1,4})(?:,?\s+` + clockPart + zonePart + `)?$`)
)

func isoDate(s string) (time.Time, bool) {
	s, _, _ = strings.Cut(s, "[") // "…+02:00[Europe/Berlin]"
	if m := compact.FindStringSubmatch(s); m != nil {
		s = m[1] + m[2] + ":" + m[3] + ":" + max(m[4], "00") + s[len(m[0]):]
	}
	m := isoRx.FindStringSubmatch(s)
	if m == nil || len(m[1]) != 4 {
		return time.Time{}, false
	}
	return build(m[1], orOne(m[2]), orOne(m[3]), m[4:9], m[9])
}

func wordDate(s string) (time.Time, bool) {
	if m := dayRx.FindStringSubmatch(s); m != nil {
		if mon := month(m[2]); mon != "" {
			return build(m[3], mon, m[1], m[4:9], m[9])
		}
	}
	if m := monthRx.FindStringSubmatch(s); m != nil {
		if mon := month(m[1]); mon != "" {
			return build(m[3], mon, m[2], m[4:9], m[9])
		}
	}
	if m := unixRx.FindStringSubmatch(s); m != nil {
		if mon := month(m[1]); mon != "" {
			return build(m[9], mon, m[2], m[3:8], m[8])
		}
	}
	return time.Time{}, false
}

// slashDate reads 2019/4/24, 24/04/2019 and 4/24/2019. Where both readings are possible the day comes first,
// as in most of the world, but for a date with am or pm or a zone behind slashes: Americans write so.
func slashDate(s string) (time.Time, bool) {
	m := slashRx.FindStringSubmatch(s)
	if m == nil {
		return time.Time{}, false
	}
	y, mon, d := m[1], m[2], m[3]
	if len(m[1]) < 4 {
		if len(m[3]) != 4 {
			return time.Time{}, false
		}
		y, mon, d = m[3], m[2], m[1]
		first, _ := strconv.Atoi(m[1])
		second, _ := strconv.Atoi(m[2])
		american := strings.Contains(s, "/") && (m[8] != "" || m[9] != "")
		if second > 12 || american && first <= 12 {
			mon, d = m[1], m[2]
		}
	}
	return build(y, mon, d, m[4:9], m[9])
}

func unixDate(s string) (time.Time, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil || n < 1e8:
		return time.Time{}, false
	case n > 1e11:
		return time.UnixMilli(n), true
	}
	return time.Unix(n, 0), true
}

func orOne(s string) string {
	if s == "" {
		return "1"
	}
	return s
}

// build puts a date together; clock is hour, minute, second, fraction, am/pm.
func build(year, mon, day string, clock []string, zone string) (time.Time, bool) {
	y, _ := strconv.Atoi(year)
	if len(year) <= 3 {
		if y += 1900; y < 1970 {
			y += 100
		}
	}
	mo, _ := strconv.Atoi(mon)
	d, _ := strconv.Atoi(day)
	h, _ := strconv.Atoi(clock[0])
	mi, _ := strconv.Atoi(clock[1])
	sec, _ := strconv.Atoi(clock[2])
	if half := strings.ToLower(strings.ReplaceAll(clock[4], ".", "")); half != "" {
		if h < 1 || h > 12 {
			return time.Time{}, false
		}
		h %= 12
		if half == "pm" {
			h += 12
		}
	}
	if h == 24 && mi == 0 && sec == 0 {
		h, d = 0, d+1
		if time.Date(y, time.Month(mo), d-1, 0, 0, 0, 0, time.UTC).Day() != d-1 {
			return time.Time{}, false
		}
	} else if time.Date(y, time.Month(mo), d, 0, 0, 0, 0, time.UTC).Day() != d {
		return time.Time{}, false
	}
	if mo < 1 || mo > 12 || h > 23 || mi > 59 || sec > 60 {
		return time.Time{}, false
	}
	offset, ok := zoneOffset(zone)
	if !ok {
		return time.Time{}, false
	}
	nanos, _ := strconv.Atoi((clock[3] + "000000000")[:9])
	return time.Date(y, time.Month(mo), d, h, mi, sec, nanos, time.UTC).Add(-offset), true
}

func zoneOffset(zone string) (time.Duration, bool) {
	zone = strings.ToUpper(strings.TrimSpace(zone))
	if h, ok := zones[zone]; ok {
		return time.Duration(h * float64(time.Hour)), true
	}
	zone = strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(zone, "GMT"), "UTC"), "UT"), "Z"))
	if zone == "" || zone[0] != '+' && zone[0] != '-' {
		return 0, false
	}
	digits := strings.ReplaceAll(zone[1:], ":", "")
	if len(digits) <= 2 {
		digits += "00"
	}
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	h, _ := strconv.Atoi(digits[:2])
	m, _ := strconv.Atoi(digits[2:4])
	if h > 15 || m > 59 {
		return 0, false
	}
	off := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
	if zone[0] == '-' {
		off = -off
	}
	return off, true
}

// zones are letters with one dominant reading in feeds, in hours.
var zones = map[string]float64{"": 0, "Z": 0, "UT": 0, "UTC": 0, "GMT": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "MET": 1, "MEST": 2,
	"EET": 2, "EEST": 3, "MSK": 3, "MSD": 4, "EST": -5, "EDT": -4, "ET": -5, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
	"AKST": -9, "AKDT": -8, "HST": -10, "AST": -4, "ADT": -3, "NST": -3.5, "NDT": -2.5, "BRT": -3, "ART": -3, "JST": 9, "KST": 9, "SGT": 8, "HKT": 8,
	"AEST": 10, "AEDT": 11, "ACST": 9.5, "ACDT": 10.5, "AWST": 8, "NZST": 12, "NZDT": 13, "IST": 5.5, "PKT": 5, "SAST": 2, "GST": 4, "WIB": 7, "ICT": 7}

// month gives the number of a month's name in any of the languages listed, or "".
func month(name string) string {
	name = strings.ToLower(name)
	if n, ok := months[name]; ok {
		return n
	}
	if len(name) > 3 {
		if r := []rune(name); len(r) > 3 {
			return months[string(r[:3])]
		}
	}
	return ""
}

var months = func() map[string]string {
	m := map[string]string{}
	for _, names := range []string{
		"jan feb mar apr may jun jul aug sep oct nov dec",
		"jän febr mär avr mai juin juil août sept okt nov dez",
		"janv févr mars avril maj juni juli aug sept oct nov déc",
		"ene feb mar abr may jun jul ago set oct nov dic",
		"gen feb mar apr mag giu lug ago set ott nov dic",
		"jan fev mrt abr mei jun jul ago set out nov dez",
		"янв фев мар апр мая июн июл авг сен окт ноя дек",
		"янв фев мар апр май июн июл авг сен окт ноя дек",
		"yan fév märz abril mai juni juillet août sept okt nov des",
	} {
		for i, n := range strings.Fields(names) {
			m[n] = strconv.Itoa(i + 1)
		}
	}
	return m
}()
