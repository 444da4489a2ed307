package mailer

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"broadsheet/mailer/relaytest"
)

func TestLadderChooses(t *testing.T) {
	for _, tt := range []struct {
		pipelining, chunking bool
		limit                string
		want                 Dialogue
	}{
		{true, true, "auto", chunking{}}, {true, true, "", chunking{}}, {true, true, "pipelining", pipelining{}}, {true, true, "plain", plain{}},
		{true, false, "auto", pipelining{}}, {false, true, "auto", plain{}}, {false, false, "pipelining", plain{}}, {false, false, "auto", plain{}},
	} {
		c := &Conn{pipelining: tt.pipelining, chunking: tt.chunking}
		if got := new(ladder).choose(c, tt.limit); got != tt.want {
			t.Errorf("%+v: got %T", tt, got)
		}
	}
}

// TestLadderSteps: a protocol error leads one rung down, however many connections saw it; other
// ends lead nowhere.
func TestLadderSteps(t *testing.T) {
	c := &Conn{pipelining: true, chunking: true}
	var l ladder
	garbled := fmt.Errorf("hear: %w", ErrProtocol)
	for _, tt := range []struct {
		d     Dialogue
		err   error
		lower bool
		next  Dialogue
	}{
		{chunking{}, nil, false, chunking{}}, {chunking{}, io.EOF, false, chunking{}}, {chunking{}, errClosing, false, chunking{}},
		{chunking{}, fmt.Errorf("%w: %w", errUnasked, errClosing), false, chunking{}},
		{chunking{}, garbled, true, pipelining{}}, {chunking{}, garbled, false, pipelining{}},
		{pipelining{}, errors.Join(io.EOF, garbled), true, plain{}}, {chunking{}, garbled, false, plain{}}, {plain{}, garbled, false, plain{}},
	} {
		if lower := l.heard(tt.d, tt.err); lower != tt.lower || l.choose(c, "auto") != tt.next {
			t.Errorf("%T with %v: lower %t, next %T", tt.d, tt.err, lower, l.choose(c, "auto"))
		}
	}
}

// TestMailMax: after so many messages leave is taken, and nothing is wrong (RFC 9422).
func TestMailMax(t *testing.T) {
	for _, o := range offers {
		for limit := 1; limit < 5; limit++ {
			ehlo := strings.Replace(o.ehlo, "250 ENH", fmt.Sprintf("250-LIMITS RCPTMAX=100 MAILMAX=%d|250 ENH", limit), 1)
			relay := relaytest.Start(t, ehlo, "RCPT 250 yes", "RCPT 550 5.1.1 no")
			d := newOffice(t, 4, mails(6)...)
			if err := carry(t, relay, o.dialogue, d, Timeouts{}); err != nil {
				t.Errorf("%s: %v", o.name, err)
			}
			if got := endings(d); len(d.ends) != limit || !strings.HasPrefix("dot 250, rcpt 550, dot 250, dot 250", got) {
				t.Errorf("%s: ends are %s", o.name, got)
			}
			said := relay.Sessions()[0].Commands
			if n := strings.Count(strings.Join(said, "\n"), "MAIL FROM"); n != limit || said[len(said)-1] != "QUIT" {
				t.Errorf("%s: said %q", o.name, said)
			}
		}
	}
}
