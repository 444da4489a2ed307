package commands

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) alarms() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "alarms", Short: "Say what is wrong now, each with its next step", Args: cobra.NoArgs,
		Long: `Lists what is wrong, the gravest first: what the page Today shows on top. It exits with 1 if any of
it is red (mail or readers are harmed), else with 0.`,
		RunE: func(c *cobra.Command, _ []string) error {
			e, err := p.engine(c.Context())
			if err != nil {
				return err
			}
			list, err := roomToday{e}.Alarms(c.Context())
			if err != nil {
				return err
			}
			grim := false
			for _, a := range list {
				grim = grim || a.Level == red
				if asJSON {
					err = p.printJSON(a)
				} else {
					_, err = fmt.Fprintf(p.stdout, "%-5s  %s\n       %s\n", a.Level, printable(a.What), printable(a.Next))
					if a.Do != "" && err == nil {
						_, err = fmt.Fprintf(p.stdout, "       $ %s\n", printable(a.Do))
					}
				}
				if err != nil {
					return fmt.Errorf("write output: %w", err)
				}
			}
			if len(list) == 0 && !asJSON {
				fmt.Fprintln(p.stdout, "Nothing is wrong.")
			}
			if grim {
				return &exitError{exitFailed, nil}
			}
			return nil
		},
	}
	p.clockFlag(c)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}
