package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"broadsheet/operators"
)

func (p *program) adopt() *cobra.Command {
	var yes, asJSON bool
	var by func() operators.By
	c := &cobra.Command{
		Use: "adopt", Short: "Say that this copy of the database is the one that mails", Args: cobra.NoArgs,
		Long: `Mail for relays that are not on this machine is held if the database was copied, carried to another place
or put back without its journals, or if public_url or a relay's account is another than when mail last
went out. Adopt says what differs, and that it is meant so. Make sure first that no other copy sends:
two of them mail every reader twice. A serve that is running goes on within seconds.`,
		RunE: func(c *cobra.Command, _ []string) error {
			p.gone = true
			e, err := p.engine(c.Context())
			if err != nil {
				return err
			}
			k := roomKeeping{e}
			was, err := k.Standing(c.Context())
			if err != nil {
				return err
			}
			if !asJSON {
				if len(was.Differs) == 0 {
					fmt.Fprintln(p.stdout, "nothing differs: this copy may mail")
					return nil
				}
				fmt.Fprintf(p.stderr, "%s\n  %s\n", was.Path, strings.Join(was.Differs, "\n  "))
				fmt.Fprintln(p.stderr, was.Risk)
			}
			if err := needWhy(by()); err != nil && len(was.Differs) > 0 {
				return plainRefusal(err)
			}
			if !yes && len(was.Differs) > 0 {
				if err := p.confirm("No other copy of this database may mail from now on.", "adopt"); err != nil {
					return err
				}
			}
			said := ""
			if len(was.Differs) > 0 {
				if said, err = k.Adopt(c.Context(), by()); err != nil {
					return err
				}
			}
			if asJSON {
				return p.printJSON(was)
			}
			fmt.Fprintln(p.stdout, said)
			return nil
		},
	}
	p.clockFlag(c)
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.Flags().BoolVar(&asJSON, "json", false, "what differed, as one JSON object")
	by = byFlag(c)
	return c
}

// Adopt meets [room.Keeping].
func (w roomKeeping) Adopt(ctx context.Context, by operators.By) (said string, err error) {
	if err := needWhy(by); err != nil {
		return "", err
	}
	_, why, err := w.standing(ctx)
	if err != nil {
		return "", err
	}
	if len(why) == 0 {
		return "Nothing differs: this copy may mail.", nil
	}
	if err := w.db.Adopt(ctx, by, w.cfg.Publication.PublicURL, w.accounts(), strings.Join(why, "; "), w.now()); err != nil {
		return "", err
	}
	return "Adopted: this copy mails from now on, within seconds.", nil
}
