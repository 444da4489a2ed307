package subscribers

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Reasons lists the reasons for which an address can be barred.
func Reasons() []string {
	return []string{"unsubscribed", "hard_bounce", "soft_bounce", "complaint", "operator", "erased", "legal", "import"}
}

// Hash is the keyed hash of a folded address ([Keys.AddressHash]): what is left of an erased
// reader, so that no import brings the address back.
type Hash [16]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// SuppressionRow is one line of a suppressions file.
type SuppressionRow struct {
	Line int
	Suppression
	Hash Hash // counts where Address is "": the file names an erased reader by its hash alone
}

func suppressionColumns() []string { return []string{"address", "reason", "note", "at", "hash"} }

// SuppressionReader reads suppressions from CSV. It is for one goroutine.
type SuppressionReader struct{ t *table }

// NewSuppressionReader reads the header: address or hash, and any of reason, note and at.
// The forms of file that [NewReader] takes are taken here.
func NewSuppressionReader(r io.Reader) (*SuppressionReader, error) {
	t, err := openTable(r, suppressionColumns(), "address", "hash")
	if err != nil {
		return nil, fmt.Errorf("read header: %w", err)
	}
	return &SuppressionReader{t}, nil
}

// Warnings names the columns that are not known and are left out.
func (r *SuppressionReader) Warnings() []string { return r.t.warnings }

// Next returns the next row, with errors as [Reader.Next]. A row without a reason has the
// reason import; one without a time has the zero time.
func (r *SuppressionReader) Next() (SuppressionRow, error) {
	line, cells, err := r.t.next()
	row := SuppressionRow{Line: line}
	if err != nil {
		return row, err
	}
	bad := func(column string, err error) (SuppressionRow, error) {
		return SuppressionRow{Line: line}, &RowError{line, column, err.Error()}
	}
	address, reason, note, at, hash := cells[0], strings.ToLower(cells[1]), cells[2], cells[3], cells[4]
	switch {
	case address != "":
		if row.Address, err = ParseAddress(address); err != nil {
			return bad("address", err)
		}
	case hash == "":
		return bad("address", errors.New("neither address nor hash is given"))
	}
	if hash != "" {
		raw, err := hex.DecodeString(hash)
		if err != nil || len(raw) != len(row.Hash) {
			return bad("hash", fmt.Errorf("not %d hexadecimal digits", 2*len(row.Hash)))
		}
		row.Hash = Hash(raw)
	}
	if row.Reason = "import"; reason != "" {
		row.Reason = reason
	}
	if !slices.Contains(Reasons(), row.Reason) {
		return bad("reason", fmt.Errorf("%s is no reason: use %s", quote(row.Reason), strings.Join(Reasons(), ", ")))
	}
	if row.Note = note; checkLine(note, maxNote) != nil {
		return bad("note", checkLine(note, maxNote))
	}
	if row.At, err = parseTime(at); err != nil {
		return bad("at", err)
	}
	return row, nil
}

// SuppressionWriter writes what [NewSuppressionReader] reads. It is for one goroutine.
type SuppressionWriter struct {
	w     *bufio.Writer
	begun bool
}

// NewSuppressionWriter returns a writer; the header goes out with the first row, or with Flush.
func NewSuppressionWriter(w io.Writer) *SuppressionWriter {
	return &SuppressionWriter{w: bufio.NewWriter(w)}
}

// Write writes one suppression. The hash is written only where there is no address: beside an
// address it would say nothing to anyone without the key.
func (w *SuppressionWriter) Write(s Suppression, hash Hash) error {
	w.header()
	sum := ""
	if s.Address == "" {
		sum = hash.String()
	}
	return writeRow(w.w, []string{s.Address, s.Reason, s.Note, formatTime(s.At), sum})
}

// Flush must be called at the end; it returns the first error of all writing.
func (w *SuppressionWriter) Flush() error {
	w.header()
	return w.w.Flush()
}

func (w *SuppressionWriter) header() {
	if !w.begun {
		w.begun = true
		_ = writeRow(w.w, suppressionColumns()) // bufio keeps the error for Flush
	}
}
