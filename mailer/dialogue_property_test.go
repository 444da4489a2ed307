package mailer

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"broadsheet/mailer/relaytest"
)

// turns are what a relay may do at each verb, beside behaving well.
var turns = map[string][]string{
	"MAIL": {"250 2.1.0 yes", "451 4.3.0 later", "550 5.7.1 no", "421 4.3.2 closing; hangup", "421 4.7.0 not you", "hangup", "reset", "354 what", "503 5.5.1 nested", `raw "hello\r\n"`},
	"RCPT": {"250 2.1.5 yes", "251 2.1.5 elsewhere", "450 4.2.1 later", "550 5.1.1 no", "421 4.3.2 closing; hangup", "hangup", "reset", "503 5.5.1 what", `raw "25"; hangup`},
	"DATA": {"354 yes", "451 4.3.0 later", "554 5.5.1 no", "421 4.3.2 closing; hangup", "hangup", "250 what", "503 5.5.1 what"},
	"DOT": {"250 2.0.0 yes", "250-2.0.0 yes|250 2.0.0 indeed", "451 4.3.0 later", "554 5.7.1 no", "421 4.3.2 closing; hangup", "250 2.0.0 yes; hangup",
		"250 2.0.0 yes; reset", "hangup", "reset", "354 what", "503 5.5.1 what", `raw "600 what\r\n"`},
	"BDAT": {"250 2.0.0 yes", "500 5.5.1 what", "452 4.3.1 full", "hangup"},
	"BODY": {"-", "after 20; reset", "after 10; hangup", "after 1; 421 4.3.2 closing; hangup"},
	"RSET": {"250 2.0.0 yes", "500 5.5.1 what", "421 4.3.2 closing; hangup", "hangup"},
}

// TestDialogueProperty: whatever a relay does, each letter ends once and in order (which office
// watches), what the relay took is told as taken or in doubt, and what it did not take is not
// told as taken.
func TestDialogueProperty(t *testing.T) {
	rounds := 150
	if testing.Short() {
		rounds = 30
	}
	for _, of := range offers {
		t.Run(of.name, func(t *testing.T) {
			t.Parallel()
			for seed := range rounds {
				playAtRandom(t, of.dialogue, of.ehlo, uint64(seed))
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

func playAtRandom(t *testing.T, d Dialogue, ehlo string, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 7))
	n, odds := 1+rnd.IntN(25), 2+rnd.IntN(12)
	script := []string{ehlo}
	for _, verb := range []string{"MAIL", "RCPT", "DATA", "DOT", "BDAT", "BODY", "RSET"} {
		all := turns[verb]
		for range n {
			turn := all[0]
			if rnd.IntN(odds) == 0 {
				turn = all[rnd.IntN(len(all))]
			}
			if verb != "BDAT" && d != (chunking{}) || verb != "DOT" && verb != "DATA" {
				script = append(script, verb+" "+turn)
			}
		}
	}
	relay := relaytest.Start(t, script...)
	o := newOffice(t, 1+rnd.IntN(6), mails(n)...)
	if rnd.IntN(3) == 0 {
		o.holdUp = func(i int) bool { return i%3 == 1 }
	}
	for range 3 * n {
		if o.given == n {
			break
		}
		_ = carry(t, relay, d, o, Timeouts{Command: 5 * time.Second, Data: 5 * time.Second, Dot: 5 * time.Second})
	}
	if len(o.ends) != n {
		t.Fatalf("%d of %d letters ended", len(o.ends), n)
	}
	arrived := map[string][]relaytest.Message{}
	for _, m := range relay.Messages() {
		arrived[m.To] = append(arrived[m.To], m)
	}
	for i, e := range o.ends {
		want := o.pile[i].Message
		taken := 0
		for _, m := range arrived[want.Recipient] {
			if m.Data != string(want.Body) {
				t.Errorf("letter %d arrived as %q", i, m.Data)
			}
			if m.Taken {
				taken++
			}
			if e.String() == "dot 250" && m.From != want.ReturnPath {
				t.Errorf("letter %d came from %s", i, m.From)
			}
		}
		switch {
		case e.verb == Dot && e.err == nil && e.reply.class() == 2:
			if taken != 1 {
				t.Errorf("letter %d is told as taken, and was %d times", i, taken)
			}
		case e.verb == Dot && (e.err != nil || strings.HasPrefix(e.String(), "dot 3")): // in doubt
			if taken > 1 {
				t.Errorf("letter %d was taken %d times", i, taken)
			}
		case taken > 0:
			t.Errorf("letter %d ended %s and was taken", i, e)
		}
	}
}
