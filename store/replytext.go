package store

import (
	"strings"
	"unicode"
)

// maxReplyText is how many characters of a reply are kept.
const maxReplyText = 500

// cutIDs takes out of a relay's words what is different in every reply (queue ids, message
// ids, times in digits), so that the same words are kept once: "Ok: queued as 4XyZ12abcd"
// becomes "Ok: queued as …".
func cutIDs(text string) string {
	words := strings.Fields(strings.ToValidUTF8(text, "\uFFFD"))
	for i, w := range words {
		core := strings.Trim(w, `<>()[]{},;:."'`)
		if unique(core) {
			words[i] = strings.Replace(w, core, "…", 1)
		}
	}
	r := []rune(strings.Join(words, " "))
	return string(r[:min(len(r), maxReplyText)])
}

// unique says that a word looks like an id: eight or more characters with digits and letters,
// or six and more digits. Enhanced codes, host names without digits and URLs are none.
func unique(word string) bool {
	var digits, letters, others int
	for _, r := range word {
		switch {
		case unicode.IsDigit(r):
			digits++
		case unicode.IsLetter(r):
			letters++
		case strings.ContainsRune("-_=+.@/$", r):
			others++
		default:
			return false
		}
	}
	switch {
	case strings.Contains(word, "://"), digits == 0:
		return false
	case letters == 0:
		return digits >= 6
	}
	return digits+letters+others >= 8 && digits >= 2
}
