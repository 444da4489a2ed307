package web_test

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"broadsheet/subscribers"
)

// sentWorld has told stories and sent a morning's mail to Ada, who follows world and politics, and
// little of sport.
func sentWorld(t *testing.T, public string) (w *world, ada *subscribers.Subscriber, links map[subscribers.Kind][]string) {
	t.Helper()
	w = newWorld(t, public)
	ada = w.reader("ada.lovelace@quill.example")
	w.tell("world", "Lanterns return to the harbour wall", "Ferry keeper counts nine moons", "Bakers trade ovens at dawn", "Snow falls upward in Vesper",
		"Glass bridge sings in wind", "Old maps found in biscuit tin", "Clockmaker stops at noon", "Orchard walks two streets north", "Fog sold by the jar",
		"Whale waits for green light", "Kites banned from opera", "Postman reads tea leaves", "Lighthouse moves inland", "Rain measured in spoons")
	w.tell("sport", "Rowers finish in a tie", "Chess club wins relay", "Goalkeeper learns to knit")
	w.tell("culture", "Museum of doors opens")
	w.tell("politics", "Council votes by candle")
	w.pass(time.Hour)
	mails := w.send("morning")
	return w, ada, w.links(mails[ada.ID])
}

// givesNothingAway: no name, no address, no token.
func givesNothingAway(t *testing.T, what, page string) {
	t.Helper()
	for _, no := range []string{"/l/", "lovelace", "Ada", "quill.example"} {
		if strings.Contains(page, no) {
			t.Errorf("%s holds %q", what, no)
		}
	}
}

func TestInBrowser(t *testing.T) {
	w, _, links := sentWorld(t, "https://tidewater.example")
	before := w.dump()
	resp, body := w.get(links[subscribers.ViewInBrowser][0])
	for _, text := range []string{"Council votes by candle", `href="https://tidewater.example/story/`, `src="https://pictures.tidewater.example/`, "The Morning", `href="/e/morning/archive"`} {
		if !strings.Contains(body, text) {
			t.Errorf("the page lacks %q", text)
		}
	}
	givesNothingAway(t, "the page", body)
	wantGuarded(t, "view", resp.Header)
	csp := resp.Header.Get("Content-Security-Policy")
	if !regexp.MustCompile(`style-src 'sha256-[^']+'; script-src 'self'; img-src 'self' https:`).MatchString(csp) || strings.Contains(body, " style=") {
		t.Errorf("policy %q, or inline styles", csp)
	}
	if resp, _ := w.ask("POST", links[subscribers.ViewInBrowser][0], nil); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST gives %d", resp.StatusCode)
	}
	if lines := changed(before, w.dump()); len(lines) > 0 {
		t.Errorf("looking changed %q", lines)
	}
	w.pass(399 * 24 * time.Hour)
	if resp, _ := w.get(links[subscribers.ViewInBrowser][0]); resp.StatusCode != http.StatusOK {
		t.Errorf("after 399 days: %d", resp.StatusCode)
	}
	w.pass(3 * 24 * time.Hour)
	if resp, _ := w.get(links[subscribers.ViewInBrowser][0]); resp.StatusCode != http.StatusGone {
		t.Errorf("after 402 days: %d", resp.StatusCode)
	}
	for _, a := range []subscribers.Action{{Edition: 1, Subscriber: 1}, {Edition: 9, Subscriber: 1}, {Edition: 1, Subscriber: 77}} {
		if resp, _ := w.get(w.link(subscribers.ViewInBrowser, a)); resp.StatusCode != http.StatusNotFound {
			t.Errorf("a mail that never was gives %d", resp.StatusCode)
		}
	}
}

func TestTextInBrowser(t *testing.T) {
	w := newWorld(t, "https://tidewater.example")
	r := w.reader("ada.lovelace@quill.example")
	s := r.Settings
	s.Format = subscribers.Text
	_, err := w.db.ChangeSettings(t.Context(), r.ID, s, "reader", w.now())
	w.must(err)
	w.tell("world", "Lanterns <b>return</b> & stay")
	w.pass(time.Hour)
	links := w.links(w.send("morning")[r.ID])
	_, body := w.get(links[subscribers.ViewInBrowser][0])
	for _, text := range []string{`<pre class="letter"`, "1. Lanterns &lt;b&gt;return&lt;/b&gt; &amp; stay", `<a href="https://tidewater.example/story/1">https://tidewater.example/story/1</a>`} {
		if !strings.Contains(body, text) {
			t.Errorf("the page lacks %q:\n%s", text, body)
		}
	}
	givesNothingAway(t, "the page", body)
}

// TestMore: the rest of a section is exactly what the mail counted.
func TestMore(t *testing.T) {
	w, ada, links := sentWorld(t, "https://tidewater.example")
	_, mail := w.get(links[subscribers.ViewInBrowser][0])
	if len(links[subscribers.SectionMore]) != 2 {
		t.Fatalf("links to more are %q", links[subscribers.SectionMore])
	}
	// What happens later does not change it.
	w.tell("sport", "A late goal")
	_, err := w.db.ChangeSettings(t.Context(), ada.ID, subscribers.NewSettings(ada.Address), "reader", w.now())
	w.must(err)
	for n, path := range links[subscribers.SectionMore] {
		resp, body := w.get(path)
		stories := regexp.MustCompile(`href="(https://tidewater.example/story/\d+)"`).FindAllStringSubmatch(body, -1)
		if want := []int{4, 2}[n]; len(stories) != want || resp.StatusCode != http.StatusOK {
			t.Errorf("link %d gives %d and %d stories, want %d", n, resp.StatusCode, len(stories), want)
		}
		for _, s := range stories {
			if strings.Contains(mail, s[1]+`"`) {
				t.Errorf("%s is in the mail already", s[1])
			}
		}
		givesNothingAway(t, "the rest of a section", body)
	}
}

func TestWhy(t *testing.T) {
	w, ada, links := sentWorld(t, "https://tidewater.example")
	_, err := w.db.ChangeSettings(t.Context(), ada.ID, subscribers.NewSettings(ada.Address), "reader", w.now())
	w.must(err)
	for lang, texts := range map[string][]string{
		"en": {"World", "Politics", "One story at most", "The one story from Sport, of which less was wanted", "New in Politics", "4 found no place", "2 in sections of which less", "1 in sections that were not followed", "Kites banned"},
		"ar": {"الخبر الوحيد من", "أقسام غير متابَعة: ١"},
	} {
		resp, body := w.get(links[subscribers.Why][0] + "?lang=" + lang)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("why gives %d: %s", resp.StatusCode, w.log.String())
		}
		for _, text := range texts {
			if !strings.Contains(strings.NewReplacer("\u2068", "", "\u2069", "").Replace(body), text) {
				t.Errorf("the page in %s lacks %q:\n%s", lang, text, body)
			}
		}
		givesNothingAway(t, "the explanation", body)
	}
}

// TestPastDigests: a reader's own mails, a page at a time, each with a link that works, and nobody else's.
func TestPastDigests(t *testing.T) {
	w, ada, _ := sentWorld(t, "https://tidewater.example")
	other := w.reader("bob@quill.example")
	for day := range 22 {
		w.pass(23 * time.Hour)
		w.tell("world", fmt.Sprintf("Tea%[1]d cake%[1]d jam%[1]d and toast%[1]d", day))
		w.send("morning")
	}
	path := w.link(subscribers.PastDigests, subscribers.Action{Subscriber: ada.ID})
	_, body := w.get(path)
	views := regexp.MustCompile(`href="(/l/[\w-]+)"`).FindAllStringSubmatch(body, -1)
	older := regexp.MustCompile(`href="(\?before=\d+)"`).FindStringSubmatch(body)
	if len(views) != 20 || older == nil || !strings.Contains(body, "Tea21 cake21") {
		t.Fatalf("%d mails, older %q:\n%s", len(views), older, body)
	}
	for _, v := range views {
		if resp, page := w.get(v[1]); resp.StatusCode != http.StatusOK || !strings.Contains(page, "and toast") {
			t.Errorf("%s gives %d", v[1], resp.StatusCode)
		}
	}
	_, body = w.get(path + older[1])
	if n := strings.Count(body, `<a href="/l/`); n != 3 || !strings.Contains(body, "Rain measured in spoons") || strings.Contains(body, "?before=") {
		t.Errorf("the page of older ones has %d mails:\n%s", n, body)
	}
	_, body = w.get(w.link(subscribers.PastDigests, subscribers.Action{Subscriber: other.ID}) + older[1])
	if strings.Contains(body, "Rain measured") {
		t.Error("another reader's mails are shown")
	}
	if resp, _ := w.get(w.link(subscribers.PastDigests, subscribers.Action{Subscriber: 999})); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a reader who is gone: %d", resp.StatusCode)
	}
}

// TestPrivateFeed: made, read, given another address, ended.
func TestPrivateFeed(t *testing.T) {
	w, ada, _ := sentWorld(t, "https://tidewater.example/mail")
	control := w.link(subscribers.FeedAddress, subscribers.Action{Subscriber: ada.ID})
	shown := regexp.MustCompile(`value="https://tidewater\.example/mail(/l/[\w-]+)"`)
	if _, body := w.get(control); shown.MatchString(body) {
		t.Fatal("there is a feed before it was made")
	}
	_, body := w.post(control, "action", "new")
	first := shown.FindStringSubmatch(body)
	if first == nil {
		t.Fatalf("no address:\n%s", body)
	}
	resp, feed := w.get(first[1])
	checkAtom(t, feed)
	if resp.Header.Get("Content-Type") != "application/atom+xml; charset=utf-8" || !strings.Contains(feed, "Council votes by candle") {
		t.Errorf("the feed is %v\n%s", resp.Header, feed)
	}
	for _, no := range []string{"lovelace", "Ada", "quill.example"} {
		if strings.Contains(feed, no) {
			t.Errorf("the feed holds %q", no)
		}
	}
	if a, err := w.keys.Open(strings.TrimPrefix(first[1], "/l/")); err != nil || a.Subscriber != 0 || a.Story == ada.ID {
		t.Errorf("the feed's token is %+v, %v", a, err)
	}
	view := regexp.MustCompile(`https://tidewater\.example/mail(/l/[\w-]+)" *></link>`).FindAllStringSubmatch(feed[strings.Index(feed, "<entry "):], -1)
	if len(view) != 1 {
		t.Fatalf("links are %q", view)
	}
	if resp, page := w.get(view[0][1]); resp.StatusCode != http.StatusOK || !strings.Contains(page, "Council") {
		t.Errorf("the link in the feed gives %d", resp.StatusCode)
	}
	if again, _ := w.ask("GET", first[1], nil, "If-None-Match", resp.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("an unchanged feed gives %d", again.StatusCode)
	}
	if _, body := w.get(control); shown.FindStringSubmatch(body)[1] != first[1] {
		t.Error("the address changed by looking at it")
	}
	_, body = w.post(control, "action", "new")
	second := shown.FindStringSubmatch(body)
	if old, _ := w.get(first[1]); second[1] == first[1] || old.StatusCode != http.StatusGone {
		t.Errorf("the old address gives %d", old.StatusCode)
	}
	_, body = w.post(control, "action", "end")
	if gone, _ := w.get(second[1]); gone.StatusCode != http.StatusGone || shown.MatchString(body) {
		t.Errorf("the ended feed gives %d", gone.StatusCode)
	}
	w.pass(32 * time.Minute)
	if resp, _ := w.get(control); resp.StatusCode != http.StatusGone {
		t.Errorf("after half an hour the control gives %d", resp.StatusCode)
	}
}

// checkAtom looks for what RFC 4287 asks of a feed.
func checkAtom(t *testing.T, feed string) {
	t.Helper()
	type link struct {
		Rel  string `xml:"rel,attr"`
		Href string `xml:"href,attr"`
	}
	var f struct {
		XMLName xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
		ID      string   `xml:"id"`
		Title   string   `xml:"title"`
		Updated string   `xml:"updated"`
		Author  string   `xml:"author>name"`
		Links   []link   `xml:"link"`
		Entries []struct {
			ID      string `xml:"id"`
			Title   string `xml:"title"`
			Updated string `xml:"updated"`
			Links   []link `xml:"link"`
			Content struct {
				Type string `xml:"type,attr"`
				Text string `xml:",chardata"`
			} `xml:"content"`
		} `xml:"entry"`
	}
	if err := xml.Unmarshal([]byte(feed), &f); err != nil {
		t.Fatalf("%v:\n%s", err, feed)
	}
	absolute := func(what, s string) {
		t.Helper()
		if !strings.HasPrefix(s, "https://") {
			t.Errorf("%s is %q", what, s)
		}
	}
	date := func(s string) {
		t.Helper()
		if _, err := time.Parse(time.RFC3339, s); err != nil {
			t.Error(err)
		}
	}
	absolute("id", f.ID)
	date(f.Updated)
	if f.Title == "" || f.Author == "" || len(f.Links) != 2 || f.Links[0].Rel != "self" || len(f.Entries) == 0 {
		t.Errorf("the feed is %+v", f)
	}
	ids := map[string]bool{}
	for _, e := range f.Entries {
		absolute("id", e.ID)
		absolute("link", e.Links[0].Href)
		date(e.Updated)
		if e.Title == "" || ids[e.ID] || e.Content.Type != "html" || !strings.HasPrefix(e.Content.Text, "<ul><li>") {
			t.Errorf("an entry is %+v", e)
		}
		ids[e.ID] = true
	}
}

// TestFeedByMail: the page of past mails, which a forwarded mail leads to, only has the way to the feed mailed.
func TestFeedByMail(t *testing.T) {
	w, ada, _ := sentWorld(t, "https://tidewater.example")
	w.pages.Account = w.db
	path := w.link(subscribers.PastDigests, subscribers.Action{Subscriber: ada.ID})
	for n := range 4 {
		before := w.dump()
		resp, body := w.post(path, "action", "mail-feed")
		notices := 0
		for _, line := range changed(before, w.dump()) {
			if strings.HasPrefix(line, "+ notices ") && strings.Contains(line, " feed ") {
				notices++
			}
			if strings.Contains(line, "private_feeds") {
				t.Errorf("asking for a link made a feed: %s", line)
			}
		}
		if want := min(1, 3-n); resp.StatusCode != http.StatusOK || notices != want {
			t.Errorf("press %d gives %d and %d notices, want %d", n+1, resp.StatusCode, notices, want)
		}
		if strings.Contains(body, "lovelace") {
			t.Error("the answer shows the address")
		}
	}
	if w.kicks != 3 {
		t.Errorf("the postman was called %d times", w.kicks)
	}
}
