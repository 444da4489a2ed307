package commands

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"broadsheet/doctor"
)

func (p *program) doctor() *cobra.Command {
	var full, asJSON bool
	c := &cobra.Command{
		Use: "doctor", Short: "Examine all that mail depends on, and say how to mend it", Args: cobra.NoArgs,
		Long: `Looks at the configuration, the database and its disk, relays and their certificates, what comes
back, SPF, DKIM, DMARC, MX and PTR in DNS, the public URL, the clock, time zones, files with secrets
and whether serve is awake. Each is green (well), amber (look at it) or red (mail is lost, refused or
late because of it), with what was seen and what to do. Nothing is changed and no mail is sent.
Exit code 1 says that something is red.`,
		RunE: func(c *cobra.Command, _ []string) error {
			found := p.examine(c.Context(), full)
			for _, f := range findings(found) {
				if asJSON {
					if err := p.printJSON(f); err != nil {
						return err
					}
					continue
				}
				fmt.Fprintf(p.stdout, "%-6s %s: %s\n", f.Level, printable(f.Name), printable(f.Seen))
				if f.Fix != "" {
					fmt.Fprintf(p.stdout, "       %s\n", f.Fix)
				}
			}
			if doctor.Worst(found) == doctor.Red {
				return &exitError{exitFailed, errNotWell}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&full, "full", false, "compare the database's indexes with their tables too")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

// examine looks at what there is: what keeps the program from starting is a finding itself.
func (p *program) examine(ctx context.Context, full bool) []doctor.Finding {
	stop := func(name string, err error, fix string) []doctor.Finding {
		return []doctor.Finding{{Name: name, Level: doctor.Red, Seen: firstLine(err), Fix: fix}}
	}
	cfg, err := p.config()
	if err != nil {
		return stop("configuration", err, "Mend it; broadsheet check says all that is wrong.")
	}
	var found []doctor.Finding
	if err := cfg.Secrets(p.getenv); err != nil {
		found = append(found, stop("secrets of relays", err, "Set what is missing in the environment; nothing is sent without it.")...)
	}
	if err := cfg.IntakeSecrets(p.getenv); err != nil {
		found = append(found, stop("secrets of the mailbox", err, "Set what is missing in the environment; nothing that comes back is read without it.")...)
	}
	if err := cfg.WebhookSecrets(p.getenv); err != nil {
		found = append(found, stop("secrets of webhooks", err, "Set what is missing in the environment; serve does not start without it.")...)
	}
	if _, err := p.databaseThere(ctx, true); err != nil {
		return append(found, stop("database and keys", err, "See BROADSHEET_DB and BROADSHEET_KEY_FILE.")...)
	}
	e, err := p.engine(ctx)
	if err != nil {
		return append(found, stop("program", err, "Mend what it complains of; broadsheet check says more.")...)
	}
	return append(found, doctor.Run(ctx, e.checks(full))...)
}
