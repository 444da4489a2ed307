package mailer

import (
	"encoding/base64"
	"unicode/utf8"
)

const (
	qOpen  = "=?utf-8?q?"
	bOpen  = "=?utf-8?b?"
	wordIn = len(qOpen) + len("?=") // octets of an encoded word around its text
)

// words writes s as encoded words of at most 75 octets, one a line, no rune split between two
// (RFC 2047 sections 2 and 5). col is where the line stands; the column after is returned.
// Q or B is taken for all of s, whichever is shorter.
func (h *Header) words(s string, col int) int {
	q := 0
	for i := range len(s) {
		q += qLen(s[i])
	}
	useQ := q <= (len(s)+2)/3*4
	if col > foldAt-wordIn-12 { // no room for one rune of four octets in Q
		h.b = append(h.b, "\r\n "...)
		col = 1
	}
	for {
		room := min(maxWord, foldAt-col) - wordIn
		n, used := 0, 0
		for n < len(s) {
			_, size := utf8.DecodeRuneInString(s[n:])
			next := used
			if useQ {
				for _, c := range []byte(s[n : n+size]) {
					next += qLen(c)
				}
			} else {
				next = (n + size + 2) / 3 * 4
			}
			if next > room && n > 0 {
				break
			}
			n, used = n+size, next
		}
		if useQ {
			h.b = append(h.b, qOpen...)
			for i := range n {
				h.b = appendQ(h.b, s[i])
			}
		} else {
			h.b = append(h.b, bOpen...)
			h.b = base64.StdEncoding.AppendEncode(h.b, []byte(s[:n]))
		}
		h.b = append(h.b, "?="...)
		col += wordIn + used
		if s = s[n:]; s == "" {
			return col
		}
		h.b = append(h.b, "\r\n "...)
		col = 1
	}
}

// qSafe are the characters that may stand for themselves even within a phrase (RFC 2047 section 5 (3)).
func qSafe(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '!' || c == '*' || c == '+' || c == '-' || c == '/'
}

func qLen(c byte) int {
	if c == ' ' || qSafe(c) {
		return 1
	}
	return 3
}

func appendQ(b []byte, c byte) []byte {
	const hex = "0123456789ABCDEF"
	switch {
	case c == ' ':
		return append(b, '_')
	case qSafe(c):
		return append(b, c)
	}
	return append(b, '=', hex[c>>4], hex[c&15])
}
