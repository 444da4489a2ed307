package bench

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

// TestReaders makes the same readers twice, and no more lines than readers.
func TestReaders(t *testing.T) {
	var a, b bytes.Buffer
	for _, w := range []io.Writer{&a, &b} {
		if err := Readers(w, 3000, 40); err != nil {
			t.Fatal(err)
		}
	}
	if a.String() != b.String() {
		t.Error("the readers differ from run to run")
	}
	lines := strings.Split(strings.TrimSpace(a.String()), "\n")[1:]
	seen, follows, first, last := map[string]bool{}, 0, 0, 0
	for _, line := range lines {
		cells := strings.Split(line, ",")
		sections := strings.Split(cells[1], ";")
		if seen[cells[0]] || len(cells) != 5 || len(sections) < 1 || len(sections) > 12 {
			t.Fatalf("reader %q", line)
		}
		seen[cells[0]] = true
		follows += len(sections)
		first += strings.Count(cells[1], SectionID(0))
		last += strings.Count(cells[1], SectionID(39))
	}
	if len(lines) != 3000 || follows < 3000*6 || follows > 3000*7 {
		t.Errorf("%d readers follow %d sections", len(lines), follows)
	}
	if first < 4*last || last == 0 {
		t.Errorf("the most liked section has %d readers, the least liked %d", first, last)
	}
}

// TestReadersEnd stops when nobody reads on.
func TestReadersEnd(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	if err := Readers(w, 1_000_000, 3); err == nil {
		t.Error("nobody reads, and no error says so")
	}
}

func TestNews(t *testing.T) {
	now := time.Date(2026, 3, 2, 7, 31, 0, 0, time.UTC)
	last, urls, used := now.Add(-24*time.Hour), map[string]bool{}, map[string]bool{}
	for at, s := range News(167, 40, now) {
		if !at.After(last) || at.After(now) || urls[s.URL] {
			t.Fatalf("%s at %s after %s", s.URL, at, last)
		}
		last, urls[s.URL] = at, true
		for _, id := range s.Sections {
			used[id] = true
		}
	}
	if len(urls) != 167 || len(used) != 40 {
		t.Errorf("%d stories in %d sections", len(urls), len(used))
	}
	for range News(10, 1, now) {
		break // an early end is heeded
	}
}
