-- +goose Up
-- Which places of a relay's connections a sender has, and for how long: see shares.go. The row with run '' is the
-- relay's: who holds it divides.
CREATE TABLE relay_shares (
  relay TEXT NOT NULL, run TEXT NOT NULL, -- of a program, made up at its start
  worker TEXT NOT NULL, machine TEXT NOT NULL, pid INTEGER NOT NULL,
  places TEXT NOT NULL, -- JSON array of numbers
  rate REAL NOT NULL, -- mails a second, 0 = no limit
  since INTEGER NOT NULL, until INTEGER NOT NULL, -- by the database's clock
  PRIMARY KEY (relay, run)
) WITHOUT ROWID;
-- How a relay looks to each worker.
CREATE TABLE relay_views (
  relay TEXT NOT NULL, worker TEXT NOT NULL, state TEXT NOT NULL, -- up, slow, down, held
  since INTEGER NOT NULL, why TEXT NOT NULL, seen INTEGER NOT NULL, PRIMARY KEY (relay, worker)
) WITHOUT ROWID;
INSERT INTO relay_views (relay, worker, state, since, why, seen) SELECT relay, worker, state, since, why, seen FROM relay_states;
DROP TABLE relay_states;
ALTER TABLE relay_views RENAME TO relay_states;
