-- +goose Up
-- Who holds a duty that one process at a time has. A row is claimed by a conditional update, and free once its time is
-- up. See doc.go.
CREATE TABLE duties (
  name TEXT COLLATE "C" PRIMARY KEY, worker TEXT COLLATE "C" NOT NULL,
  until BIGINT NOT NULL -- by the clock of leases
);
-- Which fetch of a feed is under way: claimed is until when, by the clock of leases, 0 = none; fence rises with each.
ALTER TABLE feeds ADD COLUMN fence BIGINT NOT NULL DEFAULT 0;
ALTER TABLE feeds ADD COLUMN claimed BIGINT NOT NULL DEFAULT 0;
