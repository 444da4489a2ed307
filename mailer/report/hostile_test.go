package report

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hostileCPU is how much time of processors a message may take. It holds on a machine that does much
// else; most take a tenth of it.
const hostileCPU = time.Second

// processorTime is how much time of processors the process has taken.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// hostile are messages that are made to take long, of up to a megabyte.
func hostile() map[string]string {
	fill := func(s string) string { return strings.Repeat(s, MaxSize*9/10/len(s)) }
	part := func(s string) string { return strings.Repeat(s, 64<<10/len(s)) }
	many := func(n int, form string) string { // each with a number of its own
		var out strings.Builder
		for i := range n {
			fmt.Fprintf(&out, form, i)
		}
		return out.String()
	}
	const head = "Return-Path: <>\nFrom: mailer-daemon@mx.example\nSubject: Undelivered mail\n"
	const report = head + "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
	const status = "--b\nContent-Type: message/delivery-status\n\n"
	const refusal = "550 5.1.1 <ada@reader.example> user unknown\n"
	const phrases = "sender exceeded mailbox ip server user "
	const group = "Final-Recipient: rfc822; a%[1]d@b.example\nAction: failed\nStatus: 5.0.0\n\n"
	const doubt = "Final-Recipient: rfc822; a%[1]d@b.example\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 User unknown %[1]d\n\n"
	words := "--b\n\nIt could not be delivered.\n"
	return map[string]string{
		"replies":    head + "\n" + fill(refusal),
		"addresses":  head + "\n" + fill("<a1@b.example> <a2@b.example>\n<c@b.example>:\n"),
		"fields":     head + fill("X-A: b\n"),
		"folds":      head + "X-A: b\n" + fill(" c\n"),
		"recipients": report + status + fill("Final-Recipient: rfc822; a@b.example\nAction: failed\n\n"),
		"status":     head + "Content-Type: multipart/mixed; boundary=b\n\n" + fill("--b\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; a@b.example\n"),
		"words":      "Subject: " + fill("=?utf-8?q?=") + "?=\n\nx",
		"from":       "From: " + fill("<a@b.example> ") + "\n\nx",
		"references": "References: " + fill("<a@b.example> ") + "\n\nx",
		"names":      "To: " + fill("a+b@c.example, ") + "\n\nx",
		"headers":    head + "\n" + fill("X-A: b\nX-B: c\nFrom: d\n\n"),
		"rules":      head + "\n" + fill("----- Original message -----\n"),
		"nested":     fill("Content-Type: message/rfc822\n\n"),
		"parts":      "Content-Type: multipart/mixed; boundary=a\n\n" + fill("--a\n\n"),
		"boundaries": fill("Content-Type: multipart/mixed; boundary=a\n\n--a\n"),
		"parameters": "Content-Type: text/plain; " + fill("a*1=b; ") + "\n\nx",
		"tags":       head + "Content-Type: text/html\n\n" + fill("<div><p "),
		"quoted":     head + "Content-Transfer-Encoding: quoted-printable\n\n" + fill("=3D=\n"),
		"base64":     head + "Content-Transfer-Encoding: base64\n\n" + fill("QUJD\n"),
		"open":       head + "\n" + fill("could not be delivered "),
		"phrases":    head + "\n550 " + fill(phrases),
		"blank":      fill("\n"), "cr": fill("\r"), "nul": fill("\x00"), "long": fill("a"), "colons": fill(":\n"),
		"half utf": head + "Content-Type: text/plain; charset=utf-16\n\n" + fill("\xd8\x00"),
		"japanese": head + "\n" + fill("\x1b$B$\"\x1b(B\n"),

		// Two of them at once.
		"groups and replies":   report + words + part(refusal) + status + many(9_000, group),
		"groups and parts":     report + words + part(refusal) + strings.Repeat(status+many(50, group), 95),
		"groups, one a part":   report + words + part(refusal) + many(98, status+group),
		"groups and phrases":   report + words + many(1500, phrases+"<a%d@b.example>\n") + status + many(5_000, group),
		"doubts and replies":   report + words + part("550 rcpt user unknown\n") + status + many(5_000, doubt),
		"doubts and addresses": report + words + many(3_000, "<a%[1]d@b.example> 550 user unknown\n") + status + many(5_000, doubt),
		"groups in words":      head + "\nIt could not be delivered.\n" + part(refusal)[:32<<10] + many(9_000, group),
		"groups, long answers": report + words + part(refusal) + status + many(20, group[:len(group)-1]+"Diagnostic-Code: smtp; 550 "+strings.Repeat(phrases, 1000)+"\n\n"),
		"failed recipients":    head + many(1_900, "X-Failed-Recipients: a%d@b.example\n") + "\n" + fill(refusal),
		"failed, each answered": head + many(20, "X-Failed-Recipients: a%d@b.example\n") + "\n" +
			many(20, "a%d@b.example\n"+strings.Repeat("550 "+phrases+"\n", 70)),
		"failed, short lines":   head + many(20, "X-Failed-Recipients: a%d@b.example\n") + "\n" + fill("@\n"),
		"addresses and replies": head + "\n" + many(3_000, "<a%[1]d@b.example>:\n550 5.1.1 no\n"),
		"long boundary":         "Content-Type: multipart/mixed; boundary=" + strings.Repeat("b", 300<<10) + "\n\n--" + strings.Repeat("b", 300<<10) + "\n" + strings.Repeat("\n", 400<<10),
		"headers in parts":      head + "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n"+strings.Repeat("X-A: b\n", 1_300), 98),
		"names of files":        head + "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\nContent-Disposition: attachment; filename=\""+strings.Repeat("=?utf-8?q?=", 780)+"\"\n\nx\n", 98),
		"fields in parts":       head + "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n"+strings.Repeat("X-A: b\n", 1_300)+"\nx\n", 98),
		"answer":                "From: a@b.example\nTo: reply+a@c.example\nSubject: Re: x\n\n" + fill("On 1 May a wrote\nFrom: x\n"),
		"answer, leaving":       "From: a@b.example\nTo: reply+a@c.example\nSubject: Re: x\n\n" + fill("I have unsubscribed. not unsubscribe not "),
		"answer in html":        "From: a@b.example\nTo: reply+a@c.example\nSubject: Re: x\nContent-Type: text/html\n\n" + fill("<p a=b c=d><blockquote>&amp;"),
		"attributes":            head + "Content-Type: text/html\n\n<p " + many(100_000, "a%d "),
		"comments":              head + "Content-Type: text/html\n\n" + fill("<!-- <"),
		"complaint":             "From: fbl@b.example\nSubject: Spam complaint\n\n" + fill("Received: x bounce+aaaaaaaaaaaaaaaaaaaa \n"),
		"complaint in parts":    "From: fbl@b.example\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n" + strings.Repeat("--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n"+strings.Repeat("Original-Rcpt-To: a@b.example\n", 280), 98),
		"dates":                 report + status + strings.Repeat("Final-Recipient: rfc822; a@b.example\nAction: failed\nLast-Attempt-Date: "+strings.Repeat("(", 40<<10)+"\n\n", 20),
		"delays":                head + "\n" + fill("has been not yet will be (re) retry for could not be delivered "),
		"notice":                "Content-Type: application/json\n\n{\"notificationType\":\"Bounce\",\"bounce\":{\"bouncedRecipients\":[" + strings.Repeat("{\"emailAddress\":\"a@b.example\",\"diagnosticCode\":\""+strings.Repeat(phrases, 100)+"\"},", 200) + "{}]}}",
		"charsets":              head + "Content-Type: text/plain; charset=" + strings.Repeat("x", 400<<10) + "\n\n" + strings.Repeat("\xe4", 400<<10),
	}
}

// TestHostile reads messages that are made to take long.
func TestHostile(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 50 MB")
	}
	for name, raw := range hostile() {
		began := processorTime(t)
		r := Read([]byte(raw))
		took := processorTime(t) - began
		t.Logf("%6d ms, %d news: %s", took.Milliseconds(), len(r.News), name)
		if len(r.News) > newsMax {
			t.Errorf("%s: %d news", name, len(r.News))
		}
		if took > hostileCPU {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(twoParts))
	for _, x := range families {
		head, body, _ := strings.Cut(x.text, "\n")
		f.Add([]byte("From: " + head + "\n" + body))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := Read(raw)
		if len(r.News) > newsMax || len(r.To) > addressesMax || len(r.Subject) > lineMax || len(r.FromName) > lineMax {
			t.Errorf("too much: %d news, %d to", len(r.News), len(r.To))
		}
		for _, n := range r.News {
			if strings.ContainsAny(n.Text+n.Recipient+n.Host, "\r\n") {
				t.Errorf("a line break in %+v", n)
			}
			if n.Class == "" || n.Class == "none" {
				t.Errorf("news without class: %+v", n)
			}
		}
	})
}
