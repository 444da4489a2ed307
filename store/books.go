package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"broadsheet/mailer"
)

// An issue's books are counters that are kept, not rows that are counted: a page that is looked at
// every second must not read a hundred thousand deliveries. Whoever changes the state of deliveries
// says so to [tx.moved]; a transaction sums that in memory and writes it once, before it commits. So
// counters and deliveries are never told apart, whatever is killed.
//
// issue_states has how many deliveries are in a state, issue_minutes by how many that grew in a
// minute: its sums are the books as they stood then.

// book is a counter: the deliveries of an issue in a state, by the relay that answered last, "" if none has.
type book struct {
	issue        int64
	relay, state string
}

// books are changes that are not written yet. The zero value is empty.
type books struct {
	now     time.Time // of the last change: transactions are short
	clock   time.Time // of the transaction, if its changes have times of their own; else zero
	diff    map[book]int
	changed []book
	values  args // for the statement
}

// moved says that n deliveries of an issue, whose last answer came from a relay, went from a state to
// another; from is "" for new ones.
func (t *tx) moved(now time.Time, issue int64, relay string, from, to mailer.State, n int) {
	t.answered(now, book{issue, relay, string(from)}, book{issue, relay, string(to)}, n)
}

// answered is moved for deliveries whose last answer is another one now.
func (t *tx) answered(now time.Time, from, to book, n int) {
	if from == to || n == 0 {
		return
	}
	b := &t.books
	if b.diff == nil {
		b.diff = make(map[book]int)
	}
	b.now = now
	if from.state != "" {
		b.diff[from] -= n
	}
	b.diff[to] += n
}

// writeBooks puts the changes on record.
func (t *tx) writeBooks(ctx context.Context) error {
	if err := t.writeSections(ctx); err != nil {
		return err
	}
	b := &t.books
	now := b.now
	if !b.clock.IsZero() {
		now = b.clock
	}
	minute := now.Unix() / 60
	b.changed = b.changed[:0]
	for k, n := range b.diff {
		if n != 0 {
			b.changed = append(b.changed, k)
		}
	}
	// In order, and table by table: those who write beside each other must not wait for each other in a ring.
	slices.SortFunc(b.changed, func(a, b book) int {
		return cmp.Or(cmp.Compare(a.issue, b.issue), cmp.Compare(a.relay, b.relay), cmp.Compare(a.state, b.state))
	})
	for part := range slices.Chunk(b.changed, maxBooks) {
		b.values = b.values[:0]
		for _, k := range part {
			b.values = append(b.values, k.issue, minute, k.relay, k.state, b.diff[k])
		}
		if err := t.later(ctx, minuteRows[len(part)], anyRows, slices.Clone(b.values)...); err != nil {
			return fmt.Errorf("write books by minute: %w", err)
		}
	}
	for part := range slices.Chunk(b.changed, maxBooks) {
		b.values = b.values[:0]
		for _, k := range part {
			b.values = append(b.values, k.issue, k.relay, k.state, b.diff[k])
		}
		if err := t.later(ctx, stateRows[len(part)], anyRows, slices.Clone(b.values)...); err != nil {
			return fmt.Errorf("write books: %w", err)
		}
	}
	return nil
}

// maxBooks is how many counters one statement writes at most.
const maxBooks = 8

// The statements for so many counters.
var stateRows, minuteRows = bookRows("issue_states", "issue, relay, state", 4), bookRows("issue_minutes", "issue, minute, relay, state", 5)

func bookRows(table, key string, columns int) (list [maxBooks + 1]string) {
	for rows := 1; rows <= maxBooks; rows++ {
		var b strings.Builder
		b.WriteString("INSERT INTO " + table + " (" + key + ", n) VALUES ")
		for r := range rows {
			if r > 0 {
				b.WriteString(", ")
			}
			for c := range columns {
				fmt.Fprintf(&b, "%c?%d", "(,"[min(c, 1)], columns*r+c+1)
			}
			b.WriteByte(')')
		}
		b.WriteString(" ON CONFLICT (" + key + ") DO UPDATE SET n = " + table + ".n + excluded.n")
		list[rows] = b.String()
	}
	return list
}

// Book is how many deliveries of an issue are in a state.
type Book struct {
	Issue int64
	Relay string // that answered last, "" = none has
	State mailer.State
	N     int
}

// Books lists an issue's books by relay and state, those of nothing left out, and its audience as it is at
// that moment. It reads counters.
func (db *DB) Books(ctx context.Context, issue int64) (list []Book, audience int, err error) {
	list, err = selectAll(ctx, db.read(), `SELECT b.issue, b.relay, b.state, b.n, i.audience FROM issues i JOIN issue_states b ON b.issue = i.id
		WHERE i.id = ?1 AND b.n <> 0 ORDER BY b.relay, b.state`, args{issue},
		func(r *sql.Rows) (b Book, err error) { return b, r.Scan(&b.Issue, &b.Relay, &b.State, &b.N, &audience) })
	if err != nil {
		return nil, 0, fmt.Errorf("read books of issue %d: %w", issue, err)
	}
	return list, audience, nil
}

// Minute is by how many deliveries a book grew in a minute.
type Minute struct {
	At time.Time // its start
	Book
}

// Course lists by how much the books of an issue grew or shrank, minute by minute: the sums up to one
// are the books as they stood at its end.
func (db *DB) Course(ctx context.Context, issue int64) ([]Minute, error) {
	list, err := selectAll(ctx, db.read(), `SELECT minute, issue, relay, state, n FROM issue_minutes WHERE issue = ?1 AND n <> 0
		ORDER BY minute, relay, state`, args{issue}, func(r *sql.Rows) (m Minute, err error) {
		var minute int64
		err = r.Scan(&minute, &m.Issue, &m.Relay, &m.State, &m.N)
		m.At = time.Unix(60*minute, 0).UTC()
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("read course of issue %d: %w", issue, err)
	}
	return list, nil
}

// ErrBooks says that an issue's books are not what its deliveries are.
var ErrBooks = errors.New("the books do not balance")

// CheckBooks counts an issue's deliveries and compares that with its books, with their course and with its
// audience; it is [ErrBooks] if they differ. What retention has dropped counts as it was then. It reads the whole
// slot, as it stands at one moment.
func (db *DB) CheckBooks(ctx context.Context, issue int64) error {
	list, err := selectAll(ctx, db.read(), `SELECT relay, state, sum(counted), sum(booked), sum(told) FROM (
			SELECT d.relay AS relay, d.state AS state, count(*) AS counted, 0 AS booked, 0 AS told
				FROM issues i JOIN deliveries d ON d.slot = i.slot AND d.issue = i.id WHERE i.id = ?1 GROUP BY d.relay, d.state
			UNION ALL SELECT relay, state, n, 0, 0 FROM dropped_states WHERE issue = ?1
			UNION ALL SELECT relay, state, 0, n, 0 FROM issue_states WHERE issue = ?1
			UNION ALL SELECT relay, state, 0, 0, sum(n) FROM issue_minutes WHERE issue = ?1 GROUP BY relay, state
			UNION ALL SELECT '', 'in the audience', audience, sum(n), sum(n) FROM issues JOIN issue_states ON issue = issues.id WHERE issues.id = ?1
				GROUP BY issues.id) books
		GROUP BY relay, state HAVING sum(counted) <> sum(booked) OR sum(counted) <> sum(told)`, args{issue},
		func(r *sql.Rows) (s string, err error) {
			var relay, state string
			var counted, booked, told int
			err = r.Scan(&relay, &state, &counted, &booked, &told)
			return strings.TrimSpace(fmt.Sprintf("%d %s %s, on the books %d, by minutes %d", counted, state, relay, booked, told)), err
		})
	if err == nil && len(list) > 0 {
		err = fmt.Errorf("%w: %s", ErrBooks, strings.Join(list, "; "))
	}
	if err != nil {
		return fmt.Errorf("check books of issue %d: %w", issue, err)
	}
	return nil
}
