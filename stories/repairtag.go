package stories

import (
	"bytes"
	"slices"
	"strings"
)

// attributes writes name="value" pairs. Values without quotes, without value, doubled names are mended or cut.
func (r *repair) attributes(raw []byte) {
	var seen []string
	for i := 0; i < len(raw); {
		if isSpace(raw[i]) || raw[i] == '/' || raw[i] == '"' || raw[i] == '\'' {
			i++
			continue
		}
		j := i
		for j < len(raw) && !isSpace(raw[j]) && raw[j] != '=' {
			j++
		}
		name := cleanName(raw[i:j])
		for j < len(raw) && isSpace(raw[j]) {
			j++
		}
		var value []byte
		if j < len(raw) && raw[j] == '=' {
			j++
			for j < len(raw) && isSpace(raw[j]) {
				j++
			}
			if j < len(raw) && (raw[j] == '"' || raw[j] == '\'') {
				k := bytes.IndexByte(raw[j+1:], raw[j])
				if k < 0 {
					k = len(raw) - j - 1
				}
				value = raw[j+1 : j+1+k]
				j += k + 2
			} else {
				k := j
				for k < len(raw) && !isSpace(raw[k]) {
					k++
				}
				value = raw[j:k]
				j = k
			}
		}
		i = max(j, i+1)
		if name == "" || len(seen) >= 200 || slices.Contains(seen, name) {
			continue
		}
		seen = append(seen, name)
		r.out.WriteString(" " + name + `="`)
		r.run = 0
		r.escape(value, true)
		r.out.WriteByte('"')
	}
}

// tagEnd returns the length of the tag at the start of raw, or -1. A quote that never closes, or only
// beyond the limit, does not swallow the document: then the first '>' ends the tag.
func tagEnd(raw []byte) int {
	raw = raw[:min(len(raw), maxTag+1)]
	quote, first := byte(0), -1
	for i, c := range raw {
		if c == '>' && first < 0 {
			first = i + 1
		}
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case (c == '"' || c == '\'') && i > 0 && afterEquals(raw[:i]):
			quote = c
		case c == '>':
			return i + 1
		}
	}
	return first
}

func afterEquals(raw []byte) bool {
	for i := len(raw) - 1; i >= 0; i-- {
		if !isSpace(raw[i]) {
			return raw[i] == '='
		}
	}
	return false
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isNameStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == ':' || c >= 0x80
}

// cleanName returns a name that XML allows, or "".
func cleanName(raw []byte) string {
	if len(raw) == 0 || len(raw) > 256 || !isNameStart(raw[0]) {
		return ""
	}
	colons := 0
	for _, c := range raw {
		if c == ':' {
			colons++
		}
		if !isNameStart(c) && !(c >= '0' && c <= '9') && c != '-' && c != '.' {
			return ""
		}
		if c >= 0x80 {
			return "" // names of feeds are ASCII; a strict reader refuses much of the rest
		}
	}
	if colons > 1 || raw[0] == ':' || raw[len(raw)-1] == ':' {
		return ""
	}
	return string(raw)
}

func localName(name string) string {
	return name[strings.IndexByte(name, ':')+1:]
}
