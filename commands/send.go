package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/subscribers"
)

type sendFlags struct {
	only, to                   string
	dryRun, asJSON, yes, queue bool
}

func (p *program) send() *cobra.Command {
	var f sendFlags
	c := &cobra.Command{
		Use:   "send EDITION",
		Short: "Open what is due and unopened, and send until nothing is due now",
		Long: `Opens the issues of EDITION that are due and not yet open, sends until nothing is due now and
leaves deferred mail to the next send or serve. Refused and deferred mail is an outcome, not a
failure. Exit code 3 says that nothing was due, 4 that another sender is at work, 5 that a person must
look: the relay refuses us (password, sender, contents), the issue is on hold (see "issues holds"), or
this copy of the database has not been adopted. Everything then stays queued.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: p.completeEdition,
		RunE: func(c *cobra.Command, args []string) error {
			if f.only != "" && f.to != "" || f.dryRun && (f.only != "" || f.to != "") {
				return usagef("--only, --to and --dry-run exclude each other")
			}
			cfg, err := p.config()
			if err != nil {
				return err
			}
			ed, err := findEdition(cfg, args[0])
			if err != nil {
				return err
			}
			if !f.dryRun {
				if err := usage(cfg.Secrets(p.getenv)); err != nil {
					return err
				}
			}
			e, err := p.engine(c.Context())
			if err != nil {
				return err
			}
			switch {
			case f.dryRun:
				return p.dryRun(c.Context(), e, ed, f.asJSON)
			case f.to != "":
				said, err := e.sendTest(c.Context(), ed, f.to)
				if err == nil {
					fmt.Fprintln(p.stderr, said)
				}
				return err
			}
			return p.sendEdition(c.Context(), e, ed, f)
		},
	}
	p.clockFlag(c)
	p.logFlag(c)
	c.Flags().StringVar(&f.only, "only", "", "open the issue for all, but send the delivery of this `ADDRESS` alone")
	c.Flags().StringVar(&f.to, "to", "", "send this reader's `ADDRESS` a test copy that touches no history")
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "print what would be opened; open and send nothing")
	c.Flags().BoolVar(&f.asJSON, "json", false, "one JSON object a line per issue")
	c.Flags().BoolVar(&f.yes, "yes", false, "do not ask before mail leaves this machine")
	c.Flags().BoolVar(&f.queue, "wait", false, "wait for another sender to end instead of exiting with 4")
	return c
}

func (p *program) sendEdition(ctx context.Context, e *engine, ed *schedule.Edition, f sendFlags) error {
	if err := e.nothingLeaves(ctx); err != nil {
		return err
	}
	if err := e.endPauses(ctx); err != nil { // first: what they make due is asked about
		return err
	}
	var only *subscribers.Subscriber
	if f.only != "" {
		var err error
		if only, err = p.member(ctx, e, ed, f.only); err != nil {
			return err
		}
	}
	if err := p.mayLeave(ctx, e, ed, f.yes); err != nil {
		return err
	}
	unlock, err := p.lockSender(ctx, e, f.queue)
	if err != nil {
		return err
	}
	defer unlock()
	if err := e.enlist(ctx, []string{string(roleSend)}); err != nil {
		return err
	}
	beating, still := context.WithCancel(ctx)
	var life sync.WaitGroup
	life.Go(func() { repeat(beating, e.beat) })
	defer life.Wait()
	defer still()
	defer context.AfterFunc(ctx, func() { e.log.Info("ending: what is in hand comes to its end") })()

	worked, err := e.db.UnfinishedIssues(ctx, ed.Name)
	if err != nil {
		return err
	}
	expired, err := e.db.Expire(ctx, e.now())
	if err != nil {
		return err
	}
	if err := e.noteMissed(ctx, ed); err != nil {
		return err
	}
	b := progress(p.stderr, "readers", 0)
	opened, openErr := e.openDue(ctx, ed, func(i *digest.Issue) { b.set(int64(i.Audience)) })
	b.done()
	if openErr != nil && len(opened) == 0 {
		return openErr
	}
	for _, i := range opened {
		if !slices.Contains(worked, i.ID) {
			worked = append(worked, i.ID)
		}
	}
	slices.Sort(worked)

	var sent int
	var sendErr error
	if only != nil {
		sent, sendErr = p.sendOnly(ctx, e, only.ID, worked)
	} else {
		sent, sendErr = p.sendDue(ctx, e, ed)
	}
	if ctx.Err() != nil {
		sendErr = errors.Join(sendErr, errors.New("interrupted: what is left goes with the next send or serve"))
	}
	if only == nil {
		e.forwardAnswers(ctx) // for those who run no serve
	}
	e.tellWaves(context.WithoutCancel(ctx))
	e.pingAtEnd(ctx)
	// What an operator stopped meanwhile is at its end now that nothing is in hand.
	err = errors.Join(openErr, sendErr, e.db.FinishStops(context.WithoutCancel(ctx), e.now()))
	held, heldErr := e.held(context.WithoutCancel(ctx), worked)
	err = errors.Join(err, heldErr)
	if err == nil && held == "" && len(opened) == 0 && sent == 0 && (expired == 0 || len(worked) == 0) {
		return nothingDue(ed)
	}
	err = errors.Join(err, p.report(context.WithoutCancel(ctx), e.db, worked, f.asJSON))
	switch {
	case errors.Is(err, errNotAdopted):
		return &exitError{exitHeld, err}
	case errors.Is(err, mailer.ErrHeld):
		return &exitError{exitHeld, fmt.Errorf("%w\nWhat is left stays queued. Mend what the relay complains of (broadsheet check tries it), then send again", err)}
	case errors.Is(err, mailer.ErrDown):
		return fmt.Errorf("%w\nWhat is left stays queued and goes with the next send or serve", err)
	case err == nil && held != "":
		return &exitError{exitHeld, errors.New(held)}
	}
	return err
}

func nothingDue(ed *schedule.Edition) error {
	return &exitError{exitNothing, fmt.Errorf("nothing is due for edition %q", ed.Name)}
}

// member is the reader of that address, who must be among the edition's audience.
func (p *program) member(ctx context.Context, e *engine, ed *schedule.Edition, address string) (*subscribers.Subscriber, error) {
	s, err := p.findSubscriber(ctx, e.db, address)
	if err != nil {
		return nil, err
	}
	if away := outside(s, ed); away != "" {
		return nil, errors.New(away)
	}
	return s, nil
}

// outside says why a reader is not in an edition's audience, "" if they are.
func outside(s *subscribers.Subscriber, ed *schedule.Edition) string {
	switch {
	case s.Status != subscribers.Active:
		return fmt.Sprintf("%s is %s and gets no mail", s.Address, s.Status)
	case ed != nil && !slices.Contains(s.Editions, ed.Name):
		return fmt.Sprintf("%s does not follow edition %q", s.Address, ed.Name)
	}
	return ""
}

// lockSender makes this process the sender and takes up what an earlier one left.
func (p *program) lockSender(ctx context.Context, e *engine, wait bool) (unlock func(), err error) {
	unlock, err = e.db.LockSender(ctx, wait)
	if errors.Is(err, store.ErrLocked) {
		return nil, &exitError{exitBusy, fmt.Errorf("%w; wait for it with --wait", err)}
	}
	if err != nil {
		return nil, err
	}
	_, err = e.db.Recover(ctx, e.now())
	if err == nil {
		err = e.takeUp(ctx)
	}
	if err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// sendDue sends until nothing of the edition is due now, and waits out the spread of issues.
func (p *program) sendDue(ctx context.Context, e *engine, ed *schedule.Edition) (sent int, err error) {
	b := progress(p.stderr, "mails", 0)
	defer b.done()
	id, err := e.db.EditionID(ctx, ed.Name)
	if err != nil || id == 0 {
		return 0, err
	}
	if err := e.foretell(ctx, id); err != nil {
		return 0, err
	}
	for {
		before := sent
		n, err := e.sendAll(ctx, sendRun{untilIdle: true, queue: store.OfEdition{DB: e.db, Number: id},
			show: func(n int) { b.set(int64(before + n)) }})
		sent += n
		if err != nil || ctx.Err() != nil {
			return sent, err
		}
		next, ok, err := e.db.SpreadUntil(ctx, id, e.now())
		if err != nil || !ok {
			return sent, err
		}
		select {
		case <-ctx.Done():
			return sent, nil
		case <-time.After(next.Sub(e.now())):
		}
	}
}

// report prints what became of the issues worked on.
func (p *program) report(ctx context.Context, db *store.DB, worked []int64, asJSON bool) error {
	var rows []issueJSON
	var unbalanced error
	for _, id := range worked {
		row, err := loadIssue(ctx, db, id)
		if err != nil {
			return err
		}
		if row.State == digest.Open {
			unbalanced = errors.Join(unbalanced, db.CheckBooks(ctx, id))
		}
		rows = append(rows, row)
	}
	return errors.Join(p.printIssues(rows, asJSON), unbalanced)
}

// away names the relays that are not on this machine. Mail of another time is not for them:
// away refuses a clock that is not now's.
func (e *engine) away() (relays []string, err error) {
	for _, r := range e.cfg.Relays {
		if !loopback(r.Host) {
			relays = append(relays, fmt.Sprintf("%s (%s:%d)", r.Name, r.Host, r.Port))
		}
	}
	if off := time.Until(e.now()).Abs(); off > 5*time.Minute && len(relays) > 0 {
		return nil, usagef("--at is %s away from now and relay %s is not on this machine: use send with --dry-run or --to", off.Round(time.Minute), relays[0])
	}
	return relays, nil
}

// mayLeave asks before mail goes to a relay that is not on this machine.
func (p *program) mayLeave(ctx context.Context, e *engine, ed *schedule.Edition, yes bool) error {
	away, err := e.away()
	if err != nil || len(away) == 0 {
		return err
	}
	due, err := e.finder.Due(ctx, ed, e.now())
	if err != nil {
		return err
	}
	left, err := e.db.UnfinishedIssues(ctx, ed.Name)
	if err != nil {
		return err
	}
	if len(due) == 0 && len(left) == 0 {
		return nothingDue(ed)
	}
	for _, d := range due {
		f, err := e.opener(ed, nil).Survey(ctx, e.db, d)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.stderr, "edition %s, slot %s in %s: audience %d, %d mails\n", ed.Name, d.Issue.Slot, d.Issue.Zone, f.Issue.Audience, f.Counts[mailer.Queued])
		for _, w := range e.prospects(f.Loads) {
			if w.Late > 0 {
				fmt.Fprintln(p.stderr, inWords(&w))
			}
		}
	}
	for _, id := range left {
		i, err := loadIssue(ctx, e.db, id)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.stderr, "edition %s, slot %s in %s: audience %d, %d mails left\n", ed.Name, i.Slot, i.Zone, i.Audience, i.Queued+i.Deferred)
	}
	fmt.Fprintf(p.stderr, "relay %s\n", strings.Join(away, ", "))
	if yes {
		return nil
	}
	return p.confirm("Mail will leave this machine.", ed.Name)
}
