package commands

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"broadsheet/mailer/relaytest"
	"broadsheet/store"
	"broadsheet/store/storetest"
)

// TestEightSchedulers has eight processes do in the same second all that is due by the clock, morning after morning:
// each feed is fetched once, each issue opened once, each ping, webhook and report goes out once.
func TestEightSchedulers(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { eightSchedulers(t, "") })
	t.Run("postgres", func(t *testing.T) { eightSchedulers(t, storetest.FreshPostgres(t)) })
}

func eightSchedulers(t *testing.T, dsn string) {
	rounds := 50
	if testing.Short() || dsn == "" && os.Getenv("BROADSHEET_LONG") == "" { // one machine rather has one of them
		rounds = 5
	}
	var clock atomic.Int64
	now := func() time.Time { return time.Unix(0, clock.Load()).UTC() }
	var fetched, pinged, told atomic.Int32
	world := http.NewServeMux()
	world.HandleFunc("/world.xml", func(w http.ResponseWriter, _ *http.Request) {
		fetched.Add(1)
		day := now().Format("2006-01-02")
		fmt.Fprintf(w, `<rss version="2.0"><channel><title>World</title><link>https://tidewater.example/</link><item><title>The harbour on %s</title>
			<link>https://tidewater.example/world/%[1]s</link><guid isPermaLink="false">tw-%[1]s</guid><description>What was seen on %[1]s.</description></item></channel></rss>`, day)
	})
	world.HandleFunc("/ping", func(http.ResponseWriter, *http.Request) { pinged.Add(1) })
	world.HandleFunc("/hook", func(http.ResponseWriter, *http.Request) { told.Add(1) })
	server := httptest.NewServer(world)
	defer server.Close()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}

	relay := relaytest.Start(t)
	w := openWatched(t, relay, "report: {to: desk@tidewater.example, at: \"07:30\", zone: Europe/London}\n"+
		"webhooks: [{name: newsroom, url: \""+server.URL+"/hook\", events: [issue.done]}]\n")
	text := strings.NewReplacer("127.0.0.1:1/world.xml", u.Host+"/world.xml", "127.0.0.1:1\"]", u.Host+"\"]",
		"    zone: Europe/London\n", "    zone: Europe/London\n    ping: "+server.URL+"/ping\n").Replace(read(t, w.dir+"/schedule.yaml"))
	write(t, w.dir+"/schedule.yaml", text)

	if dsn != "" {
		w.must(0, "subscribers", "import", "--db", dsn, "--at", "2026-01-12T06:00:00Z", w.dir+"/readers.csv")
	}
	clock.Store(time.Date(2026, 1, 14, 6, 0, 0, 0, time.UTC).UnixNano())
	var engines []*engine
	for n := range 8 {
		p := w.program("")
		p.now, p.dsn = now, dsn
		env := p.getenv
		p.getenv = func(name string) string {
			if name == "BROADSHEET_WEBHOOK_NEWSROOM" {
				return hookSecret
			}
			return env(name)
		}
		cfg, err := p.config()
		if err == nil {
			err = p.roles.secrets(cfg, p.getenv)
		}
		if err != nil {
			t.Fatal(err)
		}
		e, err := p.engine(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.close() })
		e.worker = fmt.Sprint("scheduler ", n)
		engines = append(engines, e)
	}
	together := func(do func(e *engine)) {
		var wg sync.WaitGroup
		for _, e := range engines {
			wg.Go(func() { do(e) })
		}
		wg.Wait()
	}
	hooks := make(map[*engine][]func(context.Context) time.Duration)
	for _, e := range engines {
		hooks[e] = e.hookTasks()
	}
	hook := func(e *engine) {
		for _, task := range hooks[e] {
			task(t.Context())
		}
	}
	together(hook) // what happens from now on is to be told
	reports := func() (n int) {
		for _, m := range relay.Messages() {
			if m.To == "desk@tidewater.example" {
				n++
			}
		}
		return n
	}
	first := engines[0]
	for round := 1; round <= rounds; round++ {
		morning := time.Date(2026, 1, 13+round, 7, 0, 0, 0, time.UTC)
		clock.Store(morning.Add(-time.Minute).UnixNano())
		together(func(e *engine) { e.intakeOnce(t.Context()) })
		clock.Store(morning.Add(time.Second).UnixNano())
		together(func(e *engine) { e.openAll(t.Context()) })
		if _, err := first.sendAll(t.Context(), sendRun{untilIdle: true}); err != nil {
			t.Fatal(err)
		}
		clock.Store(morning.Add(31 * time.Minute).UnixNano())
		together(func(e *engine) {
			e.pingEnded(t.Context())
			hook(e)
			e.reportDue(t.Context())
			e.finishStops(t.Context())
			e.tellWaves(t.Context())
			e.forget(t.Context())
		})
		slot, issues := morning.Format(time.DateOnly), 0
		for i, err := range first.db.Issues(t.Context(), store.IssueFilter{Edition: "morning", Since: morning}) {
			if err != nil {
				t.Fatal(err)
			}
			if issues++; i.Slot != slot || i.Audience != 5 || i.State != "open" {
				t.Fatalf("round %d: %+v", round, i)
			}
			if err := first.db.CheckBooks(t.Context(), i.ID); err != nil {
				t.Fatal(err)
			}
		}
		if f, p, h, r := fetched.Load(), pinged.Load(), told.Load(), reports(); issues != 1 || int(f) != round || int(p) != round || int(h) != round || r != round {
			t.Fatalf("round %d: %d issues, %d fetches, %d pings, %d webhooks, %d reports\n%s", round, issues, f, p, h, r, w.log.String())
		}
	}
	if text := w.log.String(); strings.Contains(text, "level=ERROR") {
		t.Errorf("it complained:\n%s", text)
	}
}
