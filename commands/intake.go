package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"broadsheet/intake"
	"broadsheet/mailer"
	"broadsheet/mailer/inbox"
	"broadsheet/schedule"
)

// exitLater is EX_TEMPFAIL of sysexits.h: a mail server that gives a message to the program keeps
// it and tries again. Any other code but 0 has it returned to its sender, and what is returned of
// reports is thrown away.
const exitLater = 75

func (p *program) intake() *cobra.Command {
	var recipient string
	var sources, asJSON bool
	c := &cobra.Command{
		Use:   "intake [FILE...]",
		Short: "Take in mail that came back: reports, complaints, requests to leave, answers",
		Long: `Takes one message from standard input, as a mail server's pipe gives it, and exits with 0 once it is
on record, understood or set aside, and with 75 if it cannot be put on record now, so that the mail
server keeps it. With FILEs it takes those, and with --sources it looks once into the Maildirs, the mailbox and
the relays' logs that the configuration names, for cron; "serve" does that by itself. A message that is
on record already counts no second time.

In Postfix's master.cf, which gives the program hardly any environment:

broadsheet unix - n n - 2 pipe
  flags=DORX user=broadsheet argv=/usr/bin/env
  BROADSHEET_DB=/var/lib/broadsheet/broadsheet.db BROADSHEET_KEY_FILE=/etc/broadsheet/keys
  /usr/local/bin/broadsheet --config /etc/broadsheet/schedule.yaml
  intake --recipient ${original_recipient}

and in main.cf broadsheet_destination_recipient_limit = 1, with a transport_maps that names
"broadsheet:" for the addresses; docs/operating.md has all of it.`,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case sources && (len(args) > 0 || recipient != ""):
				return usagef("--sources takes neither files nor --recipient")
			case sources:
				return p.intakeSources(c.Context(), asJSON)
			case len(args) > 0:
				return p.intakeFiles(c.Context(), args, recipient, asJSON)
			}
			if f, ok := p.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
				return usagef("intake reads a message from standard input; name files, or use --sources")
			}
			if err := p.intakePipe(c.Context(), recipient, asJSON); err != nil {
				return &exitError{exitLater, err}
			}
			return nil
		},
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{exitLater, plainly(err)} })
	c.Flags().StringVar(&recipient, "recipient", "", "the `ADDRESS` that the message came to, as the mail server knows it")
	c.Flags().BoolVar(&sources, "sources", false, "look once into what the configuration names")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object for each message, or with --sources for each source")
	return c
}

// clerk opens what taking in needs. It wires no more than that, so that a pipe is quick, and so that
// a broken template keeps no bounce waiting.
func (p *program) clerk(ctx context.Context) (*schedule.Config, *intake.Clerk, error) {
	cfg, db, err := p.configAndDatabase(ctx, true)
	if err != nil {
		return nil, nil, err
	}
	now, err := p.clock()
	if err != nil {
		return nil, nil, err
	}
	e := &engine{cfg: cfg, db: db, keys: p.ring, now: now, log: p.logger()}
	return cfg, e.clerk(), nil
}

// readMail reads a message.
func readMail(in io.Reader, key, recipient string) (inbox.Mail, error) {
	m := inbox.Mail{Key: key, Recipient: recipient, At: time.Now()}
	raw, err := io.ReadAll(io.LimitReader(in, inbox.MaxSize))
	if err != nil {
		return m, fmt.Errorf("read message: %w", err)
	}
	rest, err := io.Copy(io.Discard, in) // a mail server whose pipe is closed on it takes that for a failure
	if err != nil {
		return m, fmt.Errorf("read message: %w", err)
	}
	m.Raw, m.Size = raw, int64(len(raw))+rest
	return m, nil
}

// intakePipe takes in the message on standard input.
func (p *program) intakePipe(ctx context.Context, recipient string, asJSON bool) error {
	m, err := readMail(p.stdin, "", recipient)
	if err != nil {
		return err
	}
	_, clerk, err := p.clerk(ctx)
	if err != nil {
		return err
	}
	var o intake.Outcome
	for end := time.Now().Add(cmp.Or(p.earlyPatience, earlyPatience)); ; {
		outcomes, err := clerk.Take(ctx, "pipe", []inbox.Mail{m})
		if err != nil {
			return err
		}
		if o = outcomes[0]; !o.Early || time.Now().After(end) {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	switch {
	case o.Err != nil:
		return o.Err
	case o.Early:
		return errEarly
	case asJSON:
		return p.printJSON(jsonTaken("-", o))
	}
	return nil // nothing is printed: mail servers take it for a complaint
}

// earlyPatience is how long a pipe waits for a sender that has the mail of a report in hand: as a
// rule that is over in milliseconds, and a mail server comes again only after minutes.
const earlyPatience = 20 * time.Second

var errEarly = errors.New("it is about a mail that a sender has in hand; try again in a minute")

// intakeFiles takes in the messages of files.
func (p *program) intakeFiles(ctx context.Context, files []string, recipient string, asJSON bool) error {
	_, clerk, err := p.clerk(ctx)
	if err != nil {
		return err
	}
	failed := 0
	for _, name := range files {
		o := intake.Outcome{}
		m, err := openMail(name, recipient)
		if err == nil {
			var outcomes []intake.Outcome
			if outcomes, err = clerk.Take(ctx, "file", []inbox.Mail{m}); err != nil {
				return err
			}
			o = outcomes[0]
			err = o.Err
			if o.Early {
				err = errEarly
			}
		}
		if o.Err = err; err != nil {
			failed++
		}
		if asJSON {
			err = p.printJSON(jsonTaken(name, o))
		} else {
			_, err = fmt.Fprintf(p.stdout, "%s: %s\n", printable(name), printable(told(o)))
		}
		if err != nil {
			return fmt.Errorf("write output: %w", err)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d messages are not on record", failed, len(files))
	}
	return nil
}

func openMail(name, recipient string) (m inbox.Mail, err error) {
	f, err := os.Open(name)
	if err != nil {
		return m, err
	}
	defer f.Close()
	return readMail(f, name, recipient)
}

// told says what became of a message.
func told(o intake.Outcome) string {
	if o.Err != nil {
		return o.Err.Error()
	}
	parts := []string{string(o.Class)}
	if o.Again {
		parts = append(parts, "on record before")
	}
	if o.Effect != "" {
		parts = append(parts, o.Effect)
	}
	if o.Aside != "" {
		parts = append(parts, "set aside: "+o.Aside)
	}
	return strings.Join(parts, "; ")
}

type takenJSON struct {
	File   string  `json:"file"`
	ID     *int64  `json:"id"`
	Class  *string `json:"class"` // null if it could not be read or recorded
	Again  bool    `json:"again"`
	Aside  *string `json:"aside"`
	Effect *string `json:"effect"`
	Error  *string `json:"error"`
}

func jsonTaken(file string, o intake.Outcome) takenJSON {
	j := takenJSON{File: file, ID: present(o.ID), Again: o.Again, Aside: text(o.Aside), Effect: text(o.Effect)}
	if o.Err != nil {
		j.Error = text(o.Err.Error())
		return j
	}
	j.Class = text(string(cmp.Or(o.Class, mailer.NoBounce)))
	return j
}
