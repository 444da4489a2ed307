package report

import (
	"bytes"
	"iter"
	"strings"
)

// message is what came in, taken apart. Whatever the octets are, there is a tree: what is broken
// becomes a part of plain text.
type message struct {
	*part // the message itself; its header is the message's

	// returned is the mail that this one is about, as far as it was sent back: its header, at times
	// its body. Nil if there is none.
	returned *part

	said   *string             // see [message.words]
	first  *string             // see [message.firstText]
	texts  map[string]*wording // see [message.look]
	looked int                 // octets of text that were
}

// part is a message, or a part of one (RFC 2045, RFC 2046).
type part struct {
	header header
	kind   string            // "text/plain", in lower case; what it is by default if the header does not say
	params map[string]string // of Content-Type, names in lower case
	parts  []*part           // of multipart/*; of message/rfc822 and text/rfc822-headers the message in it
	block  []byte            // the header as it stands, lines end in LF
	raw    []byte            // the body as it stands, lines end in LF
	data   []byte            // the body decoded, once someone asked
	known  bool              // data is filled
}

// fieldsMax is how many fields of one header are looked at.
const fieldsMax = 2000

// parseMessage takes a message apart that has any line ends.
func parseMessage(raw []byte) *message {
	t := treeReader{parts: MaxParts}
	m := &message{part: unwrap(t.read(unmbox(plainLines(raw[:min(len(raw), MaxSize)])), "text/plain", MaxDepth))}
	m.returned = findReturned(m.part)
	return m
}

// unwrap takes out a delivery report that a gateway has put whole into a message of its own, to write
// something below. A person who sends a report on is not such a gateway.
func unwrap(p *part) *part {
	if !postOffice(first(addressesIn(p.header.get("From")))) {
		return p
	}
	for q := range p.own() {
		if isStatus(q.kind) {
			return p
		}
	}
	for q := range p.own() {
		if q.kind != "message/rfc822" || len(q.parts) == 0 || q.parts[0].kind != "multipart/report" {
			continue
		}
		inner := *q.parts[0]
		inner.header = p.header
		return &inner
	}
	return p
}

// treeReader counts parts while a tree is read.
type treeReader struct {
	parts int // that may still be read
}

// read reads an entity: header, blank line, body. kind is what it is by default.
func (t *treeReader) read(b []byte, kind string, depth int) *part {
	t.parts--
	p := new(part)
	p.header, p.block, p.raw = readHeader(b)
	p.kind, p.params = contentType(p.header.get("Content-Type"), kind)
	if depth <= 1 || t.parts <= 0 {
		return p
	}
	switch {
	case strings.HasPrefix(p.kind, "multipart/"):
		inner := "text/plain"
		if p.kind == "multipart/digest" {
			inner = "message/rfc822"
		}
		for _, b := range splitParts(p.raw, p.params["boundary"]) {
			if t.parts <= 0 {
				break
			}
			p.parts = append(p.parts, t.read(b, inner, depth-1))
		}
	case holdsMessage(p.kind):
		// Blank lines before the first field are a habit of some servers.
		p.parts = []*part{t.read(unmbox(bytes.TrimLeft(p.body(), "\n")), "text/plain", depth-1)}
	}
	return p
}

// holdsMessage reports whether parts of the kind hold a message or its header (RFC 2046 section
// 5.2, RFC 6522 section 4, RFC 6532 section 3.7).
func holdsMessage(kind string) bool {
	switch kind {
	case "message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "text/rfc822",
		"message/global", "message/global-headers":
		return true
	}
	return false
}

// own walks over the part and those in it, but not into messages that are sent along.
func (p *part) own() iter.Seq[*part] {
	return func(yield func(*part) bool) { p.walkOwn(yield) }
}

func (p *part) walkOwn(yield func(*part) bool) bool {
	if !yield(p) {
		return false
	}
	if holdsMessage(p.kind) {
		return true
	}
	for _, q := range p.parts {
		if !q.walkOwn(yield) {
			return false
		}
	}
	return true
}

// find returns the first part of the kind that is no part of a message sent along, or nil.
func (p *part) find(kind string) *part {
	for q := range p.own() {
		if q.kind == kind {
			return q
		}
	}
	return nil
}

// plainLines makes every line end LF. Lines that all end in CR CR LF, as some gateways leave them,
// are no blank lines.
func plainLines(b []byte) []byte {
	if bytes.IndexByte(b, '\r') < 0 {
		return b
	}
	double := bytes.Count(b, []byte("\r\r\n"))
	if double > 0 && double == bytes.Count(b, []byte("\n")) {
		b = bytes.ReplaceAll(b, []byte("\r\r\n"), []byte("\n"))
	}
	b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(b, []byte("\r"), []byte("\n"))
}

// unmbox leaves out the line that a mailbox file has before a message.
func unmbox(b []byte) []byte {
	if bytes.HasPrefix(b, []byte("From ")) || bytes.HasPrefix(b, []byte(">From ")) {
		if _, rest, ok := bytes.Cut(b, []byte("\n")); ok {
			return rest
		}
	}
	return b
}

// splitParts cuts a multipart body at its boundary lines. Preamble and epilogue are left out. If the
// boundary is not to be found, the first line that looks like one is taken; if there is none, the
// whole is one part without a header.
func splitParts(b []byte, boundary string) [][]byte {
	if boundary == "" || !hasLine(b, "--"+boundary) {
		if boundary = guessBoundary(b); boundary == "" {
			return [][]byte{append([]byte("\n"), b...)}
		}
	}
	mark := []byte("--" + boundary)
	var parts [][]byte
	open, start := false, 0
	for at := 0; at < len(b); {
		line, next := lineAt(b, at)
		// Some gateways put blanks before it.
		if rest, ok := bytes.CutPrefix(bytes.TrimLeft(line, " \t"), mark); ok {
			rest = bytes.TrimRight(rest, " \t")
			last := string(rest) == "--"
			if len(rest) == 0 || last {
				if open && len(parts) < MaxParts {
					parts = append(parts, b[start:at])
				}
				open, start = !last, next
			}
		}
		at = next
	}
	if open && start < len(b) && len(parts) < MaxParts {
		parts = append(parts, b[start:])
	}
	return parts
}

// guessBoundary returns the boundary of the first line that is followed by a field of a part.
func guessBoundary(b []byte) string {
	for at := 0; at < len(b); {
		line, next := lineAt(b, at)
		if len(line) > 2 && bytes.HasPrefix(line, []byte("--")) {
			after, _ := lineAt(b, next)
			if len(after) > 8 && strings.EqualFold(string(after[:8]), "Content-") {
				return string(bytes.TrimRight(line[2:], " \t"))
			}
		}
		at = next
	}
	return ""
}

func hasLine(b []byte, line string) bool {
	for at := 0; at < len(b); {
		l, next := lineAt(b, at)
		if string(bytes.Trim(l, " \t")) == line {
			return true
		}
		at = next
	}
	return false
}

// lineAt returns the line that begins at, without its LF, and where the next one begins.
func lineAt(b []byte, at int) (line []byte, next int) {
	if at >= len(b) {
		return nil, len(b)
	}
	if i := bytes.IndexByte(b[at:], '\n'); i >= 0 {
		return b[at : at+i], at + i + 1
	}
	return b[at:], len(b)
}
