package store_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/store/storetest"
)

// what the next program's schema has more than this one's: a column in the largest table, a table and indexes.
const (
	nextSchema = `ALTER TABLE deliveries ADD COLUMN flavour TEXT NOT NULL DEFAULT 'plain';
ALTER TABLE batches ADD COLUMN weight BIGINT NOT NULL DEFAULT 0;
ALTER TABLE workers ADD COLUMN mood TEXT NOT NULL DEFAULT '';
ALTER TABLE meta ADD COLUMN note TEXT NOT NULL DEFAULT '';
CREATE TABLE flavours (name TEXT PRIMARY KEY, n BIGINT NOT NULL);
CREATE INDEX batches_weight ON batches (weight) WHERE weight > 0;
`
	breaksOlder = "INSERT INTO meta (name, value) VALUES ('oldest', '9000') ON CONFLICT (name) DO UPDATE SET value = excluded.value;\n"
)

// TestRollingUpgrade has a program send while another one, whose schema is one migration newer, comes beside it in
// the middle of the run and changes the tables under it; then an older one is started anew, and they share what is
// left. Every reader gets one mail, and the books balance.
func TestRollingUpgrade(t *testing.T) {
	const readers = 1500 // three batches
	for name, make := range houses(t) {
		t.Run(name, func(t *testing.T) {
			dsn, now := make(t), time.Now()
			o := store.Options{AddressHash: hash, BusyTimeout: 2 * time.Minute}
			old := open(t, dsn, o)
			i := fill(t, old, readers, now)
			plan(t, old, &i, now)

			var mu sync.Mutex
			mails := map[int64]int{}
			took := func(id int64) int {
				mu.Lock()
				defer mu.Unlock()
				mails[id]++
				return len(mails)
			}
			half, done := context.WithCancel(t.Context())
			sender := func(db *store.DB, worker string, most int) error {
				return sendAll(t.Context(), db, worker, now.Add(time.Minute), most, func(id int64) {
					if took(id) == 100 {
						done()
					}
				})
			}
			errs := map[string]error{}
			var wg sync.WaitGroup
			run := func(db *store.DB, worker string, most int) {
				wg.Go(func() {
					err := sender(db, worker, most)
					mu.Lock()
					defer mu.Unlock()
					errs[worker] = err
				})
			}
			run(old, "old", readers)
			<-half.Done() // it is in the middle of a batch, and all its statements are prepared
			newer := open(t, dsn, o.Next(dsn, nextSchema))
			run(newer, "newer", readers)
			run(open(t, dsn, o), "old, started anew", readers)
			wg.Wait()
			for worker, err := range errs {
				if err != nil {
					t.Errorf("%s: %v", worker, err)
				}
			}
			for id, n := range mails {
				if n != 1 {
					t.Errorf("reader %d got %d mails", id, n)
				}
			}
			counts, err := old.IssueCounts(t.Context(), i.ID)
			if err != nil || counts["accepted"] != readers || len(mails) != readers {
				t.Errorf("%d readers got mail, on record are %v, %v", len(mails), counts, err)
			}
			for _, db := range []*store.DB{old, newer} {
				if err := db.CheckBooks(t.Context(), i.ID); err != nil {
					t.Error(err)
				}
			}
			if got, err := newer.Texts(t.Context(), `SELECT DISTINCT flavour FROM deliveries`); err != nil || len(got) != 1 || got[0] != "plain" {
				t.Errorf("new column has %v, %v", got, err)
			}
		})
	}
}

// sendAll sends what is due, most mails of it, one by one.
func sendAll(ctx context.Context, db *store.DB, worker string, now time.Time, most int, mail func(id int64)) error {
	for sent := 0; sent < most; {
		b, err := db.Lease(ctx, "main", worker, now)
		if err != nil || b == nil {
			return err
		}
		for k := range b.Deliveries {
			d := &b.Deliveries[k]
			if err := storetest.Intend(ctx, db, b, d, "k", now); err != nil {
				return err
			}
			if err := storetest.Hand(ctx, db, b, d, now); err != nil {
				return err
			}
			mail(d.Subscriber)
			sent++
			if err := storetest.Settle(ctx, db, b, d, mailer.Outcome{State: mailer.Accepted, Charged: true, Copies: d.Copies, Reply: mailer.Reply{Code: 250}}, now); err != nil {
				return err
			}
		}
		if err := db.Release(ctx, b, now); err != nil {
			return err
		}
	}
	return nil
}

// TestOldestProgram: a migration that older programs cannot work with says so, and they are refused from then on.
func TestOldestProgram(t *testing.T) {
	for name, make := range houses(t) {
		t.Run(name, func(t *testing.T) {
			dsn := make(t)
			open(t, dsn, store.Options{}).Close()
			o := store.Options{}.Next(dsn, nextSchema+breaksOlder)
			open(t, dsn, o).Close()
			db, err := store.Open(t.Context(), dsn, store.Options{})
			if err == nil {
				db.Close()
			}
			if !errors.Is(err, store.ErrNewer) || !strings.Contains(err.Error(), "its schema is 9000, for programs that know 9000 or later") {
				t.Errorf("an older program: %v", err)
			}
			open(t, dsn, o).Close()
		})
	}
}

// TestUpgradedTogether starts eight programs at once on a database that is a migration behind: one takes the step,
// which would fail if another one took it too, and all go on.
func TestUpgradedTogether(t *testing.T) {
	for name, make := range houses(t) {
		t.Run(name, func(t *testing.T) {
			dsn := make(t)
			open(t, dsn, store.Options{}).Close()
			o := store.Options{BusyTimeout: time.Minute}.Next(dsn, nextSchema+"INSERT INTO flavours (name, n) VALUES ('once', 1);\n")
			errs := make8(func(int) error {
				db, err := store.Open(t.Context(), dsn, o)
				if err != nil {
					return err
				}
				return db.Close()
			})
			for _, err := range errs {
				if err != nil {
					t.Error(err)
				}
			}
			db := open(t, dsn, o)
			if got, err := db.Texts(t.Context(), `SELECT name FROM flavours`); err != nil || len(got) != 1 {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

// make8 does something eight times at once.
func make8(do func(n int) error) []error {
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for n := range errs {
		wg.Go(func() { errs[n] = do(n) })
	}
	wg.Wait()
	return errs
}

// TestUpgradeUnderReader: a step that needs a table which somebody reads for long does not keep others waiting
// behind it for that long, and is taken once they are done.
func TestUpgradeUnderReader(t *testing.T) {
	dsn := storetest.FreshPostgres(t)
	db := open(t, dsn, store.Options{AddressHash: hash})
	fill(t, db, 3, time.Now())
	release, err := db.ReadFor(t.Context(), "subscribers")
	if err != nil {
		t.Fatal(err)
	}
	upgraded := make(chan error, 1)
	go func() {
		newer, err := store.Open(t.Context(), dsn, store.Options{}.Next(dsn, `ALTER TABLE subscribers ADD COLUMN mood TEXT NOT NULL DEFAULT '';`))
		if err == nil {
			err = newer.Close()
		}
		upgraded <- err
	}()
	slowest := time.Duration(0)
	for began := time.Now(); time.Since(began) < 5*time.Second; {
		start := time.Now()
		if _, err := db.SubscriberByID(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		slowest = max(slowest, time.Since(start))
	}
	select {
	case err := <-upgraded:
		t.Fatalf("it did not wait: %v", err)
	default:
	}
	release()
	if err := <-upgraded; err != nil {
		t.Error(err)
	}
	t.Logf("a read waited %s at most", slowest)
	if slowest > 5*time.Second {
		t.Errorf("a read waited %s", slowest)
	}
}
