package room

import (
	"fmt"
	"html/template"
	"strconv"
	"time"
)

// vocabulary is what pages say things with. They are in English alone: commands and their output are
// too.
var vocabulary = template.FuncMap{
	"number": number, "percent": percent, "moment": momentOf, "day": func(t time.Time) string { return t.UTC().Format("2 January 2006") },
	"second": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"rate":   func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) + " a second" },
	"share":  func(hard, mails int) string { return percent(float64(hard) / float64(max(mails, 1))) },
	"dict":   dict,
	"list":   func(texts ...string) []string { return texts },
	"inc":    func(n int) int { return n + 1 },
	"dec":    func(n int) int { return n - 1 },
	"things": things, "kind": kindOfTask, "whom": firstOf, "bad": func(f float64) bool { return f >= badShare },
}

// badShare is from what share of mails refused or returned on a row is marked: large receivers begin to
// look askance at a sender at a few in a hundred.
const badShare = 0.05

// number is a count with its thousands apart.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// percent is a share; small ones are told from none.
func percent(f float64) string {
	switch {
	case f == 0:
		return "0 %"
	case f < 0.001:
		return "< 0.1 %"
	case f < 0.1:
		return fmt.Sprintf("%.1f %%", 100*f)
	}
	return fmt.Sprintf("%.0f %%", 100*f)
}

// momentOf is a time in UTC, as the commands print it.
func momentOf(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// things is how many of what there are.
func things(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

// kindOfTask says what a task is.
func kindOfTask(kind string) string {
	switch kind {
	case "leave":
		return "A reader asks to leave"
	case "complaint":
		return "Somebody complains, and nobody knows who"
	case "forward":
		return "An answer could not be passed on"
	case "flood":
		return "One sender answers so often that the rest is not passed on"
	}
	return kind
}

// firstOf is the first text that there is.
func firstOf(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return "nobody knows"
}

// dict hands several values to a template.
func dict(pairs ...any) map[string]any {
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}
