package stories

import (
	"fmt"
	"unicode/utf8"
)

// repairJSON checks limits on a JSON document without building it. It writes the document anew only if
// there is something to mend: raw line breaks in strings, as some generators leave there, other control
// characters, or a very long text.
func repairJSON(in []byte) ([]byte, []string, error) {
	depth, values, run, total := 0, 0, 0, 0
	inString, escaped, mend := false, false, false
	for _, c := range in {
		if inString {
			run++
			mend = mend || c < 0x20 || run > maxText
			switch {
			case escaped:
				escaped = false
			case c == '\\':
				escaped = true
			case c == '"':
				inString = false
				mend = mend || run > textLimit(total)
				total += run
			}
			continue
		}
		switch c {
		case '"':
			inString, run = true, 0
		case '{', '[':
			if depth++; depth > maxDepth {
				return nil, nil, errTooDeep
			}
			values++
		case '}', ']':
			depth--
		case ',':
			values++
		}
	}
	if values > maxElements {
		return nil, nil, fmt.Errorf("more than %d values", maxElements)
	}
	if !mend {
		return in, nil, nil
	}
	out, cut := mendJSON(in)
	if cut {
		return out, []string{textCut}, nil
	}
	return out, nil, nil
}

// mendJSON cuts and escapes within strings, and says whether it cut a text short.
func mendJSON(in []byte) ([]byte, bool) {
	out := make([]byte, 0, min(len(in)+len(in)/8, 16<<20))
	run, total, limit, cut := 0, 0, 0, false
	for i := 0; i < len(in); {
		if in[i] != '"' {
			out = append(out, in[i])
			i++
			continue
		}
		out = append(out, '"')
		run, limit = 0, textLimit(total)
		for i++; i < len(in) && in[i] != '"'; {
			n, piece := jsonPiece(in[i:])
			if run += n; run <= limit {
				out = append(out, piece...)
				total += n
			} else {
				cut = true
			}
			i += n
		}
		out = append(out, '"')
		i++
	}
	return out, cut
}

// jsonPiece returns the length of the next escape or stretch of plain text in a string, and what to write for it.
func jsonPiece(raw []byte) (int, []byte) {
	switch c := raw[0]; {
	case c == '\\' && len(raw) > 1 && raw[1] == 'u':
		n := min(6, len(raw))
		// The halves of one character belong together.
		if len(raw) >= 12 && (raw[2] == 'd' || raw[2] == 'D') && raw[6] == '\\' && raw[7] == 'u' {
			n = 12
		}
		for i := 2; i < n; i++ {
			if raw[i] == '"' {
				n = i
			}
		}
		return n, raw[:n]
	case c == '\\' && len(raw) > 1 && raw[1] >= 0x20:
		return 2, raw[:2]
	case c == '\\':
		return 1, nil
	case c == '\n' || c == '\r':
		return 1, []byte(`\n`)
	case c == '\t':
		return 1, []byte(`\t`)
	case c < 0x20:
		return 1, nil
	}
	n := 1
	for n < len(raw) && raw[n] >= 0x20 && raw[n] != '"' && raw[n] != '\\' && (n < 256 || !utf8.RuneStart(raw[n])) {
		n++
	}
	return n, raw[:n]
}
