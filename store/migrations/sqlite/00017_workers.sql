-- +goose Up
-- Processes that are at work on the database, each under a number of its own. On PostgreSQL a row is also the
-- lane of its process: see lanes.go. Row 0 is nobody's: who holds it is alone.
CREATE TABLE workers (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
  version TEXT NOT NULL, roles TEXT NOT NULL, -- with blanks between
  started INTEGER NOT NULL, seen INTEGER NOT NULL -- by the database's clock
);
INSERT INTO workers (id, name, host, pid, version, roles, started, seen) VALUES (0, '', '', 0, '', '', 0, 0);
