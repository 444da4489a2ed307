package commands

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"broadsheet/operators"
	"broadsheet/schedule"
	"broadsheet/subscribers"
	"broadsheet/web/room"
)

// publisher is a server of one feed whose answers are set.
type publisher struct {
	*httptest.Server
	status atomic.Int64
	body   atomic.Pointer[string]
}

func publish(t *testing.T) *publisher {
	p := &publisher{}
	p.says(200, "")
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := *p.body.Load()
		tag := fmt.Sprintf(`"%08x"`, crc32.ChecksumIEEE([]byte(body)))
		w.Header().Set("ETag", tag)
		if p.status.Load() == 200 && r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.WriteHeader(int(p.status.Load()))
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) says(status int, body string) {
	p.status.Store(int64(status))
	p.body.Store(&body)
}

func rss(titles ...string) string {
	var b strings.Builder
	b.WriteString(`<rss version="2.0"><channel><title>World</title><link>https://tidewater.example/</link>`)
	for _, t := range titles {
		fmt.Fprintf(&b, `<item><title>%s happened in the harbour</title><link>https://tidewater.example/%s</link><guid isPermaLink="false">%s</guid><description>Told by %s alone.</description></item>`, t, t, t, t)
	}
	return b.String() + `</channel></rss>`
}

// fed is an engine with one feed of that publisher's and one folder.
func fed(t *testing.T, p *publisher) *harbor {
	h := newHarbor(t, "mailgun", harborSecret, 1)
	h.cfg.Feeds = []schedule.Feed{{URL: p.URL + "/<b>feed.xml", Section: "world", Every: 15 * time.Minute}}
	h.cfg.Fetch.Allow = []string{strings.TrimPrefix(p.URL, "http://")}
	h.cfg.Articles = []schedule.Articles{{Dir: "no-such-folder", Section: "arts"}}
	return h
}

// TestFeedsPage tries a feed, counts what the server spares us, says what is wrong and what to do, and raises
// an alarm from the third failure on.
func TestFeedsPage(t *testing.T) {
	p := publish(t)
	h := fed(t, p)
	e := h.engine
	at := e.now()
	e.now = func() time.Time { return at }
	v := enter(t, e, operators.Act)
	id := sourceID(e.cfg.Feeds[0].URL)
	try := func(texts ...string) {
		t.Helper()
		status, page := v.post("/feeds/try", url.Values{"feed": {id}, "why": {"asked"}})
		if status != 303 {
			t.Fatalf("%d\n%s", status, page)
		}
		has(t, page, texts...)
	}
	alarms := func(want int) (list []room.Alarm) {
		t.Helper()
		all, err := roomFeeds{e}.alarms(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range all {
			if strings.HasPrefix(a.Key, "feed ") {
				list = append(list, a)
			}
		}
		if len(list) != want || len(all) != want+1 { // and the folder that is not there
			t.Fatalf("alarms %+v", all)
		}
		return list
	}
	_, page := v.get("/feeds")
	has(t, page, "not fetched yet", "%3Cb%3Efeed.xml", "!<b>feed", "The folder is not there", "<polyline points=", "!style=")
	alarms(0)
	p.says(200, rss("Fire", "Flood"))
	try("2 items, 2 new, 0 revised, 0 known", "It works.", "0 of 1 fetch in 7 days", "2 in 28 days")
	try("has nothing new (“not modified”)", "1 of 2 fetches in 7 days (50 %)")
	for n, c := range []struct {
		status int
		body   string
		says   string
	}{
		{404, "", "There is nothing at this address any more"}, {410, "", "has ended this feed"}, {503, "", "has a fault of its own"}, {403, "", "wants a log-in"},
		{200, "<html><body>Log in</body></html>", "What is there is no feed"},
	} {
		p.says(c.status, c.body)
		try(c.says)
		if n < 2 {
			alarms(0)
		} else if a := alarms(1)[0]; a.Level != "amber" || a.Next == "" || a.Since.IsZero() || !strings.Contains(a.Link, id) {
			t.Errorf("alarm %+v", a)
		}
	}
	fan := &subscribers.Subscriber{Settings: subscribers.Settings{Sections: []subscribers.Follow{{Section: "world"}}}}
	if says, err := e.failingFeeds(t.Context(), fan); err != nil || !strings.Contains(says, "a feed fails now: "+p.URL) {
		t.Errorf("who follows its section hears %q, %v", says, err)
	}
	fan.Sections[0].Level = subscribers.Muted
	if says, err := e.failingFeeds(t.Context(), fan); err != nil || says != "" {
		t.Errorf("who has muted it hears %q, %v", says, err)
	}
	p.says(404, "")
	at = at.Add(25 * time.Hour)
	v = enter(t, e, operators.Act) // the session has ended
	try("It has not worked since")
	if a := alarms(1)[0]; a.Level != "red" {
		t.Errorf("after a day: %+v", a)
	}
	p.says(200, rss("Fire", "Flood", "Fog"))
	try("3 items, 1 new")
	alarms(0)
	e.cfg.Fetch.Allow = nil
	try("leads into a private network")
	if status, _ := v.post("/feeds/try", url.Values{"feed": {"x"}}); status != 404 {
		t.Errorf("another feed: %d", status)
	}
}

// TestSilentFeed: one that had stories daily and has none for two days is told of; one that has some now and then is not.
func TestSilentFeed(t *testing.T) {
	p := publish(t)
	h := fed(t, p)
	e := h.engine
	at := e.now()
	e.now = func() time.Time { return at }
	id := sourceID(e.cfg.Feeds[0].URL)
	by := operators.By{Who: "ann"}
	state := func() string {
		t.Helper()
		if _, err := (roomFeeds{e}).Try(t.Context(), by, id); err != nil {
			t.Fatal(err)
		}
		l, err := roomFeeds{e}.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return l.Feeds[0].State
	}
	for day := range 14 {
		p.says(200, rss(fmt.Sprintf("Day%d", day), "Flood"))
		if s := state(); s != "works" {
			t.Fatalf("day %d: %s", day, s)
		}
		at = at.Add(24 * time.Hour)
	}
	for _, want := range []string{"works", "works", "silent"} {
		if s := state(); s != want {
			t.Errorf("%s: %s, not %s", at, s, want)
		}
		at = at.Add(24 * time.Hour)
	}
	p.says(200, rss("Again"))
	if s := state(); s != "works" {
		t.Errorf("with a story: %s", s)
	}
}

// TestFeedsCommand prints what the page shows; a feed that fails gives exit code 1.
func TestFeedsCommand(t *testing.T) {
	p := publish(t)
	p.says(200, rss("Fire"))
	c := &console{t: t, dir: t.TempDir()}
	text := strings.NewReplacer("$LISTEN", "1", "$SMTP", "1", "127.0.0.1:$FEEDS", strings.TrimPrefix(p.URL, "http://")).Replace(read(t, "testdata/fixture/schedule.yaml"))
	write(t, c.dir+"/schedule.yaml", text)
	out := func(code int, args ...string) string {
		t.Helper()
		c.must(code, args...)
		return c.out.String()
	}
	var trial room.Trial
	if err := json.Unmarshal([]byte(out(0, "feeds", "try", p.URL+"/world.xml", "--json")), &trial); err != nil || !trial.OK || trial.New != 1 {
		t.Errorf("%+v: %v", trial, err)
	}
	p.says(500, "")
	has(t, out(1, "feeds", "try"), "failed: the server answers 500")
	out(2, "feeds", "try", "https://elsewhere.example/feed")
	var list room.FeedList
	if err := json.Unmarshal([]byte(out(0, "feeds", "list", "--json")), &list); err != nil || len(list.Feeds) != 1 || list.Feeds[0].State != "failing" || list.Feeds[0].Fetches != 2 {
		t.Errorf("%+v: %v", list, err)
	}
	has(t, out(0, "feeds", "list"), "failing", "world.xml")
}

// TestMend: what people are told to do fits what went wrong.
func TestMend(t *testing.T) {
	for says, want := range map[string]string{
		"dial tcp: lookup nosuch.example: no such host":                         "DNS",
		"tls: failed to verify certificate: x509: certificate has expired":      "TLS",
		"the server answers 404 Not Found":                                      "nothing at this address",
		"the server says the feed is gone for good (410): remove it":            "ended this feed",
		"the server answers 502 Bad Gateway":                                    "fault of its own",
		"the document is larger than 10 MB":                                     "too large",
		"parse feed: it is neither RSS, RDF, Atom nor JSON Feed: it is HTML":    "no feed",
		"address refused: 10.0.0.1 is not a public address (fetch.allow can …)": "private network",
		"no complete answer within 20s":                                         "too slow",
		"dial tcp 192.0.2.1:443: connect: connection refused":                   "cannot be reached",
		"something that nobody thought of":                                      "browser",
		"":                                                                      "",
	} {
		if got := mend(says); !strings.Contains(got, want) || got == "" != (want == "") {
			t.Errorf("%q: %q", says, got)
		}
	}
}
