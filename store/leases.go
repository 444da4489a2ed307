package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Leased is what a worker has of a relay's mail.
type Leased struct {
	Worker, Relay string
	Batches       int
	Until         time.Time // when the first of its leases ends unless it is renewed, by the clock of leases
}

// Leases lists what senders have in hand, by worker and relay. Those whose time is up are among them: their worker has
// died, or was frozen.
func (db *DB) Leases(ctx context.Context) ([]Leased, error) {
	list, err := selectAll(ctx, db.read(), `SELECT worker, relay, count(*), min(lease_until) FROM batches`+db.dialect.by("batches_leased")+`
		WHERE lease_until > 0 GROUP BY worker, relay ORDER BY worker, relay`, nil, func(r *sql.Rows) (l Leased, err error) {
		var until int64
		err = r.Scan(&l.Worker, &l.Relay, &l.Batches, &until)
		l.Until = fromUS(until)
		return l, err
	})
	if err != nil {
		return nil, fmt.Errorf("list leases: %w", err)
	}
	return list, nil
}

// Clock is the clock of leases and of workers' signs of life: the machine's, or that of a server that several machines
// share.
func (db *DB) Clock() time.Time { return db.leaseClock() }

// Unposted is since when the oldest notice that is to be written, or form that is to be looked through, waits; zero if
// none does.
func (db *DB) Unposted(ctx context.Context) (since time.Time, err error) {
	var at sql.NullInt64
	if err := db.read().scan(ctx, `SELECT min(at) FROM (SELECT min(at) AS at FROM notices WHERE id > 0 UNION ALL SELECT min(at) AS at FROM signups WHERE id > 0) found`, nil, &at); err != nil {
		return since, fmt.Errorf("look for notices: %w", err)
	}
	return fromUS(at.Int64), nil
}
