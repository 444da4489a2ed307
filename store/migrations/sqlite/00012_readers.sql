-- +goose Up
-- What operators look for readers by. The status is that of the settings in force.
ALTER TABLE subscribers ADD COLUMN status TEXT NOT NULL DEFAULT '';
UPDATE subscribers SET status = coalesce((SELECT st.status FROM settings st WHERE st.id = subscribers.settings), '');
CREATE INDEX subscribers_status ON subscribers (status);
CREATE INDEX settings_external ON settings (external_id) WHERE external_id <> '';
CREATE INDEX settings_name ON settings (name COLLATE NOCASE) WHERE name <> '';
CREATE INDEX suppressions_address ON suppressions (lower(address)) WHERE address IS NOT NULL;
CREATE INDEX suppressions_at ON suppressions (at);
CREATE INDEX suppressions_reason ON suppressions (reason, at);

-- What became of fetching a feed, by the day in UTC.
CREATE TABLE feed_days (
  url TEXT NOT NULL, day INTEGER NOT NULL, -- from 1970 on
  fetches INTEGER NOT NULL, unchanged INTEGER NOT NULL, -- of them, that the server answered with "not modified"
  failures INTEGER NOT NULL, stories INTEGER NOT NULL, -- that were new
  PRIMARY KEY (url, day)
) WITHOUT ROWID;

-- Files of readers that operators brought in by a page. The latest one's bad rows are kept.
CREATE TABLE imports (
  id INTEGER PRIMARY KEY, file TEXT NOT NULL, who TEXT NOT NULL, size INTEGER NOT NULL, began INTEGER NOT NULL,
  beat INTEGER NOT NULL,  -- when it last got on, by the machine's clock
  state TEXT NOT NULL,    -- running, done, failed
  octets INTEGER NOT NULL DEFAULT 0, counts TEXT NOT NULL DEFAULT '{}', bad INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT ''
);
CREATE TABLE import_errors (import INTEGER NOT NULL, n INTEGER NOT NULL, line INTEGER NOT NULL, field TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (import, n)) WITHOUT ROWID;
