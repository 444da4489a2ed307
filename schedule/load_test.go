package schedule

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestBroken reads files with one or several mistakes each; what is said of them is golden.
func TestBroken(t *testing.T) {
	files, err := filepath.Glob("testdata/broken/*.yaml")
	if err != nil || len(files) < 30 {
		t.Fatalf("found %d broken files: %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			c, err := Parse(name, text)
			if c != nil || err == nil {
				t.Fatal("it was accepted")
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("it took %s", took)
			}
			problems, ok := errors.AsType[Error](err)
			if !ok || len(problems) == 0 {
				t.Fatalf("no list of problems but %v", err)
			}
			for _, p := range problems {
				if p.Line < 1 || p.Column < 1 || strings.ContainsAny(p.Message, "\n\x1b") {
					t.Errorf("not a place or not a line: %+v", p)
				}
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, readErr := os.ReadFile(golden)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if got := err.Error() + "\n"; got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}
