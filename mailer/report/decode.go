package report

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
)

// body returns the part's body with its Content-Transfer-Encoding taken off and lines that end in LF.
// It is never longer than what stands in the message.
func (p *part) body() []byte {
	if !p.known {
		p.data, p.known = decodeBody(p.raw, p.header.get("Content-Transfer-Encoding")), true
	}
	return p.data
}

// text returns the part's body in UTF-8. HTML stays HTML.
func (p *part) text() string { return toUTF8(p.body(), p.params["charset"]) }

func decodeBody(raw []byte, encoding string) []byte {
	encoding, _, _ = strings.Cut(strings.ToLower(strings.Trim(encoding, ` "`)), " ")
	switch strings.TrimRight(encoding, ";") {
	case "base64":
		if out := decodeBase64(raw); out != nil {
			return plainLines(out)
		}
	case "quoted-printable":
		return plainLines(decodeQuoted(raw))
	}
	return raw
}

// decodeBase64 leaves out what is no base64 and stops at what cannot be completed. It returns nil
// for a body that is none at all.
func decodeBase64(raw []byte) []byte {
	clean := make([]byte, 0, len(raw))
	for _, c := range raw {
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/':
			clean = append(clean, c)
		case c == '\n', c == ' ', c == '\t', c == '=':
		default:
			if len(clean) == 0 {
				return nil
			}
		}
	}
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1]
	}
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(clean)))
	n, err := base64.RawStdEncoding.Decode(out, clean)
	if err != nil && n == 0 {
		return nil
	}
	return out[:n]
}

// decodeQuoted decodes quoted-printable; what is none stays as it is.
func decodeQuoted(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	for at := 0; at < len(raw); {
		line, next := lineAt(raw, at)
		line = bytes.TrimRight(line, " \t")
		soft := false
		for i := 0; i < len(line); i++ {
			if line[i] != '=' {
				out = append(out, line[i])
				continue
			}
			if i+2 < len(line) {
				if hi, lo := unhex(line[i+1]), unhex(line[i+2]); hi >= 0 && lo >= 0 {
					out = append(out, byte(hi<<4|lo))
					i += 2
					continue
				}
			}
			if soft = i == len(line)-1; !soft {
				out = append(out, '=')
			}
		}
		if !soft && next > at+len(line) {
			out = append(out, '\n')
		}
		at = next
	}
	return out
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// toUTF8 turns text into UTF-8 by its label, or by what it is if the label is missing, unknown or wrong.
func toUTF8(b []byte, label string) string {
	label = strings.ToLower(strings.TrimSpace(label))
	switch {
	case bytes.Contains(b, []byte("\x1b$")) || bytes.Contains(b, []byte("\x1b(J")):
		if out, err := japanese.ISO2022JP.NewDecoder().Bytes(b); err == nil {
			return string(out)
		}
	case utf8.Valid(b) && !strings.HasPrefix(label, "utf-16") && !strings.HasPrefix(label, "utf-7"):
		// Text in a single-byte set is as good as never valid UTF-8 by accident.
		if label == "" || isASCII(b) || !multiByte(label) {
			return string(b)
		}
	}
	if enc, name := charset.Lookup(label); enc != nil && name != "replacement" && name != "utf-8" {
		if out, err := enc.NewDecoder().Bytes(b); err == nil {
			return strings.ToValidUTF8(string(out), "\uFFFD")
		}
	}
	if utf8.Valid(b) {
		return string(b)
	}
	out, err := charmap.Windows1252.NewDecoder().Bytes(b)
	if err != nil {
		return strings.ToValidUTF8(string(b), "\uFFFD")
	}
	return string(out)
}

// multiByte reports whether a label names a set in which short texts can be valid UTF-8 by accident.
func multiByte(label string) bool {
	switch _, name := charset.Lookup(label); name {
	case "gbk", "gb18030", "big5", "euc-jp", "euc-kr", "shift_jis", "iso-2022-jp":
		return true
	}
	return false
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// charsetReader serves the decoder of encoded words. It knows any label: an unknown one is guessed.
func charsetReader(label string, in io.Reader) (io.Reader, error) {
	b, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	label, _, _ = strings.Cut(label, "*") // RFC 2231 section 5: a language may follow
	return strings.NewReader(toUTF8(b, label)), nil
}
