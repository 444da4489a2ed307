package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"broadsheet/mailer"
	"broadsheet/subscribers"
)

// Kinds of tasks for a person.
const (
	TaskLeave     = "leave"     // somebody asks to leave, and no token says that it is the reader
	TaskComplaint = "complaint" // a complaint that names no mail of ours
)

// lookBack is how many of a reader's mails are looked at for the one that an answer is to.
const lookBack = 200

// decide says what follows from a message, and has the reader leave who asks to. An error is the
// database's: nothing is decided.
func (c *Clerk) decide(ctx context.Context, l *letter) error {
	if l.Aside != "" { // it cannot be read
		return nil
	}
	r := &l.report
	known := l.Of != (Of{})
	switch {
	case l.leaves():
		return c.leave(ctx, l)
	case r.Class == mailer.Complained || r.Class == mailer.OptedOut:
		l.news(known)
		if !known {
			l.Task = TaskComplaint
			if r.Class == mailer.OptedOut {
				l.Task = TaskLeave
			}
		}
		return nil
	case aboutWay(r.Class):
		l.news(known)
		return nil
	case r.Class == mailer.AutoReply:
		if known { // to be seen beside the mail, no more
			l.news(true)
		}
		return nil
	}
	return c.written(ctx, l, known)
}

// leaves says whether a message takes its reader off: one to an address for leaving, with the right
// token, that asks for it.
func (l *letter) leaves() bool {
	return l.to.ok && l.to.box == subscribers.Leaves && l.asksToLeave()
}

// asksToLeave says whether a message to an address for leaving, with the right token, asks for it.
// It does whatever it says and whoever sent it, unless a machine answers there. Answers go to the
// return path (RFC 3834 section 4), so that those are few; but mail programs that leave for their
// users may call themselves machines: Apple's says Auto-Submitted: auto-replied (and
// X-Apple-Unsubscribe), with a subject that is empty or "unsubscribe". An answer has the subject of
// what it answers, or refers to it.
func (l *letter) asksToLeave() bool {
	r := &l.report
	switch {
	case aboutWay(r.Class), r.Class == mailer.Complained:
		return false
	case r.Class == mailer.AutoReply:
		subject := strings.ToLower(strings.TrimSpace(r.Subject))
		return hasField(l.Raw, "X-Apple-Unsubscribe") || len(r.Refers) == 0 && (subject == "" || strings.HasPrefix(subject, "unsubscribe"))
	}
	return true
}

// leave has a reader leave the edition of the mail, or everything, unless the message is on record
// already: who has come back since does not leave by a copy of an old wish.
func (c *Clerk) leave(ctx context.Context, l *letter) error {
	l.Class = mailer.OptedOut
	switch l.was {
	case mailer.OptedOut:
		return nil
	case "":
		if again, err := c.Record.OnRecord(ctx, l.Hash); err != nil || again {
			return err
		}
	}
	name := ""
	if !c.LeaveAll {
		var err error
		if name, err = c.Readers.EditionName(ctx, l.Of.Edition); err != nil && !errors.Is(err, subscribers.ErrNotFound) {
			return err
		}
	}
	var edited subscribers.Edited
	var err error
	if name == "" {
		edited, err = c.Readers.LeaveAll(ctx, l.Of.Subscriber, "reader", "", c.Now())
		name = "everything"
	} else {
		edited, err = c.Readers.EditReader(ctx, l.Of.Subscriber, subscribers.Edit{By: "reader", Leave: true,
			Do: func(s *subscribers.Settings) error { s.LeaveEdition(name); return nil }}, c.Now())
	}
	switch {
	case errors.Is(err, subscribers.ErrNotFound):
		l.Done = "the reader is gone"
	case err != nil && c.Later(err):
		return err
	case err != nil: // a person has to do it
		l.Task = TaskLeave
		l.setAside(fmt.Errorf("it asks to leave %s: %w", name, err))
	case edited.Changed:
		l.Done = "left " + name
	default:
		l.Done = "had left " + name + " before"
	}
	return nil
}

// written deals with what a person wrote, or nobody we know of.
func (c *Clerk) written(ctx context.Context, l *letter, known bool) error {
	r := &l.report
	sender := int64(0)
	if r.From != "" {
		s, err := c.Readers.Subscriber(ctx, r.From)
		if err != nil && !errors.Is(err, subscribers.ErrNotFound) {
			return err
		}
		if s != nil {
			sender = s.ID
		}
	}
	if !known && sender > 0 {
		var err error
		if l.Of, err = c.answered(ctx, sender, r.Refers); err != nil {
			return err
		}
		if known = l.Of != (Of{}); !known {
			l.Writer = sender
		}
	}
	ours := known || sender > 0
	switch {
	case (l.unsub && !l.to.ok || r.Leave) && ours:
		l.Task = TaskLeave
		l.Forward = r.Class == mailer.Answer
	case l.unsub && !l.to.ok:
		l.Aside = "it came to the address for leaving without a token, and no reader has the sender's address"
	case r.Class == mailer.Answer && ours:
		l.Forward = true
	case r.Class == mailer.Answer && c.refersToOurs(r.Refers): // anybody can write such a line
		l.Aside = "an answer to a mail of ours, by its own word, from nobody we know"
	case r.Class == mailer.Answer:
		l.Aside = "an answer, but to no mail of ours, from nobody we know"
	case known:
		l.Aside = "it is neither a report nor an answer"
	default:
		l.Aside = "it is neither a report nor an answer, and names no mail of ours"
	}
	return nil
}

// answered finds which of a reader's mails has one of those message ids, which are made with the key:
// who knows one has seen the mail, or an answer to it.
func (c *Clerk) answered(ctx context.Context, subscriber int64, refers []string) (Of, error) {
	if !c.refersToOurs(refers) {
		return Of{}, nil
	}
	sent, err := c.Record.SentTo(ctx, subscriber, lookBack)
	if err != nil {
		return Of{}, err
	}
	for i := range sent {
		id := c.Keys.MessageID(sent[i].EditionName, sent[i].Slot, subscriber)
		for _, ref := range refers {
			if left, _, _ := strings.Cut(ref, "@"); strings.EqualFold(strings.TrimPrefix(left, "<"), id) {
				return sent[i].Of, nil
			}
		}
	}
	return Of{}, nil
}

// refersToOurs reports whether any of the message ids may be one of ours.
func (c *Clerk) refersToOurs(refers []string) bool {
	for _, ref := range refers {
		if _, domain, ok := strings.Cut(strings.Trim(ref, "<>"), "@"); ok && strings.EqualFold(domain, c.Domain) {
			return true
		}
	}
	return false
}
