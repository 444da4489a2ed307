package commands

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/operators"
)

func (p *program) tokens() *cobra.Command {
	return group("tokens", "What programs come in with at /api/v1", p.tokensAdd(), p.tokensList(), p.tokensRevoke())
}

func (p *program) tokensAdd() *cobra.Command {
	var role string
	c := &cobra.Command{
		Use: "add NAME", Short: "Make an API token and print it, once", Args: cobra.ExactArgs(1),
		Long: `The token goes to standard output and is not kept: only its hash is. It is sent as
"Authorization: Bearer TOKEN". Roles are those of operators.`,
	}
	by := byFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		r, err := operators.ParseRole(role)
		if err != nil {
			return usagef("--role: %w", err)
		}
		d, err := p.doors(c.Context())
		if err != nil {
			return err
		}
		secret, said, err := d.AddToken(c.Context(), by(), args[0], r)
		if err != nil {
			return p.done("", err)
		}
		if _, err := fmt.Fprintln(p.stdout, secret); err != nil {
			return fmt.Errorf("write output: %w", err)
		}
		return p.done(said, nil)
	}
	c.Flags().StringVar(&role, "role", string(operators.Look), "look, act or manage")
	return c
}

func (p *program) tokensList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List API tokens", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := p.doors(c.Context())
			if err != nil {
				return err
			}
			list, err := d.Tokens(c.Context())
			if err != nil {
				return err
			}
			return printRows(p, rowsOf(list), asJSON, func(k operators.Token) any { return k },
				[]string{"NAME", "ROLE", "MADE BY", "SINCE (UTC)", "LAST USED (UTC)"}, func(k operators.Token) []string {
					used := "never"
					if !k.Used.IsZero() {
						used = k.Used.UTC().Format(time.DateTime)
					}
					return []string{k.Name, string(k.Role), k.Maker, k.Made.UTC().Format(time.DateTime), used}
				})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

func (p *program) tokensRevoke() *cobra.Command {
	c := &cobra.Command{Use: "revoke NAME", Short: "Take an API token away, at once", Args: cobra.ExactArgs(1)}
	by := byFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		name, err := operators.ParseName(args[0])
		if err != nil {
			return usage(err)
		}
		d, err := p.doors(c.Context())
		if err != nil {
			return err
		}
		return p.done(d.RevokeToken(c.Context(), by(), name))
	}
	return c
}
