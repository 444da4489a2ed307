package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"broadsheet/mailer"
)

// Stats is what the ledger has done since the database was opened.
type Stats struct {
	Commits int           // transactions of marks
	Calls   int           // of Commit, which share them
	Marks   int           // on record
	Bulk    int           // of them written many rows to a statement
	Redone  int           // transactions that were done once more, one by one
	Sync    time.Duration // spent in writing and syncing the journal of handed marks
	Commit  time.Duration // spent in COMMIT, its sync among it
}

// ledger is where the marks of many connections come together.
type ledger struct {
	mu      sync.Mutex
	waiting []*call
	leading bool          // somebody gathers or commits
	full    chan struct{} // tells a gatherer that those it waits for are there
	want    int           // how many it waits for, 0 = it does not wait
	last    int           // callers at work, as the end of the last group showed
	callers callers       // in the writer's turn only
	ended   time.Time     // of the last group
	took    time.Duration // a commit takes, of late
	stats   Stats

	// In the writer's turn only.
	held    map[int64]*held  // by batch
	texts   map[string]int64 // ids of reply texts on record
	slots   map[int64]slotName
	journal journal
	counts  tally     // of what became of mails, to be written
	counted time.Time // when they were written last
	slow    bool      // for tests: nothing in bulk
}

// call is one call of Commit.
type call struct {
	marks []mailer.Mark
	now   time.Time
	rows  []*mailer.Delivery // what the marks' deliveries become
	err   error
	turn  chan bool // true: lead the next group; false: done
}

// Commit meets [mailer.Queue]. Calls that come at about the same time share a transaction: the
// first of them waits for those that are at work, as long as one comes after the other and two
// milliseconds at most, and commits for all. Who is alone does not wait. An error is everybody's.
// The context is not heeded.
func (db *DB) Commit(_ context.Context, marks []mailer.Mark, now time.Time) error {
	if len(marks) == 0 {
		return nil
	}
	l := &db.ledger
	c := &call{marks: marks, now: now, turn: make(chan bool, 1)}
	l.mu.Lock()
	l.waiting = append(l.waiting, c)
	lead := !l.leading
	if lead {
		l.leading = true
	} else if l.want > 0 && len(l.waiting) >= l.want {
		l.want = 0
		l.full <- struct{}{}
	}
	l.mu.Unlock()
	if lead || <-c.turn {
		db.lead(c)
	}
	if c.err != nil {
		return fmt.Errorf("write ledger: %w", c.err)
	}
	return nil
}

// lead gathers a group, commits it and gives the lead to the next.
func (db *DB) lead(own *call) {
	l := &db.ledger
	l.gather()
	var calls []*call
	// The others may come until the turn does.
	err := db.writer.take(context.Background())
	l.mu.Lock()
	calls, l.waiting = l.waiting, nil
	l.mu.Unlock()
	began, active := time.Now(), 0
	if err == nil {
		err = explain(db.commit(calls))
		active = l.callers.active(time.Now())
		db.writer.leave()
	}
	l.mu.Lock()
	l.ended = time.Now()
	l.took = (3*l.took + l.ended.Sub(began)) / 4
	l.last = max(len(calls)+len(l.waiting), active)
	l.stats.Calls += len(calls)
	var next *call
	if len(l.waiting) > 0 {
		next = l.waiting[0]
	} else {
		l.leading = false
	}
	l.mu.Unlock()
	for _, c := range calls {
		c.err = err
		if c != own {
			c.turn <- false
		}
	}
	if next != nil {
		next.turn <- true
	}
}

const (
	gatherMost  = 2 * time.Millisecond
	gatherPause = 100 * time.Microsecond // nobody has come for so long: the others are waiting for their relay
	forgetAfter = 50 * time.Millisecond  // the same, for so long that nobody is waited for
)

// gather waits until those who are at work have come, as long as one comes after the other.
func (l *ledger) gather() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.want = l.last
	if len(l.waiting) >= l.want || time.Since(l.ended) > forgetAfter {
		l.want = 0
		return
	}
	if l.full == nil {
		l.full = make(chan struct{}, 1)
	}
	timer := time.NewTimer(gatherPause)
	defer timer.Stop()
	for start := time.Now(); ; timer.Reset(gatherPause) {
		n := len(l.waiting)
		l.mu.Unlock()
		select {
		case <-l.full:
			l.mu.Lock()
			return
		case <-timer.C:
		}
		runtime.Gosched() // on a busy machine time may be up before the others had any
		l.mu.Lock()
		if l.want == 0 { // they came at the last moment
			<-l.full
			return
		}
		if len(l.waiting) == n || time.Since(start) > gatherMost {
			l.want = 0
			return
		}
	}
}

// Stats tells what the ledger has done.
func (db *DB) Stats() Stats {
	db.ledger.mu.Lock()
	defer db.ledger.mu.Unlock()
	return db.ledger.stats
}

// commit puts the marks of calls on record in the writer's turn.
func (db *DB) commit(calls []*call) error {
	l := &db.ledger
	g, took, err := db.transact(calls, l.slow)
	redone := errors.Is(err, errDiffers)
	if redone {
		g, took, err = db.transact(calls, true)
	}
	if err != nil {
		return err
	}
	if len(l.texts)+len(g.texts) > 1000 { // a relay with words that never repeat
		clear(l.texts)
	}
	for text, id := range g.texts {
		if l.texts == nil {
			l.texts = make(map[string]int64)
		}
		l.texts[text] = id
	}
	l.callers.note(g.touched, time.Now())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Commits++
	l.stats.Commit += took
	l.stats.Sync += g.sync
	l.stats.Bulk += g.rows
	if redone {
		l.stats.Redone++
	}
	for _, c := range calls {
		l.stats.Marks += len(c.marks)
		for n, d := range c.rows {
			if d != nil {
				*c.marks[n].Delivery = *d
			}
		}
	}
	return nil
}

// transact does so in one transaction, and takes back what it knows of rows if it fails.
func (db *DB) transact(calls []*call, slow bool) (g *group, took time.Duration, err error) {
	wrote := false
	took, err = db.writer.run(context.Background(), lanesOf(calls), func(ctx context.Context, t *tx) error {
		g.takeBack() // of a run that did not happen
		g, wrote = db.newGroup(t, calls, slow), false
		if err := g.prepare(ctx, calls); err != nil {
			return err
		}
		for _, c := range calls {
			c.rows = make([]*mailer.Delivery, len(c.marks))
			g.touched = append(g.touched, nil)
			for n := range c.marks {
				var err error
				if c.rows[n], err = g.mark(ctx, &c.marks[n], c.now); err != nil {
					return err
				}
			}
		}
		if err := g.flush(ctx); err != nil {
			return err
		}
		if time.Since(db.ledger.counted) > tallyPause {
			t.counts.join(db.ledger.counts)
			wrote = true
			if err := t.writeTally(ctx, t.counts); err != nil {
				return err
			}
		}
		if err := g.t.writeBooks(ctx); err != nil {
			return err
		}
		return g.journal(ctx)
	})
	if err == nil {
		if wrote {
			db.ledger.counts, db.ledger.counted = nil, time.Now()
		} else {
			db.ledger.counts.join(g.t.counts)
		}
		db.ledger.journal.keep()
	} else {
		db.ledger.journal.drop()
		g.takeBack()
	}
	return g, took, err
}

func (db *DB) newGroup(t *tx, calls []*call, slow bool) *group {
	marks := 0
	for _, c := range calls {
		marks += len(c.marks)
	}
	return &group{db: db, t: t, slow: slow, now: calls[0].now, batches: make(map[int64]*groupBatch), seen: make(map[int64]seenMark, marks),
		sets: make(map[setKey]*set), texts: make(map[string]int64), undo: make([]undone, 0, marks), hands: make([]hand, 0, marks)}
}

// takeBack takes back what a group that is not on record says of rows; nil has said nothing.
func (g *group) takeBack() {
	if g == nil {
		return
	}
	for n := len(g.undo) - 1; n >= 0; n-- {
		*g.undo[n].row = g.undo[n].old
	}
}
