package templates

import (
	"strings"
	"unicode/utf8"
)

const columns = 72

// Wrap breaks text into lines of at most 72 characters, each begun with indent. A word that is
// longer keeps a line of its own.
func Wrap(indent, text string) string { return indent + hang(indent, text) }

// hang is Wrap for text whose first line has something as wide as indent before it already.
func hang(indent, text string) string {
	var b strings.Builder
	col := utf8.RuneCountInString(indent)
	first := true
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case first:
		case col+1+n > columns:
			b.WriteString("\n" + indent)
			col = utf8.RuneCountInString(indent)
		default:
			b.WriteByte(' ')
			col++
		}
		b.WriteString(word)
		col += n
		first = false
	}
	return b.String()
}
