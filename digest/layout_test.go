package digest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"broadsheet/schedule"
	"broadsheet/stories"
	"broadsheet/templates"
)

var linkTo = regexp.MustCompile(`https://news\.meridian\.example/l/[A-Za-z0-9_-]+`)

// TestTwin: HTML and text show the same stories in the same order and number, and the same links.
func TestTwin(t *testing.T) {
	for name, make := range map[string]func() (shelf, *Selection){"morning": morning, "arabic": arabic, "hostile": hostile} {
		t.Run(name, func(t *testing.T) {
			raw, d := compose(t, make)
			m := read(t, raw)
			html, text := linkTo.FindAllString(string(m.html), -1), linkTo.FindAllString(string(m.text), -1)
			if len(html) < len(d.Items)+8 || strings.Join(html, "\n") != strings.Join(text, "\n") {
				t.Errorf("links differ:\nhtml %d %q\ntext %d %q", len(html), html, len(text), text)
			}
			all := regexp.MustCompile(`href="[^"]*"`).FindAllString(string(m.html), -1)
			if len(all) != len(html) {
				t.Errorf("%d links, but %d are ours: %q", len(all), len(html), all)
			}
			for n := range d.Items {
				number := samplePress(t, sampleConfig(), sampleEdition()).set.Words(d.Language).Number(n + 1)
				if !strings.Contains(string(m.html), ">"+number+"</span>&ensp;") || !regexp.MustCompile(`(?m)^\W*`+number+`\. `).Match(m.text) {
					t.Errorf("story %s is not numbered in both parts", number)
				}
			}
		})
	}
}

// TestSafeHTML: nothing of a story becomes markup, and html/template found no place unsafe.
func TestSafeHTML(t *testing.T) {
	raw, d := compose(t, hostile)
	html := string(read(t, raw).html)
	for _, bad := range []string{"ZgotmplZ", "<script", "onerror=alert(1)>.<", "javascript:", "<i>x", "<b>Bold", "\u202e"} {
		if strings.Contains(html, bad) {
			t.Errorf("the HTML holds %q", bad)
		}
	}
	for _, want := range []string{"&lt;script&gt;alert(1)&lt;/script&gt;", "{{.}} $1 ${x} %s %0a", "👩‍👩‍👧‍👦🏳️‍🌈 families"} {
		if !strings.Contains(html, want) {
			t.Errorf("the HTML lacks %q", want)
		}
	}
	if len(d.Items) != 8 {
		t.Errorf("%d stories", len(d.Items))
	}
	for _, golden := range []string{"morning", "arabic", "hostile"} {
		b, err := os.ReadFile(filepath.Join("testdata", golden+".html"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "ZgotmplZ") || bytes.ContainsAny(b, "\x00\x01\x02") {
			t.Errorf("%s.html holds what it should not", golden)
		}
	}
}

// big is a selection far beyond what fits.
func big(sections, perSection int, story func(n int) stories.Story) (*schedule.Config, func() (shelf, *Selection)) {
	c := sampleConfig()
	c.Sections = nil
	for n := range sections {
		c.Sections = append(c.Sections, schedule.Section{ID: fmt.Sprintf("section-%d", n), Name: strings.Repeat("<&>", 30) + strconv.Itoa(n)})
	}
	return c, func() (shelf, *Selection) {
		s, sel := shelf{}, &Selection{Language: "en", Zone: "Asia/Kathmandu"}
		for n := range sections {
			p := Picked{Section: c.Sections[n].ID, More: n % 3}
			for k := range perSection {
				p.Stories = append(p.Stories, s.put(story(n*perSection+k)))
			}
			sel.Sections = append(sel.Sections, p)
		}
		return s, sel
	}
}

func arabicTitle(n int) stories.Story {
	return stories.Story{Language: "ar", Headline: strings.Repeat("عنوان طويل جدًا ", 19) + strconv.Itoa(n), Authors: []string{strings.Repeat("&", 100)},
		Lead: strings.Repeat("جملة طويلة لا تنتهي ", 40), Published: ago(time.Duration(n) * time.Hour), Updated: ago(0), Words: 100000,
		Image: &stories.Image{URL: "https://img.meridian.example/" + strings.Repeat("a&", 700), Alt: strings.Repeat("'", 300)}}
}

// TestUnderTheLimit: however much is chosen, the HTML stays under the limit with the longest
// address and tokens, the counts stay true and the way out is in it.
func TestUnderTheLimit(t *testing.T) {
	for _, tc := range []struct {
		sections, each int
		language       string
	}{{40, 13, "en"}, {1, 500, "ar"}, {300, 1, "en"}, {20, 1, "ar"}, {20, 1, "en"}, {3, 4, "ar"}, {6, 3, "en"}, {10, 2, "ar"}} {
		t.Run(fmt.Sprintf("%dx%d %s", tc.sections, tc.each, tc.language), func(t *testing.T) {
			c, make := big(tc.sections, tc.each, arabicTitle)
			s, sel := make()
			sel.Language = tc.language
			d, err := samplePress(t, c, sampleEdition()).Layout(t.Context(), sampleIssue(), sel, s.story)
			if err != nil {
				t.Fatal(err)
			}
			if d.HTMLSize > MaxHTML {
				t.Errorf("%d octets, more than %d", d.HTMLSize, MaxHTML)
			}
			del, issue := sampleDelivery(), sampleIssue()
			del.Address = strings.Repeat("'", 64) + "@" + strings.Repeat("a.", 90) + "example"
			del.Subscriber, del.Slot, issue.EditionID = 1<<62, 1<<62, 1<<62
			m, err := NewComposer(nil, sampleKeys(t), "meridian.example").Message(d, issue, del, nil)
			if err != nil {
				t.Fatal(err)
			}
			mail := read(t, m.Body)
			if len(mail.html) > d.HTMLSize || len(mail.html) > MaxHTML {
				t.Errorf("the HTML part has %d octets, promised were %d", len(mail.html), d.HTMLSize)
			}
			if slack := d.HTMLSize - len(mail.html); slack > 4<<10+len(d.Items)*40 {
				t.Errorf("HTMLSize is %d octets too high", slack)
			}
			if !bytes.Contains(mail.html, []byte("14 Quay Street")) || !bytes.HasSuffix(bytes.TrimSpace(mail.html), []byte("</html>")) {
				t.Error("the tail is not whole")
			}
			checkCounts(t, sel, d, samplePress(t, c, sampleEdition()), string(mail.text))
		})
	}
}

// checkCounts: for each section shown, stories shown and "N more" come to what was chosen and left.
func checkCounts(t *testing.T, sel *Selection, d *Digest, p *Press, text string) {
	t.Helper()
	shown := map[string]int{}
	for _, it := range d.Items {
		shown[it.Section]++
	}
	var order []Item
	for _, s := range sel.Sections {
		for _, pick := range s.Stories {
			order = append(order, Item{Story: pick.Story, Revision: pick.Revision, Section: s.Section})
		}
		if shown[s.Section] == 0 {
			continue
		}
		w := p.set.Words(d.Language)
		if more := s.More + len(s.Stories) - shown[s.Section]; more > 0 {
			line := w.Count(w.More, more, "section", isolate(p.section(s.Section), w.RTL()))
			if !strings.Contains(text, line+":") {
				t.Errorf("section %s does not say %q", s.Section, line)
			}
		}
	}
	for n, it := range d.Items {
		it.Role = ""
		if it != order[n] {
			t.Errorf("item %d is %+v, chosen was %+v", n, it, order[n])
		}
	}
	if len(d.Items) == 0 {
		t.Error("no story is left")
	}
}

// TestWhatGoesFirst: pictures go before summaries, summaries before stories, from the end on.
func TestWhatGoesFirst(t *testing.T) {
	rank := map[Role]int{Lead: 0, Card: 0, Plain: 1, Headline: 2}
	seen := map[Role]bool{}
	c, make := big(1, 120, arabicTitle)
	s, sel := make()
	p, all := samplePress(t, c, sampleEdition()), sel.Sections[0].Stories
	for n := 2; n <= len(all); n += 3 {
		sel.Sections[0].Stories = all[:n]
		d, err := p.Layout(t.Context(), sampleIssue(), sel, s.story)
		if err != nil {
			t.Fatal(err)
		}
		last := 0
		for i, it := range d.Items {
			seen[it.Role] = true
			if r := rank[it.Role]; r < last {
				t.Fatalf("%d stories: story %d is %s after a smaller one", n, i, it.Role)
			} else {
				last = r
			}
		}
		first, end := rank[d.Items[0].Role], rank[d.Items[len(d.Items)-1].Role]
		if end-first > 1 {
			t.Errorf("%d stories: from %s to %s", n, d.Items[0].Role, d.Items[len(d.Items)-1].Role)
		}
		if len(d.Items) < n && first != 2 {
			t.Errorf("%d stories: %d are left and the first is %s", n, len(d.Items), d.Items[0].Role)
		}
	}
	for _, r := range []Role{Lead, Card, Plain, Headline} {
		if !seen[r] {
			t.Errorf("no digest had a %s", r)
		}
	}
}

// TestBrokenTemplate: a story that cannot be laid out is named, so that everybody gets the rest.
func TestBrokenTemplate(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "story-card.html"), []byte(`{{if eq .Headline "Minister drops the ferry levy"}}{{index .Meta 99}}{{end}}{{.Headline}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	set, err := templates.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPress(sampleConfig(), sampleEdition(), set)
	if err != nil {
		t.Fatal(err)
	}
	s, sel := morning()
	_, err = p.Layout(t.Context(), sampleIssue(), sel, s.story)
	bad, ok := errors.AsType[*StoryError](err)
	if !ok || bad.Revision != sel.Sections[0].Stories[1].Revision {
		t.Fatalf("got %v", err)
	}
	sel.Sections[0].Stories = append(sel.Sections[0].Stories[:1:1], sel.Sections[0].Stories[2:]...)
	if _, err := p.Layout(t.Context(), sampleIssue(), sel, s.story); err != nil {
		t.Error(err)
	}
}

// TestProof: a template that asks for what is not there is found when the press is made.
func TestProof(t *testing.T) {
	for _, name := range []string{"head.html", "head.txt", "section-head.html", "section-foot.txt", "story-lead.html", "story-card.txt",
		"story-plain.html", "story-headline.html", "story-headline.txt", "meta.html", "contents.html", "tail.html", "tail.txt"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("{{.Nonsense}}"), 0o644); err != nil {
			t.Fatal(err)
		}
		set, err := templates.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		_, err = NewPress(sampleConfig(), sampleEdition(), set)
		if err == nil || !strings.Contains(err.Error(), "Nonsense") || !strings.Contains(err.Error(), strings.TrimSuffix(name, filepath.Ext(name))) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestEmptyStory(t *testing.T) {
	s, sel := shelf{}, &Selection{Language: "en", Zone: "UTC"}
	sel.Sections = []Picked{{Section: "politics", Stories: []Pick{s.put(stories.Story{})}}}
	_, err := samplePress(t, sampleConfig(), sampleEdition()).Layout(t.Context(), sampleIssue(), sel, s.story)
	if _, ok := errors.AsType[*StoryError](err); !ok {
		t.Errorf("got %v", err)
	}
}

// TestFragmentsAreShared: two digests with a story in common share its fragment, each begins and
// ends at a line start, and a second layout makes no new ones.
func TestFragmentsAreShared(t *testing.T) {
	p := samplePress(t, sampleConfig(), sampleEdition())
	one, two := laidOut(t, p, morning), laidOut(t, p, morning)
	s, sel := morning()
	sel.Sections, sel.Zone = sel.Sections[:2], "Asia/Dubai"
	three, err := p.Layout(t.Context(), sampleIssue(), sel, s.story)
	if err != nil {
		t.Fatal(err)
	}
	known := map[*Fragment]bool{}
	for n := range one.Pieces {
		known[one.Pieces[n].Fragment] = true
		if one.Pieces[n].Fragment != two.Pieces[n].Fragment {
			t.Errorf("piece %d was made twice", n)
		}
		if b := one.Pieces[n].Fragment.Body; !bytes.HasSuffix(b, []byte("\r\n")) {
			t.Errorf("piece %d does not end a line: %q", n, b)
		}
	}
	var fresh []int
	for n, piece := range three.Pieces {
		if !known[piece.Fragment] {
			fresh = append(fresh, n)
		}
	}
	if len(fresh) != 2 { // its contents name fewer sections
		t.Errorf("pieces %d of the third are new", fresh)
	}
}

func TestOwnSubject(t *testing.T) {
	e := sampleEdition()
	e.Subject = "{{.Edition}}: {{.Headline}} ({{.Stories}})\r\nBcc: x"
	s, sel := morning()
	d, err := samplePress(t, sampleConfig(), e).Layout(t.Context(), sampleIssue(), sel, s.story)
	if err != nil {
		t.Fatal(err)
	}
	if want := "Morning Edition: Coastal towns win a say over the harbour plan after a night… (8) Bcc: x"; d.Subject != want {
		t.Errorf("got %q, want %q", d.Subject, want)
	}
	set, err := templates.Load("")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"{{.Nonsense}}", "{{"} {
		e.Subject = bad
		if _, err := NewPress(sampleConfig(), e, set); err == nil || !strings.Contains(err.Error(), "subject of edition morning") {
			t.Errorf("subject %q: got %v", bad, err)
		}
	}
}
