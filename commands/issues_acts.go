package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/web/room"
)

// runs is what steps into runs without all that an engine needs.
func (p *program) runs(ctx context.Context) (roomRuns, error) {
	now, err := p.clock()
	if err != nil {
		return roomRuns{}, err
	}
	db, err := p.databaseThere(ctx, true)
	if err != nil {
		return roomRuns{}, err
	}
	return roomRuns{&engine{db: db, now: now, log: p.logger(), acts: &underway{}}}, nil
}

// actOn is a command that does something to an issue, or to all with --all if there is allHelp.
func (p *program) actOn(use, short, long, allHelp string, do func(ctx context.Context, w roomRuns, by operators.By, issue int64) (string, error)) *cobra.Command {
	var all bool
	var by func() operators.By
	c := &cobra.Command{
		Use: use + " ISSUE", Short: short, Long: long, Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if all != (len(args) == 0) {
				if allHelp == "" {
					return usagef("name an issue; issues list prints them")
				}
				return usagef("name an issue, or all of them with --all")
			}
			issue := int64(0)
			if !all {
				var err error
				if issue, err = parseID(args[0]); err != nil {
					return err
				}
			}
			w, err := p.runs(c.Context())
			if err != nil {
				return err
			}
			said, err := do(c.Context(), w, by(), issue)
			if err != nil {
				return notDone(err)
			}
			fmt.Fprintln(p.stderr, said)
			return nil
		},
	}
	if allHelp != "" {
		c.Flags().BoolVar(&all, "all", false, allHelp)
	}
	by = byFlag(c)
	p.clockFlag(c)
	return c
}

func (p *program) issuesPause() *cobra.Command {
	return p.actOn("pause", "Keep what is left of an issue here", `Within seconds nothing more of it leaves, whichever process sends, until it is resumed. What a relay
has in hand comes to its end. Mails that reach the end of their life meanwhile expire.
Exit code 3 says that there is nothing to pause.`, "everything: issues that open later and confirmations too",
		func(ctx context.Context, w roomRuns, by operators.By, issue int64) (string, error) {
			return w.Pause(ctx, by, issue)
		})
}

func (p *program) issuesResume() *cobra.Command {
	return p.actOn("resume", "Let a paused issue go on", `Exit code 3 says that it is not paused. Of one that is on hold for another reason too, it says so.`,
		"end the hold of everything",
		func(ctx context.Context, w roomRuns, by operators.By, issue int64) (string, error) {
			return w.Resume(ctx, by, issue)
		})
}

func (p *program) issuesStop() *cobra.Command {
	return p.actOn("stop", "End an issue: nothing more of it leaves", `Halts all senders of the issue within seconds, whichever process they are in. What has no copy out
is cancelled, what has one without an answer is uncertain, and a mail that a relay has in hand ends
with its answer. The stories of what is cancelled come with the reader's next issue. Interrupted, it
is gone on with by serve, by send, or by the same command.

With --all it cancels nothing: it puts everything on hold, until "issues resume --all".
Exit code 3 says that nothing is left to stop.`, "hold everything, as pause --all does",
		func(ctx context.Context, w roomRuns, by operators.By, issue int64) (string, error) {
			if issue == 0 {
				return w.Stop(ctx, by, 0)
			}
			b := progress(p.stderr, "mails", 0)
			defer b.done()
			said, err := w.stop(ctx, by, issue, func(n, _ int) { b.set(int64(n)) })
			return acted(nameOf(issue), said, err)
		})
}

func (p *program) issuesRetry() *cobra.Command {
	var pick room.Pick
	var by func() operators.By
	var asJSON bool
	c := &cobra.Command{
		Use: "retry ISSUE", Short: "Queue an issue's failed deliveries again", Args: cobra.ExactArgs(1),
		Long: `Queues again those that failed or expired, to go with the next send or serve, by the rules of
"deliveries retry": not past their end of life, and not where a later issue has taken over. Interrupted,
the same command does the rest. Exit code 3 says that no delivery is like that.`,
		RunE: func(c *cobra.Command, args []string) error {
			return p.actOnMany(c.Context(), args[0], by(), asJSON, func(ctx context.Context, w roomRuns, by operators.By, issue int64, show func(n, of int)) (store.Acted, error) {
				return w.retry(ctx, by, issue, pick, show)
			}, "queued again")
		},
	}
	c.Flags().StringSliceVar(&pick.States, "state", nil, "only those in these `states`: "+retryStates+" (default failed,expired)")
	c.Flags().StringVar(&pick.Reason, "reason", "", "only those whose reason begins with `TEXT`; issues show prints the reasons")
	c.Flags().StringVar(&pick.Domain, "domain", "", "only those to addresses at this `domain`")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	by = byFlag(c)
	p.clockFlag(c)
	return c
}

func (p *program) issuesSettle() *cobra.Command {
	var domain string
	var by func() operators.By
	var how func() (store.Settlement, error)
	var asJSON bool
	c := &cobra.Command{
		Use: "settle ISSUE", Short: "End that deliveries of an issue are uncertain", Args: cobra.ExactArgs(1),
		Long: `A delivery is uncertain if a copy left and no answer came. With --arrived all such count as taken by
the relay. With --again a further copy of each is queued, the same octets as before: some readers may
get it twice. Exit code 3 says that none is uncertain.`,
		RunE: func(c *cobra.Command, args []string) error {
			s, err := how()
			if err != nil {
				return err
			}
			return p.actOnMany(c.Context(), args[0], by(), asJSON, func(ctx context.Context, w roomRuns, by operators.By, issue int64, show func(n, of int)) (store.Acted, error) {
				return w.settle(ctx, by, issue, s, room.Pick{Domain: domain}, show)
			}, settled(s))
		},
	}
	how = settleFlags(c)
	c.Flags().StringVar(&domain, "domain", "", "only those to addresses at this `domain`")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	by = byFlag(c)
	p.clockFlag(c)
	return c
}

// settleFlags adds --again and --arrived.
func settleFlags(c *cobra.Command) func() (store.Settlement, error) {
	again := c.Flags().Bool("again", false, "queue a further copy")
	arrived := c.Flags().Bool("arrived", false, "count as taken by the relay")
	return func() (store.Settlement, error) {
		switch {
		case *again == *arrived:
			return "", usagef("say what to do: --again or --arrived")
		case *again:
			return store.SettleAgain, nil
		}
		return store.SettleArrived, nil
	}
}

// actOnMany runs an act on deliveries of an issue and prints what came of it.
func (p *program) actOnMany(ctx context.Context, arg string, by operators.By, asJSON bool,
	do func(ctx context.Context, w roomRuns, by operators.By, issue int64, show func(n, of int)) (store.Acted, error), came string) error {
	issue, err := parseID(arg)
	if err != nil {
		return err
	}
	w, err := p.runs(ctx)
	if err != nil {
		return err
	}
	b := progress(p.stderr, "mails", 0)
	a, err := do(ctx, w, by, issue, func(n, _ int) { b.set(int64(n)) })
	b.done()
	if errors.Is(err, errPick) {
		return usage(plainRefusal(err))
	}
	said, err := inTotal(a, came, err)
	said, err = acted(nameOf(issue), said, err)
	if asJSON && (err == nil || errors.Is(err, room.ErrRefused)) {
		if printErr := p.printJSON(a); printErr != nil {
			return printErr
		}
	}
	if err != nil {
		return notDone(err)
	}
	fmt.Fprintln(p.stderr, said)
	return nil
}

// onDeliveries does something to one delivery after another.
func (p *program) onDeliveries(ctx context.Context, args []string, do func(w roomRuns, id int64) (string, error)) error {
	w, err := p.runs(ctx)
	if err != nil {
		return err
	}
	var failed error
	for _, arg := range args {
		id, err := parseID(arg)
		if err == nil {
			var said string
			said, err = do(w, id)
			err = p.done(said, err)
		}
		if _, wrong := errors.AsType[*exitError](err); wrong { // the same for all
			return err
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

func (p *program) deliveriesSettle() *cobra.Command {
	var by func() operators.By
	var how func() (store.Settlement, error)
	c := &cobra.Command{
		Use: "settle ID...", Short: "End that deliveries are uncertain", Args: cobra.MinimumNArgs(1),
		Long: `As "issues settle" does, for single deliveries.`,
		RunE: func(c *cobra.Command, args []string) error {
			s, err := how()
			if err != nil {
				return err
			}
			return p.onDeliveries(c.Context(), args, func(w roomRuns, id int64) (string, error) {
				return w.SettleDelivery(c.Context(), by(), id, string(s))
			})
		},
	}
	how = settleFlags(c)
	by = byFlag(c)
	p.clockFlag(c)
	return c
}

func (p *program) issuesHolds() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "holds", Short: "List what is on hold, since when, and what to do", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			w, err := p.runs(c.Context())
			if err != nil {
				return err
			}
			holds, err := w.db.Holds(c.Context(), w.now())
			if err != nil {
				return err
			}
			t := p.table("ISSUE", "HOLD", "SINCE (UTC)", "BY", "WHY", "THEN")
			for _, h := range holds {
				held := heldOf(h)
				if asJSON {
					if err := p.printJSON(held); err != nil {
						return err
					}
					continue
				}
				issue := "all"
				if h.Issue != 0 {
					issue = itoa(h.Issue)
				}
				t.row(issue, held.Kind, held.Since.UTC().Format(time.DateTime), held.Who, held.Reason, commandFor(h))
			}
			if asJSON {
				return nil
			}
			return t.flush()
		},
	}
	p.clockFlag(c)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}
