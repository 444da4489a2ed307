package mailer

import (
	"bytes"
	"errors"
	"strconv"
)

// fit checks that the message can go over this connection before anything is said.
func (c *Conn) fit(m *Message) (from, to string, wide bool, err error) {
	from, wideFrom, err := wireAddress(m.ReturnPath)
	if err != nil {
		return "", "", false, &Unsendable{Reason: "return path", Err: err}
	}
	to, wideTo, err := wireAddress(m.Recipient)
	if err != nil {
		return "", "", false, &Unsendable{Reason: "recipient", Err: err}
	}
	wide = wideFrom || wideTo || m.UTF8
	eight := false
	if !m.Clean {
		eight, err = checkBody(m.Body)
	} else if !bytes.HasSuffix(m.Body, crlf) {
		err = errNoEnd // what follows would become part of it
	}
	switch {
	case err != nil:
		return "", "", false, &Unsendable{Reason: "compose", Err: err}
	case eight && !m.EightBit && !m.UTF8:
		return "", "", false, &Unsendable{Reason: "compose", Err: errors.New("body is 8-bit and does not say so")}
	case wide && !c.utf8:
		return "", "", false, &Unsendable{Reason: ReasonNoUTF8}
	case m.EightBit && !c.eightBit:
		return "", "", false, &Unsendable{Reason: ReasonNo8Bit}
	case c.maxSize > 0 && int64(len(m.Body)) > c.maxSize:
		return "", "", false, &Unsendable{Reason: ReasonTooBig}
	}
	return from, to, wide, nil
}

// mail puts the MAIL command with what the relay offers into the group: SIZE (RFC 1870 section
// 5), BODY=8BITMIME and SMTPUTF8 where the message needs them, RET and ENVID (RFC 3461 section 4).
func (c *Conn) mail(f *flight) {
	m := &f.letter.Message
	c.text("MAIL FROM:<", f.from, ">")
	if c.hasSize {
		c.text(" SIZE=")
		c.out = strconv.AppendInt(c.out, int64(len(m.Body)), 10)
	}
	if m.EightBit {
		c.text(" BODY=8BITMIME")
	}
	if f.wide {
		c.text(" SMTPUTF8")
	}
	if c.dsn {
		c.text(" RET=HDRS")
		if m.ID != "" && len(m.ID) <= maxEnvelopeID && ascii(m.ID) {
			c.text(" ENVID=")
			c.out = appendXtext(c.out, m.ID)
		}
	}
	c.text("\r\n")
}

// Limits of RFC 3461 sections 4.2 and 4.4.
const (
	maxOriginalRecipient = 500
	maxEnvelopeID        = 100
)

// rcpt puts the RCPT command into the group. A report is asked for if the mail fails for good and
// for nothing else. ORCPT stays out for addresses beyond ASCII, whose form is another (RFC 6533
// section 3), and for the longest ones.
func (c *Conn) rcpt(f *flight) {
	c.text("RCPT TO:<", f.to, ">")
	if c.dsn {
		c.text(" NOTIFY=FAILURE")
		if before := len(c.out); ascii(f.to) {
			c.text(" ORCPT=rfc822;")
			if c.out = appendXtext(c.out, f.to); len(c.out)-before > maxOriginalRecipient {
				c.out = c.out[:before]
			}
		}
	}
	c.text("\r\n")
}

// appendXtext appends s as xtext (RFC 3461 section 4): '+', '=' and all that is not printable
// ASCII as +HH.
func appendXtext(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; c < '!' || c > '~' || c == '+' || c == '=' {
			dst = append(dst, '+', hex[c>>4], hex[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// stuffed returns the message with a dot before each line that begins with one (RFC 5321 section
// 4.5.2): the body itself if there is none, else a copy that is good until the next call.
func (c *Conn) stuffed(m *Message) []byte {
	b := m.Body
	if m.Clean || b[0] != '.' && !bytes.Contains(b, lineDot) {
		return b
	}
	c.dots = c.dots[:0]
	if b[0] == '.' {
		c.dots = append(c.dots, '.')
	}
	for {
		i := bytes.Index(b, lineDot)
		if i < 0 {
			c.dots = append(c.dots, b...)
			return c.dots
		}
		c.dots = append(append(c.dots, b[:i+1]...), '.')
		b = b[i+1:]
	}
}

var (
	crlf    = []byte("\r\n")
	lineDot = []byte("\n.")
)
