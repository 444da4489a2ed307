package mailer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"broadsheet/mailer/relaytest"
)

func test(body string) Message {
	return Message{ReturnPath: "bounce@lantern.example", Recipient: "reader@example.org", Body: []byte(body)}
}

func TestSendOneOverTLS(t *testing.T) {
	for _, mode := range []string{"implicit", "starttls"} {
		for _, mech := range []string{"", "PLAIN", "SCRAM-SHA-256"} {
			t.Run(mode+" "+mech, func(t *testing.T) {
				t.Parallel()
				s := &server{}
				relay := startServer(t, s, mode)
				if mech != "" {
					s.mechanisms = []string{mech}
					relay.Auth, relay.User, relay.Password = "auto", "digest", "secret"
				}
				if err := Probe(t.Context(), relay); err != nil || len(s.mails) > 0 {
					t.Fatalf("probe: %v, mails %q", err, s.mails)
				}
				s.users = nil
				reply, err := SendOne(t.Context(), relay, test("Subject: hello\r\n\r\n.dot\r\n.\r\n"))
				if err != nil || reply.Code != 250 {
					t.Fatalf("%v, %v", reply, err)
				}
				if len(s.mails) != 1 || s.mails[0] != "Subject: hello\r\n\r\n.dot\r\n.\r\n" {
					t.Errorf("arrived: %q", s.mails)
				}
				if mech != "" && !slices.Equal(s.users, []string{"digest " + mech}) {
					t.Errorf("authenticated: %v", s.users)
				}
			})
		}
	}
}

// TestDialRefuses: nothing is sent to a relay that is not who it should be, and the effect on
// the relay is the table's.
func TestDialRefuses(t *testing.T) {
	_, stranger := certificate(t, "localhost")
	tests := []struct {
		name, mode string
		server     *server
		relay      func(*Relay)
		option     func(*smtp.Server)
		verb       Verb
		code       int
		effect     Effect
	}{
		{name: "unknown authority", mode: "implicit", relay: func(r *Relay) { r.RootCAs = stranger }, verb: Connect, effect: RedialLater},
		{name: "unknown authority", mode: "starttls", relay: func(r *Relay) { r.RootCAs = stranger }, verb: StartTLS, effect: RedialLater},
		{name: "other name", mode: "implicit", relay: func(r *Relay) { r.Host = "127.0.0.1" }, verb: Connect, effect: RedialLater},
		{name: "other name", mode: "starttls", relay: func(r *Relay) { r.Host = "127.0.0.1" }, verb: StartTLS, effect: RedialLater},
		{name: "no STARTTLS", mode: "none", relay: func(r *Relay) { r.TLS = "starttls" }, verb: Ehlo, effect: RedialLater},
		{name: "TLS 1.1", mode: "starttls", option: func(s *smtp.Server) { s.TLSConfig.MaxVersion = tls.VersionTLS11 }, verb: StartTLS, effect: RedialLater},
		{name: "wrong password", mode: "starttls", server: &server{mechanisms: []string{"PLAIN"}},
			relay: func(r *Relay) { r.Auth, r.User, r.Password = "auto", "digest", "wrong" }, verb: Auth, code: 535, effect: Hold},
		{name: "wrong password, SCRAM", mode: "implicit", server: &server{mechanisms: []string{"SCRAM-SHA-256"}},
			relay: func(r *Relay) { r.Auth, r.User, r.Password = "auto", "digest", "wrong" }, verb: Auth, code: 535, effect: Hold},
		{name: "no mechanism in common", mode: "starttls", server: &server{mechanisms: []string{"XOAUTH2"}},
			relay: func(r *Relay) { r.Auth, r.User, r.Password = "auto", "digest", "secret" }, verb: Auth, effect: Hold},
	}
	for _, tt := range tests {
		t.Run(tt.name+" "+tt.mode, func(t *testing.T) {
			t.Parallel()
			s := tt.server
			if s == nil {
				s = &server{}
			}
			var change []func(*smtp.Server)
			if tt.option != nil {
				change = append(change, tt.option)
			}
			relay := startServer(t, s, tt.mode, change...)
			if tt.relay != nil {
				tt.relay(&relay)
			}
			c, verb, reply, err := dial(t.Context(), relay)
			if c != nil {
				t.Fatal("it went through")
			}
			if verb != tt.verb || reply.Code != tt.code {
				t.Errorf("ended at %s with %v, %v", verb, reply, err)
			}
			if _, effect := Decide(verb, reply, err, &Delivery{}, noon, half); effect != tt.effect {
				t.Errorf("effect %q, want %q", effect, tt.effect)
			}
			if err := Probe(t.Context(), relay); err == nil || !strings.HasPrefix(err.Error(), "reach relay: "+string(tt.verb)+": ") {
				t.Errorf("probe: %v", err)
			}
			if _, err := SendOne(t.Context(), relay, test("x\r\n")); err == nil || len(s.mails) > 0 {
				t.Errorf("a mail went out: %v", err)
			}
		})
	}
}

// TestDialNotOnLoopback: without TLS nothing leaves the machine, whatever the name says.
func TestDialNotOnLoopback(t *testing.T) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		ip, ok := a.(*net.IPNet)
		if !ok || ip.IP.IsLoopback() || ip.IP.To4() == nil {
			continue
		}
		ln, err := net.Listen("tcp", net.JoinHostPort(ip.IP.String(), "0"))
		if err != nil {
			continue
		}
		defer func() { _ = ln.Close() }()
		relay := Relay{Name: "far", Host: ip.IP.String(), Port: ln.Addr().(*net.TCPAddr).Port, TLS: "none", HELO: "lantern.example"}
		if _, err := SendOne(t.Context(), relay, test("x\r\n")); err == nil || !strings.Contains(err.Error(), "not on loopback") {
			t.Errorf("error %v", err)
		}
		return
	}
	t.Skip("this machine has no address beside loopback")
}

func TestDialGreetingWithoutEnd(t *testing.T) {
	for _, line := range []string{"CONNECT flood", "CONNECT lines 10000", "EHLO flood"} {
		relay := relaytest.Start(t, line)
		_, err := SendOne(t.Context(), Relay{Name: "main", Host: relay.Host, Port: relay.Port, TLS: "none", HELO: "lantern.example"}, test("x\r\n"))
		if err == nil {
			t.Errorf("%s went through", line)
		}
	}
}

func TestDialEndsWithContext(t *testing.T) {
	for _, line := range []string{"CONNECT silence", "EHLO silence", "CONNECT drip 220 slow"} {
		relay := relaytest.Start(t, line)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := SendOne(ctx, Relay{Name: "main", Host: relay.Host, Port: relay.Port, TLS: "none", HELO: "lantern.example"}, test("x\r\n"))
			done <- err
		}()
		<-relay.Waiting()
		cancel()
		if err := <-done; err == nil {
			t.Errorf("%s: no error", line)
		}
	}
}

// TestEnvelopeParameters: each is there if needed and offered, and only then.
func TestEnvelopeParameters(t *testing.T) {
	full := "EHLO* 250-relay.example|250-SIZE 5000|250-8BITMIME|250-SMTPUTF8|250 PIPELINING"
	dsn := "EHLO* 250-relay.example|250-SMTPUTF8|250 DSN"
	tests := []struct {
		name, ehlo string
		m          Message
		want       string // MAIL and RCPT, or the reason
	}{
		{"nothing offered", "EHLO* 250 relay.example", test("x\r\n"), "MAIL FROM:<bounce@lantern.example> RCPT TO:<reader@example.org>"},
		{"plain", full, test("x\r\n"), "MAIL FROM:<bounce@lantern.example> SIZE=3 RCPT TO:<reader@example.org>"},
		{"8-bit", full, Message{ReturnPath: "b@l.example", Recipient: "r@e.example", Body: []byte("ü\r\n"), EightBit: true}, "MAIL FROM:<b@l.example> SIZE=4 BODY=8BITMIME RCPT TO:<r@e.example>"},
		{"8-bit not offered", "EHLO* 250 relay.example", Message{ReturnPath: "b@l.example", Recipient: "r@e.example", Body: []byte("ü\r\n"), EightBit: true}, ReasonNo8Bit},
		{"8-bit not said", full, Message{ReturnPath: "b@l.example", Recipient: "r@e.example", Body: []byte("ü\r\n")}, "8-bit"},
		{"domain in letters", full, Message{ReturnPath: "b@l.example", Recipient: "r@bücher.example", Body: []byte("x\r\n")}, "MAIL FROM:<b@l.example> SIZE=3 RCPT TO:<r@xn--bcher-kva.example>"},
		{"UTF-8 address", full, Message{ReturnPath: "b@l.example", Recipient: "jürgen@e.example", Body: []byte("x\r\n")}, "MAIL FROM:<b@l.example> SIZE=3 SMTPUTF8 RCPT TO:<jürgen@e.example>"},
		{"UTF-8 address not offered", "EHLO* 250 relay.example", Message{ReturnPath: "b@l.example", Recipient: "jürgen@e.example", Body: []byte("x\r\n")}, ReasonNoUTF8},
		{"over SIZE", full, test(strings.Repeat("xxxxxxxx\r\n", 501)), ReasonTooBig},
		{"reports", dsn, Message{ReturnPath: "b@l.example", Recipient: "r+a=b@e.example", Body: []byte("x\r\n"), ID: "7.12+3"},
			"MAIL FROM:<b@l.example> RET=HDRS ENVID=7.12+2B3 RCPT TO:<r+a=b@e.example> NOTIFY=FAILURE ORCPT=rfc822;r+2Ba+3Db@e.example"},
		{"reports without a name", dsn, test("x\r\n"), "MAIL FROM:<bounce@lantern.example> RET=HDRS RCPT TO:<reader@example.org> NOTIFY=FAILURE ORCPT=rfc822;reader@example.org"},
		{"reports on a UTF-8 address", dsn, Message{ReturnPath: "b@l.example", Recipient: "jürgen@e.example", Body: []byte("x\r\n")},
			"MAIL FROM:<b@l.example> SMTPUTF8 RET=HDRS RCPT TO:<jürgen@e.example> NOTIFY=FAILURE"},
		{"a name that breaks a line", dsn, Message{ReturnPath: "b@l.example", Recipient: "r@e.example", Body: []byte("x\r\n"), ID: "a\r\nb"},
			"MAIL FROM:<b@l.example> RET=HDRS RCPT TO:<r@e.example> NOTIFY=FAILURE ORCPT=rfc822;r@e.example"},
		{"clean", full, Message{ReturnPath: "b@l.example", Recipient: "r@e.example", Body: []byte("x\r\n"), Clean: true}, "MAIL FROM:<b@l.example> SIZE=3 RCPT TO:<r@e.example>"},
		{"clean without an end", full, Message{ReturnPath: "b@l.example", Recipient: "r@e.example", Clean: true}, "CRLF"},
		{"null sender", full, Message{Recipient: "r@e.example", Body: []byte("x\r\n")}, "return path"},
		{"lone LF", full, test("a\nb\r\n"), "lone LF"},
		{"lone CR", full, test("a\rb\r\n"), "lone CR"},
		{"smuggling", full, test("a\n.\r\nMAIL FROM:<x@y.example>\r\n"), "lone LF"},
		{"NUL", full, test("a\x00b\r\n"), "NUL"},
		{"long line", full, test(strings.Repeat("x", 999) + "\r\n"), "999 octets"},
		{"no line end", full, test("x"), "CRLF"},
		{"empty", full, test(""), "CRLF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			relay := relaytest.Start(t, tt.ehlo)
			_, err := SendOne(t.Context(), Relay{Name: "main", Host: relay.Host, Port: relay.Port, TLS: "none", HELO: "lantern.example"}, tt.m)
			var got []string
			for _, c := range relay.Sessions()[0].Commands {
				if strings.HasPrefix(c, "MAIL") || strings.HasPrefix(c, "RCPT") {
					got = append(got, c)
				}
			}
			if strings.HasPrefix(tt.want, "MAIL") {
				if err != nil || strings.Join(got, " ") != tt.want {
					t.Errorf("said %q, %v", got, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), tt.want) || len(got) > 0 {
				t.Errorf("said %q, %v", got, err)
			}
		})
	}
}

func TestSendOneRefused(t *testing.T) {
	relay := relaytest.Start(t, "RCPT 550 5.1.1 <reader@example.org> no such reader", "DOT hangup")
	settings := Relay{Name: "main", Host: relay.Host, Port: relay.Port, TLS: "none", HELO: "lantern.example"}
	reply, err := SendOne(t.Context(), settings, test("x\r\n"))
	if err == nil || reply.Enhanced != "5.1.1" || strings.Contains(err.Error(), "reader@") {
		t.Errorf("%v, %v", reply, err)
	}
	if _, err = SendOne(t.Context(), settings, test("x\r\n")); !errors.Is(err, io.EOF) {
		t.Errorf("silence after the dot: %v", err)
	}
}

// TestSenderOverTLS sends a whole batch with AUTH and one unknown reader, through STARTTLS.
func TestSenderOverTLS(t *testing.T) {
	s := &server{mechanisms: []string{"SCRAM-SHA-256", "PLAIN"}}
	relay := startServer(t, s, "starttls")
	relay.Auth, relay.User, relay.Password = "auto", "digest", "secret"
	q := newQueue(t, 20)
	snd := &Sender{Queue: q, Composer: letters{}, Worker: "w", Relay: relay, Now: func() time.Time { return noon }}
	runIdle(t, snd)
	wantStates(t, q, map[State]int{Accepted: 20})
	if len(s.mails) != 20 || !slices.Contains(s.users, "digest SCRAM-SHA-256") {
		t.Errorf("%d mails, users %v", len(s.mails), s.users)
	}
	for i := range q.rows {
		if d := q.row(int64(i + 1)); !slices.Contains(s.mails, body(&d)) {
			t.Errorf("mail of subscriber %d is not the composed one", d.Subscriber)
		}
	}
	for _, o := range s.options {
		if o.UTF8 || o.Body != "" || o.Size == 0 {
			t.Fatalf("parameters %+v", o)
		}
	}
}

func TestSenderWrongPasswordHolds(t *testing.T) {
	s := &server{mechanisms: []string{"PLAIN"}}
	relay := startServer(t, s, "implicit")
	relay.Auth, relay.User, relay.Password = "auto", "digest", "wrong"
	q := newQueue(t, 5)
	stats, err := (&Sender{Queue: q, Composer: letters{}, Worker: "w", Relay: relay}).Run(t.Context(), true)
	if !errors.Is(err, ErrHeld) || !stats.Held || !strings.Contains(fmt.Sprint(err), "535") || strings.Contains(fmt.Sprint(err), "wrong\"") {
		t.Errorf("%+v, %v", stats, err)
	}
	wantStates(t, q, map[State]int{Queued: 5})
}
