package commands

import (
	"regexp"
	"strings"
	"testing"

	"broadsheet/digest"
)

// blank is white space, however a text is wrapped.
var blank = regexp.MustCompile(`\s+`)

// TestRecipes looks at what operators copy into a Postfix's files: it knows a comment only on a line
// of its own, and takes one behind a value for a part of the value.
func TestRecipes(t *testing.T) {
	text := read(t, "../docs/operating.md")
	blocks := regexp.MustCompile("(?s)```\n(# /etc/postfix/.*?)```").FindAllStringSubmatch(text, -1)
	if len(blocks) < 2 {
		t.Fatalf("found %d recipes", len(blocks))
	}
	for _, b := range blocks {
		for line := range strings.Lines(b[1]) {
			if line = strings.TrimSpace(line); strings.Contains(line, "#") && !regexp.MustCompile(`^#( /etc/postfix/[a-z.]+$| [^/])`).MatchString(line) {
				t.Errorf("a comment that is none: %s", line)
			}
		}
	}
	pipe := regexp.MustCompile(`(?m)^broadsheet unix .*\n.*original_recipient}$`).FindString(text)
	if pipe == "" {
		t.Fatal("there is no recipe for a pipe")
	}
	if help := (&program{}).intake().Long; !strings.Contains(blank.ReplaceAllString(help, " "), blank.ReplaceAllString(pipe, " ")) || !strings.Contains(help, "\nbroadsheet unix") {
		t.Errorf("intake --help shows another line than the documentation, which has\n%s", pipe)
	}
}

// TestHelp wants what operators have to know named where they look for it.
func TestHelp(t *testing.T) {
	root := blank.ReplaceAllString((&program{}).root().Long, " ")
	for _, name := range []string{"BROADSHEET_IMAP_USER", "BROADSHEET_IMAP_PASSWORD", "BROADSHEET_EVENTS_<RELAY>", "BROADSHEET_EVENTS_<RELAY>_FILE"} {
		if !strings.Contains(root, name) {
			t.Errorf("--help does not name %s", name)
		}
	}
	explain := (&program{}).explain()
	reasons := blank.ReplaceAllString(explain.Long, " ")
	for _, r := range []digest.Reason{digest.Sent, digest.OverCap, digest.LessLimit, digest.Muted, digest.SeenBefore, digest.Duplicate, digest.TooOld,
		digest.Earlier, digest.NotYet, digest.Embargoed, digest.OtherLanguage, digest.NotFollowed, digest.NotDrawn, digest.Elsewhere, digest.Unfit,
		digest.Unmailed} {
		if !strings.Contains(reasons, string(r)) {
			t.Errorf("explain --help does not name the reason %q", r)
		}
	}
	if usage := explain.Flags().FlagUsages(); strings.Contains(usage, "(default )") {
		t.Errorf("a default that is none:\n%s", usage)
	}
}
