package mailer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"broadsheet/mailer/relaytest"
)

// TestSenderResetBeforeTheDot: nothing is lost, nothing doubled, nobody charged.
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

// TestSenderResetInTheContent is the same for a content larger than what the network buffers,
// so that it cannot have left whole.
func TestSenderResetInTheContent(t *testing.T) {
	for _, line := range []string{"BODY after 2000; reset", "BODY after 2000; hangup", "BODY after 2000; 421 4.3.2 closing; hangup"} {
		relay, q := relaytest.Start(t, "EHLO* 250 relay.example", line), newQueue(t, 2)
		s := sender(t, q, relay, 1)
		s.Composer, s.Patience = large{lines: 200_000}, time.Minute
		s.Relay.Timeouts = Timeouts{}
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

// TestSenderGarbledReplies: connection dropped, delivery deferred, no panic.
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

// TestSenderConnectionLostOnce: a connection that is lost is one loss, whatever was on its way over
// it, and does not make new ones wait by itself.
func TestSenderConnectionLostOnce(t *testing.T) {
	at := func(first int) []string { // the dot of a connection that is reset, then all is well
		var script []string
		for range first - 1 {
			script = append(script, "DOT 250 fine")
		}
		return append(script, "DOT reset")
	}
	for name, script := range map[string][]string{
		"the next envelope on its way": append(at(1), "EHLO* 250-relay.example|250 PIPELINING"),
		"many contents on their way":   append(at(100), "EHLO* 250-relay.example|250-PIPELINING|250 CHUNKING"),
	} {
		t.Run(name, func(t *testing.T) {
			relay, q := relaytest.Start(t, script...), newQueue(t, 300)
			s := sender(t, q, relay, 1)
			s.Relay.InDoubt = 50
			s.RetryFirst, s.RetryMost = time.Hour, time.Hour // beyond the sender's patience
			runIdle(t, s)
			if n := q.states()[Accepted]; n < 250 || len(relay.Sessions()) != 2 {
				t.Errorf("%d accepted over %d connections", n, len(relay.Sessions()))
			}
		})
	}
}

// TestSenderResetAfterTheDot: two copies at most, the rest uncertain, the run ends.
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

// TestSenderResetAfterTheDotNowAndThen is the same with a relay that answers some.
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

// TestSenderLateReply: a reply that takes long is waited for; other connections go on.
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

// TestSenderSlowReply: octets that trickle in do not prolong the deadline of a command.
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

// TestSenderGreylisting: one copy, on the second try.
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

// TestSenderRelayClosesNowAndThen: 421 after so many messages.
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

// TestSenderFewerConnections: a relay that takes two connections gets its mail over two. On a busy machine
// both may be done before the next batch is leased, so it takes further ones after a while.
func TestSenderFewerConnections(t *testing.T) {
	relay, q := relaytest.Start(t, "CONNECT 220 one", "CONNECT 220 two",
		"CONNECT 421 4.7.0 too many connections; hangup", "CONNECT 421 4.7.0 too many connections; hangup", "CONNECT 421 4.7.0 too many connections; hangup"), newQueue(t, 80)
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

// TestSenderKeepsNothingLeased: while the relay is waited for, the queue can end what gets too old.
func TestSenderKeepsNothingLeased(t *testing.T) {
	relay, q := relaytest.Start(t, "CONNECT 421 4.3.2 down; hangup"), newQueue(t, 20)
	ctx, cancel := context.WithCancel(t.Context())
	s := sender(t, q, relay, 1)
	s.RetryFirst, s.RetryMost = time.Hour, time.Hour
	done := make(chan error)
	go func() { _, err := s.Run(ctx, false); done <- err }()
	<-q.released
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantStates(t, q, map[State]int{Queued: 20})
}

// TestSenderFindsTheRelayAgain: after a wait long enough to give up the leases.
func TestSenderFindsTheRelayAgain(t *testing.T) {
	relay, q := relaytest.Start(t, "CONNECT 421 4.3.2 down; hangup"), newQueue(t, 20)
	s := sender(t, q, relay, 2)
	s.RetryFirst, s.RetryMost, s.Patience = 1100*time.Millisecond, 2*time.Second, time.Minute
	runIdle(t, s)
	wantStates(t, q, map[State]int{Accepted: 20})
	wantOneCopyEach(t, relay, 20)
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
	s := sender(t, q, relay, 1)
	s.Relay.Rate = 1000 // to be slowed; without one the test would wait for seconds
	runIdle(t, s)
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

// handWatch counts the deliveries that a commit writes down as handed beside the first.
type handWatch struct {
	*memQueue
	mu            sync.Mutex
	ahead, copies int // of them all, and of those with a copy out
}

func (q *handWatch) Commit(ctx context.Context, marks []Mark, now time.Time) error {
	q.mu.Lock()
	first := true
	for _, m := range marks {
		if m.Step != Hand {
			continue
		}
		if !first {
			q.ahead++
			q.copies += m.Delivery.Copies
		}
		first = false
	}
	q.mu.Unlock()
	return q.memQueue.Commit(ctx, marks, now)
}

// TestSenderSecondCopiesAreNotHandedAhead: a crash between the mark and the wire would make a
// reader's mail uncertain of which no copy ever left.
func TestSenderSecondCopiesAreNotHandedAhead(t *testing.T) {
	q := &handWatch{memQueue: newQueue(t, 300)}
	for i := range q.rows {
		if i%10 == 9 {
			q.rows[i].State, q.rows[i].Copies = Deferred, 1
		}
	}
	s := sender(t, q, relaytest.Start(t), 1)
	s.Relay.InDoubt = 50
	runIdle(t, s)
	wantStates(t, q.memQueue, map[State]int{Accepted: 300})
	if q.ahead == 0 || q.copies > 0 {
		t.Errorf("%d handed ahead, %d of them with a copy out", q.ahead, q.copies)
	}
}

// broken is a queue that cannot be written for a while.
type broken struct {
	*memQueue
	left atomic.Int32
}

func (q *broken) Commit(ctx context.Context, marks []Mark, now time.Time) error {
	if q.left.Add(-1) >= 0 {
		return errors.New("disk is full")
	}
	return q.memQueue.Commit(ctx, marks, now)
}

// TestSenderTellsOfTheLedgerOnce: not once for each of its connections.
func TestSenderTellsOfTheLedgerOnce(t *testing.T) {
	q := &broken{memQueue: newQueue(t, 200)}
	q.left.Store(4)
	s := sender(t, q, relaytest.Start(t), 4)
	var text bytes.Buffer
	s.Log = slog.New(slog.NewTextHandler(&text, nil))
	runIdle(t, s)
	if trouble, well := strings.Count(text.String(), "ledger in trouble"), strings.Count(text.String(), "ledger well again"); trouble != well || trouble == 0 || trouble > 2 {
		t.Errorf("trouble is told %d times, its end %d times:\n%s", trouble, well, &text)
	}
}

// TestSenderRelayRefusesEverybody: that is no reader's doing. Next to nobody is marked, most stay
// queued, and a person is called.
func TestSenderRelayRefusesEverybody(t *testing.T) {
	for _, tt := range []struct {
		said  string
		marks int // at most
	}{
		{"550 relay not permitted", bareInARow},
		{"553 sorry, that domain isn't in my list of allowed rcpthosts", bareInARow},
		{"550 5.7.1 client host blocked", 0},
		{"550 5.1.1 user unknown in local recipient table", marksInARow},
	} {
		relay, q := relaytest.Start(t, "RCPT* "+tt.said), newQueue(t, 100)
		if _, err := sender(t, q, relay, 4).Run(t.Context(), true); !errors.Is(err, ErrHeld) {
			t.Errorf("%s: %v", tt.said, err)
		}
		if failed := q.states()[Failed]; failed < noOnesInARow || failed > noOnesInARow+4 || hardMarks(q) > tt.marks {
			t.Errorf("%s: %d failed, %d marked", tt.said, failed, hardMarks(q))
		}
	}
}

// TestSenderManyAreGone: a run of dead addresses is no fault of a relay that takes mail.
func TestSenderManyAreGone(t *testing.T) {
	relay, q := relaytest.Start(t, "RCPT 250 yes"), newQueue(t, 60)
	for range provenInARow {
		relay.Script("RCPT 550 5.1.1 gone")
	}
	runIdle(t, sender(t, q, relay, 1))
	if wantStates(t, q, map[State]int{Accepted: 60 - provenInARow, Failed: provenInARow}); hardMarks(q) != provenInARow {
		t.Errorf("%d marked", hardMarks(q))
	}
}

// TestSenderDoubts: those beyond are not marked, and it is on record that they would have been.
func TestSenderDoubts(t *testing.T) {
	relay, q := relaytest.Start(t, "RCPT 250 yes"), newQueue(t, 60)
	for range provenInARow + 5 {
		relay.Script("RCPT 550 5.1.1 gone")
	}
	runIdle(t, sender(t, q, relay, 1))
	doubted := 0
	q.mu.Lock()
	for _, list := range q.outcomes {
		for _, o := range list {
			if o.Doubted {
				doubted++
			}
		}
	}
	q.mu.Unlock()
	if doubted != 5 || hardMarks(q) != provenInARow {
		t.Errorf("%d doubted, %d marked", doubted, hardMarks(q))
	}
}

// TestSenderMarksFromARelayThatTakesMail: of those who are not there each is marked, by a bare code too.
func TestSenderMarksFromARelayThatTakesMail(t *testing.T) {
	relay, q := relaytest.Start(t, "RCPT 250 yes", "RCPT 550 no such user", "RCPT 250 yes", "RCPT 550 5.1.1 no such user", "RCPT 551 gone"), newQueue(t, 8)
	runIdle(t, sender(t, q, relay, 1))
	if n := hardMarks(q); n != 3 || q.states()[Failed] != 3 {
		t.Errorf("%d marked, states %v", n, q.states())
	}
}

func hardMarks(q *memQueue) (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, list := range q.outcomes {
		for _, o := range list {
			if o.Hard {
				n++
			}
		}
	}
	return n
}

// TestSenderTooOldCostNothing: what the ledger does not let go any more takes no turn at the relay's
// rate and no connection from the others.
func TestSenderTooOldCostNothing(t *testing.T) {
	relay, q := relaytest.Start(t), newQueue(t, 120)
	q.onIntend = func(d *Delivery) error {
		if d.Subscriber > 10 && d.Subscriber <= 110 {
			d.State = Expired
			return ErrLost
		}
		return nil
	}
	s := sender(t, q, relay, 1)
	s.Relay.Rate = 200
	runIdle(t, s)
	wantStates(t, q, map[State]int{Accepted: 20, Expired: 100})
	if n := len(relay.Sessions()); n > 2 {
		t.Errorf("%d connections for 20 mails", n)
	}
}
