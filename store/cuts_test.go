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

	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/store/storetest"
)

// TestCuts has eight senders at work while the server ends every connection twenty times a second: each reader gets
// one mail, and the books balance.
func TestCuts(t *testing.T) {
	dsn := storetest.FreshPostgres(t)
	now := time.Now()
	open := func() *store.DB {
		db, err := store.Open(t.Context(), dsn, store.Options{AddressHash: hash})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	db := open()
	var senders []*store.DB
	for range 8 {
		senders = append(senders, open())
	}
	const readers = 3000
	i := fill(t, db, readers, now)
	plan(t, db, &i, now)
	cuts := cutAll(t, dsn, 50*time.Millisecond) // what takes longer would never get through
	var mu sync.Mutex
	left := make(map[int64]int)
	insist := func(do func() error) {
		for t.Context().Err() == nil {
			if err := do(); err == nil || errors.Is(err, mailer.ErrLost) || !errors.Is(err, mailer.ErrLater) {
				if err != nil && !errors.Is(err, mailer.ErrLost) {
					t.Error(err)
				}
				return
			}
		}
	}
	send := func(db *store.DB, worker string, now time.Time) {
		for {
			var b *mailer.Batch
			insist(func() (err error) { b, err = db.Lease(t.Context(), "main", worker, now); return err })
			if b == nil {
				return
			}
			for n := 0; n < len(b.Deliveries); n += 10 {
				part := b.Deliveries[n:min(n+10, len(b.Deliveries))]
				var marks []mailer.Mark
				for k := range part {
					marks = append(marks, mailer.Mark{Step: mailer.Intend, Batch: b, Delivery: &part[k], KeyID: "k"}, mailer.Mark{Step: mailer.Hand, Batch: b, Delivery: &part[k]})
				}
				insist(func() error { return db.Commit(t.Context(), marks, now) })
				var outcomes []mailer.Mark
				for k := range part {
					if marks[2*k+1].Err != nil {
						continue
					}
					mu.Lock()
					left[part[k].Subscriber]++
					mu.Unlock()
					o := mailer.Outcome{State: mailer.Accepted, Charged: true, Copies: part[k].Copies, Relay: "main", Reply: mailer.Reply{Code: 250, Text: fmt.Sprint("ok, said worker ", worker)}}
					outcomes = append(outcomes, mailer.Mark{Step: mailer.Settle, Batch: b, Delivery: &part[k], Outcome: o})
				}
				insist(func() error { return db.Commit(t.Context(), outcomes, now) })
			}
			insist(func() error { return db.Release(t.Context(), b, now) })
		}
	}
	// What a sender could not give back is due again a little later.
	for round := range 3 {
		var wg sync.WaitGroup
		for n, db := range senders {
			wg.Go(func() { send(db, fmt.Sprint("w", n), now.Add(time.Duration(round)*2*time.Minute)) })
		}
		wg.Wait()
	}
	if n := cuts(); n < 20 {
		t.Errorf("only %d connections were cut", n)
	} else {
		t.Logf("%d connections were cut", n)
	}
	for id, n := range left {
		if n != 1 {
			t.Errorf("reader %d got %d mails", id, n)
		}
	}
	if len(left) != readers {
		t.Errorf("%d of %d readers got mail", len(left), readers)
	}
	if counts, err := db.IssueCounts(t.Context(), i.ID); err != nil || counts["accepted"] != readers {
		t.Errorf("on record: %v, %v", counts, err)
	}
	if err := db.CheckBooks(t.Context(), i.ID); err != nil {
		t.Error(err)
	}
}

// cutAll has the server end all connections to a database again and again, until stop, which says how many it was.
func cutAll(t *testing.T, dsn string, every time.Duration) (stop func() int64) {
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
			err := own.QueryRowContext(ctx, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
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
