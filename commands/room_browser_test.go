package commands

import (
	"context"
	"fmt"
	"net"
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

	p := &program{getenv: func(name string) string {
		return map[string]string{"BROADSHEET_KEY": "one:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}[name]
	}, stdout: &n.log, stderr: &n.log, configFile: c.dir + "/schedule.yaml", at: "2026-01-13T07:00:01Z"}
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
		if err := <-done; err != nil {
			t.Errorf("%v\n%s", err, &n.log)
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
	ctx, cancel := context.WithTimeout(s.ctx, patience)
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

// TestRoomInBrowser is an operator's morning.
func TestRoomInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser: not with -short")
	}
	n := openWatchroom(t, 5000, 1200)
	s := newSurfer(t, n.base)
	s.room = true
	s.logsIn(n.engine, operators.Act)
	s.awaits("open Today", `location.pathname === "/" && document.querySelector("[data-run]") !== null`)
	first := s.figure("[data-live=done]")
	s.awaits("watch the run", fmt.Sprintf(`Number(document.querySelector("[data-live=done]").textContent.replace(",", "")) > %d`, first+100))
	s.picture("room-today", 1280, 860, "light")
	s.opens("/issues/1")
	s.awaits("plots", `document.querySelectorAll(".u-wrap canvas").length >= 2`)
	s.picture("room-issue", 1280, 1100, "light")
	s.awaits("end of the run", `document.querySelector("[data-run]") === null`)
	s.awaits("look", `document.querySelector("#looked .wide") !== null`)
	s.awaits("plots", `document.querySelectorAll(".u-wrap canvas").length >= 4`)
	s.shot("issue")
	s.screen(375, 812, "dark")
	s.opens("/issues/1")
	s.awaits("plots", `document.querySelectorAll(".u-wrap canvas").length >= 4`)
	s.shot("issue-phone")
	s.opens("/")
	s.shot("today-phone")
	s.opens("/issues/1/deliveries?reply=550")
	s.shot("deliveries-phone")
	s.screen(1440, 900, "light")
	s.opens("/issues/1/deliveries?reply=550")
	s.shot("deliveries")
	s.presses("tbody th a")
	s.shot("delivery")
}
