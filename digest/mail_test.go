package digest

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"unicode/utf8"
)

type readMail struct {
	header     mail.Header
	text, html []byte
}

// read takes a mail apart as strictly as the standard library can, and checks what must hold for
// every mail on the way.
func read(t *testing.T, raw []byte) readMail {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	checkLines(t, raw)
	out := readMail{header: m.Header}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(m.Body)
	if err != nil {
		t.Fatal(err)
	}
	if kind == "text/plain" {
		out.text = unquote(t, body)
		return out
	}
	if !bytes.HasSuffix(raw, []byte("\r\n--"+params["boundary"]+"--\r\n")) {
		t.Error("the closing boundary is missing")
	}
	parts := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for n := 0; ; n++ {
		p, err := parts.NextRawPart()
		if err == io.EOF {
			if n != 2 {
				t.Errorf("%d parts, want 2", n)
			}
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if cte := p.Header.Get("Content-Transfer-Encoding"); cte != "quoted-printable" {
			t.Errorf("part %d is coded as %q", n, cte)
		}
		b, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"text/plain; charset=utf-8", "text/html; charset=utf-8"}[min(n, 1)]
		if ct := p.Header.Get("Content-Type"); ct != want {
			t.Errorf("part %d has type %q, want %q", n, ct, want)
		}
		if n == 0 {
			out.text = unquote(t, b)
		} else {
			out.html = unquote(t, b)
		}
	}
}

// checkLines: CRLF only, no NUL or mark, 7 bit, 76 columns in the body and 78 in the header where
// it can be folded; no line of the body begins with a dot or with "From ".
func checkLines(t *testing.T, raw []byte) {
	t.Helper()
	body := false
	for n, line := range strings.SplitAfter(string(raw), "\r\n") {
		if line == "" {
			continue
		}
		text, ok := strings.CutSuffix(line, "\r\n")
		if !ok || strings.ContainsAny(text, "\r\n\x00\x01\x02") {
			t.Errorf("line %d has a bare CR or LF, a NUL or a mark: %q", n+1, line)
		}
		for i := range len(text) {
			if text[i] >= utf8.RuneSelf {
				t.Errorf("line %d is not ASCII: %q", n+1, text)
				break
			}
		}
		limit := 78
		switch {
		case body:
			limit = 76
			if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "From ") {
				t.Errorf("line %d begins with a dot or From: %q", n+1, text)
			}
		case strings.Count(strings.TrimPrefix(text, " "), " ") < 2: // one word, which cannot be folded
			limit = 998
		}
		if len(text) > limit {
			t.Errorf("line %d has %d octets, more than %d: %q", n+1, len(text), limit, text)
		}
		body = body || text == ""
	}
}

// unquote decodes quoted-printable text by the letter of RFC 2045 section 6.7.
func unquote(t *testing.T, b []byte) []byte {
	t.Helper()
	for n, line := range strings.Split(string(b), "\r\n") {
		if strings.HasSuffix(line, " ") || strings.HasSuffix(line, "\t") {
			t.Errorf("coded line %d ends in a blank: %q", n+1, line)
		}
		for i := 0; i < len(line); i++ {
			if line[i] != '=' {
				continue
			}
			if i == len(line)-1 {
				break
			}
			if i+2 >= len(line) || !strings.ContainsRune("0123456789ABCDEF", rune(line[i+1])) || !strings.ContainsRune("0123456789ABCDEF", rune(line[i+2])) {
				t.Errorf("coded line %d holds a wrong escape: %q", n+1, line)
			}
		}
	}
	out, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(b)))
	if err != nil {
		t.Fatal(err)
	}
	if !utf8.Valid(out) {
		t.Error("a part is not UTF-8")
	}
	return out
}

// decoded undoes RFC 2047 words.
func decoded(t *testing.T, s string) string {
	t.Helper()
	out, err := new(mime.WordDecoder).DecodeHeader(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
