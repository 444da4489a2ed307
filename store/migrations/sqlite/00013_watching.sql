-- +goose Up
-- What is watched. See doc.go for what each table is for. Times are the machine's own where no slot is meant.
CREATE TABLE relay_states (
  relay TEXT PRIMARY KEY, state TEXT NOT NULL, -- up, slow, down, held
  since INTEGER NOT NULL, why TEXT NOT NULL, worker TEXT NOT NULL, seen INTEGER NOT NULL
) WITHOUT ROWID;
-- What was last found of a thing that is looked at again and again.
CREATE TABLE findings (
  name TEXT PRIMARY KEY, ok INTEGER NOT NULL, since INTEGER NOT NULL, -- since when it is as it is
  at INTEGER NOT NULL, detail TEXT NOT NULL
) WITHOUT ROWID;
-- Slots that will have no issue of their own though readers waited for it. Only grows.
CREATE TABLE missed_slots (
  edition TEXT NOT NULL, slot_key TEXT NOT NULL, zone TEXT NOT NULL, hour INTEGER NOT NULL, due INTEGER NOT NULL,
  noted INTEGER NOT NULL,
  taken_in TEXT NOT NULL, -- key of the slot that took its stories, '' = the next that is opened
  PRIMARY KEY (edition, slot_key, zone, hour)
) WITHOUT ROWID;
CREATE INDEX missed_slots_noted ON missed_slots (noted);
-- Calls of an edition's ping address, one for each issue and slot that came to its end.
CREATE TABLE pings (
  edition TEXT NOT NULL, slot_key TEXT NOT NULL, zone TEXT NOT NULL, hour INTEGER NOT NULL, ok INTEGER NOT NULL,
  at INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
  due INTEGER, -- NULL once it was answered, or given up
  said TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (edition, slot_key, zone, hour)
) WITHOUT ROWID;
CREATE INDEX pings_due ON pings (due) WHERE due IS NOT NULL;
-- Morning reports, by local date and recipient, as they are sent.
CREATE TABLE reports (
  day TEXT NOT NULL, recipient TEXT NOT NULL, at INTEGER NOT NULL,
  subject TEXT NOT NULL, body TEXT NOT NULL, html TEXT NOT NULL,
  state TEXT NOT NULL, -- queued, handed (its last octet may have left), accepted, failed, uncertain
  attempts INTEGER NOT NULL DEFAULT 0, copies INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL, reason TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (day, recipient)
) WITHOUT ROWID;
CREATE INDEX reports_due ON reports (due) WHERE state IN ('queued', 'handed');
-- Who was a reader at the last report, one row: members are numbers of readers with their sections.
CREATE TABLE report_readers (id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL, real_at INTEGER NOT NULL, highest INTEGER NOT NULL,
  unfinished TEXT NOT NULL, -- issues that had mail to go then, JSON
  members BLOB NOT NULL
);
