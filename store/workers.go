package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// Worker is a process that is at work on the database.
type Worker struct {
	ID      int64
	Name    string // as in leases
	Host    string
	PID     int
	Version string
	Roles   []string
	Started time.Time // by the database's clock, as Seen
	Seen    time.Time // its last sign of life
}

const (
	// BeatEvery is how often a worker gives a sign of life.
	BeatEvery = 5 * time.Second
	// forgotten is how long a worker that gives none is listed.
	forgotten = time.Hour
)

// Enlist puts this process on the list of workers; w's times and ID are not looked at. Call [DB.Beat] every
// [BeatEvery] from then on. Close takes it off the list again.
func (db *DB) Enlist(ctx context.Context, w Worker) error {
	err := db.writeIn(ctx, allLanes, func(ctx context.Context, t *tx) error {
		t.w.worker = w
		return t.enlist(ctx)
	})
	if err != nil {
		return fmt.Errorf("enlist worker: %w", err)
	}
	return nil
}

// enlist writes this process's row, and forgets workers that have not been heard of for long.
func (t *tx) enlist(ctx context.Context) error {
	w, now := &t.w.worker, t.w.now()
	if _, err := t.exec(ctx, `DELETE FROM workers WHERE id > 0 AND id <> ?2 AND seen < ?1`, us(now.Add(-forgotten)), t.w.lane); err != nil {
		return err
	}
	if t.w.lane != 0 {
		// On PostgreSQL the transaction has signed its lane by now (lanes.go).
		n, err := t.exec(ctx, `UPDATE workers SET name = ?2, host = ?3, pid = ?4, version = ?5, roles = ?6, seen = CASE WHEN seen < ?7 THEN ?7 ELSE seen END WHERE id = ?1`,
			t.w.lane, w.Name, w.Host, w.PID, w.Version, strings.Join(w.Roles, " "), us(now))
		if err != nil || n > 0 {
			return err
		}
	}
	return t.scan(ctx, `INSERT INTO workers (name, host, pid, version, roles, started, seen) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) RETURNING id`,
		args{w.Name, w.Host, w.PID, w.Version, strings.Join(w.Roles, " "), us(now)}, &t.w.lane)
}

// Beat is a sign of life of this process. It also compares its clock with the database's.
func (db *DB) Beat(ctx context.Context) error {
	if db.path == "" {
		if err := db.setClock(func(query string, at *int64) error { return db.read().scan(ctx, query, nil, at) }); err != nil {
			return fmt.Errorf("give sign of life: %w", err)
		}
	}
	err := db.writeIn(ctx, ownLane, func(ctx context.Context, t *tx) error {
		if db.path == "" {
			return nil // the transaction is one
		}
		n, err := t.exec(ctx, `UPDATE workers SET seen = ?2 WHERE id = ?1`, t.w.lane, us(t.w.now()))
		if err == nil && n == 0 { // it was frozen for so long that it was taken off the list
			err = t.enlist(ctx)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("give sign of life: %w", err)
	}
	return nil
}

// leaveLane takes this process off the list.
func (db *DB) leaveLane() error {
	if db.writer.lane == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if db.path == "" { // a server that is away keeps the row for an hour
		_, _ = db.writer.pool.ExecContext(ctx, `DELETE FROM workers WHERE id = $1 AND id > 0`, db.writer.lane)
		return nil
	}
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM workers WHERE id = ?1 AND id > 0`, t.w.lane)
		return err
	})
	if err != nil {
		return fmt.Errorf("leave list of workers: %w", err)
	}
	return nil
}

// Workers lists who is at work, or was within the last hour, in the order in which they came. Those without
// a name are commands that write much.
func (db *DB) Workers(ctx context.Context) ([]Worker, error) {
	list, err := selectAll(ctx, db.read(), `SELECT id, name, host, pid, version, roles, started, seen FROM workers WHERE id > 0 ORDER BY id`, nil,
		func(r *sql.Rows) (w Worker, err error) {
			var roles string
			var started, seen int64
			err = r.Scan(&w.ID, &w.Name, &w.Host, &w.PID, &w.Version, &roles, &started, &seen)
			w.Roles, w.Started, w.Seen = strings.Fields(roles), fromUS(started), fromUS(seen)
			return w, err
		})
	if err != nil {
		return nil, fmt.Errorf("list workers: %w", err)
	}
	return list, nil
}
