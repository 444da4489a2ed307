package commands

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"broadsheet/mailer/relaytest"
	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/web/room"
)

// watchedPress is a publication with three readers and a relay, and an engine of it at a time.
type watchedPress struct {
	*console
	log output
}

func openWatched(t *testing.T, relay *relaytest.Relay, more string) *watchedPress {
	t.Helper()
	w := &watchedPress{console: &console{t: t, dir: t.TempDir()}}
	text := strings.NewReplacer("$SMTP", itoa(int64(relay.Port)), "$LISTEN", "1", "$FEEDS", "1").Replace(read(t, "testdata/fixture/schedule.yaml"))
	write(t, w.dir+"/schedule.yaml", text+more)
	for _, name := range []string{"readers.csv", "world.xml"} {
		write(t, w.dir+"/"+name, read(t, "testdata/fixture/"+name))
	}
	w.must(0, "subscribers", "import", "--at", "2026-01-12T06:00:00Z", w.dir+"/readers.csv")
	w.must(0, "stories", "import", "--section", "world", "--at", "2026-01-13T06:00:00Z", w.dir+"/world.xml")
	return w
}

// evening brings two more stories after the morning of the 13th.
func (w *watchedPress) evening() {
	w.t.Helper()
	write(w.t, w.dir+"/more.xml", strings.NewReplacer("tw-", "tw-1", "/world/", "/world/more-", "The ferry to the outer islands runs again", "A lighthouse keeper retires",
		"Two rivers meet", "Nine bridges stand", "Forty passengers and a piano", "Sixty years and a parrot").Replace(read(w.t, "testdata/fixture/world.xml")))
	w.must(0, "stories", "import", "--section", "world", "--at", "2026-01-13T21:00:00Z", w.dir+"/more.xml")
}

// program is one that has the folder's configuration, at a time.
func (w *watchedPress) program(at string) *program {
	return &program{getenv: surroundings(w.t, w.dir), stdout: &w.log, stderr: &w.log, configFile: w.dir + "/schedule.yaml", at: at, patience: 100 * time.Millisecond}
}

func (w *watchedPress) engine(at string) *engine {
	w.t.Helper()
	p := w.program(at)
	e, err := p.engine(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = p.close() })
	return e
}

// alarm is the one of that key, as a fresh look finds it; nil if there is none.
func alarm(t *testing.T, e *engine, key string) *room.Alarm {
	t.Helper()
	for _, a := range (roomToday{e}).look(t.Context()) {
		if a.What == "" || a.Next == "" || a.Since.IsZero() || a.Level != red && a.Level != amber {
			t.Errorf("an alarm lacks something: %+v", a)
		}
		if a.Key == key {
			return &a
		}
	}
	return nil
}

// awaits looks until something is so.
func awaits(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// TestRelayStates: that a relay is down or held is on record within a second and stays there when the process
// has ended; it is up again once it takes mail.
func TestRelayStates(t *testing.T) {
	relay := relaytest.Start(t, "CONNECT 421 4.3.2 closed", "CONNECT 421 4.3.2 closed", "CONNECT 421 4.3.2 closed", "CONNECT 421 4.3.2 closed", "CONNECT 421 4.3.2 closed")
	w := openWatched(t, relay, "")
	w.must(1, "send", "morning", "--at", "2026-01-13T07:00:30Z")
	e := w.engine("2026-01-13T07:10:00Z")
	states := func() store.RelayState {
		list, err := e.db.RelayStates(t.Context())
		if err != nil || len(list) != 1 {
			t.Fatalf("%v, %v", list, err)
		}
		return list[0]
	}
	s := states()
	if s.State != store.RelayDown || s.Why != "connect: 421 4.3.2 closed" || time.Since(s.Since) > time.Minute {
		t.Fatalf("%+v", s)
	}
	s.Since = s.Since.Add(-time.Hour)
	keep := func() {
		t.Helper()
		if err := e.db.KeepRelayStates(t.Context(), []store.RelayState{s}); err != nil {
			t.Fatal(err)
		}
	}
	keep()
	a := alarm(t, e, "relay dock")
	if a == nil || a.Level != red || !strings.Contains(a.What, "Relay dock is down since ") || !strings.Contains(a.What, "421 4.3.2 closed") || !a.Since.Equal(s.Since) {
		t.Fatalf("%+v", a)
	}
	s.Seen = s.Seen.Add(-time.Hour)
	keep()
	if a = alarm(t, e, "relay dock"); a == nil || !strings.Contains(a.What, "when a sender last saw it") {
		t.Fatalf("stale: %+v", a)
	}
	w.must(1, "alarms", "--json")
	w.printed(`{"key":"relay dock","level":"red","what":"Relay dock was down`)
	for end := time.Now().Add(patience); w.run("send", "morning", "--at", "2026-01-13T07:20:00Z") != 0; {
		if time.Now().After(end) {
			t.Fatal("the relay is well, and send still fails")
		}
	}
	if s = states(); s.State != store.RelayUp || s.Why != "" {
		t.Fatalf("%+v", s)
	}
	relay.Script("CONNECT* 535 5.7.8 who are you")
	w.evening()
	w.must(exitHeld, "send", "morning", "--at", "2026-01-14T07:00:30Z")
	if s = states(); s.State != store.RelayHeld {
		t.Fatalf("%+v", s)
	}
}

// TestRelayDiesIdle: a relay that dies while it has nothing to carry is known, and that it is back, too.
func TestRelayDiesIdle(t *testing.T) {
	relay := relaytest.Start(t)
	w := openWatched(t, relay, "")
	e := w.engine("2026-01-13T03:00:00Z")
	watch := e.newRelayWatch()
	look := func() (string, time.Duration) {
		wait := watch.lookAt(t.Context(), e.cfg.Relays[0])
		watch.write(t.Context(), false)
		list, err := e.db.RelayStates(t.Context())
		if err != nil || len(list) == 0 {
			t.Fatalf("%v, %v", list, err)
		}
		return list[0].State, wait
	}
	if s, _ := look(); s != store.RelayUp {
		t.Fatal(s)
	}
	relay.Script("CONNECT* 421 4.3.2 closed")
	if s, wait := look(); s != store.RelayUp || wait != relayDoubt {
		t.Errorf("one failure is told: %s, %s", s, wait)
	}
	if s, wait := look(); s != store.RelayDown || wait > relayIdle {
		t.Errorf("two failures are not: %s, %s", s, wait)
	}
	relay.Script("CONNECT* 220 dock ESMTP")
	if s, _ := look(); s != store.RelayUp {
		t.Errorf("it is back: %s", s)
	}
	if sessions := relay.Messages(); len(sessions) > 0 {
		t.Error("a look sends mail")
	}
}

// TestMissedRun: a slot that nobody opened is seen within a minute, said to be nobody's when no serve runs,
// and not when nobody waited for it; one that was combined or passed over is counted for good, once.
func TestMissedRun(t *testing.T) {
	w := openWatched(t, relaytest.Start(t), "")
	w.must(0, "send", "morning", "--at", "2026-01-13T07:00:30Z")
	if a := alarm(t, w.engine("2026-01-14T07:00:40Z"), "missed morning"); a != nil {
		t.Errorf("after 40 seconds: %+v", a)
	}
	a := alarm(t, w.engine("2026-01-14T07:01:30Z"), "missed morning")
	if a == nil || a.Level != red || !strings.Contains(a.What, "Missed run: morning of 14 January, 07:00 in Europe/London was not opened") ||
		!strings.Contains(a.What, "no serve is running") || a.Do != "broadsheet send morning" {
		t.Fatalf("%+v", a)
	}
	if a := alarm(t, w.engine("2026-01-11T12:00:00Z"), "missed morning"); a != nil {
		t.Errorf("nobody was there: %+v", a)
	}
	late := w.engine("2026-01-15T20:00:00Z")
	if a := alarm(t, late, "missed morning"); a == nil || !strings.Contains(a.Next, "too late") || !strings.Contains(a.What, "nor were 1 before it") {
		t.Errorf("%+v", a)
	}
	for range 2 {
		if err := late.noteMissed(t.Context(), late.cfg.Edition("morning")); err != nil {
			t.Fatal(err)
		}
	}
	counts, err := late.db.MissedCounts(t.Context())
	if err != nil || counts["morning"] != 2 {
		t.Errorf("%v, %v", counts, err)
	}
	if a := alarm(t, late, "missed morning"); a != nil {
		t.Errorf("told twice: %+v", a)
	}
	if a := alarm(t, late, "slots missed morning"); a == nil || a.Level != amber || !strings.Contains(a.What, "2 slots of morning were missed") {
		t.Errorf("%+v", a)
	}
	w.must(0, "send", "morning", "--at", "2026-01-17T07:30:00Z") // the 16th comes with the 17th
	if counts, err = late.db.MissedCounts(t.Context()); err != nil || counts["morning"] != 3 {
		t.Errorf("combined: %v, %v", counts, err)
	}
}

// TestServeWatches has serve itself meet a relay that dies in the middle of a run: all pages know it within
// seconds, it is ready meanwhile, and its log is JSON.
func TestServeWatches(t *testing.T) {
	relay := relaytest.Start(t, "CONNECT* 421 4.3.2 closed")
	w := openWatched(t, relay, "")
	p := w.program("2026-01-13T07:00:30Z")
	p.log = logJSON
	ctx, end := context.WithCancel(t.Context())
	defer end()
	e, err := p.engine(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if p.watching, err = listenMetrics("127.0.0.1:0", e); err != nil {
		t.Fatal(err)
	}
	defer p.watching.end()
	done := make(chan error)
	go func() { done <- p.serveOn(ctx, e, l, &roomServer{listener: o}, make(chan os.Signal)) }()
	readers, operator := "http://"+l.Addr().String(), "http://"+o.Addr().String()
	awaits(t, "the alarm", func() bool { return alarm(t, e, "relay dock") != nil })
	for _, path := range []string{readers + "/healthz", operator + "/healthz", readers + "/readyz", operator + "/readyz"} {
		status, body := fetch(t, "GET", path)
		want := "ready\n"
		if strings.HasSuffix(path, "healthz") {
			want = "ok\n"
		}
		if status != 200 || body != want {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	status, body := fetch(t, "GET", operator+"/metrics")
	for _, want := range []string{`broadsheet_relay_up{relay="dock"} 0`, `broadsheet_relay_state{relay="dock",state="down"} 1`, `broadsheet_deliveries{edition="morning",state="queued"} 3`,
		`broadsheet_alarms{level="red"} `, `broadsheet_issues_missed_total{edition="morning"} 0`, `broadsheet_issues_unfinished{edition="morning"} 1`, "go_goroutines "} {
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("%d: no %s in\n%s", status, want, body)
		}
	}
	req, err := http.NewRequestWithContext(ctx, "GET", operator+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", "192.0.2.1") // somebody else's, by way of a proxy here
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode == 200 {
		t.Error("metrics are for whoever comes by way of a proxy")
	}
	v := enter(t, e, operators.Look)
	if _, page := v.get("/"); !strings.Contains(page, "Relay dock is down since ") {
		t.Errorf("Today does not show it:\n%s", page)
	}
	end()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(w.log.String()) {
		if !json.Valid([]byte(line)) {
			t.Fatalf("not JSON: %s", line)
		}
	}
}

// TestReadyTellsTheTruth: readyz says what is wrong, in one line, on each listener.
func TestReadyTellsTheTruth(t *testing.T) {
	w := openWatched(t, relaytest.Start(t), "")
	e := w.engine("2026-01-13T07:00:30Z")
	pages, err := e.pages()
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(pages)
	defer srv.Close()
	check := func(want int, says string) {
		t.Helper()
		e.readiness.mu.Lock()
		e.readiness.at = time.Time{} // not what was kept
		e.readiness.mu.Unlock()
		for _, base := range []string{srv.URL, roomOf(t, e)} {
			says := says
			if base == srv.URL && want != 200 {
				says = "not ready" // what is wrong is not for the world
			}
			if status, body := fetch(t, "GET", base+"/readyz"); status != want || !strings.Contains(body, says) || strings.Count(body, "\n") != 1 {
				t.Errorf("%d %q, not %d %q", status, body, want, says)
			}
		}
	}
	check(200, "ready")
	e.readiness.mu.Lock()
	e.readiness.woke = time.Now().Add(-time.Hour)
	e.readiness.mu.Unlock()
	check(503, "scheduler: it has not woken for 1 h")
	e.readiness.wakes()
	check(200, "ready")
	e.db.Close()
	check(503, "database: ")
	if status, body := fetch(t, "GET", srv.URL+"/healthz"); status != 200 || body != "ok\n" {
		t.Errorf("healthz: %d %q", status, body)
	}
}

// TestPings: an issue that ended well is told to the address, one that did not to /fail; what is not answered
// is called again, also by another process, and never twice once it was.
func TestPings(t *testing.T) {
	var mu sync.Mutex
	var calls []string
	answer := 500
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, r.Method+" "+r.URL.String())
		w.WriteHeader(answer)
	}))
	defer hook.Close()
	relay := relaytest.Start(t)
	w := openWatched(t, relay, "")
	text := strings.Replace(read(t, w.dir+"/schedule.yaml"), "    zone: Europe/London\n", "    zone: Europe/London\n    ping: "+hook.URL+"/x?rid=1\n", 1)
	write(t, w.dir+"/schedule.yaml", text)
	called := func(want ...string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(calls, want) {
			t.Fatalf("called %q, not %q", calls, want)
		}
	}
	w.must(0, "send", "morning", "--at", "2026-01-13T07:00:30Z")
	called("GET /x?rid=1")
	e := w.engine("2026-01-13T07:01:30Z")
	mu.Lock()
	answer = 200
	mu.Unlock()
	e.pingEnded(t.Context())
	called("GET /x?rid=1", "GET /x?rid=1")
	w.engine("2026-01-13T08:00:00Z").pingEnded(t.Context())
	called("GET /x?rid=1", "GET /x?rid=1")

	relay.Script("RCPT* 550 5.1.1 nobody")
	w.evening()
	w.must(0, "send", "morning", "--at", "2026-01-14T07:00:30Z")
	mu.Lock()
	defer mu.Unlock()
	if last := calls[len(calls)-1]; len(calls) != 3 || last != "GET /x/fail?rid=1" {
		t.Errorf("%q", calls)
	}
}

// TestMorningReport: it goes once a day to each recipient, also after a restart and past a relay that is down,
// the verdict first; the command prints the same.
func TestMorningReport(t *testing.T) {
	relay := relaytest.Start(t, "RCPT 450 4.2.1 later")
	w := openWatched(t, relay, "report: {to: [desk@tidewater.example, \"Ed <ed@tidewater.example>\"], at: \"07:30\", zone: Europe/London}\n")
	w.must(0, "send", "morning", "--at", "2026-01-13T07:00:30Z")
	w.must(0, "send", "morning", "--at", "2026-01-13T07:20:30Z")
	sent := func() (to []string) {
		for _, m := range relay.Messages() {
			if strings.HasSuffix(m.To, "@tidewater.example") && m.Taken {
				to = append(to, m.To)
			}
		}
		return to
	}
	w.engine("2026-01-13T07:29:00Z").reportDue(t.Context())
	if list := sent(); len(list) > 0 { // none of the day, but that of the day before is more than twelve hours late
		t.Fatalf("too early: %v", list)
	}
	relay.Script("DOT@tidewater.example 421 4.3.2 closing; hangup")
	first := w.engine("2026-01-13T07:31:00Z")
	first.reportDue(t.Context())
	for range 3 {
		w.engine("2026-01-13T07:40:00Z").reportDue(t.Context())
	}
	if list := sent(); len(list) != 2 || list[0] == list[1] {
		t.Fatalf("sent to %v\n%s", list, &w.log)
	}
	messages := relay.Messages()
	m := mailOf(t, messages[len(messages)-1].Data)
	subject := m.Header.Get("Subject")
	if subject != "All well: 3 of 3 delivered" || m.Header.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("subject %q", subject)
	}
	body, err := io.ReadAll(m.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"text/plain", "text/html", "Nothing is wrong.", "= accepted", "This is the first report"} {
		if !strings.Contains(strings.ReplaceAll(string(body), "=3D", "="), want) {
			t.Errorf("no %q in\n%s", want, body)
		}
	}
	ada, err := first.db.Subscriber(t.Context(), "ada@reader.example")
	if err == nil {
		_, err = first.db.LeaveAll(t.Context(), ada.ID, "reader", "", time.Date(2026, 1, 13, 12, 0, 0, 0, time.UTC))
	}
	if err != nil {
		t.Fatal(err)
	}
	w.must(0, "report", "--json", "--at", "2026-01-13T18:00:00Z")
	w.printed(`"readers":{"before":5,"joined":[],"back":[],"left":[{"reason":"unsubscribed","readers":1}],"now":4,`)
	if err := first.db.KeepRelayStates(t.Context(), []store.RelayState{{Relay: "dock", State: store.RelayDown, Since: time.Now().Add(-time.Hour), Why: "connect: refused", Seen: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	w.must(0, "report", "--at", "2026-01-13T18:00:00Z")
	w.printed("RED: Relay dock is down since ")
	w.printed("- left")
}

// TestClockStep: a clock that is set is told from time that passes.
func TestClockStep(t *testing.T) {
	var c clockWatch
	now := time.Now()
	if c.step(now) != 0 || c.step(now.Add(time.Minute)) != 0 {
		t.Error("time that passes is a step")
	}
	back := c.last.Round(0).Add(-time.Hour) // without a monotonic reading: the wall clock alone
	c.last = back.Add(2 * time.Hour)
	if s := c.step(back); s != 0 {
		t.Error("wall clocks alone tell nothing", s)
	}
}
