package digest

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
)

// bounded spares us from walking a whole story that came as one paragraph.
func bounded(s string) string {
	if len(s) <= 8<<10 {
		return s
	}
	return strings.ToValidUTF8(s[:8<<10], "")
}

// cut shortens s to at most n characters as a reader counts them (grapheme clusters) and 4n+64
// octets, at a word where there is one in the second half, and puts an ellipsis there.
func cut(s string, n int) string {
	limit := 4*n + 64
	seen, end, word := 0, 0, 0
	it := graphemes.FromString(s)
	for it.Next() {
		v := it.Value()
		if seen == n || end+len(v) > limit {
			if word < end/2 {
				word = end
			}
			if r, _ := utf8.DecodeRuneInString(s[end:]); unicode.IsSpace(r) {
				word = end
			}
			return strings.TrimRightFunc(s[:word], func(r rune) bool {
				return unicode.IsSpace(r) || strings.ContainsRune(",;:–—-،؛([{“‘«", r)
			}) + "…"
		}
		if r, _ := utf8.DecodeRuneInString(v); unicode.IsSpace(r) {
			word = end
		}
		seen++
		end += len(v)
	}
	return s
}

// clean makes text of a story safe to lay out as one line: runs of white space and control
// characters (marks among them) become one blank, and characters that would turn the direction
// of what follows go, while joiners and the plain direction marks stay.
func clean(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	blank := false
	for _, r := range s { // an invalid byte comes as U+FFFD
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
			blank = true
			continue
		case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069', r == '\ufeff', r == '\ufffe', r == '\uffff',
			r >= '\ufdd0' && r <= '\ufdef', r&0xfffe == 0xfffe:
			continue
		}
		if blank && b.Len() > 0 {
			b.WriteByte(' ')
		}
		blank = false
		b.WriteRune(r)
	}
	return b.String()
}

// isolate keeps a part of a line from turning its neighbours around (Unicode FSI and PDI). Plain
// left-to-right parts of a left-to-right line need none.
func isolate(s string, rtl bool) string {
	if s == "" || !rtl && !hasRTL(s) {
		return s
	}
	return "\u2068" + s + "\u2069"
}

func hasRTL(s string) bool {
	for _, r := range s {
		if r >= 0x590 && unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana, unicode.Nko, unicode.Adlam) {
			return true
		}
	}
	return false
}

// sentences is the first n sentences of s, cut at limit characters.
func sentences(s string, n, limit int) string {
	start := 0
	for i := 0; i < len(s) && n > 0; {
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		if !strings.ContainsRune(".!?؟。！？…", r) {
			continue
		}
		for i < len(s) { // closing quotes and further dots belong to the sentence
			r, size := utf8.DecodeRuneInString(s[i:])
			if !strings.ContainsRune(`.!?؟…"'”’»)]`, r) {
				break
			}
			i += size
		}
		if i == len(s) || endsSentence(s[start:i], s[i:]) {
			start = i
			n--
		}
	}
	if n > 0 {
		start = len(s)
	}
	return cut(strings.TrimSpace(s[:start]), limit)
}

// endsSentence tells a full stop from the dot of an abbreviation: the next word does not begin
// with a small letter, and the last one is neither an initial nor a title.
func endsSentence(sentence, rest string) bool {
	r, _ := utf8.DecodeRuneInString(rest)
	if !unicode.IsSpace(r) {
		end, _ := utf8.DecodeLastRuneInString(sentence)
		return strings.ContainsRune("。！？", end) // no blank follows there
	}
	if next, _ := utf8.DecodeRuneInString(strings.TrimLeftFunc(rest, unicode.IsSpace)); unicode.IsLower(next) {
		return false
	}
	last := sentence[strings.LastIndexByte(sentence, ' ')+1:]
	if !strings.HasSuffix(last, ".") {
		return true
	}
	last = strings.TrimRight(last, ".")
	switch last {
	case "Mr", "Mrs", "Ms", "Dr", "Prof", "St", "Sen", "Rep", "Gov", "Gen", "Col", "Lt", "Sgt", "Capt", "Rev", "Jr", "Sr",
		"No", "vs", "etc", "Jan", "Feb", "Mar", "Apr", "Aug", "Sept", "Oct", "Nov", "Dec", "Inc", "Ltd", "Co":
		return false
	}
	return !strings.Contains(last, ".") && utf8.RuneCountInString(last) > 1
}
