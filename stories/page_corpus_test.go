package stories

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestArticlePages compares saved pages in many layouts with their expected parse, field by field.
func TestArticlePages(t *testing.T) {
	right, total := map[string]int{}, 0
	for raw := range bytes.Lines(read(t, data(t, "articlepages", "expected.jsonl"))) {
		var w struct {
			File, Variant, Headline, Lead string
			Masthead, Section, Byline     *string
			Desk, City                    *string
			Cities                        []string `json:"edition_cities"`
			Clock                         *string  `json:"page_clock"`
			Published                     string
			Agencies, Crossheads, Tags    []string
			Blocks                        []Block
		}
		if err := json.Unmarshal(raw, &w); err != nil {
			t.Fatal(err)
		}
		page := read(t, data(t, "articlepages", w.File))
		s, err := ParsePage(page, []string{"Politics", "Culture", "Health", "Science", "World", "Sport"})
		if err != nil {
			t.Errorf("%s: %v", w.File, err)
			continue
		}
		total++
		lossless(t, page, &s)
		at := func(u time.Time) string {
			if u.IsZero() {
				return ""
			}
			return u.Format("2006-01-02T15:04Z")
		}
		or := func(p *string) string {
			if p == nil {
				return ""
			}
			return *p
		}
		for _, f := range []struct {
			name      string
			got, want any
		}{
			{"masthead", s.Masthead, or(w.Masthead)}, {"cities", s.EditionCities, w.Cities}, {"page_clock", at(s.PageClock), or(w.Clock)},
			{"headline", s.Headline, w.Headline}, {"section", s.SectionRaw, or(w.Section)}, {"byline", s.Byline, or(w.Byline)},
			{"desk", s.Desk, or(w.Desk)}, {"city", s.City, or(w.City)}, {"agencies", s.Agencies, w.Agencies},
			{"published", at(s.Published), w.Published}, {"lead", s.Lead, w.Lead}, {"blocks", s.Blocks, w.Blocks},
			{"crossheads", s.Crossheads, w.Crossheads}, {"tags", s.Tags, w.Tags},
		} {
			if cmp.Equal(f.got, f.want) || isEmpty(f.got) && isEmpty(f.want) {
				right[f.name]++
			} else {
				right[f.name] += 0 // a field that is never right counts too
				t.Logf("%s (%s): %s: %s", w.File, w.Variant, f.name, cmp.Diff(f.want, f.got))
			}
		}
	}
	if total == 0 {
		t.Error("no page was read")
	}
	for f, n := range right {
		if n*100 < total*95 {
			t.Errorf("%s: right on %d of %d pages, want 95 %%", f, n, total)
		}
	}
	t.Logf("%d pages: %v", total, right)
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case []string:
		return len(v) == 0
	case []Block:
		return len(v) == 0
	}
	return false
}

// lossless fails unless every line of a page is in some field of its story.
func lossless(t testing.TB, page []byte, s *Story) {
	t.Helper()
	fields := []string{s.Headline, s.SectionRaw, s.Byline, s.PublishedRaw, s.Masthead, s.TagsRaw}
	fields = append(fields, s.EditionCities...)
	fields = append(fields, s.Extra...)
	for _, b := range s.Blocks {
		fields = append(fields, b.Text)
	}
	for i := range fields {
		fields[i] = spaced(fields[i])
	}
	all := strings.Join(fields, "\n")
	for l := range strings.SplitSeq(pageText(toUTF8(page, "")), "\n") {
		l = spaced(l)
		if l == "" || strings.Contains(all, l) {
			continue
		}
		if at, _, ok := anchor(l); ok && (at.Equal(s.PageClock) || at.Equal(s.Published)) {
			continue
		}
		if !slices.Contains(fields, l) {
			t.Errorf("lost %q", l)
		}
	}
}
