package mailer

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"broadsheet/mailer/relaytest"
)

// offers are EHLO lines after which each dialogue is chosen.
var offers = []struct {
	name     string
	ehlo     string
	dialogue Dialogue
}{
	{"plain", "EHLO* 250-relay.example|250-8BITMIME|250-SIZE 1000000|250 ENHANCEDSTATUSCODES", plain{}},
	{"pipelining", "EHLO* 250-relay.example|250-8BITMIME|250-PIPELINING|250-SIZE 1000000|250 ENHANCEDSTATUSCODES", pipelining{}},
	{"chunking", "EHLO* 250-relay.example|250-8BITMIME|250-PIPELINING|250-CHUNKING|250-SIZE 1000000|250 ENHANCEDSTATUSCODES", chunking{}},
}

// each runs f as a subtest for each dialogue, with a relay that offers it and follows script.
func each(t *testing.T, script []string, f func(t *testing.T, d Dialogue, relay *relaytest.Relay)) {
	for _, o := range offers {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			f(t, o.dialogue, relaytest.Start(t, append([]string{o.ehlo}, script...)...))
		})
	}
}

// carry dials and carries the letters of o by the dialogue that EHLO calls for, which must be want.
func carry(t *testing.T, relay *relaytest.Relay, want Dialogue, o *office, times Timeouts) error {
	t.Helper()
	r := settings(relay)
	r.Timeouts = times
	c, verb, reply, err := dial(t.Context(), r)
	if c == nil {
		t.Fatalf("dial: %s %v %v", verb, reply, err)
	}
	d := new(ladder).choose(c, "auto")
	if d != want {
		t.Fatalf("the dialogue is %T, want %T", d, want)
	}
	if err = d.Carry(c, o); err == nil {
		c.quit()
	} else {
		c.close()
	}
	if len(o.ends) != o.given || o.out != 0 {
		t.Errorf("%d letters given, %d ended, %d in doubt", o.given, len(o.ends), o.out)
	}
	return err
}

func endings(o *office) string {
	var s []string
	for _, e := range o.ends {
		s = append(s, e.String())
	}
	return strings.Join(s, ", ")
}

// TestDialogueCarries: every message arrives once, as it was, in each dialogue and window.
func TestDialogueCarries(t *testing.T) {
	for _, window := range []int{1, 2, 3, 4, 50} {
		each(t, nil, func(t *testing.T, d Dialogue, relay *relaytest.Relay) {
			messages := mails(30)
			o := newOffice(t, window, messages...)
			if window == 3 {
				o.holdUp = func(n int) bool { return n%7 == 3 } // the pipe runs dry now and then
			}
			if err := carry(t, relay, d, o, Timeouts{}); err != nil {
				t.Fatal(err)
			}
			for i, m := range relay.Messages() {
				want := relaytest.Message{From: messages[i].ReturnPath, To: messages[i].Recipient, Data: string(messages[i].Body), Taken: true}
				if !reflect.DeepEqual(m, want) {
					t.Errorf("arrived %+v, want %+v", m, want)
				}
			}
			if len(relay.Messages()) != 30 || len(o.ends) != 30 {
				t.Errorf("%d arrived, %d ended", len(relay.Messages()), len(o.ends))
			}
			for i, e := range o.ends {
				if e.String() != "dot 250" {
					t.Errorf("letter %d ended %s", i, e)
				}
			}
			// The relay is near; one that is not gets the whole window (TestFarWindow).
			if d == (chunking{}) && (o.mostOut > window || o.mostOut < min(window, nearWindow)) {
				t.Errorf("at most %d letters were on their way, %d may be", o.mostOut, window)
			}
		})
	}
}

// TestDialogueBodies: lines of dots, empty ones and the longest arrive as they left.
func TestDialogueBodies(t *testing.T) {
	lines := []string{"", ".", "..", "...", ".x", "x.", ". ", ".\tQUIT", "RSET", strings.Repeat(".", 998), strings.Repeat("x", 998), strings.Repeat("x", 990) + "."}
	rnd := rand.New(rand.NewPCG(1, 2))
	messages := mails(200)
	for i := range messages {
		var b strings.Builder
		for range 1 + rnd.IntN(30) {
			b.WriteString(lines[rnd.IntN(len(lines))] + "\r\n")
		}
		messages[i].Body = []byte(b.String())
	}
	each(t, nil, func(t *testing.T, d Dialogue, relay *relaytest.Relay) {
		o := newOffice(t, 4, messages...)
		if err := carry(t, relay, d, o, Timeouts{}); err != nil {
			t.Fatal(err)
		}
		arrived := relay.Messages()
		if len(arrived) != len(messages) {
			t.Fatalf("%d messages arrived", len(arrived))
		}
		for i, m := range arrived {
			if m.Data != string(messages[i].Body) {
				t.Errorf("%q arrived as %q", messages[i].Body, m.Data)
			}
		}
	})
}

// TestDialogueWrongTurns: what a relay does wrong ends exactly the letters that it concerns.
// Four letters, a window of 1; where the dialogues differ there are three lines of ends.
func TestDialogueWrongTurns(t *testing.T) {
	const fine = "dot 250, dot 250, dot 250, dot 250"
	for _, tt := range []struct {
		name   string
		script []string
		ends   [3]string // "" as the one before
		err    error     // what ends the connection, if anything does
	}{
		{"refused recipient", []string{"RCPT 550 5.1.1 no"}, [3]string{"rcpt 550, dot 250, dot 250, dot 250"}, nil},
		{"the second refused", []string{"RCPT 250 yes", "RCPT 450 4.2.1 later"}, [3]string{"dot 250, rcpt 450, dot 250, dot 250"}, nil},
		{"refused sender", []string{"MAIL 250 yes", "MAIL 451 4.3.0 later"}, [3]string{"dot 250, mail 451, dot 250, dot 250"}, nil},
		{"refused content", []string{"DOT 554 5.7.1 spam"}, [3]string{"dot 554, dot 250, dot 250, dot 250"}, nil},
		{"refused DATA", []string{"DATA 451 4.3.0 later"}, [3]string{"data 451, dot 250, dot 250, dot 250", "", fine}, nil},
		{"refused recipient, DATA 354", []string{"RCPT 550 5.1.1 no", "DATA 354 go on"}, [3]string{"rcpt 550, dot 250, dot 250, dot 250"}, nil},
		{"refused sender, DATA 354", []string{"MAIL 451 later", "DATA 354 go on"}, [3]string{"mail 451, dot 250, dot 250, dot 250"}, nil},
		{"refused recipient, empty message taken", []string{"RCPT 550 5.1.1 no", "DATA 354 go on", "DOT 250 taken", "BDAT 250 taken"},
			[3]string{"rcpt 550, dot 250, dot 250, dot 250", "rcpt 550, mail lost", "dot lost"}, ErrProtocol},
		{"421 to MAIL", []string{"MAIL 250 yes", "MAIL 421 4.3.2 closing; hangup"}, [3]string{"dot 250, mail 421"}, errClosing},
		{"421 to RCPT", []string{"RCPT 250 yes", "RCPT 421 4.3.2 closing; hangup"}, [3]string{"dot 250, rcpt 421"}, errClosing},
		{"421 to DATA", []string{"DATA 250 yes", "DATA 421 4.3.2 closing; hangup"}, [3]string{"data 250", "", fine}, nil},
		{"421 to the dot", []string{"DOT 421 4.3.2 closing; hangup"}, [3]string{"dot 421", "dot 421, mail lost", "dot 421"}, errClosing},
		{"taken, then 421", []string{`DOT raw "250 taken\r\n421 4.3.2 closing\r\n"; hangup`}, [3]string{"dot 250", "dot 250, mail 421", "dot 250"}, errClosing},
		{"gone after the dot", []string{"DOT hangup"}, [3]string{"dot lost", "dot lost, mail lost", "dot lost"}, nil},
		{"reset after the dot", []string{"DOT reset"}, [3]string{"dot lost", "dot lost, mail lost", "dot lost"}, nil},
		{"gone at RCPT", []string{"RCPT hangup"}, [3]string{"rcpt lost", "", "dot lost"}, nil},
		{"refused, then gone", []string{"RCPT 550 5.1.1 no", "DATA hangup", "BDAT hangup", "RSET hangup"}, [3]string{"rcpt 550"}, nil},
		{"354 to MAIL", []string{"MAIL 354 what"}, [3]string{"mail 354", "", "dot lost"}, ErrProtocol},
		{"354 to RCPT", []string{"RCPT 354 what"}, [3]string{"rcpt 354", "", "dot lost"}, ErrProtocol},
		{"250 to DATA", []string{"DATA 250 what"}, [3]string{"data 250", "", fine}, nil},
		{"354 to the dot", []string{"DOT 354 what"}, [3]string{"dot 354", "dot 354, mail lost", "dot lost"}, ErrProtocol},
		{"503 to MAIL", []string{"MAIL 503 5.5.1 nested"}, [3]string{"mail 503"}, ErrProtocol},
		{"503 to RCPT", []string{"RCPT 503 5.5.1 what"}, [3]string{"rcpt 503"}, ErrProtocol},
		{"503 to the dot", []string{"DOT 503 5.5.1 what"}, [3]string{"dot 503", "dot 503, mail lost", "dot 503"}, ErrProtocol},
		{"503 to RCPT, yet taken", []string{"RCPT 503 5.5.1 what", "BDAT 250 taken"}, [3]string{"rcpt 503", "", "dot lost"}, ErrProtocol},
		{"refused sender, recipient fine", []string{"MAIL 451 later", "RCPT 250 yes"},
			[3]string{"mail 451, dot 250, dot 250, dot 250", "mail 451", "dot lost"}, ErrProtocol},
		{"unasked after a message", []string{`DOT raw "250 taken\r\n250 taken\r\n"`}, [3]string{"dot 250", "dot 250, data 250", "dot 250"}, ErrProtocol},
		{"BDAT not known", []string{"BDAT 500 5.5.1 what"}, [3]string{fine, fine, "data lost"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			each(t, tt.script, func(t *testing.T, d Dialogue, relay *relaytest.Relay) {
				o := newOffice(t, 1, mails(4)...)
				err := carry(t, relay, d, o, Timeouts{})
				rung := 0
				for k := range offers {
					if offers[k].dialogue == d {
						rung = k
					}
				}
				want := tt.ends[rung]
				for k := rung; want == ""; k-- {
					want = tt.ends[k]
				}
				if got := endings(o); got != want {
					t.Errorf("ends are %s, want %s (%v)", got, want, err)
				}
				if (err == nil) != (len(o.ends) == 4) {
					t.Errorf("%d letters ended and the connection's error is %v", len(o.ends), err)
				}
				if err != nil && tt.err != nil && !errors.Is(err, tt.err) {
					t.Errorf("error is %v, want %v", err, tt.err)
				}
			})
		})
	}
}
