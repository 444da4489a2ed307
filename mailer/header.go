package mailer

import (
	"fmt"
	"strings"
	"time"
)

// Header writes the header of a message, field by field in the order of the calls. Lines are
// folded at 78 columns where there is a blank to fold at and never exceed 998 octets (RFC 5322
// section 2.1.1); text beyond ASCII becomes encoded words (RFC 2047). The first error sticks
// and comes out of AppendTo. The zero value is an empty header; Reset makes it one again and
// keeps its memory. Not safe for concurrent use.
type Header struct {
	b    []byte
	utf8 bool
	err  error
}

// Reset empties h for the next message.
func (h *Header) Reset() { h.b, h.utf8, h.err = h.b[:0], false, nil }

// Add writes a field whose value is free text, such as Subject or Comments.
func (h *Header) Add(name string, v Line) {
	if !h.name(name) {
		return
	}
	if ascii(v.s) && !strings.Contains(v.s, "=?") && longestWord(v.s) < maxLine-len(name)-2 {
		h.fold(name, v.s)
		return
	}
	h.b = append(h.b, name...)
	h.b = append(h.b, ": "...)
	h.words(v.s, len(name)+2)
	h.b = append(h.b, "\r\n"...)
}

// AddRaw writes a field with a structure of its own, which encoded words would break (RFC 2047
// section 5): Message-ID, the List-* fields, Feedback-ID, Precedence. The value must be ASCII,
// and no part of it between blanks may be too long for a line.
func (h *Header) AddRaw(name string, v Line) {
	switch {
	case !h.name(name):
	case !ascii(v.s):
		h.fail(fmt.Errorf("header %s: %q is not ASCII", name, v.s))
	case longestWord(v.s) >= maxLine-len(name)-2:
		h.fail(fmt.Errorf("header %s: %d octets without a blank do not fit a line", name, longestWord(v.s)))
	default:
		h.fold(name, v.s)
	}
}

// AddAddress writes a field with one mailbox (RFC 5322 section 3.4): From, To, Reply-To. display
// may be empty; the mailbox then stands bare. An internationalised domain becomes its A-label;
// a local part beyond ASCII is written as it is and makes NeedsUTF8 true (RFC 6532).
func (h *Header) AddAddress(name string, display Line, address string) {
	if !h.name(name) {
		return
	}
	mailbox, wide, err := wireAddress(address)
	if err != nil {
		h.fail(fmt.Errorf("header %s: %w", name, err))
		return
	}
	h.utf8 = h.utf8 || wide
	switch {
	case display.s == "":
		h.fold(name, mailbox)
	case ascii(display.s) && !strings.Contains(display.s, "=?") && longestWord(display.s) < maxWord:
		h.fold(name, phrase(display.s)+" <"+mailbox+">")
	default:
		h.b = append(h.b, name...)
		h.b = append(h.b, ": "...)
		col := h.words(display.s, len(name)+2)
		sep := " <"
		if col+len(mailbox)+3 > foldAt {
			sep = "\r\n <"
		}
		h.b = append(h.b, sep...)
		h.b = append(h.b, mailbox...)
		h.b = append(h.b, ">\r\n"...)
	}
}

// AddDate writes a date-time (RFC 5322 section 3.3) with a numeric zone, that of t.
func (h *Header) AddDate(name string, t time.Time) {
	if h.name(name) { // it always fits a line
		h.b = append(h.b, name...)
		h.b = append(h.b, ": "...)
		h.b = t.AppendFormat(h.b, "Mon, 02 Jan 2006 15:04:05 -0700")
		h.b = append(h.b, "\r\n"...)
	}
}

// NeedsUTF8 reports whether the header holds raw UTF-8, so that the relay must know SMTPUTF8.
func (h *Header) NeedsUTF8() bool { return h.utf8 }

// AppendTo appends the header, without the empty line that ends it, and returns the first error
// that any call met; buf is returned unchanged then.
func (h *Header) AppendTo(buf []byte) ([]byte, error) {
	if h.err != nil {
		return buf, h.err
	}
	return append(buf, h.b...), nil
}

func (h *Header) fail(err error) {
	if h.err == nil {
		h.err = err
	}
}

// name checks a field name (RFC 5322 section 3.6.8) and reports whether to go on.
func (h *Header) name(n string) bool {
	bad := n == "" || len(n) > 60
	for i := range len(n) {
		bad = bad || n[i] <= ' ' || n[i] > '~' || n[i] == ':'
	}
	if bad {
		h.fail(fmt.Errorf("header %q: not a field name", n))
	}
	return h.err == nil
}

const (
	foldAt  = 78  // RFC 5322 section 2.1.1, SHOULD
	maxLine = 998 // the same, MUST
	maxWord = 75  // RFC 2047 section 2
)

// fold writes "name: v", breaking at blanks before column 78. A first word that is too long
// stays beside the name: some parsers take a lone "Name:" for an empty field.
func (h *Header) fold(name, v string) {
	h.b = append(h.b, name...)
	h.b = append(h.b, ':')
	col := len(name) + 1
	first := true
	for v != "" {
		word, rest, _ := strings.Cut(v, " ")
		if !first && col+1+len(word) > foldAt {
			h.b = append(h.b, "\r\n"...)
			col = 0
		}
		h.b = append(h.b, ' ')
		h.b = append(h.b, word...)
		col += 1 + len(word)
		v, first = rest, false
	}
	h.b = append(h.b, "\r\n"...)
}

func longestWord(s string) int {
	n, longest := 0, 0
	for i := range len(s) {
		if n++; s[i] == ' ' {
			n = 0
		}
		longest = max(longest, n)
	}
	return longest
}

// phrase is a display name as atoms or, if it needs to be, as a quoted string (RFC 5322 section 3.2.4).
func phrase(s string) string {
	plain := true
	for i := range len(s) {
		plain = plain && (s[i] == ' ' || isAtext(s[i]))
	}
	if plain {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func isAtext(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}
