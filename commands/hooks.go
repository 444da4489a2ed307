package commands

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/stories"
	"broadsheet/web/room"
)

// How webhooks are called, by the Standard Webhooks rules.
const (
	hookPoll     = 5 * time.Second
	hookBatch    = 50                 // at a time
	hookLimit    = 15 * time.Second   // for one call
	hookPatience = 5 * 24 * time.Hour // without one that gets through, before it is disabled
	hookAlarm    = time.Hour          // of failing, from which on a person should look
)

// hookWaits are the waits after the first tries; the last one again and again.
var hookWaits = []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour}

// callWebhooks tells other systems what happened. It returns the wait to the next look.
func (e *engine) callWebhooks(ctx context.Context) time.Duration {
	want := map[string][]string{}
	hooks := map[string]*schedule.Webhook{}
	for i := range e.cfg.Webhooks {
		h := &e.cfg.Webhooks[i]
		want[h.Name], hooks[h.Name] = h.Events, h
	}
	if err := e.wantWebhooks(ctx, want); err != nil {
		e.complain(ctx, "webhooks", err)
		return wake
	}
	if len(want) == 0 {
		return wake
	}
	due, err := e.db.DueWebhooks(ctx, time.Now(), hookBatch)
	e.complain(ctx, "webhooks", err)
	broken := map[string]bool{} // one that does not answer keeps the others waiting once
	for _, event := range due {
		if h := hooks[event.Webhook]; h != nil && !broken[h.Name] && ctx.Err() == nil {
			said := e.callWebhook(ctx, h, event)
			broken[h.Name] = said != ""
		}
	}
	if len(due) == hookBatch && len(broken) == 0 {
		return 0
	}
	return hookPoll
}

// wantWebhooks writes only what is new.
func (e *engine) wantWebhooks(ctx context.Context, want map[string][]string) error {
	have, err := e.db.Webhooks(ctx)
	if err != nil || len(have) == 0 && len(want) == 0 {
		return err
	}
	return e.db.WantWebhooks(ctx, want)
}

// callWebhook makes one call and puts on record what came of it; "" = it got through.
func (e *engine) callWebhook(ctx context.Context, h *schedule.Webhook, event store.WebhookEvent) (said string) {
	status, err := e.postWebhook(ctx, h, event.UID, event.Type, event.At, event.Data)
	switch {
	case ctx.Err() != nil:
		return "the program ends"
	case err != nil:
		said = err.Error()
	case status/100 != 2:
		said = fmt.Sprintf("it answered %d %s", status, http.StatusText(status))
	}
	now := time.Now()
	wait := hookWaits[min(event.Tries, len(hookWaits)-1)]
	if said != "" {
		e.log.Warn("webhook not taken", slog.String("webhook", h.Name), slog.String("event", event.Type), slog.Int("try", event.Tries+1), slog.String("error", said))
	}
	e.complain(ctx, "put webhook on record", e.db.WebhookTold(ctx, event, said, now.Add(wait), now, hookPatience))
	return said
}

// postWebhook signs an event and posts it.
func (e *engine) postWebhook(ctx context.Context, h *schedule.Webhook, uid, kind string, at time.Time, data string) (status int, err error) {
	body, err := json.Marshal(struct {
		Type      string          `json:"type"`
		Timestamp time.Time       `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	}{kind, at.UTC(), json.RawMessage(data)})
	if err != nil {
		return 0, fmt.Errorf("write webhook: %w", err)
	}
	id, now := "msg_"+uid, strconv.FormatInt(time.Now().Unix(), 10)
	header := http.Header{"Content-Type": {"application/json"}, "User-Agent": {"Broadsheet"},
		"Webhook-Id": {id}, "Webhook-Timestamp": {now}, "Webhook-Signature": {signWebhook(h.Secret, id, now, body)}}
	f := &stories.Fetcher{Allow: e.cfg.Fetch.Allow, Timeout: hookLimit}
	return f.Post(ctx, h.URL, header, body)
}

// signWebhook is version 1 of the Standard Webhooks' signature: HMAC-SHA256 of id, time and body.
func signWebhook(secret []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%s.%s.", id, timestamp)
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// webhookAlarms lists webhooks that do not get through.
func (e *engine) webhookAlarms(ctx context.Context) (alarms []room.Alarm, err error) {
	list, err := e.db.Webhooks(ctx)
	if err != nil {
		return nil, err
	}
	for _, w := range list {
		retry := "broadsheet webhooks retry " + shellWord(w.Name)
		said := strings.TrimSuffix(w.Said, ".")
		switch {
		case !w.Disabled.IsZero():
			alarms = append(alarms, room.Alarm{Key: "webhook " + w.Name, Level: "red", What: fmt.Sprintf("The webhook %s was given up: %s. What waits (%s) is lost a week after it happened.", w.Name, said, count(w.Waiting, "event")),
				Since: w.Disabled, Next: "Mend it, then have it tried again.", Do: retry})
		case !w.Failing.IsZero() && time.Since(w.Failing) >= hookAlarm:
			alarms = append(alarms, room.Alarm{Key: "webhook " + w.Name, Level: "amber", What: fmt.Sprintf("The webhook %s does not get through: %s. Waiting: %s.", w.Name, said, count(w.Waiting, "event")),
				Since: w.Failing, Next: "Look at the system that it leads to. It is tried again by itself, and given up after five days.", Do: retry})
		}
	}
	return alarms, nil
}
