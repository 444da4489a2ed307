package subscribers

import (
	"fmt"
	"strings"
	"unicode"
)

// Signs before a section's id, as in "politics;-sport;~culture".
const (
	mutedSign = "-"
	lessSign  = "~"
)

// ParseFollows reads sections in the reader's order, `;` between them: "id" for all of its
// news, "~id" for less, "-id" for none. The empty string gives nil.
func ParseFollows(list string) ([]Follow, error) {
	ids, err := ParseList(list)
	if err != nil {
		return nil, err
	}
	var follows []Follow
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		f := Follow{Section: id, Level: Normal}
		if rest, ok := strings.CutPrefix(id, mutedSign); ok {
			f = Follow{Section: rest, Level: Muted}
		} else if rest, ok := strings.CutPrefix(id, lessSign); ok {
			f = Follow{Section: rest, Level: Less}
		}
		if f.Section == "" || strings.HasPrefix(f.Section, mutedSign) || strings.HasPrefix(f.Section, lessSign) {
			return nil, fmt.Errorf("%s names no section: write id, ~id or -id", quote(id))
		}
		if seen[f.Section] {
			return nil, fmt.Errorf("section %s stands there twice: keep one", quote(f.Section))
		}
		seen[f.Section] = true
		follows = append(follows, f)
	}
	return follows, nil
}

// FormatFollows writes what [ParseFollows] reads.
func FormatFollows(follows []Follow) string {
	var b strings.Builder
	for i, f := range follows {
		if i > 0 {
			b.WriteByte(';')
		}
		switch f.Level {
		case Muted:
			b.WriteString(mutedSign)
		case Less:
			b.WriteString(lessSign)
		}
		b.WriteString(f.Section)
	}
	return b.String()
}

// ParseList reads ids with `;` between them, such as the editions of a reader. Blanks around
// an id and an empty id at the end do not count. The empty string gives nil.
func ParseList(list string) ([]string, error) {
	list = strings.TrimSuffix(strings.TrimSpace(list), ";")
	if strings.TrimSpace(list) == "" {
		return nil, nil
	}
	var ids []string
	seen := make(map[string]bool)
	for id := range strings.SplitSeq(list, ";") {
		id = strings.TrimSpace(id)
		switch {
		case id == "":
			return nil, fmt.Errorf("two ; stand in a row: write ids like a;b;c")
		case seen[id]:
			return nil, fmt.Errorf("%s stands there twice: keep one", quote(id))
		case strings.ContainsFunc(id, notInID):
			return nil, fmt.Errorf("%s is no id: write ids like a;b;c", quote(id))
		}
		seen[id] = true
		ids = append(ids, id)
	}
	return ids, nil
}

func notInID(r rune) bool {
	return r == ',' || r == '"' || r == unicode.ReplacementChar || unicode.IsSpace(r) || !unicode.IsGraphic(r)
}
