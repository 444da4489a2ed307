package subscribers

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// maxLine bounds a line, and a row whose quoted cells run over several.
const maxLine = 1 << 20

// RowError is one bad row: the rows after it are still read.
type RowError struct {
	Line   int    // first is 1
	Column string // "" = the row as a whole
	Reason string // what is wrong and how to mend it
}

func (e *RowError) Error() string {
	if e.Column == "" {
		return fmt.Sprintf("line %d: %s", e.Line, e.Reason)
	}
	return fmt.Sprintf("line %d, column %s: %s", e.Line, e.Column, e.Reason)
}

// table reads RFC 4180 with a header. encoding/csv cannot go on after a broken quote and
// rewrites line ends inside quotes.
type table struct {
	src      lines
	split    splitter
	at       []int // for each known column its cell, -1 = not in the file
	width    int   // cells in a row
	row      []string
	warnings []string
}

// openTable reads the header. known are the columns it may have, of which need must be there
// (any one of them). The separator is the one of `,` `;` and tab that finds most known columns.
func openTable(r io.Reader, known []string, need ...string) (*table, error) {
	t := &table{row: make([]string, len(known))}
	if err := t.src.open(r); err != nil {
		return nil, err
	}
	var header line
	for {
		var err error
		if header, err = t.src.next(); err == io.EOF {
			return nil, fmt.Errorf("the file is empty: its first line must name the columns (%s)", strings.Join(known, ", "))
		} else if err != nil {
			return nil, err
		}
		if header.long || strings.TrimSpace(header.text) != "" {
			break
		}
	}
	var cells []string
	found := -1
	for _, sep := range []byte{',', ';', '\t'} {
		split := splitter{sep: sep}
		if open, bad := split.feed(header.text); open || bad != "" {
			continue
		}
		n := 0
		for _, c := range split.cells {
			for _, k := range known {
				if columnKey(c) == k {
					n++
				}
			}
		}
		if n > found {
			found, cells, t.split.sep = n, split.cells, sep
		}
	}
	if found < 0 {
		return nil, &RowError{Line: t.src.n, Reason: "the header is no row of CSV: " + badQuote}
	}
	return t, t.header(cells, known, need)
}

func columnKey(cell string) string { return strings.ToLower(strings.TrimSpace(cell)) }

func (t *table) header(cells, known, need []string) error {
	t.width = len(cells)
	t.at = make([]int, len(known))
	for i := range t.at {
		t.at[i] = -1
	}
	for i, cell := range cells {
		name, isKnown := columnKey(cell), false
		for k := range known {
			if name != known[k] {
				continue
			}
			if t.at[k] >= 0 {
				return &RowError{t.src.n, name, "the column is there twice: take one out"}
			}
			t.at[k], isKnown = i, true
		}
		if !isKnown && name != "" {
			t.warnings = append(t.warnings, fmt.Sprintf("line %d: column %s is not known and is left out", t.src.n, quote(cell)))
		}
	}
	for i, k := range known {
		for _, n := range need {
			if k == n && t.at[i] >= 0 {
				return nil
			}
		}
	}
	return &RowError{t.src.n, "", fmt.Sprintf("no column %s: the first line must name the columns (%s)",
		strings.Join(need, " or "), strings.Join(known, ", "))}
}

// next returns the cells of the next row in the order of the known columns, "" for those that
// are not in the file; they are valid until the call after. The error is a *RowError for a bad
// row, io.EOF at the end, anything else if reading failed.
func (t *table) next() (int, []string, error) {
	for {
		first, err := t.record()
		if err != nil {
			return first, nil, err
		}
		cells := t.split.cells
		blank := !slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) != "" })
		switch {
		case blank: // spreadsheets leave rows of separators below a table
			continue
		case len(cells) > t.width: // even if only blank ones are over: the others may have shifted
			return first, nil, &RowError{first, "", fmt.Sprintf("%d cells where the header has %d: put a cell that holds the separator in quotes", len(cells), t.width)}
		case len(cells) < t.width:
			return first, nil, &RowError{first, "", fmt.Sprintf("%d cells where the header has %d: write a separator for each empty cell", len(cells), t.width)}
		}
		for k, i := range t.at {
			t.row[k] = ""
			if i >= 0 {
				t.row[k] = disarmed(strings.TrimSpace(cells[i]))
			}
		}
		return first, t.row, nil
	}
}

const (
	badQuote  = `a quote is not closed or stands inside a cell: put the cell in quotes and double the quotes in it`
	longLine  = "longer than 1 MB: shorten it, or close the quote before it"
	strayLine = "a quoted cell runs on into the next lines: close the quote, or take the line break out"
)

// record reads one row into t.split.cells. A quoted cell may hold line breaks; if that comes to
// nothing, the row is bad and reading goes on with the line after the row's first: one broken
// quote must not swallow the readers below it.
func (t *table) record() (first int, err error) {
	t.src.forget()
	l, err := t.src.next()
	first = t.src.n
	if err != nil {
		return first, err
	}
	if l.long {
		return first, &RowError{first, "", longLine}
	}
	t.split.reset()
	var rest []line
	fail := func(reason string) (int, error) {
		t.src.unread(len(rest))
		return first, &RowError{first, "", reason}
	}
	for size := len(l.text); ; size += len(l.text) {
		open, bad := t.split.feed(l.text)
		switch {
		case bad != "":
			return fail(bad)
		case !open && len(rest) > 0 && !t.fits(rest):
			return fail(strayLine)
		case !open:
			return first, nil
		case size > maxLine:
			return fail(longLine)
		}
		if l, err = t.src.next(); err == io.EOF {
			return fail(badQuote)
		} else if err != nil {
			return first, err
		}
		rest = append(rest, l)
		if l.long {
			return fail(badQuote)
		}
	}
}

// fits says whether a row whose quoted cells ran on over rest can be meant so, and is not two
// broken quotes that by chance make a pair around other readers' rows. No column of ours holds
// line breaks; a column that is left out may, if none of its lines could be a row.
func (t *table) fits(rest []line) bool {
	if len(t.split.cells) != t.width {
		return false
	}
	for _, l := range rest {
		if strings.Count(l.text, string(t.split.sep)) >= t.width-1 {
			return false
		}
	}
	for _, i := range t.at {
		if i >= 0 && strings.ContainsAny(t.split.cells[i], "\r\n") {
			return false
		}
	}
	return true
}

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
