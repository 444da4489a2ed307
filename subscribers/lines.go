package subscribers

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// maxLine bounds a line, and a row whose quoted cells run over several.
const maxLine = 1 << 20

// splitter cuts a row into cells; a row may come in several lines.
type splitter struct {
	sep   byte
	cells []string
	cell  []byte
	open  bool // within quotes
}

func (p *splitter) reset() { p.cells, p.cell, p.open = p.cells[:0], p.cell[:0], false }

// feed takes a line with its end. It returns open if the line ends within quotes, and in bad
// what is wrong with it.
func (p *splitter) feed(text string) (open bool, bad string) {
	for {
		if !p.open && strings.HasPrefix(text, `"`) {
			p.open, text = true, text[1:]
		}
		if !p.open {
			cell, rest, more := strings.Cut(text, string(p.sep))
			if !more {
				cell = trimEnd(cell)
			}
			if strings.Contains(cell, `"`) {
				return false, badQuote
			}
			p.cells = append(p.cells, cell)
			if !more {
				return false, ""
			}
			text = rest
			continue
		}
		part, rest, closed := strings.Cut(text, `"`)
		p.cell = append(p.cell, part...)
		switch {
		case !closed:
			return true, ""
		case strings.HasPrefix(rest, `"`):
			p.cell, text = append(p.cell, '"'), rest[1:]
			continue
		}
		p.cells, p.cell, p.open = append(p.cells, string(p.cell)), p.cell[:0], false
		switch {
		case trimEnd(rest) == "":
			return false, ""
		case rest[0] != p.sep:
			return false, badQuote
		}
		text = rest[1:]
	}
}

func trimEnd(s string) string {
	return strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r")
}

type line struct {
	text string // with its end
	long bool   // longer than maxLine: text is empty
}

// lines reads lines as UTF-8, with a way back to the first one after forget.
type lines struct {
	r    *bufio.Reader
	end  byte
	n    int // number of the line read last
	kept []line
	at   int // next of kept
}

// forget lets go of the lines read so far.
func (s *lines) forget() { s.kept, s.at = s.kept[s.at:], 0 }

// unread goes n lines back.
func (s *lines) unread(n int) { s.at, s.n = s.at-n, s.n-n }

func (s *lines) open(r io.Reader) error {
	s.r, s.end = bufio.NewReaderSize(r, 64<<10), '\n'
	start, err := s.r.Peek(64 << 10)
	if err != nil && err != io.EOF {
		return fmt.Errorf("read line 1: %w", err)
	}
	if bytes.HasPrefix(start, []byte("\xff\xfe")) || bytes.HasPrefix(start, []byte("\xfe\xff")) {
		return errors.New("the file is UTF-16: save it as CSV in UTF-8")
	}
	if bytes.HasPrefix(start, []byte("\ufeff")) {
		if _, err := s.r.Discard(len("\ufeff")); err != nil {
			return fmt.Errorf("read line 1: %w", err)
		}
	}
	if !bytes.ContainsRune(start, '\n') && bytes.ContainsRune(start, '\r') {
		s.end = '\r' // what old spreadsheets write
	}
	return nil
}

func (s *lines) next() (line, error) {
	if s.at == len(s.kept) {
		l, err := s.read()
		if err != nil {
			return l, err
		}
		s.kept = append(s.kept, l)
	}
	s.at++
	s.n++
	return s.kept[s.at-1], nil
}

func (s *lines) read() (line, error) {
	var l line
	var text []byte
	for {
		part, err := s.r.ReadSlice(s.end)
		if l.long = l.long || len(text)+len(part) > maxLine; l.long {
			text = nil
		} else {
			text = append(text, part...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err == io.EOF && len(text) == 0 && !l.long {
			return l, io.EOF
		}
		if err != nil && err != io.EOF {
			return l, fmt.Errorf("read line %d: %w", s.n+1, err)
		}
		break
	}
	l.text = string(text)
	// By line, since a stream does not tell beforehand: a line of windows-1252 with a letter
	// outside ASCII is hardly ever UTF-8 by chance.
	if !utf8.ValidString(l.text) {
		var err error
		if l.text, err = charmap.Windows1252.NewDecoder().String(l.text); err != nil {
			return l, fmt.Errorf("read line %d: %w", s.n+1, err)
		}
	}
	return l, nil
}
