package schedule

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Webhook is an address of another system that is told what happens, by the Standard Webhooks rules.
type Webhook struct {
	Name   string
	URL    string
	Events []string // types; those of [WebhookEvents]
	Secret []byte   // from the environment: 24 to 64 bytes
}

// WebhookEvents are the types of events that there are.
var WebhookEvents = []string{"issue.opened", "issue.held", "issue.done", "delivery.bounced", "reader.joined", "reader.left", "reader.complained", "story.withdrawn"}

// webhooks reads who is told what. Without events it is everything.
func (r *reader) webhooks(t *table) (hooks []Webhook) {
	seen := make(map[string]mark)
	for i, n := range t.list("webhooks", "{name, url, events}") {
		w, ok := r.table(n, called("webhook", i, nameIn(n, "name")), "name", "url", "events")
		if !ok {
			continue
		}
		h := Webhook{Events: WebhookEvents}
		if w.need("name", "name: newsroom") {
			h.Name = w.id("name")
		}
		w.unique("name", h.Variable(), seen) // two that differ in signs alone would share their secret unseen
		if w.need("url", "url: https://newsroom.lantern.example/hooks/broadsheet") {
			h.URL = w.text("url")
		}
		if h.URL != "" {
			u, err := url.Parse(h.URL)
			if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || !validPort(u.Port(), true) || len(h.URL) > 2000 {
				w.bad("url", "url must be an http or https address, e.g. https://newsroom.lantern.example/hooks/broadsheet")
			}
		}
		if w.has("events") {
			var places []mark
			h.Events, places = w.texts("events", "types of events")
			for k, e := range h.Events {
				if !slices.Contains(WebhookEvents, e) {
					t.wrong(places[k], "%s: events: there is no %q: known are %s", w.name, clip(e), strings.Join(WebhookEvents, ", "))
				}
			}
		}
		hooks = append(hooks, h)
	}
	return hooks
}

// Variable names the webhook's secret in the environment.
func (h *Webhook) Variable() string {
	return "BROADSHEET_WEBHOOK_" + strings.ToUpper(strings.ReplaceAll(h.Name, "-", "_"))
}

// WebhookSecrets fills in what webhooks are signed with, from BROADSHEET_WEBHOOK_<NAME> or the file that
// BROADSHEET_WEBHOOK_<NAME>_FILE names: whsec_ and 24 to 64 bytes in base64.
func (c *Config) WebhookSecrets(getenv func(string) string) error {
	var wrong Error
	for i := range c.Webhooks {
		h := &c.Webhooks[i]
		value, message := secret(getenv, h.Variable(), " to whsec_ and 32 random bytes in base64, or leave the webhook away")
		if message == "" {
			var err error
			if h.Secret, err = ParseWebhookSecret(value); err != nil {
				message = fmt.Sprintf("%s: %v", h.Variable(), err)
			}
		}
		if message != "" {
			wrong = append(wrong, Problem{File: c.File, Message: message})
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}

// ParseWebhookSecret reads a secret as Standard Webhooks has it.
func ParseWebhookSecret(text string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.TrimSpace(text), "whsec_"))
	if err != nil || len(b) < 24 || len(b) > 64 {
		return nil, fmt.Errorf("must be whsec_ and 24 to 64 bytes in base64; make one with: echo whsec_$(openssl rand -base64 32)")
	}
	return b, nil
}
