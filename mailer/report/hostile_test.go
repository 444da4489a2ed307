package report

import (
	"strings"
	"testing"
	"time"
)

// TestHostile reads messages that are made to take long.
func TestHostile(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 15 MB")
	}
	fill := func(s string) string { return strings.Repeat(s, MaxSize/2/len(s)) }
	const head = "From: mailer-daemon@mx.example\nSubject: Undelivered mail\n"
	status := head + "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n"
	for name, raw := range map[string]string{
		"replies":    head + "\n" + fill("550 5.1.1 <ada@reader.example> user unknown\n"),
		"addresses":  head + "\n" + fill("<a1@b.example> <a2@b.example>\n<c@b.example>:\n"),
		"fields":     head + fill("X-A: b\n"),
		"folds":      head + "X-A: b\n" + fill(" c\n"),
		"recipients": status + fill("Final-Recipient: rfc822; a@b.example\nAction: failed\n\n"),
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
		"phrases":    head + "\n550 " + fill("sender exceeded mailbox ip server user "),
		"blank":      fill("\n"), "cr": fill("\r"), "nul": fill("\x00"), "long": fill("a"), "colons": fill(":\n"),
		"half utf": head + "Content-Type: text/plain; charset=utf-16\n\n" + fill("\xd8\x00"),
		"japanese": head + "\n" + fill("\x1b$B$\"\x1b(B\n"),
	} {
		began := time.Now()
		Read([]byte(raw))
		if took := time.Since(began); took > 20*time.Second {
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
