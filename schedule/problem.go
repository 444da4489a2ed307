package schedule

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Error is everything found wrong with a configuration file.
type Error []Problem

// Problem is one thing wrong, and where.
type Problem struct {
	File    string
	Line    int // from 1; 0 if it belongs to no line
	Column  int // from 1, in characters
	Message string
	Source  string // the line, "" if there is none
}

// Error lists the problems, each on a line of its own that begins file:line:column, the
// line it is about and a caret below.
func (e Error) Error() string {
	var b strings.Builder
	for i, p := range e {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.String())
	}
	return b.String()
}

// wide is how much of a source line is shown.
const wide = 100

func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Message
	}
	head := fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
	if p.Source == "" {
		return head
	}
	line := []rune(p.Source)
	column := min(max(p.Column-1, 0), len(line))
	if column > wide*3/4 {
		cut := column - wide/2
		line, column = line[cut:], column-cut
	}
	line = line[:min(len(line), wide)]
	margin := fmt.Sprintf("%5d | ", p.Line)
	pad := make([]rune, column)
	for i := range pad {
		pad[i] = ' '
		if line[i] == '\t' { // whatever its width, it is as wide above the caret
			pad[i] = '\t'
		}
	}
	return fmt.Sprintf("%s\n%s%s\n%s%s^", head, margin, string(line), strings.Repeat(" ", len(margin)-2)+"| ", string(pad))
}

// source is the text of a configuration file, kept to point into it.
type source struct {
	file  string
	lines []string
	marks map[string]mark // "sections", "relay NAME" and "limit NAME": what is checked after loading
}

// mark is a place in the file.
type mark struct{ line, column int }

func newSource(file string, text []byte) *source {
	s := &source{file: file, marks: make(map[string]mark)}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\r\n")
		s.lines = append(s.lines, strings.Map(func(r rune) rune {
			if r == utf8.RuneError || r < ' ' && r != '\t' || r == 0x7f { // must not reach a terminal
				return '?'
			}
			return r
		}, line))
	}
	return s
}

// problem words a message about a place.
func (s *source) problem(at mark, format string, args ...any) Problem {
	p := Problem{File: s.file, Line: at.line, Column: max(at.column, 1), Message: fmt.Sprintf(format, args...)}
	if at.line >= 1 && at.line <= len(s.lines) {
		p.Source = s.lines[at.line-1]
	}
	return p
}
