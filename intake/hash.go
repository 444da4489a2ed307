package intake

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"strings"
)

// hashed is how many octets of a message make its hash, so that one too large to be taken whole
// has the same hash whatever stands in front of it and whatever its line ends.
const hashed = 512 << 10

// hashOf is what a message is known by when it comes again: its content with line ends made equal
// and without what servers and programs on the way put into its header. Whose mail it is about
// belongs to it, for that may be known from the envelope alone.
func hashOf(raw []byte, of Of) (sum [32]byte) {
	h := sha256.New()
	var ids [24]byte
	for i, id := range [...]int64{of.Edition, of.Wall, of.Subscriber} {
		binary.BigEndian.PutUint64(ids[8*i:], uint64(id))
	}
	h.Write(ids[:])
	header, trace, blank := true, false, 0
	first := true
	for room := hashed; len(raw) > 0 && room > 0; first = false {
		var line []byte
		line, raw = cutLine(raw)
		if header && len(line) > 0 {
			if line[0] != ' ' && line[0] != '\t' {
				name, _, _ := bytes.Cut(line, []byte(":"))
				trace = isTrace(string(bytes.TrimRight(name, " \t"))) || first && bytes.HasPrefix(line, []byte("From "))
			}
			if trace {
				continue
			}
		}
		header = header && len(line) > 0
		if len(line) == 0 { // those at the end do not count
			blank++
			continue
		}
		for ; blank > 0; blank-- {
			h.Write([]byte("\n"))
		}
		line = line[:min(len(line), room)]
		h.Write(line)
		h.Write([]byte("\n"))
		room -= len(line) + 1
	}
	h.Sum(sum[:0])
	return sum
}

// cutLine returns the first line without its end, LF, CR LF or CR, and what comes behind it.
func cutLine(b []byte) (line, rest []byte) {
	n := bytes.IndexAny(b, "\r\n")
	if n < 0 {
		return b, nil
	}
	end := n
	for end < len(b) && b[end] == '\r' {
		end++
	}
	switch {
	case end < len(b) && b[end] == '\n': // CR CR LF too, as some servers write it
		return b[:n], b[end+1:]
	default:
		return b[:n], b[n+1:]
	}
}

// isTrace reports whether a field is written on the way or where a message is kept, and so is not
// the same in two copies of it.
func isTrace(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "received", "x-received", "received-spf", "return-path", "delivered-to", "x-delivered-to", "x-original-to", "envelope-to",
		"x-envelope-to", "x-envelope-from", "delivery-date", "authentication-results", "x-authentication-results",
		"status", "x-status", "x-uid", "x-keywords", "content-length", "lines":
		return true
	}
	for _, prefix := range []string{"arc-", "x-spam-", "x-virus-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// hasField reports whether a message's header has a field of that name.
func hasField(raw []byte, name string) bool {
	for len(raw) > 0 {
		var line []byte
		if line, raw = cutLine(raw); len(line) == 0 {
			return false
		}
		if n, _, ok := bytes.Cut(line, []byte(":")); ok && strings.EqualFold(string(n), name) {
			return true
		}
	}
	return false
}
