package store_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/intake"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/subscribers"
)

// manyReaders adds readers 0 to n-1, of domains by number.
func manyReaders(t testing.TB, db *store.DB, n int, domain func(k int) string, now time.Time) {
	t.Helper()
	if _, err := db.AddStories(t.Context(), story(1), now); err != nil {
		t.Fatal(err)
	}
	var rows []subscribers.Row
	for k := range n {
		s := subscribers.NewSettings(fmt.Sprintf("%d@%s", k, domain(k)))
		s.Editions, s.Status = []string{"morning"}, subscribers.Active
		s.Sections = []subscribers.Follow{{Section: "world", Level: subscribers.Normal}}
		rows = append(rows, subscribers.Row{Settings: s, Given: subscribers.FieldEditions | subscribers.FieldStatus | subscribers.FieldSections})
		if len(rows) == 500 || k == n-1 {
			if _, err := db.ImportRows(t.Context(), rows, now); err != nil {
				t.Fatal(err)
			}
			rows = rows[:0]
		}
	}
}

// sendIssue opens an issue and has a relay take all of it.
func sendIssue(t testing.TB, db *store.DB, now time.Time) digest.Issue {
	t.Helper()
	i, err := db.BeginIssue(t.Context(), digest.Issue{Edition: "morning", Slot: now.UTC().Format("2006-01-02 15:04"), Zone: "UTC", Due: now, Ends: now.Add(6 * time.Hour)}, now)
	if err != nil {
		t.Fatal(err)
	}
	plan(t, db, &i, now)
	for {
		b, err := db.Lease(t.Context(), "main", "w", now)
		if err != nil {
			t.Fatal(err)
		}
		if b == nil {
			return i
		}
		marks := make([]mailer.Mark, len(b.Deliveries))
		for _, step := range []mailer.Step{mailer.Intend, mailer.Hand, mailer.Settle} {
			for n := range marks {
				marks[n] = mailer.Mark{Step: step, Batch: b, Delivery: &b.Deliveries[n], KeyID: "k",
					Outcome: mailer.Outcome{State: mailer.Accepted, Charged: true, Copies: 1, Relay: "main", Reply: mailer.Reply{Code: 250, Text: "Ok"}}}
			}
			if err := db.Commit(t.Context(), marks, now); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Release(t.Context(), b, now); err != nil {
			t.Fatal(err)
		}
	}
}

// noMailbox has reports say of readers' mails that there is no such mailbox.
func noMailbox(t testing.TB, db *store.DB, i digest.Issue, now time.Time, ids ...int64) {
	t.Helper()
	var events []intake.Event
	for _, id := range ids {
		events = append(events, intake.Event{News: mailer.News{Class: mailer.Hard, Reason: "userunknown", Status: "5.1.1", Code: 550, Text: "No"}, Source: "pipe",
			Of: intake.Of{Edition: i.EditionID, Wall: i.Wall(), Subscriber: id}, Sure: true})
	}
	if _, err := db.TakeEvents(t.Context(), events, now); err != nil {
		t.Fatal(err)
	}
}

// TestLargeWave: 30 % of 10,000 readers of a domain are said not to be there, and 5 % of 10,000 of another are not.
func TestLargeWave(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	ctx, now := t.Context(), time.Date(2026, 4, 2, 6, 0, 0, 0, time.UTC)
	db := open(t, filepath.Join(t.TempDir(), "b.db"), store.Options{AddressHash: hash})
	const n = 20_000
	manyReaders(t, db, n, func(k int) string { return []string{"wave.example", "dirty.example"}[k%2] }, now)
	i := sendIssue(t, db, now)
	rnd := rand.New(rand.NewPCG(1, 1))
	var ids []int64 // readers count from 1: those of wave.example have odd numbers
	for k := range n {
		if id := int64(k + 1); id%2 == 1 && id%20 < 6 || id%40 == 2 {
			ids = append(ids, id)
		}
	}
	rnd.Shuffle(len(ids), func(a, b int) { ids[a], ids[b] = ids[b], ids[a] })
	began, longest := time.Now(), time.Duration(0)
	for k := 0; k < len(ids); k += 50 {
		start := time.Now()
		noMailbox(t, db, i, now, ids[k:min(k+50, len(ids))]...)
		longest = max(longest, time.Since(start))
	}
	t.Logf("%d bounces in %v, 50 of them in at most %v", len(ids), time.Since(began), longest)
	barred := make(map[string]int)
	for s, err := range db.Suppressions(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		barred[s.Address[len(s.Address)-len("dirty.example"):]]++
	}
	if barred["dirty.example"] != 500 || len(barred) != 1 {
		t.Errorf("barred: %v, want 500 of dirty.example", barred)
	}
	waves, err := db.Waves(ctx, time.Time{}, true, now)
	if err != nil || len(waves) != 1 || waves[0].Domain != "wave.example" || waves[0].Mails != n/2 || waves[0].Hard != 3000 {
		t.Errorf("%+v, %v", waves, err)
	}
}

// BenchmarkThirdMark measures what it costs to count how many of an issue's 100,000 mails are to a domain.
func BenchmarkThirdMark(b *testing.B) {
	for _, share := range []int{100, 2} { // every how many-th reader is of the domain
		b.Run(fmt.Sprint(share), func(b *testing.B) {
			now := time.Now()
			for b.Loop() {
				b.StopTimer()
				db := open(b, filepath.Join(b.TempDir(), "b.db"), store.Options{AddressHash: hash})
				manyReaders(b, db, 100_000, func(k int) string {
					if k%share == 0 {
						return "some.example"
					}
					return fmt.Sprintf("d%d.example", k%1000)
				}, now)
				i := sendIssue(b, db, now)
				noMailbox(b, db, i, now, 1, int64(share+1))
				var before, after syscall.Rusage
				_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
				b.StartTimer()
				noMailbox(b, db, i, now, int64(2*share+1))
				_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
				b.ReportMetric(float64(after.Utime.Nano()+after.Stime.Nano()-before.Utime.Nano()-before.Stime.Nano())/1e6, "cpu-ms")
			}
		})
	}
}
