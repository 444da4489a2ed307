package stories

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

const samplePage = `EVERY TIDE HAS ITS HOUR

Abu Dhabi

London

Sat, 14 Sep 2030 10:39 GMT

Harbour master finds the lost bell

Port Life

Tidewire Cairo - Reuters, Agencies

Thu, 15 Aug 2030 06:21 GMT

The bell that hung over the old quay for two hundred years was found on Monday by the harbour master, who had been looking for a boot.

A Long Search

"No comment."

.hidden beginnings and From lines are text as any other, and the price of $500 stays what it is.

Asia Middle East United Kingdom`

func TestPage(t *testing.T) {
	s, err := ParsePage([]byte(samplePage), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(s.Masthead, s.EditionCities, s.PageClock.Format("|01-02 15:04|"), s.Headline, "|", s.SectionRaw, "|", s.Byline, "|", s.Desk, "|", s.City, s.Agencies,
		s.Published.Format("|01-02 15:04|"), s.Crossheads, s.Tags, len(s.Blocks), s.Extra, s.Warnings)
	want := "EVERY TIDE HAS ITS HOUR[Abu Dhabi London]|09-14 10:39|Harbour master finds the lost bell|Port Life|Tidewire Cairo - Reuters, Agencies|Tidewire|Cairo[Reuters Agencies]" +
		"|08-15 06:21|[A Long Search] [Asia Middle East United Kingdom] 4 [] []"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	lossless(t, []byte(samplePage), &s)
}

// TestPageLayouts takes parts of the page away and shapes it otherwise; what is left must stay right.
func TestPageLayouts(t *testing.T) {
	without := func(parts ...string) string {
		s := samplePage
		for _, p := range parts {
			s = strings.Replace(s, p+"\n\n", "", 1)
		}
		return s
	}
	for name, c := range map[string]struct {
		page                     string
		headline, section, field string
		published                bool
	}{
		"no clock":                    {without("Sat, 14 Sep 2030 10:39 GMT"), "Harbour master finds the lost bell", "Port Life", "Tidewire", true},
		"no furniture":                {without("EVERY TIDE HAS ITS HOUR", "Abu Dhabi", "London", "Sat, 14 Sep 2030 10:39 GMT"), "Harbour master finds the lost bell", "Port Life", "Tidewire", true},
		"no section":                  {without("Port Life"), "Harbour master finds the lost bell", "", "Tidewire", true},
		"no byline":                   {without("Tidewire Cairo - Reuters, Agencies"), "Harbour master finds the lost bell", "Port Life", "", true},
		"headline alone":              {without("Port Life", "Tidewire Cairo - Reuters, Agencies"), "Harbour master finds the lost bell", "", "", true},
		"no story time":               {without("Thu, 15 Aug 2030 06:21 GMT"), "Harbour master finds the lost bell", "Port Life", "Tidewire", false},
		"no time at all":              {without("Thu, 15 Aug 2030 06:21 GMT", "Sat, 14 Sep 2030 10:39 GMT"), "Harbour master finds the lost bell", "Port Life", "Tidewire", false},
		"a question, no story time":   {strings.Replace(without("Thu, 15 Aug 2030 06:21 GMT"), "the lost bell", "the bell?", 1), "Harbour master finds the bell?", "Port Life", "Tidewire", false},
		"unknown city":                {strings.Replace(samplePage, "Tidewire Cairo", "Tidewire Staff Lower Quay", 1), "Harbour master finds the lost bell", "Port Life", "Tidewire Staff", true},
		"nothing known in the byline": {strings.Replace(without("Port Life"), "Tidewire Cairo - Reuters, Agencies", "Tidewire Quay - The Buoy", 1), "Harbour master finds the lost bell", "", "Tidewire", true},
		"time in the text":            {strings.Replace(samplePage, "A Long Search", "Wed, 24 Apr 2030 17:44 GMT", 1), "Harbour master finds the lost bell", "Port Life", "Tidewire", true},
		"single newlines":             {strings.ReplaceAll(samplePage, "\n\n", "\n"), "Harbour master finds the lost bell", "Port Life", "Tidewire", true},
		"CRLF, BOM":                   {"\ufeff" + strings.ReplaceAll(samplePage, "\n", "\r\n"), "Harbour master finds the lost bell", "Port Life", "Tidewire", true},
		"wide spaces":                 {strings.ReplaceAll(samplePage, "Aug 2030 ", "Aug\u00a02030 \u00a0"), "Harbour master finds the lost bell", "Port Life", "Tidewire", true},
		"tight head":                  {strings.Replace(samplePage, "bell\n\nPort Life\n\nTidewire", "bell\nPort Life\nTidewire", 1), "Harbour master finds the lost bell", "Port Life", "Tidewire", true},
		"known section":               {strings.Replace(samplePage, "Port Life", "Life in and around the port", 1), "Harbour master finds the lost bell", "Life in and around the port", "Tidewire", true},
		"capitals": {strings.Replace(without("EVERY TIDE HAS ITS HOUR", "Abu Dhabi", "London", "Sat, 14 Sep 2030 10:39 GMT"), "Harbour master finds the lost bell", "LOST BELL FOUND", 1),
			"LOST BELL FOUND", "Port Life", "Tidewire", true},
		"offset": {strings.ReplaceAll(samplePage, "06:21 GMT", "10:21 +0400"), "Harbour master finds the lost bell", "Port Life", "Tidewire", true},
	} {
		s, err := ParsePage([]byte(c.page), []string{"Life in and around the port"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		lossless(t, []byte(c.page), &s)
		if s.Headline != c.headline || s.SectionRaw != c.section || s.Desk != c.field || s.Published.IsZero() == c.published {
			t.Errorf("%s: headline %q, section %q, desk %q, published %v, extra %q", name, s.Headline, s.SectionRaw, s.Desk, s.Published, s.Extra)
		}
		if c.published && !s.Published.Equal(time.Date(2030, 8, 15, 6, 21, 0, 0, time.UTC)) {
			t.Errorf("%s: published %v", name, s.Published)
		}
		if len(s.Tags) != 3 || len(s.Blocks) < 4 || !strings.HasPrefix(s.Lead, "The bell") {
			t.Errorf("%s: tags %q, lead %q", name, s.Tags, s.Lead)
		}
	}
}

func TestCrosshead(t *testing.T) {
	for _, s := range []string{"A Long Search", "Brexit", "9/11", "1945 and After", "“Unfit for Office”", "iPhone Sales", "$500 Question", "Élan", "U.S. Response"} {
		if !isCrosshead(s) {
			t.Errorf("%q is no crosshead", s)
		}
	}
	for _, s := range []string{`"No comment."`, "“Why now?”", "$500.", "$500", "and so on", "They said:", ".hidden", "— Ada Quay", "One two three four five six seven eight nine", ""} {
		if isCrosshead(s) {
			t.Errorf("%q is a crosshead", s)
		}
	}
}

// TestTimeIsNoCrosshead: a line that is a time is text wherever it stands below the head, even in the last place.
func TestTimeIsNoCrosshead(t *testing.T) {
	const line = "Wed, 24 Apr 2030 17:44 GMT"
	for _, page := range []string{strings.Replace(samplePage, "A Long Search", line, 1), strings.Replace(samplePage, "Asia Middle East United Kingdom", line, 1)} {
		s, err := ParsePage([]byte(page), nil)
		if err != nil || !slices.Contains(s.Blocks, Block{"p", line}) {
			t.Errorf("%v %+v", err, s.Blocks)
		}
	}
}

func TestTagLine(t *testing.T) {
	for _, s := range []string{"Asia Russia", "Harbours", "Tide Bell Quay Asia Middle East Lost Property Boots Brass Museum United Kingdom", "House of Bells Asia"} {
		if !isTagLine(s) {
			t.Errorf("%q is no line of tags", s)
		}
	}
	for _, s := range []string{"Additional reporting by Ada Quay", "Asia waits.", "It rained in London", "“No.”", strings.Repeat("Asia ", 99)} {
		if isTagLine(s) {
			t.Errorf("%q is a line of tags", s)
		}
	}
}

func TestPlaces(t *testing.T) {
	for _, s := range []string{"St Petersburg", "St. Petersburg", "Sana'a", "Sanaa", "São Paulo", "SAO PAULO", "Ras al-Khaimah", "Port-au-Prince", "Middle East"} {
		if !isPlace(s) {
			t.Errorf("%q is no place", s)
		}
	}
	for _, s := range []string{"", "nice", "Tidewire", "The quay"} {
		if isPlace(s) {
			t.Errorf("%q is a place", s)
		}
	}
}

func TestAnchor(t *testing.T) {
	for _, s := range []string{"Thu, 15 Aug 2019 06:21 BST", "Thu, 15 Aug 2019 06:21", "on Thu, 15 Aug 2019 06:21 GMT", "Thu, 31 Feb 2019 06:21 GMT", "15 Aug 2019 26:21 GMT", "Thu, 15 Foo 2019 06:21 GMT"} {
		if at, _, ok := anchor(s); ok {
			t.Errorf("%q is taken for %v", s, at)
		}
	}
	for s, odd := range map[string]bool{"Thu, 15 Aug 2019 06:21 GMT": false, "Fri, 15 Aug 2019 06:21 UTC": true, "Thu, 15 Aug 2019 10:21:00 +04:00": false, "15 August 2019 06:21 Z": false} {
		at, got, ok := anchor(s)
		if !ok || got != odd || !at.Equal(time.Date(2019, 8, 15, 6, 21, 0, 0, time.UTC)) {
			t.Errorf("%q: %v, odd %v, %v", s, at, got, ok)
		}
	}
}

// TestNoBlockIsLost shuffles, drops and doubles the blocks of pages; every one must be found again.
func TestNoBlockIsLost(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	pool := append(strings.Split(samplePage, "\n\n"), "Cairo", "\u200fالشرق الأوسط مصر", "By Ada Quay, London - AP", "a\tb", "WHAT", strings.Repeat("long ", 2000)+".",
		"Wed, 24 Apr 2030 17:44 GMT", "e\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301", "one\ntwo\nthree", "\u00a0", "x")
	for range 2000 {
		var parts []string
		for range 1 + r.IntN(14) {
			parts = append(parts, pool[r.IntN(len(pool))])
		}
		page := strings.Join(parts, []string{"\n", "\n\n", "\r\n\r\n", "\n \n\n"}[r.IntN(4)])
		s, err := ParsePage([]byte(page), []string{"Port Life"})
		if err != nil {
			if strings.TrimSpace(strings.ReplaceAll(page, "\u00a0", "")) != "" {
				t.Fatalf("%q: %v", page, err)
			}
			continue
		}
		lossless(t, []byte(page), &s)
		if t.Failed() {
			t.Fatalf("in %q:\n%+v", page, s)
		}
	}
}

func FuzzParsePage(f *testing.F) {
	f.Add([]byte(samplePage))
	f.Add([]byte("\xff\xfeA\x00\n\x00"))
	f.Add([]byte("A\n\nThu, 15 Aug 2030 06:21 GMT"))
	f.Fuzz(func(t *testing.T, page []byte) {
		s, err := ParsePage(page, []string{"World"})
		if err != nil {
			return
		}
		lossless(t, page, &s)
		for _, x := range []string{s.Headline, s.SectionRaw, s.Byline, s.Masthead, s.Desk, s.City} {
			oneLine(t, "field", x)
		}
		if len(Keys(&s)) == 0 {
			t.Error("no key")
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(smallFeed))
	f.Add([]byte(`<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>tag:x.example,2030:1</id><title type="html">&lt;b&gt;a</title><link href="a"/><updated>2030-01-02T03:04:05Z</updated></entry></feed>`))
	f.Add([]byte(`{"version":"https://jsonfeed.org/version/1.1","items":[{"id":1,"title":"a","content_html":"<p>x"}]}`))
	f.Add([]byte("<!DOCTYPE rss [<!ENTITY a \"b\">]><rdf:RDF><item><title>&a;</title></item>"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		list, _, err := Parse(doc, "", "https://x.example/feed")
		if err != nil {
			if strings.Contains(err.Error(), "gave up") {
				t.Error(err)
			}
			return
		}
		for i := range list {
			s := &list[i]
			for _, x := range []string{s.Headline, s.Byline, s.Lead, s.GUID, s.PublishedRaw, s.URL} {
				oneLine(t, "field", x)
			}
			if len(Keys(s)) == 0 || len(s.Hash()) != 32 {
				t.Error("no key")
			}
		}
	})
}
