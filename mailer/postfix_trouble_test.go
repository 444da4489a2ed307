package mailer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"broadsheet/mailer/relaytest"
)

// only is the one outcome of a delivery.
func only(t *testing.T, q *memQueue, subscriber int64) Outcome {
	t.Helper()
	if o := q.outcomes[subscriber]; len(o) == 1 {
		return o[0]
	}
	t.Errorf("subscriber %d has outcomes %+v", subscriber, q.outcomes[subscriber])
	return Outcome{}
}

// postfixUnknown: readers who are not there fail, those beside them in the group get their mail.
func postfixUnknown(t *testing.T, p *postfix, dialogue string) {
	unknown := func(i int) bool { return i%3 == 1 || i > 10 }
	to := func(i int) string {
		if unknown(i) {
			return fmt.Sprintf("nobody%d@%s", i, relaytest.Domain)
		}
		return fmt.Sprintf("ada+u%d@%s", i, relaytest.Domain)
	}
	s, q := post(t, p, dialogue, plainMails(14), to)
	s.Relay.Dialogue = dialogue
	stats := runIdle(t, s)
	wantStates(t, q, map[State]int{Accepted: 7, Failed: 7})
	if stats.Dials != 1 || stats.Trouble != "" {
		t.Errorf("stats %+v: the others were not sent on the same connection", stats)
	}
	arrived := p.Take("ada", 7)
	for i := range 14 {
		switch o := only(t, q, int64(i+1)); {
		case !unknown(i) && arrived[to(i)] == "":
			t.Errorf("no mail for %s", to(i))
		case unknown(i) && (o.Reason != "rcpt 550 5.1.1" || !o.Hard || o.Copies != 0 || !o.Charged):
			t.Errorf("outcome %+v", o)
		}
	}
}

// postfixTooBig: the one large mail fails, whether EHLO tells the limit or not.
func postfixTooBig(t *testing.T, p *postfix, dialogue string) {
	for service, reason := range map[string]string{"small": ReasonTooBig, "unsaid": "content refused"} {
		mails := plainMails(5)
		mails[2].Body = []byte(dkimHeader + "\r\n" + strings.Repeat("a line of some length\r\n", 2000))
		s, q := post(t, p, service, mails, func(i int) string { return fmt.Sprintf("ada+s%d@%s", i, relaytest.Domain) })
		s.Relay.Dialogue = dialogue
		runIdle(t, s)
		wantStates(t, q, map[State]int{Accepted: 4, Failed: 1})
		p.Take("ada", 4)
		o := only(t, q, 3)
		if o.Reason != reason || o.Hard || o.Copies != 0 {
			t.Errorf("%s: outcome %+v", service, o)
		}
		if said := (o.Reply.Code == 552 && o.Reply.Enhanced == "5.3.4"); said != (service == "unsaid") {
			t.Errorf("%s: reply %v", service, o.Reply)
		}
	}
}

// postfixTooFast: a relay that takes five mails a second gets them all, and nobody is charged.
func postfixTooFast(t *testing.T, p *postfix, dialogue string) {
	s, q := post(t, p, "slow", plainMails(8), func(i int) string { return fmt.Sprintf("ada+f%d@%s", i, relaytest.Domain) })
	s.Relay.Dialogue, s.Relay.Rate = dialogue, 100
	runIdle(t, s)
	wantStates(t, q, map[State]int{Accepted: 8})
	p.Take("ada", 8)
	throttled := 0
	for i := range 8 {
		for _, o := range q.outcomes[int64(i+1)] {
			if o.State == Accepted || o.State == Queued && o.Reason == "" && !o.Charged { // given back untried
				continue
			}
			throttled++
			if o.State != Queued || o.Reason != ReasonThrottled || o.Reply.Code != 450 || o.Reply.Enhanced != "4.7.1" || o.Charged || o.Hard || o.Copies != 0 {
				t.Errorf("outcome %+v", o)
			}
		}
		if d := q.row(int64(i + 1)); d.Attempts != 1 || d.Copies != 1 {
			t.Errorf("row %+v", d)
		}
	}
	if throttled == 0 {
		t.Error("the relay throttled nothing")
	}
}

// postfixFewConnections: a connection too many gets 421, and the others go on.
func postfixFewConnections(t *testing.T, p *postfix) {
	mails := plainMails(40)
	s, q := post(t, p, "few", mails, func(i int) string { return fmt.Sprintf("ada+c%d@%s", i, relaytest.Domain) })
	s.Relay.Connections = 4
	var trouble []string
	s.Progress = func(st Stats) { trouble = append(trouble, st.Trouble) }
	runIdle(t, s)
	wantStates(t, q, map[State]int{Accepted: len(mails)})
	p.Take("ada", len(mails))
	for i := range mails {
		if o := only(t, q, int64(i+1)); o.State != Accepted {
			t.Errorf("outcome %+v", o)
		}
	}
	if !slices.ContainsFunc(trouble, func(s string) bool { return strings.HasPrefix(s, "connect: 421 4.7.0") }) {
		t.Errorf("no connection was refused: %q", trouble)
	}
}

func postfixWrongPassword(t *testing.T, p *postfix) {
	for _, service := range []string{"auto", "plain"} { // SCRAM-SHA-256, PLAIN
		s, q := post(t, p, service, plainMails(5), func(i int) string { return fmt.Sprintf("ada+p%d@%s", i, relaytest.Domain) })
		s.Relay.Password = "wrong"
		stats, err := s.Run(t.Context(), true)
		if !errors.Is(err, ErrHeld) || !stats.Held || !strings.Contains(fmt.Sprint(err), "535 5.7.8") {
			t.Errorf("%+v, %v", stats, err)
		}
		wantStates(t, q, map[State]int{Queued: 5})
		for i := range 5 {
			if d := q.row(int64(i + 1)); len(q.outcomes[d.Subscriber]) > 0 || d.Attempts != 0 {
				t.Errorf("%+v has outcomes %+v", d, q.outcomes[d.Subscriber])
			}
		}
	}
}

// postfixBounce: the report of a mail that comes back names it (RFC 3464 section 2.2.1, 2.3.1) and
// arrives at its own return path.
func postfixBounce(t *testing.T, p *postfix) {
	mails := plainMails(3)
	s, q := post(t, p, "lenient", mails, func(i int) string { return fmt.Sprintf("nobody+r=%d@%s", i, relaytest.Domain) })
	runIdle(t, s)
	wantStates(t, q, map[State]int{Accepted: 3})
	reports := p.Take("bounce", 3)
	for i := range mails {
		text, err := os.ReadFile(reports[fmt.Sprintf("bounce+v%d@%s", i, relaytest.Domain)])
		if err != nil {
			t.Fatalf("%v: %v", err, reports)
		}
		for _, want := range []string{fmt.Sprintf("\nOriginal-Envelope-Id: issue7.%d\n", i), "\nAction: failed\n", "\nStatus: 5.1.1\n", "\nReturn-Path: <>\n",
			fmt.Sprintf("\nOriginal-Recipient: rfc822;nobody+r=%d@%s\n", i, relaytest.Domain), "\nMessage-ID: <1.2@lantern.example>\n"} {
			if !strings.Contains("\n"+string(text), want) {
				t.Errorf("no %q in the report\n%s", want, text)
			}
		}
		if bytes.Contains(text, []byte("Good morning.")) {
			t.Error("RET=HDRS, and the body came back")
		}
	}
}
