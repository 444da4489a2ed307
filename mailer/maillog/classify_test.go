package maillog_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"broadsheet/mailer"
	"broadsheet/mailer/maillog"
	"broadsheet/mailer/report"
)

// TestSameAsReport: what the log says of a mail that was refused, and the report of the same server,
// come to the same class and reason. The text on record is what the other server said, and no more.
func TestSameAsReport(t *testing.T) {
	for _, tt := range []struct {
		dsn, reply, verb string
		want             mailer.Class
	}{
		{"5.0.0", "550 No such user here", "RCPT TO", mailer.Hard},
		{"5.0.0", "550 unknown user", "RCPT TO", mailer.Hard},
		{"5.0.0", "550 Invalid recipient", "RCPT TO", mailer.Hard},
		{"5.0.0", "550 unknown user", "end of DATA", mailer.Soft},
		{"5.1.1", "550 5.1.1 No such box", "end of DATA", mailer.Hard},
		{"5.2.2", "552 5.2.2 Mailbox full", "RCPT TO", mailer.Soft},
		{"5.7.1", "554 5.7.1 Message rejected as spam", "end of DATA", mailer.Policy},
		{"5.3.4", "552 5.3.4 Message too big", "MAIL FROM", mailer.Content},
	} {
		said := fmt.Sprintf("host mx.b.example[192.0.2.2] said: %s (in reply to %s command)", tt.reply, tt.verb)
		trace := maillog.Trace{Classify: report.Classify, Now: time.Now, Zone: time.UTC}
		e, ok := trace.Line([]byte("Jan  1 00:05:03 mx postfix/smtp[1]: AAAAAA1: to=<ada@b.example>, relay=mx.b.example[192.0.2.2]:25, delay=1, delays=1/0/0/0, dsn="+
			tt.dsn+", status=bounced ("+said+")"), maillog.Place{})
		if !ok {
			t.Fatalf("%s: the line says nothing", said)
		}
		dsn := strings.NewReplacer("SAID", said, "REPLY", tt.reply, "STATUS", tt.dsn, "\n", "\r\n").Replace(`From: MAILER-DAEMON@mx.a.example (Mail Delivery System)
To: bounce+x@l.example
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=_b"

--=_b
Content-Type: text/plain

This is the mail system at host mx.a.example.

<ada@b.example>: SAID

--=_b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.a.example

Final-Recipient: rfc822; ada@b.example
Action: failed
Status: STATUS
Remote-MTA: dns; mx.b.example
Diagnostic-Code: smtp; REPLY

--=_b--
`)
		r := report.Read([]byte(dsn))
		if len(r.News) != 1 {
			t.Fatalf("%s: the report has %d news", said, len(r.News))
		}
		if e.Class != tt.want || r.News[0].Class != tt.want || e.Reason != r.News[0].Reason {
			t.Errorf("%s: the log says %s %s, the report %s %s, want %s", said, e.Class, e.Reason, r.News[0].Class, r.News[0].Reason, tt.want)
		}
		if strings.Contains(e.Text, "reply to") || strings.Contains(e.Text, "host") {
			t.Errorf("on record: %q", e.Text)
		}
	}
}
