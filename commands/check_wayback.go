package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"broadsheet/mailer/inbox"
)

// checkWayBack looks at where news of mails come from: Maildirs, a mailbox, logs, providers.
func (p *program) checkWayBack(ctx context.Context, note func(name string, err error), offline bool) {
	cfg := p.cfg
	secrets := cfg.IntakeSecrets(p.getenv)
	if cfg.Intake.IMAP != nil {
		note("mailbox secrets", usage(secrets))
	}
	for _, s := range (&engine{cfg: cfg}).sources() {
		switch source := s.Source.(type) {
		case *inbox.Maildir:
			note("intake from "+source.Name(), source.Check(ctx))
		case *inbox.IMAP:
			if !offline && secrets == nil {
				note("intake from "+source.Name(), checkMailbox(ctx, source))
			}
		}
	}
	if in := cfg.Intake; in.On() && !in.Replies && in.Forward != cfg.Publication.ReplyTo {
		fmt.Fprintf(p.stdout, "note  intake: forward_to without replies: true: readers answer to %s, and only what comes from there to the intake goes on to %s\n",
			cfg.Publication.ReplyTo, in.Forward)
	}
	if cfg.Intake.Pipe {
		fmt.Fprintln(p.stdout, "note  intake by pipe: the mail server runs \"broadsheet intake\" for each message; it is tried with a mail to "+
			"bounce@"+domainOf(cfg.Publication.From)+", which bounces list --aside then shows")
	}
	for _, r := range cfg.Relays {
		if r.Log != "" {
			path := r.Log
			if !filepath.IsAbs(path) {
				path = filepath.Join(filepath.Dir(cfg.File), path)
			}
			note(fmt.Sprintf("log of relay %s can be read: %s", r.Name, path), checkLog(path))
		}
		if r.Events != nil {
			fmt.Fprintf(p.stdout, "note  relay %s: %s is to report to %s/events/%s\n", r.Name, r.Events.Provider, cfg.Publication.PublicURL, r.Name)
		}
	}
}

// checkMailbox logs in as serve does.
func checkMailbox(ctx context.Context, m *inbox.IMAP) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	err := m.Check(ctx)
	_ = m.Close() // what it is asked for is known by then
	return err
}

// checkLog opens a log and reads of it.
func checkLog(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w: its group, often adm, must be one of the user's who runs this", err)
	}
	defer f.Close()
	if _, err := f.Read(make([]byte, 1)); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
