package stories

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
)

// TestArticlePageVariants lays every page of the corpus out anew in other ways and expects the same fields.
func TestArticlePageVariants(t *testing.T) {
	type page struct {
		Headline, Lead  string
		Section, Byline *string
		Published       string
		Clock           *string `json:"page_clock"`
		Blocks          []Block
		Tags            []string
	}
	layouts := map[string]func(head, body []string) string{
		"plain":        func(h, b []string) string { return strings.Join(append(h, b...), "\n\n") },
		"one newline":  func(h, b []string) string { return strings.Join(append(h, b...), "\n") },
		"tight head":   func(h, b []string) string { return strings.Join(h, "\n") + "\n\n" + strings.Join(b, "\n\n") },
		"wide":         func(h, b []string) string { return "\n\n" + strings.Join(append(h, b...), "\n \n\t\n") + "\n\n" },
		"CRLF and BOM": func(h, b []string) string { return "\ufeff" + strings.Join(append(h, b...), "\r\n\r\n") },
		"cp1252": func(h, b []string) string {
			s := strings.Join(append(h, b...), "\n\n")
			out, err := charmap.Windows1252.NewEncoder().String(s)
			if err != nil {
				return s
			}
			return out
		},
		"no-break spaces": func(h, b []string) string {
			for i := range h {
				h[i] = strings.Replace(h[i], " ", "\u00a0", 1)
			}
			return strings.Join(append(h, b...), "\n\n")
		},
	}
	cities := [][]string{{"Abu Dhabi", "London", "New York"}, {"Abu Dhabi", "London"}, {"Hong Kong", "Abu Dhabi", "London", "New York"}, nil}
	wrong, total := map[string]int{}, 0
	for raw := range bytes.Lines(read(t, data(t, "articlepages", "expected.jsonl"))) {
		var p page
		if err := json.Unmarshal(raw, &p); err != nil {
			t.Fatal(err)
		}
		for name, layout := range layouts {
			for mask := range 64 {
				if testing.Short() && mask%7 != 0 {
					continue
				}
				var head, body []string
				clock, furniture, byline, section, tags := mask&1 == 0, mask&2 == 0, mask&4 == 0 && p.Byline != nil, mask&8 == 0, mask&16 == 0
				c := cities[mask>>5*3%len(cities)]
				if furniture {
					head = append(append(head, "THE TIDE WAITS FOR NOBODY"), c...)
				}
				if clock && furniture {
					head = append(head, "Sat, 14 Sep 2030 10:39 GMT")
				}
				head = append(head, p.Headline)
				if section {
					head = append(head, *p.Section)
				}
				if byline {
					head = append(head, *p.Byline)
				}
				head = append(head, "Thu, 15 Aug 2019 06:21 GMT")
				for _, b := range p.Blocks {
					body = append(body, b.Text)
				}
				if tags && len(p.Tags) > 0 {
					body = append(body, strings.Join(p.Tags, " "))
				}
				text := layout(head, body)
				s, err := ParsePage([]byte(text), []string{"Politics", "World"})
				if err != nil {
					t.Fatal(err)
				}
				lossless(t, []byte(text), &s)
				total++
				bad := func(field, got, want string) {
					if spaced(got) != spaced(want) {
						wrong[field]++
						if wrong[field] < 4 {
							t.Logf("%s, mask %06b: %s is %q, want %q", name, mask, field, got, want)
						}
					}
				}
				bad("headline", s.Headline, p.Headline)
				bad("lead", s.Lead, p.Lead)
				bad("section", s.SectionRaw, map[bool]string{true: *p.Section}[section])
				if byline {
					bad("byline", s.Byline, *p.Byline)
				} else {
					bad("byline", s.Byline, "")
				}
				bad("cities", strings.Join(s.EditionCities, ","), strings.Join(map[bool][]string{true: c}[furniture], ","))
				bad("published", s.Published.Format("2006-01-02 15:04"), "2019-08-15 06:21")
				if tags {
					bad("tags", strings.Join(s.Tags, ","), strings.Join(p.Tags, ","))
				}
			}
		}
	}
	if t.Logf("%d pages, wrong: %v", total, wrong); total == 0 {
		t.Error("no page was made")
	}
	for f, n := range wrong {
		if n*50 > total {
			t.Errorf("%s is wrong on %d of %d pages", f, n, total)
		}
	}
}
