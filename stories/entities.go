package stories

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// escape copies text, cuts illegal characters and puts every '&' right.
func (r *repair) escape(raw []byte, attribute bool) {
	for len(raw) > 0 {
		n := 0
		for n < len(raw) && raw[n] != '&' && raw[n] != '"' && raw[n] != '<' && raw[n] != '>' && (raw[n] >= 0x20 && raw[n] < 0xE0 || raw[n] == '\n' || raw[n] == '\t') {
			n++
		}
		r.out.Write(raw[:n])
		raw = raw[n:]
		if len(raw) == 0 {
			return
		}
		switch c := raw[0]; {
		case c == '&':
			raw = raw[r.reference(raw):]
		case c == '"' && attribute:
			r.out.WriteString("&quot;")
			raw = raw[1:]
		case c == '<':
			r.out.WriteString("&lt;")
			raw = raw[1:]
		case c == '>':
			r.out.WriteString("&gt;") // covers "]]>"
			raw = raw[1:]
		default:
			ch, size := utf8.DecodeRune(raw)
			if legal(ch, size) {
				r.out.Write(raw[:size])
			}
			raw = raw[size:]
		}
	}
}

// reference writes what the '&' at the start of raw begins and returns its length.
// Names that neither XML nor the document defines stay as they are: the feed parser knows HTML's.
func (r *repair) reference(raw []byte) int {
	n := bytes.IndexByte(raw[:min(len(raw), 64)], ';')
	if n < 2 {
		r.out.WriteString("&amp;")
		return 1
	}
	name := string(raw[1:n])
	if name[0] == '#' {
		r.numeric(name[1:])
		return n + 1
	}
	if value, ok := r.entities[name]; ok {
		if r.expanded += len(value); r.expanded <= maxExpanded {
			r.escapePlain(value)
		}
		return n + 1
	}
	for _, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9') {
			r.out.WriteString("&amp;")
			return 1
		}
	}
	r.out.Write(raw[:n+1])
	return n + 1
}

// numeric writes a character reference; codes 128 to 159 mean Windows-1252, as in HTML.
func (r *repair) numeric(digits string) {
	base := 10
	if digits != "" && (digits[0] == 'x' || digits[0] == 'X') {
		digits, base = digits[1:], 16
	}
	code, err := strconv.ParseUint(digits, base, 32)
	if err != nil {
		return
	}
	ch := rune(code)
	if code >= 128 && code <= 159 {
		ch = charmap.Windows1252.DecodeByte(byte(code))
	}
	if code > utf8.MaxRune || !legal(ch, 4) {
		return
	}
	fmt.Fprintf(&r.out, "&#%d;", ch)
}

func (r *repair) escapePlain(s string) {
	for _, c := range s {
		switch {
		case c == '<':
			r.out.WriteString("&lt;")
		case c == '>':
			r.out.WriteString("&gt;")
		case c == '&':
			r.out.WriteString("&amp;")
		case c == '"':
			r.out.WriteString("&quot;")
		case legal(c, utf8.RuneLen(c)):
			r.out.WriteRune(c)
		}
	}
}

// doctype skips a declaration and returns its length. Entities in it that stand for a short plain
// text are remembered; external ones and those that refer to others never are.
func (r *repair) doctype(raw []byte) int {
	depth, quote := 0, byte(0)
	for i := 2; i < len(raw); i++ {
		c := raw[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '<' && bytes.HasPrefix(raw[i:], []byte("<!--")):
			i += skipTo(raw[i:], "-->", 4) - 1
		case c == '"' || c == '\'':
			quote = c
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == '<' && bytes.HasPrefix(raw[i:], []byte("<!ENTITY")):
			r.entity(raw[i+len("<!ENTITY"):])
			depth++
		case c == '<':
			depth++
		case c == '>':
			if depth <= 0 {
				return i + 1
			}
			depth--
		}
	}
	// Unbalanced: take the shortest reading, so that the feed after it is not lost.
	return skipTo(raw, ">", 2)
}

func (r *repair) entity(raw []byte) {
	if r.declared++; r.declared > maxEntities {
		return
	}
	raw = raw[:min(len(raw), 2048)]
	fields := bytes.Fields(raw)
	if len(fields) < 2 {
		return
	}
	name := string(fields[0])
	rest := bytes.TrimLeft(raw[bytes.Index(raw, fields[0])+len(fields[0]):], " \t\r\n")
	if len(rest) == 0 || rest[0] != '"' && rest[0] != '\'' {
		return // SYSTEM, PUBLIC, or a parameter entity
	}
	n := bytes.IndexByte(rest[1:], rest[0])
	if n < 0 || n > 1024 || bytes.ContainsAny(rest[1:1+n], "&<%") {
		return
	}
	if r.entities == nil {
		r.entities = map[string]string{}
	}
	if _, ok := r.entities[name]; !ok {
		r.entities[name] = string(rest[1 : 1+n])
	}
}
