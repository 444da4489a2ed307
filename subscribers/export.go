package subscribers

import (
	"bufio"
	"io"
	"strings"
)

// Writer writes readers as CSV (RFC 4180, UTF-8) that [NewReader] reads back to the same
// settings and that is safe to open in a spreadsheet. It is for one goroutine.
type Writer struct {
	w     *bufio.Writer
	cells []string
	begun bool
}

// NewWriter returns a writer; the header goes out with the first row, or with Flush.
func NewWriter(w io.Writer) *Writer { return &Writer{w: bufio.NewWriter(w)} }

// Write writes one reader. An error also comes back from Flush.
func (w *Writer) Write(s Settings) error {
	w.header()
	w.cells = w.cells[:0]
	for _, c := range columns {
		w.cells = append(w.cells, c.cell(&s))
	}
	return writeRow(w.w, w.cells)
}

// Flush must be called at the end; it returns the first error of all writing.
func (w *Writer) Flush() error {
	w.header()
	return w.w.Flush()
}

func (w *Writer) header() {
	if !w.begun {
		w.begun = true
		_ = writeRow(w.w, columnNames()) // bufio keeps the error for Flush
	}
}

func writeRow(w *bufio.Writer, cells []string) error {
	for i, cell := range cells {
		if i > 0 {
			w.WriteByte(',')
		}
		cell = armed(cell)
		if strings.ContainsAny(cell, "\",;\t\r\n") || strings.TrimSpace(cell) != cell {
			cell = `"` + strings.ReplaceAll(cell, `"`, `""`) + `"`
		}
		w.WriteString(cell)
	}
	_, err := w.WriteString("\r\n")
	return err
}

// armed puts a single quote before what a spreadsheet would take for a formula. A cell that
// already has one there gets another, so that [disarmed] gives back exactly what was.
func armed(cell string) string {
	if isFormula(cell) {
		return "'" + cell
	}
	return cell
}

func disarmed(cell string) string {
	if strings.HasPrefix(cell, "'") && isFormula(cell) {
		return cell[1:]
	}
	return cell
}

func isFormula(cell string) bool {
	cell = strings.TrimLeft(cell, "'")
	return cell != "" && strings.IndexByte("=+-@\t\r\n\x00", cell[0]) >= 0
}

// WriteTable writes any table as CSV that is safe to open in a spreadsheet.
func WriteTable(w io.Writer, heads []string, rows [][]string) error {
	b := bufio.NewWriter(w)
	_ = writeRow(b, heads) // bufio keeps the error for Flush
	for _, row := range rows {
		_ = writeRow(b, row)
	}
	return b.Flush()
}
