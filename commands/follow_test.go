package commands

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"broadsheet/mailer"
	"broadsheet/mailer/relaytest"
	"broadsheet/store"
	"broadsheet/store/storetest"
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
	s.program = &program{getenv: surroundings(c.t, c.dir), stdout: &s.log, stderr: &s.log, configFile: c.dir + "/schedule.yaml", at: at}
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
	go func() { done <- s.serveOn(ctx, e, l, nil, nil) }()
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
// seconds. Service filtered hands it to a content filter, which is its own service back. more is as
// relaytest.StartPostfix has it.
func postOffice(t *testing.T, more ...string) *relaytest.Postfix {
	web := httptest.NewTLSServer(nil)
	defer web.Close()
	open := []string{"smtpd_tls_security_level=none", "smtpd_sasl_auth_enable=no", "smtpd_relay_restrictions=permit_mynetworks,reject",
		"smtpd_reject_unlisted_recipient=no"}
	services := map[string][]string{"open": open, "back": open, "filtered": append(open, "content_filter=smtp:{back}")}
	return relaytest.StartPostfix(t, web.TLS.Certificates[0], services,
		append([]string{"mynetworks = 127.0.0.0/8", "minimal_backoff_time = 1s", "maximal_backoff_time = 1s", "queue_run_delay = 1s"}, more...)...)
}

// followed ends the configuration of a relay, a Postfix: its log is followed, and the mailbox that
// return paths lead to is looked into.
func followed(p *relaytest.Postfix) string {
	return fmt.Sprintf(", log: %s}\nintake: {maildir: %s}", p.LogFile(), p.Box("bounce"))
}

// filtered is followed with a second relay beside it, by which mail to Postfix's own readers goes
// through its filter.
func filtered(p *relaytest.Postfix) string {
	return fmt.Sprintf(", log: %[1]s}\n  - {name: sieve, host: 127.0.0.1, port: %d, tls: none, auth: none, domains: [%s], log: %[1]s}\nintake: {maildir: %[4]s}",
		p.LogFile(), p.Port("filtered"), relaytest.Domain, p.Box("bounce"))
}

// logRoom lays out a publication with stories and readers. more ends its relay's configuration.
func logRoom(t *testing.T, port int, more string, readers []string) *console {
	c := &console{t: t, dir: t.TempDir()}
	text := strings.NewReplacer("$LISTEN", "1", "$FEEDS", "1", "$SMTP", itoa(int64(port)), "post@tidewater.example", "post@"+relaytest.Domain,
		"rate: 1000}", "rate: 1000"+more).Replace(read(t, "testdata/fixture/schedule.yaml"))
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
	p := postOffice(t, "maximal_queue_lifetime = 3s", "bounce_queue_lifetime = 3s",
		"full.example error:5.2.2 mailbox is full", "blocked.example error:5.7.1 blocked by policy",
		"late.example retry:4.4.1 host is down", "hole.example discard:", fmt.Sprintf("sink.example smtp:[127.0.0.1]:%d", sink.Port))
	ada, nobody := "ada@"+relaytest.Domain, "nobody@"+relaytest.Domain
	c := logRoom(t, p.Port("open"), filtered(p), []string{ada, nobody, "a@full.example", "b@blocked.example", "c@late.example", "d@sink.example", "e@hole.example"})
	s := serveAt(c, "2026-01-13T07:20:00Z") // both relays' batches are due

	is := func(state mailer.State) func(store.DeliveryRow) bool {
		return func(d store.DeliveryRow) bool { return d.State == state }
	}
	d := s.await(patience, ada, "delivered", is(mailer.Delivered))
	if events, err := s.db.Events(t.Context(), store.DeliveryID(d.Slot, d.Subscriber)); err != nil || len(events) != 1 || events[0].Text != "delivered to maildir" {
		t.Errorf("through the filter and back: %+v, %v", events, err)
	}
	for address, enhanced := range map[string]string{nobody: "5.1.1", "a@full.example": "5.2.2", "b@blocked.example": "5.7.1"} {
		if d := s.await(patience, address, "bounced", is(mailer.Bounced)); d.Reply.Enhanced != enhanced {
			t.Errorf("%s: %+v", address, d.Reply)
		}
	}
	d = s.await(patience, "d@sink.example", "delayed", is(mailer.Delayed))
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
	if err != nil || len(slowed) != 1 || slowed[0].Name != "sink.example" || !strings.Contains(slowed[0].Why, "4.7.28") { // not late.example, which is down
		t.Errorf("slowed: %+v, %v", slowed, err)
	}
	s.oneBounceEach(4)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	c.must(0, "issues", "show", "1")
	c.printed("books balance")
}

// oneBounceEach waits for the reports that come by mail and checks that each is the same event as
// what the log said.
func (s *served) oneBounceEach(reports int) {
	s.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		n := 0
		for m, err := range s.db.Inbound(s.t.Context(), store.InboundFilter{Bounces: true}) {
			if err != nil {
				s.t.Fatal(err)
			}
			if m.Subscriber > 0 {
				n++
			}
		}
		if n == reports {
			break
		}
		if time.Now().After(end) {
			s.t.Fatalf("%d reports came in\n%s", n, s.log.String())
		}
	}
	for address, d := range s.rows() {
		events, err := s.db.Events(s.t.Context(), store.DeliveryID(d.Slot, d.Subscriber))
		if err != nil {
			s.t.Fatal(err)
		}
		bounces := 0
		for _, e := range events {
			if e.Class.Bounce() {
				bounces++
			}
		}
		if (d.State == mailer.Bounced) != (bounces == 1) || bounces > 1 {
			s.t.Errorf("%s is %s: %+v", address, d.State, events)
		}
	}
}

// TestSlowedAfterRestart: what was slowed stays so for a sender that starts anew, and nobody else is.
func TestSlowedAfterRestart(t *testing.T) {
	relay := relaytest.Start(t)
	var readers []string
	for n := range 5 {
		readers = append(readers, fmt.Sprintf("r%d@sink.example", n), fmt.Sprintf("r%d@reader.example", n))
	}
	c := logRoom(t, relay.Port, "}", readers)
	at := time.Date(2026, 1, 13, 7, 0, 0, 0, time.UTC)
	db, err := store.Open(t.Context(), storetest.At(t, c.dir+"/broadsheet.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = db.KeepSlowDomains(t.Context(), []mailer.Slowed{{Name: "sink.example", Rate: 4, Base: 100, Since: at, Heard: at, Why: "421 4.7.28 too much"}}, nil, at)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	c.must(0, "send", "morning", "--at", "2026-01-13T07:00:30Z")
	if took := time.Since(start); took < time.Second {
		t.Errorf("5 mails at 4 a second took %v", took)
	}
	var last []string
	for _, m := range relay.Messages()[6:] {
		last = append(last, mailer.DomainOf(m.To))
	}
	if len(last) != 4 || slices.ContainsFunc(last, func(d string) bool { return d != "sink.example" }) {
		t.Errorf("the last ones went to %v", last)
	}
}

// TestFollowThrottled has the servers of one domain answer 421 4.7.28 for twenty minutes to a real
// Postfix, while an issue goes out in portions: that domain's mails are held back, all the others are
// there within seconds, and in the end everything is.
func TestFollowThrottled(t *testing.T) {
	if os.Getenv("BROADSHEET_LONG") == "" {
		t.Skip("BROADSHEET_LONG is not set")
	}
	sink := relaytest.Start(t, "RCPT*@sink.example 421 4.7.28 an unusual rate of mail comes from you; hangup")
	p := postOffice(t, "minimal_backoff_time = 30s", "maximal_backoff_time = 60s", "queue_run_delay = 10s", "maximal_queue_lifetime = 1d",
		fmt.Sprintf("sink.example smtp:[127.0.0.1]:%d", sink.Port))
	var readers []string
	for n := range 2100 {
		readers = append(readers, fmt.Sprintf("ada+%d@%s", n, relaytest.Domain))
		if n%42 == 0 {
			readers = append(readers, fmt.Sprintf("r%d@sink.example", n))
		}
	}
	c := logRoom(t, p.Port("open"), followed(p), readers)
	began := time.Now()
	s := serveAt(c, "2026-01-13T07:00:00Z")
	count := func() (states map[mailer.State]int, sinks []store.DeliveryRow) {
		states = map[mailer.State]int{}
		for _, d := range s.rows() {
			if mailer.DomainOf(d.Address) == "sink.example" {
				sinks = append(sinks, d)
			} else {
				states[d.State]++
			}
		}
		return states, sinks
	}
	worst := 0 // of others, neither waiting for their turn nor there
	for time.Since(began) < 20*time.Minute {
		time.Sleep(10 * time.Second)
		states, sinks := count()
		worst = max(worst, 2100-states[mailer.Queued]-states[mailer.Delivered])
		for _, d := range sinks {
			if d.State == mailer.Delayed && (d.Reply.Enhanced != "4.7.28" || !strings.Contains(d.Reply.Text, "an unusual rate")) {
				t.Fatalf("a delay says %+v", d.Reply)
			}
		}
	}
	states, sinks := count()
	slowed, err := s.db.SlowDomains(t.Context())
	t.Logf("others: %v, at most %d on their way; slowed: %+v, %v", states, worst, slowed, err)
	if states[mailer.Delivered] != 2100 {
		t.Errorf("others: %v", states)
	}
	if len(slowed) != 1 || slowed[0].Name != "sink.example" || slowed[0].Rate > 0.2 {
		t.Errorf("slowed: %+v", slowed)
	}
	var taken []time.Time
	for _, d := range sinks {
		if d.State == mailer.Delayed && d.Taken.After(time.Date(2026, 1, 13, 7, 9, 0, 0, time.UTC)) {
			taken = append(taken, d.Taken)
		}
	}
	slices.SortFunc(taken, time.Time.Compare)
	for n := 8; n < len(taken); n++ {
		if gap := taken[n].Sub(taken[n-8]); gap < time.Minute {
			t.Errorf("nine mails went within %v", gap)
		}
	}
	sink.Script("RCPT*@sink.example 250 2.1.5 come in")
	for end := time.Now().Add(15 * time.Minute); ; time.Sleep(time.Second) {
		_, sinks := count()
		if !slices.ContainsFunc(sinks, func(d store.DeliveryRow) bool { return d.State != mailer.Delivered }) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("not everything has arrived")
		}
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	c.must(0, "issues", "show", "1")
	c.printed("books balance")
}
