package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"broadsheet/intake"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/store/storetest"
)

// TestOneFails: what cannot be put on record of one reader stops neither a log nor a provider's other
// reports, and an error of the database leaves nothing out.
func TestOneFails(t *testing.T) {
	ctx, now := t.Context(), time.Date(2026, 4, 2, 6, 0, 0, 0, time.UTC)
	path := filepath.Join(t.TempDir(), "b.db")
	db := open(t, path, store.Options{AddressHash: hash})
	manyReaders(t, db, 6, func(int) string { return "some.example" }, now)
	i := sendIssue(t, db, now)
	cure := storetest.Poison(t, path, "events", "NEW.subscriber IN (2, 5)", "poison")
	event := func(subscriber int64) intake.Event {
		return intake.Event{News: mailer.News{Class: mailer.Soft, Reason: "mailboxfull", At: now}, Source: "log", Relay: "main", Sure: true,
			Of: intake.Of{Edition: i.EditionID, Wall: i.Wall(), Subscriber: subscriber}}
	}
	var lines []store.LogLine
	var reports []intake.Reported
	for id := int64(1); id <= 3; id++ {
		lines = append(lines, store.LogLine{Event: event(id), Seen: now, Place: store.LogPlace{Offset: 100 * id}})
		reports = append(reports, intake.Reported{Relay: "main", ID: string(rune('0' + id)), Events: []intake.Event{event(id + 3)}})
	}
	end := store.LogPlace{File: "1", Offset: 400}
	taken, err := db.TakeLog(ctx, "main", "log", lines, end, now)
	if err != nil || taken.New != 2 || len(taken.Failed) != 1 {
		t.Errorf("log: %+v, %v", taken, err)
	}
	if got, err := db.LogPlace(ctx, "log"); got != end || err != nil {
		t.Errorf("read to %+v, %v", got, err)
	}
	told, err := db.TakeReports(ctx, reports, now)
	if err != nil {
		t.Fatal(err)
	}
	for n, r := range told {
		if (r.Err != nil) != (n == 1) || r.Err == nil && r.Effect != "bounced, soft mark" {
			t.Errorf("report %d: %+v", n, r)
		}
	}
	if told, err = db.TakeReports(ctx, reports, now); err != nil || !told[0].Again || told[1].Err == nil || !told[2].Again {
		t.Errorf("again: %+v, %v", told, err)
	}
	counts, err := db.IssueCounts(ctx, i.ID)
	if err != nil || counts[string(mailer.Bounced)] != 4 || counts[string(mailer.Accepted)] != 2 {
		t.Errorf("%v, %v", counts, err)
	}
	cure()
	if _, err := storetest.Raw(t, path).Exec(`ALTER TABLE log_positions RENAME TO gone`); err != nil {
		t.Fatal(err)
	}
	if taken, err := db.TakeLog(ctx, "main", "log", lines, end, now); err == nil {
		t.Errorf("without a table: %+v", taken)
	}
}
