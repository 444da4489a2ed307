package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"broadsheet/mailer"
)

// Who may write beside whom. SQLite has one writer at a time, whatever it does. On PostgreSQL each process that
// writes has a row in `workers`, its lane:
//
//   - A transaction that takes [allLanes] locks row 0 and then all lanes: nothing else writes before it ends. So
//     what reads first and then writes is right on both engines, in the same words.
//   - A transaction that takes its [ownLane] runs beside those of other processes. It may change deliveries of
//     those batches alone whose rows it has locked, in the order of their numbers ([tx.lockBatches]).
//   - A transaction that takes [noLane] is for a database that nobody else writes: one that moves (moved.go).
//
// Locks are taken in one order: lanes, batches, readers (where a mail must keep its distance from another), rows of
// the ledger, counters. Whoever is caught in a tie all the same is run again.
//
// Lanes are rows, not advisory locks, so that an engine that spreads its tables can hold them too. A process that is
// frozen or cut off in a transaction loses it after ten seconds (idle_in_transaction_session_timeout).
//
// Each transaction writes the time into its own lane, which nobody else does. So the row says after a lost connection whether the
// transaction is on record, on whichever server has taken over since: numbers of transactions do not, for
// another server gives them out anew.

// lanes is what a transaction needs for itself.
type lanes int

const (
	allLanes lanes = iota
	ownLane
	newLane // takes one
	noLane  // does the same if it is run again after its commit
)

const (
	// lockAll is FOR UPDATE, which nobody's own lane goes beside.
	lockAll  = `SELECT id FROM workers WHERE id = 0 FOR UPDATE`
	lockEach = `; SELECT id FROM workers WHERE id > 0 ORDER BY id FOR UPDATE`
	// What a lane says rises, whatever a clock does.
	sign = `EXECUTE sign (%d, %d)`
	// It is planned once for a connection.
	prepareSign = `PREPARE sign (bigint, bigint) AS UPDATE workers SET seen = greatest(seen + 1, $1) WHERE id = $2 RETURNING seen`
)

// begin starts a transaction that may write.
func (t *tx) begin(ctx context.Context, l lanes) error {
	if t.w.dialect.name != postgresDialect.name {
		// IMMEDIATE: a transaction that reads and then writes would else fail at the write,
		// without waiting, whenever another process wrote in between.
		_, err := t.exec(ctx, "BEGIN IMMEDIATE")
		return err
	}
	query := "BEGIN; "
	switch l {
	case noLane:
		query = "BEGIN"
	case newLane: // who has all lanes has row 0, and need not be told of another
		query += lockAll
	case allLanes:
		query += lockAll + lockEach + "; " + fmt.Sprintf(sign, us(t.w.now()), t.w.lane)
	case ownLane:
		query += fmt.Sprintf(sign, us(t.w.now()), t.w.lane)
	}
	if !t.w.signs && (l == allLanes || l == ownLane) {
		if _, err := t.simple(ctx, prepareSign); err != nil {
			return err
		}
		t.w.signs = true
	}
	results, err := t.simple(ctx, query)
	if err != nil {
		return err
	}
	switch last := results[len(results)-1]; {
	case l == noLane:
		return nil
	case l != ownLane && len(results[1].Rows) == 0:
		return ErrMoved // nobody has a lane any more, and nobody gets one: see moved.go
	case len(last.Rows) == 0: // the row was dropped: it has not been heard of for long
		t.w.lane = 0
		return errNoLane
	default:
		t.signed, err = strconv.ParseInt(string(last.Rows[0][0]), 10, 64)
		return err
	}
}

// errNoLane is the end of a transaction that has none; the next takes another.
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
	var results []*pgconn.Result
	commit := func() (err error) {
		results, err = t.simple(ctx, "COMMIT")
		return err
	}
	err := badCommit(t, commit)
	if lostConnection(err) {
		return fmt.Errorf("%w (%w)", errUnanswered, err)
	}
	if err != nil {
		return err
	}
	if results[0].CommandTag.String() != "COMMIT" { // something in it failed, and nobody said so
		return fmt.Errorf("commit: the server answered %s", results[0].CommandTag.String())
	}
	return nil
}

// badCommit is what stands between a transaction and its COMMIT: nothing, but in tests.
var badCommit = func(_ *tx, commit func() error) error { return commit() }

// rollback takes back what a transaction did; an error says that the connection is of no more use.
func (t *tx) rollback(ctx context.Context) error {
	if t.w.dialect.name != postgresDialect.name {
		_, err := t.exec(ctx, "ROLLBACK") // fails where SQLite has rolled back by itself
		return err
	}
	_, err := t.simple(ctx, "ROLLBACK")
	return err
}

// errUnanswered says that a connection was lost between COMMIT and its answer.
var errUnanswered = errors.New("the commit was not answered")

const (
	// patience is how long a transaction is tried again that surely has not happened: a server that fails over is back by
	// then. Once the server has been away for so long, each is tried once.
	patience  = 30 * time.Second
	firstWait = 20 * time.Millisecond
	mostWait  = time.Second
)

// again runs a transaction, and once more when it surely has not happened and may well do so now, as long as ctx lasts.
func (w *writer) again(ctx context.Context, l lanes, fn func(ctx context.Context, t *tx) error) (took time.Duration, err error) {
	began := time.Now()
	if t := w.trouble.Load(); t != nil && passing(t.Err) {
		began = t.Since
	}
	for wait := firstWait; ; wait = min(2*wait, mostWait) {
		took, err = w.inLane(ctx, l, fn)
		switch {
		case err == nil, errors.Is(err, errUnanswered), !passing(err), time.Since(began) > patience:
			return took, err
		case !w.wrote && standby(err): // it was one from the start, and is not about to take over
			return took, err
		}
		if time.Since(began) > mostWait { // people may see it
			w.note(ctx, err)
		}
		select {
		case <-ctx.Done():
			return took, err
		case <-time.After(wait):
		}
	}
}

// inLane runs a transaction of a process that has a lane, and finds out what became of it.
func (w *writer) inLane(ctx context.Context, l lanes, fn func(ctx context.Context, t *tx) error) (took time.Duration, err error) {
	if w.lane == 0 && l != noLane {
		if err := w.takeLane(ctx); err != nil {
			return 0, err
		}
	}
	var signed int64
	took, err = w.once(ctx, l, func(ctx context.Context, t *tx) error {
		signed = t.signed
		return fn(ctx, t)
	})
	if !errors.Is(err, errUnanswered) {
		return took, err
	}
	if l == noLane {
		return took, ErrAway
	}
	did, lookErr := w.happened(ctx, signed)
	switch {
	case lookErr != nil:
		return took, fmt.Errorf("%w: %w, and whether it is on record is not known", ErrAway, err)
	case did:
		return took, nil
	}
	return took, ErrAway
}

// happened finds out whether a transaction is on record whose COMMIT was not answered. It waits for the
// transaction's end, for the server may not have noticed yet that nobody listens.
func (w *writer) happened(ctx context.Context, signed int64) (did bool, err error) {
	for began := time.Now(); time.Since(began) < patience; time.Sleep(5 * firstWait) {
		var says int64
		if says, err = w.laneSays(context.WithoutCancel(ctx)); err == nil {
			return says == signed, nil
		}
		if !passing(err) {
			return false, err
		}
	}
	return false, err
}

// laneSays reads what the process's lane says once nobody is writing it.
func (w *writer) laneSays(ctx context.Context) (says int64, err error) {
	t, err := w.pool.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer t.Rollback()
	err = t.QueryRowContext(ctx, `SELECT seen FROM workers WHERE id = $1 FOR NO KEY UPDATE`, w.lane).Scan(&says)
	return says, err
}

// takeLane puts this process into `workers`.
func (w *writer) takeLane(ctx context.Context) error {
	_, err := w.once(ctx, newLane, func(ctx context.Context, t *tx) error { return t.enlist(ctx) })
	if err != nil {
		w.lane = 0
	}
	if errors.Is(err, errUnanswered) { // if there is one now, it goes as one that is not heard of
		return ErrAway
	}
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

// lockReaders sees to it that of two processes that are about to send one reader mails of two slots, which must keep
// their distance, one waits and then sees what the other has done.
func (g *group) lockReaders(ctx context.Context, calls []*call) error {
	if g.db.dialect.name != postgresDialect.name {
		return nil
	}
	intents := make(map[int64][]int64) // by slot
	var gap time.Duration
	for _, c := range calls {
		for n := range c.marks {
			m := &c.marks[n]
			if m.Step != mailer.Intend {
				continue
			}
			intents[m.Delivery.Slot] = append(intents[m.Delivery.Slot], m.Delivery.Subscriber)
			h := g.db.ledger.held[m.Batch.ID]
			if h == nil {
				i, err := g.t.issueRow(ctx, m.Delivery.Issue)
				if err != nil {
					return err
				}
				h = &held{issueRow: i}
			}
			gap = max(gap, h.minGap)
		}
	}
	if gap == 0 {
		return nil
	}
	near, err := g.near(ctx, gap)
	if err != nil {
		return err
	}
	var readers []int64
	for slot, ids := range intents {
		for _, other := range near {
			if other == slot {
				continue
			}
			list, err := selectAll(ctx, g.t, `SELECT d.subscriber FROM `+g.db.dialect.ids(2)+` v CROSS JOIN deliveries d WHERE d.slot = ?1
				AND d.subscriber = v.value AND d.state IN ('queued', 'sending', 'handed', 'deferred')`, args{other, idList(ids)}, number)
			if err != nil {
				return err
			}
			readers = append(readers, list...)
		}
	}
	if len(readers) == 0 {
		return nil
	}
	_, err = selectAll(ctx, g.t, `SELECT id FROM subscribers WHERE id IN (SELECT value FROM `+g.db.dialect.ids(1)+` v) ORDER BY id FOR NO KEY UPDATE`, args{idList(readers)}, number)
	return err
}
