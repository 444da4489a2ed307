package mailer

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"broadsheet/mailer/relaytest"
)

// posted has a mail ready for each subscriber, in their order.
type posted []Message

func (p posted) Compose(_ context.Context, d *Delivery, buf []byte) (Message, error) {
	m := p[d.Subscriber-1]
	m.Body = append(buf, m.Body...)
	return m, nil
}

// post is a sender of mails through a service of p, and its queue. Mail i goes to to(i) and has the
// return path bounce+vI@reader.example.
func post(t *testing.T, p *postfix, service string, mails posted, to func(i int) string) (*Sender, *memQueue) {
	q := newQueue(t, len(mails))
	mails = slices.Clone(mails)
	for i := range mails {
		q.rows[i].Address = to(i)
		mails[i].Recipient, mails[i].ReturnPath = to(i), fmt.Sprintf("bounce+v%d@%s", i, relaytest.Domain)
	}
	s := sender(t, q, &relaytest.Relay{Host: "localhost", Port: p.Port(service)}, 1)
	s.Composer, s.Signer = mails, dkimSigner(t, "plain")
	s.Relay.TLS, s.Relay.RootCAs = "starttls", p.roots
	s.Relay.Auth, s.Relay.User, s.Relay.Password = "auto", p.User, p.Password
	s.Relay.InDoubt = 4
	return s, q
}

// plainMails are n small ones.
func plainMails(n int) posted {
	out := make(posted, n)
	for i := range out {
		out[i] = Message{Body: []byte(dkimMail), ID: fmt.Sprintf("issue7.%d", i)}
	}
	return out
}

// traces are the fields that a delivery puts on top (RFC 5321 section 4.4).
var traces = regexp.MustCompile(`^(?:(?:Return-Path|X-Original-To|Delivered-To|Received): .*\r\n(?:[ \t].*\r\n)*)*`)

// postfix is one with the pool that trusts it.
type postfix struct {
	*relaytest.Postfix
	roots *x509.CertPool
}

// startPostfix starts one with a service for each dialogue and each kind of trouble.
func startPostfix(t *testing.T) *postfix {
	identity, pool := certificate(t, "localhost")
	return &postfix{relaytest.StartPostfix(t, identity, map[string][]string{
		"auto":       {"syslog_name=auto"},
		"pipelining": {"syslog_name=pipelining"},
		"plain":      {"syslog_name=plain", "smtpd_sasl_path=plain"},
		"lenient":    {"smtpd_reject_unlisted_recipient=no"},
		"small":      {"message_size_limit=20000"},
		"unsaid":     {"message_size_limit=20000", "smtpd_discard_ehlo_keywords=size"},
		"slow":       {"smtpd_client_message_rate_limit=5"},
		"few":        {"smtpd_client_connection_count_limit=2"},
	}), pool}
}

var dialogues = []string{"auto", "pipelining", "plain"}

// TestPostfix sends through a real relay, with STARTTLS and AUTH, and looks at what arrived.
func TestPostfix(t *testing.T) {
	p := startPostfix(t)
	for _, dialogue := range dialogues {
		t.Run(dialogue, func(t *testing.T) {
			t.Run("unchanged", func(t *testing.T) { postfixUnchanged(t, p, dialogue) })
			t.Run("unknown readers", func(t *testing.T) { postfixUnknown(t, p, dialogue) })
			t.Run("too big", func(t *testing.T) { postfixTooBig(t, p, dialogue) })
			t.Run("too fast", func(t *testing.T) { postfixTooFast(t, p, dialogue) })
		})
	}
	t.Run("few connections", func(t *testing.T) { postfixFewConnections(t, p) })
	t.Run("wrong password", func(t *testing.T) { postfixWrongPassword(t, p) })
	t.Run("bounce", func(t *testing.T) { postfixBounce(t, p) })
	t.Run("stranger", func(t *testing.T) {
		s, _ := post(t, p, "auto", plainMails(1), func(int) string { return "" })
		s.Relay.RootCAs = nil
		if c, verb, _, err := dial(t.Context(), s.Relay); c != nil || !strings.Contains(fmt.Sprint(err), "unknown authority") {
			t.Errorf("a certificate that nobody vouches for: %s, %v", verb, err)
		}
	})
	// A refused AUTH is followed by go-mail's "*", which ends an exchange that is over already.
	if bad := regexp.MustCompile("improper command pipelining.*|non-SMTP command from .*: [^*].*|lost connection after [^S].*").FindString(p.Log()); bad != "" {
		t.Errorf("postfix finds the dialogue improper: %s", bad)
	}
}

// postfixUnchanged: each octet arrives as it left, and the signatures hold, whoever looks.
func postfixUnchanged(t *testing.T, p *postfix, dialogue string) {
	names, mails := awkwardMails(t)
	to := func(i int) string { return fmt.Sprintf("ada+%s.%d@%s", dialogue, i, relaytest.Domain) }
	s, q := post(t, p, dialogue, mails, to)
	s.Relay.Dialogue = dialogue
	runIdle(t, s)
	wantStates(t, q, map[State]int{Accepted: len(mails)})
	arrived := p.Take("ada", len(mails))
	files := make([]string, 0, len(mails))
	for i, m := range mails {
		file := arrived[to(i)]
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("%s: %v", names[i], err)
		}
		files = append(files, file)
		got := strings.ReplaceAll(string(text), "\n", "\r\n") // a Maildir has bare line feeds
		sent, err := Signed(nil, m, s.Signer, "pair", noon)
		if err != nil {
			t.Fatal(err)
		}
		top := traces.FindString(got)
		if got[len(top):] != string(sent.Body) {
			t.Errorf("%s arrived as\n%.3000q\nand left as\n%.3000q", names[i], got, sent.Body)
		}
		if path := fmt.Sprintf("Return-Path: <bounce+v%d@%s>\r\n", i, relaytest.Domain); !strings.HasPrefix(top, path) {
			t.Errorf("%s has no %q in\n%s", names[i], path, top)
		}
		if good, err := verify(t, got); good != 2 || err != nil {
			t.Errorf("%s: %d signatures hold, %v", names[i], good, err)
		}
	}
	verifyOthers(t, files)
	mechanism := "SCRAM-SHA-256"
	if dialogue == "plain" {
		mechanism = "PLAIN"
	}
	p.AwaitLog(regexp.MustCompile(dialogue + `/smtpd\[\d+\]: .* sasl_method=` + mechanism + ","))
	// The log's last word on a session counts its commands.
	counts := p.AwaitLog(regexp.MustCompile(dialogue + `/smtpd\[\d+\]: disconnect .*`))
	end := fmt.Sprintf(" data=%d ", len(mails))
	if dialogue == "auto" {
		end = fmt.Sprintf(" bdat=%d ", len(mails))
	}
	if !strings.Contains(counts, end) || !strings.Contains(counts, " starttls=1 auth=1 ") {
		t.Errorf("no %q with starttls and auth in %q", end, counts)
	}
}
