package mailer

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"broadsheet/mailer/relaytest"
)

func settings(relay *relaytest.Relay) Relay {
	return Relay{Name: "main", Host: relay.Host, Port: relay.Port, TLS: "none", HELO: "lantern.example"}
}

// TestPlainStrayReply: a reply that nobody asked for is never taken for the answer to what comes next.
func TestPlainStrayReply(t *testing.T) {
	for name, script := range map[string]string{
		"after EHLO":         `EHLO raw "250 relay.example\r\n250 again\r\n"`,
		"after MAIL":         `MAIL raw "250 fine\r\n250 fine\r\n"`,
		"after RCPT":         `RCPT raw "250 fine\r\n354 go\r\n"`,
		"250 with the 354":   `DATA raw "354 go\r\n250 taken\r\n"`,
		"refused, then fine": `RCPT raw "550 5.1.1 no\r\n250 fine\r\n"`,
	} {
		t.Run(name, func(t *testing.T) {
			relay, q := relaytest.Start(t, script), newQueue(t, 3)
			runIdle(t, sender(t, q, relay, 1))
			got := copies(relay)
			for a, n := range got {
				if n != 1 {
					t.Errorf("%s got %d copies", a, n)
				}
			}
			if got["reader2@example.org"] != 1 || got["reader3@example.org"] != 1 {
				t.Errorf("copies %v", got)
			}
			if first := q.outcomes[1][0]; first.State == Accepted && name != "after EHLO" || q.handed[1] > 1 {
				t.Errorf("outcome %+v, handed %d times", first, q.handed[1])
			}
			if len(relay.Sessions()) < 2 {
				t.Error("the connection was used further")
			}
		})
	}
}

// TestPlainStray250AfterAccepted: the message is taken; the next one goes over a new connection.
func TestPlainStray250AfterAccepted(t *testing.T) {
	relay, q := relaytest.Start(t, `DOT raw "250 taken\r\n250 taken\r\n"`), newQueue(t, 2)
	runIdle(t, sender(t, q, relay, 1))
	wantStates(t, q, map[State]int{Accepted: 2})
	wantOneCopyEach(t, relay, 2)
	if len(relay.Sessions()) != 2 {
		t.Errorf("%d sessions", len(relay.Sessions()))
	}
}

// TestPlainResets: RSET follows a refused recipient or DATA and nothing else.
func TestPlainResets(t *testing.T) {
	for script, want := range map[string]string{
		"MAIL 451 4.3.0 later":      "EHLO MAIL QUIT",
		"RCPT 550 5.1.1 no":         "EHLO MAIL RCPT RSET QUIT",
		"DATA 451 4.3.0 later":      "EHLO MAIL RCPT DATA RSET QUIT",
		"DOT 554 5.7.1 no":          "EHLO MAIL RCPT DATA QUIT",
		"DOT 250 2.0.0 yes":         "EHLO MAIL RCPT DATA QUIT",
		"RCPT 251 2.1.5 forwarding": "EHLO MAIL RCPT DATA QUIT",
		"RCPT 421 4.3.2 closing":    "EHLO MAIL RCPT",
		"MAIL 503 5.5.1 nested":     "EHLO MAIL",
	} {
		relay, q := relaytest.Start(t, script), newQueue(t, 1)
		_, _ = sender(t, q, relay, 1).Run(t.Context(), true)
		var verbs []string
		for _, c := range relay.Sessions()[0].Commands {
			verb, _, _ := strings.Cut(c, " ")
			verbs = append(verbs, verb)
		}
		if got := strings.Join(verbs, " "); got != want {
			t.Errorf("%s: %s, want %s", script, got, want)
		}
	}
}

// TestSenderFailedReset: trouble with RSET changes no outcome.
func TestSenderFailedReset(t *testing.T) {
	for _, action := range []string{"hangup", "500 5.5.1 what", "421 4.3.2 closing; hangup"} {
		relay, q := relaytest.Start(t, "RCPT 550 5.1.1 no", "RSET "+action, "QUIT* hangup"), newQueue(t, 5)
		runIdle(t, sender(t, q, relay, 1))
		wantStates(t, q, map[State]int{Accepted: 4, Failed: 1})
	}
}

// TestSenderBreakingMessage: a message that makes the relay hang up each time steps aside.
func TestSenderBreakingMessage(t *testing.T) {
	relay, q := relaytest.Start(t, "RCPT hangup", "RCPT hangup", "RCPT hangup"), newQueue(t, 1)
	runIdle(t, sender(t, q, relay, 1))
	if d := q.row(1); d.State != Deferred || d.Attempts != 0 || !d.Due.After(noon) {
		t.Errorf("row %+v", d)
	}
}

// TestSenderStopsAtAMuteRelay: a relay that answers nothing does not keep the sender from ending,
// and what it was told is put right.
func TestSenderStopsAtAMuteRelay(t *testing.T) {
	relay, q := relaytest.Start(t, "RCPT silence"), newQueue(t, 3)
	s := sender(t, q, relay, 1)
	s.Relay.Timeouts = Timeouts{}
	s.finish = 50 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { _, err := s.Run(ctx, false); done <- err }()
	<-relay.Waiting()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantStates(t, q, map[State]int{Queued: 3})
	if d := q.row(1); d.Attempts != 0 || d.Copies != 0 {
		t.Errorf("row %+v", d)
	}
}

// TestSenderStopsWhileAReplyIsDue: the reply is waited for longer than the rest, and the lease is
// kept meanwhile; then the copy counts as unanswered.
func TestSenderStopsWhileAReplyIsDue(t *testing.T) {
	relay, q := relaytest.Start(t, "DOT silence"), newQueue(t, 3)
	q.term = 300 * time.Millisecond
	s := sender(t, q, relay, 1)
	s.Relay.Timeouts = Timeouts{}
	s.finish, s.hearOut = time.Millisecond, 700*time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { _, err := s.Run(ctx, false); done <- err }()
	<-relay.Waiting()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantStates(t, q, map[State]int{Deferred: 1, Queued: 2})
	if d := q.row(1); d.Copies != 1 {
		t.Errorf("row %+v", d)
	}
}

// TestGuardStop: told to stop, the step under way and all later ones are cut short, a pending
// reply less so.
func TestGuardStop(t *testing.T) {
	a, b := net.Pipe()
	defer func() { _, _ = a.Close(), b.Close() }()
	g := &guard{Conn: a, room: -1}
	g.within(time.Hour, false)
	g.stop(0, time.Minute)
	_ = g.SetDeadline(now().Add(time.Hour))
	if _, err := g.Read(make([]byte, 1)); !isTimeout(err) {
		t.Errorf("a step goes on: %v", err)
	}
	g.within(time.Hour, true)
	go func() { _, _ = b.Write([]byte("x")) }()
	if _, err := g.Read(make([]byte, 1)); err != nil {
		t.Errorf("a pending reply is not waited for: %v", err)
	}
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}

// TestPlainGoneBeforeTheLastBytes: handed on record, but the connection took none of the last
// octets, so the message cannot have arrived and no copy is in doubt.
func TestPlainGoneBeforeTheLastBytes(t *testing.T) {
	ours, theirs := net.Pipe()
	g := &guard{Conn: ours, room: -1}
	c := &Conn{r: bufio.NewReader(g), w: bufio.NewWriter(g), guard: g, timeouts: Timeouts{}.withDefaults()}
	go func() {
		in := bufio.NewReader(theirs)
		for _, answer := range []string{"250 fine", "250 fine", "354 go"} {
			_, _ = in.ReadString('\n')
			_, _ = theirs.Write([]byte(answer + "\r\n"))
		}
		_, _ = in.WriteTo(io.Discard)
	}()
	o := newOffice(t, 1, test("x\r\n"))
	o.onHand = func(*Letter) error { return theirs.Close() }
	if err := (plain{}).Carry(c, o); err == nil {
		t.Error("the connection goes on")
	}
	if e := o.ends[0]; e.verb != Data || e.err == nil {
		t.Errorf("ended at %s with %v", e.verb, e.err)
	}
}

func BenchmarkCheckBody(b *testing.B) {
	body := []byte(strings.Repeat(strings.Repeat("x", 76)+"\r\n", 600))
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := checkBody(body); err != nil {
			b.Fatal(err)
		}
	}
}
