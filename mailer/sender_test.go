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
			Timeouts: Timeouts{Connect: 5 * time.Second, Command: 5 * time.Second, Data: 5 * time.Second, Dot: 5 * time.Second}},
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		Now: func() time.Time { return noon }, Rand: half,
		RetryFirst: time.Millisecond, RetryMost: 20 * time.Millisecond, RetryHeld: 20 * time.Millisecond,
		Patience: 2 * time.Second, Poll: 50 * time.Millisecond}
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
	if stats.Outcomes[Accepted] != 50 || calls < 50 {
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

// TestSenderResetBeforeTheDot is F4: nothing is lost, nothing doubled, nobody charged.
func TestSenderResetBeforeTheDot(t *testing.T) {
	for _, line := range []string{"CONNECT reset", "CONNECT hangup", "EHLO reset", "EHLO hangup", "MAIL reset", "MAIL hangup", "RCPT reset",
		"RCPT hangup", "DATA reset", "DATA hangup",
		"CONNECT 421 4.3.2 closing; hangup", "MAIL 421 4.3.2 closing; hangup", "RCPT 421 4.3.2 closing; hangup", "DATA 421 4.3.2 closing; hangup"} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			relay, q := relaytest.Start(t, line, line), newQueue(t, 10)
			runIdle(t, sender(t, q, relay, 2))
			wantStates(t, q, map[State]int{Accepted: 10})
			wantOneCopyEach(t, relay, 10)
			for i := range 10 {
				if d := q.row(int64(i + 1)); d.Attempts != 1 {
					t.Errorf("subscriber %d was charged %d attempts", d.Subscriber, d.Attempts)
				}
			}
		})
	}
}

// TestSenderResetInTheContent is the rest of F4: a content larger than what the network buffers,
// so that it cannot have left whole.
func TestSenderResetInTheContent(t *testing.T) {
	for _, line := range []string{"BODY after 2000; reset", "BODY after 2000; hangup", "BODY after 2000; 421 4.3.2 closing; hangup"} {
		relay, q := relaytest.Start(t, "EHLO* 250 relay.example", line), newQueue(t, 2)
		s := sender(t, q, relay, 1)
		s.Composer = large{lines: 200_000}
		runIdle(t, s)
		wantStates(t, q, map[State]int{Accepted: 2})
		wantOneCopyEach(t, relay, 2)
		if o := q.outcomes[1][0]; o.State != Queued || o.Charged || q.handed[1] != 1 {
			t.Errorf("%s: outcome %+v, handed %d times", line, o, q.handed[1])
		}
	}
}

var largeLine = []byte(strings.Repeat("x", 76) + "\r\n")

type large struct{ lines int }

func (c large) Compose(_ context.Context, d *Delivery, buf []byte) (Message, error) {
	return Message{ReturnPath: "bounce@lantern.example", Recipient: d.Address,
		Body: append(buf, bytes.Repeat(largeLine, c.lines)...)}, nil
}

// TestSenderGarbledReplies is F7: connection dropped, delivery deferred, no panic.
func TestSenderGarbledReplies(t *testing.T) {
	garbage := map[string]string{"a megabyte": "flood", "10,000 lines": "lines 10000", "no code": `raw "hello\r\n"`, "code 099": `raw "099 x\r\n"`,
		"code 600": `raw "600 x\r\n"`, "8-bit": `raw "250 \xff\r\n"`, "NUL": `raw "250 \x00\r\n"`, "two replies": "250 one; 250 two",
		"out of step": "354 what"}
	for name, action := range garbage {
		for _, verb := range []string{"MAIL", "RCPT", "DATA"} {
			if verb == "DATA" && (name == "two replies" || name == "out of step") {
				continue // 354 is right there; see TestPlainStrayReply
			}
			t.Run(verb+" "+name, func(t *testing.T) {
				t.Parallel()
				relay, q := relaytest.Start(t, verb+" "+action), newQueue(t, 5)
				runIdle(t, sender(t, q, relay, 1))
				first := q.outcomes[1][0]
				if first.State != Deferred && first.State != Queued || first.Charged || first.Copies != 0 {
					t.Errorf("outcome %+v", first)
				}
				if got := copies(relay); got["reader1@example.org"] > 1 || got["reader2@example.org"] != 1 {
					t.Errorf("copies %v", got)
				}
				if len(relay.Sessions()) < 2 {
					t.Error("the connection was used further")
				}
			})
		}
	}
}

// TestSenderResetAfterTheDot is F3: two copies at most, the rest uncertain, the run ends.
func TestSenderResetAfterTheDot(t *testing.T) {
	relay, q := relaytest.Start(t, "DOT* reset"), newQueue(t, 12)
	clock := noon
	s := sender(t, q, relay, 3)
	s.Now = func() time.Time { return clock }
	s.Patience = time.Minute
	runIdle(t, s)
	wantStates(t, q, map[State]int{Deferred: 12})
	for i := range 12 {
		if d := q.row(int64(i + 1)); d.Copies != 1 || !d.Due.Equal(noon.Add(time.Minute)) {
			t.Errorf("row %+v", d)
		}
	}
	for range 3 {
		clock = clock.Add(2 * time.Minute)
		runIdle(t, s)
	}
	wantStates(t, q, map[State]int{Uncertain: 12})
	for _, m := range relay.Messages() { // both copies are the same to the byte
		if want := body(&Delivery{Subscriber: subscriberOf(t, m.To), Date: noon}); m.Data != want {
			t.Fatalf("copy for %s differs", m.To)
		}
	}
	for a, n := range copies(relay) {
		if n != 2 {
			t.Errorf("%s got %d copies", a, n)
		}
	}
}

// TestSenderResetAfterTheDotNowAndThen is F3 again, with a relay that answers some.
func TestSenderResetAfterTheDotNowAndThen(t *testing.T) {
	for _, every := range []int{2, 3, 50} {
		t.Run(fmt.Sprintf("1 in %d", every), func(t *testing.T) {
			t.Parallel()
			relay, q := relaytest.Start(t), newQueue(t, 150)
			for i := range 600 {
				if i%every == every-1 {
					relay.Script("DOT reset")
				} else {
					relay.Script("DOT 250 2.0.0 taken")
				}
			}
			var clock atomic.Int64
			s := sender(t, q, relay, 3)
			s.Now = func() time.Time { return noon.Add(time.Duration(clock.Load())) }
			s.RetryFirst, s.RetryMost = time.Minute, time.Minute // a relay at work is not waited for
			for range 4 {
				runIdle(t, s)
				clock.Add(int64(2 * time.Minute))
			}
			if got := q.states(); got[Accepted]+got[Uncertain] != 150 || got[Accepted] < 75 {
				t.Errorf("states %v", got)
			}
			arrived := copies(relay)
			for i := range 150 {
				d := q.row(int64(i + 1))
				if n := arrived[d.Address]; n < 1 || n > 2 || n != d.Copies {
					t.Errorf("%s got %d copies, the ledger says %d", d.Address, n, d.Copies)
				}
			}
		})
	}
}

// TestSenderOneMessageAConnection: a relay that closes after each message is no relay in trouble.
func TestSenderOneMessageAConnection(t *testing.T) {
	for _, action := range []string{"250 2.0.0 taken; hangup", "250 2.0.0 taken; 421 4.3.2 that was all; hangup"} {
		relay, q := relaytest.Start(t, "DOT* "+action), newQueue(t, 20)
		s := sender(t, q, relay, 2)
		s.RetryFirst, s.RetryMost = time.Minute, time.Minute
		runIdle(t, s)
		wantStates(t, q, map[State]int{Accepted: 20})
		wantOneCopyEach(t, relay, 20)
	}
}

func TestSenderSecondCopyAccepted(t *testing.T) {
	relay, q := relaytest.Start(t, "DOT hangup"), newQueue(t, 1)
	clock := noon
	s := sender(t, q, relay, 1)
	s.Now = func() time.Time { return clock }
	runIdle(t, s)
	clock = clock.Add(time.Minute)
	runIdle(t, s)
	if d := q.row(1); d.State != Accepted || d.Copies != 2 || !d.Date.Equal(noon) {
		t.Errorf("row %+v", d)
	}
}

func TestSenderSecondCopyRefused(t *testing.T) {
	relay, q := relaytest.Start(t, "DOT hangup", "RCPT 250 fine", "RCPT 550 5.1.1 gone"), newQueue(t, 1)
	clock := noon
	s := sender(t, q, relay, 1)
	s.Now = func() time.Time { return clock }
	runIdle(t, s)
	clock = clock.Add(time.Minute)
	runIdle(t, s)
	if d := q.row(1); d.State != Uncertain || d.Reason != "rcpt 550 5.1.1" || d.Copies != 1 {
		t.Errorf("row %+v", d)
	}
}

// TestSenderLateReply is F5: a reply that takes long is waited for; other connections go on.
func TestSenderLateReply(t *testing.T) {
	relay, q := relaytest.Start(t, "DOT wait; 250 2.0.0 at last"), newQueue(t, 20)
	s := sender(t, q, relay, 2)
	var accepted atomic.Int64
	nineteen := make(chan struct{})
	s.Progress = func(st Stats) {
		if n := int64(st.Outcomes[Accepted]); accepted.Swap(n) < 19 && n >= 19 {
			close(nineteen)
		}
	}
	done := make(chan error)
	go func() { _, err := s.Run(t.Context(), true); done <- err }()
	<-nineteen
	relay.Release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantStates(t, q, map[State]int{Accepted: 20})
	wantOneCopyEach(t, relay, 20)
}

// TestSenderSlowReply is F6: octets that trickle in do not prolong the deadline of a command.
func TestSenderSlowReply(t *testing.T) {
	for verb, state := range map[string]State{"MAIL": Queued, "RCPT": Queued, "DATA": Queued, "DOT": Deferred} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			relay, q := relaytest.Start(t, verb+" drip 250 2.0.0 fine"), newQueue(t, 3)
			s := sender(t, q, relay, 1)
			s.Relay.Timeouts = Timeouts{Command: 200 * time.Millisecond, Data: 200 * time.Millisecond, Dot: 200 * time.Millisecond}
			runIdle(t, s)
			if o := q.outcomes[1][0]; o.State != state {
				t.Errorf("outcome %+v", o)
			}
			if got := copies(relay); got["reader2@example.org"] != 1 || got["reader1@example.org"] != 1 {
				t.Errorf("copies %v", got)
			}
		})
	}
}

// TestSenderGreylisting is F11: one copy, on the second try.
func TestSenderGreylisting(t *testing.T) {
	relay, q := relaytest.Start(t), newQueue(t, 10)
	for range 10 {
		relay.Script("RCPT 451 4.7.1 greylisted, come back in 5 minutes")
	}
	clock := noon
	s := sender(t, q, relay, 2)
	s.Now = func() time.Time { return clock }
	runIdle(t, s)
	wantStates(t, q, map[State]int{Deferred: 10})
	clock = noon.Add(5 * time.Minute)
	runIdle(t, s)
	wantStates(t, q, map[State]int{Accepted: 10})
	wantOneCopyEach(t, relay, 10)
	if d := q.row(1); d.Attempts != 2 || !d.Date.Equal(clock) {
		t.Errorf("row %+v: the date is renewed after a definite refusal", d)
	}
}

// TestSenderRelayClosesNowAndThen is F12: 421 after so many messages.
func TestSenderRelayClosesNowAndThen(t *testing.T) {
	relay, q := relaytest.Start(t), newQueue(t, 60)
	for i := range 60 {
		if i%10 == 9 {
			relay.Script("MAIL 421 4.7.0 enough for now; hangup")
		} else {
			relay.Script("MAIL 250 2.1.0 fine")
		}
	}
	stats := runIdle(t, sender(t, q, relay, 2))
	wantStates(t, q, map[State]int{Accepted: 60})
	wantOneCopyEach(t, relay, 60)
	if stats.Dials < 6 {
		t.Errorf("%d connections", stats.Dials)
	}
}

// TestSenderFewerConnections is F13: a relay that takes two connections gets its mail over two.
func TestSenderFewerConnections(t *testing.T) {
	relay, q := relaytest.Start(t, "CONNECT 220 one", "CONNECT 220 two", "CONNECT* 421 4.7.0 too many connections; hangup"), newQueue(t, 80)
	runIdle(t, sender(t, q, relay, 4))
	wantStates(t, q, map[State]int{Accepted: 80})
	wantOneCopyEach(t, relay, 80)
}

func TestSenderRelayDown(t *testing.T) {
	relay, q := relaytest.Start(t, "CONNECT* 421 4.3.2 down; hangup"), newQueue(t, 20)
	s := sender(t, q, relay, 4)
	s.Patience = 100 * time.Millisecond
	_, err := s.Run(t.Context(), true)
	if !errors.Is(err, ErrDown) || !strings.Contains(err.Error(), "421 4.3.2 down") {
		t.Fatalf("error %v", err)
	}
	wantStates(t, q, map[State]int{Queued: 20})
	if len(q.outcomes) != 0 {
		t.Errorf("deliveries were tried: %v", q.outcomes)
	}
	for id, l := range q.leases {
		if l.held {
			t.Errorf("batch %d is still leased", id)
		}
	}
}

func TestSenderHolds(t *testing.T) {
	for name, script := range map[string]string{
		"greeting refused":  "CONNECT* 554 5.7.1 not from there",
		"sender refused":    "MAIL* 550 5.1.8 unknown sender",
		"authenticate":      "MAIL* 530 5.7.0 authenticate first",
		"contents refused":  "DOT* 554 5.7.1 looks like spam",
		"authenticate late": "RCPT* 535 5.7.8 who are you",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			relay, q := relaytest.Start(t, script), newQueue(t, 30)
			_, err := sender(t, q, relay, 1).Run(t.Context(), true)
			if !errors.Is(err, ErrHeld) {
				t.Fatalf("error %v", err)
			}
			got := q.states()
			if name == "contents refused" {
				if got[Failed] != contentsInARow || got[Queued] != 30-contentsInARow {
					t.Errorf("states %v", got)
				}
			} else if got[Queued] != 30 {
				t.Errorf("states %v", got)
			}
			for _, o := range q.outcomes {
				if o[0].Hard || o[0].State == Queued && o[0].Charged {
					t.Errorf("a reader was blamed: %+v", o)
				}
			}
		})
	}
}

func TestSenderThrottled(t *testing.T) {
	relay, q := relaytest.Start(t, "DOT 454 4.7.0 Throttling failure: Maximum sending rate exceeded.",
		"MAIL 450 4.7.1 Error: too much mail from 127.0.0.1"), newQueue(t, 10)
	runIdle(t, sender(t, q, relay, 1))
	wantStates(t, q, map[State]int{Accepted: 10})
	if n := len(relay.Messages()); n != 11 { // one of them came in whole and was refused
		t.Errorf("%d messages", n)
	}
	for i := range 10 {
		if d := q.row(int64(i + 1)); d.Attempts != 1 || d.Copies != 1 {
			t.Errorf("row %+v", d)
		}
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

// TestSenderStops is F2: the message in hand comes to its end, no other is begun.
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
	for {
		q.mu.Lock()
		n := q.renewals
		q.mu.Unlock()
		if n >= 3 {
			break
		}
		select {
		case err := <-done:
			t.Fatalf("run ended after %d renewals: %v", n, err)
		case <-time.After(5 * time.Millisecond):
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
