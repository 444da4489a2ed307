package digest

import (
	"bytes"
	"strings"
)

// maxQuoted is the longest line we write, so that a soft break still fits into the 76 columns
// of RFC 2045 section 6.7.
const maxQuoted = 75

// quoter writes quoted-printable text. A line that begins with a dot or with "From " has its
// first character coded, so that neither SMTP nor a mailbox file needs to change it.
type quoter struct {
	b   []byte
	col int
}

// body codes rendered text with marks as a fragment: it begins and ends at a line start. A mark
// stands between soft line breaks, so that a filling of several coded lines fits there too.
func quoteBody(text string) []byte {
	var q quoter
	q.b = make([]byte, 0, len(text)+len(text)/8)
	for text != "" {
		i := strings.IndexByte(text, markOpen)
		if i < 0 {
			q.text(text, true)
			break
		}
		q.text(text[:i], false)
		n := strings.IndexByte(text[i:], markClose) // a mark is always whole: it comes from us
		q.soft()
		q.b = append(q.b, text[i:i+n+1]...)
		q.b = append(q.b, "=\r\n"...)
		text = text[i+n+1:]
	}
	if !bytes.HasSuffix(q.b, []byte("\r\n")) || bytes.HasSuffix(q.b, []byte("=\r\n")) {
		q.b = append(q.b, "\r\n"...)
	}
	return q.b
}

// quoteValue codes the filling of a mark: what follows it is a soft break.
func quoteValue(text string) string { return string(appendQuoted(nil, text)) }

func appendQuoted(dst []byte, text string) []byte {
	q := quoter{b: dst}
	q.text(text, false)
	return q.b
}

// soft ends the line with a soft break unless it is empty.
func (q *quoter) soft() {
	if q.col > 0 {
		q.b = append(q.b, "=\r\n"...)
		q.col = 0
	}
}

// text writes s; "\n" and "\r\n" become CRLF. last says that nothing follows s, so that a blank
// at its end must be coded.
func (q *quoter) text(s string, last bool) {
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\r' {
			continue
		}
		if c == '\n' {
			q.b = append(q.b, "\r\n"...)
			q.col = 0
			continue
		}
		plain := c >= ' ' && c <= '~' && c != '=' || c == '\t'
		switch {
		case c == ' ' || c == '\t':
			plain = !endsLine(s[i+1:], last)
		case q.col == 0 && c == '.', q.col == 0 && strings.HasPrefix(s[i:], "From "):
			plain = false
		}
		n := 3
		if plain {
			n = 1
		}
		if q.col+n > maxQuoted {
			q.soft()
			if c == '.' || strings.HasPrefix(s[i:], "From ") {
				plain, n = false, 3
			}
		}
		if plain {
			q.b = append(q.b, c)
		} else {
			q.b = append(q.b, '=', hex[c>>4], hex[c&15])
		}
		q.col += n
	}
}

func endsLine(rest string, last bool) bool {
	if rest == "" {
		return last
	}
	return rest[0] == '\n' || rest[0] == '\r'
}
