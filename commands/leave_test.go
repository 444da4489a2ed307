package commands

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"broadsheet/mailer/relaytest"
	"broadsheet/subscribers"
)

// TestLeaveWhileSending has all readers leave by one-click while an issue is going out, in each
// dialogue: whose mail was not on its connection gets none.
func TestLeaveWhileSending(t *testing.T) {
	if testing.Short() {
		t.Skip("sends slowly: not with -short")
	}
	for _, c := range []struct{ name, offers, relay string }{
		{"plain", "EHLO* 250 relay.example", "dialogue: plain"},
		{"pipelining", "EHLO* 250-relay.example|250 PIPELINING", "dialogue: pipelining"},
		{"chunking", "EHLO* 250-relay.example|250-PIPELINING|250 CHUNKING", "dialogue: auto"},
	} {
		for _, inDoubt := range []int{1, 20} {
			t.Run(fmt.Sprint(c.name, " ", inDoubt), func(t *testing.T) {
				t.Parallel()
				leaveWhileSending(t, c.offers, fmt.Sprintf("%s, in_doubt: %d", c.relay, inDoubt))
			})
		}
	}
}

func leaveWhileSending(t *testing.T, offers, settings string) {
	const readers, before = 60, 10
	relay := relaytest.Start(t, offers)
	c := &console{t: t, dir: t.TempDir()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fixture := strings.Replace(read(t, "testdata/fixture/schedule.yaml"), "rate: 1000", "rate: 25, "+settings, 1)
	write(t, c.dir+"/schedule.yaml", strings.NewReplacer("$LISTEN", "1", "$FEEDS", "1", "$SMTP", itoa(int64(relay.Port))).Replace(fixture))
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
	done := make(chan error)
	go func() { done <- p.serveOn(ctx, e, l, nil, nil) }()
	await := func(what string, is func() bool) {
		for stop := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
			if time.Now().After(stop) {
				end()
				t.Fatalf("%s: %v\n%s", what, <-done, &log)
			}
		}
	}
	await("no mail has come", func() bool { return len(relay.Messages()) >= before })
	edition, err := p.db.EditionID(ctx, "morning")
	if err != nil {
		t.Fatal(err)
	}
	begun := func() string { // what the relay has heard of
		var all strings.Builder
		for _, s := range relay.Sessions() {
			for _, line := range s.Commands {
				all.WriteString(line + "\n")
			}
		}
		return all.String()
	}
	after := map[string]bool{} // whose leaving was answered before the relay heard of their mail
	for n := readers; n > 0; n-- {
		token, err := p.ring.Token(p.ring.SigningID(), subscribers.Action{Kind: subscribers.OneClick, Edition: edition, Subscriber: int64(n)})
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.PostForm("http://"+l.Addr().String()+"/l/"+token, url.Values{"List-Unsubscribe": {"One-Click"}})
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Fatalf("one-click is answered %s", r.Status)
		}
		address := fmt.Sprintf("reader%d@reader.example", n-1)
		after[address] = !strings.Contains(begun(), "<"+address+">")
	}
	var counts map[string]int
	await("the issue does not end", func() bool {
		counts, err = p.db.IssueCounts(ctx, 1)
		return err == nil && counts["queued"]+counts["sending"]+counts["handed"]+counts["deferred"] == 0
	})
	end()
	if err := <-done; err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	late, left := 0, 0
	for _, m := range relay.Messages() {
		if after[m.To] {
			late++
		}
	}
	for _, is := range after {
		if is {
			left++
		}
	}
	t.Logf("%d mails arrived, %d readers left in time, %d of them got one; %v", len(relay.Messages()), left, late, counts)
	// What was written and not yet read by the relay is one mail at most.
	if late > 1 || left == 0 || counts["accepted"] != len(relay.Messages()) || counts["accepted"]+counts["suppressed"] != readers {
		t.Errorf("%d mails arrived, %d readers left in time, %d of them got one; %v\n%s", len(relay.Messages()), left, late, counts, &log)
	}
}
