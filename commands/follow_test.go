package commands

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"broadsheet/mailer"
	"broadsheet/mailer/relaytest"
	"broadsheet/store"
)

// served is serve in this process, with the relay's log followed.
type served struct {
	*console
	*program
	log  output
	stop func() error
}

// serveAt starts it at an instant of its clock.
func serveAt(c *console, at string) *served {
	c.t.Helper()
	s := &served{console: c}
	s.program = &program{getenv: func(name string) string {
		return map[string]string{"BROADSHEET_KEY": "one:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}[name]
	}, stdout: &s.log, stderr: &s.log, configFile: c.dir + "/schedule.yaml", at: at}
	ctx, end := context.WithCancel(c.t.Context())
	e, err := s.engine(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	unlock, err := s.lockSender(ctx, e, false)
	if err != nil {
		c.t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.serveOn(ctx, e, l, nil) }()
	ended := false
	s.stop = func() error {
		if ended {
			return nil
		}
		ended = true
		end()
		err := <-done
		unlock()
		return err
	}
	c.t.Cleanup(func() {
		if err := s.stop(); err != nil {
			c.t.Error(err)
		}
		if err := s.program.close(); err != nil {
			c.t.Error(err)
		}
		if c.t.Failed() {
			c.t.Log(s.log.String())
		}
	})
	return s
}

// rows are the deliveries by address.
func (s *served) rows() map[string]store.DeliveryRow {
	s.t.Helper()
	all := map[string]store.DeliveryRow{}
	for d, err := range s.db.Deliveries(s.t.Context(), store.DeliveryFilter{}) {
		if err != nil {
			s.t.Fatal(err)
		}
		all[d.Address] = d
	}
	return all
}

// await waits until a delivery satisfies ok.
func (s *served) await(within time.Duration, address, what string, ok func(store.DeliveryRow) bool) store.DeliveryRow {
	s.t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		d, is := s.rows()[address]
		if is && ok(d) {
			return d
		}
		if time.Now().After(end) {
			s.t.Fatalf("%s is not %s: %+v\n%s", address, what, d, s.log.String())
		}
	}
}

// postOffice is a Postfix without TLS and AUTH that takes whatever comes, with queue times of
// seconds. more is as relaytest.StartPostfix has it.
func postOffice(t *testing.T, more ...string) (p *relaytest.Postfix, port int) {
	web := httptest.NewTLSServer(nil)
	defer web.Close()
	p = relaytest.StartPostfix(t, web.TLS.Certificates[0], map[string][]string{"open": {"smtpd_tls_security_level=none", "smtpd_sasl_auth_enable=no",
		"smtpd_relay_restrictions=permit_mynetworks,reject", "smtpd_reject_unlisted_recipient=no"}},
		append([]string{"mynetworks = 127.0.0.0/8", "minimal_backoff_time = 1s", "maximal_backoff_time = 1s", "queue_run_delay = 1s"}, more...)...)
	return p, p.Port("open")
}

// logRoom lays out a publication whose return paths lead to a Postfix, with stories and readers.
func logRoom(t *testing.T, port int, log string, readers []string) *console {
	c := &console{t: t, dir: t.TempDir()}
	text := strings.NewReplacer("$LISTEN", "1", "$FEEDS", "1", "$SMTP", itoa(int64(port)), "post@tidewater.example", "post@"+relaytest.Domain,
		"rate: 1000}", "rate: 1000, log: "+log+"}").Replace(read(t, "testdata/fixture/schedule.yaml"))
	write(t, c.dir+"/schedule.yaml", text)
	list := "email,sections,editions,consent_source\n"
	for _, r := range readers {
		list += r + ",world,morning,test\n"
	}
	write(t, c.dir+"/readers.csv", list)
	write(t, c.dir+"/world.xml", read(t, "testdata/fixture/world.xml"))
	c.must(0, "subscribers", "import", c.dir+"/readers.csv")
	c.must(0, "stories", "import", "--section", "world", "--at", "2026-01-13T06:00:00Z", c.dir+"/world.xml")
	return c
}

// TestFollowPostfix sends an issue through a real Postfix, which delivers one mail and returns the
// others, each for its reason: what it logs comes on the right delivery, and the books balance.
func TestFollowPostfix(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a Postfix to give up mails")
	}
	sink := relaytest.Start(t, "RCPT@sink.example 421 4.7.28 an unusual rate of mail comes from you; hangup",
		"RCPT@sink.example 421 4.7.28 an unusual rate of mail comes from you; hangup")
	p, port := postOffice(t, "maximal_queue_lifetime = 4s", "bounce_queue_lifetime = 4s",
		"full.example error:5.2.2 mailbox is full", "blocked.example error:5.7.1 blocked by policy",
		"late.example retry:4.4.1 host is down", "hole.example discard:", fmt.Sprintf("sink.example smtp:[127.0.0.1]:%d", sink.Port))
	ada, nobody := "ada@"+relaytest.Domain, "nobody@"+relaytest.Domain
	c := logRoom(t, port, p.LogFile(), []string{ada, nobody, "a@full.example", "b@blocked.example", "c@late.example", "d@sink.example", "e@hole.example"})
	s := serveAt(c, "2026-01-13T07:00:30Z")

	is := func(state mailer.State) func(store.DeliveryRow) bool {
		return func(d store.DeliveryRow) bool { return d.State == state }
	}
	s.await(patience, ada, "delivered", is(mailer.Delivered))
	for address, enhanced := range map[string]string{nobody: "5.1.1", "a@full.example": "5.2.2", "b@blocked.example": "5.7.1"} {
		if d := s.await(patience, address, "bounced", is(mailer.Bounced)); d.Reply.Enhanced != enhanced {
			t.Errorf("%s: %+v", address, d.Reply)
		}
	}
	d := s.await(patience, "d@sink.example", "delayed", is(mailer.Delayed))
	if d.Reply.Code != 421 || d.Reply.Enhanced != "4.7.28" || !strings.Contains(d.Reply.Text, "an unusual rate of mail") {
		t.Errorf("a delay says %+v", d.Reply)
	}
	s.await(patience, "d@sink.example", "delivered after all", is(mailer.Delivered))
	if d := s.await(patience, "c@late.example", "given up", is(mailer.Bounced)); d.Reason != "expired" {
		t.Errorf("expiry: %+v", d)
	}
	if d := s.rows()["e@hole.example"]; d.State != mailer.Accepted {
		t.Errorf("what is thrown away is %s", d.State)
	}
	slowed, err := s.db.SlowDomains(t.Context())
	if err != nil || len(slowed) != 2 || slowed[1].Name != "sink.example" || !strings.Contains(slowed[1].Why, "4.7.28") {
		t.Errorf("slowed: %+v, %v", slowed, err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	c.must(0, "issues", "show", "1")
	c.printed("books balance")
}
