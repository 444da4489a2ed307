-- +goose Up
-- Why nothing of an issue goes just now. A row goes when it is let go, of which the audit log tells, or
-- once its issue is over.
CREATE TABLE issue_holds (
  issue INTEGER NOT NULL, -- 0 = all, those that open later too
  kind TEXT NOT NULL, -- paused, approval, tripwire, stopping
  reason TEXT NOT NULL, at INTEGER NOT NULL, who TEXT NOT NULL,
  PRIMARY KEY (issue, kind)
) WITHOUT ROWID;
-- Issues that an operator stopped.
CREATE TABLE issue_stops (issue INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL);
