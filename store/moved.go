package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"broadsheet/operators"
)

// A database that moves to another place is marked on both sides, so that none of the two can send before all is
// there, and only one of them after that.
//
// In the source the latest adoption says so: its instance is "moving:ID", and "moved:ID" once everything is known
// to have arrived. Programs that know nothing of moves take it for the instance of another copy, and hold mail back
// as well. On PostgreSQL the source loses the rows of `workers` too, without which no process can write.
// In the target the line "moving" of meta says how far it is; it goes in the transaction that adopts the target.

const (
	metaMoving     = "moving"
	movingInstance = "moving:"
	movedInstance  = "moved:"
)

// ErrMoved says that a database is not in use because it moved, or is on its way.
var ErrMoved = errors.New("this database has moved")

// Moved says that a database is not in use.
type Moved struct {
	Into  bool   // a database is being moved into this one
	Done  bool   // it arrived; else it is on its way
	Where string // to, or from
	At    time.Time
	id    string
}

// Error says what is and what to do.
func (m *Moved) Error() string {
	at := m.At.UTC().Format("2006-01-02 15:04 UTC")
	switch {
	case m.Into:
		return fmt.Sprintf("%v: another one is being moved into it, from %s since %s: run the same broadsheet migrate again, which goes on where it was", ErrMoved, m.Where, at)
	case m.Done:
		return fmt.Sprintf("%v: it moved to %s at %s: name that one with --db or BROADSHEET_DB. If this one is to mail again, and no other copy does, run broadsheet adopt", ErrMoved, m.Where, at)
	}
	return fmt.Sprintf("%v: it is being moved to %s since %s: run the same broadsheet migrate again, which goes on where it was. If it is to stay here, run broadsheet adopt", ErrMoved, m.Where, at)
}

func (m *Moved) Unwrap() error { return ErrMoved }

// movedBy reads a mark of an adoption; nil if it is none.
func movedBy(a Adoption) *Moved {
	if id, ok := strings.CutPrefix(a.Instance, movingInstance); ok {
		return &Moved{Where: a.By.Why, At: a.At, id: id}
	}
	if id, ok := strings.CutPrefix(a.Instance, movedInstance); ok {
		return &Moved{Done: true, Where: a.By.Why, At: a.At, id: id}
	}
	return nil
}

// Moved says whether the database moved or is on its way; nil if it is in use.
func (db *DB) Moved(ctx context.Context) (*Moved, error) {
	m, err := movingInto(ctx, db.read())
	if err != nil {
		return nil, fmt.Errorf("look whether database moved: %w", err)
	}
	if m != nil {
		return &Moved{Into: true, Where: m.From, At: fromUS(m.Began), id: m.ID}, nil
	}
	list, err := db.adoptions(ctx, 1)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return movedBy(list[0]), nil
}

// moving is how far a database has come into this one.
type moving struct {
	ID       string                  `json:"id"`
	Database string                  `json:"database"`
	From     string                  `json:"from"`
	Began    int64                   `json:"began"`
	Tables   map[string]*movingTable `json:"tables"`
}

type movingTable struct {
	Rows    int64  `json:"rows"`
	Cleaned int64  `json:"cleaned,omitempty"`
	After   []byte `json:"after,omitempty"` // key of the last row that is there
	Done    bool   `json:"done,omitempty"`
}

// movingInto reads how far a database has come into this one; nil if none is on its way.
func movingInto(ctx context.Context, q querier) (*moving, error) {
	var text string
	err := q.scan(ctx, `SELECT value FROM meta WHERE name = ?1`, args{metaMoving}, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m := &moving{}
	if err := json.Unmarshal([]byte(text), m); err != nil {
		return nil, fmt.Errorf("read how far the database has come: %w", err)
	}
	return m, nil
}

// mark puts a move on record in its source.
func (t *tx) mark(ctx context.Context, by operators.By, instance, place string, now time.Time) error {
	last, err := t.lastAdoption(ctx)
	if err != nil {
		return err
	}
	last.Instance = instance
	return t.adopt(ctx, operators.By{Who: by.Who, Why: place}, last, now)
}

// lastAdoption is the latest that is no mark of a move.
func (t *tx) lastAdoption(ctx context.Context) (a Adoption, err error) {
	var accounts string
	err = t.scan(ctx, `SELECT instance, public_url, accounts FROM adoptions WHERE instance NOT LIKE ?1 AND instance NOT LIKE ?2 ORDER BY id DESC LIMIT 1`,
		args{movingInstance + "%", movedInstance + "%"}, &a.Instance, &a.PublicURL, &accounts)
	if errors.Is(err, sql.ErrNoRows) {
		return a, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(accounts), &a.Accounts)
	}
	return a, err
}

// shut keeps all processes from writing into a PostgreSQL database: see lanes.go.
func (t *tx) shut(ctx context.Context) error {
	_, err := t.exec(ctx, `DELETE FROM workers`)
	return err
}

// reopen ends that.
func (db *DB) reopen(ctx context.Context) error {
	if db.path != "" {
		return nil
	}
	return db.writeIn(ctx, noLane, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO workers (id, name, host, pid, version, roles, started, seen) VALUES (0, '', '', 0, '', '', 0, 0) ON CONFLICT (id) DO NOTHING`)
		return err
	})
}

// forgetMoving says that everything has come into this database.
func (t *tx) forgetMoving(ctx context.Context) error {
	_, err := t.exec(ctx, `DELETE FROM meta WHERE name = ?1`, metaMoving)
	return err
}
