package commands

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/operators"
	"broadsheet/web/room"
)

func (p *program) feeds() *cobra.Command {
	return group("feeds", "Where stories come from: how each feed and folder is", p.feedsList(), p.feedsTry())
}

func (p *program) feedsList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List feeds and folders with their state", Args: cobra.NoArgs,
		Long: `A feed is failing from its first failed try on, and an alarm from the third in a row: amber, and red once
it has not worked for a day. It is silent, which is amber, if it is fetched and has had no new story for
two days, though it had some on ten of the twelve days before.`,
		RunE: func(c *cobra.Command, _ []string) error {
			e, err := p.engine(c.Context())
			if err != nil {
				return err
			}
			l, err := roomFeeds{e}.List(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return p.printJSON(l)
			}
			t := p.table("STATE", "FEED", "LAST SUCCESS (UTC)", "NEXT (UTC)", "NOT MODIFIED", "STORIES IN 28 DAYS", "LAST ERROR")
			for n := range l.Feeds {
				f := &l.Feeds[n]
				t.row(f.State, f.URL, when(f.OK), when(f.Due), fmt.Sprintf("%d of %d", f.Hits, f.Fetches), strconv.Itoa(f.Stories()), f.Error)
			}
			for _, f := range l.Folders {
				t.row(f.Level, f.Dir, when(f.Newest), "", "", "", f.Words)
			}
			return t.flush()
		},
	}
	p.clockFlag(c)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.DateTime)
}

func (p *program) feedsTry() *cobra.Command {
	var asJSON bool
	var by func() operators.By
	c := &cobra.Command{
		Use: "try [URL]", Short: "Fetch a feed or folder now, or all, and say what came of it", Args: cobra.MaximumNArgs(1),
		Long: `Fetches with the usual limits, whether or not it is due, and takes in what is new. URL is that of a feed
in the configuration, or a folder of it. Exit code 1 says that one failed.`,
		RunE: func(c *cobra.Command, args []string) error {
			e, err := p.engine(c.Context())
			if err != nil {
				return err
			}
			w := roomFeeds{e}
			var ids []string
			for _, f := range e.cfg.Feeds {
				if len(args) == 0 || args[0] == f.URL || args[0] == redacted(f.URL) {
					ids = append(ids, sourceID(f.URL))
				}
			}
			for _, a := range e.cfg.Articles {
				if len(args) == 0 || args[0] == a.Dir {
					ids = append(ids, sourceID("folder "+a.Dir))
				}
			}
			if len(ids) == 0 && len(args) > 0 {
				return usagef("%s has no feed or folder %s; feeds list prints those it has", e.cfg.File, args[0])
			}
			failed, seen := false, map[string]bool{}
			for _, id := range ids {
				if seen[id] {
					continue
				}
				seen[id] = true
				t, err := w.Try(c.Context(), by(), id)
				if err != nil {
					return err
				}
				failed = failed || !t.OK
				if err := p.printTrial(t, asJSON); err != nil {
					return err
				}
			}
			if failed {
				return &exitError{exitFailed, errors.New("not all of them could be fetched")}
			}
			return nil
		},
	}
	p.clockFlag(c)
	by = byFlag(c)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

func (p *program) printTrial(t *room.Trial, asJSON bool) error {
	if asJSON {
		return p.printJSON(t)
	}
	says := t.Said()
	if t.OK && t.Status != "unchanged" {
		says = fmt.Sprintf("%s (%d ms)", says, t.Millis)
	}
	if _, err := fmt.Fprintln(p.stdout, printable(cmp.Or(says, t.Status))); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}
