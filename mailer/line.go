package mailer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line is a header value that cannot hold a line break. The only way to make one is [NewLine],
// so whatever comes in from feeds, lists of readers or settings, a header stays one header.
// The zero value is the empty line.
type Line struct{ s string }

// NewLine makes s one line: each run of white space, line ends (also NEL, LS and PS) and
// control characters becomes one blank, invalid UTF-8 becomes U+FFFD, blanks at both ends go.
// Marks of direction and joiners are kept, for Arabic and emoji need them.
func NewLine(s string) Line {
	if plainLine(s) {
		return Line{s}
	}
	var b strings.Builder
	b.Grow(len(s))
	blank := false
	for _, r := range s { // an invalid byte comes as U+FFFD
		if unicode.IsSpace(r) || unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			blank = true
			continue
		}
		if blank && b.Len() > 0 {
			b.WriteByte(' ')
		}
		blank = false
		b.WriteRune(r)
	}
	return Line{b.String()}
}

// plainLine reports whether NewLine would leave s as it is; most values are so.
func plainLine(s string) bool {
	blank := true
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c >= utf8.RuneSelf-1 || blank && c == ' ' {
			return false
		}
		blank = c == ' '
	}
	return !blank || s == ""
}

// String returns the text, decoded and unfolded.
func (l Line) String() string { return l.s }

// ascii reports whether every byte is printable ASCII or a blank.
func ascii(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
