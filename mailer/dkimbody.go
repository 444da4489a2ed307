package mailer

import (
	"encoding/binary"
	"errors"
	"io"
)

var errLineEnd = errors.New("sign mail: a CR or LF stands alone; a relay would change it and break the signature")

var blank = []byte(" ")

// writeRelaxed writes a body to w in relaxed form (RFC 6376 section 3.4.4): blanks at the ends of
// lines and empty lines at the end are gone, any other run of blanks is one space. What is in
// that form already, as quoted-printable mostly is, goes to w in long pieces as it stands.
// w must not fail, as hashes never do.
func writeRelaxed(w io.Writer, b []byte) error {
	end := len(b)
	for end > 0 && (isBlank(b[end-1]) || b[end-1] == '\r' || b[end-1] == '\n') {
		end--
	}
	if unclean(b[end:]) {
		return errLineEnd
	}
	if b = b[:end]; end == 0 {
		return nil
	}
	for start := 0; ; {
		if b[start] == '\n' {
			return errLineEnd
		}
		at := nextChange(b, start)
		if at == end {
			_, _ = w.Write(b[start:])
			_, _ = w.Write(crlf)
			return nil
		}
		if !isBlank(b[at]) {
			return errLineEnd
		}
		next := at
		for isBlank(b[next]) { // it ends: the last octet is no blank
			next++
		}
		_, _ = w.Write(b[start:at])
		if b[next] != '\r' {
			_, _ = w.Write(blank)
		}
		start = next
	}
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// unclean reports whether a CR or LF in b stands alone. b follows on no CR.
func unclean(b []byte) bool {
	for i, c := range b {
		if c == '\r' && (i+1 == len(b) || b[i+1] != '\n') || c == '\n' && (i == 0 || b[i-1] != '\r') {
			return true
		}
	}
	return false
}

// nextChange is the index of the first octet from start on that does not stand in the canonical
// form as it is: a blank that is not a single space inside a line, a CR without LF, or what
// stands before a lone LF. It is len(b) if there is none.
func nextChange(b []byte, start int) int {
	i := start
	// Every octet of every mail comes through here: seven at a step, and the eighth to look ahead.
	for ; i+8 <= len(b); i += 7 {
		v := binary.LittleEndian.Uint64(b[i:])
		sp, tab, cr, lf := places(v, ' '), places(v, '\t'), places(v, '\r'), places(v, '\n')
		if (tab|sp&((sp|tab|cr)>>8)|(cr^(lf>>8)))&(highBits>>8) != 0 {
			break
		}
	}
	for ; i < len(b); i++ {
		var next byte // behind the last octet, which is neither blank nor part of a line end
		if i+1 < len(b) {
			next = b[i+1]
		}
		switch c := b[i]; {
		case c == '\t', c == ' ' && (isBlank(next) || next == '\r'), (c == '\r') != (next == '\n'):
			return i
		}
	}
	return i
}

const highBits = 0x8080808080808080

// places has the high bit of each octet of v that is c, and no other bit.
func places(v uint64, c byte) uint64 {
	v ^= uint64(c) * 0x0101010101010101
	return ^(v&^highBits + ^uint64(highBits) | v | ^uint64(highBits))
}
