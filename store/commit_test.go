package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/store/storetest"
)

// TestWhoIsWaitedFor has a group wait for those with mails in hand, and a lone caller for nobody.
func TestWhoIsWaitedFor(t *testing.T) {
	ctx, now := t.Context(), time.Now()
	db := open(t, filepath.Join(t.TempDir(), "b.db"), store.Options{AddressHash: hash})
	i := fill(t, db, 20, now)
	plan(t, db, &i, now)
	b, err := db.Lease(ctx, "main", "w", now)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		d := &b.Deliveries[n]
		for _, err := range []error{storetest.Intend(ctx, db, b, d, "k", now), storetest.Hand(ctx, db, b, d, now), storetest.Settle(ctx, db, b, d, taken250(d), now)} {
			if err != nil || db.Expected() != 1 {
				t.Fatalf("alone, %d are waited for (%v)", db.Expected(), err)
			}
		}
	}
	var calls [][]mailer.Mark
	for n := 3; n < 11; n++ {
		calls = append(calls, []mailer.Mark{{Step: mailer.Intend, Batch: b, Delivery: &b.Deliveries[n]}})
	}
	if err := db.CommitTogether(now, calls...); err != nil {
		t.Fatal(err)
	}
	if n := db.InHand(); n != 8 {
		t.Fatalf("%d are at work, not 8", n)
	}
	for n := range calls { // the same eight, whatever they say
		calls[n] = []mailer.Mark{{Step: mailer.Hand, Batch: b, Delivery: &b.Deliveries[3+n]}, {Step: mailer.Intend, Batch: b, Delivery: &b.Deliveries[11+n]}}
	}
	if err := db.CommitTogether(now, calls...); err != nil {
		t.Fatal(err)
	}
	if n := db.InHand(); n != 8 {
		t.Fatalf("%d are at work, not 8", n)
	}
	db.ForgetCallers() // as after a long silence
	for n := range calls {
		calls[n] = []mailer.Mark{{Step: mailer.Hand, Batch: b, Delivery: &b.Deliveries[11+n]}}
	}
	if err := db.CommitTogether(now, calls...); err != nil {
		t.Fatal(err)
	}
	if n := db.InHand(); n != 8 {
		t.Fatalf("%d are at work behind a silence, not 8", n)
	}
	calls = nil
	for n := 3; n < 19; n++ {
		d := &b.Deliveries[n]
		calls = append(calls, []mailer.Mark{{Step: mailer.Settle, Batch: b, Delivery: d, Outcome: taken250(d)}})
	}
	if err := db.CommitTogether(now, calls...); err != nil {
		t.Fatal(err)
	}
	if n := db.InHand(); n != 0 {
		t.Fatalf("%d are at work, all are done", n)
	}
}

// TestLedgerHeldByAnother has another program hold the database for longer than writes wait. Callers
// are told, what they had to say is not lost, and nothing counts as handed before it is.
func TestLedgerHeldByAnother(t *testing.T) {
	const callers = 8
	now := time.Now()
	path := filepath.Join(t.TempDir(), "b.db")
	db := open(t, path, store.Options{AddressHash: hash, BusyTimeout: 20 * time.Millisecond})
	i := fill(t, db, callers, now)
	plan(t, db, &i, now)
	b, err := db.Lease(t.Context(), "main", "w", now)
	if err != nil {
		t.Fatal(err)
	}
	for n := range b.Deliveries {
		if err := storetest.Intend(t.Context(), db, b, &b.Deliveries[n], "k", now); err != nil {
			t.Fatal(err)
		}
	}
	letGo := storetest.Hold(t, path)
	gone, cancel := context.WithCancel(t.Context())
	cancel() // what is said is taken in though the caller has been told to stop
	var refused, done sync.WaitGroup
	refused.Add(callers)
	for n := range callers {
		d := &b.Deliveries[n]
		done.Go(func() {
			say := func(m mailer.Mark) {
				m.Batch, m.Delivery = b, d
				told := m.Step != mailer.Hand
				for {
					marks := []mailer.Mark{m}
					err := db.Commit(gone, marks, now)
					if err == nil && marks[0].Err == nil {
						return
					}
					if !errors.Is(err, store.ErrBusy) {
						t.Errorf("commit: %v, %v", err, marks[0].Err)
						return
					}
					if d.State != mailer.Sending {
						t.Errorf("handed though nothing could be written: %+v", *d)
					}
					if !told {
						told = true
						refused.Done()
					}
				}
			}
			say(mailer.Mark{Step: mailer.Hand})
			say(mailer.Mark{Step: mailer.Settle, Outcome: taken250(d)})
		})
	}
	refused.Wait()
	if counts, err := db.IssueCounts(t.Context(), i.ID); err != nil || counts["sending"] != callers {
		t.Errorf("while it is held: %v, %v", counts, err)
	}
	letGo()
	done.Wait()
	counts, err := db.IssueCounts(t.Context(), i.ID)
	if err != nil || counts["accepted"] != callers {
		t.Fatal(counts, err)
	}
	for n := range b.Deliveries {
		if d := b.Deliveries[n]; d.Copies != 1 || d.Attempts != 1 {
			t.Errorf("%+v", d)
		}
	}
}

// TestLedgerFull has many connections meet a full disk in the middle of a run. They go on where they
// were once there is room, and nobody gets two.
func TestLedgerFull(t *testing.T) {
	storetest.AboutSQLite(t, "a file that may not grow")
	const callers, readers = 8, 200
	now := time.Now()
	path := filepath.Join(t.TempDir(), "b.db")
	db := open(t, path, store.Options{AddressHash: hash})
	i := fill(t, db, readers, now)
	plan(t, db, &i, now)
	db.Close()
	db = open(t, path, store.Options{AddressHash: hash, Pragmas: []string{"max_page_count(1)"}}) // as many as there are
	work := make(chan mailer.Mark, readers)
	b, err := db.Lease(t.Context(), "main", "w", now)
	if err != nil {
		t.Fatal(err)
	}
	for n := range b.Deliveries {
		work <- mailer.Mark{Batch: b, Delivery: &b.Deliveries[n], KeyID: "k"}
	}
	close(work)
	var mu sync.Mutex
	full := false
	room := sync.OnceFunc(func() {
		full = true
		if err := db.MakeRoom(); err != nil {
			t.Error(err)
		}
	})
	copies := make(map[int64]int)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for m := range work {
				for _, step := range []mailer.Step{mailer.Intend, mailer.Hand, mailer.Settle} {
					m.Step = step
					m.Outcome = taken250(m.Delivery)
					m.Outcome.Reply.Text = strings.Repeat("words of the relay that are different for each reader ", 9) + m.Delivery.Address
					for {
						marks := []mailer.Mark{m}
						err := db.Commit(t.Context(), marks, now)
						if err == nil && marks[0].Err == nil {
							break
						}
						if !errors.Is(err, store.ErrFull) {
							t.Errorf("commit: %v, %v", err, marks[0].Err)
							return
						}
						room()
					}
					if step == mailer.Hand {
						mu.Lock()
						copies[m.Delivery.Subscriber]++
						mu.Unlock()
					}
				}
			}
		})
	}
	wg.Wait()
	counts, err := db.IssueCounts(t.Context(), i.ID)
	if err != nil || counts["accepted"] != readers || len(copies) != readers || !full {
		t.Fatal(counts, err, len(copies), full)
	}
	if err := db.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}
