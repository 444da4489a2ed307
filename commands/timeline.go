package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"broadsheet/mailer"
	"broadsheet/store"
)

// timeline is what happened to a mail, in that order.
type timeline []moment

// moment is one thing that happened to it.
type moment struct {
	at     time.Time
	what   string       // written, deferred, taken, delayed, delivered, bounced, complaint, …: states' words where there is one
	by     string       // who said so: a relay or a server behind it; "" = we
	domain string       // whose server that is, "" = not known
	class  mailer.Class // of a bounce
	reply  mailer.Reply
	reason string
	source string // how it is known what came after the relay: maildir, imap, pipe, log, or a provider; "" = first hand
}

// lifeOf puts together what is on record of a delivery.
func lifeOf(ctx context.Context, db *store.DB, d *store.DeliveryRow) (timeline, error) {
	i, err := db.Issue(ctx, d.Issue)
	if err != nil {
		return nil, err
	}
	tries, err := db.Attempts(ctx, d.ID())
	if err != nil {
		return nil, err
	}
	life := timeline{{at: i.Opened, what: "written"}}
	taken, told := false, false // that the relay took it, and the state at the end, are among them
	for _, a := range tries {
		m := moment{at: a.At, what: string(a.State), by: a.Relay, reply: a.Reply, reason: a.Reason}
		if a.State == mailer.Accepted {
			m.what, taken = "taken", true
		}
		life = append(life, m)
		told = told || a.State == d.State && a.At.Equal(d.At)
	}
	at := d.Taken
	if d.State == mailer.Accepted {
		at = d.At
	}
	switch {
	case !at.IsZero() && !taken:
		m := moment{at: at, what: "taken", by: d.Relay}
		if d.State == mailer.Accepted { // else its reply has made room for what came after
			m.reply = d.Reply
		}
		life = append(life, m)
	case d.State.Taken(), d.State == mailer.Queued, d.State == mailer.Sending, d.State == mailer.Deferred, told:
	default:
		life = append(life, moment{at: d.At, what: string(d.State), by: d.Relay, reply: d.Reply, reason: d.Reason})
	}
	events, err := db.Events(ctx, d.ID())
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		life = append(life, momentOf(&e, d))
	}
	slices.SortStableFunc(life, func(a, b moment) int { return a.at.Compare(b.at) })
	return life, nil
}

// momentOf is a piece of news in the life of a mail.
func momentOf(e *store.EventRow, d *store.DeliveryRow) moment {
	m := moment{at: e.At, what: string(e.Class), by: e.Host, domain: domainOf(d.Address), reason: e.Reason, source: e.Source,
		reply: mailer.Reply{Code: e.Code, Enhanced: e.Status, Text: e.Text}}
	if e.Class.Bounce() {
		m.what = string(mailer.Bounced)
		m.class = e.Class
	}
	if !e.Sure {
		m.reason = strings.TrimPrefix(m.reason+", by the address alone", ", ")
	}
	return m
}

// String is the timeline in a line: "taken 07:00:12, delayed twice by gmail.com, delivered 07:31:40".
// Times are UTC.
func (l timeline) String() string {
	var parts []string
	for n := 0; n < len(l); n++ {
		m, times := l[n], 1
		if m.what == "written" {
			continue
		}
		for n+1 < len(l) && l[n+1].what == m.what && l[n+1].whose() == m.whose() {
			n++
			times++
		}
		part := m.what
		switch by := m.whose(); {
		case times > 1:
			part += " " + often(times)
			if by != "" {
				part += " by " + by
			}
		case m.what == string(mailer.Deferred) || m.what == string(mailer.Delayed):
			if by != "" {
				part += " by " + by
			}
			part += " " + m.at.UTC().Format(time.TimeOnly)
		default:
			part += " " + m.at.UTC().Format(time.TimeOnly)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// whose names who said it as briefly as is known.
func (m *moment) whose() string {
	if m.domain != "" {
		return m.domain
	}
	return m.by
}

func often(n int) string {
	if n == 2 {
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// momentJSON is a moment as --json prints it.
type momentJSON struct {
	At       *string       `json:"at"`
	Event    string        `json:"event"`
	Class    *mailer.Class `json:"class"` // of a bounce
	By       *string       `json:"by"`
	Code     *int          `json:"code"`
	Enhanced *string       `json:"enhanced"`
	Text     *string       `json:"text"`
	Reason   *string       `json:"reason"`
	Source   *string       `json:"source"`
}

func (l timeline) json() []momentJSON {
	list := []momentJSON{}
	for _, m := range l {
		list = append(list, momentJSON{stamp(m.at), m.what, present(m.class), text(m.by), present(m.reply.Code), text(m.reply.Enhanced), text(m.reply.Text), text(m.reason), text(m.source)})
	}
	return list
}

// printLife prints a timeline as a table, and beneath it in a line.
func (p *program) printLife(l timeline) error {
	t := p.table("AT (UTC)", "WHAT", "BY", "REPLY", "REASON", "KNOWN BY")
	for _, m := range l {
		what := m.what
		if m.class != "" {
			what += ", " + string(m.class)
		}
		t.row(m.at.UTC().Format(time.DateTime), what, m.by, said(m.reply), m.reason, m.source)
	}
	if err := t.flush(); err != nil {
		return err
	}
	if line := l.String(); line != "" {
		fmt.Fprintf(p.stdout, "\n%s\n", printable(line))
	}
	return nil
}
