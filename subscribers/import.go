package subscribers

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Known says which ids rows may name. A nil map takes every id.
type Known struct {
	Sections map[string]bool // with those that have moved or retired, as old exports name them
	Editions map[string]bool
}

// Reader reads readers from CSV, one row at a time in flat memory. It is for one goroutine.
type Reader struct {
	t     *table
	known Known
	zones map[string]error // loading a zone takes longer than reading a row
}

// Row is one reader as a file has it: a patch. An empty cell, and a column that is not in the
// file, say nothing about what is there already.
type Row struct {
	Line     int
	Given    Fields
	Settings Settings // Address, and the fields in Given
}

// NewReader reads the header: `email`, and any of name, sections, editions, hour, days, zone,
// language, format, status, external_id, consent_source, consent_at and paused_until, in any order
// and case.
// It takes UTF-8 with or without byte order mark, or windows-1252, with any line ends and `,`,
// `;` or tab between the cells.
func NewReader(r io.Reader, known Known) (*Reader, error) {
	t, err := openTable(r, columnNames(), "email")
	if err != nil {
		return nil, fmt.Errorf("read header: %w", err)
	}
	return &Reader{t: t, known: known, zones: make(map[string]error)}, nil
}

// Warnings names the columns that are not known and are left out.
func (r *Reader) Warnings() []string { return r.t.warnings }

// Next returns the next row. The error is a *[RowError] for a bad row (call Next again), io.EOF
// at the end, and anything else if the file cannot be read further.
func (r *Reader) Next() (Row, error) {
	line, cells, err := r.t.next()
	if err != nil {
		return Row{Line: line}, err
	}
	row := Row{Line: line, Settings: Settings{Hour: -1}}
	var bad *RowError
	for i, cell := range cells {
		c := &columns[i]
		if cell == "" && c.field != 0 {
			continue
		}
		if err := r.set(c, &row.Settings, cell); err == nil {
			row.Given |= c.field
		} else if bad == nil {
			bad = &RowError{line, c.name, err.Error()}
		} else {
			bad.Reason += "; " + c.name + ": " + err.Error()
		}
	}
	if bad != nil {
		return Row{Line: line}, bad
	}
	return row, nil
}

func (r *Reader) set(c *column, s *Settings, cell string) error {
	if c.field == FieldZone {
		err, ok := r.zones[cell]
		if !ok {
			err = checkZone(cell)
			if len(r.zones) < 10_000 { // a file of nothing but bad zones stays in flat memory
				r.zones[cell] = err
			}
		}
		if err != nil {
			return fmt.Errorf("%s is %w", quote(cell), err)
		}
		s.Zone = cell
		return nil
	}
	if err := c.set(s, cell); err != nil {
		return err
	}
	switch c.field {
	case FieldSections:
		return r.known.sections(s)
	case FieldEditions:
		return r.known.editions(s)
	}
	return nil
}

// Check says which section or edition of a reader's is none.
func (k Known) Check(s *Settings) error { return errors.Join(k.sections(s), k.editions(s)) }

func (k Known) sections(s *Settings) error {
	for _, f := range s.Sections {
		if err := isKnown("section", f.Section, k.Sections); err != nil {
			return err
		}
	}
	return nil
}

func (k Known) editions(s *Settings) error {
	for _, e := range s.Editions {
		if err := isKnown("edition", e, k.Editions); err != nil {
			return err
		}
	}
	return nil
}

func isKnown(noun, id string, known map[string]bool) error {
	if known == nil || known[id] {
		return nil
	}
	const show = 12
	ids := slices.Sorted(maps.Keys(known))
	if len(ids) > show {
		ids = append(ids[:show], "…")
	}
	return fmt.Errorf("there is no %s %s: known are %s", noun, quote(id), strings.Join(ids, ", "))
}

// Merge is what an imported row makes of a reader: old is the one with the same folded address,
// or nil. It is pure; store and commands share it.
//
// A new reader without a status is active if the row has a consent_source, else pending. One
// who is pending or unsubscribed stays so: a file cannot confirm in a reader's place, nor bring
// one back. It can lower: a row `unsubscribed` always unsubscribes, and suppress says that it
// also bars the address. No row lifts a suppression.
func Merge(old *Subscriber, row Row) (s Settings, suppress bool) {
	if old == nil {
		s = NewSettings(row.Settings.Address)
		if row.Given.Has(FieldConsentSource) {
			s.Status = Active
		}
	} else {
		s = old.Settings
		if row.Given.Has(FieldConsentSource) && row.Settings.ConsentSource != s.ConsentSource {
			s.ConsentAt = row.Settings.ConsentAt // the date of another consent says nothing about this one
		}
	}
	status := s.Status
	for _, c := range columns {
		if c.field != 0 && row.Given.Has(c.field) {
			c.carry(&s, &row.Settings)
		}
	}
	if s.Status == Unsubscribed {
		suppress = row.Given.Has(FieldStatus) && (old == nil || old.Suppressed == nil)
	}
	if old != nil && s.Status != Unsubscribed && (status == Pending || status == Unsubscribed) {
		s.Status = status
	}
	return s, suppress
}
