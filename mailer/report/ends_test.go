package report

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ends gives a message other line ends.
func ends(raw []byte) map[string][]byte {
	plain := string(plainLines(raw))
	rnd := rand.New(rand.NewPCG(1, uint64(len(raw))))
	var mixed strings.Builder
	for line := range strings.Lines(plain) {
		mixed.WriteString(strings.TrimSuffix(line, "\n") + []string{"\n", "\r\n", "\r"}[rnd.IntN(3)])
	}
	return map[string][]byte{"lf": []byte(plain), "crlf": []byte(strings.ReplaceAll(plain, "\n", "\r\n")),
		"cr": []byte(strings.ReplaceAll(plain, "\n", "\r")), "mixed": []byte(mixed.String())}
}

func TestLineEnds(t *testing.T) {
	bad := 0
	for _, s := range samples(t) {
		raw, err := os.ReadFile(filepath.Join(corpus(t), s.File))
		if err != nil {
			t.Fatal(err)
		}
		want := Read(raw)
		for how, raw := range ends(raw) {
			if got := Read(raw); got.Class != want.Class {
				bad++
				t.Logf("%s with %s: %s, want %s", s.File, how, got.Class, want.Class)
			}
		}
	}
	if bad > 0 {
		t.Errorf("%d", bad)
	}
}
