package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	gomail "github.com/wneessen/go-mail"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/subscribers"
	"broadsheet/web/room"
)

const (
	reportPoll = 10 * time.Second
	reportLate = 12 * time.Hour // after its time, from which on a day has none: the next one tells of it
	reportLife = 24 * time.Hour // how long one is tried
	reportTry  = 2 * time.Minute
	reportWait = time.Minute // until the next try after a relay's own trouble
	reportIDs  = "+report"   // stands in place of an edition's name where ids of reports are made. No edition is called so.
)

// reportDay is the local date whose report is due at a time, and when it was; ok is false if none is.
func reportDay(r *schedule.Report, now time.Time) (day string, ok bool) {
	zone, err := time.LoadLocation(r.Zone)
	if err != nil {
		return "", false
	}
	clock, err := time.Parse("15:04", r.At)
	if err != nil {
		return "", false
	}
	now = now.In(zone)
	at := time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), 0, 0, zone)
	if now.Before(at) {
		at = time.Date(now.Year(), now.Month(), now.Day()-1, clock.Hour(), clock.Minute(), 0, 0, zone)
	}
	return at.Format(time.DateOnly), now.Sub(at) < reportLate
}

// reportDue writes the day's report when its time has come, and sends what waits. It returns the wait to the
// next look.
func (e *engine) reportDue(ctx context.Context) time.Duration {
	if e.cfg.Report == nil {
		return wake
	}
	if day, ok := reportDay(e.cfg.Report, e.now()); ok {
		e.complain(ctx, "write report", e.writeReport(ctx, day))
	}
	for ctx.Err() == nil {
		m, err := e.db.NextReport(ctx, e.now())
		if err != nil || m == nil {
			e.complain(ctx, "look for reports to send", err)
			break
		}
		err = e.sendReport(ctx, m)
		if errors.Is(err, errNotAdopted) { // the senders have said so
			break
		}
		if err != nil && !errors.Is(err, mailer.ErrLost) {
			e.complain(ctx, "send report", err)
			break // the database's trouble: the report stays where it is
		}
	}
	return reportPoll
}

// writeReport puts a day's report on record, once.
func (e *engine) writeReport(ctx context.Context, day string) error {
	if done, err := e.db.Reported(ctx, day); err != nil || done {
		return err
	}
	r, b, err := e.report(ctx)
	if err != nil {
		return err
	}
	plain, err := r.text()
	if err != nil {
		return err
	}
	page, err := r.html()
	if err != nil {
		return err
	}
	var mails []store.ReportMail
	for _, to := range e.cfg.Report.To {
		mails = append(mails, store.ReportMail{Day: day, Recipient: to, Subject: r.Subject, Text: plain, HTML: page})
	}
	written, err := e.db.WriteReport(ctx, mails, b, e.now())
	if written {
		e.log.Info("report written", slog.String("day", day), slog.String("verdict", r.Verdict), slog.String("subject", r.Subject))
	}
	return err
}

// sendReport gives a report to a relay. That it leaves is on record before; a copy that nobody heard of again
// goes once more, with the same Message-ID. Each try is another relay's, for the one that is down may be what
// the report tells of.
func (e *engine) sendReport(ctx context.Context, m *store.ReportMail) error {
	written := context.WithoutCancel(ctx) // what a relay said must not get lost
	relay, ok := e.reportRelay(ctx, m)
	if !ok {
		return e.db.SettleReport(written, m, mailer.Outcome{State: mailer.Failed, Reason: digest.ReasonNoRelay, Copies: m.Copies})
	}
	if !e.cfg.MayGet(m.Recipient) {
		return e.db.SettleReport(written, m, mailer.Outcome{State: mailer.Failed, Reason: errOnlyTo.Error(), Copies: m.Copies})
	}
	if err := e.mayMail(ctx, relay.Host); err != nil {
		return err
	}
	if err := e.db.BeginReport(written, m, e.now()); err != nil {
		return err
	}
	o := e.outcomeOf(mailer.Delivery{Attempts: m.Attempts, Copies: m.Copies, Ends: m.At.Add(reportLife)}, e.carryReport(ctx, relay, m), reportWait)
	if o.State == mailer.Accepted {
		e.log.Info("report sent", slog.String("day", m.Day), slog.String("relay", relay.Name))
	} else {
		e.log.Warn("report is not sent yet", slog.String("day", m.Day), slog.String("relay", relay.Name), slog.String("state", string(o.State)), slog.String("reason", o.Reason))
	}
	return e.db.SettleReport(written, m, o)
}

// reportRelay is the relay for the next try: those that are known to be down come last.
func (e *engine) reportRelay(ctx context.Context, m *store.ReportMail) (schedule.Relay, bool) {
	domain := mailer.DomainOf(m.Recipient)
	relays := slices.DeleteFunc(slices.Clone(e.cfg.Relays), func(r schedule.Relay) bool { return len(r.Domains) > 0 && !slices.Contains(r.Domains, domain) })
	if len(relays) == 0 {
		return schedule.Relay{}, false
	}
	states, err := e.db.RelayStates(ctx)
	e.complain(ctx, "list states of relays", err)
	down := func(r schedule.Relay) int {
		if slices.ContainsFunc(states, func(s store.RelayState) bool {
			return s.Relay == r.Name && (s.State == store.RelayDown || s.State == store.RelayHeld)
		}) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(relays, func(a, b schedule.Relay) int { return down(a) - down(b) })
	return relays[m.Attempts%len(relays)], true
}

func (e *engine) carryReport(ctx context.Context, y schedule.Relay, m *store.ReportMail) error {
	ctx, done := finishing(ctx)
	defer done()
	ctx, cancel := context.WithTimeout(ctx, reportTry)
	defer cancel()
	relay := relayOf(e.cfg, y)
	relay.RootCAs = e.roots
	mail, err := e.reportMail(m)
	if err != nil {
		return &mailer.Refused{Verb: mailer.Mail, Err: &mailer.Unsendable{Reason: "compose", Err: err}}
	}
	return e.sendSigned(ctx, y, relay, mail, m.At)
}

// reportMail is a report as a mail. The same report gives the same bytes.
func (e *engine) reportMail(r *store.ReportMail) (mailer.Message, error) {
	pub := &e.cfg.Publication
	domain := domainOf(pub.From)
	name := r.Day + " " + r.Recipient
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithBoundary("report-"+e.keys.MessageID(reportIDs+" boundary", name, 0)), gomail.WithEncoding(gomail.EncodingQP))
	m.SetMessageIDWithValue(e.keys.MessageID(reportIDs, name, 0) + "@" + domain)
	m.SetDateWithValue(r.At)
	if err := errors.Join(m.FromFormat(mailer.NewLine(pub.FromName).String(), pub.From), m.To(r.Recipient)); err != nil {
		return mailer.Message{}, fmt.Errorf("make report: %w", err)
	}
	m.Subject(mailer.NewLine(r.Subject).String())
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 section 5
	m.SetGenHeader("X-Auto-Response-Suppress", "OOF, AutoReply")
	m.SetBodyString(gomail.TypeTextPlain, r.Text)
	m.AddAlternativeString(gomail.TypeTextHTML, r.HTML)
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		return mailer.Message{}, fmt.Errorf("make report: %w", err)
	}
	return mailer.Message{ReturnPath: subscribers.Bounces.Name() + "+report@" + domain, Recipient: r.Recipient, Body: b.Bytes()}, nil
}

// reportAlarms tells of a report that did not go.
func (w roomToday) reportAlarms(ctx context.Context) (list []room.Alarm, err error) {
	if w.cfg.Report == nil {
		return nil, nil
	}
	mails, err := w.db.LastReports(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range mails {
		late := w.now().Sub(m.At) > 15*time.Minute
		if m.State == mailer.Accepted || m.State == mailer.Uncertain || (m.State == mailer.Queued || m.State == mailer.Handed) && !late {
			continue
		}
		list = append(list, room.Alarm{Key: "report " + m.Day, Level: amber, Since: m.At, Do: "broadsheet report",
			What: fmt.Sprintf("The morning report of %s has not reached one of its recipients: %s.", m.Day, orElse(m.Reason, "no relay takes it")),
			Next: "Read it with the command, and see that the relay takes mail to the address under report: to."})
		break
	}
	return list, nil
}
