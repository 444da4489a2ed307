-- +goose Up
-- What editors do with stories. See doc.go.
INSERT INTO counters (name, value) VALUES ('stories', 0); -- rises with every act
ALTER TABLE stories ADD COLUMN withdrawn INTEGER NOT NULL DEFAULT 0; -- when; 0 = it is not
ALTER TABLE stories ADD COLUMN held INTEGER NOT NULL DEFAULT 0; -- until when an editor holds it back, whatever its source says; 0 = not
ALTER TABLE stories ADD COLUMN edited INTEGER NOT NULL DEFAULT 0; -- the counter at the last act that digests on record may have to follow
CREATE INDEX stories_edited ON stories (edited) WHERE edited > 0;
CREATE INDEX stories_withdrawn ON stories (id) WHERE withdrawn > 0;
ALTER TABLE revisions ADD COLUMN editor TEXT NOT NULL DEFAULT ''; -- who corrected it so; '' = its source says so
-- Where a story is on top: of the mails of an edition, or of a section.
CREATE TABLE leads (
  edition TEXT NOT NULL, section TEXT NOT NULL, -- one of them is ''
  story INTEGER NOT NULL, until INTEGER NOT NULL,
  PRIMARY KEY (edition, section)
) WITHOUT ROWID;
CREATE INDEX leads_story ON leads (story);
CREATE INDEX story_sections_pinned ON story_sections (story) WHERE pin <> 0;
ALTER TABLE issues ADD COLUMN edits INTEGER NOT NULL DEFAULT 0; -- the counter when it was begun
ALTER TABLE batches ADD COLUMN withheld INTEGER NOT NULL DEFAULT 0; -- 1 = nothing of it goes before its digests have followed the edits
CREATE INDEX batches_withheld ON batches (id) WHERE withheld = 1;
