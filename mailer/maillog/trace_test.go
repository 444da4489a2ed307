package maillog

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"broadsheet/mailer"
)

// tell puts lines of a mail's life into a trace and returns what they come to, one a line.
func tell(t *Trace, text string) (out []string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		e, ok := t.Line([]byte("Jan  1 00:05:03 mx postfix/"+line), Place{})
		if !ok {
			continue
		}
		switch {
		case e.Removed:
			out = append(out, e.Queue+" removed")
		case e.Next != "":
			out = append(out, e.Queue+" next "+e.Next)
		default:
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %d %s|%s|%s", e.Queue, e.Class, e.Recipient, e.Status, e.Code, e.Host, e.From, e.Text)))
		}
	}
	return out
}

func newTrace() *Trace {
	return &Trace{Now: func() time.Time { return now }, Zone: zone, Classify: func(status string, code int, _ string) (mailer.Class, string) {
		if status == "5.1.1" || code == 550 {
			return mailer.Hard, "userunknown"
		}
		return mailer.Soft, "undefined"
	}}
}

func TestTrace(t *testing.T) {
	for name, tt := range map[string]struct{ lines, want string }{
		"delivered by the next server": {`
			smtpd[1]: AAAAAA1: client=a[192.0.2.1]
			cleanup[1]: AAAAAA1: message-id=<x@y>
			qmgr[1]: AAAAAA1: from=<bounce+t@l.example>, size=1, nrcpt=1 (queue active)
			smtp[1]: AAAAAA1: to=<a@b.example>, relay=mx.b.example[192.0.2.2]:25, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as BBBBBB1)
			qmgr[1]: AAAAAA1: removed`,
			"AAAAAA1 delivered a@b.example 2.0.0 250 mx.b.example|bounce+t@l.example|Ok: queued as BBBBBB1\nAAAAAA1 removed"},
		"through a filter and back": {`
			qmgr[1]: AAAAAA2: from=<bounce+t@l.example>, size=1, nrcpt=1 (queue active)
			smtpd[1]: BBBBBB2: client=localhost[127.0.0.1]
			qmgr[1]: BBBBBB2: from=<bounce+t@l.example>, size=1, nrcpt=1 (queue active)
			smtp[1]: AAAAAA2: to=<a@b.example>, relay=127.0.0.1[127.0.0.1]:10024, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as BBBBBB2)
			qmgr[1]: AAAAAA2: removed
			virtual[1]: BBBBBB2: to=<a@b.example>, relay=virtual, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)`,
			"AAAAAA2 next BBBBBB2\nAAAAAA2 removed\nBBBBBB2 delivered a@b.example 2.0.0 0 virtual|bounce+t@l.example|delivered to maildir"},
		"forwarded": {`
			local[1]: AAAAAA3: to=<a@b.example>, relay=local, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (forwarded as BBBBBB3)`,
			"AAAAAA3 next BBBBBB3"},
		"put off and given up": {`
			qmgr[1]: AAAAAA4: from=<bounce+t@l.example>, size=1, nrcpt=1 (queue active)
			smtp[1]: AAAAAA4: to=<a@b.example>, relay=mx.b.example[192.0.2.2]:25, delay=1, delays=1/0/0/0, dsn=4.7.28, status=deferred (host mx.b.example[192.0.2.2] said: 421-4.7.28 an unusual 421 4.7.28 rate (in reply to RCPT TO command))
			qmgr[1]: AAAAAA4: from=<bounce+t@l.example>, status=expired, returned to sender
			bounce[1]: AAAAAA4: sender non-delivery notification: CCCCCC4
			qmgr[1]: CCCCCC4: from=<>, size=1, nrcpt=1 (queue active)
			virtual[1]: CCCCCC4: to=<bounce+t@l.example>, relay=virtual, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)`,
			"AAAAAA4 delayed a@b.example 4.7.28 421 mx.b.example|bounce+t@l.example|an unusual rate\n" +
				"AAAAAA4 soft a@b.example 4.7.28 421 mx.b.example|bounce+t@l.example|an unusual rate\n" +
				"CCCCCC4 delivered bounce+t@l.example 2.0.0 0 virtual||delivered to maildir"},
		"refused": {`
			smtp[1]: AAAAAA5: to=<a@b.example>, relay=mx.b.example[192.0.2.2]:25, delay=1, delays=1/0/0/0, dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.2] said: 550 5.1.1 nobody (in reply to RCPT TO command))`,
			"AAAAAA5 hard a@b.example 5.1.1 550 mx.b.example||nobody"},
		"thrown away": {`
			discard[1]: AAAAAA6: to=<a@b.example>, relay=none, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (b.example)
			smtp[1]: AAAAAA6: to=<a@b.example>, relay=none, delay=1, delays=1/0/0/0, dsn=2.0.0, status=deliverable (x)
			smtp[1]: AAAAAA6: to=<a@b.example>, relay=f[127.0.0.1]:10024, delay=1, delays=1/0/0/0, dsn=2.7.0, status=sent (250 2.7.0 Ok, discarded, id=1-1)`, ""},
		"no try": {"qmgr[1]: AAAAAA7: to=<a@b.example>, status=sent (x)\nsmtp[1]: AAAAAA7: status=sent (x)", ""},
	} {
		if got := strings.Join(tell(newTrace(), tt.lines), "\n"); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, tt.want)
		}
	}
}

// TestTraceForgets: a busy server's mails take no more memory than the latest ones.
func TestTraceForgets(t *testing.T) {
	tr := newTrace()
	for n := range 5 * remembered {
		tr.Line(fmt.Appendf(nil, "Jan  1 00:05:03 mx postfix/qmgr[1]: A%08X: from=<a@b.example>, size=1, nrcpt=1 (queue active)", n), Place{})
	}
	if n := len(tr.mails) + len(tr.before); n > 2*remembered {
		t.Errorf("%d mails are remembered", n)
	}
	if !tr.knows(fmt.Sprintf("A%08X", 5*remembered-1)) || tr.knows("A00000001") {
		t.Error("not the latest ones")
	}
}
