package commands

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/subscribers"
)

func (p *program) restore() *cobra.Command {
	var asJSON bool
	var by func() operators.By
	c := &cobra.Command{
		Use: "restore FILE", Short: "Put a backup in the database's place, and have its journals say what came after it", Args: cobra.ExactArgs(1),
		Long: `Reads the backup through, puts the database that is there aside (nothing is deleted) and the backup in its
place. Then the journals beside the database say which mails left since, so that none goes twice, and who left,
complained, was erased, barred or paused since, so that nobody of them is mailed. Journals beside the
backup come too. Stop serve first: exit code 4 says that somebody has the database open.

A PostgreSQL database must be empty (exit code 2 if it is not), whichever engine the backup is of. What was done
since the backup is in no journal there, so it waits for adopt. TMPDIR needs room for a copy of the file.`,
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
			done, said, unlock, err := p.putBack(c.Context(), from, ring, by(), now)
			switch {
			case errors.Is(err, store.ErrLocked), errors.Is(err, store.ErrBusy), errors.Is(err, store.ErrInUse):
				return &exitError{exitBusy, err}
			case errors.Is(err, store.ErrKey), errors.Is(err, store.ErrNotEmpty), errors.Is(err, store.ErrNoDatabase):
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
			if !store.IsServer(p.databaseName()) {
				if said, err = db.PutBack(c.Context(), now()); err != nil {
					return err
				}
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

// putBack puts a backup in the place of a file, or into an empty database of a server.
func (p *program) putBack(ctx context.Context, from string, ring *subscribers.Keys, by operators.By, now func() time.Time) (done store.Restored, said *store.PutBack, unlock func(), err error) {
	if !store.IsServer(p.databaseName()) {
		done, unlock, err = store.Restore(ctx, p.databaseName(), from, ring.Fingerprint(), now())
		return done, nil, unlock, err
	}
	to, err := p.withPassword(p.databaseName())
	if err != nil {
		return done, nil, nil, err
	}
	show := p.newMoveBar()
	done, said, err = store.RestoreServer(ctx, to, from, store.Move{AddressHash: ring.AddressHash, Fingerprint: ring.Fingerprint(), By: by, Now: now, Progress: show.step})
	show.done()
	return done, said, func() {}, err
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
