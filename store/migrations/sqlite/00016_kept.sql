-- +goose Up
-- What a database must know to keep its word after retention and after it was put back. See doc.go.
-- How many deliveries of an issue retention has dropped, by what they had come to: books are held against them too.
CREATE TABLE dropped_states (
  issue INTEGER NOT NULL, relay TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (issue, relay, state)
) WITHOUT ROWID;
CREATE INDEX story_keys_story ON story_keys (story);
ALTER TABLE put_back ADD COLUMN withdrawn INTEGER NOT NULL DEFAULT 0; -- stories withdrawn again
