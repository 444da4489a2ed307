-- +goose Up
-- The books of issues, kept with the deliveries: see books.go.
CREATE TABLE issue_states (
  issue INTEGER NOT NULL, relay TEXT NOT NULL, -- that answered last, '' = none has
  state TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (issue, relay, state)
) WITHOUT ROWID;
CREATE TABLE issue_minutes (
  issue INTEGER NOT NULL, minute INTEGER NOT NULL, -- since 1970
  relay TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL, -- so many more in that minute
  PRIMARY KEY (issue, minute, relay, state)
) WITHOUT ROWID;
INSERT INTO issue_states (issue, relay, state, n) SELECT issue, relay, state, count(*) FROM deliveries GROUP BY issue, relay, state;
-- Of what was before, the deliveries say when they came into the state in which they are.
INSERT INTO issue_minutes (issue, minute, relay, state, n)
  SELECT issue, at / 60000000, relay, state, count(*) FROM deliveries GROUP BY issue, at / 60000000, relay, state;
