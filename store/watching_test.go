package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/subscribers"
)

// TestReaderBalance changes readers at random between reports, in every way in which they come and go: each
// balance closes, as a whole and by section, begins where the last one ended, and its end is what is counted
// reader by reader.
func TestReaderBalance(t *testing.T) {
	ctx, now := t.Context(), time.Date(2026, 4, 2, 6, 0, 0, 0, time.UTC)
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 13))
	t.Logf("seed %d", seed)
	db := open(t, filepath.Join(t.TempDir(), "b.db"), store.Options{AddressHash: sealed})
	sections := []string{"world", "sport", "arts", "local"}
	follows := func() (list []subscribers.Follow) {
		for _, s := range sections {
			if rnd.IntN(2) == 0 {
				list = append(list, subscribers.Follow{Section: s, Level: []subscribers.Level{subscribers.Normal, subscribers.Less, subscribers.Muted}[rnd.IntN(3)]})
			}
		}
		return list
	}
	var ids []int64
	check := func(err error) {
		t.Helper()
		if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrTaken) && !errors.Is(err, store.ErrErased) && !errors.Is(err, subscribers.ErrNotActive) {
			t.Fatal(err)
		}
	}
	change := func() {
		now = now.Add(time.Minute)
		if len(ids) == 0 || rnd.IntN(3) == 0 {
			status := subscribers.Active
			if rnd.IntN(4) == 0 {
				status = subscribers.Pending
			}
			s, err := db.AddSubscriber(ctx, subscribers.Settings{Address: fmt.Sprintf("r%d@reader.example", len(ids)), Status: status, Hour: -1,
				Sections: follows(), Editions: []string{"morning"}}, []string{"reader", "import"}[rnd.IntN(2)], now)
			check(err)
			ids = append(ids, s.ID)
			return
		}
		id := ids[rnd.IntN(len(ids))]
		s, err := db.SubscriberByID(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			return
		}
		check(err)
		settings := s.Settings
		switch rnd.IntN(8) {
		case 0:
			settings.Status = subscribers.Paused
			_, err = db.ChangeSettings(ctx, id, settings, "reader", now)
		case 1, 2:
			settings.Status = subscribers.Active
			_, err = db.ChangeSettings(ctx, id, settings, "reader", now)
		case 3, 4:
			settings.Sections = follows()
			_, err = db.ChangeSettings(ctx, id, settings, "reader", now)
		case 5:
			_, err = db.LeaveAll(ctx, id, "reader", "", now)
		case 6:
			if rnd.IntN(2) == 0 {
				_, err = db.Suppress(ctx, subscribers.Suppression{Address: s.Address, Reason: "hard_bounce", At: now}, now)
			} else {
				_, err = db.LiftSuppression(ctx, s.Address, subscribers.ByOperator, "mistaken", now)
			}
		case 7:
			err = db.Erase(ctx, id, now)
		}
		if err != nil && strings.Contains(err.Error(), "lift") {
			return // there is none, or no way back
		}
		check(err)
	}
	reasons := map[string]bool{}
	last := map[string]int{}
	missing := func() string {
		for _, want := range []string{"reader", "import", "confirmed", "paused", "paused before", "unsubscribed", "hard_bounce", "erased"} {
			if !reasons[want] {
				return want
			}
		}
		return ""
	}
	more := func(round int) bool { // chance may leave a rare reason out of the first twelve
		if testing.Short() {
			return round < 5
		}
		return round < 12 || round < 200 && missing() != ""
	}
	for round := 0; more(round); round++ {
		for range rnd.IntN(60) {
			change()
		}
		b, err := db.ReaderBalance(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range slices.Concat(b.Joined, b.Back, b.Left) {
			reasons[f.Reason] = true
		}
		if b.Before+store.Sum(b.Joined)+store.Sum(b.Back)-store.Sum(b.Left) != b.Now {
			t.Errorf("round %d does not close: %+v", round, b)
		}
		now2 := map[string]int{}
		for s, err := range db.Subscribers(ctx, store.SubscriberFilter{}) {
			if err != nil {
				t.Fatal(err)
			}
			if s.Status != subscribers.Active || s.Suppressed != nil {
				continue
			}
			now2[""]++
			for _, f := range s.Sections {
				if f.Level != subscribers.Muted {
					now2[f.Section]++
				}
			}
		}
		if b.Now != now2[""] || round > 0 && b.Before != last[""] {
			t.Errorf("round %d: from %d to %d readers, and they were %d and are %d", round, b.Before, b.Now, last[""], now2[""])
		}
		for _, s := range b.Sections {
			if s.Before+s.Joined+s.Back+s.Followed-s.Left-s.Dropped != s.Now || s.Now != now2[s.Section] || round > 0 && s.Before != last[s.Section] {
				t.Errorf("round %d: %+v, and it had %d and has %d", round, s, last[s.Section], now2[s.Section])
			}
		}
		again, err := db.ReaderBalance(ctx)
		if err != nil || store.Sum(again.Joined) != store.Sum(b.Joined) || again.Now != b.Now {
			t.Errorf("round %d: to look changes it: %+v, %v", round, again, err)
		}
		day := time.Date(2026, 4, 1+round, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		mail := []store.ReportMail{{Day: day, Recipient: "desk@lantern.example", Subject: "s", Text: "t", HTML: "h"}}
		for n, want := range []bool{true, false} { // once a day
			if written, err := db.WriteReport(ctx, mail, b, now); err != nil || written != want {
				t.Fatalf("round %d, try %d: %v, %v", round, n, written, err)
			}
		}
		last = now2
	}
	if want := missing(); want != "" && !testing.Short() {
		t.Errorf("nobody came or went for %q: %v", want, reasons)
	}
}

// TestReady: the database says itself whether it can be written: not while another holds it, not when it is
// closed; and it is well again by itself.
func TestReady(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "b.db")
	db := open(t, path, store.Options{BusyTimeout: 20 * time.Millisecond})
	if err := db.Ready(ctx); err != nil || db.Trouble() != nil {
		t.Fatal(err)
	}
	letGo := storetest.Hold(t, path)
	if err := db.Ready(ctx); !errors.Is(err, store.ErrBusy) || db.Trouble() == nil {
		t.Errorf("locked: %v, %v", err, db.Trouble())
	}
	letGo()
	if err := db.Ready(ctx); err != nil || db.Trouble() != nil {
		t.Errorf("let go: %v, %v", err, db.Trouble())
	}
	db.Close()
	if err := db.Ready(ctx); err == nil {
		t.Error("closed, and ready")
	}
}

func TestReadyWhenFull(t *testing.T) {
	storetest.AboutSQLite(t, "a file that may not grow")
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "b.db")
	open(t, path, store.Options{}).Close()
	full := open(t, path, store.Options{Pragmas: []string{"max_page_count(1)"}})
	var failed error
	for n := 0; failed == nil && n < 1000; n++ {
		_, failed = full.AddStories(context.Background(), story(n), time.Now())
	}
	if trouble := full.Trouble(); trouble == nil || !errors.Is(trouble.Err, store.ErrFull) {
		t.Fatalf("full: %v, %v", failed, trouble)
	}
	if err := full.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if full.Trouble() == nil {
		t.Error("a write that changes nothing says that there is room")
	}
}

// TestFindings: since when a thing is as it is stays until it changes.
func TestFindings(t *testing.T) {
	clock := time.Date(2026, 4, 2, 6, 0, 0, 0, time.UTC)
	db := open(t, filepath.Join(t.TempDir(), "b.db"), store.Options{Now: func() time.Time { return clock }})
	find := func(ok bool) store.Finding {
		clock = clock.Add(time.Minute)
		if err := db.Find(t.Context(), "x", ok, "said"); err != nil {
			t.Fatal(err)
		}
		found, err := db.Findings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return found["x"]
	}
	first, second, third, fourth := find(true), find(true), find(false), find(false)
	if !second.Since.Equal(first.Since) || !second.At.Equal(clock.Add(-2*time.Minute)) || !third.Since.Equal(third.At) || !fourth.Since.Equal(third.Since) || fourth.OK {
		t.Errorf("%+v\n%+v\n%+v\n%+v", first, second, third, fourth)
	}
}
