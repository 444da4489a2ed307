package mailer

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"broadsheet/mailer/relaytest"
)

const hour = time.Hour

// TestGreetingEveryCell holds the reply table before any message, on a real socket.
func TestGreetingEveryCell(t *testing.T) {
	cert, pool := certificate(t, "localhost")
	for _, verb := range []Verb{Connect, Ehlo, StartTLS, Auth} {
		for _, want := range replyTable()[verb] {
			t.Run(fmt.Sprintf("%s %s", verb, want.reply), func(t *testing.T) {
				t.Parallel()
				if verb == Ehlo && want.reply.Text == "" {
					want.reply.Text = "no" // after a bare code go-mail tries HELO
				}
				said := strings.ToUpper(string(verb)) + "* " + want.reply.String()
				var relay *relaytest.Relay
				if verb == Auth {
					relay = relaytest.StartTLS(t, &tls.Config{Certificates: []tls.Certificate{cert}}, "EHLO* 250-relay.example|250 AUTH PLAIN", said)
				} else {
					relay = relaytest.Start(t, "EHLO* 250-relay.example|250 STARTTLS", said)
				}
				r := settings(relay)
				switch verb {
				case StartTLS:
					r.TLS = "starttls"
				case Auth:
					r.Host, r.TLS, r.RootCAs, r.Auth, r.User, r.Password = "localhost", "implicit", pool, "auto", "digest", "secret"
				}
				c, at, reply, err := dial(t.Context(), r)
				if c != nil {
					t.Fatal("it went through")
				}
				o, effect := Decide(at, reply, err, &Delivery{Attempts: 1, Ends: noon.Add(hour)}, noon, half)
				if at != verb || reply != want.reply || o.State != want.state || effect != want.effect || o.Charged || o.Hard {
					t.Errorf("ended at %s with %v (%v): %s %q", at, reply, err, o.State, effect)
				}
			})
		}
	}
}

// TestDialogueEveryCell holds the reply table in each dialogue, on a real socket. The delivery has
// one unanswered copy or none. In BDAT's dialogue there is no DATA, and what answers BDAT stands
// where the dot does.
func TestDialogueEveryCell(t *testing.T) {
	table := replyTable()
	table[Rcpt] = append(table[Rcpt], cell{reply: rep(251, "2.1.5", "will forward"), state: Accepted, effect: GoOn, charged: true})
	table[Dot] = append(table[Dot], cell{rep(250, "", ""), Accepted, GoOn, true, false}, cell{rep(252, "2.5.0", "perhaps"), Accepted, GoOn, true, false},
		cell{rep(503, "5.5.1", ""), Queued, RedialLater, false, false}, cell{rep(530, "", ""), Queued, Hold, false, false},
		cell{rep(535, "", ""), Queued, Hold, false, false}, cell{rep(554, "", ""), Failed, ContentRefused, true, false},
		cell{rep(550, "", ""), Failed, GoOn, true, false}, cell{rep(550, "5.7.1", "policy"), Failed, GoOn, true, false})
	for _, of := range offers {
		for _, verb := range []Verb{Mail, Rcpt, Data, Dot} {
			if verb == Data && of.dialogue == (chunking{}) {
				continue
			}
			for _, want := range table[verb] {
				t.Run(fmt.Sprintf("%s %s %s", of.name, verb, want.reply), func(t *testing.T) {
					t.Parallel()
					relay := relaytest.Start(t, of.ehlo, strings.ToUpper(string(verb))+" "+want.reply.String())
					o := newOffice(t, 4, mails(1)...)
					err := carry(t, relay, of.dialogue, o, Timeouts{})
					if len(o.ends) != 1 {
						t.Fatalf("ends are %s (%v)", endings(o), err)
					}
					if of.dialogue == (chunking{}) && !refuses(want.reply) && want.state != Accepted {
						// The content has left, and this reply says nothing about it.
						want = cell{Reply{}, Deferred, Redial, true, false}
					}
					holdCell(t, verb, want, o.ends[0])
				})
			}
		}
	}
}

// holdCell decides about a letter's end for a delivery as it is on record then.
func holdCell(t *testing.T, verb Verb, want cell, e end) {
	t.Helper()
	for earlier := range 2 {
		d := Delivery{State: Sending, Attempts: 1 + earlier, Copies: earlier, Ends: noon.Add(6 * hour)}
		if e.verb == Dot {
			d.State, d.Copies = Handed, earlier+1
		}
		got, effect := Decide(e.verb, e.reply, e.err, &d, noon, half)
		state, copies := want.state, earlier
		if state == Accepted || want.reply.Code == 0 {
			copies++
		}
		if earlier > 0 && state == Failed || earlier > 0 && want.reply.Code == 0 {
			state = Uncertain
		}
		if got.State != state || effect != want.effect || got.Charged != want.charged || got.Hard != want.hard || got.Copies != copies {
			t.Errorf("%d unanswered, ended %s (%v): %s %q charged=%t hard=%t copies=%d", earlier, e, e.err,
				got.State, effect, got.Charged, got.Hard, got.Copies)
		}
		if got.State != Accepted && got.Reply != want.reply || e.err == nil && want.state != Accepted && e.verb != verb {
			t.Errorf("ended at %s with %v", e.verb, got.Reply)
		}
	}
}
