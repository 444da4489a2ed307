package schedule

import (
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// intake reads where mail comes in; n is nil if the file does not say.
func (r *reader) intake(n ast.Node, c *Config) (i Intake) {
	if n == nil {
		return i
	}
	before := len(r.problems)
	t, ok := r.table(n, "intake", "maildir", "pipe", "imap", "replies", "forward_to")
	if !ok {
		return i
	}
	r.marks["intake"] = where(n)
	i.Pipe, i.Replies = t.flag("pipe"), t.flag("replies")
	if _, isText := textOf(t.values["maildir"]); isText {
		i.Maildir = []string{t.text("maildir")}
	} else {
		i.Maildir, _ = t.texts("maildir", "folders such as /var/mail/bounces")
	}
	if n := t.values["imap"]; n != nil {
		i.IMAP = t.imap(n)
	}
	i.Forward = c.Publication.ReplyTo
	if t.has("forward_to") {
		_, i.Forward = t.mailbox("forward_to")
		if own := ownBox(i.Forward, c.Publication.From); own != "" {
			t.bad("forward_to", "forward_to: mail to %s comes back to the intake: %s+TOKEN@ is an address of its own; name one that people read",
				clip(i.Forward), own)
		}
	}
	if !i.On() && len(r.problems) == before { // else the one that is wrong may be the one that is needed
		t.wrong(where(n), "intake: it needs maildir, imap or pipe; write e.g. intake: {maildir: /var/mail/bounces}")
	}
	return i
}

// ownBox is the box (bounce, unsub, reply) of ours that an address belongs to at the domain of from,
// with or without a token; "" if it is another's.
func ownBox(address, from string) string {
	local, domain, _ := strings.Cut(strings.ToLower(address), "@")
	if _, ours, _ := strings.Cut(strings.ToLower(from), "@"); domain == "" || domain != ours {
		return ""
	}
	box, _, _ := strings.Cut(local, "+")
	if slices.Contains([]string{"bounce", "unsub", "reply"}, box) {
		return box
	}
	return ""
}

// imap reads a mailbox on a server.
func (t *table) imap(n ast.Node) *IMAP {
	y, ok := t.table(n, "intake: imap", "host", "port", "tls", "mailbox", "every")
	if !ok {
		return nil
	}
	m := &IMAP{TLS: y.choice("tls", "implicit", "starttls", "none"), Port: y.whole("port", 0, 1, 65535), Mailbox: "INBOX", Every: 30 * time.Second}
	if y.need("host", "host: imap.example.org") {
		m.Host = y.text("host")
	}
	preset(&m.TLS, "implicit")
	preset(&m.Port, map[string]int{"implicit": 993}[m.TLS])
	preset(&m.Port, 143)
	switch {
	case m.Host == "":
	case hostProblem(m.Host) != "":
		y.bad("host", "host %q %s", clip(m.Host), hostProblem(m.Host))
	case m.TLS == "none" && !Loopback(m.Host):
		y.bad("tls", "tls: none is for a server on this machine (localhost, 127.0.0.1, ::1), and host is %q", clip(m.Host))
	}
	if y.has("mailbox") {
		m.Mailbox = y.text("mailbox")
	}
	if y.has("every") {
		m.Every = y.span("every", 5*time.Second, "30s")
	}
	return m
}

// IntakeSecrets fills in user and password of the mailbox and says which are missing; commands that
// look into it call it before they share the configuration.
func (c *Config) IntakeSecrets(getenv func(string) string) error {
	if wrong := c.intakeSecrets(getenv); len(wrong) > 0 {
		return wrong
	}
	return nil
}

func (c *Config) intakeSecrets(getenv func(string) string) (wrong Error) {
	m := c.Intake.IMAP
	if m == nil {
		return nil
	}
	var messages []string
	if m.User = getenv("BROADSHEET_IMAP_USER"); m.User == "" {
		messages = append(messages, "BROADSHEET_IMAP_USER is not set in the environment; set it to the mailbox's user")
	}
	password, message := secret(getenv, "BROADSHEET_IMAP_PASSWORD", "")
	if m.Password = password; message != "" {
		messages = append(messages, message)
	}
	for _, message := range messages {
		wrong = append(wrong, c.problem("intake", "intake: imap: %s", message))
	}
	return wrong
}
