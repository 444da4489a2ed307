package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"broadsheet/intake"
	"broadsheet/mailer"
	"broadsheet/mailer/inbox"
	"broadsheet/store"
)

func (p *program) bouncesReplay() *cobra.Command {
	var aside, all, asJSON bool
	c := &cobra.Command{
		Use: "replay [ID...]", Short: "Read kept messages once more, and record what changed",
		Long: `Reads messages that are kept (for 90 days) once more with today's program: those with these IDs, those
that were set aside, or all. What is read otherwise than before goes on record, with what follows
from it: somebody who asked to leave leaves, a bounce marks its delivery. What followed before does
not follow again, and a hard or soft mark that was none is taken back. Exit code 3 says that nothing
changed.`,
		RunE: func(c *cobra.Command, args []string) error {
			ways := 0
			for _, way := range []bool{len(args) > 0, aside, all} {
				if way {
					ways++
				}
			}
			if ways != 1 {
				return usagef("give IDs, or --aside, or --all")
			}
			var ids []int64
			for _, arg := range args {
				id, err := parseID(arg)
				if err != nil {
					return err
				}
				ids = append(ids, id)
			}
			_, clerk, err := p.clerk(c.Context())
			if err != nil {
				return err
			}
			for m, err := range p.db.Inbound(c.Context(), store.InboundFilter{Aside: aside}) {
				if len(args) > 0 {
					break
				}
				if err != nil {
					return err
				}
				if m.Kept {
					ids = append(ids, m.ID)
				}
			}
			return p.replay(c.Context(), clerk, ids, asJSON)
		},
	}
	p.clockFlag(c)
	c.Flags().BoolVar(&aside, "aside", false, "those that were set aside")
	c.Flags().BoolVar(&all, "all", false, "all that are kept")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object for each message that changed")
	return c
}

// replayJSON is a message that is read otherwise than before.
type replayJSON struct {
	ID     int64        `json:"id"`
	Was    mailer.Class `json:"was"`
	Class  mailer.Class `json:"class"`
	Aside  *string      `json:"aside"`
	Effect *string      `json:"effect"`
}

// replay reads messages once more. One that cannot be read does not stop the others.
func (p *program) replay(ctx context.Context, clerk *intake.Clerk, ids []int64, asJSON bool) error {
	t := p.table("ID", "WAS", "IS", "EFFECT")
	looked, changed := 0, 0
	var failed error
	for _, id := range ids {
		j, is, err := p.replayOne(ctx, clerk, id)
		if err != nil {
			failed = errors.Join(failed, err)
			if ctx.Err() != nil {
				break
			}
			continue
		}
		if looked++; !is {
			continue
		}
		changed++
		if asJSON {
			err = p.printJSON(j)
		} else {
			effect := deref(j.Effect)
			if j.Aside != nil {
				effect = joinNotes("set aside: "+*j.Aside, effect)
			}
			t.row(itoa(j.ID), string(j.Was), string(j.Class), effect)
		}
		if err != nil {
			return err
		}
	}
	if !asJSON && changed > 0 {
		failed = errors.Join(failed, t.flush())
	}
	if looked > 0 || failed == nil {
		fmt.Fprintf(p.stderr, "read %d once more, %d changed\n", looked, changed)
	}
	if failed == nil && changed == 0 {
		return &exitError{exitNothing, nil}
	}
	return failed
}

func (p *program) replayOne(ctx context.Context, clerk *intake.Clerk, id int64) (j replayJSON, changed bool, err error) {
	m, raw, err := p.db.InboundMail(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return j, false, fmt.Errorf("there is no message %d; bounces list prints those there are", id)
	}
	if err != nil {
		return j, false, err
	}
	if !m.Kept {
		return j, false, fmt.Errorf("message %d is not kept any more, so it cannot be read again", id)
	}
	size := int64(len(raw))
	if m.Cut {
		size++
	}
	e, err := clerk.Reread(ctx, m.Source, inbox.Mail{Key: m.Key, Recipient: m.To, At: m.At, Raw: raw, Size: size}, m.Class)
	if err != nil {
		return j, false, err
	}
	if m.Cut && m.Class != mailer.NoBounce && e.Class != m.Class { // what it said may have stood in the part that is not kept
		return j, false, nil
	}
	done, err := p.db.Reread(ctx, id, &e, p.now())
	if done.Early {
		err = fmt.Errorf("message %d is about a mail that a sender has in hand; try again in a minute", id)
	}
	return replayJSON{id, m.Class, e.Class, text(e.Aside), text(done.Effect)}, done.Changed, err
}
