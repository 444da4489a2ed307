package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/operators"
	"broadsheet/store"
)

func (p *program) subscribersData() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "data ADDRESS",
		Short: "Print everything held about a reader as JSON",
		Long: `Prints one JSON object for the reader's own use: every change of settings, consents with their wording,
every mail with its stories and what became of it, bars of the address, and what waits to be
confirmed or written.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			db, err := p.database(c.Context(), true)
			if err != nil {
				return err
			}
			s, err := p.findSubscriber(c.Context(), db, args[0])
			if err != nil {
				return err
			}
			held, err := db.OwnData(c.Context(), s.ID, time.Now())
			if err != nil {
				return err
			}
			return p.writeOutput(out, func(w io.Writer) error {
				e := json.NewEncoder(w)
				e.SetEscapeHTML(false)
				e.SetIndent("", "  ")
				if err := e.Encode(held); err != nil {
					return fmt.Errorf("write own data: %w", err)
				}
				return nil
			})
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "", "write to `FILE` instead of standard output")
	return c
}

func (p *program) subscribersErase() *cobra.Command {
	var yes bool
	var by func() operators.By
	c := &cobra.Command{
		Use:   "erase ADDRESS",
		Short: "Delete everything held about a reader; only a keyed hash of the address stays",
		Long: `Deletes the reader with all that is held and takes waiting mail out of the queue. Mails that were sent
stay as numbers, so that books balance, and the suppression list keeps a keyed hash of the address, so
that no import brings it back; a new sign-up that is confirmed does. Nothing of it can be undone.
Backups are yours to delete.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			db, err := p.database(c.Context(), true)
			if err != nil {
				return err
			}
			s, err := p.findSubscriber(c.Context(), db, args[0])
			if err != nil {
				return err
			}
			if !yes {
				if err := p.confirm(fmt.Sprintf("This erases everything held about %s for good.", s.Address), "erase"); err != nil {
					return err
				}
			}
			if err := db.EraseFor(c.Context(), by(), s.ID, time.Now()); err != nil {
				return err
			}
			fmt.Fprintf(p.stderr, "erased %s\n", args[0])
			return p.scrub(c.Context(), db)
		},
	}
	by = byFlag(c)
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

// scrub says so where somebody reads the database for so long that what was erased still stands in
// the file of changes beside it.
func (p *program) scrub(ctx context.Context, db *store.DB) error {
	err := db.Scrub(ctx)
	if errors.Is(err, store.ErrBusy) {
		fmt.Fprintln(p.stderr, "note: another program is reading the database; the -wal file beside it still has old pages until that ends and the next erasure or restart")
		return nil
	}
	return err
}
