package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"broadsheet/mailer"
)

// Who may write beside whom. SQLite has one writer at a time, whatever it does. On PostgreSQL each process that
// writes often has a row in `workers`, its lane:
//
//   - A transaction that takes [allLanes] locks row 0 and then all lanes: nothing else writes before it ends. So
//     what reads first and then writes is right on both engines, in the same words.
//   - A transaction that takes its [ownLane] runs beside those of other processes. It may change deliveries of
//     those batches alone whose rows it has locked, in the order of their numbers ([tx.lockBatches]).
//   - A transaction that takes [noLane] changes rows of its own.
//
// Lanes are rows, not advisory locks, so that an engine that spreads its tables can hold them too. A process that is
// frozen or cut off in a transaction loses it after ten seconds (idle_in_transaction_session_timeout).

// lanes is what a transaction needs for itself.
type lanes int

const (
	allLanes lanes = iota
	ownLane
	noLane
)

// begin starts a transaction that may write.
func (t *tx) begin(ctx context.Context, l lanes) error {
	if t.w.dialect.name != postgresDialect.name {
		// IMMEDIATE: a transaction that reads and then writes would else fail at the write,
		// without waiting, whenever another process wrote in between.
		_, err := t.exec(ctx, "BEGIN IMMEDIATE")
		return err
	}
	t.began = true
	query := "BEGIN; SELECT pg_current_xact_id()::text"
	switch l {
	case allLanes:
		query += " FROM workers WHERE id = 0 FOR UPDATE; SELECT id FROM workers WHERE id > 0 ORDER BY id FOR UPDATE"
	case ownLane:
		query += " FROM workers WHERE id = " + strconv.FormatInt(t.w.lane, 10) + " FOR NO KEY UPDATE"
	}
	results, err := t.simple(ctx, query)
	if err != nil {
		return err
	}
	if len(results[1].Rows) == 0 && l == allLanes {
		return ErrMoved // nobody has a lane any more, and nobody gets one: see moved.go
	}
	if len(results[1].Rows) == 0 { // the row was dropped: it has not been heard of for long
		t.w.lane = 0
		return errNoLane
	}
	t.xid = string(results[1].Rows[0][0])
	return nil
}

var errNoLane = errors.New("lane is gone")

// simple runs statements in one round trip.
func (t *tx) simple(ctx context.Context, query string) (results []*pgconn.Result, err error) {
	rawErr := t.w.conn.Raw(func(c any) error {
		results, err = c.(*stdlib.Conn).Conn().PgConn().Exec(ctx, query).ReadAll()
		return nil
	})
	return results, errors.Join(err, rawErr)
}

// commit ends a transaction.
func (t *tx) commit(ctx context.Context) error {
	if t.w.dialect.name != postgresDialect.name {
		_, err := t.exec(ctx, "COMMIT")
		return err
	}
	results, err := t.simple(ctx, "COMMIT")
	if err != nil {
		if lostConnection(err) {
			return errors.Join(errUnanswered, err)
		}
		return err
	}
	if results[0].CommandTag.String() != "COMMIT" { // something in it failed, and nobody said so
		return fmt.Errorf("commit: the server answered %s", results[0].CommandTag.String())
	}
	return nil
}

// errUnanswered says that a connection was lost between COMMIT and its answer.
var errUnanswered = errors.New("commit was not answered")

const (
	// patience is how long a transaction is tried again that surely has not happened: a server that fails over is back by then.
	patience  = 30 * time.Second
	firstWait = 20 * time.Millisecond
	mostWait  = time.Second
)

// again runs a transaction, and once more when it surely has not happened and may well do so now.
func (w *writer) again(ctx context.Context, l lanes, fn func(ctx context.Context, t *tx) error) (took time.Duration, err error) {
	began := time.Now()
	for wait := firstWait; ; wait = min(2*wait, mostWait) {
		if l == ownLane && w.lane == 0 {
			err = w.takeLane(ctx)
		} else {
			err = nil
		}
		var xid string
		if err == nil {
			took, err = w.once(ctx, l, func(ctx context.Context, t *tx) error {
				xid = t.xid
				return fn(ctx, t)
			})
		}
		if errors.Is(err, errUnanswered) {
			var did bool
			if did, err = w.happened(ctx, xid, err); did {
				return took, nil
			}
		}
		switch {
		case err == nil, errors.Is(err, errUnanswered):
			return took, err
		case errors.Is(err, errNoLane):
		case !passing(err) || time.Since(began) > patience:
			return took, err
		}
		time.Sleep(wait)
	}
}

// happened finds out what became of a transaction whose COMMIT was not answered. An error that is not
// errUnanswered says that it has not happened.
func (w *writer) happened(ctx context.Context, xid string, lost error) (did bool, err error) {
	for began := time.Now(); time.Since(began) < patience; time.Sleep(100 * time.Millisecond) {
		var state sql.NullString
		err := w.pool.QueryRowContext(ctx, `SELECT pg_xact_status($1::text::xid8)`, xid).Scan(&state)
		if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "22023" { // not yet begun: another server took over without it
			return false, ErrAway
		}
		switch {
		case err == nil && state.String == "committed":
			return true, nil
		case err == nil && state.String == "aborted":
			return false, ErrAway
		}
	}
	return false, lost
}

// takeLane puts this process into `workers`.
func (w *writer) takeLane(ctx context.Context) error {
	_, err := w.once(ctx, allLanes, func(ctx context.Context, t *tx) error { return t.enlist(ctx) })
	return err
}

// lanesOf says whether the marks of calls may be written beside those of other processes: a refused address
// reaches into other issues.
func lanesOf(calls []*call) lanes {
	for _, c := range calls {
		for n := range c.marks {
			if m := &c.marks[n]; m.Step == mailer.Settle && (m.Outcome.Hard || m.Outcome.Doubted) {
				return allLanes
			}
		}
	}
	return ownLane
}

// lockBatches makes what is known of batches hold until the transaction ends.
func (t *tx) lockBatches(ctx context.Context, ids []int64) error {
	if t.w.dialect.name != postgresDialect.name {
		return nil
	}
	_, err := selectAll(ctx, t, `SELECT id FROM batches WHERE id IN (SELECT value FROM `+t.w.dialect.ids(1)+` v) ORDER BY id FOR NO KEY UPDATE`, args{idList(ids)}, number)
	return err
}
