-- +goose Up
-- What an issue came to when it was opened, for tripwires, and what it waits for. Written chunk by chunk.
CREATE TABLE issue_proofs (
  issue INTEGER PRIMARY KEY REFERENCES issues,
  mails INTEGER NOT NULL DEFAULT 0, skipped INTEGER NOT NULL DEFAULT 0, stories INTEGER NOT NULL DEFAULT 0, -- in all mails together
  html INTEGER NOT NULL DEFAULT 0, html_size INTEGER NOT NULL DEFAULT 0, largest INTEGER NOT NULL DEFAULT 0, near INTEGER NOT NULL DEFAULT 0,
  feeds TEXT NOT NULL DEFAULT '', hosts TEXT NOT NULL DEFAULT '', -- JSON objects, '' = not known
  trips TEXT NOT NULL DEFAULT '',   -- JSON list of what was out of bounds, '' = nothing
  usual INTEGER NOT NULL DEFAULT 1, -- 0 = out of bounds, and nobody has let it go: later issues are not compared with it
  approve TEXT NOT NULL DEFAULT ''  -- as the edition had it
);
-- What people said of a slot, all of its issues together. The latest counts.
CREATE TABLE verdicts (
  id INTEGER PRIMARY KEY, slot INTEGER NOT NULL REFERENCES slots, issue INTEGER NOT NULL, -- that they looked at
  at INTEGER NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL, approved INTEGER NOT NULL,
  wires TEXT NOT NULL -- JSON list of the tripwires that were let go
);
CREATE INDEX verdicts_slot ON verdicts (slot);
