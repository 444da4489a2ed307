package commands

import (
	"bytes"
	"flag"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write anew what simulate prints in docs/scale.md")

// TestScale has simulate print what docs/scale.md shows, line by line. A line is known by what it
// begins with, up to two blanks.
func TestScale(t *testing.T) {
	const file = "../docs/scale.md"
	text := read(t, file)
	key := func(line string) string { k, _, _ := strings.Cut(line, "  "); return k }
	shown := 0
	anew := regexp.MustCompile("(?s)```\n\\$ broadsheet simulate.*?```").ReplaceAllStringFunc(text, func(block string) string {
		var out strings.Builder
		var printed map[string]string
		for line := range strings.Lines(block) {
			line = strings.TrimRight(line, "\n")
			if args, ok := strings.CutPrefix(line, "$ broadsheet "); ok {
				printed = simulated(t, args, key)
			} else if line != "```" {
				if shown++; printed[key(line)] == "" {
					t.Fatalf("nothing that is printed begins with %q", key(line))
				}
				line = printed[key(line)]
			}
			out.WriteString(line + "\n")
		}
		return strings.TrimRight(out.String(), "\n")
	})
	switch {
	case shown < 50:
		t.Errorf("%d lines are shown", shown)
	case *update:
		write(t, file, anew)
	case anew != text:
		want, got := strings.Split(text, "\n"), strings.Split(anew, "\n")
		for n := range want {
			if want[n] != got[n] {
				t.Errorf("line %d: it prints\n%s\nand not\n%s", n+1, got[n], want[n])
			}
		}
	}
}

// simulated is what a command line prints, by what the lines begin with.
func simulated(t *testing.T, args string, key func(string) string) map[string]string {
	t.Helper()
	var out, errors bytes.Buffer
	if code := Run(t.Context(), strings.Fields(args), func(string) string { return "" }, strings.NewReader(""), &out, &errors); code != exitDone {
		t.Fatalf("%s: exit code %d\n%s", args, code, &errors)
	}
	printed := make(map[string]string)
	for line := range strings.Lines(out.String()) {
		line = strings.TrimRight(line, " \n")
		printed[key(line)] = line
	}
	return printed
}
