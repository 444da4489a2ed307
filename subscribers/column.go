package subscribers

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fields is a set of columns other than email.
type Fields uint16

// The columns of a readers' CSV file, in the order of an export.
const (
	FieldName Fields = 1 << iota
	FieldSections
	FieldEditions
	FieldHour
	FieldDays
	FieldZone
	FieldLanguage
	FieldFormat
	FieldStatus
	FieldExternalID
	FieldConsentSource
	FieldConsentAt
	FieldPausedUntil
)

// Has says that all of f are in the set.
func (s Fields) Has(f Fields) bool { return s&f == f }

var (
	errHour    = errors.New("use an hour from 0 to 23")
	errDays    = errors.New("use days from 1 (Monday) to 7, each once, like 1;2;5")
	errConsent = errors.New(`use a time like "2026-11-23T07:40:00Z" or a date like "2026-11-23"`)
)

// column is one column of the CSV form: how a cell is read, written and carried over.
type column struct {
	name  string
	field Fields
	set   func(s *Settings, cell string) error
	cell  func(s *Settings) string
	carry func(to, from *Settings)
}

var columns = []column{
	{"email", 0,
		func(s *Settings, c string) (err error) { s.Address, err = ParseAddress(c); return err },
		func(s *Settings) string { return s.Address },
		func(to, from *Settings) { to.Address = from.Address }},
	{"name", FieldName,
		func(s *Settings, c string) error { s.Name = c; return checkLine(c, maxName) },
		func(s *Settings) string { return s.Name },
		func(to, from *Settings) { to.Name = from.Name }},
	{"sections", FieldSections,
		func(s *Settings, c string) (err error) { s.Sections, err = ParseFollows(c); return err },
		func(s *Settings) string { return FormatFollows(s.Sections) },
		func(to, from *Settings) { to.Sections = from.Sections }},
	{"editions", FieldEditions,
		func(s *Settings, c string) (err error) { s.Editions, err = ParseList(c); return err },
		func(s *Settings) string { return strings.Join(s.Editions, ";") },
		func(to, from *Settings) { to.Editions = from.Editions }},
	{"hour", FieldHour, setHour,
		func(s *Settings) string {
			if s.Hour < 0 {
				return ""
			}
			return strconv.Itoa(s.Hour)
		},
		func(to, from *Settings) { to.Hour = from.Hour }},
	{"days", FieldDays, setDays,
		func(s *Settings) string {
			days := make([]string, len(s.Days))
			for i, d := range s.Days {
				days[i] = strconv.Itoa(d)
			}
			return strings.Join(days, ";")
		},
		func(to, from *Settings) { to.Days = from.Days }},
	{"zone", FieldZone,
		func(s *Settings, c string) error {
			s.Zone = c
			if c == "" {
				return nil
			}
			return checkZone(c)
		},
		func(s *Settings) string { return s.Zone },
		func(to, from *Settings) { to.Zone = from.Zone }},
	{"language", FieldLanguage,
		func(s *Settings, c string) (err error) {
			s.Language = ""
			if c != "" {
				s.Language, err = parseLanguage(c)
			}
			return err
		},
		func(s *Settings) string { return s.Language },
		func(to, from *Settings) { to.Language = from.Language }},
	{"format", FieldFormat,
		func(s *Settings, c string) (err error) {
			s.Format = HTML
			if c != "" {
				s.Format, err = ParseFormat(c)
			}
			return err
		},
		func(s *Settings) string { return string(s.Format) },
		func(to, from *Settings) { to.Format = from.Format }},
	{"status", FieldStatus,
		func(s *Settings, c string) (err error) { s.Status, err = ParseStatus(c); return err },
		func(s *Settings) string { return string(s.Status) },
		func(to, from *Settings) { to.Status = from.Status }},
	{"external_id", FieldExternalID,
		func(s *Settings, c string) error { s.ExternalID = c; return checkLine(c, maxName) },
		func(s *Settings) string { return s.ExternalID },
		func(to, from *Settings) { to.ExternalID = from.ExternalID }},
	{"consent_source", FieldConsentSource,
		func(s *Settings, c string) error { s.ConsentSource = c; return checkLine(c, maxSource) },
		func(s *Settings) string { return s.ConsentSource },
		func(to, from *Settings) { to.ConsentSource = from.ConsentSource }},
	{"consent_at", FieldConsentAt,
		func(s *Settings, c string) (err error) { s.ConsentAt, err = parseTime(c); return err },
		func(s *Settings) string { return formatTime(s.ConsentAt) },
		func(to, from *Settings) { to.ConsentAt = from.ConsentAt }},
	{"paused_until", FieldPausedUntil,
		func(s *Settings, c string) (err error) { s.PausedUntil, err = parseTime(c); return err },
		func(s *Settings) string { return formatTime(s.pauseEnd()) },
		func(to, from *Settings) { to.PausedUntil = from.PausedUntil }},
}

func columnNames() []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	return names
}

// Set reads one value in its CSV form into s, as the commands that add and change readers do:
// Set("sections", "politics;-sport"). An empty value takes back what was decided; email and
// status cannot be empty. After an error s must not be used.
func (s *Settings) Set(column, value string) error {
	for _, c := range columns {
		if c.name == column {
			if err := c.set(s, strings.TrimSpace(value)); err != nil {
				return fmt.Errorf("%s: %w", column, err)
			}
			return nil
		}
	}
	return fmt.Errorf("%s is no column: use %s", quote(column), strings.Join(columnNames(), ", "))
}

// Get returns one value in its CSV form, "" for an unknown column.
func (s Settings) Get(column string) string {
	for _, c := range columns {
		if c.name == column {
			return c.cell(&s)
		}
	}
	return ""
}

func setHour(s *Settings, cell string) error {
	s.Hour = -1
	if cell == "" {
		return nil
	}
	h, err := strconv.ParseUint(cell, 10, 8)
	if err != nil || h > 23 {
		return fmt.Errorf("%s is no hour: %w", quote(cell), errHour)
	}
	s.Hour = int(h)
	return nil
}

func setDays(s *Settings, cell string) error {
	s.Days = nil
	days, err := ParseList(cell)
	if err != nil {
		return fmt.Errorf("%s: %w", quote(cell), errDays)
	}
	for _, day := range days {
		d, err := strconv.ParseUint(day, 10, 8)
		if err != nil || d < 1 || d > 7 {
			return fmt.Errorf("%s is no day: %w", quote(day), errDays)
		}
		s.Days = append(s.Days, int(d))
	}
	slices.Sort(s.Days)
	if len(slices.Compact(slices.Clone(s.Days))) != len(s.Days) { // "1;01"
		return errDays
	}
	return nil
}

// parseTime reads RFC 3339 or a bare date, which counts as its first instant in UTC.
// "" is the zero time.
func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			if y := t.UTC().Year(); y >= 1 && y <= 9999 && !t.IsZero() {
				return t.UTC(), nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("%s is no time: %w", quote(s), errConsent)
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
