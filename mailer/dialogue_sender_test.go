package mailer

import (
	"strings"
	"testing"
	"time"

	"broadsheet/mailer/relaytest"
)

// TestSenderInEachDialogue sends from lease to outcome, with refusals and lost connections on the way.
func TestSenderInEachDialogue(t *testing.T) {
	each(t, []string{"RCPT 250 yes", "RCPT 550 5.1.1 no", "RCPT 250 yes", "RCPT 450 4.2.1 later", "DOT 250 yes; hangup", "DOT 250 yes", "DOT 554 5.7.1 no"},
		func(t *testing.T, d Dialogue, relay *relaytest.Relay) {
			q := newQueue(t, 80)
			s := sender(t, q, relay, 2)
			s.Relay.InDoubt = 4
			runIdle(t, s)
			states := q.states()
			// What is lost with the connection that hung up may be in doubt where several are away.
			if states[Failed] != 2 || states[Accepted]+states[Deferred] != 78 || states[Deferred] > 8 || states[Deferred] < 1 {
				t.Errorf("states %v", states)
			}
			for a, n := range copies(relay) {
				if n > 1 {
					t.Errorf("%s got %d copies", a, n)
				}
			}
			for i := range 80 {
				row := q.row(int64(i + 1))
				if row.State == Accepted && row.Copies != 1 || row.Attempts > 1 {
					t.Errorf("row %+v", row)
				}
			}
		})
}

// TestSenderStepsDown: a relay that goes out of step in the better dialogues gets its mail in the
// plain one, nobody is charged and no copy is sent twice.
func TestSenderStepsDown(t *testing.T) {
	relay := relaytest.Start(t, offers[2].ehlo, "BDAT* 502 5.5.1 what", "DATA 250 what")
	q := newQueue(t, 20)
	s := sender(t, q, relay, 1)
	s.Relay.InDoubt = 4
	clock := noon
	s.Now = func() time.Time { return clock }
	for range 3 {
		runIdle(t, s)
		clock = clock.Add(2 * time.Minute)
	}
	wantStates(t, q, map[State]int{Accepted: 20})
	taken := map[string]int{}
	for _, m := range relay.Messages() {
		if m.Taken {
			taken[m.To]++
		}
	}
	for i := range 20 {
		if d := q.row(int64(i + 1)); taken[d.Address] != 1 {
			t.Errorf("%s got %d copies", d.Address, taken[d.Address])
		}
	}
	all := relay.Sessions()
	for i, verb := range []string{"BDAT", "DATA"} {
		if !strings.Contains(strings.Join(all[i].Commands, "\n"), verb) {
			t.Errorf("session %d has no %s: %q", i, verb, all[i].Commands)
		}
	}
	for i := range 20 {
		if d := q.row(int64(i + 1)); d.Attempts != 1 || d.Copies != 1 {
			t.Errorf("row %+v", d)
		}
	}
}
