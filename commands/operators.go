package commands

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"broadsheet/operators"
)

func (p *program) operators() *cobra.Command {
	return group("operators", "Who may come into the operator's room",
		p.operatorsAdd(), p.operatorsList(), p.operatorsRole(), p.operatorsPassword(), p.operatorsTOTP(), p.operatorsRemove())
}

// doors gives a command what the room's pages call.
func (p *program) doors(ctx context.Context) (roomDoors, error) {
	e, err := p.desk(ctx, false)
	return roomDoors{e, new(operators.Delays)}, err
}

// desk is an engine for commands that read and change the database alone: nothing is sent, so relays,
// templates and DKIM keys need not be there.
func (p *program) desk(ctx context.Context, withKeys bool) (*engine, error) {
	if _, err := p.clock(); err != nil {
		return nil, err
	}
	cfg, db, err := p.configAndDatabase(ctx, withKeys)
	if err != nil {
		return nil, err
	}
	return &engine{cfg: cfg, db: db, keys: p.ring, now: p.now, log: p.logger(), acts: &underway{}, health: &examined{}}, nil
}

// done says what an act came to, on standard error; a refusal is the command's failure.
func (p *program) done(said string, err error) error {
	if err != nil {
		return plainRefusal(err)
	}
	fmt.Fprintln(p.stderr, said)
	return nil
}

// newPassword reads one: from a terminal twice and without an echo, else the first line of standard input.
func (p *program) newPassword(name string) (string, error) {
	if f, ok := p.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		ask := func(what string) (string, error) {
			fmt.Fprintf(p.stderr, "%s for %s: ", what, name)
			b, err := term.ReadPassword(int(f.Fd()))
			fmt.Fprintln(p.stderr)
			if err != nil {
				return "", fmt.Errorf("read password: %w", err)
			}
			return string(b), nil
		}
		first, err := ask("Password")
		if err != nil {
			return "", err
		}
		if err := operators.CheckPassword(name, first); err != nil {
			return "", err
		}
		again, err := ask("Again")
		if err != nil {
			return "", err
		}
		if first != again {
			return "", errors.New("the password was typed differently the second time")
		}
		return first, nil
	}
	line, err := bufio.NewReader(io.LimitReader(p.stdin, 64<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read password: %w", err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", usagef("there is no password: type it at a terminal, or give it as the first line of standard input")
	}
	return line, nil
}

func (p *program) operatorsAdd() *cobra.Command {
	var role string
	c := &cobra.Command{
		Use: "add NAME", Short: "Let somebody into the operator's room", Args: cobra.ExactArgs(1),
		Long: `The password is asked for twice at a terminal, without an echo; else it is the first line of standard
input. It has 12 characters at least. Roles: look sees everything, act steps into runs, stories and readers,
manage also has operators and tokens.`,
	}
	by := byFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		name, err := operators.ParseName(args[0])
		if err != nil {
			return usage(err)
		}
		r, err := operators.ParseRole(role)
		if err != nil {
			return usagef("--role: %w", err)
		}
		d, err := p.doors(c.Context())
		if err != nil {
			return err
		}
		password, err := p.newPassword(name)
		if err != nil {
			return err
		}
		return p.done(d.AddOperator(c.Context(), by(), name, r, password))
	}
	c.Flags().StringVar(&role, "role", string(operators.Look), "look, act or manage")
	return c
}

func (p *program) operatorsList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List who may come in", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := p.doors(c.Context())
			if err != nil {
				return err
			}
			list, err := d.Operators(c.Context())
			if err != nil {
				return err
			}
			return printRows(p, rowsOf(list), asJSON, func(a operators.Account) any { return a },
				[]string{"NAME", "ROLE", "ONE-TIME CODES", "SINCE (UTC)"}, func(a operators.Account) []string {
					codes := "no"
					if a.HasCode {
						codes = "yes"
					}
					return []string{a.Name, string(a.Role), codes, a.Made.UTC().Format(time.DateTime)}
				})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

// rowsOf goes through a list.
func rowsOf[T any](list []T) func(yield func(T, error) bool) {
	return func(yield func(T, error) bool) {
		for _, v := range list {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func (p *program) operatorsRole() *cobra.Command {
	c := &cobra.Command{Use: "role NAME look|act|manage", Short: "Change what an operator may do", Args: cobra.ExactArgs(2)}
	by := byFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		name, err := operators.ParseName(args[0])
		if err != nil {
			return usage(err)
		}
		role, err := operators.ParseRole(args[1])
		if err != nil {
			return usage(err)
		}
		d, err := p.doors(c.Context())
		if err != nil {
			return err
		}
		return p.done(d.SetRole(c.Context(), by(), name, role))
	}
	return c
}

func (p *program) operatorsPassword() *cobra.Command {
	c := &cobra.Command{Use: "password NAME", Short: "Give an operator a new password and end their sessions", Args: cobra.ExactArgs(1)}
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
		if _, err := d.db.OperatorNamed(c.Context(), name); err != nil {
			return p.done("", refused(err, name))
		}
		password, err := p.newPassword(name)
		if err != nil {
			return err
		}
		return p.done(d.SetPassword(c.Context(), by(), name, password))
	}
	return c
}

func (p *program) operatorsTOTP() *cobra.Command {
	var remove bool
	c := &cobra.Command{
		Use: "totp NAME", Short: "Give an operator one-time codes, or take them away", Args: cobra.ExactArgs(1),
		Long: `Prints a secret and its otpauth URI, once, for the operator's authenticator; from then on a code is asked
for at log-in. The secret is kept sealed with the oldest key, so that a copy of the database alone gives no codes.`,
	}
	by := byFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		name, err := operators.ParseName(args[0])
		if err != nil {
			return usage(err)
		}
		e, err := p.desk(c.Context(), true)
		if err != nil {
			return err
		}
		d := roomDoors{e, new(operators.Delays)}
		if remove {
			return p.done(d.DropCode(c.Context(), by(), name))
		}
		if _, err := d.db.OperatorNamed(c.Context(), name); err != nil {
			return p.done("", refused(err, name))
		}
		secret := operators.NewCodeSecret()
		if err := d.keepCode(c.Context(), by(), name, secret, 0); err != nil {
			return p.done("", err)
		}
		fmt.Fprintf(p.stdout, "%s\n%s\n", secret, secret.URI(e.cfg.Publication.Name, name))
		return p.done(name+" is asked for a one-time code from now on; this is shown once", nil)
	}
	c.Flags().BoolVar(&remove, "remove", false, "take them away: the telephone is lost")
	return c
}

func (p *program) operatorsRemove() *cobra.Command {
	c := &cobra.Command{Use: "remove NAME", Short: "Let an operator in no longer", Args: cobra.ExactArgs(1)}
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
		return p.done(d.RemoveOperator(c.Context(), by(), name))
	}
	return c
}
