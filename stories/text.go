package stories

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLine is how many characters a one-line field keeps; longer ones end in an ellipsis.
const maxLine = 4000

// line makes one line of plain text from anything: white space of every kind becomes single
// spaces; control, direction-override and invisible characters go. Headlines and names end
// up in mail headers and in other people's sentences, so they must not break or turn them.
func line(s string) string {
	return clip(strings.Join(strings.Fields(printable(s)), " "), maxLine)
}

// clip cuts s to at most n characters, the last of them an ellipsis if something is lost.
func clip(s string, n int) string {
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s
	}
	i := 0
	for range n - 1 {
		_, size := utf8.DecodeRuneInString(s[i:])
		i += size
	}
	return strings.TrimRightFunc(s[:i], unicode.IsSpace) + "…"
}

// printable cuts what has no business in text: control characters, directional embeddings,
// overrides and isolates, zero-width fillers, non-characters. Line breaks of every kind become
// spaces. Joiners stay, for Persian words and emoji are made with them, and so do the plain
// direction marks; a pile of combining marks is cut after the eighth.
func printable(s string) string {
	plain := true
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] >= 0x7f {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	marks, flag := 0, false
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				b.WriteRune(r)
				continue
			}
		}
		// The tag letters after a black flag make the flags of England, Scotland and Wales.
		tag := r >= 0xE0020 && r <= 0xE007F
		if tag && flag {
			b.WriteRune(r)
			continue
		}
		flag = r == 0x1F3F4
		switch {
		case r == '\t' || r == '\n' || r == '\v' || r == '\f' || r == '\r' || r == 0x85 || r == 0x2028 || r == 0x2029:
			r = ' '
		case tag, !keepRune(r):
			continue
		}
		if unicode.Is(unicode.Mn, r) {
			if marks++; marks > 8 {
				continue
			}
		} else {
			marks = 0
		}
		b.WriteRune(r)
	}
	return b.String()
}

// keepRune says whether a character that is no line break belongs into text.
func keepRune(r rune) bool {
	switch {
	case unicode.IsControl(r):
		return false
	case r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x206F: // embeddings, overrides, isolates, deprecated shaping
		return false
	case r == 0x200B, r >= 0x2060 && r <= 0x2065, r == 0xFEFF, r == 0xAD, r == 0x180E, r == 0x3164, r == 0xFFA0:
		return false
	case r >= 0xFFF9 && r <= 0xFFFB, r >= 0xFDD0 && r <= 0xFDEF, r&0xFFFE == 0xFFFE, r == 0xE0001:
		return false
	}
	return true
}

// fold is the form in which names and headlines are compared: one line, lower case, typographic
// quotes and dashes straight.
func fold(s string) string {
	return strings.ToLower(quotes.Replace(line(s)))
}

var quotes = strings.NewReplacer("‘", "'", "’", "'", "“", `"`, "”", `"`, "–", "-", "—", "-", "\u200c", "", "\u200d", "", "\u200e", "", "\u200f", "", "\u061c", "")

// Excerpt returns the beginning of text in at most max characters. It ends with a sentence if
// at least a third of the room is used by then, else at a word, with an ellipsis. It knows the
// sentence ends of Latin, Arabic, Indic and East Asian scripts, and does not take "U.S. forces"
// or "Mr. Smith" or "3.5" for one. A max of 0 or less gives "".
func Excerpt(text string, max int) string {
	if max <= 0 {
		return ""
	}
	var runes []rune // no more of them than one beyond the limit, however long the text is
	for word := range strings.FieldsSeq(text) {
		if len(runes) > 0 {
			runes = append(runes, ' ')
		}
		for _, r := range word {
			if runes = append(runes, r); len(runes) > max {
				break
			}
		}
		if len(runes) > max {
			break
		}
	}
	if len(runes) <= max {
		return string(runes)
	}
	runes = runes[:max+1]
	sentence, word := 0, 0
	for i := range max {
		if runes[i+1] == ' ' {
			word = i + 1
		}
		if endsSentence(runes, i) {
			sentence = i + 1
		}
	}
	if sentence*3 >= max {
		return strings.TrimSpace(string(runes[:sentence]))
	}
	// The ellipsis needs a place of its own.
	if word >= max || word == 0 {
		word = 0
		for i := max - 1; i > 0; i-- {
			if runes[i] == ' ' {
				word = i
				break
			}
		}
	}
	if word*2 < max {
		word = max - 1 // a script without spaces, or one endless word
		for word > 1 && (unicode.IsMark(runes[word]) || runes[word] == 0x200d || runes[word-1] == 0x200d || isVariation(runes[word])) {
			word--
		}
	}
	return strings.TrimRightFunc(string(runes[:word]), func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune(",;:-–—(،؛", r)
	}) + "…"
}

func isVariation(r rune) bool { return r >= 0xFE00 && r <= 0xFE0F || r >= 0x1F3FB && r <= 0x1F3FF }

// endsSentence says whether the rune at i is the last of a sentence, closing quotes included.
func endsSentence(r []rune, i int) bool {
	j := i
	for j > 0 && isClosing(r[j]) {
		j--
	}
	if !isStop(r[j]) {
		return false
	}
	if wideStop(r[j]) {
		return i+1 >= len(r) || !isClosing(r[i+1]) && !isStop(r[i+1])
	}
	if i+1 < len(r) && r[i+1] != ' ' {
		return false
	}
	if i+2 < len(r) && unicode.IsLower(r[i+2]) {
		return false
	}
	if r[j] != '.' {
		return true
	}
	// A point after one capital letter or a short title is an abbreviation more often than not.
	k := j
	for k > 0 && (unicode.IsLetter(r[k-1]) || r[k-1] == '.' && k < j) {
		k--
	}
	before := string(r[k:j])
	if utf8.RuneCountInString(before) == 1 && unicode.IsUpper(r[k]) || strings.Contains(before, ".") {
		return false
	}
	return !abbreviations[before]
}

var abbreviations = map[string]bool{"Mr": true, "Mrs": true, "Ms": true, "Dr": true, "St": true, "Sen": true, "Rep": true, "Gov": true,
	"Gen": true, "Lt": true, "Col": true, "Sgt": true, "Prof": true, "Jr": true, "Sr": true, "No": true, "vs": true, "Rev": true, "Hon": true,
	"Jan": true, "Feb": true, "Aug": true, "Sept": true, "Oct": true, "Nov": true, "Dec": true, "Capt": true, "Maj": true, "Mt": true}

func isStop(r rune) bool { return strings.ContainsRune(".!?…؟۔।॥։።။", r) || wideStop(r) }

// wideStop is a full stop that no space follows.
func wideStop(r rune) bool { return strings.ContainsRune("。！？｡", r) }

func isClosing(r rune) bool { return strings.ContainsRune("\"'’”»)]}›」』）", r) }

// endsInStop says whether a paragraph ends as sentences do, quotes and brackets aside.
func endsInStop(s string) bool {
	s = strings.TrimRightFunc(s, func(r rune) bool { return unicode.IsSpace(r) || isClosing(r) })
	r, _ := utf8.DecodeLastRuneInString(s)
	return s != "" && isStop(r)
}

// countWords counts what a reader would call words. Chinese, Japanese and Thai have no spaces:
// there two characters count as one.
func countWords(s string) int {
	words, wide, in := 0, 0, false
	for _, r := range s {
		switch {
		case r >= 0x0E00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar):
			wide++
			in = false
		case unicode.IsLetter(r) || unicode.IsNumber(r):
			if !in {
				words++
			}
			in = true
		case unicode.IsMark(r) || r == '\'' || r == '’' || r == '-' || r == '.' || r == ',' || r == 0x200c || r == 0x200d:
			// inside a word or number
		default:
			in = false
		}
	}
	return words + (wide+1)/2
}
