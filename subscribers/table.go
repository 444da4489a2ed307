package subscribers

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

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
