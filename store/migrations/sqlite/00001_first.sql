-- Times are microseconds since 1970 in UTC, 0 = none. See doc.go for what each table is for.

-- +goose Up
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('arrival', 0);

CREATE TABLE feeds (
  url TEXT PRIMARY KEY, etag TEXT NOT NULL, last_modified TEXT NOT NULL, fetched INTEGER NOT NULL,
  ok INTEGER NOT NULL, due INTEGER NOT NULL, failures INTEGER NOT NULL, error TEXT NOT NULL, items INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE stories (
  id INTEGER PRIMARY KEY, revision INTEGER NOT NULL, created INTEGER NOT NULL,
  first INTEGER NOT NULL -- first arrival in any section, 0 while all are held
);
CREATE TABLE revisions (
  id INTEGER PRIMARY KEY, story INTEGER NOT NULL, hash TEXT NOT NULL, at INTEGER NOT NULL, published INTEGER NOT NULL,
  language TEXT NOT NULL, headline TEXT NOT NULL, lead TEXT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX revisions_story ON revisions (story);
CREATE TABLE story_keys (
  kind TEXT NOT NULL, value TEXT NOT NULL, story INTEGER NOT NULL, seen INTEGER NOT NULL, PRIMARY KEY (kind, value)
) WITHOUT ROWID;
CREATE TABLE story_sections (
  story INTEGER NOT NULL REFERENCES stories, section TEXT NOT NULL,
  arrival INTEGER, -- NULL while held
  arrived INTEGER NOT NULL, release_at INTEGER NOT NULL, pin INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (story, section)
) WITHOUT ROWID;
CREATE UNIQUE INDEX story_sections_arrival ON story_sections (arrival) WHERE arrival IS NOT NULL;
CREATE INDEX story_sections_arrived ON story_sections (arrived) WHERE arrival IS NOT NULL;
CREATE INDEX story_sections_held ON story_sections (release_at) WHERE arrival IS NULL;

CREATE TABLE subscribers (
  id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE, -- folded
  settings INTEGER NOT NULL, created INTEGER NOT NULL,
  accepted INTEGER NOT NULL DEFAULT 0, -- 1 once a relay took a mail to this address
  hard_at INTEGER NOT NULL DEFAULT 0   -- first hard mark since then
);
CREATE TABLE settings (
  id INTEGER PRIMARY KEY, subscriber INTEGER NOT NULL REFERENCES subscribers, address TEXT NOT NULL, name TEXT NOT NULL,
  external_id TEXT NOT NULL, status TEXT NOT NULL, sections TEXT NOT NULL, editions TEXT NOT NULL, hour INTEGER NOT NULL,
  days INTEGER NOT NULL, -- bit 0 is Monday, 0 = every day
  zone TEXT NOT NULL, language TEXT NOT NULL, format TEXT NOT NULL, consent_source TEXT NOT NULL, consent_at INTEGER,
  at INTEGER NOT NULL, real_at INTEGER NOT NULL, by TEXT NOT NULL
);
CREATE INDEX settings_subscriber ON settings (subscriber);
CREATE TABLE section_followers (section TEXT PRIMARY KEY, readers INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE suppressions (
  hash BLOB PRIMARY KEY, address TEXT, reason TEXT NOT NULL, note TEXT NOT NULL, at INTEGER NOT NULL, real_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE lifted_suppressions (
  id INTEGER PRIMARY KEY, hash BLOB NOT NULL, address TEXT, reason TEXT NOT NULL, note TEXT NOT NULL, at INTEGER NOT NULL,
  lifted_at INTEGER NOT NULL, why TEXT NOT NULL
);

CREATE TABLE editions (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE followers (
  edition INTEGER NOT NULL, subscriber INTEGER NOT NULL,
  active INTEGER NOT NULL, -- 1 = in the audience: the edition is in the settings and the status is active
  zone TEXT NOT NULL, hour INTEGER NOT NULL, days INTEGER NOT NULL,
  last_slot INTEGER NOT NULL DEFAULT 0, -- slot of the latest delivery written in this edition; stays when the reader leaves
  carry INTEGER,                        -- window start to go back to
  returned INTEGER NOT NULL DEFAULT 0,  -- was away since last_slot
  PRIMARY KEY (edition, subscriber)
) WITHOUT ROWID;
CREATE INDEX followers_place ON followers (edition, active, zone, hour, subscriber);
CREATE INDEX followers_subscriber ON followers (subscriber);

CREATE TABLE slots (
  id INTEGER PRIMARY KEY, edition INTEGER NOT NULL REFERENCES editions, slot_key TEXT NOT NULL,
  ends INTEGER NOT NULL, -- latest end of life of its issues
  UNIQUE (edition, slot_key)
);
CREATE INDEX slots_ends ON slots (ends);
CREATE TABLE issues (
  id INTEGER PRIMARY KEY, edition INTEGER NOT NULL, slot INTEGER NOT NULL REFERENCES slots, zone TEXT NOT NULL, hour INTEGER NOT NULL,
  local TEXT NOT NULL, due INTEGER NOT NULL, next INTEGER NOT NULL, ends INTEGER NOT NULL, opened INTEGER NOT NULL,
  cutoff INTEGER NOT NULL, state TEXT NOT NULL, position INTEGER NOT NULL, audience INTEGER NOT NULL, digests INTEGER NOT NULL,
  min_gap INTEGER NOT NULL, quiet TEXT NOT NULL,
  UNIQUE (slot, zone, hour)
);
CREATE INDEX issues_place ON issues (edition, zone, due);
CREATE INDEX issues_opened ON issues (opened);
CREATE INDEX issues_opening ON issues (edition) WHERE state = 'opening';

CREATE TABLE digests (
  id INTEGER PRIMARY KEY, issue INTEGER NOT NULL REFERENCES issues, digest_key TEXT NOT NULL, language TEXT NOT NULL, zone TEXT NOT NULL,
  text_only INTEGER NOT NULL, subject TEXT NOT NULL, html_size INTEGER NOT NULL,
  body BLOB NOT NULL, -- items and pieces, see packed.go
  UNIQUE (issue, digest_key)
);
CREATE TABLE fragments (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, body BLOB NOT NULL);

CREATE TABLE batches (
  id INTEGER PRIMARY KEY, issue INTEGER NOT NULL REFERENCES issues, edition INTEGER NOT NULL, relay TEXT NOT NULL,
  first INTEGER NOT NULL, last INTEGER NOT NULL, size INTEGER NOT NULL, -- subscribers it spans, deliveries written into it
  priority INTEGER NOT NULL, shuffle INTEGER NOT NULL,
  start INTEGER NOT NULL, -- nothing of it goes earlier
  due INTEGER,            -- never later than its earliest open delivery; NULL until the issue is open
  done INTEGER NOT NULL DEFAULT 0,
  worker TEXT NOT NULL DEFAULT '', lease_until INTEGER NOT NULL DEFAULT 0, -- real time, 0 = not leased
  fence INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX batches_due ON batches (relay, due, priority DESC, shuffle) WHERE done = 0;
CREATE INDEX batches_issue ON batches (issue);
CREATE INDEX batches_leased ON batches (lease_until) WHERE lease_until > 0;

CREATE TABLE deliveries (
  slot INTEGER NOT NULL, subscriber INTEGER NOT NULL, issue INTEGER NOT NULL, settings INTEGER NOT NULL,
  digest INTEGER, batch INTEGER, state TEXT NOT NULL, reason TEXT NOT NULL,
  window_start INTEGER NOT NULL, window_end INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, copies INTEGER NOT NULL DEFAULT 0,
  due INTEGER NOT NULL DEFAULT 0, -- 0 = with its batch
  date INTEGER NOT NULL DEFAULT 0, key_id TEXT NOT NULL DEFAULT '',
  handed INTEGER NOT NULL DEFAULT 0, -- when a last byte last left
  relay TEXT NOT NULL DEFAULT '', code INTEGER NOT NULL DEFAULT 0, enhanced TEXT NOT NULL DEFAULT '', reply INTEGER,
  at INTEGER NOT NULL,
  PRIMARY KEY (slot, subscriber)
) WITHOUT ROWID;
CREATE INDEX deliveries_batch ON deliveries (batch) WHERE batch IS NOT NULL;
CREATE TABLE attempts (
  slot INTEGER NOT NULL, subscriber INTEGER NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL,
  reason TEXT NOT NULL, relay TEXT NOT NULL, code INTEGER NOT NULL, enhanced TEXT NOT NULL, reply INTEGER,
  PRIMARY KEY (slot, subscriber, n)
) WITHOUT ROWID;
CREATE TABLE reply_texts (id INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE);
