package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/operators"
	"broadsheet/store"
)

// tellWaves raises an alarm for hard bounces that came into quarantine, once for each wave, whichever
// process put it there. It returns the wait to the next look.
func (e *engine) tellWaves(ctx context.Context) time.Duration {
	waves, err := e.db.TellWaves(ctx)
	e.complain(ctx, "look for hard bounces in quarantine", err)
	for _, w := range waves {
		e.log.Error("hard bounces in quarantine: nobody is barred until you decide", slog.Int64("issue", w.Issue), slog.String("edition", w.Edition),
			slog.String("domain", w.Domain), slog.Int("mails", w.Mails), slog.Int("hard", w.Hard), slog.String("share", percent(w.Share())),
			slog.String("norm", percent(w.Norm)), slog.String("decide", fmt.Sprintf("broadsheet suppressions undo|apply --issue %d --domain %s", w.Issue, w.Domain)))
	}
	return wake
}

func percent(share float64) string { return strconv.FormatFloat(100*share, 'f', 1, 64) + " %" }

// waveJSON is a wave as --json prints it.
type waveJSON struct {
	Issue   int64   `json:"issue"`
	Edition string  `json:"edition"`
	Slot    string  `json:"slot"`
	Domain  string  `json:"domain"`
	Mails   int     `json:"mails"`
	Hard    int     `json:"hard"`
	Norm    float64 `json:"norm"`
	State   string  `json:"state"`
	Held    *string `json:"held"`
	Ended   *string `json:"ended"`
}

func (p *program) suppressionsWaves() *cobra.Command {
	var asJSON, all bool
	c := &cobra.Command{
		Use: "waves", Short: "List hard bounces that are in quarantine", Args: cobra.NoArgs,
		Long: `Where many readers of one domain come back from one issue as unknown, five times as many as is the
rule there, the provider may be wrong. Their bounces are held in quarantine: they bar nobody, until
"suppressions apply" says that they are true or "suppressions undo" that they are not. After two
weeks nobody is asked any more, and they have no effect.`,
		RunE: func(c *cobra.Command, _ []string) error {
			db, err := p.databaseThere(c.Context(), true)
			if err != nil {
				return err
			}
			now := time.Now()
			waves, err := db.Waves(c.Context(), time.Time{}, !all, now)
			if err != nil {
				return err
			}
			return printRows(p, sound(waves), asJSON, func(w store.Wave) any {
				return waveJSON{w.Issue, w.Edition, w.Slot, w.Domain, w.Mails, w.Hard, w.Norm, w.State(now), stamp(w.Held), stamp(w.Ended)}
			}, []string{"ISSUE", "EDITION", "SLOT", "DOMAIN", "MAILS", "HARD", "SHARE", "NORM", "STATE", "SINCE (UTC)"}, func(w store.Wave) []string {
				since := w.Held
				if !w.Ended.IsZero() {
					since = w.Ended
				}
				return []string{strconv.FormatInt(w.Issue, 10), w.Edition, w.Slot, w.Domain, strconv.Itoa(w.Mails), strconv.Itoa(w.Hard),
					percent(w.Share()), percent(w.Norm), w.State(now), since.UTC().Format(time.DateTime)}
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	c.Flags().BoolVar(&all, "all", false, "those too that were decided or that have lapsed")
	return c
}

func (p *program) suppressionsUndo() *cobra.Command {
	return p.decideWave("undo", "Take back what hard bounces of a domain in an issue have done",
		`The hard bounces of the issue at the domain, and of the other issues of its slot, count for nothing, those that come later too, and addresses
that they barred get mail again. Who complained, left or was barred by somebody else in between stays so.
Deliveries keep their state.`,
		(*store.DB).UndoWave, "took back %d hard bounces, %d addresses get mail again\n")
}

func (p *program) suppressionsApply() *cobra.Command {
	return p.decideWave("apply", "Let hard bounces that are in quarantine count",
		`The provider was right. Each bounce counts as it would have: it bars an address that never kept a mail,
and another at the second one a day or more later.`,
		(*store.DB).ApplyWave, "%d hard bounces count, %d addresses are barred\n")
}

// decideWave makes a command that decides about a wave.
func (p *program) decideWave(use, short, long string,
	decide func(*store.DB, context.Context, operators.By, int64, string, time.Time) (store.WaveEnd, error), done string) *cobra.Command {
	var issue int64
	var domain string
	var by func() operators.By
	c := &cobra.Command{
		Use: use + " --issue ID --domain DOMAIN", Short: short, Long: long, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if issue <= 0 || domain == "" {
				return usagef("name the wave with --issue and --domain; suppressions waves lists them")
			}
			db, err := p.databaseThere(c.Context(), true)
			if err != nil {
				return err
			}
			end, err := decide(db, c.Context(), by(), issue, strings.TrimSuffix(domain, "."), time.Now())
			switch {
			case errors.Is(err, store.ErrNotFound):
				return fmt.Errorf("there is no issue %d", issue)
			case errors.Is(err, store.ErrDecided), errors.Is(err, store.ErrNoWave):
				return &exitError{exitNothing, err}
			case err != nil:
				return err
			}
			fmt.Fprintf(p.stderr, done, end.Marks, end.Addresses)
			return nil
		},
	}
	by = byFlag(c)
	c.Flags().Int64Var(&issue, "issue", 0, "`ID` of the issue")
	c.Flags().StringVar(&domain, "domain", "", "`DOMAIN` of the addresses")
	return c
}
