package mailer

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// folder writes a DKIM-Signature field in lines of up to 76 columns. Folds stand where RFC 6376
// section 3.2 and 3.5 allow them: before a tag, before a colon's next name in h=, inside base64.
type folder struct {
	b   []byte
	col int
	enc []byte
}

const foldSignature = 76

func (l *folder) begin(dst []byte, name string) { l.b, l.col = append(dst, name...), len(name) }

// room writes s, which begins with a blank, on this line or, if it does not fit there, on the next.
func (l *folder) room(s string) {
	if l.col+len(s)+1 > foldSignature { // a semicolon may follow
		l.fold(s)
		return
	}
	l.b, l.col = append(l.b, s...), l.col+len(s)
}

// fold writes s, which begins with a blank, on a new line.
func (l *folder) fold(s string) {
	l.b = append(append(l.b, "\r\n"...), s...)
	l.col = len(s)
}

func (l *folder) tag(name, value string) {
	l.room(" " + name + value + ";")
}

func (l *folder) names(tag string, names []string) {
	for i, name := range names {
		sep := ":"
		if i == 0 {
			l.room(" " + tag)
			sep = ""
		}
		if l.col+len(sep)+len(name)+1 > foldSignature {
			l.b = append(l.b, sep...)
			l.fold(" ")
			sep = ""
		}
		l.b = append(append(l.b, sep...), name...)
		l.col += len(sep) + len(name)
	}
	l.b, l.col = append(l.b, ';'), l.col+1
}

func (l *folder) base64(v []byte) {
	l.enc = base64.StdEncoding.AppendEncode(l.enc[:0], v)
	for rest := l.enc; len(rest) > 0; {
		if l.col >= foldSignature-1 {
			l.fold(" ")
		}
		n := min(len(rest), foldSignature-1-l.col)
		l.b, l.col = append(l.b, rest[:n]...), l.col+n
		rest = rest[n:]
	}
}

// field is a header field as it stands in a message, without its last CRLF.
type field struct {
	text  []byte
	colon int
}

// is compares names, whose case means nothing.
func (f field) is(name string) bool {
	n := bytes.TrimRight(f.text[:f.colon], " \t")
	return len(n) == len(name) && strings.EqualFold(string(n), name)
}

// appendRelaxed appends the field in relaxed form (RFC 6376 section 3.4.2) without CRLF.
func (f field) appendRelaxed(dst []byte) []byte {
	for _, c := range bytes.TrimRight(f.text[:f.colon], " \t") {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	dst = append(dst, ':')
	begun, gap := false, false
	for _, c := range f.text[f.colon+1:] {
		switch {
		case c == '\r' || c == '\n': // of a fold; the blank that follows it counts
		case isBlank(c):
			gap = begun
		default:
			if gap {
				dst = append(dst, ' ')
			}
			dst = append(dst, c)
			begun, gap = true, false
		}
	}
	return dst
}

// read splits a message into its fields and its body.
func (w *signing) read(message []byte) (body []byte, err error) {
	w.fields = w.fields[:0]
	for at := 0; ; {
		n := bytes.Index(message[at:], crlf)
		if n < 0 {
			return nil, errors.New("sign mail: there is no empty line after its header")
		}
		line := message[at : at+n]
		if bytes.ContainsAny(line, "\r\n") {
			return nil, errLineEnd
		}
		switch {
		case n == 0:
			return message[at+2:], nil
		case isBlank(line[0]):
			if len(w.fields) == 0 {
				return nil, errors.New("sign mail: its first line is no header field")
			}
			f := &w.fields[len(w.fields)-1]
			f.text = f.text[:len(f.text)+2+n] // it lies on in the message
		default:
			colon := bytes.IndexByte(line, ':')
			if colon < 1 {
				return nil, fmt.Errorf("sign mail: header line %d has no name", len(w.fields)+1)
			}
			w.fields = append(w.fields, field{text: line, colon: colon})
		}
		at += n + 2
	}
}
