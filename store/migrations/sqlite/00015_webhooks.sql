-- +goose Up
-- What other systems are told by webhooks. Events are written by triggers, in the transaction of what
-- happened, whoever makes it; while nobody wants any there are none.
CREATE TABLE webhooks (
  name TEXT PRIMARY KEY,
  events TEXT NOT NULL,             -- types that it wants, with commas before, between and after
  seen INTEGER NOT NULL,            -- the last event that was looked at for it
  failing INTEGER NOT NULL DEFAULT 0, -- since when nothing gets through
  disabled INTEGER NOT NULL DEFAULT 0, -- since when it is no longer tried; 0 = it is
  said TEXT NOT NULL DEFAULT '',    -- why the last try failed
  good INTEGER NOT NULL DEFAULT 0   -- when one got through last
) WITHOUT ROWID;
CREATE TABLE webhook_events (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL, type TEXT NOT NULL, at INTEGER NOT NULL, data TEXT NOT NULL
);
-- What is on its way, until it got through.
CREATE TABLE webhook_sends (
  webhook TEXT NOT NULL, event INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL, said TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (webhook, event)
) WITHOUT ROWID;
CREATE INDEX webhook_sends_due ON webhook_sends (webhook, due);
CREATE INDEX webhook_sends_event ON webhook_sends (event);
-- Issues whose end was told.
CREATE TABLE webhook_done (issue INTEGER PRIMARY KEY);

-- +goose StatementBegin
CREATE TRIGGER webhook_issue_opened AFTER UPDATE OF state ON issues WHEN NEW.state = 'open' AND OLD.state <> 'open' AND NEW.edition NOT IN (SELECT id FROM editions WHERE name = '+notices') AND EXISTS (SELECT 1 FROM webhooks)
BEGIN
  INSERT INTO webhook_events (uid, type, at, data) SELECT lower(hex(randomblob(16))), 'issue.opened', unixepoch() * 1000000,
    json_object('issue', NEW.id, 'edition', e.name, 'slot', s.slot_key, 'zone', NEW.zone, 'audience', NEW.audience)
    FROM slots s JOIN editions e ON e.id = s.edition WHERE s.id = NEW.slot;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER webhook_issue_held AFTER INSERT ON issue_holds WHEN EXISTS (SELECT 1 FROM webhooks)
BEGIN
  INSERT INTO webhook_events (uid, type, at, data) VALUES (lower(hex(randomblob(16))), 'issue.held', unixepoch() * 1000000,
    json_object('issue', NEW.issue, 'kind', NEW.kind));
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER webhook_delivery_bounced AFTER INSERT ON events WHEN NEW.slot > 0 AND NEW.sure = 1 AND NEW.class IN ('hard', 'soft', 'policy', 'content', 'complaint') AND EXISTS (SELECT 1 FROM webhooks)
BEGIN
  INSERT INTO webhook_events (uid, type, at, data) VALUES (lower(hex(randomblob(16))), CASE NEW.class WHEN 'complaint' THEN 'reader.complained' ELSE 'delivery.bounced' END, unixepoch() * 1000000,
    json_object('reader', NEW.subscriber, 'external_id', coalesce((SELECT st.external_id FROM subscribers b JOIN settings st ON st.id = b.settings WHERE b.id = NEW.subscriber), ''),
      'class', NEW.class, 'status', NEW.status));
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER webhook_reader_status AFTER UPDATE OF status ON subscribers WHEN OLD.status <> NEW.status AND
  (NEW.status = 'unsubscribed' AND OLD.status IN ('active', 'paused') OR NEW.status = 'active' AND OLD.status NOT IN ('active', 'paused')) AND EXISTS (SELECT 1 FROM webhooks)
BEGIN
  INSERT INTO webhook_events (uid, type, at, data) VALUES (lower(hex(randomblob(16))), CASE NEW.status WHEN 'active' THEN 'reader.joined' ELSE 'reader.left' END, unixepoch() * 1000000,
    json_object('reader', NEW.id, 'external_id', coalesce((SELECT external_id FROM settings WHERE id = NEW.settings), '')));
END;
-- +goose StatementEnd
-- +goose StatementBegin
-- Whoever is erased: the settings go before the reader does, and know the other system's word for them.
CREATE TRIGGER webhook_reader_gone AFTER DELETE ON settings WHEN EXISTS (SELECT 1 FROM webhooks)
  AND EXISTS (SELECT 1 FROM subscribers b WHERE b.id = OLD.subscriber AND b.settings = OLD.id AND b.status IN ('active', 'paused'))
BEGIN
  INSERT INTO webhook_events (uid, type, at, data) VALUES (lower(hex(randomblob(16))), 'reader.left', unixepoch() * 1000000,
    json_object('reader', OLD.subscriber, 'external_id', OLD.external_id));
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER webhook_story_withdrawn AFTER UPDATE OF withdrawn ON stories WHEN NEW.withdrawn > 0 AND OLD.withdrawn = 0 AND EXISTS (SELECT 1 FROM webhooks)
BEGIN
  INSERT INTO webhook_events (uid, type, at, data) VALUES (lower(hex(randomblob(16))), 'story.withdrawn', unixepoch() * 1000000, json_object('story', NEW.id));
END;
-- +goose StatementEnd
