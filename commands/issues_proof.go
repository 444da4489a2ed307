package commands

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"broadsheet/operators"
	"broadsheet/web/room"
)

func (p *program) issuesApprove() *cobra.Command {
	return p.verdict("approve ISSUE --why REASON", "Let an issue and all of its slot go",
		`Approves the slot of an issue: all its issues go at their time, those too that open later for other
zones. Tripwires that hold this issue are let go, and the same ones in the slot's other issues. What is
paused stays paused.`, roomProofs.Approve)
}

func (p *program) issuesDisapprove() *cobra.Command {
	return p.verdict("disapprove ISSUE --why REASON", "Hold an issue and all of its slot back",
		`Holds the slot of an issue back until somebody approves it: nothing more of it leaves, and what opens
later for other zones waits too. At their end of life its mails expire as usual.`, roomProofs.Disapprove)
}

// verdict is a command that decides about a slot.
func (p *program) verdict(use, short, long string, do func(roomProofs, context.Context, operators.By, int64) (string, error)) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Long: long, Args: cobra.ExactArgs(1)}
	by := byFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := parseID(args[0])
		if err != nil {
			return err
		}
		e, err := p.engine(c.Context())
		if err != nil {
			return err
		}
		said, err := do(roomProofs{e}, c.Context(), by(), id)
		if err != nil {
			return plainRefusal(err)
		}
		fmt.Fprintln(p.stdout, said)
		return nil
	}
	p.clockFlag(c)
	return c
}

func (p *program) issuesProof() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "proof ISSUE", Short: "Show how an issue stands before it goes", Args: cobra.ExactArgs(1),
		Long: `Shows an issue's figures beside those of the issues it was compared with, what is out of bounds, what was
decided about its slot, and readers whose mails are worth a look. Exit code 5 says that it is held.`,
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			e, err := p.engine(c.Context())
			if err != nil {
				return err
			}
			proof, err := roomProofs{e}.Proof(c.Context(), id)
			if err != nil {
				return err
			}
			if err := (roomProofs{e}).Sample(c.Context(), proof); err != nil {
				return err
			}
			if asJSON {
				err = p.printJSON(proof)
			} else {
				err = p.printProof(proof)
			}
			if err == nil && len(proof.Holds) > 0 && !proof.Over {
				return &exitError{code: exitHeld}
			}
			return err
		},
	}
	p.clockFlag(c)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

func (p *program) printProof(proof *room.Proof) error {
	for _, h := range proof.Holds {
		fmt.Fprintln(p.stdout, h)
	}
	fmt.Fprintf(p.stdout, "%s\n\n", proof.Next)
	t := p.table("FIGURE", "NOW", "USUAL", "LOWEST", "HIGHEST")
	for _, f := range proof.Figures {
		t.row(f.Name, f.Now, f.Usual, f.Lowest, f.Most)
	}
	err := t.flush()
	if len(proof.Sample) > 0 {
		fmt.Fprintln(p.stdout)
		t := p.table("WORTH A LOOK", "READER", "STORIES", "HTML")
		for _, s := range proof.Sample {
			t.row(s.What, s.Address, strconv.Itoa(s.Stories), strconv.Itoa(s.Size))
		}
		err = errors.Join(err, t.flush())
	}
	if len(proof.Said) > 0 {
		fmt.Fprintln(p.stdout)
		t := p.table("WHEN (UTC)", "WHAT", "WHO", "WHY", "ISSUE")
		for _, d := range proof.Said {
			what := "held back"
			if d.Approved {
				what = "approved"
			}
			t.row(deref(stamp(d.At)), what, d.Who, d.Why, itoa(d.Issue))
		}
		err = errors.Join(err, t.flush())
	}
	return err
}

func (p *program) issuesForecast() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "forecast [EDITION]", Short: "Say what the coming slots will bring", Args: cobra.MaximumNArgs(1), ValidArgsFunction: p.completeEdition,
		Long: `Chooses for every reader of the next slot in each zone and hour, as the opening will, with the stories and
readers there are now, and says how many mails of which size come of it and how long the relays need.
Writes nothing. With 100,000 readers it takes some seconds for each edition.`,
		RunE: func(c *cobra.Command, args []string) error {
			e, err := p.engine(c.Context())
			if err != nil {
				return err
			}
			edition := ""
			if len(args) > 0 {
				ed, err := findEdition(e.cfg, args[0])
				if err != nil {
					return err
				}
				edition = ed.Name
			}
			list, err := e.foresee(c.Context(), edition)
			if err != nil {
				return err
			}
			if len(list) == 0 {
				return &exitError{exitNothing, errors.New("no slot is to come")}
			}
			t := p.table("EDITION", "SLOT", "ZONE", "DUE (UTC)", "READERS", "MAILS", "NOTHING FOR", "DIGESTS", "STORIES A MAIL", "OCTETS")
			for _, f := range list {
				if !asJSON {
					t.row(f.Edition, f.Local, f.Zone, deref(stamp(f.Due)), strconv.Itoa(f.Readers), strconv.Itoa(f.Mails), fmt.Sprintf("%.0f %%", 100*f.Empty),
						strconv.Itoa(f.Digests), fmt.Sprintf("%.1f", f.Stories), strconv.Itoa(f.Bytes))
				} else if err := p.printJSON(f); err != nil {
					return err
				}
			}
			if asJSON {
				return nil
			}
			err = t.flush()
			for _, f := range list {
				for _, r := range f.Relays {
					fmt.Fprintln(p.stdout, r.Text)
				}
			}
			return err
		},
	}
	p.clockFlag(c)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}
