package commands

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/web/room"
)

// storyAct is a command that acts on one story as its page does.
func (p *program) storyAct(use, short, long string, act func(c *cobra.Command, r roomStories, by operators.By, id int64) (said string, err error)) *cobra.Command {
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
		said, err := act(c, roomStories{e}, by(), id)
		if err != nil {
			return err
		}
		fmt.Fprintln(p.stderr, said)
		return nil
	}
	p.clockFlag(c)
	return c
}

func (p *program) storiesPin() *cobra.Command {
	var section string
	var rank int
	var off bool
	c := p.storyAct("pin ID", "Have a story come before others when places are given", "", func(c *cobra.Command, r roomStories, by operators.By, id int64) (string, error) {
		if off {
			rank = 0
		}
		return r.Pin(c.Context(), by, id, section, rank)
	})
	c.Flags().StringVar(&section, "section", "", "in this `section` alone")
	c.Flags().IntVar(&rank, "rank", 1, "the pin: higher ones come first")
	c.Flags().BoolVar(&off, "off", false, "take the pin off")
	return c
}

func (p *program) storiesLead() *cobra.Command {
	var edition, section, until string
	var off bool
	c := p.storyAct("lead ID", "Put a story on top of an edition's mails, or of a section",
		`Puts a story on top wherever it is chosen, in issues that open from now on: of the mails of an edition,
together with its section, or of a section. One story leads each.`, func(c *cobra.Command, r roomStories, by operators.By, id int64) (string, error) {
			switch {
			case (edition == "") == (section == ""):
				return "", usagef("give --edition or --section")
			case off:
				return r.Unlead(c.Context(), by, id, edition, section)
			case until == "":
				return "", usagef("give --until")
			}
			if _, err := r.typedTime(until); err != nil {
				return "", usagef("--until: %w", err)
			}
			return r.Lead(c.Context(), by, id, edition, section, until)
		})
	c.Flags().StringVar(&edition, "edition", "", "of this `edition`'s mails")
	c.Flags().StringVar(&section, "section", "", "of this `section`")
	c.Flags().StringVar(&until, "until", "", "`TIME` at which it ends: 2026-04-02 14:30 in the publication's zone, RFC 3339, or a length such as 3h")
	c.Flags().BoolVar(&off, "off", false, "take it down")
	return c
}

func (p *program) storiesHold() *cobra.Command {
	var until string
	c := p.storyAct("hold ID", "Hold a story back until a time", `Holds a story back, whatever its source says. One that has come in already is chosen no more and leaves
what has not gone yet; when its time has come it comes in anew.`, func(c *cobra.Command, r roomStories, by operators.By, id int64) (string, error) {
		if _, err := r.typedTime(until); err != nil {
			return "", usagef("--until: %w", err)
		}
		said, err := r.Hold(c.Context(), by, id, until)
		return said, errors.Join(err, p.follow(c.Context(), r.engine, err, nil))
	})
	c.Flags().StringVar(&until, "until", "", "`TIME` at which it comes in: 2026-04-02 14:30 in the publication's zone, RFC 3339, or a length such as 3h")
	_ = c.MarkFlagRequired("until")
	return c
}

func (p *program) storiesRelease() *cobra.Command {
	return p.storyAct("release ID", "Let a story come in that is held back", "", func(c *cobra.Command, r roomStories, by operators.By, id int64) (string, error) {
		return r.Release(c.Context(), by, id)
	})
}

func (p *program) storiesCorrect() *cobra.Command {
	var to room.StoryCorrection
	var file string
	c := p.storyAct("correct ID", "Give a story new words", `Gives a story new words, marked as corrected. Deliveries without a copy get them; the source does not
overwrite them unless it says something new. What is not given stays as it is.`, func(c *cobra.Command, r roomStories, by operators.By, id int64) (string, error) {
		if file != "" {
			text, err := readText(p, file)
			if err != nil {
				return "", err
			}
			to.Text = text
		}
		if to == (room.StoryCorrection{}) {
			return "", usagef("give --headline, --lead or --text")
		}
		said, err := r.Correct(c.Context(), by, id, to)
		return said, errors.Join(err, p.follow(c.Context(), r.engine, err, nil))
	})
	c.Flags().StringVar(&to.Headline, "headline", "", "the headline")
	c.Flags().StringVar(&to.Lead, "lead", "", "the summary")
	c.Flags().StringVar(&file, "text", "", "`FILE` with the text, a blank line between paragraphs; - for standard input")
	return c
}

// readText reads a file, or standard input.
func readText(p *program, name string) (string, error) {
	const most = 1 << 20
	in := p.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", usage(err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, most+1))
	if err == nil && len(b) > most {
		err = fmt.Errorf("%s is larger than 1 MB", name)
	}
	return string(b), err
}

// follow has digests on record follow what was done, unless it failed.
func (p *program) follow(ctx context.Context, e *engine, failed error, sum *store.Recast) error {
	if failed != nil {
		return nil
	}
	b := progress(p.stderr, "batches", 0)
	done, err := e.recast(ctx, func(r store.Recast) { b.set(int64(r.Batches)) })
	b.done()
	if sum != nil {
		*sum = done
	}
	return err
}

// withdrawnJSON is what a withdrawal came to.
type withdrawnJSON struct {
	Story int64 `json:"story"`
	News  bool  `json:"news"` // false: it was withdrawn before
	Have  int   `json:"have"` // deliveries with it
	store.Recast
}

func (p *program) storiesWithdraw() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "withdraw ID", Short: "Withdraw a story at once and for good, also in the middle of a run",
		Long: `Withdraws a story. From that moment on nothing with it leaves, whichever process sends: what has no copy
out goes without it, a copy that nobody answered ends uncertain, and a delivery of which nothing is
left is cancelled. No page shows it any more, and no source brings it back. The new digests are
made before the command ends; if it is interrupted whoever sends goes on with them, and nothing
goes before. "stories have ID" lists who has it.`, Args: cobra.ExactArgs(1),
	}
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
		r := roomStories{e}
		before, err := e.db.Story(c.Context(), id)
		if err != nil {
			return r.refused(err, id)
		}
		said, err := r.Withdraw(c.Context(), by(), id)
		if err != nil {
			return plainRefusal(err)
		}
		fmt.Fprintln(p.stderr, said)
		out := withdrawnJSON{Story: id, News: before.Story.Withdrawn.IsZero()}
		if err := p.follow(c.Context(), e, nil, &out.Recast); err != nil {
			return err
		}
		for _, err := range e.db.Having(c.Context(), id, nil) {
			if err != nil {
				return err
			}
			out.Have++
		}
		if asJSON {
			return p.printJSON(out)
		}
		t := p.table("have it", itoa(int64(out.Have)))
		t.row("go without it", itoa(int64(out.Deliveries)))
		t.row("cancelled, for nothing is left", itoa(int64(out.Cancelled)))
		t.row("uncertain", itoa(int64(out.Uncertain)))
		return t.flush()
	}
	p.clockFlag(c)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

func (p *program) storiesHave() *cobra.Command {
	var asJSON, asCSV bool
	c := &cobra.Command{
		Use: "have ID", Short: "List who has a story, or may have", Args: cobra.ExactArgs(1),
		Long: `Lists the deliveries whose digest, as it went, shows the story, and of which a copy is out or was taken:
handed, accepted, delayed, delivered, bounced, and uncertain. That is what the ledger has, no more and
no less.`,
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			if asJSON && asCSV {
				return usagef("--json and --csv exclude each other")
			}
			db, err := p.database(c.Context(), false)
			if err != nil {
				return err
			}
			if _, err := db.Story(c.Context(), id); errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("there is no story %d", id)
			} else if err != nil {
				return err
			}
			rows := roomStories{&engine{db: db}}.Having(c.Context(), id)
			if !asCSV {
				return printRows(p, rows, asJSON, func(h room.StoryHaving) any { return h }, []string{"DELIVERY", "EDITION", "SLOT", "ADDRESS", "STATE", "REASON"},
					func(h room.StoryHaving) []string {
						return []string{itoa(h.Delivery), h.Edition, h.Slot, h.Address, h.State, h.Reason}
					})
			}
			out := csv.NewWriter(p.stdout)
			if err := out.Write(room.StoryHavingHead); err != nil {
				return err
			}
			for h, err := range rows {
				if err != nil {
					return err
				}
				if err := out.Write(h.Cells()); err != nil {
					return err
				}
			}
			out.Flush()
			return out.Error()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	c.Flags().BoolVar(&asCSV, "csv", false, "CSV, with all columns")
	return c
}
