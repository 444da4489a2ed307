package mailer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// checkBody finds what would not arrive as it left, or would end the message early at a lax
// relay (SMTP smuggling): lone CR or LF, NUL, lines over 998 octets, no CRLF at the end
// (RFC 5322 section 2.3). It reports whether there are octets above 127.
func checkBody(b []byte) (eightBit bool, err error) {
	if !bytes.HasSuffix(b, crlf) {
		return false, errNoEnd
	}
	lines := 0
	for at := 0; at < len(b); lines++ {
		n := bytes.IndexByte(b[at:], '\n')
		switch {
		case n == 0 || b[at+n-1] != '\r':
			return false, fmt.Errorf("body has a lone LF in line %d", lines+1)
		case n-1 > maxLine:
			return false, fmt.Errorf("body has %d octets in line %d", n-1, lines+1)
		}
		at += n + 1
	}
	if bytes.Count(b, []byte{'\r'}) != lines { // each line has one, at its end
		return false, errors.New("body has a lone CR")
	}
	if bytes.IndexByte(b, 0) >= 0 {
		return false, errors.New("body has a NUL")
	}
	return hasEightBit(b), nil
}

var errNoEnd = errors.New("body does not end with CRLF")

// hasEightBit looks at eight octets a step: every message goes through here.
func hasEightBit(b []byte) bool {
	var seen uint64
	for ; len(b) >= 8; b = b[8:] {
		seen |= binary.LittleEndian.Uint64(b)
	}
	for _, c := range b {
		seen |= uint64(c)
	}
	return seen&0x8080808080808080 != 0
}
