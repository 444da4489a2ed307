package commands

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/schedule"
	"broadsheet/store"
)

func (p *program) webhooks() *cobra.Command {
	return group("webhooks", "Other systems that are told what happens", p.webhooksList(), p.webhooksRetry(), p.webhooksTest())
}

type webhookJSON struct {
	Name     string   `json:"name"`
	URL      string   `json:"url"`
	Events   []string `json:"events"`
	State    string   `json:"state"` // new, fine, failing, disabled
	Since    *string  `json:"since"`
	Waiting  int      `json:"waiting"`
	LastGood *string  `json:"last_good"`
	Said     string   `json:"said"`
}

func (p *program) webhooksList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List webhooks, and how they fare", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, db, err := p.configAndDatabase(c.Context(), false)
			if err != nil {
				return err
			}
			list, err := webhookRows(c.Context(), cfg, db)
			if err != nil {
				return err
			}
			return printRows(p, rowsOf(list), asJSON, func(w webhookJSON) any { return w }, []string{"NAME", "STATE", "WAITING", "URL", "SAID"},
				func(w webhookJSON) []string { return []string{w.Name, w.State, fmt.Sprint(w.Waiting), w.URL, w.Said} })
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

// webhookRows joins what the configuration and the database know.
func webhookRows(ctx context.Context, cfg *schedule.Config, db *store.DB) (list []webhookJSON, err error) {
	known, err := db.Webhooks(ctx)
	if err != nil {
		return nil, err
	}
	for _, h := range cfg.Webhooks {
		row := webhookJSON{Name: h.Name, URL: h.URL, Events: h.Events, State: "new"}
		for _, w := range known {
			if w.Name != h.Name {
				continue
			}
			row.State, row.Waiting, row.Said, row.LastGood = "fine", w.Waiting, w.Said, stamp(w.Good)
			if !w.Failing.IsZero() {
				row.State, row.Since = "failing", stamp(w.Failing)
			}
			if !w.Disabled.IsZero() {
				row.State, row.Since = "disabled", stamp(w.Disabled)
			}
		}
		list = append(list, row)
	}
	return list, nil
}

func (p *program) webhooksRetry() *cobra.Command {
	c := &cobra.Command{Use: "retry NAME", Short: "Have what waits for a webhook tried again at once, also one that was given up", Args: cobra.ExactArgs(1)}
	by := byFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		db, err := p.databaseThere(c.Context(), false)
		if err != nil {
			return err
		}
		n, err := db.RetryWebhook(c.Context(), by(), args[0], time.Now())
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("there is no webhook %s; it is made by `serve`", args[0])
		}
		return p.done(fmt.Sprintf("tried again for %s: %s", args[0], count(n, "event")), err)
	}
	return c
}

func (p *program) webhooksTest() *cobra.Command {
	return &cobra.Command{
		Use: "test NAME", Short: "Call a webhook once, with an event of the type test", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := p.config()
			if err != nil {
				return err
			}
			if err := usage(cfg.WebhookSecrets(p.getenv)); err != nil {
				return err
			}
			for i := range cfg.Webhooks {
				h := &cfg.Webhooks[i]
				if h.Name != args[0] {
					continue
				}
				uid := make([]byte, 16)
				rand.Read(uid) // never fails
				status, err := (&engine{cfg: cfg}).postWebhook(c.Context(), h, hex.EncodeToString(uid), "test", time.Now(), `{}`)
				if err != nil {
					return fmt.Errorf("call webhook %s: %w", h.Name, err)
				}
				if status/100 != 2 {
					return fmt.Errorf("call webhook %s: it answered %d %s", h.Name, status, http.StatusText(status))
				}
				return p.done(fmt.Sprintf("%s took it: %d %s", h.Name, status, http.StatusText(status)), nil)
			}
			return usagef("there is no webhook %s in the configuration", args[0])
		},
	}
}
