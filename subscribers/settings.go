package subscribers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
)

// Characters that a free text may have.
const (
	maxName   = 200
	maxSource = 500
	maxNote   = 1000
)

// NewSettings returns the settings of a reader who has said nothing yet but an address:
// pending, HTML, the edition's own hour, every day.
func NewSettings(address string) Settings {
	return Settings{Address: address, Status: Pending, Hour: -1, Format: HTML}
}

// Validate says what is wrong with s, all of it in one error, or nil.
// It does not know which sections and editions there are. What [Merge] makes of a row from a
// [Reader] and a valid reader needs no second look.
func (s Settings) Validate() error {
	var errs []error
	add := func(column string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", column, err))
		}
	}
	_, err := ParseAddress(s.Address)
	add("email", err)
	add("name", checkLine(s.Name, maxName))
	add("external_id", checkLine(s.ExternalID, maxName))
	add("consent_source", checkLine(s.ConsentSource, maxSource))
	_, err = ParseStatus(string(s.Status))
	add("status", err)
	if s.Format != "" {
		_, err = ParseFormat(string(s.Format))
		add("format", err)
	}
	if s.Hour < -1 || s.Hour > 23 {
		add("hour", errHour)
	}
	if !slices.IsSorted(s.Days) || len(slices.Compact(slices.Clone(s.Days))) != len(s.Days) ||
		len(s.Days) > 0 && (s.Days[0] < 1 || s.Days[len(s.Days)-1] > 7) {
		add("days", errDays)
	}
	if s.Zone != "" {
		add("zone", checkZone(s.Zone))
	}
	if s.Language != "" {
		_, err = parseLanguage(s.Language)
		add("language", err)
	}
	_, err = ParseFollows(FormatFollows(s.Sections))
	for _, f := range s.Sections {
		if _, bad := ParseLevel(string(f.Level)); bad != nil {
			err = bad
		}
	}
	add("sections", err)
	_, err = ParseList(strings.Join(s.Editions, ";"))
	add("editions", err)
	if y := s.ConsentAt.UTC().Year(); !s.ConsentAt.IsZero() && (y < 1 || y > 9999) {
		add("consent_at", errConsent)
	}
	if y := s.PausedUntil.UTC().Year(); !s.PausedUntil.IsZero() && (y < 1 || y > 9999) {
		add("paused_until", errConsent)
	}
	return errors.Join(errs...)
}

// Equal says that s and t decide the same things, so that no new dated row is needed.
func (s Settings) Equal(t Settings) bool {
	return s.Address == t.Address && s.Name == t.Name && s.ExternalID == t.ExternalID &&
		s.Status == t.Status && slices.Equal(s.Sections, t.Sections) && slices.Equal(s.Editions, t.Editions) &&
		s.Hour == t.Hour && slices.Equal(s.Days, t.Days) && s.Zone == t.Zone && s.Language == t.Language &&
		(s.Format == t.Format || s.Format != Text && t.Format != Text) &&
		s.ConsentSource == t.ConsentSource && s.ConsentAt.Equal(t.ConsentAt) && s.pauseEnd().Equal(t.pauseEnd())
}

// ParseStatus reads a status, in any case.
func ParseStatus(s string) (Status, error) {
	switch v := Status(strings.ToLower(s)); v {
	case Pending, Active, Paused, Unsubscribed:
		return v, nil
	}
	return "", fmt.Errorf("%s is no status: use active, pending, paused or unsubscribed", quote(s))
}

// ParseLevel reads a section's level, in any case.
func ParseLevel(s string) (Level, error) {
	switch v := Level(strings.ToLower(s)); v {
	case Normal, Less, Muted:
		return v, nil
	}
	return "", fmt.Errorf("%s is no level: use normal, less or muted", quote(s))
}

// ParseFormat reads a mail format, in any case.
func ParseFormat(s string) (Format, error) {
	switch v := Format(strings.ToLower(s)); v {
	case HTML, Text:
		return v, nil
	}
	return "", fmt.Errorf("%s is no format: use html or text", quote(s))
}

var errZone = errors.New(`not an IANA time zone: use a name like "Europe/London"`)

// checkZone wants a name that means the same on every machine.
func checkZone(name string) error {
	switch {
	case name == "" || name == "Local", strings.HasPrefix(name, "posix/"), strings.HasPrefix(name, "right/"):
		return errZone
	}
	if _, err := time.LoadLocation(name); err != nil {
		return errZone
	}
	return nil
}

// parseLanguage returns the canonical form: "en_gb" becomes "en-GB".
func parseLanguage(s string) (string, error) {
	tag, err := language.Parse(s)
	if err != nil || tag == language.Und {
		return "", fmt.Errorf(`%s is no BCP 47 language tag: use one like "en" or "ar-AE"`, quote(s))
	}
	return tag.String(), nil
}

// checkLine holds free text to what may stand in a header or on a page: it cannot carry a
// line break, so it cannot become a second header.
func checkLine(s string, limit int) error {
	switch {
	case !utf8.ValidString(s):
		return errors.New("not UTF-8: save the file as UTF-8")
	case utf8.RuneCountInString(s) > limit:
		return fmt.Errorf("longer than %d characters: shorten it", limit)
	case strings.TrimSpace(s) != s:
		return errors.New("starts or ends with white space: take it off")
	}
	for _, r := range s {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return fmt.Errorf("has the control character %U or a line break in it: take it out", r)
		}
	}
	return nil
}

// quote shows a bad value without letting it flood or break the message.
func quote(s string) string {
	const limit = 40
	if utf8.RuneCountInString(s) > limit {
		s = string([]rune(s)[:limit]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
