package report

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const twoParts = `From: a@one.example
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
 and more
Content-Type: multipart/report; report-type=delivery-status;
	boundary=b/=1

preamble
--b/=1
Content-Type: Text/Plain; charset="iso-8859-1"
Content-Transfer-Encoding: quoted-printable

caf=E9 is=
 shut
--b/=1
Content-Type: message/rfc822

Subject: inner
X-Broadsheet-Delivery: abc

body
--b/=1--
epilogue
`

// TestParseMessage reads the same message with all line ends there are.
func TestParseMessage(t *testing.T) {
	crlf := strings.ReplaceAll(twoParts, "\n", "\r\n")
	for name, raw := range map[string]string{
		"lf": twoParts, "crlf": crlf, "cr": strings.ReplaceAll(twoParts, "\n", "\r"),
		"crcrlf": strings.ReplaceAll(twoParts, "\n", "\r\r\n"), "mbox": "From x Mon\n" + twoParts,
		"mixed":    strings.Replace(crlf, "\r\n", "\n", 3),
		"cut":      strings.TrimSuffix(twoParts, "--b/=1--\nepilogue\n"),
		"no blank": strings.Replace(twoParts, "boundary=b/=1\n\n", "boundary=b/=1\n", 1),
		"no name":  strings.Replace(twoParts, "boundary=b/=1", "x=y", 1),
	} {
		m := parseMessage([]byte(raw))
		got := []string{m.header.text("subject"), m.kind, m.find("text/plain").text()}
		if m.returned != nil {
			got = append(got, m.returned.header.get("x-broadsheet-delivery"), strings.TrimSpace(m.returned.text()))
		}
		want := []string{"Grüße and more", "multipart/report", "café is shut\n", "abc", "body"}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
