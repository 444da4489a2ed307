package report

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
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

// wanted is the class that a sample's first recipient has.
func (s sample) wanted() mailer.Class {
	if len(s.Expect) == 0 {
		return mailer.NoBounce
	}
	switch e := s.Expect[0]; {
	case e.Hard:
		return mailer.Hard
	case e.Reason == "feedback":
		return mailer.Complained
	case e.Reason == "vacation":
		return mailer.AutoReply
	case e.Reason == "delivered":
		return mailer.Arrived
	case classOf(e.Reason) == mailer.Hard:
		return mailer.Soft
	default:
		return classOf(e.Reason)
	}
}
