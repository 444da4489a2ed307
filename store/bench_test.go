package store_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/store/storetest"
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

func BenchmarkSend(b *testing.B) {
	now := time.Now()
	db := open(b, filepath.Join(b.TempDir(), "b.db"), store.Options{AddressHash: hash})
	i := fill(b, db, 20_000, now)
	plan(b, db, &i, now)
	var batch *mailer.Batch
	n := 0
	for b.Loop() {
		if batch == nil || n == len(batch.Deliveries) {
			var err error
			if batch, err = db.Lease(b.Context(), "main", "w", now); err != nil || batch == nil {
				b.Fatal("out of deliveries", err)
			}
			n = 0
		}
		d := &batch.Deliveries[n]
		n++
		o := mailer.Outcome{State: mailer.Accepted, Charged: true, Copies: 1, Reply: mailer.Reply{Code: 250, Text: "Ok: queued as 4XyZ12abcd"}}
		if err := errors.Join(storetest.Intend(b.Context(), db, batch, d, "k", now), storetest.Hand(b.Context(), db, batch, d, now), storetest.Settle(b.Context(), db, batch, d, o, now)); err != nil {
			b.Fatal(err)
		}
	}
}
