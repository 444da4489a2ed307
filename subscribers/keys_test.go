package subscribers

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func entry(id string, fill byte) string {
	return id + ":" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32))
}

func testKeys(t testing.TB, entries ...string) *Keys {
	t.Helper()
	if len(entries) == 0 {
		entries = []string{entry("b", 2), entry("a", 1)}
	}
	k, err := ParseKeys(strings.Join(entries, ","))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestLoadKeys(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	list := entry("b", 2) + "\n# old\r\n" + entry("a", 1) + "\n"
	for _, c := range []struct{ name, key, path, says string }{
		{"none", "", "", "keys rotate"},
		{"both", entry("a", 1), file("both", list, 0o600), "both set"},
		{"missing file", "", filepath.Join(dir, "missing"), "not there"},
		{"wide", "", file("wide", list, 0o640), "chmod 600"},
		{"empty", "", file("empty", "# nothing\n", 0o600), "no key"},
		{"a folder", "", dir, "BROADSHEET_KEY_FILE"},
		{"no id", base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)), "", "id:base64"},
		{"short", "a:AAAA", "", "32 bytes"},
		{"twice", entry("a", 1) + "," + entry("a", 2), "", "twice"},
		{"good list", entry("b", 2) + ", " + entry("a", 1), "", ""},
		{"good file", "", file("good", list, 0o600), ""},
		{"url alphabet", "a:" + base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, 32)), "", ""},
	} {
		k, err := LoadKeys(func(name string) string {
			return map[string]string{"BROADSHEET_KEY": c.key, "BROADSHEET_KEY_FILE": c.path}[name]
		})
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v, want something about %q", c.name, err, c.says)
		case errors.Is(err, ErrNoKey) != (c.name == "none"):
			t.Errorf("%s: ErrNoKey is wrong for %v", c.name, err)
		}
		if err != nil && strings.Contains(err.Error(), "BwcHBwcH") {
			t.Errorf("%s: the error gives the key away: %v", c.name, err)
		}
		if c.name == "good list" || c.name == "good file" {
			if k.SigningID() != "b" || k.Fingerprint() != testKeys(t, entry("x", 9), entry("a", 1)).Fingerprint() {
				t.Errorf("%s: signs with %s; fingerprint %s", c.name, k.SigningID(), k.Fingerprint())
			}
			for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
				if got := fmt.Sprintf(form, k); got != "2 keys" {
					t.Errorf("printed with %s: %s", form, got)
				}
			}
		}
	}
}

func TestRotateKeepsEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	now := time.Date(2026, 11, 23, 7, 40, 0, 0, time.UTC)
	load := func() *Keys {
		k, err := LoadKeys(func(name string) string {
			return map[string]string{"BROADSHEET_KEY_FILE": path}[name]
		})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	type promise struct{ token, print, message, bounce string }
	var first promise
	var tokens []string
	ids := make(map[string]bool)
	for i := range 5 {
		id, err := Rotate(path, "", now.AddDate(0, 0, i/2), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if ids[id] {
			t.Errorf("id %s given twice", id)
		}
		ids[id] = true
		k := load()
		if k.SigningID() != id {
			t.Errorf("signs with %s, want %s", k.SigningID(), id)
		}
		token, err := k.Token(id, Action{Kind: OneClick, Subscriber: int64(i)})
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
		for n, old := range tokens {
			if a, err := k.Open(old); err != nil || a.Subscriber != int64(n) {
				t.Errorf("after %d rotations token %d opens as %+v, %v", i+1, n, a, err)
			}
		}
		p := promise{"", k.Fingerprint(), k.MessageID("morning", "2026-11-23", 7), k.ReturnPath(1, 2, 3)}
		if i == 0 {
			first = p
		} else if p != first {
			t.Errorf("after %d rotations %+v, before %+v", i+1, p, first)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	}
}

func TestRotateRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	now := time.Date(2026, 11, 23, 7, 40, 0, 0, time.UTC)
	write := func(path, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write(path, entry("a", 1)+"\n", 0o600)
	before := func() string { b, _ := os.ReadFile(path); return string(b) }

	write(path+".new", "", 0o600)
	if _, err := Rotate(path, "", now, rand.Reader); err == nil || !strings.Contains(err.Error(), ".new") {
		t.Errorf("beside another rotation: %v", err)
	}
	os.Remove(path + ".new")
	if _, err := Rotate(path, "", now, strings.NewReader("short")); err == nil {
		t.Error("rotated without randomness")
	}
	if before() != entry("a", 1)+"\n" {
		t.Errorf("a refused rotation changed the file: %q", before())
	}
	if _, err := os.Stat(path + ".new"); err == nil {
		t.Error("a refused rotation left its file")
	}
	write(path, "rubbish\n", 0o600)
	if _, err := Rotate(path, "", now, rand.Reader); err == nil || before() != "rubbish\n" {
		t.Errorf("rotated a file that is no list: %v", err)
	}
	write(path, entry("a", 1)+"\n", 0o600)
	behind := path + ".link"
	if err := os.Symlink(path, behind); err != nil {
		t.Fatal(err)
	}
	if _, err := Rotate(behind, "", now, rand.Reader); err != nil || !strings.Contains(before(), entry("a", 1)) || len(before()) < 200 {
		t.Errorf("through a link: %v, %q", err, before())
	}
	os.Remove(path)
	if _, err := Rotate(path, entry("a", 1), now, rand.Reader); err != nil {
		t.Fatal(err)
	}
	if k := testKeys(t, before()); k.Fingerprint() != testKeys(t, entry("a", 1)).Fingerprint() {
		t.Error("the list in use is not the oldest key of the new file")
	}
}
