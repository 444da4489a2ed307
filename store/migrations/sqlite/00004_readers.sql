-- +goose Up
-- What readers do by themselves. See doc.go for what each table is for.
ALTER TABLE settings ADD COLUMN paused_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE settings ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0; -- 1 = the reader left, and said so again: no page undoes it
ALTER TABLE settings ADD COLUMN draft INTEGER NOT NULL DEFAULT 0; -- 1 = wished for and not in force: a request waits for its confirmation
CREATE TABLE pauses (subscriber INTEGER PRIMARY KEY, until INTEGER NOT NULL); -- of readers who are paused with an end
CREATE INDEX pauses_until ON pauses (until);
CREATE INDEX lifted_suppressions_hash ON lifted_suppressions (hash);
ALTER TABLE suppressions ADD COLUMN settings INTEGER NOT NULL DEFAULT 0; -- row of the change that made it, 0 = none
ALTER TABLE suppressions ADD COLUMN erased INTEGER NOT NULL DEFAULT 0; -- 1 = the owner had everything erased, whatever the reason now is

-- The highest number of a reader who was erased or forgotten.
INSERT INTO counters (name, value) VALUES ('gone', 0);

-- Forms as they came in, until they are looked through.
CREATE TABLE signups (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, subscriber INTEGER NOT NULL, -- whose address is to change, 0 = a sign-up
  client TEXT NOT NULL, page TEXT NOT NULL, wording TEXT NOT NULL, language TEXT NOT NULL,
  address TEXT NOT NULL, choices TEXT NOT NULL -- JSON
);
-- What waits for a confirmation by mail.
CREATE TABLE requests (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, subscriber INTEGER NOT NULL, settings INTEGER NOT NULL, -- a draft
  consent INTEGER NOT NULL DEFAULT 0, at INTEGER NOT NULL, expires INTEGER NOT NULL, used INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX requests_subscriber ON requests (subscriber);
CREATE INDEX requests_expires ON requests (expires);
-- Mails that somebody asked for, by what is limited: an address's hash, a client's.
CREATE TABLE asked (kind TEXT NOT NULL, hash BLOB NOT NULL, at INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (kind, hash, at)) WITHOUT ROWID;
CREATE INDEX asked_at ON asked (at);
CREATE INDEX asked_hash ON asked (hash);
CREATE TABLE wordings (id INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE);
CREATE TABLE consents (
  id INTEGER PRIMARY KEY, subscriber INTEGER NOT NULL, wording INTEGER NOT NULL, page TEXT NOT NULL, language TEXT NOT NULL,
  at INTEGER NOT NULL, client TEXT NOT NULL, confirmed_at INTEGER NOT NULL DEFAULT 0, confirmed_client TEXT NOT NULL DEFAULT ''
);
CREATE INDEX consents_subscriber ON consents (subscriber);
-- Notices to be written: mails to one reader that are no digest.
CREATE TABLE notices (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, subscriber INTEGER NOT NULL, settings INTEGER NOT NULL, -- its address is written to
  number INTEGER NOT NULL, -- of the request or settings row that the notice's link is about, 0 = none
  detail TEXT NOT NULL, at INTEGER NOT NULL
);
CREATE INDEX notices_subscriber ON notices (subscriber);
-- The slots in which a reader has notices. Their runs are many, so nobody looks for a reader in all of them.
CREATE TABLE notice_slots (subscriber INTEGER NOT NULL, slot INTEGER NOT NULL, PRIMARY KEY (subscriber, slot)) WITHOUT ROWID;
ALTER TABLE batches ADD COLUMN urgent INTEGER NOT NULL DEFAULT 0; -- 1 = goes before all that are not
CREATE INDEX batches_urgent ON batches (relay, due) WHERE done = 0 AND urgent = 1;
DROP INDEX issues_opened;
CREATE INDEX issues_opened ON issues (edition, opened);

CREATE TABLE private_feeds (subscriber INTEGER PRIMARY KEY, number INTEGER NOT NULL UNIQUE);
-- How often links of an issue were followed; nothing of readers.
CREATE TABLE clicks (
  edition INTEGER NOT NULL, slot INTEGER NOT NULL, story INTEGER NOT NULL, section TEXT NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (edition, slot, story, section)
) WITHOUT ROWID;
