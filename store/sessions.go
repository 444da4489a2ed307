package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"broadsheet/operators"
)

// BeginSession lets an operator in whose password was right: hash is the session's secret's, step that of
// the code they showed, 0 = they showed none. It fails with [ErrNotFound] if the account is not as it was
// when it was looked at, or the code was shown before.
func (db *DB) BeginSession(ctx context.Context, a operators.Account, hash []byte, step int64, client string, now time.Time) error {
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		if err := t.useCode(ctx, a, step); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `DELETE FROM sessions WHERE seen <= ?1 OR began <= ?2`, us(now.Add(-operators.SessionIdle)), us(now.Add(-operators.SessionLife))); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `INSERT INTO sessions (hash, operator, began, seen, coded) VALUES (?1, ?2, ?3, ?3, ?4)`, hash, a.ID, us(now), step > 0); err != nil {
			return err
		}
		return t.audit(ctx, operators.By{Who: a.Name}, "operator log in", "operator "+a.Name, "from "+client, now)
	})
	if err != nil {
		return fmt.Errorf("begin session: %w", err)
	}
	return nil
}

// UseCode has a one-time code that was right count no second time. It fails like [DB.BeginSession].
func (db *DB) UseCode(ctx context.Context, a operators.Account, step int64) error {
	if err := db.write(ctx, func(ctx context.Context, t *tx) error { return t.useCode(ctx, a, step) }); err != nil {
		return fmt.Errorf("use one-time code: %w", err)
	}
	return nil
}

func (t *tx) useCode(ctx context.Context, a operators.Account, step int64) error {
	n, err := t.exec(ctx, `UPDATE operators SET code_step = max(code_step, ?3) WHERE id = ?1 AND password = ?2 AND (code IS NOT NULL) = (?3 > 0) AND (code IS NULL OR code_step < ?3)`,
		a.ID, a.Password, step)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return err
}

// Session finds who is in by a secret's hash; [ErrNotFound] if nobody is, or no longer.
func (db *DB) Session(ctx context.Context, hash []byte, now time.Time) (s operators.Session, err error) {
	var began, seen int64
	err = db.read().scan(ctx, `SELECT o.id, o.name, o.role, s.began, s.seen, s.coded, o.code IS NOT NULL FROM sessions s JOIN operators o ON o.id = s.operator WHERE s.hash = ?1`,
		args{hash}, &s.ID, &s.Name, &s.Role, &began, &seen, &s.Coded, &s.HasCode)
	s.Began, s.Seen = fromUS(began), fromUS(seen)
	if errors.Is(err, sql.ErrNoRows) || err == nil && s.Over(now) {
		err = ErrNotFound
	}
	if err != nil {
		return s, fmt.Errorf("find session: %w", err)
	}
	return s, nil
}

// SeeSession puts on record that a session was used.
func (db *DB) SeeSession(ctx context.Context, hash []byte, now time.Time) error {
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE sessions SET seen = ?2 WHERE hash = ?1`, hash, us(now))
		return err
	})
	if err != nil {
		return fmt.Errorf("see session: %w", err)
	}
	return nil
}

// EndSession ends a session, if it is there.
func (db *DB) EndSession(ctx context.Context, hash []byte) error {
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM sessions WHERE hash = ?1`, hash)
		return err
	})
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// AddToken adds what a program comes in with; [ErrTaken] if the name is another's.
func (db *DB) AddToken(ctx context.Context, by operators.By, name string, role operators.Role, hash []byte, now time.Time) error {
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `INSERT INTO api_tokens (name, role, hash, made, maker) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (name) DO NOTHING`, name, role, hash, us(now), by.Who)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrTaken
		}
		return t.audit(ctx, by, "token add", "token "+name, "role "+string(role), now)
	})
	if err != nil {
		return fmt.Errorf("add token %s: %w", name, err)
	}
	return nil
}

// Tokens lists what programs may come in with, by name.
func (db *DB) Tokens(ctx context.Context) ([]operators.Token, error) {
	list, err := selectAll(ctx, db.read(), `SELECT id, name, role, made, maker, used FROM api_tokens ORDER BY name`, nil, func(r *sql.Rows) (k operators.Token, err error) {
		var made, used int64
		err = r.Scan(&k.ID, &k.Name, &k.Role, &made, &k.Maker, &used)
		k.Made, k.Used = fromUS(made), fromUS(used)
		return k, err
	})
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return list, nil
}

// Token finds a token by its secret's hash, and puts on record to the hour that it was used.
func (db *DB) Token(ctx context.Context, hash []byte, now time.Time) (k operators.Token, err error) {
	var used int64
	err = db.read().scan(ctx, `SELECT id, name, role, used FROM api_tokens WHERE hash = ?1`, args{hash}, &k.ID, &k.Name, &k.Role, &used)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		err = ErrNotFound
	case err == nil && now.Sub(fromUS(used)) >= time.Hour:
		err = db.write(ctx, func(ctx context.Context, t *tx) error {
			_, err := t.exec(ctx, `UPDATE api_tokens SET used = ?2 WHERE id = ?1`, k.ID, us(now))
			return err
		})
	}
	if err != nil {
		return k, fmt.Errorf("find token: %w", err)
	}
	k.Used = fromUS(used)
	return k, nil
}

// RevokeToken takes a token away at once.
func (db *DB) RevokeToken(ctx context.Context, by operators.By, name string, now time.Time) error {
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `DELETE FROM api_tokens WHERE name = ?1`, name)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		return t.audit(ctx, by, "token revoke", "token "+name, "", now)
	})
	if err != nil {
		return fmt.Errorf("revoke token %s: %w", name, err)
	}
	return nil
}
