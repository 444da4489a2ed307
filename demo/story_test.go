package demo

import (
	"strings"
	"testing"
	"time"
)

func shipped(t *testing.T) []Story {
	t.Helper()
	all, err := Stories()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestStories(t *testing.T) {
	count, arabic, recent := map[string]int{}, 0, 0
	for _, s := range shipped(t) {
		for _, id := range s.Sections {
			count[id]++
		}
		if s.Language == "ar" {
			arabic++
		}
		if s.Ago < 24*time.Hour {
			recent++
		}
		if n := strings.Count(s.Text, "\n\n"); n < 1 {
			t.Errorf("%s has %d paragraphs", s.Slug, n+1)
		}
		if len(s.Authors)+len(s.Agencies) == 0 {
			t.Errorf("%s has nobody's name on it", s.Slug)
		}
	}
	t.Logf("stories by section: %v, %d in Arabic, %d of the last day", count, arabic, recent)
	if n := len(shipped(t)); n < 48 || arabic < 10 || recent*2 < n {
		t.Errorf("%d stories, %d in Arabic, %d of the last day", n, arabic, recent)
	}
	for _, s := range Sections() {
		if count[s.ID] < 5 {
			t.Errorf("section %s has %d stories", s.ID, count[s.ID])
		}
	}
}

func TestParseStoriesSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ name, file, in, want string }{
		{"key", "world.yaml", "- slugg: a\n", "slugg"},
		{"slug", "world.yaml", "- {slug: A B, ago: 1h, headline: h, lead: l, text: t}\n", "slug must be"},
		{"empty", "world.yaml", "- {slug: a, ago: 1h, headline: h, lead: l}\n", "are required"},
		{"ago", "world.yaml", "- {slug: a, ago: 49h, headline: h, lead: l, text: t}\n", `ago is "49h"`},
		{"later", "world.yaml", "- {slug: a, ago: 1h, headline: h, lead: l, text: t, later: {ago: 2h}}\n", "later.ago"},
		{"scene", "world.yaml", "- {slug: a, ago: 1h, headline: h, lead: l, text: t, picture: {scene: moon, alt: a}}\n", "scene such as"},
		{"section", "wold.yaml", "- {slug: a, ago: 1h, headline: h, lead: l, text: t}\n", `unknown section "wold"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parseStories([]byte(c.in), c.file)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.file) {
				t.Errorf("got %v, want file and %q", err, c.want)
			}
		})
	}
}

func TestStoryAt(t *testing.T) {
	end := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	s := Story{Ago: 3 * time.Hour, Headline: "old", Lead: "lead", Later: &Later{Ago: time.Hour, Headline: "new"}}
	if _, _, _, ok := s.At(end, end.Add(-3*time.Hour-time.Second)); ok {
		t.Error("shown before its hour")
	}
	got, published, updated, ok := s.At(end, end.Add(-3*time.Hour))
	if !ok || got.Headline != "old" || !updated.IsZero() || !published.Equal(end.Add(-3*time.Hour)) {
		t.Errorf("at its hour: %v %v %v %v", got, published, updated, ok)
	}
	got, _, updated, _ = s.At(end, end)
	if got.Headline != "new" || got.Lead != "lead" || !updated.Equal(end.Add(-time.Hour)) {
		t.Errorf("later: %v %v", got, updated)
	}
}
