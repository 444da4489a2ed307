package report

import (
	"os"
	"path/filepath"
	"testing"
)

func BenchmarkRead(b *testing.B) {
	var all [][]byte
	for _, s := range samples(b) {
		raw, err := os.ReadFile(filepath.Join(corpus(b), s.File))
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, raw)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		Read(all[i%len(all)])
	}
}
