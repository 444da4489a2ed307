package schedule

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml/ast"
)

// nameIn finds the text under a key of a mapping that is not read yet, for messages.
func nameIn(n ast.Node, key string) string {
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	}
	for _, pair := range pairs {
		if k, ok := pair.Key.(*ast.StringNode); ok && k.Value == key && pair.Value != nil {
			s, _ := textOf(pair.Value)
			return s
		}
	}
	return ""
}

// called is what messages call the i-th entry of a list: by its name if it has one.
func called(noun string, i int, name string) string {
	if name == "" {
		return fmt.Sprintf("%s %d", noun, i+1)
	}
	return fmt.Sprintf("%s %q", noun, clip(name))
}

func textOf(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return strings.TrimSpace(n.Value), true
	case *ast.LiteralNode:
		return strings.TrimSpace(n.Value.Value), true
	}
	return "", false
}

// need complains if a key without a default is missing.
func (t *table) need(key, example string) bool {
	if t.has(key) {
		return true
	}
	t.bad(key, "%s is missing; write e.g. %s", key, example)
	return false
}

// text is a value of one line; "" if not given or wrong.
func (t *table) text(key string) string {
	s := t.block(key)
	if strings.ContainsAny(s, "\n\t") {
		t.bad(key, "%s must be one line", key)
		return ""
	}
	return s
}

// block is a value that may have several lines.
func (t *table) block(key string) string {
	n, ok := t.values[key]
	if !ok {
		return ""
	}
	s, ok := textOf(n)
	switch {
	case !ok:
		t.bad(key, "%s must be text, not %s; if it is meant as text, put it in quotes", key, kindOf(n))
	case s == "":
		t.bad(key, "%s is empty", key)
	case strings.IndexFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) >= 0:
		t.bad(key, "%s must be without control characters", key)
		return ""
	}
	return s
}

// texts is a list of short texts.
func (t *table) texts(key, of string) (values []string, places []mark) {
	for _, n := range t.list(key, of) {
		s, ok := textOf(n)
		if !ok || s == "" || strings.IndexFunc(s, unicode.IsControl) >= 0 {
			t.wrong(where(n), "%s: %s must be a list of %s, and this is %s", t.name, key, of, quotedKind(n))
			continue
		}
		values, places = append(values, s), append(places, where(n))
	}
	return values, places
}

func quotedKind(n ast.Node) string {
	if s, ok := textOf(n); ok {
		return fmt.Sprintf("%q", clip(s))
	}
	return kindOf(n)
}

// choice is one of a few words; the first is the default.
func (t *table) choice(key string, words ...string) string {
	if !t.has(key) {
		return words[0]
	}
	s, _ := textOf(t.values[key])
	if !slices.Contains(words, s) {
		t.bad(key, "%s must be %s", key, strings.Join(words[:len(words)-1], ", ")+" or "+words[len(words)-1])
		return words[0]
	}
	return s
}

// flag is true or false; false if not given.
func (t *table) flag(key string) bool {
	n, ok := t.values[key]
	if !ok {
		return false
	}
	b, ok := n.(*ast.BoolNode)
	if !ok {
		t.bad(key, "%s must be true or false", key)
		return false
	}
	return b.Value
}

// wholeOf is a node's plain decimal number.
func wholeOf(n ast.Node) (int, bool) {
	i, ok := n.(*ast.IntegerNode)
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseInt(i.GetToken().Value, 10, 32)
	return int(v), err == nil
}

// whole is a number from low to high.
func (t *table) whole(key string, preset, low, high int) int {
	n, ok := t.values[key]
	if !ok {
		return preset
	}
	v, ok := wholeOf(n)
	if !ok || v < low || v > high {
		t.bad(key, "%s must be a whole number from %d to %d, not %s", key, low, high, shown(n))
		return preset
	}
	return v
}

// shown is a wrong value as it stands in the file, or what kind of thing it is.
func shown(n ast.Node) string {
	switch n := n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		return clip(n.GetToken().Value)
	}
	return quotedKind(n)
}

// rate is a number above 0.
func (t *table) rate(key string, preset float64) float64 {
	n, ok := t.values[key]
	if !ok {
		return preset
	}
	v, err := strconv.ParseFloat(n.GetToken().Value, 64)
	_, isInt := n.(*ast.IntegerNode)
	_, isFloat := n.(*ast.FloatNode)
	if !isInt && !isFloat || err != nil || !(v > 0) || v > 1e6 {
		t.bad(key, "%s must be a number of messages a second above 0, not %s", key, shown(n))
		return preset
	}
	return v
}

// longestSpan bounds durations; no setting makes sense beyond it.
const longestSpan = 366 * 24 * time.Hour

// span is a duration of at least low; 0 if not given.
func (t *table) span(key string, low time.Duration, example string) time.Duration {
	n, ok := t.values[key]
	if !ok {
		return 0
	}
	s, ok := textOf(n)
	if v, isInt := wholeOf(n); isInt && v == 0 {
		s, ok = "0s", true
	}
	d, err := parseSpan(s)
	switch {
	case strings.HasPrefix(shown(n), "-") || strings.HasPrefix(s, "-"):
		t.bad(key, "%s must not be negative", key)
	case !ok || err != nil:
		t.bad(key, "%s %s is not a duration; write e.g. %s (units d, h, m, s)", key, shown(n), example)
	case d < low:
		t.bad(key, "%s must be at least %s", key, spanText(low))
	case d > longestSpan:
		t.bad(key, "%s must be at most %s", key, spanText(longestSpan))
	default:
		return d
	}
	return 0
}

// parseSpan reads a duration such as 20m, 6h, 3d or 1d12h.
func parseSpan(s string) (time.Duration, error) {
	units := map[byte]time.Duration{'d': 24 * time.Hour, 'h': time.Hour, 'm': time.Minute, 's': time.Second}
	wrong := fmt.Errorf("read duration %q: write e.g. 20m, 6h or 3d", clip(s))
	if s == "" {
		return 0, wrong
	}
	var sum time.Duration
	for s != "" {
		end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
		if end < 1 || end > 8 {
			return 0, wrong
		}
		n, err := strconv.Atoi(s[:end])
		unit := units[s[end]]
		if err != nil || unit == 0 {
			return 0, wrong
		}
		if time.Duration(n) > math.MaxInt64/8/unit || sum > math.MaxInt64/2 {
			return 0, wrong
		}
		sum += time.Duration(n) * unit
		s = s[end+1:]
	}
	return sum, nil
}

// spanText writes a duration in the form that parseSpan reads.
func spanText(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range []struct {
		unit time.Duration
		sign string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := d / u.unit; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.sign)
			d -= n * u.unit
		}
	}
	return b.String()
}

// parseQuiet reads a span of local time such as 22:00-06:00.
func parseQuiet(s string) (Quiet, error) {
	from, to, ok := strings.Cut(s, "-")
	a, errA := parseClock(from)
	b, errB := parseClock(to)
	if !ok || errA != nil || errB != nil || a == b || a == dayMinutes {
		return Quiet{}, errors.New("write a span of local time, e.g. \"22:00-06:00\"")
	}
	return Quiet{a, b % dayMinutes}, nil
}

// parseClock reads HH:MM, 24:00 included, as minutes after midnight.
func parseClock(s string) (int, error) {
	s = strings.TrimSpace(s)
	if s == "24:00" {
		return dayMinutes, nil
	}
	t, err := time.Parse("15:04", s)
	if err != nil || len(s) != 5 {
		return 0, fmt.Errorf("read time %q: write e.g. 07:00", clip(s))
	}
	return t.Hour()*60 + t.Minute(), nil
}
