package store

import (
	"context"
	"database/sql"
	"fmt"
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
// told what happens from now on. Without any, nothing is kept.
func (db *DB) WantWebhooks(ctx context.Context, want map[string][]string) error {
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
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
				ON CONFLICT (name) DO UPDATE SET events = ?2 WHERE events <> ?2`, name, ","+strings.Join(events, ",")+","); err != nil {
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

// noteDone notes which issues have come to their end, each once, if anybody wants to know.
func (t *tx) noteDone(ctx context.Context, now time.Time) error {
	type ended struct {
		issue, audience     int64
		edition, slot, zone string
	}
	list, err := selectAll(ctx, t, `SELECT i.id, i.audience, e.name, s.slot_key, i.zone FROM issues i JOIN editions e ON e.id = i.edition JOIN slots s ON s.id = i.slot
		WHERE i.state = 'open' AND NOT EXISTS (SELECT 1 FROM webhook_done d WHERE d.issue = i.id) AND e.name <> '`+digest.NoticeEdition+`' AND EXISTS (SELECT 1 FROM webhooks WHERE events LIKE '%,issue.done,%')
		AND NOT EXISTS (SELECT 1 FROM batches b WHERE b.issue = i.id AND b.done = 0)`, nil, func(r *sql.Rows) (d ended, err error) {
		return d, r.Scan(&d.issue, &d.audience, &d.edition, &d.slot, &d.zone)
	})
	if err != nil {
		return err
	}
	for _, d := range list {
		if _, err := t.exec(ctx, `INSERT INTO webhook_done (issue) VALUES (?1)`, d.issue); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `INSERT INTO webhook_events (uid, type, at, data) VALUES (lower(hex(randomblob(16))), 'issue.done', ?1,
			json_object('issue', ?2, 'edition', ?3, 'slot', ?4, 'zone', ?5, 'audience', ?6))`, us(now), d.issue, d.edition, d.slot, d.zone, d.audience); err != nil {
			return err
		}
	}
	return nil
}

// webhookLife is how long an event waits for a webhook that is disabled, or for anybody.
const webhookLife = 7 * 24 * time.Hour

// DueWebhooks puts what happened on its way to who wants it, and lists what is to be tried now. now is the
// machine's time.
func (db *DB) DueWebhooks(ctx context.Context, now time.Time, limit int) (due []WebhookEvent, err error) {
	some := 0
	if err := db.read().scan(ctx, `SELECT EXISTS (SELECT 1 FROM webhooks)`, nil, &some); err != nil || some == 0 {
		return nil, err
	}
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		if err := t.noteDone(ctx, now); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `INSERT INTO webhook_sends (webhook, event, due) SELECT w.name, v.id, v.at FROM webhooks w JOIN webhook_events v ON v.id > w.seen
			WHERE w.disabled = 0 AND w.events LIKE '%,' || v.type || ',%'`); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `UPDATE webhooks SET seen = (SELECT max(id) FROM webhook_events) WHERE disabled = 0 AND seen < (SELECT max(id) FROM webhook_events)`); err != nil {
			return err
		}
		// What nobody waits for goes, and what waited for too long.
		if _, err := t.exec(ctx, `DELETE FROM webhook_sends WHERE event IN (SELECT id FROM webhook_events WHERE at < ?1)`, us(now.Add(-webhookLife))); err != nil {
			return err
		}
		_, err := t.exec(ctx, `DELETE FROM webhook_events WHERE at < ?1 OR id <= (SELECT min(seen) FROM webhooks) AND NOT EXISTS (SELECT 1 FROM webhook_sends s WHERE s.event = webhook_events.id)`, us(now.Add(-webhookLife)))
		return err
	})
	if err == nil {
		due, err = selectAll(ctx, db.read(), `SELECT s.webhook, v.id, v.uid, v.type, v.at, v.data, s.tries FROM webhook_sends s JOIN webhook_events v ON v.id = s.event JOIN webhooks w ON w.name = s.webhook
			WHERE s.due <= ?1 AND w.disabled = 0 ORDER BY s.due, v.id LIMIT ?2`, args{us(now), limit}, func(r *sql.Rows) (e WebhookEvent, err error) {
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
		if _, err := t.exec(ctx, `UPDATE webhook_sends SET tries = tries + 1, due = ?3, said = ?4 WHERE webhook = ?1 AND event = ?2`, e.Webhook, e.ID, us(due), said); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `UPDATE webhooks SET said = ?2, failing = CASE failing WHEN 0 THEN ?3 ELSE failing END WHERE name = ?1`, e.Webhook, said, us(now)); err != nil {
			return err
		}
		_, err := t.exec(ctx, `UPDATE webhooks SET disabled = ?2 WHERE name = ?1 AND disabled = 0 AND failing > 0 AND failing <= ?3`, e.Webhook, us(now), us(now.Add(-patience)))
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
