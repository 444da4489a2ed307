package mailer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Reply is what a relay said. Code 0 means that it said nothing (end of connection, timeout).
type Reply struct {
	Code     int    // three digits of RFC 5321 section 4.2
	Enhanced string // RFC 3463 "5.1.1", "" if absent or of another class than Code
	Text     string // without code and enhanced code, lines joined by a blank
}

// String is the reply on one line, as a relay would have given it.
func (r Reply) String() string {
	if r.Code == 0 {
		return "no reply"
	}
	s := fmt.Sprintf("%03d", r.Code)
	if r.Enhanced != "" {
		s += " " + r.Enhanced
	}
	if r.Text != "" {
		s += " " + r.Text
	}
	return s
}

// class is the first digit of the code.
func (r Reply) class() int { return r.Code / 100 }

// Verb is the point of the dialogue at which a reply came.
type Verb string

const (
	Connect  Verb = "connect"
	Ehlo     Verb = "ehlo"
	StartTLS Verb = "starttls"
	Auth     Verb = "auth"
	Mail     Verb = "mail"
	Rcpt     Verb = "rcpt"
	Data     Verb = "data"
	Dot      Verb = "dot"
)

// ErrProtocol says that what came is no SMTP reply, or that it came unasked. Nothing that the
// connection says afterwards can be trusted, so it is closed.
var ErrProtocol = errors.New("not an SMTP reply")

// Limits of a reply. RFC 5321 section 4.5.3.1.5 allows lines of 512 octets; relays overdo it.
const (
	maxReplyLine  = 2048
	maxReplyLines = 128
	maxReplyBytes = 32 << 10
)

// ReadReply reads one reply, single-line or multi-line (RFC 5321 section 4.2.1). Lines that are
// too long or too many, codes outside 200 to 599, codes that change from line to line, NUL and
// (unless utf8Text) bytes above 127 are [ErrProtocol]. Everything else that goes wrong is the
// error of the connection. It reads at most 34 KiB, whatever comes.
func ReadReply(r *bufio.Reader, utf8Text bool) (Reply, error) { return (*known)(nil).read(r, utf8Text) }

// known is a reply of one line that was read before. A relay says the same things all day, and a
// line that is the same to the octet is not taken apart again.
type known struct {
	line  []byte
	reply Reply
}

// maxKnown is the longest line that is kept.
const maxKnown = 512

func (k *known) read(r *bufio.Reader, utf8Text bool) (Reply, error) {
	line, err := readLine(r, maxReplyLine)
	if err != nil {
		return Reply{}, err
	}
	if k != nil && bytes.Equal(line, k.line) {
		return k.reply, nil
	}
	keep := k != nil && len(line) <= maxKnown && !hasEightBit(line)
	if keep {
		k.line = append(k.line[:0], line...) // it does not stay as it is
	}
	rep, more, err := parseReply(r, line, utf8Text)
	if keep {
		if k.reply = rep; more || err != nil {
			k.line = k.line[:0]
		}
	}
	return rep, err
}

// parseReply takes the reply apart that begins with line, reading what is more of it.
func parseReply(r *bufio.Reader, line []byte, utf8Text bool) (rep Reply, more bool, err error) {
	var one [1]string // the lines of nearly all replies
	lines, total := one[:0], 0
	for {
		total += len(line)
		code, text, goesOn, err := splitLine(trimLine(line), utf8Text)
		if err != nil {
			return Reply{}, more, err
		}
		if rep.Code != 0 && code != rep.Code {
			return Reply{}, more, fmt.Errorf("%w: code %d goes on as %d", ErrProtocol, rep.Code, code)
		}
		rep.Code = code
		if lines = append(lines, text); !goesOn {
			return newReply(rep.Code, lines), more, nil
		}
		if more = true; len(lines) == maxReplyLines {
			return Reply{}, more, fmt.Errorf("%w: more than %d lines", ErrProtocol, maxReplyLines)
		}
		if line, err = readLine(r, min(maxReplyLine, maxReplyBytes-total)); err != nil {
			return Reply{}, more, err
		}
	}
}

// readLine reads up to LF. It never holds more than limit bytes. The line is good until the next
// read from r.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	part, err := r.ReadSlice('\n')
	if err == nil && len(part) <= limit {
		return part, nil
	}
	var line []byte
	for {
		if len(line)+len(part) > limit {
			return nil, fmt.Errorf("%w: a line or reply that is too long", ErrProtocol)
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
		part, err = r.ReadSlice('\n')
	}
}

// trimLine cuts CRLF or LF.
func trimLine(line []byte) []byte { return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")) }

// splitLine takes "250-text" apart.
func splitLine(line []byte, utf8Text bool) (code int, text string, more bool, err error) {
	if len(line) < 3 {
		return 0, "", false, fmt.Errorf("%w: no code", ErrProtocol)
	}
	for _, c := range line[:3] {
		if c < '0' || c > '9' {
			return 0, "", false, fmt.Errorf("%w: no code", ErrProtocol)
		}
		code = code*10 + int(c-'0')
	}
	if code < 200 || code > 599 {
		return 0, "", false, fmt.Errorf("%w: code %03d", ErrProtocol, code)
	}
	if len(line) > 3 {
		switch line[3] {
		case ' ':
		case '-':
			more = true
		default:
			return 0, "", false, fmt.Errorf("%w: no blank after the code", ErrProtocol)
		}
		line = line[4:]
	} else {
		line = nil
	}
	eightBit := false
	for i, c := range line {
		switch {
		case c == 0:
			return 0, "", false, fmt.Errorf("%w: NUL", ErrProtocol)
		case c < ' ' || c == 0x7f:
			line[i] = ' '
		case c > 0x7f:
			eightBit = true
		}
	}
	if eightBit && !(utf8Text && utf8.Valid(line)) {
		return 0, "", false, fmt.Errorf("%w: 8-bit text", ErrProtocol)
	}
	return code, string(bytes.TrimSpace(line)), more, nil
}

// newReply joins the lines and takes the enhanced code out (RFC 2034 section 4 repeats it on
// each line). One of another class than the code is left in the text as mere words.
func newReply(code int, lines []string) Reply {
	rep := Reply{Code: code}
	if len(lines) > 0 {
		rep.Enhanced = enhancedCode(lines[0], code/100)
	}
	kept := lines[:0]
	for _, l := range lines {
		if rep.Enhanced != "" {
			if rest, ok := strings.CutPrefix(l, rep.Enhanced); ok && (rest == "" || rest[0] == ' ') {
				l = strings.TrimLeft(rest, " ")
			}
		}
		if l != "" {
			kept = append(kept, l)
		}
	}
	rep.Text = strings.Join(kept, " ")
	return rep
}

// enhancedCode returns the class.subject.detail that s begins with (RFC 3463 section 2).
func enhancedCode(s string, class int) string {
	word, _, _ := strings.Cut(s, " ")
	first, rest, _ := strings.Cut(word, ".")
	subject, detail, _ := strings.Cut(rest, ".")
	if len(first) != 1 || int(first[0]-'0') != class || !upTo3Digits(subject) || !upTo3Digits(detail) {
		return ""
	}
	return word
}

func upTo3Digits(s string) bool {
	return len(s) >= 1 && len(s) <= 3 && strings.Trim(s, "0123456789") == ""
}
