package mailer

import (
	"errors"
	"strings"
	"testing"
	"time"

	"broadsheet/mailer/relaytest"
)

const offersChunking = "EHLO* 250-relay.example|250-PIPELINING|250-CHUNKING|250 ENHANCEDSTATUSCODES"

// TestChunkingWindow: with several letters on their way each gets its own fate. The first goes
// alone, then four.
func TestChunkingWindow(t *testing.T) {
	for _, tt := range []struct {
		name   string
		script []string
		ends   string
		err    error
	}{
		{"recipients refused", []string{"RCPT 250 yes", "RCPT 550 5.1.1 no", "RCPT 250 yes", "RCPT 450 4.2.1 later", "RCPT 250 yes", "RCPT 550 5.1.1 no"},
			"dot 250, rcpt 550, dot 250, rcpt 450, dot 250, rcpt 550", nil},
		{"the first refused", []string{"RCPT 550 5.1.1 no", "RCPT 550 5.1.1 no"}, "rcpt 550, rcpt 550, dot 250, dot 250, dot 250, dot 250", nil},
		{"contents refused", []string{"DOT 250 yes", "DOT 554 5.7.1 no", "DOT 451 later"}, "dot 250, dot 554, dot 451, dot 250, dot 250, dot 250", nil},
		{"gone after the third", []string{"DOT 250 yes", "DOT 250 yes", "DOT 250 yes; hangup"}, "dot 250, dot 250, dot 250, dot lost, dot lost", nil},
		{"gone without an answer to the second", []string{"DOT 250 yes", "DOT hangup"}, "dot 250, dot lost, dot lost", nil},
		{"refused, then gone", []string{"RCPT 250 yes", "RCPT 550 5.1.1 no; hangup"}, "dot 250, rcpt 550, dot lost", nil},
		{"421 to the second", []string{"DOT 250 yes", "DOT 421 4.3.2 closing; hangup"}, "dot 250, dot 421, dot lost", errClosing},
		{"421 to MAIL and no more", []string{"MAIL 250 yes", "MAIL 421 4.3.2 closing; hangup"}, "dot 250, mail 421, dot lost", errClosing},
		{"421 and on it goes", []string{"MAIL 250 yes", "MAIL 421 4.7.0 not you"}, "dot 250, mail 421, dot 250", errClosing},
		{"354 to RCPT", []string{"RCPT 250 yes", "RCPT 354 what"}, "dot 250, dot lost, dot lost", ErrProtocol},
		{"nested", []string{"MAIL 250 yes", "MAIL 503 5.5.1 nested"}, "dot 250, mail 503, dot lost", ErrProtocol},
		{"RSET not known", []string{"RSET 500 5.5.1 what"}, "dot 250, dot 250, dot lost", ErrProtocol},
		{"BDAT not known any more", []string{"BDAT 250 yes", "BDAT 502 5.5.1 what"}, "dot 250, data lost, dot lost", ErrProtocol},
		{"garbled", []string{`DOT 250 yes`, `DOT raw "25\x000 yes\r\n"`}, "dot 250, dot lost, dot lost", ErrProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			relay := relaytest.Start(t, append([]string{offersChunking}, tt.script...)...)
			o := newOffice(t, 4, mails(6)...)
			err := carry(t, relay, chunking{}, o, Timeouts{})
			got := endings(o)
			if err != nil { // how many more were away by then, and how far, is a matter of chance
				by := []string{", dot lost", ", mail lost", ", data lost"}
				if tt.name == "421 and on it goes" {
					by = append(by, ", dot 250")
				}
				for n := len(got) + 1; got != tt.ends && len(got) < n; {
					n = len(got)
					for _, end := range by {
						if got != tt.ends {
							got = strings.TrimSuffix(got, end)
						}
					}
				}
			}
			if got != tt.ends || (err == nil) != (strings.Count(tt.ends, ",") == 5) || tt.err != nil && !errors.Is(err, tt.err) {
				t.Errorf("ends are %s, want %s (%v)", endings(o), tt.ends, err)
			}
		})
	}
}

// TestChunkingCutInTheContent: what left whole is in doubt, what did not is not.
func TestChunkingCutInTheContent(t *testing.T) {
	relay := relaytest.Start(t, offersChunking, "DOT 250 yes", "BODY -", "BODY -", "BODY after 1000000; reset")
	small := mails(1)[0]
	big := small
	big.Body = []byte("\r\n" + strings.Repeat(string(largeLine), 200_000))
	o := newOffice(t, 4, small, small, big, small)
	o.holdUp = func(n int) bool { return n == 1 }
	err := carry(t, relay, chunking{}, o, Timeouts{})
	if got := endings(o); err == nil || got != "dot 250, dot 250, data lost" && got != "dot 250, dot 250, data lost, mail lost" {
		t.Errorf("ends are %s (%v)", got, err)
	}
}

// TestChunkingHandFails: the last octet stays here; what left before it is heard out.
func TestChunkingHandFails(t *testing.T) {
	for _, lost := range []int{0, 1, 2, 3} {
		relay := relaytest.Start(t, offersChunking)
		o := newOffice(t, 4, mails(6)...)
		o.onHand = func(l *Letter) error {
			if l == o.pile[lost] {
				return ErrLost
			}
			return nil
		}
		err := carry(t, relay, chunking{}, o, Timeouts{})
		want := strings.Repeat("dot 250, ", lost) + "data lost"
		got := strings.TrimSuffix(endings(o), ", mail lost")
		if !errors.Is(err, ErrLost) || got != want || !errors.Is(o.ends[lost].err, ErrLost) {
			t.Errorf("ends are %s, want %s (%v)", got, want, err)
		}
		if n := len(relay.Messages()); n != lost {
			t.Errorf("%d messages arrived, want %d", n, lost)
		}
	}
}

// TestPipeliningHandFails: as for chunking; the letter whose envelope was not said yet is not tried.
func TestPipeliningHandFails(t *testing.T) {
	for _, d := range []int{0, 1} {
		relay := relaytest.Start(t, offers[d].ehlo)
		o := newOffice(t, 1, mails(3)...)
		o.onHand = func(l *Letter) error {
			if l == o.pile[1] {
				return errNotHanded
			}
			return nil
		}
		err := carry(t, relay, offers[d].dialogue, o, Timeouts{})
		want := []string{"dot 250, data lost", "dot 250, data lost, mail lost"}[d]
		if got := endings(o); !errors.Is(err, errNotHanded) || got != want || len(relay.Messages()) != 1 {
			t.Errorf("ends are %s, want %s (%v)", got, want, err)
		}
	}
}

// TestDialogueUnfit: what cannot go over the connection is told in its turn and stops nothing.
func TestDialogueUnfit(t *testing.T) {
	each(t, nil, func(t *testing.T, d Dialogue, relay *relaytest.Relay) {
		messages := mails(7)
		for _, i := range []int{0, 2, 3, 6} {
			messages[i].Body = []byte("a lone\nLF\r\n")
		}
		o := newOffice(t, 4, messages...)
		if err := carry(t, relay, d, o, Timeouts{}); err != nil {
			t.Error(err)
		}
		if got := endings(o); got != "mail lost, dot 250, mail lost, mail lost, dot 250, dot 250, mail lost" {
			t.Errorf("ends are %s", got)
		}
	})
}

// TestDialogueMuteRelay: a relay that stops talking, or trickles, is waited for so long and no longer.
func TestDialogueMuteRelay(t *testing.T) {
	for verb, ends := range map[string][3]string{
		"MAIL": {"mail lost", "mail lost", "dot lost"},
		"RCPT": {"rcpt lost", "rcpt lost", "dot lost"},
		"DATA": {"data lost", "data lost", "dot 250"},
		"DOT":  {"dot lost", "dot lost, mail lost", "dot lost"},
	} {
		for _, action := range []string{"silence", "drip 250 2.0.0 fine"} {
			t.Run(verb+" "+action, func(t *testing.T) {
				t.Parallel()
				for i, of := range offers {
					relay := relaytest.Start(t, of.ehlo, verb+" "+action)
					o := newOffice(t, 1, mails(2)...)
					start := time.Now()
					short := 200 * time.Millisecond
					err := carry(t, relay, of.dialogue, o, Timeouts{Command: short, Data: short, Dot: short})
					if verb == "DATA" && i == 2 {
						if err != nil {
							t.Error(err)
						}
						continue
					}
					if got := endings(o); got != ends[i] || err == nil {
						t.Errorf("%s: ends are %s (%v)", of.name, got, err)
					}
					if took := time.Since(start); took < short || took > time.Minute {
						t.Errorf("%s: it took %v", of.name, took)
					}
				}
			})
		}
	}
}

// TestDialogueLateDot: the reply to the content has its own, longer time, whatever goes before it.
func TestDialogueLateDot(t *testing.T) {
	each(t, []string{"DOT wait; 250 2.0.0 at last"}, func(t *testing.T, d Dialogue, relay *relaytest.Relay) {
		go func() {
			<-relay.Waiting()
			time.AfterFunc(700*time.Millisecond, relay.Release)
		}()
		o := newOffice(t, 4, mails(3)...)
		err := carry(t, relay, d, o, Timeouts{Command: 600 * time.Millisecond, Data: 600 * time.Millisecond, Dot: time.Minute})
		if got := endings(o); got != "dot 250, dot 250, dot 250" || err != nil {
			t.Errorf("ends are %s (%v)", got, err)
		}
	})
}

// TestDialogueOverTLS: the same through TLS, to another's server, with AUTH.
func TestDialogueOverTLS(t *testing.T) {
	for _, mode := range []string{"implicit", "starttls"} {
		for _, of := range offers {
			s := &server{mechanisms: []string{"PLAIN"}}
			relay := startServer(t, s, mode)
			relay.Auth, relay.User, relay.Password = "auto", "digest", "secret"
			c, verb, reply, err := dial(t.Context(), relay)
			if c == nil {
				t.Fatal(verb, reply, err)
			}
			if best := new(ladder).choose(c, "auto"); best != (chunking{}) {
				t.Errorf("the server offers %T", best)
			}
			messages := mails(12)
			messages[5].Body = append(messages[5].Body, strings.Repeat(string(largeLine), 9000)...)
			o := newOffice(t, 4, messages...)
			if err := of.dialogue.Carry(c, o); err != nil {
				t.Error(err)
			}
			c.quit()
			if len(s.mails) != 12 || len(o.ends) != 12 {
				t.Fatalf("%s, %s: %d mails, ends are %s", mode, of.name, len(s.mails), endings(o))
			}
			for i, m := range s.mails {
				if m != string(messages[i].Body) {
					t.Errorf("%s, %s: mail %d is not the one that was sent", mode, of.name, i)
				}
			}
		}
	}
}

// TestDialogueGarbled: what is no reply, or none to its command, ends the connection. What is not
// in doubt goes back uncharged.
func TestDialogueGarbled(t *testing.T) {
	garbage := []string{"flood", "lines 10000", `raw "hello\r\n"`, `raw "099 x\r\n"`, `raw "600 x\r\n"`, `raw "250 \xff\r\n"`,
		`raw "250 \x00\r\n"`, `raw "250-a\r\n251 b\r\n"`, `raw "\r\n"`}
	for _, of := range offers {
		for _, verb := range []string{"MAIL", "RCPT", "DATA", "DOT"} {
			if verb == "DATA" && of.dialogue == (chunking{}) {
				continue
			}
			for _, action := range garbage {
				t.Run(of.name+" "+verb+" "+action, func(t *testing.T) {
					t.Parallel()
					relay := relaytest.Start(t, of.ehlo, verb+" "+action)
					o := newOffice(t, 1, mails(2)...)
					if err := carry(t, relay, of.dialogue, o, Timeouts{}); !errors.Is(err, ErrProtocol) {
						t.Errorf("error is %v", err)
					}
					first := o.ends[0]
					want := strings.ToLower(verb)
					if of.dialogue == (chunking{}) {
						want = "dot"
					}
					if first.String() != want+" lost" || len(o.ends) > 1 && o.ends[1].String() != "mail lost" {
						t.Errorf("ends are %s", endings(o))
					}
					d := Delivery{Attempts: 1, Ends: noon.Add(hour)}
					if first.verb == Dot {
						d.Copies = 1
					}
					got, _ := Decide(first.verb, first.reply, first.err, &d, noon, half)
					if got.State != Deferred || got.Charged != (first.verb == Dot) || got.Copies != d.Copies || got.Hard {
						t.Errorf("outcome %+v", got)
					}
				})
			}
		}
	}
}
