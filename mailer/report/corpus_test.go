package report

import (
	"bufio"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"broadsheet/mailer"
)

// corpus names a folder of real mail; tests that need it are skipped without.
func corpus(t testing.TB) string {
	t.Helper()
	root := os.Getenv("BROADSHEET_DATA")
	if root == "" {
		t.Skip("BROADSHEET_DATA is not set")
	}
	return filepath.Join(root, "bounces")
}

// sample is a mail and what it says in the eyes of others.
type sample struct {
	File   string
	Expect []struct {
		Reason string
		Hard   bool
	}
}

func samples(t testing.TB) []sample {
	t.Helper()
	f, err := os.Open(filepath.Join(corpus(t), "expected.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []sample
	for in := bufio.NewScanner(f); in.Scan(); {
		var s sample
		if err := json.Unmarshal(in.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// right reports whether the news are what a sample expects. "Filtered" stands for refusals of all kinds
// by a reader's own filter and for users who may or may not exist: anything but Hard is right there. A
// delay is no bounce yet.
func (s sample) right(r Report) bool {
	if len(s.Expect) != len(r.News) {
		return false
	}
	for i, e := range s.Expect {
		class := r.News[i].Class
		ok := class == classOf(e.Reason)
		switch {
		case e.Hard:
			ok = class == mailer.Hard
		case e.Reason == "feedback":
			ok = class == mailer.Complained
		case e.Reason == "vacation":
			ok = class == mailer.AutoReply
		case e.Reason == "filtered":
			ok = class.Bounce() && class != mailer.Hard
		case classOf(e.Reason) == mailer.Hard:
			ok = class == mailer.Soft || class == mailer.Put // for now only
		case class == mailer.Put:
			ok = classOf(e.Reason) == mailer.Soft
		}
		if !ok {
			return false
		}
	}
	return true
}

// lineEnds gives a message other line ends.
func lineEnds(raw []byte) map[string]string {
	plain := string(plainLines(raw))
	rnd := rand.New(rand.NewPCG(1, uint64(len(raw))))
	var mixed strings.Builder
	for line := range strings.Lines(plain) {
		mixed.WriteString(strings.TrimSuffix(line, "\n") + []string{"\n", "\r\n", "\r"}[rnd.IntN(3)])
	}
	return map[string]string{"lf": plain, "crlf": strings.ReplaceAll(plain, "\n", "\r\n"),
		"cr": strings.ReplaceAll(plain, "\n", "\r"), "mixed": mixed.String()}
}

// TestCorpus reads real mail with all line ends there are.
func TestCorpus(t *testing.T) {
	all := samples(t)
	right, changed := 0, 0
	for _, s := range all {
		raw, err := os.ReadFile(filepath.Join(corpus(t), s.File))
		if err != nil {
			t.Fatal(err)
		}
		r := Read(raw)
		if len(s.Expect) == 0 && (r.Class == mailer.Hard || len(r.News) > 0) {
			t.Errorf("%s is no bounce: %s, %+v", s.File, r.Class, r.News)
		}
		if s.right(r) {
			right++
		} else {
			t.Logf("%s: %s, want %+v", s.File, r.Class, s.Expect)
		}
		for how, other := range lineEnds(raw) {
			if o := Read([]byte(other)); o.Class != r.Class {
				changed++
				t.Logf("%s is %s, with %s %s", s.File, r.Class, how, o.Class)
			}
		}
	}
	t.Logf("%d of %d are right, %d change with their line ends", right, len(all), changed)
	if right < len(all)*9/10 {
		t.Errorf("%d of %d are right", right, len(all))
	}
	if changed > len(all)/50 {
		t.Errorf("%d change with their line ends", changed)
	}
}

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
