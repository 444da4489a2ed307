-- +goose Up
-- What operators did. Only grows, until retention ends it.
CREATE TABLE audit (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL, act TEXT NOT NULL, object TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX audit_object ON audit (object);

-- Who may come in. A password is an argon2id hash; the secret of one-time codes is sealed with the key of
-- this database (NULL = none), and code_step is the last step of which a code was shown.
CREATE TABLE operators (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, role TEXT NOT NULL, password TEXT NOT NULL,
  code BLOB, code_step INTEGER NOT NULL DEFAULT 0, made INTEGER NOT NULL, changed INTEGER NOT NULL -- changed: the password
);

-- Who is in. Of secrets only hashes are kept.
CREATE TABLE sessions (
  hash BLOB PRIMARY KEY, operator INTEGER NOT NULL, began INTEGER NOT NULL, seen INTEGER NOT NULL,
  coded INTEGER NOT NULL -- a one-time code was shown at log-in
) WITHOUT ROWID;
CREATE INDEX sessions_operator ON sessions (operator);

-- What programs come in with.
CREATE TABLE api_tokens (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, role TEXT NOT NULL, hash BLOB NOT NULL UNIQUE,
  made INTEGER NOT NULL, maker TEXT NOT NULL, used INTEGER NOT NULL DEFAULT 0
);
