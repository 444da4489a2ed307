package stories

import (
	_ "embed"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// placesText is the gazetteer: countries, regions and cities in the forms newspapers use, one a line.
//
//go:embed places.txt
var placesText string

// places maps a name's key to true; maxPlace is the number of words of the longest.
var places, maxPlace = readPlaces(placesText)

func readPlaces(text string) (map[string]bool, int) {
	m, longest := map[string]bool{}, 0
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		m[placeKey(l)] = true
		longest = max(longest, words(l))
	}
	return m, longest
}

// placeKey is the form in which names of places are compared: without accents, points and apostrophes, hyphens as
// spaces, so that "St. Petersburg" is "St Petersburg" and "Sana'a" is "Sanaa".
func placeKey(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '-':
			return ' '
		case r == '.' || r == '\'' || unicode.Is(unicode.Mn, r):
			return -1
		}
		return r
	}, norm.NFD.String(fold(s)))
	return spaced(s)
}

// isPlace says whether a text is the name of a place. It must begin as names do: Nice is one, nice is not.
func isPlace(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return !unicode.IsLower(r) && places[placeKey(s)]
}

// trailingPlace returns the longest place that s ends with, or "".
func trailingPlace(s string) string {
	fields := strings.Fields(s)
	for n := min(maxPlace, len(fields)); n > 0; n-- {
		if t := strings.Join(fields[len(fields)-n:], " "); isPlace(t) {
			return t
		}
	}
	return ""
}

// splitPlaces splits a line of tags that has nothing but spaces between them: the longest place first,
// and words that belong to none by themselves. Where the line has commas, these decide.
func splitPlaces(s string) []string {
	var tags []string
	if strings.ContainsAny(s, ",;|،") {
		for _, t := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(",;|،", r) }) {
			if t = strings.TrimSpace(t); t != "" {
				tags = append(tags, line(t))
			}
		}
		return tags
	}
	fields := strings.Fields(s)
	for len(fields) > 0 {
		n := min(maxPlace, len(fields))
		for n > 1 && !isPlace(strings.Join(fields[:n], " ")) {
			n--
		}
		tags = append(tags, line(strings.Join(fields[:n], " ")))
		fields = fields[n:]
	}
	return tags
}
