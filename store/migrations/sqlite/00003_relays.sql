-- +goose Up
CREATE TABLE relay_days (
  day INTEGER NOT NULL, -- in UTC, from 1970 on
  relay TEXT NOT NULL, assigned INTEGER NOT NULL, -- deliveries
  PRIMARY KEY (day, relay)
) WITHOUT ROWID;
