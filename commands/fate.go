package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/subscribers"
)

// fate is what became of a mail, in words.
type fate struct {
	level string // as in answer
	says  string
	life  timeline
}

// fateOf tells what became of a delivery.
func (e *engine) fateOf(ctx context.Context, s *subscribers.Subscriber, d *store.DeliveryRow, zone *time.Location) (f fate, err error) {
	if f.life, err = lifeOf(ctx, e.db, d); err != nil {
		return f, err
	}
	now := e.now()
	when := func(t time.Time) string { return at(t, zone, now) }
	taken := "accepted by relay " + d.Relay
	if t := f.life.first("taken"); !t.IsZero() {
		taken += " at " + when(t)
	}
	reply := ""
	if d.Reply.Code != 0 || d.Reply.Text != "" {
		reply = ": " + said(d.Reply)
	}
	because := ""
	if d.Reason != "" && !strings.HasPrefix(d.Reason, "rcpt ") && !strings.HasPrefix(d.Reason, "data ") {
		because = " (" + d.Reason + ")"
	}
	f.level = "amber"
	switch d.State {
	case mailer.Accepted:
		f.level, f.says = "green", taken+"; no server has said more since, and mostly none does"
	case mailer.Delivered:
		f.level, f.says = "green", taken+", delivered at "+when(d.At)
	case mailer.Delayed:
		f.says = taken + "; the reader's server has put it off, last at " + when(d.At) + reply
	case mailer.Bounced:
		f.level, f.says = "red", taken+", and came back at "+when(d.At)+reply
	case mailer.Skipped:
		f.says = "no mail: nothing new for this reader"
		failing, err := e.failingFeeds(ctx, s)
		if err != nil {
			return f, err
		}
		if failing != "" {
			f.says += "; " + failing
		}
	case mailer.Suppressed:
		f.says = "no mail: " + e.suppressedWords(s, d.Reason, zone)
	case mailer.Superseded:
		f.says = "no mail of this issue: a later one took its stories over before it could go"
	case mailer.Cancelled:
		f.says = "no mail: an operator stopped it at " + when(d.At) + because
	case mailer.Failed:
		f.level, f.says = "red", "no mail: refused for good at "+when(d.At)+reply+because
	case mailer.Expired:
		f.level, f.says = "red", "no mail: it could not go before its life ended at "+when(d.Ends)+because
	case mailer.Uncertain:
		f.level, f.says = "red", "perhaps: a copy left at "+when(d.Date)+" and was never answered; settle it on the issue's page"
	case mailer.Deferred:
		f.says = "not yet: put off"
		if d.Relay != "" {
			f.says += " by relay " + d.Relay
		}
		f.says += reply + ", the next try is at " + when(d.Due)
		trouble, err := e.relayTrouble(ctx, d.Relay)
		if err != nil {
			return f, err
		}
		f.says += trouble
	case mailer.Queued:
		f.says, err = e.queuedWords(ctx, d, when)
	case mailer.Sending, mailer.Handed:
		f.says = "going out at this moment"
	default:
		f.says = string(d.State) + because
	}
	return f, err
}

// queuedWords says what a mail waits for.
func (e *engine) queuedWords(ctx context.Context, d *store.DeliveryRow, when func(time.Time) string) (string, error) {
	held, err := e.heldWords(ctx, d.Issue)
	if err != nil || held != "" {
		return held, err
	}
	says := "not yet: it waits for its turn"
	switch {
	case d.Reason != "":
		says += " (" + d.Reason + ")"
	case d.Relay != "":
		says += " at relay " + d.Relay
	}
	if d.Due.After(e.now()) {
		says += ", not before " + when(d.Due)
	}
	trouble, err := e.relayTrouble(ctx, d.Relay)
	return says + trouble, err
}

// failingFeeds names the feeds of a reader's sections that fail now; "" = none does.
func (e *engine) failingFeeds(ctx context.Context, s *subscribers.Subscriber) (string, error) {
	list, err := roomFeeds{e}.feeds(ctx)
	if err != nil {
		return "", err
	}
	var names []string
	for _, h := range list {
		if h.State == "failing" && slices.ContainsFunc(s.Sections, func(f subscribers.Follow) bool { return f.Section == h.Section && f.Level != subscribers.Muted }) {
			names = append(names, h.URL+" ("+h.Section+")")
		}
	}
	if len(names) == 0 {
		return "", nil
	}
	return "of the sections that the reader follows a feed fails now: " + strings.Join(names, ", ") + "; the page Feeds says what to do", nil
}

// relayTrouble says what is wrong with a relay that mails wait for; "" = nothing is known.
func (e *engine) relayTrouble(ctx context.Context, relay string) (string, error) {
	if relay == "" {
		return "", nil
	}
	states, err := relayWords(ctx, e.db)
	if err != nil || states[relay] == "" || strings.HasPrefix(states[relay], store.RelayUp) {
		return "", err
	}
	return "; relay " + relay + " is " + states[relay] + ". The first page says what to do about it", nil
}

// suppressedWords says why a mail was taken out of the queue.
func (e *engine) suppressedWords(s *subscribers.Subscriber, reason string, zone *time.Location) string {
	switch reason {
	case "paused":
		return "the reader was paused before it went"
	case "pending":
		return "the reader had not confirmed"
	case "left the edition":
		return "the reader had left the edition before it went"
	case "unsubscribed":
		return "the reader had unsubscribed before it went"
	}
	says := "the address is barred: " + barWords(reason)
	if b := s.Suppressed; b != nil && b.Reason == reason {
		says += " on " + b.At.In(zone).Format("2 January 2006")
	}
	return says
}

// first is when something first happened; zero if it did not.
func (l timeline) first(what string) time.Time {
	for _, m := range l {
		if m.what == what {
			return m.at
		}
	}
	return time.Time{}
}

// heldWords says what holds an issue, "" = nothing does.
func (e *engine) heldWords(ctx context.Context, issue int64) (string, error) {
	holds, err := e.db.HoldsOf(ctx, issue, e.now())
	var parts []string
	for _, h := range holds {
		part := heldOf(h).Line()
		if h.Who != "" {
			part += ", by " + h.Who
		}
		parts = append(parts, part)
	}
	if err != nil || len(parts) == 0 {
		return "", err
	}
	return "not yet: " + strings.Join(parts, "; ") + "; see the issue's page", nil
}

// lookedAhead says what will become of a mail that is not on record.
func lookedAhead(a *accounting, zone *time.Location, now time.Time) string {
	says := fmt.Sprintf("the issue is not open yet: it is due %s, and the mail would be %s", at(a.issue.Due, zone, now), a.state)
	if a.reason != "" {
		says += " (" + a.reason + ")"
	}
	return says
}
