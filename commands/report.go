package commands

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/web/room"
)

func (p *program) morningReport() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "report", Short: "Print the morning report as it stands now", Args: cobra.NoArgs,
		Long: `Prints what serve sends to those named under report: in the configuration: what is wrong and the
next step, what became of every mail since the last report, and how many readers came and went. It sends
nothing, and the next report begins where the last one ended all the same.`,
		RunE: func(c *cobra.Command, _ []string) error {
			e, err := p.engine(c.Context())
			if err != nil {
				return err
			}
			r, _, err := e.report(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return p.printJSON(r)
			}
			text, err := r.text()
			if err == nil {
				_, err = fmt.Fprintf(p.stdout, "%s\n\n%s", r.Subject, text)
			}
			return err
		},
	}
	p.clockFlag(c)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

// morning is what the morning report says.
type morning struct {
	Publication string        `json:"publication"`
	Subject     string        `json:"subject"` // the verdict
	Verdict     string        `json:"verdict"` // green, amber or red
	At          string        `json:"at"`
	Since       *string       `json:"since"` // the report before; null for the first
	Alarms      []room.Alarm  `json:"alarms"`
	Slots       []reportSlot  `json:"slots"`
	Readers     reportReaders `json:"readers"`

	now, since time.Time
	home       *time.Location
	title      map[string]string // of sections
}

// reportSlot is what became of a slot's mails, over its zones and hours: Audience is the sum of the states.
type reportSlot struct {
	Edition  string               `json:"edition"`
	Slot     string               `json:"slot"`
	Issues   int                  `json:"issues"`
	Audience int                  `json:"audience"`
	States   map[mailer.State]int `json:"states"`
	Balanced bool                 `json:"balanced"`
}

// reportReaders is the balance of readers: before + joined + back - left = now.
type reportReaders struct {
	Before   int                    `json:"before"`
	Joined   []store.Flow           `json:"joined"`
	Back     []store.Flow           `json:"back"`
	Left     []store.Flow           `json:"left"`
	Now      int                    `json:"now"`
	Sections []store.SectionBalance `json:"sections"`
	First    bool                   `json:"first"` // there was no report before: before is now
}

// Taken is how many a relay took and nothing returned.
func (s reportSlot) Taken() int {
	return s.States[mailer.Accepted] + s.States[mailer.Delayed] + s.States[mailer.Delivered]
}

// Mails is how many there were to send.
func (s reportSlot) Mails() int {
	return s.Audience - s.States[mailer.Skipped] - s.States[mailer.Suppressed] - s.States[mailer.Superseded]
}

// Open is how many are still to go.
func (s reportSlot) Open() int {
	return s.States[mailer.Queued] + s.States[mailer.Sending] + s.States[mailer.Handed] + s.States[mailer.Deferred]
}

// report composes the report as it stands now, and hands back the balance that it rests on.
func (e *engine) report(ctx context.Context) (*morning, *store.ReaderBalance, error) {
	b, err := e.db.ReaderBalance(ctx)
	if err != nil {
		return nil, nil, err
	}
	r := &morning{Publication: e.cfg.Publication.Name, now: e.now(), since: b.Since, home: e.home(), title: map[string]string{}}
	r.At, r.Since = *stamp(r.now), stamp(b.Since)
	r.Readers = reportReaders{b.Before, list(b.Joined), list(b.Back), list(b.Left), b.Now, list(b.Sections), b.Since.IsZero()}
	for _, s := range e.cfg.Sections {
		r.title[s.ID] = s.Name
	}
	if r.Alarms, err = (roomToday{e}).Alarms(ctx); err != nil {
		return nil, nil, err
	}
	since := b.Since
	if since.IsZero() {
		since = r.now.Add(-24 * time.Hour)
	}
	if err := e.reportSlots(ctx, r, since, b.Unfinished); err != nil {
		return nil, nil, err
	}
	r.judge()
	return r, b, nil
}

// reportSlots counts the issues that were due since the last report, and those that had mail to go then.
func (e *engine) reportSlots(ctx context.Context, r *morning, since time.Time, unfinished []int64) error {
	var issues []digest.Issue
	for i, err := range e.db.Issues(ctx, store.IssueFilter{Since: since}) {
		if err != nil {
			return err
		}
		if !i.Due.After(r.now) {
			issues = append(issues, i)
		}
	}
	for _, id := range unfinished {
		if slices.ContainsFunc(issues, func(i digest.Issue) bool { return i.ID == id }) {
			continue
		}
		i, err := e.db.Issue(ctx, id)
		if err != nil {
			return err
		}
		if i.Edition != digest.NoticeEdition {
			issues = append(issues, i)
		}
	}
	slots := map[[2]string]*reportSlot{}
	for _, i := range issues {
		counted, err := countIssue(ctx, e.db, i)
		if err != nil {
			return err
		}
		key := [2]string{i.Edition, i.Slot}
		s := slots[key]
		if s == nil {
			s = &reportSlot{Edition: i.Edition, Slot: i.Slot, States: map[mailer.State]int{}, Balanced: true}
			slots[key] = s
		}
		s.Issues++
		s.Audience += counted.Audience
		s.Balanced = s.Balanced && (counted.balanced() || i.State == digest.Opening)
		for state, n := range counted.Counts {
			if n > 0 {
				s.States[state] += n
			}
		}
	}
	r.Slots = []reportSlot{}
	for _, s := range slots {
		r.Slots = append(r.Slots, *s)
	}
	slices.SortFunc(r.Slots, func(a, b reportSlot) int {
		return cmp.Or(cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.Edition, b.Edition))
	})
	for _, s := range r.Slots {
		if !s.Balanced {
			r.Alarms = slices.Insert(r.Alarms, 0, room.Alarm{Key: "books " + s.Edition + " " + s.Slot, Level: red, Since: r.now, Do: "broadsheet issues list --edition " + s.Edition,
				What: fmt.Sprintf("The books of %s %s do not balance: audience %s is not the sum of the states.", s.Edition, s.Slot, thousands(s.Audience)),
				Next: "Keep the database as it is and report it."})
		}
	}
	return nil
}

// judge writes the subject: the verdict.
func (r *morning) judge() {
	var taken, mails, open int
	for _, s := range r.Slots {
		taken, mails, open = taken+s.Taken(), mails+s.Mails(), open+s.Open()
	}
	went := fmt.Sprintf("%s of %s delivered", thousands(taken), count(mails, "mail"))
	if mails > 0 {
		went = fmt.Sprintf("%s of %s delivered", thousands(taken), thousands(mails))
	}
	if open > 0 {
		went += fmt.Sprintf(", %s still to go", thousands(open))
	}
	if len(r.Slots) == 0 {
		went = "no issue was due"
	}
	switch {
	case len(r.Alarms) == 0:
		r.Verdict, r.Subject = "green", "All well: "+went
	case r.Alarms[0].Level == red:
		r.Verdict, r.Subject = red, "RED: "+headline(r.Alarms[0].What)
		if n := len(r.Alarms) - 1; n > 0 {
			r.Subject += fmt.Sprintf(" (and %d more)", n)
		}
	default:
		r.Verdict, r.Subject = amber, fmt.Sprintf("%s to look at; %s", capital(count(len(r.Alarms), "thing")), went)
	}
}

// headline is the beginning of a sentence that says most of it: up to its colon or its first hundred letters.
func headline(s string) string {
	const most = 100
	s = plainText(s, 400)
	for i, c := range s {
		if c == ':' && i > 12 && i < len(s)-1 && s[i+1] == ' ' || c == ';' {
			return s[:i]
		}
		if i >= most && c == ' ' {
			return s[:i] + "…"
		}
	}
	return s
}
