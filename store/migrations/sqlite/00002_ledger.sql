-- +goose Up
ALTER TABLE deliveries ADD COLUMN selector TEXT NOT NULL DEFAULT ''; -- DKIM selector, frozen with date
-- Rises with every change that may keep a delivery from going: settings, suppressions, hard marks.
INSERT INTO counters (name, value) VALUES ('readers', 0);
-- The same in every copy of this database and in no other.
INSERT INTO meta (name, value) VALUES ('database', lower(hex(randomblob(16))));
-- How far each journal of handed marks is on record here.
CREATE TABLE journals (name TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID;
-- Mails that left before the database was put back, of slots that it does not have yet.
CREATE TABLE handed_before (
  edition TEXT NOT NULL, slot_key TEXT NOT NULL, subscriber INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (edition, slot_key, subscriber)
) WITHOUT ROWID;
