package digest

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; run with -update and look at the change:\n%s", file, cmp.Diff(string(want), string(got)))
	}
}

func TestGolden(t *testing.T) {
	for _, tc := range []struct {
		name string
		make func() (shelf, *Selection)
		text bool
	}{
		{"morning", morning, false}, {"arabic", arabic, false}, {"hostile", hostile, false},
		{"text", morning, true}, {"arabic-text", arabic, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, sel := tc.make()
			sel.TextOnly = tc.text
			d, err := samplePress(t, sampleConfig(), sampleEdition()).Layout(t.Context(), sampleIssue(), sel, s.story)
			if err != nil {
				t.Fatal(err)
			}
			m, err := NewComposer(nil, sampleKeys(t), "meridian.example").Message(d, sampleIssue(), sampleDelivery(), nil)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, tc.name+".eml", m.Body)
			mail := read(t, m.Body)
			golden(t, tc.name+".txt", mail.text)
			if !tc.text {
				golden(t, tc.name+".html", mail.html)
			}
		})
	}
}
