package commands

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"broadsheet/operators"
	"broadsheet/store"
)

func (p *program) backup() *cobra.Command {
	var to string
	var keep int
	var asJSON bool
	var by func() operators.By
	c := &cobra.Command{
		Use: "backup", Short: "Copy the database as it stands, while it is in use, and check the copy", Args: cobra.NoArgs,
		Long: `Copies the database as it stands at one moment into a file or folder; senders go on meanwhile. The copy is
synced and read through before it gets its name, is readable by its owner alone, and overwrites nothing.
The journals of mails that left and readers who left are copied beside it: keep them together. Give a folder on
another disk: a name that ends with / is a folder, and is made if it is not there. Without --to it is the folder backups beside the database.

Of a PostgreSQL database the copy is a SQLite file too, which either engine can be restored from. It has no journals,
and its folder is beside the configuration if --to names none.`,
		RunE: func(c *cobra.Command, _ []string) error {
			p.gone = true
			if keep < 0 {
				return usagef("--keep %d is below 0", keep)
			}
			db, err := p.databaseThere(c.Context(), false)
			if err != nil {
				return err
			}
			now, err := p.clock()
			if err != nil {
				return err
			}
			b, err := backUp(c.Context(), db, by(), to, p.configFile, now())
			if errors.Is(err, store.ErrExists) {
				return usage(err)
			}
			if err != nil {
				return err
			}
			var gone []string
			if keep > 0 {
				if gone, err = db.PruneBackups(c.Context(), filepath.Dir(b.Path), keep); err != nil {
					return err
				}
			}
			if asJSON {
				return p.printJSON(struct {
					store.Backup
					Deleted []string `json:"deleted"`
				}{b, list(gone)})
			}
			fmt.Fprintf(p.stdout, "%s\n%s, checked, in %.1f s: %d readers, %d issues, %d deliveries; %d journals beside it\n",
				b.Path, octets(uint64(b.Size)), b.Seconds, b.Readers, b.Issues, b.Deliveries, b.Journals)
			for _, path := range gone {
				fmt.Fprintf(p.stdout, "deleted %s\n", path)
			}
			return nil
		},
	}
	c.Flags().StringVar(&to, "to", "", "`FILE` or folder for the copy (default the folder backups beside the database)")
	c.Flags().IntVar(&keep, "keep", 0, "then delete all but the latest `N` backups of that folder; 0 = delete none")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	by = byFlag(c)
	return c
}
