package commands

import (
	"embed"
	"fmt"
	page "html/template"
	"strings"
	plain "text/template"
	"time"

	"broadsheet/mailer"
	"broadsheet/store"
)

//go:embed report.txt report.html
var reportFiles embed.FS

// reportWords are what both forms of the report are written with.
func (r *morning) words() map[string]any {
	return map[string]any{
		"number":  thousands,
		"count":   count,
		"sum":     store.Sum,
		"section": func(id string) string { return orElse(r.title[id], id) },
		"reason":  reasonWord,
		"moment":  func(t time.Time) string { return t.In(r.home).Format("15:04 MST on Monday 2 January") },
		"states":  statesOf,
		"pad":     func(n int, s string) string { return fmt.Sprintf("%-*s", n, s) },
		"right":   func(n int, s string) string { return fmt.Sprintf("%*s", n, s) },
	}
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// reasonWord is why a reader came or went, for people.
func reasonWord(reason string) string {
	if word, ok := map[string]string{"reader": "signed up", "import": "imported", "command": "added by command", "operator": "by an operator",
		"unsubscribed": "unsubscribed", "hard_bounce": "no such mailbox", "soft_bounce": "mailbox refused for long", "complaint": "said it is spam",
		"erased": "erased", "legal": "barred by law", "paused": "paused", "pending": "not confirmed", "paused before": "pause ended",
		"unsubscribed before": "had left", "pending before": "had not confirmed", "confirmed": "confirmed"}[reason]; ok {
		return word
	}
	return strings.ReplaceAll(reason, "_", " ")
}

// stateCount is how many mails of a slot are in a state.
type stateCount struct {
	State mailer.State
	Mails int
}

func statesOf(s reportSlot) (list []stateCount) {
	for _, state := range mailer.States {
		if n := s.States[state]; n > 0 {
			list = append(list, stateCount{state, n})
		}
	}
	return list
}

// When is when it was written, Before when the one before was.
func (r *morning) When() time.Time   { return r.now }
func (r *morning) Before() time.Time { return r.since }

// text is the report in plain text.
func (r *morning) text() (string, error) {
	t, err := plain.New("report.txt").Funcs(r.words()).ParseFS(reportFiles, "report.txt")
	var b strings.Builder
	if err == nil {
		err = t.Execute(&b, r)
	}
	if err != nil {
		return "", fmt.Errorf("write report: %w", err)
	}
	return b.String(), nil
}

// html is the report as a page for mail clients.
func (r *morning) html() (string, error) {
	t, err := page.New("report.html").Funcs(r.words()).ParseFS(reportFiles, "report.html")
	var b strings.Builder
	if err == nil {
		err = t.Execute(&b, r)
	}
	if err != nil {
		return "", fmt.Errorf("write report: %w", err)
	}
	return b.String(), nil
}
