package stories

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// spaced is a text with every kind of space plain and single.
func spaced(s string) string { return strings.Join(strings.Fields(s), " ") }

var anchorRx = regexp.MustCompile(`(?i)^(?:(mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,? )?(\d{1,2}) ([a-z]{3,9})\.? (\d{4}),? (\d{1,2}):(\d{2})(?::(\d{2}))? ?(GMT|UTC|Z|[+-]\d{2}:?\d{2})$`)

// anchor reads a line that is wholly a time as RFC 1123 writes it. Zones are GMT, UTC, Z and offsets: other
// letters would be a guess. It also says whether the weekday is wrong.
func anchor(s string) (time.Time, bool, bool) {
	if len(s) > 60 || len(s) < 16 {
		return time.Time{}, false, false
	}
	m := anchorRx.FindStringSubmatch(s)
	if m == nil {
		return time.Time{}, false, false
	}
	mon := month(m[3])
	if mon == "" {
		return time.Time{}, false, false
	}
	t, ok := build(m[4], mon, m[2], []string{m[5], m[6], m[7], "", ""}, m[8])
	if !ok {
		return time.Time{}, false, false
	}
	off, _ := zoneOffset(m[8])
	day := t.Add(off).Weekday().String()[:3]
	return t, m[1] != "" && !strings.EqualFold(m[1][:3], day), true
}

// isProse says whether a block is a paragraph of the text rather than part of the page's head.
func isProse(s string) bool { return utf8.RuneCountInString(s) >= 80 && endsInStop(s) }

func words(s string) int { return len(strings.Fields(s)) }

var dash = regexp.MustCompile(`\s+[-–—]\s+`)
var nameWords = regexp.MustCompile(`(?i)^(?:by|from)\s+`)

// isDeskWord says whether a word belongs to the name of a desk rather than to that of a city.
func isDeskWord(s string) bool {
	switch fold(s) {
	case "news", "desk", "newsdesk", "newsroom", "staff", "bureau", "team", "correspondent", "correspondents", "reporter", "reporters", "agencies", "online":
		return true
	}
	return false
}

// isByline says whether a line reads like "desk city - agency", "desk city" or "By somebody".
func isByline(s string) bool {
	if utf8.RuneCountInString(s) > 120 || words(s) > 14 || endsInStop(s) {
		return false
	}
	if nameWords.MatchString(s) {
		return true
	}
	parts := dash.Split(s, 2)
	left := parts[0]
	city := trailingPlace(left)
	if len(parts) == 1 {
		return city != "" && city != left && words(left)-words(city) <= 2
	}
	if city != "" && words(left) <= 6 {
		return true
	}
	for _, a := range splitNames(parts[1]) {
		if _, ok := agencies[fold(a)]; ok {
			return true
		}
	}
	return false
}

// isCredit says whether a line below a headline may be a byline though we know neither its city nor its agency.
func isCredit(s string) bool {
	parts := dash.Split(s, 2)
	return len(parts) == 2 && words(parts[0]) >= 2 && words(parts[0]) <= 5 && words(parts[1]) <= 4 && !endsInStop(s)
}

// isCrosshead says whether a block reads like a heading between paragraphs. It may stand in quotes, and begin like
// "iPhone" or "$500 question".
func isCrosshead(s string) bool {
	if utf8.RuneCountInString(s) > 60 || words(s) > 8 || endsInStop(s) {
		return false
	}
	if last, _ := utf8.DecodeLastRuneInString(s); strings.ContainsRune(":;,،؛-–—", last) {
		return false
	}
	bare := strings.TrimLeft(s, "\"'“‘«„")
	r, _ := utf8.DecodeRuneInString(bare)
	start, _, _ := strings.Cut(bare, " ")
	switch {
	case unicode.IsLower(r):
		return strings.ContainsFunc(start, unicode.IsUpper)
	case unicode.Is(unicode.Sc, r):
		return strings.ContainsFunc(bare, unicode.IsLetter)
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r)
}

// isTagLine says whether a block in the last place reads like tags: names, among them a place or few enough for a
// crosshead.
func isTagLine(s string) bool {
	if utf8.RuneCountInString(s) > 300 || endsInStop(s) {
		return false
	}
	tags := splitPlaces(s)
	known := slices.ContainsFunc(tags, isPlace)
	for _, t := range tags {
		switch r, _ := utf8.DecodeRuneInString(t); {
		case !unicode.IsLower(r):
		case known && (t == "of" || t == "and" || t == "the" || t == "de"):
		default:
			return false
		}
	}
	return known || isCrosshead(s)
}

// isTagline says whether a block is set in capitals, as mastheads are.
func isTagline(s string) bool {
	upper := 0
	for _, r := range s {
		switch {
		case unicode.IsLower(r):
			return false
		case unicode.IsUpper(r):
			upper++
		}
	}
	return upper >= 3 && utf8.RuneCountInString(s) <= 120
}
