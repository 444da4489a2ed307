package commands

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"broadsheet/mailer"
	"broadsheet/mailer/relaytest"
	"broadsheet/schedule"
)

func TestLookout(t *testing.T) {
	cfg := &schedule.Config{Relays: []schedule.Relay{{Name: "a", Weight: 1}, {Name: "b", Weight: 2}, {Name: "s", Weight: 1, Standby: true}}}
	o := newLookout(cfg, time.Minute, slog.New(slog.NewTextHandler(io.Discard, nil)))
	check := func(when string, want map[string][]string) {
		t.Helper()
		for _, y := range cfg.Relays {
			got := o.standsInFor(y.Name)
			slices.Sort(got)
			if !reflect.DeepEqual(got, want[y.Name]) {
				t.Errorf("%s: %s stands in for %v, not %v", when, y.Name, got, want[y.Name])
			}
		}
	}
	ago := func(d time.Duration) mailer.Stats { return mailer.Stats{Since: time.Now().Add(-d), Trouble: "x"} }
	check("all well", nil)
	o.heard("a", ago(30*time.Second))
	check("a hiccup", nil)
	o.heard("a", ago(2*time.Minute))
	check("a down", map[string][]string{"s": {"a"}})
	o.heard("s", mailer.Stats{Held: true})
	check("the standby held", map[string][]string{"b": {"a", "s"}})
	o.gaveUp("b")
	check("nobody is left", nil)
	o.heard("a", mailer.Stats{})
	check("a is back", map[string][]string{"a": {"b", "s"}})
}

// twoRelays is a program with readers and stories and two relays, main and spare, which stands in.
func twoRelays(t *testing.T, main, spare *relaytest.Relay) *console {
	c := &console{t: t, dir: t.TempDir()}
	fixture, _, _ := strings.Cut(read(t, "testdata/fixture/schedule.yaml"), "relays:\n")
	fixture = strings.NewReplacer("$LISTEN", "1", "$FEEDS", "1").Replace(fixture)
	write(t, c.dir+"/schedule.yaml", fixture+fmt.Sprintf(`relays:
  - {name: main, host: 127.0.0.1, port: %d, tls: none, connections: 2, rate: 1000}
  - {name: spare, host: 127.0.0.1, port: %d, tls: none, connections: 1, rate: 1000, standby: true}
`, main.Port, spare.Port))
	for _, name := range []string{"readers.csv", "world.xml"} {
		write(t, c.dir+"/"+name, read(t, "testdata/fixture/"+name))
	}
	c.must(0, "subscribers", "import", c.dir+"/readers.csv")
	c.must(0, "stories", "import", "--section", "world", "--at", "2026-01-13T06:00:00Z", c.dir+"/world.xml")
	return c
}

// TestFailover: what a relay that is down leaves goes through its standby, in one run of send; with
// nobody left everything stays queued, and a relay that is held is still a person's to look at.
func TestFailover(t *testing.T) {
	for name, test := range map[string]struct {
		main, spare string
		code, sent  int
	}{
		"down":      {"CONNECT* 421 4.3.2 closed", "", 0, 3},
		"held":      {"CONNECT* 554 5.7.1 not you", "", exitHeld, 3},
		"both down": {"CONNECT* 421 4.3.2 closed", "CONNECT* 421 4.3.2 closed", 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			main, spare := relaytest.Start(t, test.main), relaytest.Start(t)
			if test.spare != "" {
				spare.Script(test.spare)
			}
			c := twoRelays(t, main, spare)
			c.must(test.code, "send", "morning", "--at", "2026-01-13T07:00:30Z", "--json")
			c.printed(fmt.Sprintf(`"queued":%d,`, 3-test.sent))
			c.printed(fmt.Sprintf(`"accepted":%d,`, test.sent))
			if n := len(spare.Messages()); n != test.sent || len(main.Messages()) > 0 {
				t.Errorf("spare took %d mails, main %d", n, len(main.Messages()))
			}
			if test.sent > 0 {
				c.printed(`msg="mail of a relay that is down goes through another" relay=main through=spare`)
				c.must(0, "deliveries", "list", "--state", "accepted", "--json")
				c.printed(`"relay":"spare"`)
			}
		})
	}
	t.Run("only", func(t *testing.T) {
		main, spare := relaytest.Start(t, "CONNECT* 421 4.3.2 closed"), relaytest.Start(t, "CONNECT* 421 4.3.2 closed")
		c := twoRelays(t, main, spare)
		c.must(1, "send", "morning", "--only", "ada@reader.example", "--at", "2026-01-13T07:00:30Z")
	})
}

// TestServeFailover: serve lets a standby take over while a relay is down.
func TestServeFailover(t *testing.T) {
	main, spare := relaytest.Start(t, "CONNECT* 421 4.3.2 closed"), relaytest.Start(t)
	c := twoRelays(t, main, spare)
	var log output
	p := &program{getenv: surroundings(t, c.dir), stdout: &log, stderr: &log, configFile: c.dir + "/schedule.yaml", at: "2026-01-13T07:30:00Z"}
	ctx, end := context.WithCancel(t.Context())
	defer end()
	e, err := p.engine(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	e.downAfter = 50 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- p.serveOn(ctx, e, l, nil, make(chan os.Signal)) }()
	for stop := time.Now().Add(patience); len(spare.Messages()) < 3 && time.Now().Before(stop); time.Sleep(time.Millisecond) {
	}
	end()
	if err := <-done; err != nil || len(spare.Messages()) != 3 || len(main.Messages()) > 0 {
		t.Fatalf("%v, %d mails came through spare\n%s", err, len(spare.Messages()), &log)
	}
}
