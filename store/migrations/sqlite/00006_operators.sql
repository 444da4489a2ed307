-- +goose Up
-- What operators did. Only grows, until retention ends it.
CREATE TABLE audit (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL, act TEXT NOT NULL, object TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX audit_object ON audit (object);
