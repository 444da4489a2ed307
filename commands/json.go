package commands

import (
	"encoding/json"
	"fmt"
	"time"
)

// printJSON writes v as one line.
func (p *program) printJSON(v any) error {
	e := json.NewEncoder(p.stdout)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// stamp is an instant in JSON: RFC 3339 UTC with seconds, null if zero.
func stamp(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := t.UTC().Format("2006-01-02T15:04:05Z")
	return &s
}

// text is a string in JSON: null if empty.
func text(s string) *string { return present(s) }

// present is a value in JSON: null if it is the zero value.
func present[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// list is a list in JSON: [] if empty.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
