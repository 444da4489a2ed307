package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Duty is something that one process at a time does, and who holds it until when.
type Duty struct {
	Name, Worker string
	Until        time.Time // by the clock of leases
}

// TakeDuty makes a worker the one who has a duty for so long from now, or for so long more if it has it already. mine
// is false if another has it. It is one conditional update: of several that ask in the same moment one gets it.
func (db *DB) TakeDuty(ctx context.Context, name, worker string, span time.Duration) (mine bool, err error) {
	var held bool // by another: mostly so where there are several, and a look does not take the writer's turn
	err = db.read().scan(ctx, `SELECT EXISTS (SELECT 1 FROM duties WHERE name = ?1 AND worker <> ?2 AND until >= ?3)`,
		args{name, worker, us(db.leaseClock())}, &held)
	if err == nil && !held {
		err = db.writeIn(ctx, ownLane, func(ctx context.Context, t *tx) error {
			now := db.leaseClock()
			n, err := t.exec(ctx, `INSERT INTO duties (name, worker, until) VALUES (?1, ?2, ?3)
				ON CONFLICT (name) DO UPDATE SET worker = excluded.worker, until = excluded.until
				WHERE duties.worker = excluded.worker OR duties.until < ?4`, name, worker, us(now.Add(span)), us(now))
			mine = n > 0
			return err
		})
	}
	if err != nil {
		return false, fmt.Errorf("take duty %s: %w", name, err)
	}
	return mine, nil
}

// LeaveDuties gives up all that a worker has, so that others need not wait.
func (db *DB) LeaveDuties(ctx context.Context, worker string) error {
	err := db.writeIn(ctx, ownLane, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM duties WHERE worker = ?1`, worker)
		return err
	})
	if err != nil {
		return fmt.Errorf("leave duties: %w", err)
	}
	return nil
}

// Duties lists those that somebody has, by name.
func (db *DB) Duties(ctx context.Context) ([]Duty, error) {
	list, err := selectAll(ctx, db.read(), `SELECT name, worker, until FROM duties WHERE until >= ?1 ORDER BY name`, args{us(db.leaseClock())},
		func(r *sql.Rows) (d Duty, err error) {
			var until int64
			err = r.Scan(&d.Name, &d.Worker, &until)
			d.Until = fromUS(until)
			return d, err
		})
	if err != nil {
		return nil, fmt.Errorf("list duties: %w", err)
	}
	return list, nil
}
