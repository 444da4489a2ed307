package mailer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"broadsheet/mailer/relaytest"
)

// letters composes a mail with hostile content: dots, look-alikes of the end, long words.
type letters struct{ fail func(d *Delivery) error }

func (c letters) Compose(_ context.Context, d *Delivery, buf []byte) (Message, error) {
	if c.fail != nil {
		if err := c.fail(d); err != nil {
			return Message{}, err
		}
	}
	return Message{ReturnPath: "bounce@lantern.example", Recipient: d.Address, Body: append(buf, body(d)...)}, nil
}

func body(d *Delivery) string {
	return fmt.Sprintf("Subject: %d\r\nDate: %d\r\n\r\n.\r\n..two\r\n.hidden\r\nplain\r\n", d.Subscriber, d.Date.Unix()) +
		strings.Repeat("."+strings.Repeat("x", 70)+"\r\n", 200) + ".\r\n" // the worst end there is
}

// sender talks to relay with waits of milliseconds and the clock at noon.
func sender(t *testing.T, q Queue, relay *relaytest.Relay, connections int) *Sender {
	return &Sender{Queue: q, Composer: letters{}, Worker: "w", KeyID: "k1",
		Relay: Relay{Name: "main", Host: relay.Host, Port: relay.Port, TLS: "none", HELO: "lantern.example", Connections: connections,
			Timeouts: Timeouts{Connect: 20 * time.Second, Command: 20 * time.Second, Data: 20 * time.Second, Dot: 20 * time.Second}},
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		Now: func() time.Time { return noon }, Rand: half,
		RetryFirst: time.Millisecond, RetryMost: 20 * time.Millisecond, RetryHeld: 20 * time.Millisecond,
		Patience: 20 * time.Second, Poll: 50 * time.Millisecond}
}

// runIdle runs until idle and fails the test on an error.
func runIdle(t *testing.T, s *Sender) Stats {
	t.Helper()
	stats, err := s.Run(t.Context(), true)
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	return stats
}

// wantStates compares the rows' states.
func wantStates(t *testing.T, q *memQueue, want map[State]int) {
	t.Helper()
	if got := q.states(); !maps.Equal(got, want) {
		t.Errorf("states %v, want %v", got, want)
	}
}

// copies counts the whole messages that arrived, by recipient.
func copies(relay *relaytest.Relay) map[string]int {
	n := map[string]int{}
	for _, m := range relay.Messages() {
		n[m.To]++
	}
	return n
}

func wantOneCopyEach(t *testing.T, relay *relaytest.Relay, n int) {
	t.Helper()
	got := copies(relay)
	for i := range n {
		if a := fmt.Sprintf("reader%d@example.org", i+1); got[a] != 1 {
			t.Errorf("%s got %d copies", a, got[a])
		}
	}
	if len(got) != n {
		t.Errorf("%d readers got mail, want %d", len(got), n)
	}
}

func TestSenderSendsAll(t *testing.T) {
	relay, q := relaytest.Start(t), newQueue(t, 50)
	s := sender(t, q, relay, 3)
	var calls int
	s.Progress = func(Stats) { calls++ }
	stats := runIdle(t, s)
	wantStates(t, q, map[State]int{Accepted: 50})
	wantOneCopyEach(t, relay, 50)
	if stats.Outcomes[Accepted] != 50 || calls < 1 {
		t.Errorf("stats %+v, %d calls of Progress", stats, calls)
	}
	for _, m := range relay.Messages() {
		d := q.row(subscriberOf(t, m.To))
		if want := body(&d); m.Data != want || m.From != "bounce@lantern.example" {
			t.Fatalf("%s from %s arrived as\n%q", m.To, m.From, m.Data)
		}
		if d.Copies != 1 || d.Attempts != 1 || d.KeyID != "k1" || !d.Date.Equal(noon) {
			t.Fatalf("row %+v", d)
		}
	}
	for _, session := range relay.Sessions() {
		for i, c := range session.Commands[1 : len(session.Commands)-1] {
			verb, _, _ := strings.Cut(c, " ")
			if want := []string{"MAIL", "RCPT", "DATA"}[i%3]; verb != want {
				t.Fatalf("command %d is %q, want %s: nothing beside the four round trips", i, c, want)
			}
		}
		if c := session.Commands; c[0] != "EHLO lantern.example" || c[len(c)-1] != "QUIT" {
			t.Errorf("session begins %q and ends %q", c[0], c[len(c)-1])
		}
	}
}

func subscriberOf(t *testing.T, address string) int64 {
	var n int64
	if _, err := fmt.Sscanf(address, "reader%d@", &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSenderOneBadReader: whatever is wrong with one delivery of twenty, the others go.
func TestSenderOneBadReader(t *testing.T) {
	tests := []struct {
		name    string
		script  string
		compose func(d *Delivery) error
		address string
		state   State
		reason  string
		hard    bool
	}{
		{name: "no such mailbox", script: "RCPT 550 5.1.1 no such reader", state: Failed, reason: "rcpt 550 5.1.1", hard: true},
		{name: "policy", script: "RCPT 554 5.7.1 not you", state: Failed, reason: "rcpt 554 5.7.1"},
		{name: "mailbox full", script: "RCPT 552 5.2.2 full", state: Deferred, reason: "rcpt 552 5.2.2"},
		{name: "greylisted", script: "RCPT 451 4.7.1 greylisted", state: Deferred, reason: "rcpt 451 4.7.1"},
		{name: "refused at DATA", script: "DATA 554 5.5.1 no", state: Failed, reason: "data 554 5.5.1"},
		{name: "deferred at DATA", script: "DATA 451 4.3.0 later", state: Deferred, reason: "data 451 4.3.0"},
		{name: "refused at the dot", script: "DOT 554 5.7.1 looks like spam", state: Failed, reason: "content refused"},
		{name: "deferred at the dot", script: "DOT 451 4.3.0 later", state: Deferred, reason: "dot 451 4.3.0"},
		{name: "too big", script: "MAIL 552 5.3.4 too big", state: Failed, reason: ReasonTooBig},
		{name: "compose error", compose: func(*Delivery) error { return errors.New("no such digest") }, state: Failed, reason: "compose: no such digest"},
		{name: "compose panic", compose: func(*Delivery) error { panic("boom") }, state: Failed, reason: "compose: panic: boom"},
		{name: "UTF-8 address", address: "jürgen@example.org", state: Failed, reason: ReasonNoUTF8},
		{name: "address with a line end", address: "a\r\nDATA@example.org", state: Failed, reason: "recipient: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			relay, q := relaytest.Start(t), newQueue(t, 20)
			if tt.script != "" {
				relay.Script(tt.script)
			}
			bad := int64(1) // one connection, so the first delivery meets the script's line
			if tt.address != "" {
				q.rows[0].Address = tt.address
			}
			s := sender(t, q, relay, 1)
			if tt.compose != nil {
				s.Composer = letters{func(d *Delivery) error {
					if d.Subscriber == bad {
						return tt.compose(d)
					}
					return nil
				}}
			}
			runIdle(t, s)
			wantStates(t, q, map[State]int{Accepted: 19, tt.state: 1})
			o := q.outcomes[bad]
			if len(o) != 1 || !strings.HasPrefix(o[0].Reason, tt.reason) || o[0].Hard != tt.hard {
				t.Errorf("outcomes %+v", o)
			}
			if n := len(relay.Sessions()); n != 1 {
				t.Errorf("%d connections: the innocent ones were not sent on the same", n)
			}
			d := q.row(bad)
			if d.Copies != 0 || d.Attempts != 1 {
				t.Errorf("row %+v", d)
			}
		})
	}
}

func TestSenderLostAndWaiting(t *testing.T) {
	relay, q := relaytest.Start(t), newQueue(t, 10)
	q.onIntend = func(d *Delivery) error {
		switch d.Subscriber {
		case 2:
			d.State = Suppressed
			return ErrLost
		case 3:
			d.Due = noon.Add(time.Hour)
			return ErrWait
		}
		return nil
	}
	q.steal = func(d *Delivery) bool {
		if d.Subscriber == 5 {
			d.State = Superseded
			return true
		}
		return false
	}
	stats := runIdle(t, sender(t, q, relay, 1))
	wantStates(t, q, map[State]int{Accepted: 7, Suppressed: 1, Queued: 1, Superseded: 1})
	if got := copies(relay); len(got) != 7 {
		t.Errorf("mail arrived for %v", got)
	}
	if stats.Lost != 2 || stats.Waiting != 1 {
		t.Errorf("stats %+v", stats)
	}
}

// TestSenderLedgerBroken: the last byte does not leave while the ledger cannot be written.
func TestSenderLedgerBroken(t *testing.T) {
	relay, q := relaytest.Start(t), newQueue(t, 10)
	q.broken = errors.New("disk full")
	ctx, cancel := context.WithCancel(t.Context())
	s := sender(t, q, relay, 2)
	s.Composer = letters{func(*Delivery) error { cancel(); return nil }}
	if _, err := s.Run(ctx, false); err != nil {
		t.Fatal(err)
	}
	if n := len(relay.Messages()); n != 0 {
		t.Errorf("%d messages left", n)
	}
	wantStates(t, q, map[State]int{Queued: 10})
}

// TestSenderStops: the message in hand comes to its end, no other is begun.
func TestSenderStops(t *testing.T) {
	relay, q := relaytest.Start(t, "DOT* wait; 250 2.0.0 taken"), newQueue(t, 20)
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error)
	go func() { _, err := sender(t, q, relay, 2).Run(ctx, false); done <- err }()
	<-relay.Waiting()
	<-relay.Waiting()
	cancel(errors.New("interrupt signal received")) // whose fault it is is no error of the run
	relay.Release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantStates(t, q, map[State]int{Accepted: 2, Queued: 18})
	if n := len(relay.Messages()); n != 2 {
		t.Errorf("%d messages arrived", n)
	}
	for id, l := range q.leases {
		if l.held {
			t.Errorf("batch %d is still leased", id)
		}
	}
}

func TestSenderServes(t *testing.T) {
	relay, q := relaytest.Start(t), newQueue(t, 10)
	q.rows[9].Due = noon.Add(time.Hour)
	var clock atomic.Int64
	clock.Store(noon.Unix())
	ctx, cancel := context.WithCancel(t.Context())
	s := sender(t, q, relay, 2)
	s.Now = func() time.Time { return time.Unix(clock.Load(), 0) }
	s.Progress = func(st Stats) {
		switch st.Outcomes[Accepted] {
		case 9:
			clock.Store(noon.Add(time.Hour).Unix())
		case 10:
			cancel()
		}
	}
	if _, err := s.Run(ctx, false); err != nil {
		t.Fatal(err)
	}
	wantStates(t, q, map[State]int{Accepted: 10})
}

func TestSenderRenewsLeases(t *testing.T) {
	relay, q := relaytest.Start(t, "MAIL wait; 250 go"), newQueue(t, 3)
	q.term = 300 * time.Millisecond
	s := sender(t, q, relay, 1)
	done := make(chan error)
	go func() { _, err := s.Run(t.Context(), true); done <- err }()
	for range 3 {
		select {
		case <-q.renewed:
		case err := <-done:
			t.Fatalf("run ended: %v", err)
		}
	}
	relay.Release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantStates(t, q, map[State]int{Accepted: 3})
}

func TestSenderLogsNoAddress(t *testing.T) {
	relay, q := relaytest.Start(t, "RCPT 550 5.1.1 <reader1@example.org>: no such reader", "MAIL 250 fine", "MAIL 451 4.3.0 reader2@example.org"), newQueue(t, 5)
	var log bytes.Buffer
	s := sender(t, q, relay, 1)
	s.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	runIdle(t, s)
	if strings.Contains(log.String(), "reader") && strings.Contains(log.String(), "reader1@") || strings.Contains(log.String(), "reader2@") {
		t.Errorf("an address is in the log:\n%s", log.String())
	}
	if !strings.Contains(log.String(), "r…@example.org") {
		t.Errorf("no masked address in the log:\n%s", log.String())
	}
}

func TestSenderRefusesBadSettings(t *testing.T) {
	good := Relay{Name: "main", Host: "relay.example", Port: 465, TLS: "implicit", HELO: "lantern.example"}
	for want, change := range map[string]func(*Relay){
		"name":           func(r *Relay) { r.Name = "" },
		"host":           func(r *Relay) { r.Host = "" },
		"port 70000":     func(r *Relay) { r.Port = 70000 },
		"tls":            func(r *Relay) { r.TLS = "opportunistic" },
		"helo":           func(r *Relay) { r.HELO = "" },
		"auth needs tls": func(r *Relay) { r.TLS, r.Auth, r.User, r.Password = "none", "auto", "u", "p" },
		"user":           func(r *Relay) { r.Auth = "auto" },
	} {
		r := good
		change(&r)
		_, err := (&Sender{Queue: newQueue(t, 1), Composer: letters{}, Worker: "w", Relay: r}).Run(t.Context(), true)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", want, err)
		}
	}
	r := good
	r.Password = "hunter2"
	if s := fmt.Sprintf("%v %+v %#v %s", r, r, r, r); strings.Contains(s, "hunter2") {
		t.Errorf("the password is printed: %s", s)
	}
}
