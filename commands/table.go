package commands

import (
	"fmt"
	"iter"
	"strings"
	"text/tabwriter"
)

// table prints rows in columns. A long one is set in stretches, so that memory stays flat.
type table struct {
	w    *tabwriter.Writer
	rows int
}

// stretch is how many rows share the widths of their columns.
const stretch = 1000

func (p *program) table(heads ...string) *table {
	t := &table{w: tabwriter.NewWriter(p.stdout, 0, 4, 2, ' ', 0)}
	t.row(heads...)
	return t
}

// row prints cells. Control characters, which could move a terminal's cursor, become blanks.
func (t *table) row(cells ...string) {
	for i, c := range cells {
		if i > 0 {
			fmt.Fprint(t.w, "\t")
		}
		fmt.Fprint(t.w, printable(c))
	}
	fmt.Fprintln(t.w)
	if t.rows++; t.rows%stretch == 0 {
		t.w.Flush() // an error comes back at the last flush: the writer below fails for good
	}
}

func (t *table) flush() error {
	if err := t.w.Flush(); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// printRows prints rows as they come: in columns, or as JSON, one object a line.
func printRows[R any](p *program, rows iter.Seq2[R, error], asJSON bool, object func(R) any, heads []string, cells func(R) []string) error {
	t := p.table(heads...)
	for r, err := range rows {
		if err != nil {
			return err
		}
		if !asJSON {
			t.row(cells(r)...)
		} else if err := p.printJSON(object(r)); err != nil {
			return err
		}
	}
	if asJSON {
		return nil
	}
	return t.flush()
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
