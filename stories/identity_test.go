package stories

import (
	"path/filepath"
	"testing"
	"time"
)

func TestCanonical(t *testing.T) {
	for _, c := range []struct{ a, b string }{
		{"HTTP://News.Example:80/a/b/?utm_source=rss&b=2&a=1#top", "https://news.example/a/b?a=1&b=2"},
		{"https://news.example/a/?fbclid=x&gclid=y&mc_cid=z", "https://news.example/a"},
		{"https://news.example/a?source=rss-103cb4------2", "https://news.example/a"},
		{"https://news.example/%7Euser/caf%c3%a9", "https://news.example/~user/café"},
		{"https://news.example", "https://news.example/"},
		{"https://news.example./a", "https://news.example/a"},
		{"https://news.example/a?x=1&amp=1", "https://news.example/a?x=1"},
		{"https://news.example/a?&&x=1&", "https://news.example/a?x=1"},
	} {
		if Canonical(c.a) != Canonical(c.b) || Canonical(c.a) == "" {
			t.Errorf("%s → %s\n%s → %s", c.a, Canonical(c.a), c.b, Canonical(c.b))
		}
		if again := Canonical(Canonical(c.a)); again != Canonical(c.a) {
			t.Errorf("%s is not stable: %s", c.a, again)
		}
	}
	for _, c := range []struct{ a, b string }{
		{"https://news.example/a?id=1", "https://news.example/a?id=2"},
		{"https://news.example/a?source=senate", "https://news.example/a"},
		{"https://news.example/A", "https://news.example/a"},
		{"https://news.example:8443/a", "https://news.example/a"},
		{"https://news.example/#!/a", "https://news.example/#!/b"},
		{"https://news.example/a%2Fb?x=a%26y=1", "https://news.example/a%2Fb?x=a&y=1"},
	} {
		if Canonical(c.a) == Canonical(c.b) {
			t.Errorf("%s and %s are both %s", c.a, c.b, Canonical(c.a))
		}
	}
	for _, s := range []string{"", "news", "/a", "mailto:a@b.example", "javascript:alert(1)", "https://", "https://u:p@news.example/", "://", "http://[::1"} {
		if got := Canonical(s); got != "" {
			t.Errorf("%q has the canonical form %q", s, got)
		}
	}
}

// same says whether two sightings a given time apart are one story.
func sameStory(a, b Story, apart time.Duration) bool {
	for _, x := range Keys(&a) {
		for _, y := range Keys(&b) {
			if x.Value == y.Value && (x.Window == 0 || apart <= x.Window) {
				return true
			}
		}
	}
	return false
}

func TestKeys(t *testing.T) {
	s := func(source, guid, url, title string) Story {
		return Story{Source: source, GUID: guid, URL: url, Canonical: Canonical(url), Headline: title}
	}
	page := func(clock, at int, title string) Story {
		return Story{Scope: pageScope, Headline: title, PageClock: time.Unix(int64(clock), 0), Published: time.Unix(int64(at), 0), Source: string(rune('a' + clock))}
	}
	const hour = time.Hour
	for _, c := range []struct {
		name  string
		a, b  Story
		apart time.Duration
		want  bool
	}{
		{"same GUID, same feed, all else new", s("f", "1", "https://x.example/a", "A"), s("f", "1", "https://x.example/b", "B"), 900 * hour, true},
		{"same plain GUID, other feed", s("f", "1", "", "A"), s("g", "1", "", "A"), hour, false},
		{"same URL GUID, other feed", s("f", "https://x.example/?p=1", "", "A"), s("g", "https://x.example/?p=1", "", "B"), 900 * hour, true},
		{"same tag URI, other feed", s("f", "tag:x.example,2030:1", "", "A"), s("g", "tag:x.example,2030:1", "", "B"), hour, true},
		{"a bare home page as GUID, other feed", s("f", "https://x.example/", "", "A"), s("g", "https://x.example/", "", "B"), hour, false},
		{"same URL but for tracking, other feed and GUID", s("f", "1", "https://x.example/a?utm_source=rss", "A"), s("g", "2", "http://x.example/a/", "B"), 900 * hour, true},
		{"title alone, same feed, a day", s("f", "", "", "A  b’s"), s("f", "", "", "a b's"), 24 * hour, true},
		{"title alone, same feed, three days", s("f", "", "", "A"), s("f", "", "", "A"), 72 * hour, false},
		{"title and text, same feed, three days", Story{Headline: "A", Lead: "One", Source: "f"}, Story{Headline: "A", Lead: "One", Source: "f"}, 72 * hour, true},
		{"title and date, same feed, three days", Story{Headline: "A", PublishedRaw: "x", Source: "f"}, Story{Headline: "A", PublishedRaw: "y", Source: "f"}, 72 * hour, false},
		{"title alone, other feed", s("f", "", "", "A"), s("g", "", "", "A"), hour, false},
		{"same title with different GUIDs", s("f", "1", "", "Weather"), s("f", "2", "", "Weather"), hour, false},
		{"same page, new clock", page(1, 1000, "Tide turns"), page(2, 1000, "Tide turns"), 900 * hour, true},
		{"same headline, other day", page(1, 1000, "Tide turns"), page(1, 90000, "Tide turns"), hour, false},
		{"nothing but the same text", Story{Lead: "One two"}, Story{Lead: "one  two", Source: "elsewhere"}, 900 * hour, true},
		{"nothing but other text", Story{Lead: "One two"}, Story{Lead: "One three"}, hour, false},
	} {
		if got := sameStory(c.a, c.b, c.apart); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestHashIsAboutWording(t *testing.T) {
	a := Story{Headline: "Tide turns", Lead: "It “did”.", URL: "https://x.example/a", Published: time.Unix(1, 0), Image: &Image{URL: "https://x.example/1.jpg"}}
	b := a
	b.Lead, b.URL, b.Published, b.Image, b.PublishedRaw = "It  \"did\".", "https://x.example/a?utm_source=x", time.Unix(9, 0), nil, "later"
	if a.Hash() != b.Hash() {
		t.Error("noise counts as new wording")
	}
	b.Lead = "It did not."
	if a.Hash() == b.Hash() {
		t.Error("new wording goes unnoticed")
	}
}

// TestSharedLinks: items that differ are different stories even where their links do not.
func TestSharedLinks(t *testing.T) {
	doc := func(items string) []Story {
		list, _, err := Parse([]byte("<rss version='2.0'><channel><link>https://x.example/news</link>"+items+"</channel></rss>"), "", "")
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	for name, c := range map[string]struct {
		items string
		want  int
	}{
		"home page as link":       {"<item><guid>a</guid><link>https://x.example/news/</link></item><item><guid>b</guid><link>https://x.example/news</link></item>", 2},
		"bare host as link":       {"<item><title>a</title><link>https://y.example/</link></item><item><title>b</title><link>https://y.example</link></item>", 2},
		"own GUIDs, shared link":  {"<item><guid>a</guid><link>https://x.example/live</link></item><item><guid>b</guid><link>https://x.example/live</link></item>", 2},
		"no GUIDs, other titles":  {"<item><title>a</title><link>https://x.example/live</link></item><item><title>b</title><link>https://x.example/live</link></item>", 2},
		"no GUIDs, same title":    {"<item><title>a</title><link>https://x.example/1</link></item><item><title>a</title><link>https://x.example/1?utm_medium=rss</link></item>", 1},
		"one GUID for all":        {"<item><title>a</title><guid>x</guid><link>https://x.example/1</link></item><item><title>b</title><guid>x</guid><link>https://x.example/2</link></item>", 2},
		"home page as GUID":       {"<item><title>a</title><guid>https://x.example/news</guid></item><item><title>b</title><guid>https://x.example/news</guid></item>", 2},
		"one GUID, links alone":   {"<item><guid>x</guid><link>https://x.example/1</link></item><item><guid>x</guid><link>https://x.example/2</link></item>", 2},
		"other texts, no titles":  {"<item><description>a</description><link>https://x.example/1</link></item><item><description>b</description><link>https://x.example/1</link></item>", 2},
		"the same item twice":     {"<item><guid>a</guid><link>https://x.example/1</link></item><item><guid>a</guid><link>https://x.example/1</link></item>", 1},
		"three different stories": {"<item><title>a</title></item><item><title>b</title></item><item><title>c</title><link>https://x.example/1</link></item>", 3},
	} {
		m := newMemory()
		added, _ := m.AddStories(t.Context(), doc(c.items), time.Now())
		if added.New != c.want {
			t.Errorf("%s: %d stories, want %d", name, added.New, c.want)
		}
	}
}

// TestSharedGUIDOverTime: a feed that gives every item one GUID brings each of them once, however many stand in it.
func TestSharedGUIDOverTime(t *testing.T) {
	m := newMemory()
	now := time.Unix(1e9, 0)
	for i, items := range []string{"a", "ab", "abc", "bc", "c", "ca"} {
		doc := "<rss version='2.0'><channel>"
		for _, n := range items {
			doc += "<item><title>" + string(n) + "</title><guid>x</guid></item>"
		}
		list, _, err := Parse([]byte(doc+"</channel></rss>"), "", "")
		if err != nil {
			t.Fatal(err)
		}
		now = now.Add(100 * time.Hour)
		want := 0
		if i < 3 {
			want = 1
		}
		if a, _ := m.AddStories(t.Context(), distinct(list), now); a.New != want {
			t.Errorf("%s: %d are new, want %d", items, a.New, want)
		}
	}
}

// TestTwoWordingsSideBySide: the later one counts, and reading the document again revises nothing.
func TestTwoWordingsSideBySide(t *testing.T) {
	list := []Story{{GUID: "1", Headline: "new", Published: time.Unix(2, 0), Sections: []string{"a"}}, {GUID: "1", Headline: "old", Published: time.Unix(1, 0), Sections: []string{"b"}}, {GUID: "2"}}
	m := newMemory()
	for range 2 {
		one := distinct(list)
		if len(one) != 2 || one[0].Headline != "new" || len(one[0].Sections) != 2 {
			t.Fatalf("kept %+v", one)
		}
		m.AddStories(t.Context(), one, time.Unix(9, 0))
	}
	if a, _ := m.AddStories(t.Context(), distinct(list), time.Unix(9, 0)); a.Revised != 0 || a.New != 0 {
		t.Errorf("%+v", a)
	}
}

// TestRereading takes every capture in twice, the second time with other dates and tracking, and expects
// nothing new; and the first time one story for every item.
func TestRereading(t *testing.T) {
	files, _ := filepath.Glob(data(t, "feeds", "captures", "*"))
	same, items := 0, 0
	for _, path := range files {
		list, _, err := Parse(read(t, path), "", "https://feeds.example/"+filepath.Base(path))
		if err != nil {
			continue
		}
		for i := range list {
			list[i].Source = path
		}
		m := newMemory()
		now := time.Unix(1e9, 0)
		first, _ := m.AddStories(t.Context(), list, now)
		items += len(list)
		if same += first.New; first.New != len(list) {
			t.Logf("%s: %d stories of %d items", filepath.Base(path), first.New, len(list))
		}
		for i := range list {
			s := &list[i]
			s.Published = s.Published.Add(time.Hour)
			if s.Canonical != "" {
				s.Canonical = Canonical(s.URL + "?utm_source=again")
				if s.Canonical != Canonical(s.URL) {
					s.Canonical = Canonical(s.URL) // its query cannot simply be added to
				}
			}
			if s.GUID != "" && !s.SharedGUID || s.Canonical != "" {
				s.Headline += ", updated"
			}
		}
		if again, _ := m.AddStories(t.Context(), list, now.Add(time.Hour)); again.New != 0 {
			t.Errorf("%s: %d stories are new on the second reading", filepath.Base(path), again.New)
		}
	}
	t.Logf("%d stories of %d items", same, items)
	if items == 0 || same*100 < items*99 {
		t.Error("stories of one document run together")
	}
}
