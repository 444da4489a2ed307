package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/web/room"
)

func (p *program) explain() *cobra.Command {
	var as string
	var issue int64
	var asJSON bool
	c := &cobra.Command{
		Use:   "explain --as ADDRESS",
		Short: "Say why each story is or is not in a reader's mail, and what became of the mail",
		Long: `Gives every story that there was to choose from one reason: sent, over the cap, less, duplicate of
another, muted, seen before, too old, other language, embargoed, in an earlier issue, too old for a first mail, in a later issue,
not in your sections, not in this edition, under another section, could not be laid out, no mail (the
address is barred, or no relay takes it). The reasons add up to the candidates. Then what became of the mail, as far as the mailbox.

What became of today's issues of each edition that the reader takes stands in a table of its own.

Without --issue it is the reader's latest mail; for a reader who has had none, the next one, as it
would be now. Of a mail that is past, settings, windows and what the reader had seen are those of
then. Changes nothing. Exit code 3 says that there is no such mail, and why.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if as == "" {
				return usagef("--as ADDRESS says whose mail to explain")
			}
			if c.Flags().Changed("issue") && issue < 1 {
				return usagef("--issue %d is no issue; issues list prints them", issue)
			}
			e, err := p.engine(c.Context())
			if err != nil {
				return err
			}
			s, err := e.db.Subscriber(c.Context(), as)
			if errors.Is(err, store.ErrNotFound) {
				return e.noReader(c.Context(), as)
			}
			if err != nil {
				return err
			}
			a, err := e.account(c.Context(), s, issue)
			if err != nil {
				return err
			}
			away := outside(s, e.cfg.Edition(a.issue.Edition))
			if away == "" && s.Suppressed != nil {
				away = s.Address + " is barred: " + s.Suppressed.Reason
			}
			if away != "" {
				mail := "this mail will not be sent"
				if a.delivery != nil {
					mail = "no further mail will be sent"
				}
				fmt.Fprintf(p.stderr, "note: %s: %s\n", mail, away)
			}
			return p.printAccount(c.Context(), e, a, asJSON)
		},
	}
	p.clockFlag(c)
	c.Flags().StringVar(&as, "as", "", "`ADDRESS` of the reader")
	c.Flags().Int64Var(&issue, "issue", 0, "explain the mail of this `ISSUE`; without it the latest one")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

// noReader says that nobody has an address, and who may be meant.
func (e *engine) noReader(ctx context.Context, address string) error {
	near, err := e.db.NearReaders(ctx, address, nearMost)
	if err != nil {
		return err
	}
	says := "there is no reader " + address
	for n := range near {
		says += map[bool]string{true: "; perhaps ", false: ", "}[n == 0] + near[n].Address
	}
	return errors.New(says)
}

// accountJSON is what explain prints with --json.
type accountJSON struct {
	Address    string        `json:"address"`
	Subscriber int64         `json:"subscriber"`
	Issue      *int64        `json:"issue"` // null if it is not open
	Edition    string        `json:"edition"`
	Slot       string        `json:"slot"`
	Zone       string        `json:"zone"`
	Due        *string       `json:"due"`
	Follows    []followJSON  `json:"follows"`
	Candidates int           `json:"candidates"`
	Reasons    []reasonJSON  `json:"reasons"`
	Stories    []verdictJSON `json:"stories"`
	Delivery   *int64        `json:"delivery"` // null if it is not on record
	State      mailer.State  `json:"state"`
	Reason     *string       `json:"reason"`
	Subject    *string       `json:"subject"`
	Summary    *string       `json:"summary"`
	Timeline   []momentJSON  `json:"timeline"`

	Answer string           `json:"answer"` // what became of the mail, in words
	Today  []room.DayAnswer `json:"today"`  // one for each slot of today
}

type followJSON struct {
	Section string `json:"section"`
	Level   string `json:"level"`
}

type reasonJSON struct {
	Reason  digest.Reason `json:"reason"`
	Stories int           `json:"stories"`
}

type verdictJSON struct {
	Story    int64         `json:"story"`
	Section  string        `json:"section"`
	Arrival  *int64        `json:"arrival"`
	Headline string        `json:"headline"`
	Reason   digest.Reason `json:"reason"`
	Of       *int64        `json:"of"`    // duplicate of this story
	Until    *string       `json:"until"` // embargoed until then
}

func (p *program) printAccount(ctx context.Context, e *engine, a *accounting, asJSON bool) error {
	revisions := make([]int64, len(a.verdicts))
	for n, v := range a.verdicts {
		revisions[n] = v.Revision
	}
	headlines, err := e.db.Headlines(ctx, revisions)
	if err != nil {
		return err
	}
	var life timeline
	if a.delivery != nil {
		if life, err = lifeOf(ctx, e.db, a.delivery); err != nil {
			return err
		}
	}
	zone, err := e.cfg.Location(a.issue.Zone)
	if err != nil {
		zone = time.UTC
	}
	f, err := e.fateIn(ctx, a, zone)
	if err != nil {
		return err
	}
	today, err := e.answersToday(ctx, a.reader)
	if err != nil {
		return err
	}
	reasons := countReasons(a.verdicts)
	if asJSON {
		j := jsonAccount(a, reasons, headlines, life)
		j.Answer, j.Today = f.says, []room.DayAnswer{}
		for n := range today {
			j.Today = append(j.Today, roomReaders{e}.dayAnswer(&today[n]))
		}
		return p.printJSON(j)
	}
	if err := p.accountHead(a, f.says); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout)
	days := p.table("TODAY", "DUE", "WHAT BECAME OF IT")
	for n := range today {
		d := roomReaders{e}.dayAnswer(&today[n])
		days.row(d.Edition, d.When, d.Answer)
	}
	if err := days.flush(); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout)
	t := p.table("STORY", "SECTION", "REASON", "HEADLINE")
	for _, v := range a.verdicts {
		t.row(itoa(v.Story), v.Section, because(v, a.until[v.Story]), headlines[v.Revision])
	}
	if err := t.flush(); err != nil {
		return err
	}
	var sums []string
	for _, r := range reasons {
		sums = append(sums, fmt.Sprintf("%d %s", r.Stories, r.Reason))
	}
	fmt.Fprintf(p.stdout, "\n%d candidates: %s\n", len(a.verdicts), cmp.Or(strings.Join(sums, ", "), "none"))
	if a.delivery == nil {
		return nil
	}
	fmt.Fprintln(p.stdout)
	return p.printLife(life)
}

func (p *program) accountHead(a *accounting, answer string) error {
	t := p.table("reader", a.reader.Address)
	id := "not open yet"
	if a.issue.ID != 0 {
		id = itoa(a.issue.ID)
	}
	t.row("issue", fmt.Sprintf("%s: %s %s in %s, due %s", id, a.issue.Edition, a.issue.Slot, a.issue.Zone, deref(stamp(a.issue.Due))))
	var follows []string
	for _, f := range jsonFollows(a.follows) {
		if f.Level != "normal" {
			f.Section += " (" + f.Level + ")"
		}
		follows = append(follows, f.Section)
	}
	t.row("follows", cmp.Or(strings.Join(follows, ", "), "nothing"))
	state := string(a.state)
	if a.delivery == nil {
		state = "would be " + state
	}
	if a.reason != "" {
		state += ": " + a.reason
	}
	t.row("mail", state)
	t.row("in words", answer)
	if a.subject != "" {
		t.row("subject", a.subject)
	}
	return t.flush()
}

func jsonAccount(a *accounting, reasons []reasonJSON, headlines map[int64]string, life timeline) accountJSON {
	j := accountJSON{Address: a.reader.Address, Subscriber: a.reader.ID, Issue: present(a.issue.ID), Edition: a.issue.Edition, Slot: a.issue.Slot,
		Zone: a.issue.Zone, Due: stamp(a.issue.Due), Follows: jsonFollows(a.follows), Candidates: len(a.verdicts), Reasons: list(reasons),
		Stories: []verdictJSON{}, State: a.state, Reason: text(a.reason), Subject: text(a.subject), Summary: text(life.String()), Timeline: life.json()}
	if a.delivery != nil {
		j.Delivery = present(a.delivery.ID())
	}
	for _, v := range a.verdicts {
		j.Stories = append(j.Stories, verdictJSON{v.Story, v.Section, present(v.Arrival), headlines[v.Revision], v.Reason, present(v.Of), untilOf(v, a)})
	}
	return j
}

func untilOf(v digest.Verdict, a *accounting) *string {
	if v.Reason != digest.Embargoed {
		return nil
	}
	return stamp(a.until[v.Story])
}

func jsonFollows(follows []digest.Follow) []followJSON {
	list := []followJSON{}
	for _, f := range follows {
		level := "normal"
		switch {
		case f.Muted:
			level = "muted"
		case f.Less:
			level = "less"
		}
		list = append(list, followJSON{f.Section, level})
	}
	return list
}

// because is a reason for people.
func because(v digest.Verdict, until time.Time) string {
	switch v.Reason {
	case digest.Duplicate:
		return string(v.Reason) + " of " + strconv.FormatInt(v.Of, 10)
	case digest.Embargoed:
		return string(v.Reason) + " until " + until.UTC().Format(time.DateTime)
	}
	return string(v.Reason)
}
