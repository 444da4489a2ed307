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
	"sync"
	"sync/atomic"
	"time"

	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/stories"
	"broadsheet/web/room"
)

// How webhooks are called, by the Standard Webhooks rules.
const (
	hookPoll     = 5 * time.Second
	hookBatch    = 50                 // of one webhook at a time
	hookLanes    = 8                  // calls side by side, while so many wait
	hookLimit    = 15 * time.Second   // for one call
	hookTurn     = time.Minute        // one process tells a webhook for so long, and goes on if it is still there
	hookPatience = 5 * 24 * time.Hour // without one that gets through, before it is disabled
	hookAlarm    = time.Hour          // of failing, from which on a person should look
)

// hookWaits are the waits after the first tries; the last one again and again.
var hookWaits = []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour}

// hookTasks are what is done again and again for webhooks: one task that says which there are, and one of
// each webhook's own, so that none waits for another that is slow or dead. One process has each: events keep their
// order, and where configurations differ, while they are changed one after the other, processes do not take back what
// another says.
func (e *engine) hookTasks() (tasks []func(context.Context) time.Duration) {
	list := &alone{engine: e, name: "webhooks", span: hookTurn}
	tasks = append(tasks, func(ctx context.Context) time.Duration {
		want := map[string][]string{}
		for _, h := range e.cfg.Webhooks {
			want[h.Name] = h.Events
		}
		if list.mine(ctx) {
			e.complain(ctx, "webhooks", e.db.WantWebhooks(ctx, want))
		}
		return wake
	})
	for i := range e.cfg.Webhooks {
		h := &e.cfg.Webhooks[i]
		turn := &alone{engine: e, name: "webhook " + h.Name, span: hookTurn}
		tasks = append(tasks, func(ctx context.Context) time.Duration { return e.tellWebhook(ctx, h, turn) })
	}
	return tasks
}

// tellWebhook tells a webhook what waits for it, in order as long as it is little. After a failure the rest
// waits for the next look, whose wait it returns.
func (e *engine) tellWebhook(ctx context.Context, h *schedule.Webhook, turn *alone) time.Duration {
	if why, err := e.differs(ctx); err != nil || len(why) > 0 { // a copy that may not mail tells nobody either
		e.complain(ctx, "webhooks", err)
		return wake
	}
	if !turn.mine(ctx) {
		return hookPoll
	}
	due, err := e.db.DueWebhooks(ctx, h.Name, time.Now(), hookBatch)
	if err != nil {
		e.complain(ctx, "webhooks", err)
		return hookPoll
	}
	lanes := 1
	if len(due) == hookBatch {
		lanes = hookLanes
	}
	var failed atomic.Bool
	for n := 0; n < len(due) && turn.mine(ctx); {
		to := min(n+lanes, len(due))
		if n == 0 {
			to = 1 // one that is dead is asked once
		}
		var calls sync.WaitGroup
		for _, event := range due[n:to] {
			calls.Go(func() {
				if e.callWebhook(ctx, h, event) != "" {
					failed.Store(true)
				}
			})
		}
		calls.Wait()
		if failed.Load() || ctx.Err() != nil {
			return hookPoll
		}
		n = to
	}
	if len(due) == hookBatch {
		return 0
	}
	return hookPoll
}

// callWebhook makes one call and puts on record what came of it; "" = it got through.
func (e *engine) callWebhook(ctx context.Context, h *schedule.Webhook, event store.WebhookEvent) (said string) {
	call, done := finishing(ctx)
	defer done()
	status, err := e.postWebhook(call, h, event.UID, event.Type, event.At, event.Data)
	switch {
	case call.Err() != nil:
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
	e.complain(ctx, "put webhook on record", e.db.WebhookTold(context.WithoutCancel(ctx), event, said, now.Add(wait), now, hookPatience))
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
