package commands

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/store"
)

func (p *program) issues() *cobra.Command {
	return group("issues", "What went out and what comes next", p.issuesList(), p.issuesShow(), p.issuesNext(),
		p.issuesHolds(), p.issuesPause(), p.issuesResume(), p.issuesStop(), p.issuesRetry(), p.issuesSettle(),
		p.issuesForecast(), p.issuesProof(), p.issuesApprove(), p.issuesDisapprove())
}

// issueJSON is an issue with its books.
type issueJSON struct {
	Issue    *int64               `json:"issue"` // null for one that is not open
	Edition  string               `json:"edition"`
	Slot     string               `json:"slot"`
	Zone     string               `json:"zone"`
	Hour     int                  `json:"hour"`
	Due      *string              `json:"due"`
	Opened   *string              `json:"opened"`
	State    string               `json:"state"`
	Audience int                  `json:"audience"`
	Digests  int                  `json:"digests"`
	Counts   map[mailer.State]int `json:"-"`

	Queued     int `json:"queued"`
	Sending    int `json:"sending"`
	Handed     int `json:"handed"`
	Deferred   int `json:"deferred"`
	Accepted   int `json:"accepted"`
	Delayed    int `json:"delayed"`
	Delivered  int `json:"delivered"`
	Bounced    int `json:"bounced"`
	Failed     int `json:"failed"`
	Expired    int `json:"expired"`
	Uncertain  int `json:"uncertain"`
	Skipped    int `json:"skipped"`
	Suppressed int `json:"suppressed"`
	Superseded int `json:"superseded"`
	Cancelled  int `json:"cancelled"`
}

func jsonIssue(i digest.Issue, n map[mailer.State]int) issueJSON {
	return issueJSON{Issue: present(i.ID), Edition: i.Edition, Slot: i.Slot, Zone: i.Zone, Hour: i.Hour, Due: stamp(i.Due), Opened: stamp(i.Opened),
		State: i.State, Audience: i.Audience, Digests: i.Digests, Counts: n,
		Queued: n[mailer.Queued], Sending: n[mailer.Sending], Handed: n[mailer.Handed], Deferred: n[mailer.Deferred],
		Accepted: n[mailer.Accepted], Delayed: n[mailer.Delayed], Delivered: n[mailer.Delivered], Bounced: n[mailer.Bounced], Failed: n[mailer.Failed], Expired: n[mailer.Expired],
		Uncertain: n[mailer.Uncertain], Skipped: n[mailer.Skipped], Suppressed: n[mailer.Suppressed],
		Superseded: n[mailer.Superseded], Cancelled: n[mailer.Cancelled]}
}

// findIssue reads the issue that an operator named.
func findIssue(ctx context.Context, db *store.DB, id int64) (digest.Issue, error) {
	i, err := db.Issue(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return i, fmt.Errorf("there is no issue %d", id)
	}
	return i, err
}

// loadIssue reads an issue with its books.
func loadIssue(ctx context.Context, db *store.DB, id int64) (issueJSON, error) {
	i, err := db.Issue(ctx, id)
	if err != nil {
		return issueJSON{}, err
	}
	return countIssue(ctx, db, i)
}

func countIssue(ctx context.Context, db *store.DB, i digest.Issue) (issueJSON, error) {
	counts, err := db.IssueCounts(ctx, i.ID)
	states := make(map[mailer.State]int, len(counts))
	for s, n := range counts {
		states[mailer.State(s)] = n
	}
	return jsonIssue(i, states), err
}

// balanced reports whether every member of the audience is in exactly one state.
func (i issueJSON) balanced() bool {
	sum := 0
	for _, n := range i.Counts {
		sum += n
	}
	return sum == i.Audience
}

// printIssues prints issues as a table or as JSON, one object a line.
func (p *program) printIssues(rows []issueJSON, asJSON bool) error {
	if !asJSON {
		return p.issueTable(rows)
	}
	for _, r := range rows {
		if err := p.printJSON(r); err != nil {
			return err
		}
	}
	return nil
}

// issueTable prints issues with those states that occur.
func (p *program) issueTable(rows []issueJSON) error {
	var states []mailer.State
	for _, s := range mailer.States {
		for _, r := range rows {
			if r.Counts[s] > 0 {
				states = append(states, s)
				break
			}
		}
	}
	heads := []string{"ISSUE", "EDITION", "SLOT", "ZONE", "HOUR", "DUE (UTC)", "AUDIENCE", "DIGESTS"}
	for _, s := range states {
		heads = append(heads, string(s))
	}
	t := p.table(heads...)
	for _, r := range rows {
		id := "-"
		if r.Issue != nil {
			id = itoa(*r.Issue)
		}
		cells := []string{id, r.Edition, r.Slot, r.Zone, strconv.Itoa(r.Hour), deref(r.Due), strconv.Itoa(r.Audience), strconv.Itoa(r.Digests)}
		for _, s := range states {
			cells = append(cells, strconv.Itoa(r.Counts[s]))
		}
		t.row(cells...)
	}
	return t.flush()
}

func (p *program) issuesList() *cobra.Command {
	var filter store.IssueFilter
	var limit int
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List issues, newest first, with their books", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if limit < 0 {
				return usagef("--limit %d is below 0", limit)
			}
			db, err := p.database(c.Context(), false)
			if err != nil {
				return err
			}
			var rows []issueJSON
			for i, err := range db.Issues(c.Context(), filter) {
				if err != nil {
					return err
				}
				row, err := countIssue(c.Context(), db, i)
				if err != nil {
					return err
				}
				if rows = append(rows, row); len(rows) == limit {
					break
				}
			}
			return p.printIssues(rows, asJSON)
		},
	}
	c.Flags().StringVar(&filter.Edition, "edition", "", "only issues of this `edition`")
	c.Flags().BoolVar(&filter.Notices, "notices", false, "runs of notices too: confirmations and other mails that are no digest")
	c.Flags().IntVar(&limit, "limit", 50, "at most `N`; 0 = all")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

func (p *program) issuesShow() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "show ISSUE", Short: "Show an issue: its books, and the reasons beside them", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			db, err := p.database(c.Context(), false)
			if err != nil {
				return err
			}
			found, err := findIssue(c.Context(), db, id)
			if err != nil {
				return err
			}
			i, err := countIssue(c.Context(), db, found)
			if err != nil {
				return err
			}
			reasons, err := db.IssueReasons(c.Context(), id)
			if err != nil {
				return err
			}
			clicks, err := db.Clicks(c.Context(), &found)
			if err != nil {
				return err
			}
			if asJSON {
				return p.printJSON(struct {
					issueJSON
					Reasons []store.ReasonCount `json:"reasons"`
					Clicks  []store.ClickCount  `json:"clicks"`
				}{i, list(reasons), list(clicks)})
			}
			if err := p.issueTable([]issueJSON{i}); err != nil {
				return err
			}
			if len(reasons) > 0 {
				fmt.Fprintln(p.stdout)
				t := p.table("STATE", "REASON", "READERS")
				for _, r := range reasons {
					t.row(string(r.State), r.Reason, strconv.Itoa(r.Readers))
				}
				if err := t.flush(); err != nil {
					return err
				}
			}
			if len(clicks) > 0 {
				fmt.Fprintf(p.stdout, "\nlinks followed in all mails of %s %s that at least 20 readers had\n", i.Edition, i.Slot)
				t := p.table("CLICKS", "READERS", "LINK")
				for _, c := range clicks {
					link := c.Headline
					if c.Story == 0 {
						link = "more in " + c.Section
					}
					t.row(strconv.Itoa(c.Clicks), strconv.Itoa(c.Readers), link)
				}
				if err := t.flush(); err != nil {
					return err
				}
			}
			if err := db.CheckBooks(c.Context(), id); err != nil {
				return err
			}
			fmt.Fprintln(p.stdout, "\nbooks balance")
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

type nextJSON struct {
	Edition string  `json:"edition"`
	Zone    string  `json:"zone"`
	Local   string  `json:"local"`
	Due     *string `json:"due"`
	Reason  *string `json:"reason"`
}

func (p *program) issuesNext() *cobra.Command {
	var zone, from string
	var hour, count int
	var asJSON bool
	c := &cobra.Command{
		Use: "next [EDITION]", Short: "Print the coming slots", Args: cobra.MaximumNArgs(1), ValidArgsFunction: p.completeEdition,
		Long: `Prints the coming slots of one edition or all. An edition in readers' zones is shown for
--zone and --hour, or for the publication's first city at the edition's own hour.`,
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := p.config()
			if err != nil {
				return err
			}
			now, err := p.clock()
			if err != nil {
				return err
			}
			start := now()
			if from != "" {
				if start, err = time.Parse(time.RFC3339, from); err != nil {
					return usagef("--from %q is no RFC 3339 instant; write e.g. 2026-04-02T07:00:00Z", from)
				}
			}
			if count < 1 || count > 10_000 {
				return usagef("--count %d is not between 1 and 10000", count)
			}
			if c.Flags().Changed("hour") && (hour < 0 || hour > 23) {
				return usagef("--hour %d is not between 0 and 23", hour)
			}
			if zone != "" {
				if _, err := cfg.Location(zone); err != nil {
					return usagef("--zone: %w", err)
				}
			}
			editions := cfg.Editions
			if len(args) > 0 {
				e, err := findEdition(cfg, args[0])
				if err != nil {
					return err
				}
				editions = []schedule.Edition{*e}
			}
			t := p.table("EDITION", "ZONE", "LOCAL", "DUE (UTC)", "")
			for i := range editions {
				e := &editions[i]
				loc, err := cfg.Location(editionZone(cfg, e, zone))
				if err != nil {
					return err
				}
				for _, o := range e.Coming(loc, e.ReaderHour(hour), start, count) {
					j := nextJSON{e.Name, o.Zone, o.Local, stamp(o.Due), text(o.Reason)}
					if !asJSON {
						t.row(j.Edition, j.Zone, j.Local, deref(j.Due), o.Reason)
					} else if err := p.printJSON(j); err != nil {
						return err
					}
				}
			}
			if asJSON {
				return nil
			}
			return t.flush()
		},
	}
	p.clockFlag(c)
	c.Flags().StringVar(&zone, "zone", "", "time `zone` of an edition in readers' zones")
	c.Flags().IntVar(&hour, "hour", -1, "`hour` of an edition in readers' zones")
	c.Flags().Lookup("hour").DefValue = "the edition's own"
	c.Flags().StringVar(&from, "from", "", "from this `RFC3339` instant on instead of now")
	c.Flags().IntVar(&count, "count", 5, "`N` slots of each edition")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}
