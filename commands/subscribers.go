package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/operators"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/subscribers"
)

func (p *program) subscribers() *cobra.Command {
	return group("subscribers", "Readers: who they are and what they follow",
		p.subscribersAdd(), p.subscribersChange(), p.subscribersList(), p.subscribersShow(),
		p.subscribersSuppress(), p.subscribersImport(), p.subscribersExport(),
		p.subscribersData(), p.subscribersErase(), p.subscribersFind(), p.subscribersLeave(), p.subscribersLink())
}

// settingsFlags are the columns of the CSV form as flags.
var settingsFlags = []struct{ column, flag, help string }{
	{"name", "name", "name"},
	{"sections", "sections", "section `ids` in order, ; between them, -id muted, ~id less"},
	{"editions", "editions", "edition `names`, ; between them"},
	{"hour", "hour", "local `hour` 0-23 wished"},
	{"days", "days", "`days` wished, 1 (Monday) to 7, ; between them"},
	{"zone", "zone", "IANA time `zone`"},
	{"language", "language", "BCP 47 `language`"},
	{"format", "format", "html or text"},
	{"status", "status", "active, pending, paused or unsubscribed"},
	{"external_id", "external-id", "`id` in another system"},
	{"consent_source", "consent-source", "`where` consent came from"},
	{"consent_at", "consent-at", "`when` consent was given, RFC 3339 or a date"},
	{"paused_until", "paused-until", "`end` of a pause, RFC 3339 or a date; pauses who is active"},
}

func addSettingsFlags(c *cobra.Command) {
	for _, f := range settingsFlags {
		c.Flags().String(f.flag, "", f.help)
	}
}

// applySettings sets what flags say; ids are checked against the configuration.
func applySettings(c *cobra.Command, s *subscribers.Settings, cfg *schedule.Config) error {
	for _, f := range settingsFlags {
		flag := c.Flags().Lookup(f.flag)
		if !flag.Changed {
			continue
		}
		if err := s.Set(f.column, flag.Value.String()); err != nil {
			return usagef("--%s: %w", f.flag, err)
		}
	}
	if !s.PausedUntil.IsZero() && c.Flags().Changed("paused-until") && !c.Flags().Changed("status") && s.Status == subscribers.Active {
		s.Status = subscribers.Paused
	}
	if c.Flags().Changed("paused-until") && s.Status != subscribers.Paused {
		return usagef("--paused-until: the reader is %s, not paused", s.Status)
	}
	for _, f := range s.Sections {
		if _, ok := cfg.Section(f.Section); !ok {
			return usagef("--sections: %s has no section %q", cfg.File, f.Section)
		}
	}
	for _, e := range s.Editions {
		if cfg.Edition(e) == nil {
			return usagef("--editions: %s has no edition %q", cfg.File, e)
		}
	}
	return usage(s.Validate())
}

func (p *program) subscribersAdd() *cobra.Command {
	c := &cobra.Command{
		Use:   "add ADDRESS",
		Short: "Add a reader: active with --consent-source, else pending",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, db, err := p.configAndDatabase(c.Context(), true)
			if err != nil {
				return err
			}
			address, err := subscribers.ParseAddress(args[0])
			if err != nil {
				return usage(err)
			}
			s := subscribers.NewSettings(address)
			if c.Flags().Changed("consent-source") {
				s.Status = subscribers.Active
			}
			if err := applySettings(c, &s, cfg); err != nil {
				return err
			}
			now := time.Now()
			if s.ConsentSource != "" && s.ConsentAt.IsZero() {
				s.ConsentAt = now
			}
			added, err := db.AddSubscriber(c.Context(), s, "command", now)
			if errors.Is(err, store.ErrTaken) {
				return fmt.Errorf("%s is a reader already; use subscribers change", address)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(p.stderr, "added %s as %s\n", address, s.Status)
			if added.Suppressed != nil {
				fmt.Fprintf(p.stderr, "note: the address is suppressed (%s since %s) and gets no mail until that is lifted\n",
					added.Suppressed.Reason, added.Suppressed.At.UTC().Format(time.DateOnly))
			}
			return nil
		},
	}
	addSettingsFlags(c)
	return c
}

func (p *program) subscribersChange() *cobra.Command {
	var by func() operators.By
	c := &cobra.Command{
		Use:   "change ADDRESS",
		Short: "Change what a reader follows, or when, or the status",
		Long:  "Changes only what flags name; an empty value takes a wish back. Each change is kept as a dated row.",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, db, err := p.configAndDatabase(c.Context(), true)
			if err != nil {
				return err
			}
			old, err := p.findSubscriber(c.Context(), db, args[0])
			if err != nil {
				return err
			}
			s := old.Settings
			if err := applySettings(c, &s, cfg); err != nil {
				return err
			}
			if s.Equal(old.Settings) {
				fmt.Fprintln(p.stderr, "nothing to change")
				return &exitError{exitNothing, nil}
			}
			if _, err := db.ChangeFor(c.Context(), by(), old.ID, s, time.Now()); err != nil {
				return err
			}
			fmt.Fprintf(p.stderr, "changed %s\n", old.Address)
			return nil
		},
	}
	addSettingsFlags(c)
	by = byFlag(c)
	return c
}

func (p *program) subscribersSuppress() *cobra.Command {
	var reason, note string
	var by func() operators.By
	c := &cobra.Command{
		Use:   "suppress ADDRESS",
		Short: "Bar an address from all mail, reader or not",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			db, err := p.database(c.Context(), true)
			if err != nil {
				return err
			}
			address, err := subscribers.ParseAddress(args[0])
			if err != nil {
				return usage(err)
			}
			if !slices.Contains(subscribers.Reasons(), reason) {
				return usagef("--reason %q is none of %s", reason, strings.Join(subscribers.Reasons(), ", "))
			}
			added, err := db.SuppressFor(c.Context(), by(), subscribers.Suppression{Address: address, Reason: reason, Note: note}, time.Now())
			if err != nil {
				return err
			}
			if !added {
				fmt.Fprintf(p.stderr, "%s is suppressed already\n", address)
				return &exitError{exitNothing, nil}
			}
			fmt.Fprintf(p.stderr, "suppressed %s (%s)\n", address, reason)
			return nil
		},
	}
	by = byFlag(c)
	c.Flags().StringVar(&reason, "reason", "operator", "`why`: "+strings.Join(subscribers.Reasons(), ", "))
	c.Flags().StringVar(&note, "note", "", "free `text` kept beside it")
	return c
}

func (p *program) findSubscriber(ctx context.Context, db *store.DB, address string) (*subscribers.Subscriber, error) {
	s, err := db.Subscriber(ctx, address)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("there is no reader %s", address)
	}
	return s, err
}
