package intake

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"broadsheet/mailer"
	"broadsheet/mailer/inbox"
	"broadsheet/mailer/report"
	"broadsheet/subscribers"
)

// readers is how many goroutines read messages.
const readers = 2

// KeptRaw is how many octets of a message go on record.
const KeptRaw = 64 << 10

// mostEvents is how many pieces of news of one message count: our mails have one recipient, and
// what an address stands for is seldom more than a few.
const mostEvents = 20

// letter is a message on its way on record.
type letter struct {
	mail *inbox.Mail
	Entry
	report report.Report
	to     address      // the first of our addresses that it came to with a token of its own box
	unsub  bool         // it came to the address for leaving, with or without a token
	was    mailer.Class // what it was taken for, if it is on record and read once more
}

// address is one of ours.
type address struct {
	box subscribers.Box
	of  Of
	ok  bool
}

// open reads messages.
func (c *Clerk) open(source string, mails []inbox.Mail) []letter {
	letters := make([]letter, len(mails))
	var wg sync.WaitGroup
	for worker := range min(readers, len(mails)) {
		wg.Go(func() {
			for n := worker; n < len(mails); n += readers {
				letters[n].mail = &mails[n]
				if mails[n].Err == nil {
					c.read(&letters[n], source)
				}
			}
		})
	}
	wg.Wait()
	return letters
}

// read reads a message. Whatever is wrong with it is its own affair, a panic of its reader too.
func (c *Clerk) read(l *letter, source string) {
	m := l.mail
	l.Entry = Entry{Source: kindOf(source), Key: placeOf(source, m.Key), At: m.At, To: m.Recipient, Class: mailer.NoBounce,
		Raw: m.Raw[:min(len(m.Raw), KeptRaw)], Cut: m.Size > KeptRaw}
	if now := c.Now(); l.At.IsZero() || l.At.After(now) {
		l.At = now
	}
	defer func() {
		if v := recover(); v != nil {
			l.report = report.Report{}
			l.setAside(fmt.Errorf("it cannot be read: %v", v))
			l.Hash = hashOf(m.Raw, Of{})
		}
	}()
	l.report = report.Read(m.Raw)
	r := &l.report
	if l.To == "" && len(r.To) > 0 {
		l.To = r.To[0]
	}
	l.From, l.Subject, l.Class = r.From, r.Subject, r.Class
	c.addressed(l)
	l.Hash = hashOf(m.Raw, l.Of)
}

// addressed finds out to which of our addresses a message came, and whose mail it is about: by the
// token of the address first, then by those that the message brings back. A token is good for what
// its box is for. What is said of a mail's way, or in complaint of it, counts by the token of its
// envelope sender, which servers see and those who get the mail, and nobody else; a complaint also
// by that of List-Unsubscribe, which is all that some providers leave of a mail. The token of an
// answer's address stands in every answer, for all to read: it says whose answer it is, no more.
func (c *Clerk) addressed(l *letter) {
	var sender Of // by a token of Bounces
	for _, a := range append([]string{l.mail.Recipient}, l.report.To...) {
		local, _, _ := strings.Cut(a, "@")
		name, token, _ := strings.Cut(local, "+")
		if at := strings.LastIndexByte(name, '='); at >= 0 { // servers on the way may put something before a sender: prvs=x=bounce+…
			name = name[at+1:]
		}
		l.unsub = l.unsub || strings.EqualFold(name, subscribers.Leaves.Name())
		box, of, ok := c.token(token)
		if !ok || !strings.EqualFold(name, box.Name()) {
			continue
		}
		if !l.to.ok {
			l.to = address{box, of, true}
		}
		if box == subscribers.Bounces && sender == (Of{}) {
			sender = of
		}
	}
	complaint := l.Class == mailer.Complained || l.Class == mailer.OptedOut
	switch {
	case l.leaves(), l.to.ok && !complaint && !aboutWay(l.Class): // or a person's, or a machine's answer
		l.Of = l.to.of
		return
	case l.Class == mailer.OptedOut && hasField(l.Raw, "X-Apple-Unsubscribe"): // to another box than such wishes go to
		return
	}
	l.Of = sender
	for _, name := range l.report.Names {
		if l.Of != (Of{}) {
			return
		}
		box, of, ok := c.token(name.Token)
		if ok && (box == subscribers.Bounces && name.Place != report.InAddress ||
			complaint && box == subscribers.Leaves && name.Place == report.InUnsubscribe) {
			l.Of = of
		}
	}
}

// aboutWay says of a class whether such news are about a mail's way.
func aboutWay(c mailer.Class) bool { return c.Bounce() || c == mailer.Put || c == mailer.Arrived }

// token opens one.
func (c *Clerk) token(token string) (box subscribers.Box, of Of, ok bool) {
	if token == "" {
		return 0, of, false
	}
	box, edition, wall, subscriber, ok := c.Keys.OpenBox(token)
	return box, Of{edition, wall, subscriber}, ok
}

func (l *letter) setAside(err error) {
	if l.Aside == "" {
		l.Aside = err.Error()
	}
}

// news are the events of a report. sure says that a token names the mail.
func (l *letter) news(sure bool) {
	list := l.report.News
	if len(list) == 0 {
		list = []mailer.News{{Class: l.Class}}
	}
	for _, n := range list[:min(len(list), mostEvents)] {
		e := Event{News: n, Source: l.Source, Sure: sure}
		if sure {
			e.Of = l.Of
		}
		if e.At.IsZero() || e.At.After(l.At) || e.At.Before(l.At.Add(-oldest)) {
			e.At = l.At
		}
		l.Events = append(l.Events, e)
	}
}

// oldest is how long before it came a report's news may be by its own word.
const oldest = 30 * 24 * time.Hour
