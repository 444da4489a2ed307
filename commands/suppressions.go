package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/store"
	"broadsheet/subscribers"
)

func (p *program) suppressions() *cobra.Command {
	return group("suppressions", "Addresses that get no mail, with reason and date",
		p.suppressionsList(), p.suppressionsImport(), p.suppressionsExport(), p.suppressionsLift(),
		p.suppressionsWaves(), p.suppressionsUndo(), p.suppressionsApply())
}

type suppressionJSON struct {
	Address *string `json:"address"`
	Reason  string  `json:"reason"`
	Note    *string `json:"note"`
	At      *string `json:"at"`
}

func jsonSuppression(s subscribers.Suppression) suppressionJSON {
	return suppressionJSON{text(s.Address), s.Reason, text(s.Note), stamp(s.At)}
}

func (p *program) suppressionsList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List barred addresses", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			db, err := p.database(c.Context(), true)
			if err != nil {
				return err
			}
			return printRows(p, db.Suppressions(c.Context()), asJSON,
				func(s store.Suppressed) any { return jsonSuppression(s.Suppression) },
				[]string{"ADDRESS", "REASON", "SINCE (UTC)", "NOTE"},
				func(s store.Suppressed) []string {
					address := s.Address
					if address == "" {
						address = "(erased) " + s.Hash.String()
					}
					return []string{address, s.Reason, s.At.UTC().Format(time.DateTime), s.Note}
				})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

func (p *program) suppressionsImport() *cobra.Command {
	return &cobra.Command{
		Use: "import FILE|-", Short: "Bar the addresses of a CSV file: address or hash, reason, note, at", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			db, err := p.database(c.Context(), true)
			if err != nil {
				return err
			}
			count, err := importCSV(c.Context(), p, args[0], func(in io.Reader) (csvRows[subscribers.SuppressionRow], error) {
				return subscribers.NewSuppressionReader(in)
			}, func(ctx context.Context, some []subscribers.SuppressionRow) (store.Imported, error) {
				added, err := db.ImportSuppressions(ctx, some, time.Now())
				if err != nil {
					return store.Imported{}, err
				}
				return store.Imported{New: added, Same: len(some) - added}, nil
			})
			if err != nil && count == (importCount{}) { // not one row was read
				return err
			}
			fmt.Fprintf(p.stdout, "%d new, %d known, %d bad rows\n", count.New, count.Same, count.Bad)
			return err
		},
	}
}

func (p *program) suppressionsExport() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "export", Short: "Write all suppressions as CSV", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			db, err := p.database(c.Context(), true)
			if err != nil {
				return err
			}
			return p.writeOutput(out, func(w io.Writer) error {
				csv := subscribers.NewSuppressionWriter(w)
				for s, err := range db.Suppressions(c.Context()) {
					if err != nil {
						return err
					}
					if err := csv.Write(s.Suppression, s.Hash); err != nil {
						return fmt.Errorf("write suppressions: %w", err)
					}
				}
				return csv.Flush()
			})
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "", "write to `FILE` instead of standard output")
	return c
}

func (p *program) suppressionsLift() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "lift ADDRESS", Short: "Let an address get mail again", Args: cobra.ExactArgs(1),
		Long: `Lifts the bar; it does not make anybody a reader. The reason is kept in the log of changes. It must
be given for what only an operator may lift: a complaint, and what an operator barred. A bar for
legal reasons stays.`,
		RunE: func(c *cobra.Command, args []string) error {
			db, err := p.database(c.Context(), true)
			if err != nil {
				return err
			}
			lifted, err := db.LiftFor(c.Context(), hereBy(reason), args[0], time.Now())
			if errors.Is(err, subscribers.ErrWhy) {
				return usagef("%s: give it with --reason", err)
			}
			if err != nil {
				return err
			}
			if !lifted {
				return fmt.Errorf("%s is not suppressed", args[0])
			}
			fmt.Fprintf(p.stderr, "lifted the suppression of %s\n", args[0])
			return nil
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "`why`; it is kept")
	return c
}
