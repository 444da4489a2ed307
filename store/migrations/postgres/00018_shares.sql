-- +goose Up
-- Which places of a relay's connections a sender has, and for how long: see shares.go. The row with run '' is the
-- relay's: who holds it divides.
CREATE TABLE relay_shares (
  relay TEXT COLLATE "C" NOT NULL, run TEXT COLLATE "C" NOT NULL, -- of a program, made up at its start
  worker TEXT COLLATE "C" NOT NULL, machine TEXT COLLATE "C" NOT NULL, pid BIGINT NOT NULL,
  places TEXT COLLATE "C" NOT NULL, -- JSON array of numbers
  rate DOUBLE PRECISION NOT NULL, -- mails a second, 0 = no limit
  since BIGINT NOT NULL, until BIGINT NOT NULL, -- by the database's clock
  PRIMARY KEY (relay, run)
);
-- How a relay looks to each worker.
ALTER TABLE relay_states DROP CONSTRAINT relay_states_pkey;
ALTER TABLE relay_states ADD PRIMARY KEY (relay, worker);
