package report

import (
	"bytes"
	"mime"
	"strings"
)

// field is one field of a header: its value unfolded and trimmed, not decoded.
type field struct {
	name, value string
}

// header is a list of fields in their order.
type header []field

// get returns the value of the first field of the name, in any case; "" if there is none.
func (h header) get(name string) string {
	for _, f := range h {
		if strings.EqualFold(f.name, name) {
			return f.value
		}
	}
	return ""
}

// all returns the values of all fields of the name.
func (h header) all(name string) []string {
	var out []string
	for _, f := range h {
		if strings.EqualFold(f.name, name) {
			out = append(out, f.value)
		}
	}
	return out
}

// has reports whether there is such a field, empty or not.
func (h header) has(name string) bool {
	for _, f := range h {
		if strings.EqualFold(f.name, name) {
			return true
		}
	}
	return false
}

// text returns the value of the first field of the name in UTF-8, encoded words (RFC 2047) decoded.
func (h header) text(name string) string { return decodeWords(h.get(name)) }

// wordsMax is how much of a value is decoded, in octets.
const wordsMax = 8 << 10

var words = mime.WordDecoder{CharsetReader: charsetReader}

// decodeWords turns a value into UTF-8. What is no encoded word stays as it is.
func decodeWords(s string) string {
	if len(s) > wordsMax {
		s = s[:wordsMax] // what decodes them may look for an end from each beginning
	}
	s = toUTF8([]byte(s), "")
	if !strings.Contains(s, "=?") {
		return s
	}
	if out, err := words.DecodeHeader(s); err == nil {
		return strings.ToValidUTF8(out, "\uFFFD")
	}
	return s
}

// readHeader reads fields up to a blank line, or up to a line that can be none: some servers forget
// the blank line, and where line ends were mixed it can be lost.
func readHeader(b []byte) (h header, block, body []byte) {
	var folded [][]byte // the lines of the last field's value
	unfold := func() {
		if len(folded) > 1 {
			h[len(h)-1].value = string(bytes.TrimLeft(bytes.Join(folded, []byte(" ")), " "))
		}
	}
	defer unfold()
	for at := 0; at < len(b); {
		line, next := lineAt(b, at)
		blank := len(bytes.TrimRight(line, " \t")) == 0
		if blank && (len(line) == 0 || len(h) == 0) {
			return h, b[:at], b[next:]
		}
		if line[0] == ' ' || line[0] == '\t' {
			if len(h) == 0 {
				return h, b[:at], b[at:]
			}
			if !blank {
				folded = append(folded, bytes.TrimSpace(line))
			}
			at = next
			continue
		}
		name, value, ok := cutField(line)
		if !ok {
			return h, b[:at], b[at:]
		}
		if at = next; len(h) < fieldsMax {
			unfold()
			folded = append(folded[:0], value)
			h = append(h, field{name, string(value)})
		}
	}
	return h, b, nil
}

// cutField takes "Name: value" apart (RFC 5322 section 2.2; obsolete blanks before the colon too).
func cutField(line []byte) (name string, value []byte, ok bool) {
	n, v, ok := bytes.Cut(line, []byte(":"))
	n = bytes.TrimRight(n, " \t")
	if !ok || len(n) == 0 || len(n) > 76 {
		return "", nil, false
	}
	for _, c := range n {
		if c <= ' ' || c > '~' {
			return "", nil, false
		}
	}
	return string(n), bytes.TrimSpace(v), true
}

// contentType reads a Content-Type's value with tolerance for what servers write: no quotes where
// there should be, comments, parameters in pieces (RFC 2231 section 3). kind is what it is if there
// is none.
func contentType(value, kind string) (string, map[string]string) {
	params := map[string]string{}
	name, rest, _ := strings.Cut(value, ";")
	name, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(name)), " ")
	switch {
	case name == "text":
		kind = "text/plain"
	case strings.Contains(name, "/"):
		kind = name
	}
	for n := 0; rest != "" && n < 50; n++ {
		var key, val string
		key, rest = cutAny(rest, "=")
		key = strings.ToLower(strings.Trim(key, " \t;"))
		rest = strings.TrimLeft(rest, " \t")
		if strings.HasPrefix(rest, `"`) {
			val, rest = cutQuoted(rest[1:])
			_, rest = cutAny(rest, ";")
		} else {
			val, rest = cutAny(rest, ";")
			val, _, _ = strings.Cut(val, " (")
			val = strings.TrimSpace(val)
		}
		if name, piece, ok := strings.Cut(key, "*"); ok {
			if piece == "" || strings.HasSuffix(piece, "*") {
				val = unpercent(val)
			}
			params[name] += val
		} else if _, twice := params[key]; key != "" && !twice {
			params[key] = val
		}
	}
	return kind, params
}

func cutAny(s, sep string) (before, after string) {
	before, after, _ = strings.Cut(s, sep)
	return before, after
}

// cutQuoted reads a quoted string up to its end, behind the first quote.
func cutQuoted(s string) (text, rest string) {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return out.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		out.WriteByte(s[i])
	}
	return out.String(), ""
}

// unpercent decodes a value of RFC 2231 section 4 (charset'language'%41...), whatever its charset.
func unpercent(s string) string {
	if i := strings.IndexByte(s, '\''); i >= 0 {
		if j := strings.IndexByte(s[i+1:], '\''); j >= 0 {
			s = s[i+j+2:]
		}
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if hi, lo := unhex(s[i+1]), unhex(s[i+2]); hi >= 0 && lo >= 0 {
				out.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}
