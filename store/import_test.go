package store_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/subscribers"
)

// TestImportIsAsOneByOne: rows that come together leave the same readers and counts as the same rows one at a time,
// though new ones go on record together on PostgreSQL: readers who are known, barred, away or twice in a file among them.
func TestImportIsAsOneByOne(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		importBothWays(t, func() string { return filepath.Join(t.TempDir(), "b.db") })
	})
	t.Run("postgres", func(t *testing.T) { importBothWays(t, func() string { return storetest.FreshPostgres(t) }) })
}

func importBothWays(t *testing.T, fresh func() string) {
	ctx, now := t.Context(), time.Date(2026, 4, 2, 6, 0, 0, 0, time.UTC)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 7))
	var rows []subscribers.Row
	const all = subscribers.FieldEditions | subscribers.FieldStatus | subscribers.FieldSections | subscribers.FieldName |
		subscribers.FieldHour | subscribers.FieldDays | subscribers.FieldZone | subscribers.FieldConsentSource | subscribers.FieldConsentAt
	for n := range 150 {
		s := subscribers.NewSettings(fmt.Sprintf("R%d@Reader.example", rnd.IntN(100)))
		s.Status = []subscribers.Status{subscribers.Active, subscribers.Active, subscribers.Pending, subscribers.Paused, subscribers.Unsubscribed}[rnd.IntN(5)]
		s.Name = []string{"", "Ann\x00e", "Br\xffn", `\u0000 "quoted"`}[rnd.IntN(4)]
		s.Editions = [][]string{nil, {"morning"}, {"evening", "morning"}}[rnd.IntN(3)]
		s.Zone, s.Hour, s.Days = "Asia/Tokyo", rnd.IntN(24), []int{1, 3}
		if rnd.IntN(3) > 0 {
			s.Sections = []subscribers.Follow{{Section: "world", Level: subscribers.Normal}, {Section: "sport", Level: subscribers.Muted}}
		}
		if rnd.IntN(2) == 0 {
			s.ConsentAt, s.ConsentSource = now.Add(-time.Hour), "form"
		}
		rows = append(rows, subscribers.Row{Line: n + 2, Settings: s, Given: all})
	}
	said := func(together int) (counts string, readers map[string]string) {
		db := open(t, fresh(), store.Options{AddressHash: hash, Now: func() time.Time { return now }})
		for n := range 5 {
			_, err := db.Suppress(ctx, subscribers.Suppression{Address: fmt.Sprintf("r%d@reader.example", n), Reason: "hard_bounce", At: now}, now)
			if err != nil {
				t.Fatal(err)
			}
		}
		var done store.Imported
		for n := 0; n < len(rows); n += together {
			d, err := db.ImportRows(ctx, rows[n:min(n+together, len(rows))], now)
			if err != nil {
				t.Fatal(err)
			}
			done.Add(d)
		}
		readers = map[string]string{}
		for s, err := range db.Subscribers(ctx, store.SubscriberFilter{}) {
			if err != nil {
				t.Fatal(err)
			}
			bar := ""
			if s.Suppressed != nil {
				bar = s.Suppressed.Reason
			}
			readers[s.Address] = fmt.Sprintf("%+v %v %s", s.Settings, s.Created, bar) // who comes together may be numbered in another order
		}
		b, err := db.ReaderBalance(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%+v\n%d\n%+v", done, b.Now, b.Sections), readers
	}
	one, readers := said(1)
	together, others := said(len(rows))
	if d := cmp.Diff(one, together) + cmp.Diff(readers, others); d != "" {
		t.Error(d)
	}
}
