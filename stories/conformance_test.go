package stories

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mmcdole/gofeed"
)

// TestConformanceEntries compares with the unit feeds of another parser where their expectation is a plain
// equation about the first entry.
func TestConformanceEntries(t *testing.T) {
	rx := regexp.MustCompile(`^(?:not bozo and )?entries\[0\]\[?\.?'?(title|link|id|guid|published_parsed|title_detail)'?\]?(?:\['value'\])? == u?(?:'((?:[^'\\]|\\.)*)'|\((\d+), (\d+), (\d+), (\d+), (\d+), (\d+),.*\))$`)
	right, total := 0, 0
	for l := range bytes.Lines(read(t, data(t, "feeds", "conformance", "feedparser.jsonl"))) {
		var c struct {
			File   string
			Expect *string `json:"expect_python"`
		}
		if err := json.Unmarshal(l, &c); err != nil {
			t.Fatal(err)
		}
		if c.Expect == nil {
			continue
		}
		m := rx.FindStringSubmatch(*c.Expect)
		if m == nil || strings.HasPrefix(filepath.Base(c.File), "http_") {
			continue // the latter are about headers that no file holds
		}
		list, _, err := Parse(read(t, data(t, "feeds", c.File)), "", "")
		total++
		if err != nil || len(list) == 0 {
			t.Logf("%s: %v, %d items, want %s", c.File, err, len(list), *c.Expect)
			continue
		}
		want := unquotePython(m[2])
		var got string
		switch m[1] {
		case "title", "title_detail":
			got, want = list[0].Headline, plain(want)
		case "link":
			got = list[0].URL
		case "id", "guid":
			got = list[0].GUID
		default:
			n := make([]int, 6)
			for i := range n {
				n[i], _ = strconv.Atoi(m[3+i])
			}
			got = list[0].Published.Format(time.RFC3339)
			want = time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC).Format(time.RFC3339)
		}
		if got == want {
			right++
		} else {
			t.Logf("%s: got %q, want %q", c.File, got, *c.Expect)
		}
	}
	t.Logf("%d of %d", right, total)
	if total == 0 || right*100 < total*95 {
		t.Errorf("%d of %d agree, want 95 %%", right, total)
	}
}

func unquotePython(s string) string {
	out, err := strconv.Unquote(`"` + strings.NewReplacer(`\'`, `'`, `"`, `\"`).Replace(s) + `"`)
	if err != nil {
		return s
	}
	return out
}

// TestConformanceItems compares number, titles, links and dates of items with the JSON beside unit feeds.
func TestConformanceItems(t *testing.T) {
	right, total := 0, 0
	for _, kind := range []string{"rss", "atom"} {
		files, _ := filepath.Glob(data(t, "feeds", "conformance", "gofeed", "translator", kind, "*.xml"))
		for _, path := range files {
			b, err := os.ReadFile(strings.TrimSuffix(path, ".xml") + ".json")
			if err != nil {
				continue
			}
			var want gofeed.Feed
			if json.Unmarshal(b, &want) != nil {
				continue
			}
			total++
			list, _, err := Parse(read(t, path), "", "")
			ok := err == nil && len(list) == len(want.Items)
			for i := range min(len(list), len(want.Items)) {
				w, s := want.Items[i], list[i]
				ok = ok && s.Headline == plain(w.Title) && (s.URL == w.Link || w.Link == "") && s.GUID == strings.TrimSpace(w.GUID) &&
					(w.PublishedParsed == nil || s.Published.Equal(*w.PublishedParsed))
			}
			if ok {
				right++
			} else {
				t.Logf("%s: %v, %d items of %d", path, err, len(list), len(want.Items))
				for i := range min(len(list), len(want.Items)) {
					t.Logf("   %q %q %q %v, want %q %q %q %v", list[i].Headline, list[i].URL, list[i].GUID, list[i].Published, want.Items[i].Title, want.Items[i].Link, want.Items[i].GUID, want.Items[i].PublishedParsed)
				}
			}
		}
	}
	t.Logf("%d of %d", right, total)
	if total == 0 || right*100 < total*95 {
		t.Errorf("%d of %d agree, want 95 %%", right, total)
	}
}
