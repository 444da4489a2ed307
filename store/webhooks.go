package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"broadsheet/digest"
	"broadsheet/operators"
)

// Webhook is an address of another system, as the database knows it.
type Webhook struct {
	Name     string
	Failing  time.Time // since when nothing gets through; zero = it does
	Disabled time.Time // since when it is no longer tried; zero = it is
	Said     string    // why the last try failed
	Good     time.Time // when one got through last
	Waiting  int       // events on their way
}

// WebhookEvent is something that happened, on its way to a webhook.
type WebhookEvent struct {
	Webhook string
	ID      int64
	UID     string // steady over all tries, and of no other event
	Type    string
	At      time.Time
	Data    string // JSON
	Tries   int
}

// WantWebhooks says which webhooks there are and what they want (name → types of events). A new one is
// told what happens from now on. Without any, nothing is kept. What is wanted already costs no write.
func (db *DB) WantWebhooks(ctx context.Context, want map[string][]string) error {
	wanted, err := db.wantedWebhooks(ctx)
	if err != nil || maps.EqualFunc(wanted, want, func(have string, events []string) bool { return have == wishes(events) }) {
		return err
	}
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		have, err := selectAll(ctx, t, `SELECT name FROM webhooks`, nil, func(r *sql.Rows) (name string, err error) { return name, r.Scan(&name) })
		if err != nil {
			return err
		}
		for _, name := range have {
			if _, ok := want[name]; ok {
				continue
			}
			if _, err := t.exec(ctx, `DELETE FROM webhook_sends WHERE webhook = ?1`, name); err != nil {
				return err
			}
			if _, err := t.exec(ctx, `DELETE FROM webhooks WHERE name = ?1`, name); err != nil {
				return err
			}
		}
		switch {
		case len(want) == 0:
			if _, err := t.exec(ctx, `DELETE FROM webhook_done`); err != nil {
				return err
			}
		case len(have) == 0: // what has ended by now is no news
			if _, err := t.exec(ctx, `INSERT INTO webhook_done (issue) SELECT i.id FROM issues i WHERE i.state = 'open' AND NOT EXISTS (SELECT 1 FROM batches b WHERE b.issue = i.id AND b.done = 0)
				ON CONFLICT (issue) DO NOTHING`); err != nil {
				return err
			}
		}
		for name, events := range want {
			if _, err := t.exec(ctx, `INSERT INTO webhooks (name, events, seen) VALUES (?1, ?2, (SELECT coalesce(max(id), 0) FROM webhook_events))
				ON CONFLICT (name) DO UPDATE SET events = ?2 WHERE webhooks.events <> ?2`, name, wishes(events)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("want webhooks: %w", err)
	}
	return nil
}

// wishes is how a list of types is stored.
func wishes(events []string) string { return "," + strings.Join(events, ",") + "," }

// wantedWebhooks tells which webhooks there are and their wishes.
func (db *DB) wantedWebhooks(ctx context.Context) (map[string]string, error) {
	have := map[string]string{}
	_, err := selectAll(ctx, db.read(), `SELECT name, events FROM webhooks`, nil, func(r *sql.Rows) (struct{}, error) {
		var name, events string
		err := r.Scan(&name, &events)
		have[name] = events
		return struct{}{}, err
	})
	if err != nil {
		return nil, fmt.Errorf("list webhooks: %w", err)
	}
	return have, nil
}

// Webhooks lists them by name.
func (db *DB) Webhooks(ctx context.Context) ([]Webhook, error) {
	list, err := selectAll(ctx, db.read(), `SELECT name, failing, disabled, said, good, (SELECT count(*) FROM webhook_sends s WHERE s.webhook = w.name) FROM webhooks w ORDER BY name`, nil,
		func(r *sql.Rows) (w Webhook, err error) {
			var failing, disabled, good int64
			err = r.Scan(&w.Name, &failing, &disabled, &w.Said, &good, &w.Waiting)
			w.Failing, w.Disabled, w.Good = fromUS(failing), fromUS(disabled), fromUS(good)
			return w, err
		})
	if err != nil {
		return nil, fmt.Errorf("list webhooks: %w", err)
	}
	return list, nil
}

// endedIssue is one that has come to its end and of which nobody was told.
type endedIssue struct {
	issue, audience     int64
	edition, slot, zone string
}

// endedIssues lists them, if anybody wants to know.
func endedIssues(ctx context.Context, q querier) ([]endedIssue, error) {
	return selectAll(ctx, q, `SELECT i.id, i.audience, e.name, s.slot_key, i.zone FROM issues i JOIN editions e ON e.id = i.edition JOIN slots s ON s.id = i.slot
		WHERE i.state = 'open' AND NOT EXISTS (SELECT 1 FROM webhook_done d WHERE d.issue = i.id) AND e.name <> '`+digest.NoticeEdition+`' AND EXISTS (SELECT 1 FROM webhooks WHERE events LIKE '%,issue.done,%')
		AND NOT EXISTS (SELECT 1 FROM batches b WHERE b.issue = i.id AND b.done = 0)`, nil, func(r *sql.Rows) (d endedIssue, err error) {
		return d, r.Scan(&d.issue, &d.audience, &d.edition, &d.slot, &d.zone)
	})
}

// noteDone notes which issues have come to their end, each once.
func (t *tx) noteDone(ctx context.Context, now time.Time) error {
	list, err := endedIssues(ctx, t)
	if err != nil {
		return err
	}
	for _, d := range list {
		if _, err := t.exec(ctx, `INSERT INTO webhook_done (issue) VALUES (?1)`, d.issue); err != nil {
			return err
		}
		data, err := json.Marshal(struct {
			Issue    int64  `json:"issue"`
			Edition  string `json:"edition"`
			Slot     string `json:"slot"`
			Zone     string `json:"zone"`
			Audience int64  `json:"audience"`
		}{d.issue, d.edition, d.slot, d.zone, d.audience})
		if err != nil {
			return err
		}
		uid := make([]byte, 16)
		rand.Read(uid) // never fails
		if _, err := t.exec(ctx, `INSERT INTO webhook_events (uid, type, at, data) VALUES (?1, 'issue.done', ?2, ?3)`,
			hex.EncodeToString(uid), us(now), string(data)); err != nil {
			return err
		}
	}
	return nil
}

// webhookLife is how long an event waits for a webhook that is disabled, or for anybody.
const webhookLife = 7 * 24 * time.Hour

// DueWebhooks puts what happened on its way to who wants it, and lists what one webhook is to be told now,
// the longest due first. now is the machine's time. Where nothing happened it is a look and no write.
func (db *DB) DueWebhooks(ctx context.Context, webhook string, now time.Time, limit int) (due []WebhookEvent, err error) {
	news, err := db.webhookNews(ctx, now)
	if err == nil && news {
		err = db.write(ctx, func(ctx context.Context, t *tx) error { return t.spread(ctx, now) })
	}
	if err == nil {
		due, err = selectAll(ctx, db.read(), `SELECT s.webhook, v.id, v.uid, v.type, v.at, v.data, s.tries FROM webhook_sends s CROSS JOIN webhook_events v ON v.id = s.event
			WHERE s.webhook = ?1 AND s.due <= ?2 AND EXISTS (SELECT 1 FROM webhooks w WHERE w.name = ?1 AND w.disabled = 0) ORDER BY s.due, s.event LIMIT ?3`, args{webhook, us(now), limit},
			func(r *sql.Rows) (e WebhookEvent, err error) {
				var at int64
				err = r.Scan(&e.Webhook, &e.ID, &e.UID, &e.Type, &at, &e.Data, &e.Tries)
				e.At = fromUS(at)
				return e, err
			})
	}
	if err != nil {
		return nil, fmt.Errorf("list webhooks that are due: %w", err)
	}
	return due, nil
}

// webhookNews reports whether there is anything to spread or to forget.
func (db *DB) webhookNews(ctx context.Context, now time.Time) (bool, error) {
	var some bool
	if err := db.read().scan(ctx, `SELECT EXISTS (SELECT 1 FROM webhooks) AND (EXISTS (SELECT 1 FROM webhooks WHERE disabled = 0 AND seen < (SELECT max(id) FROM webhook_events))
		OR coalesce((SELECT at < ?1 OR id <= (SELECT min(seen) FROM webhooks) AND NOT EXISTS (SELECT 1 FROM webhook_sends s WHERE s.event = v.id) FROM webhook_events v ORDER BY id LIMIT 1), FALSE))`,
		args{us(now.Add(-webhookLife))}, &some); err != nil || some {
		return some, err
	}
	ended, err := endedIssues(ctx, db.read())
	return len(ended) > 0, err
}

// spread puts what happened on its way to every webhook that wants it, and drops what nobody waits for or
// waited for too long.
func (t *tx) spread(ctx context.Context, now time.Time) error {
	if err := t.noteDone(ctx, now); err != nil {
		return err
	}
	old := us(now.Add(-webhookLife))
	for _, step := range []struct {
		query  string
		values args
	}{
		{`INSERT INTO webhook_sends (webhook, event, due) SELECT w.name, v.id, v.at FROM webhooks w JOIN webhook_events v ON v.id > w.seen
			WHERE w.disabled = 0 AND w.events LIKE '%,' || v.type || ',%'`, nil},
		{`UPDATE webhooks SET seen = (SELECT max(id) FROM webhook_events) WHERE disabled = 0 AND seen < (SELECT max(id) FROM webhook_events)`, nil},
		{`DELETE FROM webhook_sends WHERE event IN (SELECT id FROM webhook_events WHERE at < ?1)`, args{old}},
		{`DELETE FROM webhook_events WHERE at < ?1 OR id <= (SELECT min(seen) FROM webhooks) AND NOT EXISTS (SELECT 1 FROM webhook_sends s WHERE s.event = webhook_events.id)`, args{old}},
	} {
		if _, err := t.exec(ctx, step.query, step.values...); err != nil {
			return err
		}
	}
	return nil
}

// WebhookTold puts on record what came of a try: said "" = it got through, else it is due again. After
// patience without one that got through the webhook is disabled.
func (db *DB) WebhookTold(ctx context.Context, e WebhookEvent, said string, due, now time.Time, patience time.Duration) error {
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		if said == "" {
			if _, err := t.exec(ctx, `DELETE FROM webhook_sends WHERE webhook = ?1 AND event = ?2`, e.Webhook, e.ID); err != nil {
				return err
			}
			_, err := t.exec(ctx, `UPDATE webhooks SET failing = 0, said = '', good = ?2 WHERE name = ?1`, e.Webhook, us(now))
			return err
		}
		n, err := t.exec(ctx, `UPDATE webhook_sends SET tries = tries + 1, due = ?3, said = ?4 WHERE webhook = ?1 AND event = ?2 AND tries = ?5`, e.Webhook, e.ID, us(due), said, e.Tries)
		if err != nil || n == 0 { // another process has told it meanwhile
			return err
		}
		if _, err := t.exec(ctx, `UPDATE webhooks SET said = ?2, failing = CASE failing WHEN 0 THEN ?3 ELSE failing END WHERE name = ?1`, e.Webhook, said, us(now)); err != nil {
			return err
		}
		_, err = t.exec(ctx, `UPDATE webhooks SET disabled = ?2 WHERE name = ?1 AND disabled = 0 AND failing > 0 AND failing <= ?3`, e.Webhook, us(now), us(now.Add(-patience)))
		return err
	})
	if err != nil {
		return fmt.Errorf("put webhook on record: %w", err)
	}
	return nil
}

// RetryWebhook has a webhook tried again at once, with all that waits for it; [ErrNotFound] if there is none.
func (db *DB) RetryWebhook(ctx context.Context, by operators.By, name string, now time.Time) (waiting int, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE webhooks SET disabled = 0, failing = 0 WHERE name = ?1`, name)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		if n, err = t.exec(ctx, `UPDATE webhook_sends SET due = 0 WHERE webhook = ?1`, name); err != nil {
			return err
		}
		waiting = int(n)
		return t.audit(ctx, by, "webhook retry", "webhook "+name, fmt.Sprint(n, " events"), now)
	})
	if err != nil {
		return 0, fmt.Errorf("retry webhook %s: %w", name, err)
	}
	return waiting, nil
}
