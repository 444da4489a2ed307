package commands

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"broadsheet/mailer/relaytest"
)

// TestReloads reads the configuration anew twenty times while three hundred mails go out, each
// time with other relays: every reader gets one mail.
func TestReloads(t *testing.T) {
	const readers, times = 300, 20
	c := &console{t: t, dir: t.TempDir()}
	relay := relaytest.Start(t)
	configure := func(n int) {
		var relays strings.Builder
		for k := range 1 + n%3 {
			fmt.Fprintf(&relays, "  - {name: relay%d, host: 127.0.0.1, port: %d, tls: none, auth: none, connections: %d, rate: 10000}\n", (n+k)%4, relay.Port, 1+n%2)
		}
		fixture, _, _ := strings.Cut(read(t, "testdata/fixture/schedule.yaml"), "relays:\n")
		fixture = strings.NewReplacer("$LISTEN", "1", "$FEEDS", "1").Replace(fixture)
		write(t, c.dir+"/next.yaml", fixture+"relays:\n"+relays.String())
		if err := os.Rename(c.dir+"/next.yaml", c.dir+"/schedule.yaml"); err != nil { // the one before may be being read
			t.Fatal(err)
		}
	}
	configure(0)
	var list strings.Builder
	list.WriteString("email,sections,editions,consent_source\n")
	for n := range readers {
		fmt.Fprintf(&list, "reader%d@reader.example,world,morning,test\n", n)
	}
	write(t, c.dir+"/readers.csv", list.String())
	write(t, c.dir+"/world.xml", read(t, "testdata/fixture/world.xml"))
	c.must(0, "subscribers", "import", c.dir+"/readers.csv")
	c.must(0, "stories", "import", "--section", "world", "--at", "2026-01-13T06:00:00Z", c.dir+"/world.xml")

	var log output
	p := &program{getenv: surroundings(t, c.dir), stdout: &log, stderr: &log, configFile: c.dir + "/schedule.yaml", at: "2026-01-13T07:30:00Z"}
	ctx, end := context.WithCancel(t.Context())
	defer end()
	e, err := p.engine(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	unlock, err := p.lockSender(ctx, e, false)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hup, done := make(chan os.Signal), make(chan error)
	go func() { done <- p.serveOn(ctx, e, l, nil, hup) }()
	await := func(n int) {
		for stop := time.Now().Add(patience); len(relay.Messages()) < n; time.Sleep(time.Millisecond) {
			if time.Now().After(stop) {
				end()
				t.Fatalf("%d mails of %d have come: %v\n%s", len(relay.Messages()), n, <-done, &log)
			}
		}
	}
	for n := range times {
		await(readers * n / (times + 5))
		configure(n + 1)
		hup <- syscall.SIGHUP
	}
	await(readers)
	end()
	if err := <-done; err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	copies := map[string]int{}
	for _, m := range relay.Messages() {
		copies[m.To]++
	}
	for to, n := range copies {
		if n > 1 {
			t.Errorf("%s got %d mails", to, n)
		}
	}
	if n := strings.Count(log.String(), "configuration taken over"); len(copies) != readers || n != times {
		t.Errorf("%d readers got mail, and %d configurations were taken over", len(copies), n)
	}
	if counts, err := p.db.IssueCounts(t.Context(), 1); err != nil || counts["accepted"] != readers || len(counts) != 1 {
		t.Errorf("the books say %v, %v", counts, err)
	}
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "level=ERROR") {
			t.Errorf("it complained: %s", line)
		}
	}
}
