package schedule

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestIntake(t *testing.T) {
	for text, want := range map[string]Intake{
		"":                                {},
		"intake: {maildir: mail/bounces}": {Maildir: []string{"mail/bounces"}, Forward: "answers@harbour.example"},
		"intake: {maildir: [/a, b], pipe: true, replies: true, forward_to: Desk <desk@harbour.example>}": {Maildir: []string{"/a", "b"}, Pipe: true,
			Replies: true, Forward: "desk@harbour.example"},
		"intake: {pipe: true, forward_to: replying@harbour.example}": {Pipe: true, Forward: "replying@harbour.example"},
		"intake: {pipe: true, forward_to: reply@quay.example}":       {Pipe: true, Forward: "reply@quay.example"},
		"intake: {imap: {host: imap.harbour.example}}": {Forward: "answers@harbour.example",
			IMAP: &IMAP{Host: "imap.harbour.example", Port: 993, TLS: "implicit", Mailbox: "INBOX", Every: 30 * time.Second}},
		"intake: {imap: {host: localhost, tls: none, mailbox: Bounces, every: 1m}}": {Forward: "answers@harbour.example",
			IMAP: &IMAP{Host: "localhost", Port: 143, TLS: "none", Mailbox: "Bounces", Every: time.Minute}},
	} {
		c := readConfig(t, strings.Replace(least, "  postal_address: |", "  reply_to: answers@harbour.example\n  postal_address: |", 1)+"\n"+text+"\n")
		if diff := cmp.Diff(want, c.Intake); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	for text, want := range map[string]string{
		"intake: {}":                            "it needs maildir, imap or pipe",
		"intake: {replies: true}":               "it needs maildir, imap or pipe",
		"intake: {imap: {port: 1}}":             "host",
		"intake: {imap: {host: x, tls: none}}":  "tls: none is for a server on this machine",
		"intake: {imap: {host: x, every: 1s}}":  "every",
		"intake: {maildir: /a, forward_to: no}": "forward_to",

		"intake: {maildir: /a, forward_to: bounce@HARBOUR.example}":         "comes back to the intake",
		"intake: {maildir: /a, forward_to: Unsub@harbour.example}":          "comes back to the intake",
		"intake: {maildir: /a, forward_to: reply+aia4byug@harbour.example}": "comes back to the intake",
	} {
		if _, err := Parse("x.yaml", []byte(least+"\n"+text+"\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

func TestIntakeSecrets(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	if err := os.WriteFile(path, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := least + "\nintake:\n  imap: {host: imap.harbour.example}\n"
	const v = "BROADSHEET_IMAP_"
	for name, c := range map[string]struct {
		env      map[string]string
		password string
		wrong    []string
	}{
		"password": {map[string]string{v + "USER": "u", v + "PASSWORD": "p"}, "p", nil},
		"file":     {map[string]string{v + "USER": "u", v + "PASSWORD_FILE": path}, "s3cret", nil},
		"none":     {nil, "", []string{v + "USER is not set", v + "PASSWORD (or " + v + "PASSWORD_FILE) is not set in the environment; set it"}},
		"both":     {map[string]string{v + "USER": "u", v + "PASSWORD": "p", v + "PASSWORD_FILE": path}, "", []string{"both set"}},
	} {
		config, err := Parse("x.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		err = config.IntakeSecrets(func(key string) string { return c.env[key] })
		problems, _ := errors.AsType[Error](err)
		if len(problems) != len(c.wrong) || config.Intake.IMAP.Password != c.password {
			t.Fatalf("%s: got %v and %q", name, err, config.Intake.IMAP.Password)
		}
		for i, p := range problems {
			if !strings.Contains(p.Message, c.wrong[i]) || p.Line != strings.Count(text, "\n") {
				t.Errorf("%s: got %s", name, p)
			}
		}
	}
	if err := readConfig(t, least).IntakeSecrets(func(string) string { return "" }); err != nil {
		t.Errorf("without a mailbox none are needed: %v", err)
	}
}

// TestShippedWayBack reads what the shipped file shows behind # of what comes back, as an operator
// who takes the # away gets it.
func TestShippedWayBack(t *testing.T) {
	b, err := os.ReadFile("../schedule.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	shown := false
	for line := range strings.Lines(string(b)) {
		text := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(text, "# intake:"), strings.HasPrefix(text, "# log:"), strings.HasPrefix(text, "# events:"):
			shown = true
		case !strings.HasPrefix(text, "#   "):
			shown = false
		}
		if shown {
			line = strings.Replace(line, "# ", "", 1)
		}
		lines = append(lines, line)
	}
	c, err := Parse("schedule.yaml", []byte(strings.Join(lines, "")))
	if err != nil {
		t.Fatal(err)
	}
	want := Intake{Maildir: []string{"/var/mail/bounces"}, Pipe: true, Replies: true, Forward: "editors@meridian-courier.example",
		IMAP: &IMAP{Host: "imap.meridian-courier.example", Port: 993, TLS: "implicit", Mailbox: "INBOX", Every: 30 * time.Second}}
	if diff := cmp.Diff(want, c.Intake); diff != "" {
		t.Error(diff)
	}
	if r := c.Relays[0]; r.Log != "/var/log/mail.log" || r.Events == nil || r.Events.Provider != "ses" || r.Events.Topic == "" {
		t.Errorf("got %+v", r)
	}
}
