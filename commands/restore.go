package commands

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"broadsheet/operators"
	"broadsheet/store"
)

func (p *program) restore() *cobra.Command {
	var asJSON bool
	var by func() operators.By
	c := &cobra.Command{
		Use: "restore FILE", Short: "Put a backup in the database's place, and have its journals say what came after it", Args: cobra.ExactArgs(1),
		Long: `Reads the backup through, puts the database that is there aside (nothing is deleted) and the backup in its
place. Then the journals beside the database say which mails left since, so that none goes twice, and who left,
complained, was erased, barred or paused since, so that nobody of them is mailed. Journals beside the
backup come too. Stop serve first: exit code 4 says that somebody has the database open.`,
		RunE: func(c *cobra.Command, args []string) error {
			p.gone = true
			cfg, err := p.config()
			if err != nil {
				return err
			}
			ring, err := p.keyring()
			if err != nil {
				return err
			}
			now, err := p.clock()
			if err != nil {
				return err
			}
			from, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			done, unlock, err := store.Restore(c.Context(), p.databaseName(), from, ring.Fingerprint(), now())
			switch {
			case errors.Is(err, store.ErrLocked), errors.Is(err, store.ErrBusy):
				return &exitError{exitBusy, err}
			case errors.Is(err, store.ErrKey):
				return usage(err)
			case err != nil:
				return err
			}
			defer unlock()
			db, err := p.database(c.Context(), true)
			if err != nil {
				return err
			}
			e, err := p.wire(c.Context(), cfg, db, ring)
			if err != nil {
				return err
			}
			before, err := db.PutBacks(c.Context(), 1)
			if err != nil {
				return err
			}
			if _, err := db.RecoverOld(c.Context(), now()); err != nil {
				return err
			}
			back, err := db.PutBacks(c.Context(), 1)
			if err != nil {
				return err
			}
			var said *store.PutBack
			if len(back) > 0 && (len(before) == 0 || back[0] != before[0]) {
				said = &back[0]
			}
			_, why, err := e.standing(c.Context())
			if err != nil {
				return err
			}
			words := "the journals say nothing new"
			if said != nil {
				words = putBackWords(said)
			}
			if err := db.Note(c.Context(), by(), "restore", "database", from+"; "+words, now()); err != nil {
				return err
			}
			if asJSON {
				return p.printJSON(struct {
					Database string         `json:"database"`
					From     string         `json:"from"`
					Aside    *string        `json:"aside"`
					Readers  int            `json:"readers"`
					Issues   int            `json:"issues"`
					PutBack  *store.PutBack `json:"put_back"`
					Differs  []string       `json:"differs"`
				}{done.Path, done.From, text(done.Aside), done.Readers, done.Issues, said, list(why)})
			}
			fmt.Fprintf(p.stdout, "%s is put back from %s: %d readers, %d issues, %d deliveries\n", done.Path, done.From, done.Readers, done.Issues, done.Deliveries)
			if done.Aside != "" {
				fmt.Fprintf(p.stdout, "what was there is %s\n", done.Aside)
			}
			fmt.Fprintln(p.stdout, words)
			if len(why) > 0 {
				fmt.Fprintf(p.stdout, "sending is held:\n  %s\n%s\n", strings.Join(why, "\n  "), adoptAdvice)
			}
			return nil
		},
	}
	p.clockFlag(c)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	by = byFlag(c)
	return c
}

// keeping is the command that shows how this copy stands.
func (p *program) keeping() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "keeping", Short: "Show whether this copy may mail, its backups, and what is kept for how long", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p.gone = true
			e, err := p.engine(c.Context())
			if err != nil {
				return err
			}
			k := roomKeeping{e}
			s, err := k.Standing(c.Context())
			if err != nil {
				return err
			}
			backups, err := k.Backups(c.Context())
			if err != nil {
				return err
			}
			kept, err := k.Retention(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return p.printJSON(map[string]any{"standing": s, "backups": backups, "retention": kept})
			}
			fmt.Fprintf(p.stdout, "%s\ndatabase %s, instance %s\n", s.Path, s.Database, s.Instance)
			if len(s.Differs) > 0 {
				fmt.Fprintf(p.stdout, "sending is held:\n  %s\n", strings.Join(s.Differs, "\n  "))
			} else {
				fmt.Fprintln(p.stdout, "sending is free")
			}
			if len(s.OnlyTo) > 0 {
				fmt.Fprintf(p.stdout, "mail goes only to %s\n", strings.Join(s.OnlyTo, ", "))
			}
			for _, b := range s.PutBack {
				fmt.Fprintf(p.stdout, "put back %s, %s\n", b.At.Format("2006-01-02 15:04 UTC"), b.What)
			}
			fmt.Fprintln(p.stdout)
			t := p.table("BACKUP", "SIZE", "READERS", "FILE")
			for _, b := range backups {
				t.row(b.At.Format("2006-01-02 15:04 UTC"), b.Size, itoa(int64(b.Readers)), b.Path)
			}
			if err := t.flush(); err != nil {
				return err
			}
			fmt.Fprintln(p.stdout)
			t = p.table("WHAT", "KEPT", "THEN", "DROPPED LAST")
			for _, r := range kept {
				t.row(r.What, r.Kept, r.Note, r.Last)
			}
			return t.flush()
		},
	}
	p.clockFlag(c)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}
