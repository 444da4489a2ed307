package stories

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestImport(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("in/a.xml", smallFeed)
	write("in/deep/page.txt", samplePage)
	write("in/deep/picture.jpg", "x")
	write("in/.hidden/b.xml", smallFeed)
	write("in/broken.xml", "<html>")
	write("in/empty.txt", " \n ")
	shelf := newMemory()
	sections := map[string]string{"port": "Port Life", "world": "World"}
	run := func(paths ...string) map[string]FileResult {
		t.Helper()
		files := 0
		rs, err := Import(t.Context(), shelf, paths, "world", sections, time.Unix(1e9, 0), func() { files++ })
		if err != nil {
			t.Fatal(err)
		}
		seen := 0 // a path that is not there is no file
		for _, r := range rs {
			if r.Kind != "" || errors.Is(r.Err, ErrSkipped) {
				seen++
			}
		}
		if files != seen {
			t.Errorf("told of %d files, results of %d", files, seen)
		}
		m := map[string]FileResult{}
		for _, r := range rs {
			m[filepath.Base(r.Path)] = r
		}
		return m
	}
	m := run(filepath.Join(dir, "in"), filepath.Join(dir, "gone"))
	if len(m) != 6 || m["a.xml"].Added.New != 2 || m["page.txt"].Added.New != 1 || !errors.Is(m["picture.jpg"].Err, ErrSkipped) {
		t.Errorf("results %+v", m)
	}
	for _, name := range []string{"broken.xml", "empty.txt", "gone"} {
		if m[name].Err == nil || strings.Contains(m[name].Err.Error(), dir) {
			t.Errorf("%s: %v", name, m[name].Err)
		}
	}
	for _, s := range shelf.list {
		if want := map[bool]string{true: "port", false: "world"}[s.Scope == pageScope]; len(s.Sections) != 1 || s.Sections[0] != want {
			t.Errorf("%s is in %v, want %s", s.Headline, s.Sections, want)
		}
	}
	copied := write("elsewhere/feed", smallFeed)
	page := write("elsewhere/page", strings.Replace(samplePage, "Sat, 14 Sep 2030 10:39", "Sun, 15 Sep 2030 11:40", 1))
	notes := write("elsewhere/notes.yaml", "title: not a page\n\nbut text all the same")
	octets := write("elsewhere/octets", "\x00\x01\x02 not text")
	m = run(filepath.Join(dir, "in"), copied, page, notes, octets)
	if m["feed"].Added.Known != 2 || m["page"].Added.Known != 1 || len(shelf.list) != 3 {
		t.Errorf("reading again brings something new: %+v", m)
	}
	if !errors.Is(m["notes.yaml"].Err, ErrSkipped) || !errors.Is(m["octets"].Err, ErrSkipped) {
		t.Errorf("taken for a page: %+v", m)
	}
}
