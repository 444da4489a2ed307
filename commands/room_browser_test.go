package commands

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"broadsheet/mailer/relaytest"
	"broadsheet/operators"
)

// watchroom is a program that serves, with a room, readers, and an issue that has just begun to go.
type watchroom struct {
	*testing.T
	engine *engine
	relay  *relaytest.Relay
	base   string // of the room
	log    output
}

// openWatchroom serves from a second after the slot on. Every 50th reader is refused.
func openWatchroom(t *testing.T, readers, rate int) *watchroom {
	t.Helper()
	n := &watchroom{T: t}
	c := &console{t: t, dir: t.TempDir()}
	n.relay = relaytest.Start(t, "RCPT*@gone.example 550 5.1.1 there is no such mailbox here")
	feed, err := net.Listen("tcp", "127.0.0.1:0") // takes no calls: what stories there are is imported
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { feed.Close() })
	write(t, c.dir+"/schedule.yaml", strings.NewReplacer("$LISTEN", "1", "$FEEDS", port(feed), "$SMTP", strconv.Itoa(n.relay.Port),
		"zone: Europe/London", "zone: Europe/London\n    spread: 0m", "connections: 1, rate: 1000", fmt.Sprintf("connections: 4, rate: %d", rate)).Replace(read(t, "testdata/fixture/schedule.yaml")))
	var list strings.Builder
	list.WriteString("email,sections,editions,consent_source\n")
	for k := range readers {
		domain := []string{"reader.example", "post.example", "tide.example"}[k%3]
		if k%50 == 7 {
			domain = "gone.example"
		}
		fmt.Fprintf(&list, "reader%d@%s,world,morning,test\n", k, domain)
	}
	write(t, c.dir+"/readers.csv", list.String())
	write(t, c.dir+"/world.xml", read(t, "testdata/fixture/world.xml"))
	c.must(0, "subscribers", "import", c.dir+"/readers.csv")
	c.must(0, "stories", "import", "--section", "world", "--at", "2026-01-13T06:00:00Z", c.dir+"/world.xml")

	p := &program{getenv: surroundings(t, c.dir), stdout: &n.log, stderr: &n.log, configFile: c.dir + "/schedule.yaml", at: "2026-01-13T07:00:01Z"}
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	if n.engine, err = p.engine(ctx); err != nil {
		t.Fatal(err)
	}
	unlock, err := p.lockSender(ctx, n.engine, false)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.base = "http://" + o.Addr().String()
	done := make(chan error)
	go func() { done <- p.serveOn(ctx, n.engine, l, &roomServer{listener: o}, nil) }()
	t.Cleanup(func() {
		end()
		if err := <-done; err != nil || t.Failed() {
			t.Errorf("it ended with %v and said:\n%s", err, &n.log)
		}
		unlock()
		_ = p.close()
	})
	return n
}

// figure reads a figure that moves.
func (s *surfer) figure(selector string) int {
	s.Helper()
	text := s.reads(fmt.Sprintf(`document.querySelector(%q)?.textContent ?? "0"`, selector))
	n, err := strconv.Atoi(strings.ReplaceAll(strings.TrimSpace(text), ",", ""))
	if err != nil {
		s.Fatalf("%s says %q", selector, text)
	}
	return n
}

// awaits waits until an expression is true on the page that is open.
func (s *surfer) awaits(what, expression string) {
	s.Helper()
	s.at = what
	ctx, cancel := context.WithTimeout(s.ctx, 2*patience)
	defer cancel()
	for ctx.Err() == nil {
		if is, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression)); err == nil && is {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	s.Fatalf("%s: it does not come to %s; the page says:\n%s", what, expression, s.text())
}

// screen has the browser show pages in a size and scheme.
func (s *surfer) screen(width, height int64, scheme string) {
	s.Helper()
	_, err := chromedp.Call(s.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1})
	if err == nil {
		_, err = chromedp.Call(s.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	}
	if err != nil {
		s.Fatal(err)
	}
}

// picture writes what a screen shows to the folder that BROADSHEET_PICTURES names: those of the README.
func (s *surfer) picture(name string, width, height int64, scheme string) {
	s.Helper()
	s.screen(width, height, scheme)
	dir := os.Getenv("BROADSHEET_PICTURES")
	if dir == "" {
		return
	}
	b, err := chromedp.Run(s.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), b, 0o600); err != nil {
		s.Fatal(err)
	}
}

// acts opens the form of an act on the page, says why, and does it.
func (s *surfer) acts(path, why string) {
	s.Helper()
	form := fmt.Sprintf("form[action=%q]", path)
	s.awaits("load", `document.readyState === "complete" && document.querySelector('`+form+`') !== null`)
	// The part of the page with the acts may be renewed until one of its fields has the focus.
	s.reads(`(() => { const form = document.querySelector('` + form + `'); form.closest("details").open = true; form.why.focus(); return "open"; })()`)
	s.types(form+" [name=why]", why)
	if status := s.presses(form + " button"); status != http.StatusOK {
		s.Fatalf("%s gives %d:\n%s", path, status, s.text())
	}
	if s.reads(`document.querySelector(".saved[role=status]")?.textContent ?? ""`) == "" {
		s.Errorf("after %s nothing says what was done:\n%s", path, s.text())
	}
}

// TestRoomInBrowser is an operator's morning: a run of 2,000 is watched, paused, resumed, retried and stopped;
// the preview of a mail is opened, and why a reader got it; then every place of the menu.
func TestRoomInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser: not with -short")
	}
	const readers = 2000
	n := openWatchroom(t, readers, 400)
	s := newSurfer(t, n.base)
	s.room = true
	axe := s.axe
	s.axe = "" // while mails go there is no time for it
	s.logsIn(n.engine, operators.Act)
	s.awaits("open Today", `location.pathname === "/" && document.querySelector("[data-run]") !== null`)
	const moves = `Number(document.querySelector("[data-live=done]").textContent.replace(",", "")) > %d`
	s.awaits("watch the run on Today", fmt.Sprintf(moves, s.figure("[data-live=done]")+50))
	s.picture("room-today", 1280, 860, "light")
	s.opens("/issues/1")
	s.awaits("watch the run on its page", fmt.Sprintf(moves, s.figure("[data-live=done]")+50))

	s.acts("/issues/1/pause", "the lead is wrong")
	s.awaits("pause", `!document.querySelector(".held").hidden && document.querySelector("[data-state=sending], [data-state=handed]") === null`)
	left := len(n.relay.Messages())
	s.awaits("plots", `document.querySelectorAll(".u-wrap canvas").length >= 2`)
	s.picture("room-paused", 375, 812, "dark")
	s.axe = axe
	s.opens("/issues/1")
	s.opens("/issues")
	s.opens("/issues/1/deliveries?state=failed")
	s.presses("tbody th a")
	s.opens("/")
	s.opens("/explain?as=reader1@post.example&issue=1")
	if text := s.text(); !strings.Contains(text, "Issue 1") && !strings.Contains(text, "issue 1") {
		t.Errorf("the explanation says nothing of the issue:\n%s", text)
	}
	s.opens("/preview?issue=1&as=reader1@post.example")
	if text := s.text(); !strings.Contains(text, "reader1@post.example") {
		t.Errorf("the preview says nothing of its reader:\n%s", text)
	}
	if now := len(n.relay.Messages()); now != left || left == readers {
		t.Errorf("%d mails had left when the run was paused, and then %d", left, now)
	}
	s.axe = ""
	s.opens("/issues/1")
	s.acts("/issues/1/resume", "it is right after all")
	s.awaits("resume", fmt.Sprintf(moves, s.figure("[data-live=done]")+50))
	failed := s.figure("[data-state=failed] .figure")
	s.acts("/issues/1/retry", "their postmaster says it is mended")
	s.acts("/issues/1/stop", "that is enough for the test")
	s.awaits("stop", `document.querySelector("[data-run]") === null && document.querySelector("[data-state=cancelled]") !== null`)
	if failed == 0 || s.figure("[data-state=cancelled] .figure") == 0 {
		t.Errorf("%d had failed before the retry:\n%s", failed, s.text())
	}
	if err := n.engine.db.CheckBooks(t.Context(), 1); err != nil {
		t.Error(err)
	}
	s.axe = axe
	s.awaits("look", `document.querySelector("#looked .wide") !== null`)
	s.opens("/issues/1")
	s.awaits("plots", `document.querySelectorAll(".u-wrap canvas").length >= 4`)
	s.shot("issue")
	s.picture("room-issue", 1280, 1500, "light")
	for _, place := range strings.Fields(s.reads(`[...document.querySelectorAll(".places a")].map(a => a.getAttribute("href")).join(" ")`)) {
		s.opens(place)
		s.shot("place-" + strings.Trim(strings.ReplaceAll(place, "/", "-"), "-"))
	}
	t.Logf("axe looked at %d pages", s.seen)
}
