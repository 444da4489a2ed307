package commands

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/web"
)

func (p *program) check() *cobra.Command {
	var offline, publicURL bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration, keys, secrets, database, relays and what comes back",
		Long: `Checks everything that send and serve need and prints a line for each. Changes nothing but to
bring the database's schema up to date. Exit code 2 says that configuration or environment are
wrong, 1 that something else is.

With --public-url it also asks for a leave link at public_url as mailbox providers and link scanners
do: POST in both encodings, GET, HEAD, wrong links; without cookies and redirects, in a second. It
needs serve to be running there, and changes nothing: the link names no reader.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if offline && publicURL {
				return usagef("--offline and --public-url exclude each other")
			}
			cfg, err := p.config()
			if err != nil {
				return err
			}
			fmt.Fprintf(p.stdout, "ok    configuration %s: %d sections, %d feeds, %d editions\n", cfg.File, len(cfg.Sections), len(cfg.Feeds), len(cfg.Editions))
			if !slices.ContainsFunc(cfg.Relays, func(r schedule.Relay) bool { return len(r.Domains) == 0 }) {
				fmt.Fprintln(p.stdout, "note  every relay has domains: mail to others fails")
			}
			if len(cfg.Relays) > 1 {
				helpers := standIns(cfg)
				for _, r := range cfg.Relays {
					if names := helpers[r.Name]; len(names) > 0 {
						fmt.Fprintf(p.stdout, "note  while relay %s is down its mail goes through %s\n", r.Name, strings.Join(names, ", "))
					} else {
						fmt.Fprintf(p.stdout, "note  while relay %s is down its mail waits: no other takes all of it\n", r.Name)
					}
				}
			}
			if len(cfg.Pages.Proxies) == 0 && strings.HasPrefix(cfg.Publication.PublicURL, "https://") {
				fmt.Fprintln(p.stdout, "note  pages: proxies is empty: all readers who come through a web server share one client's limits")
			}
			var failed error
			note := func(name string, err error) {
				if err != nil {
					failed = errors.Join(failed, err)
					fmt.Fprintf(p.stdout, "FAIL  %s: %v\n", name, err)
					return
				}
				fmt.Fprintf(p.stdout, "ok    %s\n", name)
			}
			note("relay secrets", usage(cfg.Secrets(p.getenv)))
			if len(cfg.Webhooks) > 0 {
				note("webhook secrets", usage(cfg.WebhookSecrets(p.getenv)))
			}
			_, keyErr := p.keyring()
			note("signing keys", keyErr)
			signing, dkimErr := loadDKIM(p.getenv, domainOf(cfg.Publication.From))
			if dkimErr != nil {
				note("DKIM", dkimErr)
			} else {
				note(signing.String(), nil)
			}
			for _, w := range signing.warnings() {
				fmt.Fprintln(p.stdout, "note ", w)
			}
			if keyErr == nil && dkimErr == nil {
				note("database, templates, followed sections", p.checkDatabase(c.Context()))
			}
			p.checkWayBack(c.Context(), note, offline)
			if !offline {
				for _, r := range cfg.Relays {
					note(fmt.Sprintf("relay %s answers at %s", r.Name, net.JoinHostPort(r.Host, strconv.Itoa(r.Port))), p.probe(c.Context(), r))
				}
			}
			if publicURL && keyErr == nil {
				probe := &web.Probe{PublicURL: cfg.Publication.PublicURL, Keys: p.ring, Now: time.Now}
				probe.Run(c.Context(), func(what string, err error) { note("public_url: "+what, err) })
			}
			if failed == nil {
				return nil
			}
			code := exitFailed
			if e, ok := errors.AsType[*exitError](failed); ok {
				code = e.code
			}
			return &exitError{code, errors.New("not everything is well, see above")}
		},
	}
	c.Flags().BoolVar(&publicURL, "public-url", false, "ask for links at public_url as mailbox providers and link scanners do")
	c.Flags().BoolVar(&offline, "offline", false, "do not connect to relays and mailboxes")
	return c
}

func (p *program) checkDatabase(ctx context.Context) error {
	e, err := p.engine(ctx)
	if err != nil {
		return err
	}
	return e.db.Check(ctx)
}

// probe greets a relay as a sender does, over TLS and with AUTH, and sends nothing.
func (p *program) probe(ctx context.Context, r schedule.Relay) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return mailer.Probe(ctx, relayOf(p.cfg, r))
}
