package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/mailer/report"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/subscribers"
)

// How answers are passed on to the publication.
const (
	forwardPoll = 2 * time.Second // how often answers are looked for
	forwardLife = 48 * time.Hour  // how long one is tried
	forwardTry  = 4 * time.Minute // the longest that one try takes; the store gives it ten
	forwardWait = time.Minute     // until the next try after a relay's own trouble
	forwardMark = "X-Broadsheet-Forward"
)

// forwardAnswers passes on the answers that are due. It returns the wait to the next look.
func (e *engine) forwardAnswers(ctx context.Context) time.Duration {
	if !e.cfg.Intake.On() {
		return wake
	}
	for ctx.Err() == nil {
		f, err := e.db.NextForward(ctx, e.now())
		if err != nil || f == nil {
			e.complain(ctx, "look for answers to forward", err)
			break
		}
		err = e.forwardOne(ctx, f)
		if errors.Is(err, errNotAdopted) { // the senders have said so
			return wake
		}
		if err != nil && !errors.Is(err, mailer.ErrLost) {
			e.complain(ctx, "forward answer", err)
			return wake // the database's trouble: the answer stays where it is
		}
	}
	return forwardPoll
}

// forwardOne passes an answer on, or writes down why not. That it leaves is on record before a relay
// sees any of it; a copy that nobody heard of again goes once more, with the same Message-ID.
func (e *engine) forwardOne(ctx context.Context, f *store.Forward) error {
	written := context.WithoutCancel(ctx) // what a relay said must not get lost
	r := report.Read(f.Raw)
	if why, end := e.keepBack(f, &r); why != "" {
		e.log.Warn("answer is not forwarded", slog.Int64("message", f.Inbound), slog.String("reason", why))
		return e.db.SettleForward(written, f, mailer.Outcome{State: end, Reason: why, Copies: f.Copies}, e.now())
	}
	relay, ok := e.forwardRelay(f.Attempts)
	if !ok {
		return e.db.SettleForward(written, f, mailer.Outcome{State: mailer.Failed, Reason: digest.ReasonNoRelay, Copies: f.Copies}, e.now())
	}
	if err := e.mayMail(ctx, relay.Host); err != nil {
		return err
	}
	if err := e.db.BeginForward(written, f, e.now()); err != nil {
		return err
	}
	err := e.sendForward(ctx, relay, f, &r)
	o := e.outcomeOf(mailer.Delivery{Attempts: f.Attempts, Copies: f.Copies, Ends: f.At.Add(forwardLife)}, err, forwardWait)
	if o.State == mailer.Accepted {
		e.log.Info("answer is forwarded", slog.Int64("message", f.Inbound), slog.String("relay", relay.Name), slog.String("to", e.cfg.Intake.Forward))
	} else {
		e.log.Warn("answer is not forwarded yet", slog.Int64("message", f.Inbound), slog.String("state", string(o.State)), slog.String("reason", o.Reason))
	}
	return e.db.SettleForward(written, f, o, e.now())
}

// keepBack says why an answer must not be passed on, and what it ends as; "" if it may. Whoever put it
// on record has looked already; this is what keeps mails from going round in circles. Of a long one the
// rest is gone by which it was seen that a person wrote it.
func (e *engine) keepBack(f *store.Forward, r *report.Report) (why string, end mailer.State) {
	m, err := mail.ReadMessage(bytes.NewReader(f.Raw))
	pub := &e.cfg.Publication
	domain := "@" + domainOf(pub.From)
	from := subscribers.Fold(r.From)
	switch {
	case len(f.Raw) == 0:
		return "the message is not kept any more", mailer.Failed
	case !e.cfg.MayGet(e.cfg.Intake.Forward):
		return "only_to does not name the publication's address", mailer.Failed
	case err == nil && m.Header.Get(forwardMark) != "":
		return "it was forwarded by us", store.Aside
	case slices.ContainsFunc([]string{pub.From, pub.ReplyTo, pub.NoticesFrom, e.cfg.Intake.Forward}, func(a string) bool { return a != "" && subscribers.Fold(a) == from }):
		return "it is from the publication's own address", store.Aside
	case strings.HasSuffix(from, domain) && slices.ContainsFunc([]subscribers.Box{subscribers.Bounces, subscribers.Leaves, subscribers.Answers},
		func(b subscribers.Box) bool { return strings.HasPrefix(from, b.Name()+"+") }):
		return "it is from one of our addresses", store.Aside
	case !f.Cut && r.Class != mailer.Answer && (r.Class != mailer.NoBounce || r.Text == ""):
		return "no person wrote it", mailer.Failed
	}
	return "", ""
}

// forwardRelay is the relay for the next try: the one that would carry mail to the publication's
// address, and after tries that failed the others in turn.
func (e *engine) forwardRelay(tries int) (r schedule.Relay, ok bool) {
	to := mailer.DomainOf(e.cfg.Intake.Forward)
	name, ok := e.routes.Day(digest.UTCDay(e.now()), nil).Assign(0, e.cfg.Intake.Forward)
	if !ok {
		return r, false
	}
	var list []schedule.Relay
	for _, r := range e.cfg.Relays {
		switch {
		case r.Name == name:
			list = slices.Insert(list, 0, r)
		case len(r.Domains) == 0 || slices.Contains(r.Domains, to):
			list = append(list, r)
		}
	}
	return list[tries%len(list)], true
}

// sendForward makes the mail and gives it to a relay. One that has no 8BITMIME gets it with the
// original wrapped up.
func (e *engine) sendForward(ctx context.Context, y schedule.Relay, f *store.Forward, r *report.Report) error {
	ctx, done := finishing(ctx)
	defer done()
	ctx, cancel := context.WithTimeout(ctx, forwardTry)
	defer cancel()
	relay := relayOf(e.cfg, y)
	relay.RootCAs = e.roots
	send := func(wrap bool) error {
		m, err := e.answerMail(f, r, wrap)
		if err != nil {
			return &mailer.Refused{Verb: mailer.Mail, Err: &mailer.Unsendable{Reason: "compose", Err: err}}
		}
		return e.sendSigned(ctx, y, relay, m, f.At)
	}
	err := send(false)
	if u, ok := errors.AsType[*mailer.Unsendable](err); ok && u.Reason == mailer.ReasonNo8Bit {
		err = send(true)
	}
	return err
}

// answerLine says whose answer it is, for the publication's people.
func (e *engine) answerLine(f *store.Forward, r *report.Report) string {
	var b strings.Builder
	who := apart(plainText(r.FromName, 80))
	if r.From != "" {
		who = strings.TrimSpace(who + " <" + plainText(r.From, 254) + ">")
	}
	if who == "" {
		who = "Somebody"
	}
	fmt.Fprintf(&b, "%s answered %s%s.\n", who, apart(strconv.Quote(plainText(r.Subject, 200))), e.answered(f))
	if s := f.Reader; s == nil {
		b.WriteString("No reader is known by this answer.\n")
	} else {
		fmt.Fprintf(&b, "Reader %d, %s", s.ID, s.Status)
		if !f.Since.IsZero() {
			fmt.Fprintf(&b, " since %s", f.Since.Format("2 January 2006"))
		}
		if list := e.followed(s); list != "" {
			fmt.Fprintf(&b, ", follows %s", list)
		}
		fmt.Fprintf(&b, ".\nbroadsheet subscribers show %s\n", shellWord(s.Address))
		switch {
		case f.Claimed:
			b.WriteString("Nothing but the sender's address says so: it may be somebody else's.\n")
		case r.From != "" && subscribers.Fold(r.From) != subscribers.Fold(s.Address):
			b.WriteString("The answer came from another address than the reader's: it may be somebody else's.\n")
		}
	}
	if f.Task != 0 {
		fmt.Fprintf(&b, "It asks to leave: task %d. The reader gets mail until somebody runs: broadsheet tasks done %d --leave\n", f.Task, f.Task)
	}
	if f.Cut {
		b.WriteString("It is longer than what is kept: the message below is not whole.\n")
	}
	return b.String()
}

// answered names the mail that was answered, in parentheses.
func (e *engine) answered(f *store.Forward) string {
	if f.Edition == "" {
		return ""
	}
	if f.Edition == digest.NoticeEdition {
		return " (a notice)"
	}
	title := f.Edition
	for i := range e.cfg.Editions {
		if y := &e.cfg.Editions[i]; y.Name == f.Edition && y.Title != "" {
			title = y.Title
		}
	}
	day, _, _ := strings.Cut(f.Slot, " ")
	if at, err := time.Parse(time.DateOnly, day); err == nil {
		day = at.Format("2 January")
	}
	return fmt.Sprintf(" (%s, %s)", plainText(title, 80), day)
}

// followed lists the sections that a reader follows, by name.
func (e *engine) followed(s *subscribers.Subscriber) string {
	var list []string
	for _, w := range s.Sections {
		name := w.Section
		for _, c := range e.cfg.Sections {
			if c.ID == w.Section {
				name = c.Name
			}
		}
		if w.Level != subscribers.Normal {
			name += " (" + string(w.Level) + ")"
		}
		list = append(list, plainText(name, 80))
	}
	return strings.Join(list, ", ")
}

// apart keeps text that runs from right to left from turning the line in which it stands: first strong
// isolate and its end (Unicode Annex 9).
func apart(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool {
		return unicode.In(r, unicode.Arabic, unicode.Hebrew, unicode.Syriac, unicode.Thaana, unicode.Nko)
	}) {
		return "\u2068" + s + "\u2069"
	}
	return s
}

// plainText makes what somebody else wrote one line of at most so many characters, without marks
// that turn the direction of what stands behind it.
func plainText(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 {
			return -1
		}
		return r
	}, mailer.NewLine(s).String())
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most-1]) + "…"
	}
	return s
}
