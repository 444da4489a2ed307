package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"broadsheet/intake"
	"broadsheet/mailer"
	"broadsheet/mailer/inbox"
	"broadsheet/store"
)

// maildirEvery is how often a Maildir is looked into: to look costs a list of what is new.
const maildirEvery = time.Second

// watched is a source and how often it is looked into.
type watched struct {
	inbox.Source
	every time.Duration
}

// sources are those that the configuration names.
func (e *engine) sources() (list []watched) {
	for _, dir := range e.cfg.Intake.Maildir {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(filepath.Dir(e.cfg.File), dir)
		}
		list = append(list, watched{&inbox.Maildir{Dir: dir}, maildirEvery})
	}
	if m := e.cfg.Intake.IMAP; m != nil {
		list = append(list, watched{&inbox.IMAP{Host: m.Host, Port: m.Port, TLS: m.TLS, Mailbox: m.Mailbox, User: m.User,
			Password: m.Password, RootCAs: e.roots}, m.Every})
	}
	return list
}

// clerk takes in what comes from them.
func (e *engine) clerk() *intake.Clerk {
	return &intake.Clerk{Keys: e.keys, Domain: domainOf(e.cfg.Publication.From), LeaveAll: e.cfg.Pages.OneClick == "all",
		Readers: e.db, Record: e.db, Ledger: e.db, Later: databaseTrouble, Now: e.now, Log: e.log}
}

// databaseTrouble reports whether an error is the database's own, whatever was to be written.
func databaseTrouble(err error) bool {
	for _, e := range []error{store.ErrBusy, store.ErrFull, store.ErrDamaged, store.ErrReadOnly} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// takeMail looks into all sources again and again until ctx ends, each on its own: one that cannot
// be reached does not keep the others waiting.
func (e *engine) takeMail(ctx context.Context) {
	clerk := e.clerk()
	var wg sync.WaitGroup
	for _, s := range e.sources() {
		wg.Go(func() {
			e.watch(ctx, clerk, s)
			_ = s.Close() // what has been settled is settled
		})
	}
	wg.Wait()
}

// watch looks into a source. After a failure it waits longer each time; the same failure is logged once.
func (e *engine) watch(ctx context.Context, clerk *intake.Clerk, s watched) {
	wait, last := s.every, ""
	for ctx.Err() == nil {
		t, err := clerk.Look(ctx, s)
		if t.Mails > t.Unreadable+t.Early {
			e.log.Info("mail came in", slog.String("source", s.Name()), slog.Int("messages", t.Mails), slog.String("classes", classes(t.Classes)),
				slog.Int("again", t.Again), slog.Int("aside", t.Aside))
		}
		switch {
		case err == nil:
			wait = s.every
			if last != "" {
				e.log.Info("mail comes in again", slog.String("source", s.Name()))
			}
			last = ""
		case ctx.Err() == nil:
			if last != err.Error() {
				e.log.Error("take mail in", slog.String("source", s.Name()), slog.Any("error", err))
			}
			wait, last = min(2*wait, 10*s.every+10*time.Second), err.Error()
		}
		next := wait
		if t.Early > 0 && err == nil {
			next = min(wait, time.Second)
		}
		select {
		case <-ctx.Done():
		case <-time.After(next):
		}
	}
}

// classes says how many messages were of each class.
func classes(counts map[mailer.Class]int) string {
	var parts []string
	for _, c := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[c], c))
	}
	return strings.Join(parts, ", ")
}

type sourceJSON struct {
	Source     string               `json:"source"`
	Messages   int                  `json:"messages"`
	Classes    map[mailer.Class]int `json:"classes"`
	Again      int                  `json:"again"`
	Aside      int                  `json:"aside"`
	Early      int                  `json:"early"`
	Unreadable int                  `json:"unreadable"`
	Error      *string              `json:"error"`
}

// intakeSources looks once into all sources.
func (p *program) intakeSources(ctx context.Context, asJSON bool) error {
	cfg, clerk, err := p.clerk(ctx)
	if err != nil {
		return err
	}
	if err := usage(cfg.IntakeSecrets(p.getenv)); err != nil {
		return err
	}
	e := &engine{cfg: cfg, db: p.db, keys: p.ring, now: p.now, log: p.logger()}
	list, logs := e.sources(), e.logs()
	if len(list)+len(logs) == 0 {
		return usagef("%s names no maildir and no imap under intake, and no relay in it has a log", cfg.File)
	}
	var failed error
	for _, s := range list {
		t, err := clerk.Look(ctx, s)
		_ = s.Close() // what has been settled is settled
		failed = errors.Join(failed, err)
		if asJSON {
			j := sourceJSON{s.Name(), t.Mails, t.Classes, t.Again, t.Aside, t.Early, t.Unreadable, nil}
			if j.Classes == nil {
				j.Classes = map[mailer.Class]int{}
			}
			if err != nil {
				j.Error = text(err.Error())
			}
			err = p.printJSON(j)
		} else {
			_, err = fmt.Fprintf(p.stdout, "%s: %d messages%s, %d on record before, %d set aside, %d to come again, %d unreadable\n", printable(s.Name()), t.Mails,
				strings.TrimSuffix(" ("+classes(t.Classes)+")", " ()"), t.Again, t.Aside, t.Early, t.Unreadable)
		}
		if err != nil {
			return fmt.Errorf("write output: %w", err)
		}
	}
	for _, f := range logs {
		news, err := f.once(ctx)
		failed = errors.Join(failed, err)
		if asJSON {
			j := sourceJSON{Source: f.name(), Messages: news, Classes: map[mailer.Class]int{}, Early: len(f.held)}
			if err != nil {
				j.Error = text(err.Error())
			}
			err = p.printJSON(j)
		} else {
			_, err = fmt.Fprintf(p.stdout, "%s: %d news, %d to come again\n", printable(f.name()), news, len(f.held))
		}
		if err != nil {
			return fmt.Errorf("write output: %w", err)
		}
	}
	return failed
}
