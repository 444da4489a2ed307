package maillog

import (
	"cmp"
	"strings"
	"time"

	"broadsheet/mailer"
)

// Entry is what a line of the log comes to: news of a mail (Class says which), or what helps to
// know it (Class is "").
type Entry struct {
	mailer.News
	Queue   string // id of the mail
	From    string // its envelope sender; it may be empty
	Told    bool   // the log has told From
	Next    string // the same server has put the mail in its queue once more under this id: it is on its way
	Removed bool   // it is out of the queue, and another may get its id
	Place   Place  // where the line begins
}

// Trace follows mails through the lines of a log, from id to id. One goroutine uses it.
type Trace struct {
	// Classify says what a server's words mean, as mailer/report does it. It gets all that stands in the
	// line, as a report of the same server would have it.
	Classify func(status string, code int, text string) (mailer.Class, string)
	Now      func() time.Time // the machine's clock
	Zone     *time.Location   // of stamps without a zone

	mails, before map[string]*mail // by id: those of late and those before
}

// mail is what lines have told of one.
type mail struct {
	from string
	told bool
	put  mailer.News // when it was last put off
}

// remembered is how many mails are remembered at least, and half of how many at most.
const remembered = 20_000

// Line takes in a line and returns what it comes to; ok is false if that is nothing.
func (t *Trace) Line(line []byte, at Place) (e Entry, ok bool) {
	l, ok := Parse(line, t.Now(), t.Zone)
	if !ok {
		return e, false
	}
	m := t.mail(l.Queue)
	if l.HasFrom {
		m.from, m.told = l.From, true
	}
	e = Entry{Queue: l.Queue, From: m.from, Told: m.told, Removed: l.Removed, Place: at, News: mailer.News{At: l.At}}
	if l.Removed {
		return e, true
	}
	host, code, text := said(l.Text)
	if l.Relay != "" && l.Relay != "none" {
		host = hostOf(l.Relay)
	}
	e.News = mailer.News{Recipient: l.To, Status: l.DSN, Code: code, Text: text, Host: host, At: l.At}
	switch {
	case l.Daemon == "qmgr" && l.Status == "expired":
		e.Class, e.Reason = mailer.Soft, "expired"
		e.Recipient, e.Status, e.Code, e.Host = m.put.Recipient, cmp.Or(m.put.Status, "4.4.7"), m.put.Code, m.put.Host
		e.Text = cmp.Or(m.put.Text, "expired, returned to sender")
	case l.Daemon == "qmgr" || l.To == "":
		return e, false
	case l.Status == "deferred":
		_, e.Reason = t.Classify(l.DSN, code, l.Text)
		e.Class = mailer.Put
		m.put = e.News
	case l.Status == "bounced":
		e.Class, e.Reason = t.Classify(l.DSN, code, l.Text) // with the command that was refused
	case l.Status == "sent":
		return t.sent(&l, e)
	default:
		return e, false
	}
	return e, true
}

// sent says what became of a mail that somebody took.
func (t *Trace) sent(l *Line, e Entry) (Entry, bool) {
	next := queuedAs(l.Text)
	switch {
	case l.Daemon == "discard" || l.Relay == "none" || l.Relay == "", strings.Contains(strings.ToLower(l.Text), "discard"):
		return e, false // thrown away, by us or by a filter: it has not arrived, nor does it come back
	case next != "" && next != l.Queue && (l.Daemon == "local" || t.knows(next)):
		e.News, e.Next = mailer.News{At: l.At}, next
		return e, true
	}
	e.Class = mailer.Arrived
	return e, true
}

// mail is what is remembered of one, from now on if it was not.
func (t *Trace) mail(id string) *mail {
	m := t.mails[id]
	if m != nil {
		return m
	}
	if m = t.before[id]; m == nil {
		m = &mail{}
	}
	if t.mails == nil || len(t.mails) >= remembered {
		t.before, t.mails = t.mails, make(map[string]*mail)
	}
	t.mails[id] = m
	return m
}

// knows reports whether a line of this log has told of an id.
func (t *Trace) knows(id string) bool { return t.mails[id] != nil || t.before[id] != nil }
