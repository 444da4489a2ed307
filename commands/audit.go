package commands

import (
	"time"

	"github.com/spf13/cobra"

	"broadsheet/operators"
	"broadsheet/store"
)

func (p *program) audit() *cobra.Command {
	var f store.AuditFilter
	var since string
	var asJSON bool
	c := &cobra.Command{
		Use: "audit", Short: "List what operators did, and why, the latest first", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if since != "" {
				day, err := time.Parse(time.DateOnly, since)
				if err != nil {
					return usagef("--since %q is no day; write e.g. 2026-04-02", since)
				}
				f.Since = day
			}
			db, err := p.databaseThere(c.Context(), false)
			if err != nil {
				return err
			}
			return printRows(p, db.Audit(c.Context(), f), asJSON, func(e operators.Entry) any { return e },
				[]string{"AT (UTC)", "WHO", "DID", "TO", "WHY", "WHAT CAME OF IT"}, func(e operators.Entry) []string {
					return []string{e.At.UTC().Format(time.DateTime), e.By.Who, e.Act, e.Object, e.By.Why, e.Detail}
				})
		},
	}
	c.Flags().StringVar(&f.Who, "who", "", "only what this `NAME` did")
	c.Flags().StringVar(&f.Act, "act", "", "only acts that begin with this, e.g. \"issue pause\"")
	c.Flags().StringVar(&f.Object, "object", "", "only what was done to this, e.g. \"issue 12\"")
	c.Flags().StringVar(&since, "since", "", "from this `DAY` in UTC on")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}
