package web_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/subscribers"
)

// wantOpen: a page that search engines may find and everybody may keep, under the same policy as any other.
func wantOpen(t *testing.T, path string, h http.Header) {
	t.Helper()
	if h.Get("X-Robots-Tag") != "" || h.Get("Cache-Control") != "public, no-cache" || h.Get("Referrer-Policy") != "no-referrer" ||
		h.Get("Set-Cookie") != "" || strings.Contains(h.Get("Content-Security-Policy"), "unsafe") || h.Get("Content-Security-Policy") == "" {
		t.Errorf("%s has headers %v", path, h)
	}
}

func TestFront(t *testing.T) {
	w, _, _ := sentWorld(t, "https://tidewater.example/mail")
	before := w.dump()
	for path, texts := range map[string][]string{
		"/":                  {"The Morning", "The Harbour", `href="/mail/e/morning"`, `href="/mail/signup?edition=harbour"`, "Next issue: Thursday 2 April 18:00 BST", "in your own time zone"},
		"/e/":                {"The Harbour"},
		"/e/morning":         {"Friday 3 April 2026, 07:00 in your own time zone", "06:00, 07:00, 08:00", "Rain measured in spoons", `href="/mail/e/morning/2026-04-02"`, "feed.atom", "World, "},
		"/e/harbour":         {"no issue to show yet", "Culture"},
		"/e/morning?lang=ar": {`lang="ar" dir="rtl"`, "بتوقيتك المحلي", "/mail/e/morning/archive"},
		"/e/morning/archive": {"Rain measured in spoons", "Thursday 2 April 2026", `href="/mail/e/morning/2026-04-02"`},
		"/e/harbour/archive": {"no issue to show yet"},
		"/e/morning/2026-04-02": {"Museum of doors opens", "Council votes by candle", "Culture", `<link rel="canonical" href="https://tidewater.example/mail/e/morning/2026-04-02">`,
			`href="https://tidewater.example/story/14"`},
		"/robots.txt": {"Disallow: /mail/l/\n"},
	} {
		resp, body := w.get(path)
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s gives %d: %s", path, resp.StatusCode, w.log.String())
		}
		body = strings.NewReplacer("<bdi>", "", "</bdi>", "").Replace(body)
		for _, text := range texts {
			if !strings.Contains(body, text) {
				t.Errorf("%s lacks %q:\n%s", path, text, body)
			}
		}
		wantOpen(t, path, resp.Header)
		if path != "/robots.txt" {
			givesNothingAway(t, path, body)
			if again, body := w.ask("GET", path, nil, "If-None-Match", resp.Header.Get("ETag")); again.StatusCode != http.StatusNotModified || body != "" {
				t.Errorf("%s once more gives %d", path, again.StatusCode)
			}
		}
	}
	// What is not there, and what is not out yet.
	for _, path := range []string{"/e/none", "/e/none/archive", "/e/none/2026-04-02", "/e/morning/2026-04-03", "/e/morning/2026-04-01", "/e/morning/nonsense",
		"/e/+notices", "/e/morning/archive?before=nonsense", "/e/morning/2026-04-02T07:00", "/e/morning/2026-04-02?lang=ar", "/e/none/feed.atom"} {
		resp, body := w.get(path)
		if resp.StatusCode != http.StatusNotFound || !strings.Contains(body, "<h1>") {
			t.Errorf("%s gives %d", path, resp.StatusCode)
		}
		wantGuarded(t, path, resp.Header)
	}
	if lines := changed(before, w.dump()); len(lines) > 0 {
		t.Errorf("looking changed %q", lines)
	}
}

// TestPublicIssues: each story is in one issue, whoever gets mail when, and none is out before its hour at home.
func TestPublicIssues(t *testing.T) {
	w := newWorld(t, "https://tidewater.example")
	early := w.reader("early@quill.example")
	s := early.Settings
	s.Zone = "Asia/Tokyo" // nine hours before UTC, where the edition is at home
	_, err := w.db.ChangeSettings(t.Context(), early.ID, s, "reader", w.now())
	w.must(err)
	w.pass(2 * time.Hour)
	w.tell("world", "Lanterns return to the harbour wall")
	w.pass(14 * time.Hour) // 22:00: seven in the morning of 3 April in Tokyo
	if mails := w.send("morning"); len(mails) != 1 {
		t.Fatalf("%d mails", len(mails))
	}
	w.tell("world", "Ferry keeper counts nine moons")
	if resp, _ := w.get("/e/morning/2026-04-03"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("before its hour at home it gives %d", resp.StatusCode)
	}
	w.pass(9 * time.Hour)
	w.tell("world", "Kites banned from opera") // after the hour
	_, body := w.get("/e/morning/2026-04-03")
	if !strings.Contains(body, "Lanterns return") || !strings.Contains(body, "Ferry keeper") || strings.Contains(body, "Kites banned") {
		t.Errorf("the issue is %s", body)
	}
	w.pass(14 * time.Hour)
	w.send("morning")
	w.pass(10 * time.Hour)
	_, body = w.get("/e/morning/2026-04-04")
	if strings.Contains(body, "Lanterns return") || strings.Contains(body, "Ferry keeper") || !strings.Contains(body, "Kites banned") || !strings.Contains(body, `href="/e/morning/2026-04-03" rel="prev"`) {
		t.Errorf("the next issue is %s", body)
	}
	resp, feed := w.get("/e/morning/feed.atom")
	checkAtom(t, feed)
	wantOpen(t, "feed", resp.Header)
	if ids := regexp.MustCompile(`<id>([^<]*)</id>`).FindAllStringSubmatch(feed, -1); len(ids) != 3 || ids[1][1] != "https://tidewater.example/e/morning/2026-04-04" {
		t.Errorf("ids are %q", ids)
	}
	if again, body := w.ask("GET", "/e/morning/feed.atom", nil, "If-None-Match", resp.Header.Get("ETag")); again.StatusCode != http.StatusNotModified || body != "" {
		t.Errorf("an unchanged feed gives %d", again.StatusCode)
	}
}

// TestArabicIssue: an edition in two languages has its issues in both.
func TestArabicIssue(t *testing.T) {
	w, _, _ := sentWorld(t, "https://tidewater.example")
	w.tellIn("ar", "world", "الفوانيس تعود إلى جدار المرفأ")
	w.tell("world", "Tea and toast at the opera")
	w.pass(23 * time.Hour)
	w.send("morning")
	_, body := w.get("/e/morning/2026-04-03?lang=ar")
	for _, text := range []string{`<html lang="ar" dir="rtl">`, "الفوانيس تعود", "جميع الأعداد", `hreflang="en"`} {
		if !strings.Contains(body, text) {
			t.Errorf("the issue lacks %q:\n%s", text, body)
		}
	}
	if _, body := w.get("/e/morning?lang=ar"); !strings.Contains(body, `href="/e/morning/2026-04-03?lang=ar"`) {
		t.Errorf("the edition's page does not lead there:\n%s", body)
	}
	if _, feed := w.get("/e/morning/feed.atom?lang=ar"); !strings.Contains(feed, "الفوانيس") || !strings.Contains(feed, `xml:lang="ar"`) {
		t.Errorf("the feed in Arabic is\n%s", feed)
	}
}

// TestClicks: counted where switched on, by issue, for GET alone, and written once.
func TestClicks(t *testing.T) {
	w, ada, links := sentWorld(t, "https://tidewater.example")
	story, more := links[subscribers.Read][0], links[subscribers.SectionMore][0]
	rows := func() (n int) {
		w.must(w.pages.WriteClicks(t.Context()))
		for _, line := range w.dump() {
			if strings.HasPrefix(line, "clicks ") {
				n++
				if !strings.HasSuffix(line, " 2]") {
					t.Errorf("a count is %s", line)
				}
			}
		}
		return n
	}
	follow := func() {
		for range 2 {
			if resp, _ := w.get(story); resp.StatusCode != http.StatusSeeOther {
				t.Fatalf("the link gives %d", resp.StatusCode)
			}
			w.get(more)
		}
	}
	follow()
	if n := rows(); n != 0 {
		t.Errorf("%d counts, and counting is off", n)
	}
	w.pages.Config.Pages.CountClicks = true
	before := w.dump()
	follow()
	if lines := changed(before, w.dump()); len(lines) > 0 {
		t.Errorf("following links wrote %q", lines)
	}
	w.ask("HEAD", story, nil)
	w.ask("GET", story, nil, "Sec-Purpose", "prefetch;prerender")
	w.get(w.link(subscribers.Read, subscribers.Action{Edition: 1, Subscriber: ada.ID, Story: 1})) // of old: it names a reader
	if n := rows(); n != 2 {
		t.Errorf("%d counts, want those of a story and a section", n)
	}
	if n := rows(); n != 2 {
		t.Errorf("writing once more made %d", n)
	}
}

// TestQuietEdition: an edition that had nothing new for long keeps nobody waiting, and its past is
// found behind it all the same.
func TestQuietEdition(t *testing.T) {
	w, _, _ := sentWorld(t, "https://tidewater.example")
	for range 50 {
		w.pass(24 * time.Hour)
		_, err := w.db.BeginIssue(t.Context(), digest.Issue{Edition: "morning", Slot: w.now().Format(time.DateOnly), Zone: "UTC", Hour: 7,
			Due: w.now(), Next: w.now().Add(24 * time.Hour), Ends: w.now().Add(6 * time.Hour)}, w.now())
		w.must(err)
	}
	w.pass(24 * time.Hour)
	pages, path := 0, "/e/morning/archive"
	for ; path != ""; pages++ {
		resp, body := w.get(path)
		if resp.StatusCode != http.StatusOK || pages > 5 {
			t.Fatalf("page %d, %s, gives %d", pages, path, resp.StatusCode)
		}
		if strings.Contains(body, "Rain measured in spoons") {
			break
		}
		path = ""
		if older := regexp.MustCompile(`href="(\?before=[^"]*)"`).FindStringSubmatch(body); older != nil {
			path = "/e/morning/archive" + older[1]
		}
	}
	if path == "" || pages != 1 {
		t.Errorf("the last issue with something in it is found on page %d (%q)", pages, path)
	}
	if _, body := w.get("/e/morning/archive"); !strings.Contains(body, "Rain measured in spoons") {
		t.Error("what holds nothing is looked through anew")
	}
}
