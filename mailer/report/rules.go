package report

import "strings"

// rule gives a reason to texts that hold one of its phrases.
type rule struct {
	reason  string
	perhaps bool // see [doubtful]
	phrases []string
}

// gap is the most that a '*' in a phrase stands for.
const gap = 60

// holds reports whether text holds the phrase, from the beginning of a word on.
func holds(text, phrase string) bool {
	piece, rest, more := strings.Cut(phrase, "*")
	for at := 0; ; {
		i := strings.Index(text[at:], piece)
		if i < 0 {
			return false
		}
		i += at
		at = i + 1
		if (i == 0 || !wordByte(text[i-1]) || !wordByte(piece[0])) && (!more || follows(text[i+len(piece):], rest)) {
			return true
		}
	}
}

// follows reports whether the rest of a phrase stands within gap octets.
func follows(text, phrase string) bool {
	piece, rest, more := strings.Cut(phrase, "*")
	i := strings.Index(text[:min(len(text), gap+len(piece))], piece)
	return i >= 0 && (!more || follows(text[i+len(piece):], rest))
}

// wordByte reports whether a word goes on with c.
func wordByte(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
