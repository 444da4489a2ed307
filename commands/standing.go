package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"broadsheet/mailer"
	"broadsheet/operators"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/subscribers"
)

// errNotAdopted says that this copy of the database may not give mail to relays elsewhere.
var errNotAdopted = errors.New("this copy of the database may not mail until a person says so")

// errOnlyTo says that only_to keeps a mail back.
var errOnlyTo = errors.New("only_to names whom mail may go to")

// standingPoll is how often it is looked whether this copy may mail: another program may have adopted it.
const standingPoll = 2 * time.Second

// notAdopted is errNotAdopted with the reasons.
type notAdopted struct{ why []string }

func (e *notAdopted) Error() string {
	return fmt.Sprintf("%v:\n  %s\n%s", errNotAdopted, strings.Join(e.why, "\n  "), adoptAdvice)
}

func (e *notAdopted) Unwrap() error { return errNotAdopted }

const adoptAdvice = "If this is the one that is to mail, and no other copy does, run broadsheet adopt; for trials, use a relay on this machine"

// accounts lists the accounts of those relays that are not on this machine.
func (e *engine) accounts() []string {
	var list []string
	for _, r := range e.cfg.Relays {
		if !loopback(r.Host) {
			list = append(list, fmt.Sprintf("%s:%d as %s", strings.ToLower(r.Host), r.Port, cmp.Or(r.User, "nobody")))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// differs says why mail for relays elsewhere is held, nothing if it is not. There is no such relay: nothing is held.
func (e *engine) differs(ctx context.Context) (why []string, err error) {
	accounts := e.accounts()
	if len(accounts) == 0 {
		return nil, nil
	}
	s, err := e.db.Standing(ctx)
	if err != nil {
		return nil, err
	}
	return s.Differs(e.cfg.Publication.PublicURL, accounts), nil
}

// mayMail is nil if mail may be given to a relay there, else [errNotAdopted] with the reasons. The first
// time that mail leaves this machine, it keeps what it leaves with.
func (e *engine) mayMail(ctx context.Context, host string) error {
	if loopback(host) {
		return nil
	}
	s, err := e.db.Standing(ctx)
	if err != nil {
		return err
	}
	accounts := e.accounts()
	if why := s.Differs(e.cfg.Publication.PublicURL, accounts); len(why) > 0 {
		return &notAdopted{why}
	}
	if s.Fresh() {
		return e.db.Adopt(ctx, operators.By{}, e.cfg.Publication.PublicURL, accounts, "", e.now())
	}
	return nil
}

// nothingLeaves is an error with exit code 5 if all relays are elsewhere and none may be given mail.
func (e *engine) nothingLeaves(ctx context.Context) error {
	if slices.ContainsFunc(e.cfg.Relays, func(r schedule.Relay) bool { return loopback(r.Host) }) {
		return nil
	}
	why, err := e.differs(ctx)
	if err == nil && len(why) > 0 {
		err = &exitError{exitHeld, &notAdopted{why}}
	}
	return err
}

// runSender runs a relay's sender as long as this copy may mail through it. Until idle, it does not wait
// for a person.
func (e *engine) runSender(ctx context.Context, s *mailer.Sender, r schedule.Relay, untilIdle bool) (stats mailer.Stats, err error) {
	if loopback(r.Host) {
		return s.Run(ctx, untilIdle)
	}
	told := false
	for ctx.Err() == nil {
		err := e.mayMail(ctx, r.Host)
		held := errors.Is(err, errNotAdopted)
		switch {
		case ctx.Err() != nil:
			return stats, nil
		case err != nil && (untilIdle || !held):
			return stats, err
		case held && !told:
			e.log.Error("sending is held: this copy of the database has not been adopted", slog.String("relay", r.Name), slog.Any("error", err))
			told = true
		case !held:
			if told {
				e.log.Info("sending goes on", slog.String("relay", r.Name))
				told = false
			}
			if stats, err = e.runWhile(ctx, s, r, untilIdle); err != nil || untilIdle {
				return stats, err
			}
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(standingPoll):
		}
	}
	return stats, nil
}

// runWhile runs a sender until this copy may not mail any more.
func (e *engine) runWhile(ctx context.Context, s *mailer.Sender, r schedule.Relay, untilIdle bool) (mailer.Stats, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		tick := time.NewTicker(standingPoll)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if errors.Is(e.mayMail(ctx, r.Host), errNotAdopted) { // that it cannot be looked up is the ledger's trouble
					stop()
				}
			}
		}
	}()
	return s.Run(ctx, untilIdle)
}

// sendOne gives a relay a mail that is no delivery: a test copy, a report, an answer that is passed on. Whoever
// sends such asks here, so that a copy of the database sends none and only_to holds.
func (e *engine) sendOne(ctx context.Context, relay mailer.Relay, m mailer.Message) (mailer.Reply, error) {
	if !e.cfg.MayGet(m.Recipient) {
		return mailer.Reply{}, fmt.Errorf("%w: %s is not among them", errOnlyTo, subscribers.Mask(m.Recipient))
	}
	if err := e.mayMail(ctx, relay.Host); err != nil {
		return mailer.Reply{}, err
	}
	return mailer.SendOne(ctx, relay, m)
}

// standing is how this copy stands, for pages and commands.
func (e *engine) standing(ctx context.Context) (store.Standing, []string, error) {
	s, err := e.db.Standing(ctx)
	if err != nil {
		return s, nil, err
	}
	why := s.Differs(e.cfg.Publication.PublicURL, e.accounts())
	return s, why, nil
}
