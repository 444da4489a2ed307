package mailer

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// nasty are values that have broken header writers.
var nasty = []string{
	"", " ", "plain", "A\r\nBcc: x@example.org", "A\r\n\r\nB", "A\nB", "A\rB", "\r\n", "a\x00b", "a\u0085b", "a\u2028b\u2029c",
	"tab\tand  two", "\u00a0nbsp\u00a0", "=?utf-8?q?not_encoded?=", "ends with =", "“quoted” – dash", "\xff\xfe bad", "é", strings.Repeat("ü", 500),
	strings.Repeat("x", 10000), strings.Repeat("word ", 2000), "عاجل: قمة المناخ \u2068Dubai\u2069", "👩‍👩‍👧‍👦 family " + strings.Repeat("👩‍👩‍👧‍👦", 40),
	"a, b <c@d>; \"e\" \\f (g)", "?", "_", "= ", "Ünï " + strings.Repeat("long", 60), "\u007f", "trailing \\",
}

func TestNewLineIsOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"A\r\nBcc: x": "A Bcc: x", "A\r\n\r\nB": "A B", " a  b ": "a b", "a\u2028b": "a b", "a\u0085b": "a b", "a\x00b": "a b",
		"a\tb": "a b", "": "", "\n": "", "x\xffy": "x\ufffdy", "\u2068a\u2069": "\u2068a\u2069",
	} {
		if got := NewLine(in).String(); got != want {
			t.Errorf("NewLine(%q) = %q, want %q", in, got, want)
		}
	}
}

var encodedWord = regexp.MustCompile(`=\?utf-8\?([qb])\?([^? ]*)\?=`)

// checkHeader parses what h wrote with net/mail and checks its form; it returns the one value.
func checkHeader(t *testing.T, raw []byte, name string) string {
	t.Helper()
	if !bytes.HasSuffix(raw, []byte("\r\n")) {
		t.Fatalf("%q does not end its line", raw)
	}
	lines := strings.Split(strings.TrimSuffix(string(raw), "\r\n"), "\r\n")
	for i, l := range lines {
		if strings.ContainsAny(l, "\r\n\x00") || !ascii(l) {
			t.Fatalf("line %q holds what it must not", l)
		}
		if len(l) > 998 {
			t.Fatalf("line of %d octets", len(l))
		}
		if len(l) > 78 && strings.Contains(strings.TrimPrefix(strings.TrimPrefix(l, name+": "), " "), " ") {
			t.Fatalf("line of %d octets could be folded: %q", len(l), l)
		}
		if i > 0 && (len(l) < 2 || l[0] != ' ' || l[1] == ' ') {
			t.Fatalf("line %d is no continuation: %q", i, l)
		}
		for _, w := range encodedWord.FindAllString(l, -1) {
			if len(w) > 75 {
				t.Fatalf("encoded word of %d octets", len(w))
			}
			s, err := new(mime.WordDecoder).Decode(w)
			if err != nil || !utf8.ValidString(s) {
				t.Fatalf("encoded word %q: %q, %v", w, s, err)
			}
		}
	}
	m, err := mail.ReadMessage(strings.NewReader(string(raw) + "\r\nbody"))
	if err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	if len(m.Header) != 1 || len(m.Header[name]) != 1 {
		t.Fatalf("%q parsed as the fields %v", raw, m.Header)
	}
	return m.Header.Get(name)
}

func checkAdd(t *testing.T, s string) {
	t.Helper()
	var h Header
	h.Add("Subject", NewLine(s))
	raw, err := h.AppendTo(nil)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	got, err := new(mime.WordDecoder).DecodeHeader(checkHeader(t, raw, "Subject"))
	if err != nil || got != NewLine(s).String() {
		t.Fatalf("%q came back as %q, %v\n%s", NewLine(s), got, err, raw)
	}

	h.Reset()
	h.AddAddress("From", NewLine(s), "news@example.org")
	if raw, err = h.AppendTo(nil); err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	checkHeader(t, raw, "From")
	m, _ := mail.ReadMessage(strings.NewReader(string(raw) + "\r\n"))
	a, err := m.Header.AddressList("From")
	if err != nil || len(a) != 1 || a[0].Address != "news@example.org" || a[0].Name != NewLine(s).String() {
		t.Fatalf("display name %q came back as %v, %v\n%s", NewLine(s), a, err, raw)
	}

	h.Reset()
	h.AddRaw("List-Id", NewLine(s))
	if raw, err = h.AppendTo(nil); err == nil {
		if got := checkHeader(t, raw, "List-Id"); got != NewLine(s).String() {
			t.Fatalf("raw %q came back as %q", NewLine(s), got)
		}
	} else if l := NewLine(s).String(); ascii(l) && longestWord(l) < 980 {
		t.Fatalf("raw %q refused: %v", l, err)
	}
}

func TestHeaderRoundTrip(t *testing.T) {
	for _, s := range nasty {
		checkAdd(t, s)
	}
}

func TestHeaderRoundTripCorpus(t *testing.T) {
	dir := os.Getenv("BROADSHEET_DATA")
	if dir == "" {
		t.Skip("set BROADSHEET_DATA to the folder of test data")
	}
	raw, err := os.ReadFile(filepath.Join(dir, "strings", "blns.json"))
	if err != nil {
		t.Fatal(err)
	}
	var naughty []string
	if err := json.Unmarshal(raw, &naughty); err != nil {
		t.Fatal(err)
	}
	if raw, err = os.ReadFile(filepath.Join(dir, "headers", "crlf.txt")); err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(raw)) {
		l = strings.TrimSpace(l)
		for range 3 { // some are coded twice
			naughty = append(naughty, l)
			un, err := url.PathUnescape(l)
			if err != nil {
				break
			}
			l = un
		}
		naughty = append(naughty, strings.NewReplacer("%0d", "\r", "%0a", "\n", "%0D", "\r", "%0A", "\n", "%u000a", "\n").Replace(l))
	}
	for _, s := range naughty {
		checkAdd(t, s)
	}
	if t.Logf("%d strings", len(naughty)); len(naughty) == 0 {
		t.Error("the corpus is empty")
	}
}

func FuzzHeader(f *testing.F) {
	for _, s := range nasty {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkAdd(t, s) })
}

func TestHeaderForm(t *testing.T) {
	var h Header
	h.AddAddress("From", NewLine(`The "Lantern" Daily`), "digest@lantern.example")
	h.AddAddress("To", Line{}, "reader@bücher.example")
	h.AddDate("Date", time.Date(2026, 3, 4, 7, 5, 9, 0, time.FixedZone("", 4*3600)))
	h.Add("Subject", NewLine("Harbour reopens after the storm, ferries back, bridges closed + 11 more"))
	h.Add("Subject", NewLine("Überraschung: Fähre fährt wieder"))
	h.Add("Subject", NewLine("المدينة تستعد لموسم الأمطار بعد صيف طويل"))
	h.AddRaw("List-Unsubscribe", NewLine("<https://lantern.example/l/abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuv>, <mailto:leave@lantern.example>"))
	got, err := h.AppendTo(nil)
	want := strings.ReplaceAll(`From: "The \"Lantern\" Daily" <digest@lantern.example>
To: reader@xn--bcher-kva.example
Date: Wed, 04 Mar 2026 07:05:09 +0400
Subject: Harbour reopens after the storm, ferries back, bridges closed + 11
 more
Subject: =?utf-8?b?w5xiZXJyYXNjaHVuZzogRsOkaHJlIGbDpGhydCB3aWVkZXI=?=
Subject: =?utf-8?b?2KfZhNmF2K/ZitmG2Kkg2KrYs9iq2LnYryDZhNmF2YjYs9mFINin2YQ=?=
 =?utf-8?b?2KPZhdi32KfYsSDYqNi52K8g2LXZitmBINi32YjZitmE?=
List-Unsubscribe: <https://lantern.example/l/abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuv>,
 <mailto:leave@lantern.example>
`, "\n", "\r\n")
	if err != nil || string(got) != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
}

func TestHeaderRefuses(t *testing.T) {
	for name, f := range map[string]func(*Header){
		"field name with a colon":     func(h *Header) { h.Add("Sub:ject", NewLine("x")) },
		"field name with a line end":  func(h *Header) { h.Add("A\r\nB", NewLine("x")) },
		"empty field name":            func(h *Header) { h.AddDate("", noon) },
		"raw value beyond ASCII":      func(h *Header) { h.AddRaw("List-Id", NewLine("Länder")) },
		"raw value without a blank":   func(h *Header) { h.AddRaw("References", NewLine(strings.Repeat("x", 1000))) },
		"address without a domain":    func(h *Header) { h.AddAddress("To", Line{}, "reader") },
		"address with a line end":     func(h *Header) { h.AddAddress("To", Line{}, "a\r\nBcc: x@y.example") },
		"address with a bracket":      func(h *Header) { h.AddAddress("To", Line{}, "a>,<b@c.example") },
		"domain with a line end":      func(h *Header) { h.AddAddress("To", Line{}, "a@b.example\r\nBcc:x") },
		"address with invalid octets": func(h *Header) { h.AddAddress("To", Line{}, "a\xff@b.example") },
	} {
		var h Header
		f(&h)
		h.Add("Subject", NewLine("later fields do not hide the error"))
		if b, err := h.AppendTo([]byte("kept")); err == nil || string(b) != "kept" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	var h Header
	h.AddAddress("To", Line{}, "jürgen@bücher.example")
	if b, err := h.AppendTo(nil); err != nil || !h.NeedsUTF8() || string(b) != "To: jürgen@xn--bcher-kva.example\r\n" {
		t.Errorf("UTF-8 local part: %q, %v", b, err)
	}
}

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		"reader@example.org": "r…@example.org", "ü@example.org": "ü…@example.org", "nothing": "…",
	} {
		if got := mask(in); got != want {
			t.Errorf("mask(%q) = %q", in, got)
		}
	}
	if got := maskAll("550 5.1.1 <reader@example.org>: no such; ask postmaster@example.org"); got != "550 5.1.1 <r…@example.org>: no such; ask p…@example.org" {
		t.Error(got)
	}
}

func BenchmarkHeader(b *testing.B) {
	var h Header
	subject, url := NewLine("Harbour reopens after the storm – ferries back + 11 more"), NewLine("<https://lantern.example/l/abcdefghijklmnopqrstuvwxyz0123456789>")
	buf := make([]byte, 0, 4096)
	for b.Loop() {
		h.Reset()
		h.Add("Subject", subject)
		h.AddRaw("List-Unsubscribe", url)
		h.AddAddress("To", Line{}, "reader@example.org")
		buf, _ = h.AppendTo(buf[:0])
	}
}
