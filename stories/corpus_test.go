package stories

import (
	"encoding/json"
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// data names a folder of real input; tests that need it are skipped without.
func data(t testing.TB, parts ...string) string {
	t.Helper()
	root := os.Getenv("BROADSHEET_DATA")
	if root == "" {
		t.Skip("set BROADSHEET_DATA to a folder of real input")
	}
	return filepath.Join(append([]string{root}, parts...)...)
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// expectedItem holds what two independent parsers agree on; where they do not, either is right.
type expectedItem struct {
	Title, Link, ID, Published *string
	Disagree                   map[string][]string
}

// TestCaptures compares real feeds with what two other parsers agree on.
func TestCaptures(t *testing.T) {
	files, _ := filepath.Glob(data(t, "feeds", "captures", "*"))
	right, wrong := map[string]int{}, map[string]int{}
	for _, path := range files {
		name := filepath.Base(path)
		var want struct {
			N     *int `json:"n_items"`
			Items []expectedItem
		}
		if err := json.Unmarshal(read(t, data(t, "feeds", "expected", name+".json")), &want); err != nil {
			t.Fatal(err)
		}
		began := spent(t)
		got, _, err := Parse(read(t, path), "", "")
		if d := spent(t) - began; d > 2*time.Second*slow {
			t.Errorf("%s: took %v", name, d)
		}
		if want.N == nil {
			continue // the other parsers agree on nothing
		}
		if err != nil || len(got) != *want.N {
			wrong["count"]++
			t.Logf("%s: %d items, want %d (%v)", name, len(got), *want.N, err)
			continue
		}
		right["count"]++
		for i, w := range want.Items {
			s := got[i]
			published := ""
			if !s.Published.IsZero() {
				published = s.Published.Format(time.RFC3339)
			}
			for _, f := range []struct {
				name, got string
				want      *string
			}{{"title", s.Headline, w.Title}, {"link", s.URL, w.Link}, {"id", s.GUID, w.ID}, {"published", published, w.Published}} {
				options := w.Disagree[f.name]
				if len(options) == 0 {
					v := ""
					if f.want != nil {
						v = *f.want
					}
					options = []string{v}
				}
				ok := false
				for _, o := range options {
					switch f.name {
					case "title":
						ok = ok || plain(o) == f.got || plain(html.UnescapeString(o)) == f.got || line(o) == f.got ||
							strings.ContainsAny(o, "ÃÂÐÑâ") && ascii(plain(o)) == ascii(f.got)
					case "link":
						ok = ok || o == f.got || o != "" && strings.HasPrefix(o, "/") && strings.HasSuffix(f.got, o)
					case "published":
						// Some captures give fractions; the other parsers drop them.
						ok = ok || o == f.got || len(o) > 19 && len(f.got) > 19 && o[:19] == f.got[:19]
					default:
						ok = ok || strings.TrimSpace(o) == f.got
					}
				}
				if ok {
					right[f.name]++
				} else {
					wrong[f.name]++
					t.Logf("%s %d: %s is %q, want one of %q", name, i, f.name, f.got, options)
				}
			}
		}
	}
	for f, floor := range map[string]float64{"count": .99, "title": .98, "link": .98, "id": .98, "published": .98} {
		share := float64(right[f]) / float64(right[f]+wrong[f])
		t.Logf("%s: %d right, %d wrong: %.2f %%", f, right[f], wrong[f], share*100)
		if !(share >= floor) { // also if there was nothing to compare
			t.Errorf("%s: %.2f %% right, want %.0f", f, share*100, floor*100)
		}
	}
}

// ascii is what text that became UTF-8 twice has in common with what it was: the other parsers leave some
// titles as they are and lose spaces in others.
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
}
