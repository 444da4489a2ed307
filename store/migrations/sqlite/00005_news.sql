-- +goose Up
-- What comes after a relay took a mail. See doc.go for what each table is for.
ALTER TABLE deliveries ADD COLUMN taken INTEGER NOT NULL DEFAULT 0; -- when the relay took it, once the state went on from accepted
ALTER TABLE deliveries ADD COLUMN server INTEGER; -- of a delivered one: who has it, and who says so
CREATE TABLE servers (id INTEGER PRIMARY KEY, host TEXT NOT NULL, source TEXT NOT NULL, UNIQUE (host, source));

-- Mail that came in.
CREATE TABLE inbound (
  id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, source TEXT NOT NULL, place TEXT NOT NULL,
  at INTEGER NOT NULL, -- when it came, as far as its source can tell
  recorded INTEGER NOT NULL, -- when it went on record: from then on it is kept
  recipient TEXT NOT NULL, sender TEXT NOT NULL, subject TEXT NOT NULL,
  class TEXT NOT NULL, reason TEXT NOT NULL, status TEXT NOT NULL, code INTEGER NOT NULL, reply INTEGER, -- of the gravest news
  address TEXT NOT NULL, -- that the news names
  slot INTEGER NOT NULL, subscriber INTEGER NOT NULL, -- whose mail it is about, by a token; 0 = nobody's
  writer INTEGER NOT NULL DEFAULT 0, -- if nobody's: the reader whose address the sender gives, which anybody may do
  aside TEXT NOT NULL, -- why a person should look at it, '' = it was understood
  effect TEXT NOT NULL, task INTEGER NOT NULL DEFAULT 0, -- that it opened, or stands for what it says too
  cut INTEGER NOT NULL, raw BLOB -- NULL once it is no longer kept
);
CREATE INDEX inbound_subscriber ON inbound (subscriber) WHERE subscriber > 0;
CREATE INDEX inbound_aside ON inbound (id) WHERE aside <> '';
CREATE INDEX inbound_kept ON inbound (recorded) WHERE raw IS NOT NULL;
CREATE INDEX inbound_task ON inbound (task) WHERE task > 0;
CREATE INDEX inbound_loose ON inbound (id) WHERE raw IS NOT NULL AND subscriber = 0;
CREATE INDEX inbound_address ON inbound (address) WHERE address <> '';
CREATE INDEX inbound_sender ON inbound (sender) WHERE sender <> '';

-- News of deliveries, each once. That a mail arrived stands in its delivery, until other news comes.
CREATE TABLE events (
  slot INTEGER NOT NULL, subscriber INTEGER NOT NULL, class TEXT NOT NULL, at INTEGER NOT NULL, -- slot 0 = not known of which mail
  sure INTEGER NOT NULL, -- 0 = by the address alone: it changed nothing
  reason TEXT NOT NULL, status TEXT NOT NULL, code INTEGER NOT NULL, reply INTEGER, host TEXT NOT NULL, source TEXT NOT NULL,
  domain TEXT NOT NULL, relay TEXT NOT NULL, inbound INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (slot, subscriber, class, at)
) WITHOUT ROWID;
CREATE INDEX events_at ON events (at);
CREATE INDEX events_returned ON events (at) WHERE class IN ('hard', 'soft', 'policy', 'content', 'complaint');
CREATE INDEX events_delayed ON events (at) WHERE class = 'delayed';

-- Hard and soft marks of addresses, by delivery: from the relay's replies and from bounces.
CREATE TABLE marks (
  slot INTEGER NOT NULL, subscriber INTEGER NOT NULL, domain TEXT NOT NULL, class TEXT NOT NULL,
  sent INTEGER NOT NULL, -- when the mail left: marks count in that order
  at INTEGER NOT NULL, effect TEXT NOT NULL, -- counted, suppressed, held, undone, forgiven
  PRIMARY KEY (slot, subscriber)
) WITHOUT ROWID;
CREATE INDEX marks_subscriber ON marks (subscriber, class, sent);
CREATE INDEX marks_slot ON marks (slot, domain, class);
CREATE INDEX marks_domain ON marks (domain, class, sent);
-- Domains of a slot that had some hard marks, or of which an operator decided.
CREATE TABLE waves (
  slot INTEGER NOT NULL, domain TEXT NOT NULL, issue INTEGER NOT NULL, -- one of the slot's that had some
  size INTEGER NOT NULL, -- mails to the domain in the slot, so many at least
  norm REAL NOT NULL, -- share of its mails that are refused as a rule
  least INTEGER NOT NULL, -- hard marks from which on they are in quarantine
  hard INTEGER NOT NULL, held INTEGER NOT NULL DEFAULT 0, -- since when its marks are in quarantine, 0 = they are not
  ended INTEGER NOT NULL DEFAULT 0, ending TEXT NOT NULL DEFAULT '', -- undone, applied
  told INTEGER NOT NULL DEFAULT 0, -- 1 = an alarm was raised
  PRIMARY KEY (slot, domain)
) WITHOUT ROWID;
CREATE INDEX waves_held ON waves (held) WHERE held > 0;
CREATE INDEX waves_untold ON waves (held) WHERE held > 0 AND told = 0;
CREATE INDEX waves_ended ON waves (ended) WHERE ended > 0;
ALTER TABLE suppressions ADD COLUMN slot INTEGER NOT NULL DEFAULT 0; -- of the delivery whose mark made it, and nobody else has said so since; 0 = none
ALTER TABLE subscribers DROP COLUMN hard_at; -- that is what marks are for
-- How many mails to a domain are in an issue.
CREATE INDEX subscribers_domain ON subscribers (substr(address, instr(address, '@') + 1));
-- What a reader got in an edition of late.
CREATE INDEX slots_edition ON slots (edition, ends);
-- What became of mails, by the day in UTC on which they left. A process that is killed may not have counted its last second.
CREATE TABLE domain_days (
  day INTEGER NOT NULL, -- from 1970 on
  domain TEXT NOT NULL, relay TEXT NOT NULL, taken INTEGER NOT NULL, delivered INTEGER NOT NULL, delayed INTEGER NOT NULL,
  hard INTEGER NOT NULL, soft INTEGER NOT NULL, policy INTEGER NOT NULL, content INTEGER NOT NULL, complaints INTEGER NOT NULL,
  refused INTEGER NOT NULL, -- by the relay itself, for good
  PRIMARY KEY (day, domain, relay)
) WITHOUT ROWID;

-- The relay's own names of the mails it took, where its log or events are followed.
CREATE TABLE queue_ids (
  relay TEXT NOT NULL, id TEXT NOT NULL, slot INTEGER NOT NULL, subscriber INTEGER NOT NULL, at INTEGER NOT NULL,
  ended INTEGER NOT NULL DEFAULT 0, -- 1 = the mail has left the relay's queue, and another may get the name
  PRIMARY KEY (relay, id)
) WITHOUT ROWID;
CREATE INDEX queue_ids_at ON queue_ids (at);
CREATE INDEX queue_ids_delivery ON queue_ids (slot, subscriber);
-- How far each log was read.
CREATE TABLE log_positions (log TEXT PRIMARY KEY, file TEXT NOT NULL, offset INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
-- Groups of domains that are written to more slowly, because servers behind a relay put mail off.
CREATE TABLE slow_domains (
  name TEXT PRIMARY KEY, rate REAL NOT NULL, base REAL NOT NULL, -- mails a second: when last heard of, and when free again
  since INTEGER NOT NULL, heard INTEGER NOT NULL, until INTEGER NOT NULL, why TEXT NOT NULL
) WITHOUT ROWID;
-- Providers' events that were dealt with, so that none is played twice.
CREATE TABLE provider_events (relay TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (relay, id)) WITHOUT ROWID;
CREATE INDEX provider_events_at ON provider_events (at);

-- What a person has to decide.
CREATE TABLE tasks (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, subscriber INTEGER NOT NULL, inbound INTEGER NOT NULL, detail TEXT NOT NULL,
  at INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0, outcome TEXT NOT NULL DEFAULT ''
);
CREATE INDEX tasks_open ON tasks (at) WHERE done = 0;
CREATE INDEX tasks_subscriber ON tasks (subscriber);
CREATE INDEX tasks_loose ON tasks (kind, at) WHERE done = 0 AND subscriber = 0;
-- Answers on their way to the publication.
CREATE TABLE forwards (
  inbound INTEGER PRIMARY KEY,
  state TEXT NOT NULL, -- queued, handed (its last octet may have left), accepted, failed, uncertain, aside (not passed on, see reason)
  attempts INTEGER NOT NULL, copies INTEGER NOT NULL DEFAULT 0, -- that may have arrived
  due INTEGER NOT NULL, at INTEGER NOT NULL, reason TEXT NOT NULL,
  subscriber INTEGER NOT NULL -- of the message
);
-- So many in an hour of one reader, and of all who name no mail.
CREATE INDEX forwards_subscriber ON forwards (subscriber, at) WHERE state <> 'aside';
CREATE INDEX forwards_due ON forwards (due) WHERE state IN ('queued', 'handed');
