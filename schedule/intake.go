package schedule

import (
	"fmt"
	"regexp"
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
	}
	if !i.On() && len(r.problems) == before { // else the one that is wrong may be the one that is needed
		t.wrong(where(n), "intake: it needs maildir, imap or pipe; write e.g. intake: {maildir: /var/mail/bounces}")
	}
	return i
}

// imap reads a mailbox on a server.
func (t *table) imap(n ast.Node) *IMAP {
	y, ok := t.table(n, "intake: imap", "host", "port", "tls", "mailbox", "every")
	if !ok {
		return nil
	}
	m := &IMAP{TLS: y.choice("tls", "implicit", "starttls", "none"), Port: y.whole("port", 0, 1, 65535), Mailbox: "INBOX", Every: time.Minute}
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
		m.Every = y.span("every", 5*time.Second, "1m")
	}
	return m
}

// events reads how a relay's provider reports.
func (t *table) events(n ast.Node) *Events {
	y, ok := t.table(n, t.name+": events", "provider", "topic")
	if !ok {
		return nil
	}
	if !y.need("provider", "provider: ses") {
		return nil
	}
	before := len(t.problems)
	e := &Events{Provider: y.choice("provider", "ses", "postmark", "mailgun")}
	switch {
	case len(t.problems) > before: // whether it has a topic is not known
	case e.Provider == "ses" && y.need("topic", "topic: arn:aws:sns:eu-west-1:123456789012:mail"):
		if e.Topic = y.text("topic"); e.Topic != "" && !topicName.MatchString(e.Topic) {
			y.bad("topic", "topic %q is not the ARN of an SNS topic, such as arn:aws:sns:eu-west-1:123456789012:mail", clip(e.Topic))
		}
	case e.Provider != "ses" && y.has("topic"):
		y.bad("topic", "topic is for provider ses alone; leave it away")
	}
	return e
}

// topicName is how SNS names a topic: partition, region, account, name.
var topicName = regexp.MustCompile(`^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?$`)

// eventVariable names the secret of the relay's events in the environment.
func (y Relay) eventVariable() string { return "BROADSHEET_EVENTS_" + y.inCapitals() }

// eventSecret fills in what the provider's events are known by. SES signs with a key that anybody
// can look up, and has none.
func (y *Relay) eventSecret(getenv func(string) string) (wrong []string) {
	if y.Events.Provider == "ses" {
		return nil
	}
	value, message := secret(getenv, y.eventVariable(), "leave events away")
	if user, password, ok := strings.Cut(value, ":"); y.Events.Provider == "postmark" && message == "" && (!ok || user == "" || password == "") {
		value, message = "", fmt.Sprintf("%s must be USER:PASSWORD, as they stand in the address that Postmark posts to", y.eventVariable())
	}
	if y.Events.Secret = value; message != "" {
		wrong = append(wrong, message)
	}
	return wrong
}
