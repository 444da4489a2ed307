package store_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/subscribers"
)

// hash stands in for a keyed one.
func hash(folded string) (h subscribers.Hash) {
	copy(h[:], fmt.Sprintf("%-16s", folded))
	return h
}

// fill puts n readers, a story and an open issue with their deliveries on record.
func fill(t testing.TB, db *store.DB, n int, now time.Time) digest.Issue {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := db.AddStories(ctx, story(1), now)
	must(err)
	var rows []subscribers.Row
	for k := range n {
		s := subscribers.NewSettings(fmt.Sprintf("%d@example.org", k))
		s.Editions, s.Status = []string{"morning"}, subscribers.Active
		s.Sections = []subscribers.Follow{{Section: "world", Level: subscribers.Normal}, {Section: "sport", Level: subscribers.Less}}
		rows = append(rows, subscribers.Row{Settings: s, Given: subscribers.FieldEditions | subscribers.FieldStatus | subscribers.FieldSections})
		if len(rows) == 500 || k == n-1 {
			_, err := db.ImportRows(ctx, rows, now)
			must(err)
			rows = rows[:0]
		}
	}
	i, err := db.BeginIssue(ctx, digest.Issue{Edition: "morning", Slot: "1", Zone: "UTC", Due: now, Ends: now.Add(6 * time.Hour)}, now)
	must(err)
	return i
}

func plan(t testing.TB, db *store.DB, i *digest.Issue, now time.Time) {
	t.Helper()
	d := &digest.Digest{Key: "k", Items: []digest.Item{{Story: 1, Revision: 1, Section: "world"}},
		Pieces: []digest.Piece{{Fragment: &digest.Fragment{Body: []byte("text\r\n")}}}}
	for done := false; !done; {
		var err error
		done, err = db.WriteChunk(t.Context(), i, digest.Audience{}, 500, now, func(c digest.Chunk) (list []digest.Planned, err error) {
			if _, err := c.Seen(t.Context(), now.Add(-time.Hour), false); err != nil {
				return nil, err
			}
			for _, r := range c.Readers() {
				list = append(list, digest.Planned{Subscriber: r.Subscriber, SettingsID: r.SettingsID, Digest: d, State: "queued", WindowEnd: 1, Relay: "main"})
			}
			return list, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.FinishIssue(t.Context(), i, 0, now); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkPlan(b *testing.B) {
	const n = 100_000
	now := time.Now()
	for b.Loop() {
		b.StopTimer()
		db := open(b, filepath.Join(b.TempDir(), "b.db"), store.Options{AddressHash: hash})
		i := fill(b, db, n, now)
		b.StartTimer()
		plan(b, db, &i, now)
		b.StopTimer()
		db.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n/float64(b.N), "ns/delivery")
}

// benchLedger opens an issue of n deliveries and says at the end what the ledger did. The
// benchmark's time for one turn is that of one delivery.
func benchLedger(b *testing.B, n int) (*store.DB, time.Time) {
	now := time.Now()
	db := open(b, filepath.Join(b.TempDir(), "b.db"), store.Options{AddressHash: hash})
	i := fill(b, db, n, now)
	plan(b, db, &i, now)
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	began := time.Now()
	b.Cleanup(func() {
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
		s, d := db.Stats(), float64(b.N)
		cpu := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
		b.ReportMetric(float64(cpu.Nanoseconds())/1e3/d, "cpu-µs/delivery")
		b.ReportMetric(d/time.Since(began).Seconds(), "deliveries/s")
		b.ReportMetric(float64(s.Commits), "commits")
		b.ReportMetric(float64(s.Calls)/float64(max(s.Commits, 1)), "calls/commit")
		b.ReportMetric(float64(s.Sync.Microseconds())/d, "sync-µs/delivery")
		b.ReportMetric(float64(s.Commit.Microseconds())/d, "COMMIT-µs/delivery")
	})
	return db, now
}

func taken250(d *mailer.Delivery) mailer.Outcome {
	return mailer.Outcome{State: mailer.Accepted, Charged: true, Copies: 1, Relay: "main", Reply: mailer.Reply{Code: 250, Text: "Ok: queued as 4XyZ12abcd"}}
}

// source gives deliveries of leased batches to many, n at a time.
type source struct {
	mu    sync.Mutex
	db    *store.DB
	now   time.Time
	batch *mailer.Batch
	next  int
	left  int
}

func (s *source) draw(ctx context.Context, n int) (b *mailer.Batch, list []mailer.Delivery, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n = min(n, s.left); n <= 0 {
		return nil, nil, nil
	}
	if s.batch == nil || s.next == len(s.batch.Deliveries) {
		if s.batch, err = s.db.Lease(ctx, "main", "w", s.now); err != nil || s.batch == nil {
			return nil, nil, cmp.Or(err, errors.New("out of deliveries"))
		}
		s.next = 0
	}
	list = s.batch.Deliveries[s.next:min(s.next+n, len(s.batch.Deliveries))]
	s.next += len(list)
	s.left -= len(list)
	return s.batch, list, nil
}

// BenchmarkSlices is one caller that leases, intends, hands and settles 50 at a time.
func BenchmarkSlices(b *testing.B) {
	db, now := benchLedger(b, max(b.N, 1))
	s := source{db: db, now: now, left: b.N}
	for {
		batch, list, err := s.draw(b.Context(), 50)
		if err != nil {
			b.Fatal(err)
		}
		if list == nil {
			return
		}
		for _, step := range []mailer.Step{mailer.Intend, mailer.Hand, mailer.Settle} {
			marks := make([]mailer.Mark, len(list))
			for k := range list {
				marks[k] = mailer.Mark{Step: step, Batch: batch, Delivery: &list[k], KeyID: "k", Outcome: taken250(&list[k])}
			}
			if err := db.Commit(b.Context(), marks, now); err != nil || marks[0].Err != nil {
				b.Fatal(err, marks[0].Err)
			}
		}
	}
}

// BenchmarkInDoubt1 has connections that hand one message at a time: each call settles one,
// hands the next and intends the one after.
func BenchmarkInDoubt1(b *testing.B) {
	for _, connections := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(connections), func(b *testing.B) {
			db, now := benchLedger(b, b.N)
			s := source{db: db, now: now, left: b.N}
			var wg sync.WaitGroup
			for range connections {
				wg.Go(func() {
					var settle, hand, intend mailer.Mark
					for {
						batch, list, err := s.draw(b.Context(), 1)
						if err != nil {
							b.Error(err)
							return
						}
						intend = mailer.Mark{}
						if list != nil {
							intend = mailer.Mark{Step: mailer.Intend, Batch: batch, Delivery: &list[0], KeyID: "k"}
						}
						var marks []mailer.Mark
						for _, m := range []mailer.Mark{settle, hand, intend} {
							if m.Batch != nil {
								marks = append(marks, m)
							}
						}
						if len(marks) == 0 {
							return
						}
						if err := db.Commit(b.Context(), marks, now); err != nil {
							b.Error(err)
							return
						}
						settle, hand = mailer.Mark{}, intend
						for _, m := range marks {
							if m.Err != nil {
								b.Error(m.Err)
								return
							}
							if m.Step == mailer.Hand {
								settle = mailer.Mark{Step: mailer.Settle, Batch: m.Batch, Delivery: m.Delivery, Outcome: taken250(m.Delivery)}
							}
						}
						hand.Step = mailer.Hand
					}
				})
			}
			wg.Wait()
		})
	}
}

func BenchmarkLease(b *testing.B) {
	db, now := benchLedger(b, b.N)
	for n := 0; n < b.N; {
		batch, err := db.Lease(b.Context(), "main", "w", now)
		if err != nil || batch == nil {
			b.Fatal("out of deliveries", err)
		}
		n += len(batch.Deliveries)
	}
}
