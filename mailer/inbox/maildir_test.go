package inbox

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// newMaildir makes one with files: name under its folder to content.
func newMaildir(t *testing.T, files map[string]string) *Maildir {
	t.Helper()
	m := &Maildir{Dir: t.TempDir()}
	for _, folder := range []string{"new", "cur", "tmp"} {
		if err := os.Mkdir(filepath.Join(m.Dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		m.put(t, name, text)
	}
	return m
}

func (m *Maildir) put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(m.Dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// files lists all that is in it.
func (m *Maildir) files(t *testing.T) (list []string) {
	t.Helper()
	err := filepath.WalkDir(m.Dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(m.Dir, path)
			list = append(list, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func fetch(t *testing.T, s Source, n int) []Mail {
	t.Helper()
	mails, err := s.Fetch(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return mails
}

// round fetches until there is nothing more.
func round(t *testing.T, s Source, n int) (all []Mail) {
	t.Helper()
	for {
		mails := fetch(t, s, n)
		if len(mails) == 0 {
			return all
		}
		all = append(all, mails...)
	}
}

func keys(mails []Mail) (list []string) {
	for _, m := range mails {
		list = append(list, m.Key)
	}
	return list
}

func TestMaildir(t *testing.T) {
	m := newMaildir(t, map[string]string{
		"new/1700000002.M5P1.host":       "second",
		"new/1700000001.M999999P1.host":  "first",
		"cur/1700000002.M4P1.host:2,":    "looked at",
		"cur/1700000003.M1P1.host:2,RS":  "settled",
		"cur/1700000003.M2P1.host:2,T":   "in the bin",
		"cur/1700000002.M6P1.host:2,F":   "flagged",
		"new/note":                       "without a time",
		"new/.hidden":                    "hidden",
		"tmp/1700000000.M1P1.host":       "being written",
		"new/1700000004.M1P1.host,S=5:2": "odd",
	})
	delivered := time.Unix(1700000010, 0)
	if err := os.Chtimes(filepath.Join(m.Dir, "new/1700000001.M999999P1.host"), delivered, delivered); err != nil {
		t.Fatal(err)
	}
	got := round(t, m, 2)
	want := []string{"new/note", "new/1700000001.M999999P1.host", "cur/1700000002.M4P1.host:2,", "new/1700000002.M5P1.host",
		"cur/1700000002.M6P1.host:2,F", "new/1700000004.M1P1.host,S=5:2"}
	if diff := cmp.Diff(want, keys(got)); diff != "" {
		t.Fatal(diff)
	}
	if string(got[1].Raw) != "first" || got[1].Size != 5 || !got[1].At.Equal(time.UnixMicro(1700000001999999)) {
		t.Errorf("got %+v", got[1])
	}
	if got[0].At.Before(time.Now().Add(-time.Hour)) {
		t.Errorf("a name without time has the file's: %s", got[0].At)
	}
	if got[3].At.Before(time.Now().Add(-time.Hour)) {
		t.Errorf("a name whose number is far from the file's time has the file's: %s", got[3].At)
	}
	if err := m.Settle(t.Context(), got[:4], false); err != nil {
		t.Fatal(err)
	}
	if err := m.Settle(t.Context(), got[4:], true); err != nil {
		t.Fatal(err)
	}
	if again := round(t, m, 10); len(again) > 0 {
		t.Errorf("settled mail comes again: %q", keys(again))
	}
	wantFiles := []string{".Aside/maildirfolder", ".Aside/new/1700000002.M6P1.host", ".Aside/new/1700000004.M1P1.host,S=5:2",
		"cur/1700000001.M999999P1.host:2,S", "cur/1700000002.M4P1.host:2,S", "cur/1700000002.M5P1.host:2,S", "cur/1700000003.M1P1.host:2,RS",
		"cur/1700000003.M2P1.host:2,T", "cur/note:2,S", "new/.hidden", "tmp/1700000000.M1P1.host"}
	if diff := cmp.Diff(wantFiles, m.files(t)); diff != "" {
		t.Error(diff)
	}
}

// TestMaildirRounds: what is not settled comes again, in the next round and not before, and with it
// what has come meanwhile.
func TestMaildirRounds(t *testing.T) {
	m := newMaildir(t, map[string]string{"new/1.a": "a", "new/2.b": "b"})
	for n := range 3 {
		if got := keys(round(t, m, 1)); !slices.Equal(got, []string{"new/1.a", "new/2.b"}) {
			t.Fatalf("round %d: %q", n, got)
		}
	}
	if err := m.Settle(t.Context(), fetch(t, m, 1), false); err != nil {
		t.Fatal(err)
	}
	m.put(t, "new/3.c", "c")
	m.put(t, "cur/4.d:2,", "d")
	if got := keys(round(t, m, 5)); !slices.Equal(got, []string{"new/2.b"}) {
		t.Errorf("the rest of the round: %q", got)
	}
	m.seen = time.Time{} // cur is left in peace for a while after a listing
	if got := keys(round(t, m, 5)); !slices.Equal(got, []string{"new/2.b", "new/3.c", "cur/4.d:2,"}) {
		t.Errorf("the next round: %q", got)
	}
}

// TestMaildirTrouble: whatever lies there that is no readable file is named and stops nothing.
func TestMaildirTrouble(t *testing.T) {
	m := newMaildir(t, map[string]string{"new/1.good": "good", "new/2.gone": "gone", "new/8.huge": strings.Repeat("x", MaxSize+5), "new/9.empty": ""})
	secret := filepath.Join(t.TempDir(), "secret")
	for _, err := range []error{
		os.WriteFile(secret, []byte("secret"), 0o600),
		os.Symlink(secret, filepath.Join(m.Dir, "new/3.link")),
		os.Mkdir(filepath.Join(m.Dir, "new/4.folder"), 0o700),
		syscall.Mkfifo(filepath.Join(m.Dir, "new/5.pipe"), 0o600),
		os.Symlink(filepath.Join(m.Dir, "new/6.loop"), filepath.Join(m.Dir, "new/6.loop")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	first := fetch(t, m, 1)
	if err := os.Remove(filepath.Join(m.Dir, "new/2.gone")); err != nil {
		t.Fatal(err)
	}
	rest := round(t, m, 100)
	got := map[string]string{}
	for _, mail := range append(first, rest...) {
		text := fmt.Sprint(len(mail.Raw), " of ", mail.Size)
		if mail.Err != nil {
			text = mail.Err.Error()
		}
		got[mail.Key] = text
	}
	want := map[string]string{"new/1.good": "4 of 4", "new/3.link": "it is a symbolic link, and none is followed", "new/4.folder": "it is a folder",
		"new/5.pipe": "it is no file", "new/6.loop": "it is a symbolic link, and none is followed", "new/8.huge": "1048576 of 1048581", "new/9.empty": "0 of 0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := m.Settle(t.Context(), []Mail{{Key: "new/2.gone"}, first[0]}, false); err != nil {
		t.Errorf("settle what has vanished: %v", err)
	}
	if !slices.Contains(m.files(t), "cur/1.good:2,S") {
		t.Errorf("not settled beside one that has vanished: %q", m.files(t))
	}
}

// TestMaildirOverwritesNothing settles messages whose names are taken where they go.
func TestMaildirOverwritesNothing(t *testing.T) {
	m := newMaildir(t, map[string]string{"new/1.a": "new", "cur/1.a:2,S": "old", "cur/1.a,1:2,S": "older"})
	mails := round(t, m, 9)
	if err := m.Settle(t.Context(), mails, false); err != nil {
		t.Fatal(err)
	}
	m.put(t, "new/1.a", "newer")
	for range 2 {
		if err := m.Settle(t.Context(), round(t, m, 9), true); err != nil {
			t.Fatal(err)
		}
		m.put(t, "new/1.a", "newest")
	}
	var texts []string
	for _, name := range m.files(t) {
		b, err := os.ReadFile(filepath.Join(m.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > 0 {
			texts = append(texts, string(b))
		}
	}
	slices.Sort(texts)
	if want := []string{"new", "newer", "newest", "newest", "old", "older"}; !slices.Equal(texts, want) {
		t.Errorf("got %q in %q", texts, m.files(t))
	}
}

func TestMaildirMissing(t *testing.T) {
	empty := t.TempDir()
	for dir, want := range map[string]string{
		filepath.Join(empty, "none"): "list maildir " + empty + "/none: none: no such file or directory",
		empty:                        "list maildir " + empty + ": it is no Maildir, for it has no folder new; make it with: mkdir -p " + empty + "/new " + empty + "/cur " + empty + "/tmp",
	} {
		m := &Maildir{Dir: dir}
		if _, err := m.Fetch(t.Context(), 1); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestMaildirCannotMove: a message that cannot be moved does not stop the others, and is named.
func TestMaildirCannotMove(t *testing.T) {
	m := newMaildir(t, map[string]string{"new/1.a": "a", "new/2.b": "b"})
	mails := append([]Mail{{Key: "new/" + strings.Repeat("x", 252)}}, round(t, m, 9)...)
	m.put(t, mails[0].Key, "its name is too long with flags")
	err := m.Settle(t.Context(), mails, false)
	if !errors.Is(err, syscall.ENAMETOOLONG) || !strings.HasPrefix(err.Error(), "move new/xxx") {
		t.Errorf("got %v", err)
	}
	if got := m.files(t); !slices.Contains(got, "cur/1.a:2,S") || !slices.Contains(got, "cur/2.b:2,S") || len(got) != 3 {
		t.Errorf("got %q", got)
	}
}

// TestMaildirManyFiles fetches and settles more files than are kept in mind, oldest first and each
// once, without memory or time that grow with the square of their number.
func TestMaildirManyFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("makes many files: not with -short")
	}
	m := newMaildir(t, nil)
	const n = 2*mostPending + 500
	for i := range n {
		m.put(t, fmt.Sprintf("new/%d.M%06dP1.host", 1700000000+i%1000, i/1000), "")
	}
	listings, last := 0, entry{}
	for count := 0; ; {
		if len(m.pending) == 0 {
			listings++
		}
		mails := fetch(t, m, 100)
		if len(mails) == 0 {
			if count != n || listings > 4 {
				t.Errorf("%d of %d fetched with %d listings", count, n, listings)
			}
			break
		}
		for i, mail := range mails {
			e := entry{timeOf(filepath.Base(mail.Key)), mail.Key}
			if e.compare(last) <= 0 {
				t.Fatalf("%s comes after %s", e.name, last.name)
			}
			last = e
			if i%2 == 0 { // what stays does not come again in this round
				if err := m.Settle(t.Context(), mails[i:i+1], i%4 == 0); err != nil {
					t.Fatal(err)
				}
			}
		}
		count += len(mails)
	}
}

// TestFetchSize bounds what large messages take.
func TestFetchSize(t *testing.T) {
	m := newMaildir(t, nil)
	large := string(bytes.Repeat([]byte("x"), MaxSize))
	for i := range 10 {
		m.put(t, fmt.Sprintf("new/%d.a", i), large)
	}
	sizes := []int{}
	for {
		mails := fetch(t, m, 100)
		if len(mails) == 0 {
			break
		}
		sizes = append(sizes, len(mails))
	}
	if !slices.Equal(sizes, []int{4, 4, 2}) {
		t.Errorf("fetched %v at a time", sizes)
	}
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"1700000001.M999999P1.host:2,S", "1.M", "99999999999.M9999999", "x.y", ".", "1.M00000000000", ":2,", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if at := timeOf(name); at < 0 || at >= 1e17 {
			t.Errorf("%q is of %d", name, at)
		}
		_, flags, _ := strings.Cut(name, ":2,")
		if with := "x:2," + withSeen(flags); !settled(with) || withSeen(withSeen(flags)) != withSeen(flags) {
			t.Errorf("%q: %q", name, with)
		}
	})
}
