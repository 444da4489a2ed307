package commands

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"broadsheet/digest"
)

// How long a mail is reckoned to take on a connection. Relays elsewhere answer a few times for
// each; those that pipeline are faster than that.
const (
	messageAway = 100 * time.Millisecond
	messageHere = 2 * time.Millisecond
)

// paces is what the relays can do.
func (e *engine) paces() map[string]digest.Pace {
	out := make(map[string]digest.Pace)
	for _, r := range e.cfg.Relays {
		p := digest.Pace{Rate: r.Rate, Connections: r.Connections, Message: messageAway}
		if loopback(r.Host) {
			p.Message = messageHere
		}
		out[r.Name] = p
	}
	return out
}

// prospects is what will become of loads from now on.
func (e *engine) prospects(loads []digest.Load) []digest.Prospect {
	return digest.Foresee(loads, e.paces(), e.now())
}

// forecast is what was foretold: an issue through a relay.
type forecast struct {
	issue int64
	relay string
}

// foretell logs for which issues there is not enough time, once for each issue and relay. edition
// 0 is all. It is for one goroutine.
func (e *engine) foretell(ctx context.Context, edition int64) error {
	loads, err := e.db.Loads(ctx, edition, e.domains)
	if err != nil {
		return err
	}
	for _, p := range e.prospects(loads) {
		told := forecast{p.Issue.ID, p.Relay}
		if p.Late == 0 || e.told[told] {
			continue
		}
		e.told[told] = true
		e.log.Warn(inWords(&p), slog.String("edition", p.Issue.Edition), slog.Int64("issue", p.Issue.ID),
			slog.String("relay", p.Relay), slog.Int("late", p.Late))
	}
	return nil
}

// inWords says what a prospect is: how long a relay needs, and what to do if that is too long.
func inWords(p *digest.Prospect) string {
	name := fmt.Sprintf("issue %d", p.Issue.ID)
	if p.Issue.ID == 0 {
		name = fmt.Sprintf("edition %s, slot %s", p.Issue.Edition, p.Issue.Slot)
	}
	s := fmt.Sprintf("%s: %s at %s a second through %s", name, count(p.Mails, "mail"), decimal(p.Rate), p.Relay)
	if p.Slow != nil {
		s += fmt.Sprintf(", %s of them to %s with its own limit,", thousands(p.Groups[p.Slow]), p.Slow.Name)
	}
	s += fmt.Sprintf(" %s %s", verb(p.Mails, "needs", "need"), duration(p.Need))
	where := p.Done.Location()
	if zone, err := time.LoadLocation(p.Issue.Zone); err == nil {
		where = zone
	}
	if p.Late == 0 {
		return s + fmt.Sprintf("; the last goes at about %s, and its life ends at %s", p.Done.In(where).Format("15:04"), clock(p.Issue.Ends.In(where), p.Done.In(where)))
	}
	advice := "Raise rate, add a relay, or lengthen deliver_within"
	if p.Slow != nil {
		advice = fmt.Sprintf("Raise the limit of %s if it takes more from you, add a relay, or lengthen deliver_within", p.Slow.Name)
	}
	return s + fmt.Sprintf("; its life ends at %s; about %s will expire. %s", clock(p.Issue.Ends.In(where), p.Issue.Due.In(where)), thousands(round(p.Late)), advice)
}

// clock is a time of day, with its date if that is another than beside's.
func clock(t, beside time.Time) string {
	if t.Format(time.DateOnly) == beside.Format(time.DateOnly) {
		return t.Format("15:04")
	}
	return t.Format("15:04 on 2 January")
}

// duration is a time in the two largest units that matter.
func duration(d time.Duration) string {
	if d = d.Round(time.Second); d < time.Minute {
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
	switch d = d.Round(time.Minute); {
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d%time.Hour == 0:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

// round leaves two figures of a number that is an estimate.
func round(n int) int {
	unit := 1
	for n/unit >= 100 {
		unit *= 10
	}
	return (n + unit/2) / unit * unit
}

func count(n int, noun string) string { return thousands(n) + " " + verb(n, noun, noun+"s") }

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func decimal(f float64) string {
	if f >= 10 {
		return thousands(int(f + 0.5))
	}
	return strconv.FormatFloat(f, 'g', 2, 64)
}

// thousands writes a number with commas.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for k := len(s) - 3; k > 0; k -= 3 {
		s = s[:k] + "," + s[k:]
	}
	return s
}
