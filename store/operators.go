package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"broadsheet/operators"
)

// ErrLastManager says that nobody would be left who may let others in.
var ErrLastManager = errors.New("this is the last operator who may manage: make another one first")

// AddOperator adds somebody who may come in. password is a hash. The error is [ErrTaken] if the name is
// another's.
func (db *DB) AddOperator(ctx context.Context, by operators.By, name string, role operators.Role, password string, now time.Time) error {
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `INSERT INTO operators (name, role, password, made, changed) VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT (name) DO NOTHING`,
			name, role, password, us(now))
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrTaken
		}
		return t.audit(ctx, by, "operator add", "operator "+name, "role "+string(role), now)
	})
	if err != nil {
		return fmt.Errorf("add operator %s: %w", name, err)
	}
	return nil
}

const accountColumns = `id, name, role, password, code, code_step, made, changed, (SELECT coalesce(max(seen), 0) FROM sessions s WHERE s.operator = o.id)`

func scanAccount(scan func(...any) error) (a operators.Account, err error) {
	var made, changed, seen int64
	if err = scan(&a.ID, &a.Name, &a.Role, &a.Password, &a.Code, &a.Step, &made, &changed, &seen); err != nil {
		return a, err
	}
	a.HasCode, a.Made, a.Changed, a.Seen = len(a.Code) > 0, fromUS(made), fromUS(changed), fromUS(seen)
	return a, nil
}

// Operators lists who may come in, by name.
func (db *DB) Operators(ctx context.Context) ([]operators.Account, error) {
	list, err := selectAll(ctx, db.read(), `SELECT `+accountColumns+` FROM operators o ORDER BY name`, nil,
		func(r *sql.Rows) (operators.Account, error) { return scanAccount(r.Scan) })
	if err != nil {
		return nil, fmt.Errorf("list operators: %w", err)
	}
	return list, nil
}

// OperatorNamed finds an operator; [ErrNotFound] if there is none of that name.
func (db *DB) OperatorNamed(ctx context.Context, name string) (operators.Account, error) {
	a, err := scanAccount(func(dest ...any) error {
		return db.read().scan(ctx, `SELECT `+accountColumns+` FROM operators o WHERE name = ?1`, args{name}, dest...)
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return a, fmt.Errorf("find operator %s: %w", name, err)
	}
	return a, nil
}

// changeOperator changes an operator, ends their sessions if that is asked for, and puts it on record.
func (db *DB) changeOperator(ctx context.Context, by operators.By, name, act, detail string, end bool, now time.Time, change func(ctx context.Context, t *tx, id int64) error) error {
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		var id int64
		if err := t.scan(ctx, `SELECT id FROM operators WHERE name = ?1`, args{name}, &id); errors.Is(err, sql.ErrNoRows) {
			return ErrNotFound
		} else if err != nil {
			return err
		}
		if err := change(ctx, t, id); err != nil {
			return err
		}
		if end {
			if _, err := t.exec(ctx, `DELETE FROM sessions WHERE operator = ?1`, id); err != nil {
				return err
			}
		}
		return t.audit(ctx, by, "operator "+act, "operator "+name, detail, now)
	})
	if err != nil {
		return fmt.Errorf("operator %s: %s: %w", name, act, err)
	}
	return nil
}

// managed makes sure that somebody may still manage.
func (t *tx) managed(ctx context.Context) error {
	var n int
	if err := t.scan(ctx, `SELECT count(*) FROM operators WHERE role = ?1`, args{operators.Manage}, &n); err != nil {
		return err
	}
	if n == 0 {
		return ErrLastManager
	}
	return nil
}

// SetOperatorRole changes what an operator may do, from their next request on.
func (db *DB) SetOperatorRole(ctx context.Context, by operators.By, name string, role operators.Role, now time.Time) error {
	return db.changeOperator(ctx, by, name, "role", "now "+string(role), false, now, func(ctx context.Context, t *tx, id int64) error {
		if _, err := t.exec(ctx, `UPDATE operators SET role = ?2 WHERE id = ?1`, id, role); err != nil {
			return err
		}
		return t.managed(ctx)
	})
}

// SetOperatorPassword changes a password's hash and ends all sessions of the operator.
func (db *DB) SetOperatorPassword(ctx context.Context, by operators.By, name, password string, now time.Time) error {
	return db.changeOperator(ctx, by, name, "password", "all their sessions are ended", true, now, func(ctx context.Context, t *tx, id int64) error {
		_, err := t.exec(ctx, `UPDATE operators SET password = ?2, changed = ?3 WHERE id = ?1`, id, password, us(now))
		return err
	})
}

// SetOperatorCode gives an operator a sealed secret for one-time codes, of which those up to a step were
// shown, or takes it away (nil). It ends all their sessions.
func (db *DB) SetOperatorCode(ctx context.Context, by operators.By, name string, sealed []byte, step int64, now time.Time) error {
	detail := "one-time codes are asked for"
	if sealed == nil {
		detail = "no one-time code is asked for any more"
	}
	return db.changeOperator(ctx, by, name, "totp", detail, true, now, func(ctx context.Context, t *tx, id int64) error {
		_, err := t.exec(ctx, `UPDATE operators SET code = ?2, code_step = ?3 WHERE id = ?1`, id, sealed, step)
		return err
	})
}

// RemoveOperator takes an operator away, with all their sessions. What they did stays on record.
func (db *DB) RemoveOperator(ctx context.Context, by operators.By, name string, now time.Time) error {
	return db.changeOperator(ctx, by, name, "remove", "", true, now, func(ctx context.Context, t *tx, id int64) error {
		if _, err := t.exec(ctx, `DELETE FROM operators WHERE id = ?1`, id); err != nil {
			return err
		}
		return t.managed(ctx)
	})
}
