-- +goose Up
-- What this copy of the database was when a person, or its first start, said that it is the one that mails. The latest row counts.
CREATE TABLE adoptions (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL,
  instance TEXT NOT NULL, -- of the file beside the database
  public_url TEXT NOT NULL, accounts TEXT NOT NULL -- JSON array; [] = no mail was given to a relay elsewhere so far
);
-- Backups that were made and checked.
CREATE TABLE backups (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, took INTEGER NOT NULL, -- microseconds
  readers INTEGER NOT NULL, issues INTEGER NOT NULL, deliveries INTEGER NOT NULL
);
-- What journals said beyond what was on record, after an older database was put in this one's place.
CREATE TABLE put_back (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, since INTEGER NOT NULL, -- time of the first line that was new
  mails INTEGER NOT NULL, gone INTEGER NOT NULL, barred INTEGER NOT NULL, lifted INTEGER NOT NULL,
  complaints INTEGER NOT NULL, erased INTEGER NOT NULL, paused INTEGER NOT NULL, confirmed INTEGER NOT NULL
);
-- What retention has dropped.
CREATE TABLE dropped (what TEXT PRIMARY KEY, at INTEGER NOT NULL, n INTEGER NOT NULL) WITHOUT ROWID;
