package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/store/storetest"
)

// crowd is eight senders on one database, each with connections of its own, and an issue for them.
type crowd struct {
	t       *testing.T
	now     time.Time
	dbs     []*store.DB
	issue   digest.Issue
	readers int
	mu      sync.Mutex
	left    map[int64]int // mails by reader
	mails   int
	at      map[int]func() // what happens after so many mails
}

func gather(t *testing.T, dsn string, readers int) *crowd {
	c := &crowd{t: t, now: time.Now(), readers: readers, left: make(map[int64]int), at: make(map[int]func())}
	for range 8 {
		db, err := store.Open(t.Context(), dsn, store.Options{AddressHash: hash})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		c.dbs = append(c.dbs, db)
	}
	c.issue = fill(t, c.dbs[0], readers, c.now)
	plan(t, c.dbs[0], &c.issue, c.now)
	return c
}

// insist does something until the database has it, as whoever waits for it would.
func (c *crowd) insist(do func() error) {
	for c.t.Context().Err() == nil {
		if err := do(); err == nil || errors.Is(err, mailer.ErrLost) || !errors.Is(err, mailer.ErrLater) {
			if err != nil && !errors.Is(err, mailer.ErrLost) {
				c.t.Error(err)
			}
			return
		}
	}
}

// mail is what leaves.
func (c *crowd) mail(subscriber int64) {
	c.mu.Lock()
	c.left[subscriber]++
	c.mails++
	event := c.at[c.mails]
	c.mu.Unlock()
	if event != nil {
		event()
	}
}

func (c *crowd) send(db *store.DB, worker string, now time.Time) {
	ctx := c.t.Context()
	for {
		var b *mailer.Batch
		c.insist(func() (err error) { b, err = db.Lease(ctx, "main", worker, now); return err })
		if b == nil {
			return
		}
		for n := 0; n < len(b.Deliveries); n += 10 {
			part := b.Deliveries[n:min(n+10, len(b.Deliveries))]
			var marks []mailer.Mark
			for k := range part {
				marks = append(marks, mailer.Mark{Step: mailer.Intend, Batch: b, Delivery: &part[k], KeyID: "k"}, mailer.Mark{Step: mailer.Hand, Batch: b, Delivery: &part[k]})
			}
			c.insist(func() error { return db.Commit(ctx, marks, now) })
			var outcomes []mailer.Mark
			for k := range part {
				if marks[2*k+1].Err != nil {
					continue
				}
				c.mail(part[k].Subscriber)
				o := mailer.Outcome{State: mailer.Accepted, Charged: true, Copies: part[k].Copies, Relay: "main", Reply: mailer.Reply{Code: 250, Text: fmt.Sprint("ok, said worker ", worker)}}
				outcomes = append(outcomes, mailer.Mark{Step: mailer.Settle, Batch: b, Delivery: &part[k], Outcome: o})
			}
			c.insist(func() error { return db.Commit(ctx, outcomes, now) })
		}
		c.insist(func() error { return db.Release(ctx, b, now) })
	}
}

// work has all of them send, and says whether each reader got one mail and the books balance.
func (c *crowd) work() {
	c.t.Helper()
	for round := range 3 { // what one could not give back is due again a little later
		var wg sync.WaitGroup
		for n, db := range c.dbs {
			wg.Go(func() { c.send(db, fmt.Sprint("w", n), c.now.Add(time.Duration(round)*2*time.Minute)) })
		}
		wg.Wait()
	}
	for id, n := range c.left {
		if n != 1 {
			c.t.Errorf("reader %d got %d mails", id, n)
		}
	}
	if len(c.left) != c.readers {
		c.t.Errorf("%d of %d readers got mail", len(c.left), c.readers)
	}
	c.insist(func() error {
		counts, err := c.dbs[0].IssueCounts(c.t.Context(), c.issue.ID)
		if err == nil && counts["accepted"] != c.readers {
			c.t.Errorf("on record: %v", counts)
		}
		return err
	})
	c.insist(func() error { return c.dbs[0].CheckBooks(c.t.Context(), c.issue.ID) })
}

// TestPostgresCuts has eight senders at work while the server ends every connection twenty times a second: each reader gets
// one mail, and the books balance.
func TestPostgresCuts(t *testing.T) {
	dsn := storetest.FreshPostgres(t)
	c := gather(t, dsn, 3000)
	cuts := cutAll(t, dsn, 50*time.Millisecond) // what takes longer would never get through
	c.work()
	if n := cuts(); n < 20 {
		t.Errorf("only %d connections were cut", n)
	} else {
		t.Logf("%d connections were cut", n)
	}
}

// cutAll has the server end all connections to a database again and again, until stop, which says how many it was.
func cutAll(t *testing.T, dsn string, every time.Duration) (stop func() int64) {
	return atAll(t, dsn, "pg_terminate_backend", every)
}

// atAll has the server do something to all who are at work on a database, as [cutAll].
func atAll(t *testing.T, dsn, what string, every time.Duration) (stop func() int64) {
	own, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var all atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		defer own.Close()
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			var n int64
			err := own.QueryRowContext(ctx, `SELECT count(`+what+`(pid)) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'broadsheet%'`).Scan(&n)
			if err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
			all.Add(n)
		}
	})
	return func() int64 { cancel(); wg.Wait(); return all.Load() }
}
