package inbox

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

func TestMaildirCheck(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "back")
	m := &Maildir{Dir: dir}
	wants := func(text string) {
		t.Helper()
		err := m.Check(t.Context())
		if text == "" && err != nil || text != "" && (err == nil || !strings.Contains(err.Error(), text)) {
			t.Errorf("got %v, want %q", err, text)
		}
	}
	wants("has no folder new; the mail server makes it with the first message, or: mkdir -p " + dir)
	for _, folder := range []string{"new", "cur"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	wants("")
	if err := os.WriteFile(filepath.Join(dir, "new", "1.a"), []byte("Subject: a\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wants("")
	for folder, want := range map[string]int{"new": 1, "cur": 0} {
		if list, err := os.ReadDir(filepath.Join(dir, folder)); err != nil || len(list) != want {
			t.Errorf("%s holds %v, %v", folder, list, err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "new", "1.a")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/nowhere", filepath.Join(dir, "new", "link")); err != nil {
		t.Fatal(err)
	}
	wants("read new/link in maildir " + dir + ": it is a symbolic link")
	m.Dir = filepath.Join(dir, "new", "link")
	wants("has no folder new")
	m.Dir = filepath.Join(dir, "file")
	if err := os.WriteFile(m.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wants("maildir " + m.Dir + " is a file; a Maildir is a folder")
}

func TestIMAPCheck(t *testing.T) {
	s, m := startIMAP(t, "implicit", imap.CapMove)
	s.put("one")
	if err := m.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if got := subjects(round(t, m, 10)); len(got) != 1 {
		t.Errorf("after it there is %q", got)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	m.Password = "wrong"
	if err := m.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "log in") {
		t.Errorf("with a wrong password: %v", err)
	}
	m.Password, m.Mailbox = "pass word", "Elsewhere"
	if err := m.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "open mailbox") {
		t.Errorf("with another mailbox: %v", err)
	}
}

// TestIMAPWords: what a server says goes to terminals and logs, and silence is told in words.
func TestIMAPWords(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for greeting := "* BYE go \x1b[31maway\x07\r\n"; ; greeting = "" {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			if _, err := io.WriteString(c, greeting); err != nil {
				t.Error(err)
			}
		}
	}()
	m := &IMAP{Host: "127.0.0.1", Port: port(l), TLS: "none", Mailbox: "INBOX"}
	if err := m.Check(t.Context()); err == nil || strings.ContainsAny(err.Error(), "\x1b\x07") || !strings.Contains(err.Error(), "[31maway") {
		t.Errorf("got %q", err)
	}
	m.Timeout = 20 * time.Millisecond
	err = m.Check(t.Context())
	if want := "open " + m.Name() + ": the server did not answer in time"; err == nil || err.Error() != want || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %s", err, want)
	}
}
