package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/subscribers"

	"github.com/google/go-cmp/cmp"
)

func testSubscribers(t *testing.T, w *world) {
	ctx := t.Context()
	s := subscribers.Settings{Address: "Reader@Example.org", Name: "R", ExternalID: "x-1", Status: subscribers.Active,
		Sections: []subscribers.Follow{{Section: "world", Level: subscribers.Normal}, {Section: "sport", Level: subscribers.Less}, {Section: "opinion", Level: subscribers.Muted}},
		Editions: []string{"morning", "evening"}, Hour: 8, Days: []int{1, 5, 7}, Zone: "Europe/London", Language: "ar", Format: subscribers.Text,
		ConsentSource: "form", ConsentAt: time.Unix(0, 0).UTC()}
	added := w.reader(s)
	got, err := w.db.Subscriber(ctx, "READER@example.ORG")
	w.must(err)
	if d := cmp.Diff(added, got); d != "" {
		t.Fatal(d)
	}
	if d := cmp.Diff(s, got.Settings); d != "" {
		t.Fatal(d)
	}
	if _, err := w.db.AddSubscriber(ctx, s, "command", w.now()); !errors.Is(err, store.ErrTaken) {
		t.Fatalf("second of one address: %v", err)
	}
	if _, err := w.db.Subscriber(ctx, "none@example.org"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("unknown: %v", err)
	}
	w.pass(time.Hour)
	s.Hour, s.ConsentAt, s.Days = -1, time.Time{}, nil
	s.Sections = s.Sections[:1]
	if changed, err := w.db.ChangeSettings(ctx, added.ID, s, "reader", w.now()); err != nil || !changed {
		t.Fatal(changed, err)
	}
	if changed, err := w.db.ChangeSettings(ctx, added.ID, s, "reader", w.now()); err != nil || changed {
		t.Fatal(changed, err)
	}
	history, err := w.db.History(ctx, added.ID)
	w.must(err)
	if len(history) != 2 || history[1].By != "reader" || !history[1].At.Equal(w.now()) || !history[1].RealAt.Equal(w.machine()) {
		t.Fatalf("history %+v", history)
	}
	if d := cmp.Diff(s, history[1].Settings); d != "" {
		t.Fatal(d)
	}
	sections, err := w.db.FollowedSections(ctx)
	w.must(err)
	if d := cmp.Diff(map[string]int{"world": 1}, sections); d != "" {
		t.Fatal(d)
	}
	two := w.reader(settings(2))
	taken := settings(2)
	taken.Address = "reader@EXAMPLE.org"
	if _, err := w.db.ChangeSettings(ctx, two.ID, taken, "command", w.now()); !errors.Is(err, store.ErrTaken) {
		t.Fatalf("address of another: %v", err)
	}
	if history, _ := w.db.History(ctx, two.ID); len(history) != 1 {
		t.Fatal("a refused change left a row")
	}
	n := 0
	for _, err := range w.db.Subscribers(ctx, store.SubscriberFilter{Edition: "evening", Status: subscribers.Active}) {
		w.must(err)
		n++
	}
	if n != 1 {
		t.Fatalf("%d readers of evening", n)
	}
}

func testImport(t *testing.T, w *world) {
	ctx := t.Context()
	row := func(line int, address string, given subscribers.Fields, change func(s *subscribers.Settings)) subscribers.Row {
		s := subscribers.Settings{Address: address, Hour: -1}
		if change != nil {
			change(&s)
		}
		return subscribers.Row{Line: line, Settings: s, Given: given}
	}
	consent := func(s *subscribers.Settings) { s.ConsentSource = "form" }
	left := func(s *subscribers.Settings) { s.Status = subscribers.Unsubscribed }
	active := func(s *subscribers.Settings) { s.Status = subscribers.Active }
	follows := func(s *subscribers.Settings) {
		s.Editions, s.Sections = []string{"morning"}, []subscribers.Follow{{Section: "world", Level: subscribers.Normal}}
	}
	got, err := w.db.ImportRows(ctx, []subscribers.Row{
		row(2, "a@example.org", subscribers.FieldConsentSource, consent),
		row(3, "b@example.org", 0, nil),
		row(4, "c@example.org", subscribers.FieldStatus, left),
		row(5, "A@EXAMPLE.org", 0, nil),
		row(6, "c@example.org", subscribers.FieldStatus, active),
		row(7, "d@example.org", subscribers.FieldEditions|subscribers.FieldSections, follows),
	}, w.now())
	w.must(err)
	if d := cmp.Diff(store.Imported{New: 4, Same: 2, Suppressed: 1, Idle: 3}, got); d != "" {
		t.Fatal(d)
	}
	for address, want := range map[string]subscribers.Status{"a@example.org": subscribers.Active, "b@example.org": subscribers.Pending, "c@example.org": subscribers.Unsubscribed} {
		s, err := w.db.Subscriber(ctx, address)
		w.must(err)
		if s.Status != want || (s.Suppressed != nil) != (want == subscribers.Unsubscribed) {
			t.Fatalf("%s: %s, suppression %+v", address, s.Status, s.Suppressed)
		}
	}
	ids := w.readers(1200)
	if len(ids) != 1204 || !slices.IsSorted(ids) {
		t.Fatalf("%d readers", len(ids))
	}
}

func testPlaces(t *testing.T, w *world) {
	for n, zone := range []string{"", "Asia/Dubai", "", "Europe/London", "Asia/Dubai", "Europe/London"} {
		s := settings(n)
		s.Zone, s.Hour = zone, []int{-1, 7, -1, 8, 7, 6}[n]
		if n == 3 {
			s.Status = subscribers.Paused
		}
		w.reader(s)
	}
	got, err := w.db.Places(t.Context(), "morning")
	w.must(err)
	if d := cmp.Diff([]digest.Place{{Zone: "", Hour: -1}, {Zone: "Asia/Dubai", Hour: 7}, {Zone: "Europe/London", Hour: 6}}, got); d != "" {
		t.Fatal(d)
	}
	if got, err = w.db.Places(t.Context(), "unknown"); err != nil || len(got) != 0 {
		t.Fatal(got, err)
	}
}

func testSuppressions(t *testing.T, w *world) {
	ctx := t.Context()
	r := w.reader(settings(1))
	s := subscribers.Suppression{Address: "Reader1@example.org", Reason: "complaint", Note: "by letter"}
	if added, err := w.db.Suppress(ctx, s, w.now()); err != nil || !added {
		t.Fatal(added, err)
	}
	s.Reason = "operator"
	if added, err := w.db.Suppress(ctx, s, w.now()); err != nil || added {
		t.Fatal("barred twice", err)
	}
	got, err := w.db.SubscriberByID(ctx, r.ID)
	w.must(err)
	if got.Suppressed == nil || got.Suppressed.Reason != "complaint" || !got.Suppressed.At.Equal(w.now()) || got.Status != subscribers.Active {
		t.Fatalf("suppression %+v", got.Suppressed)
	}
	// An erased reader is known by the hash alone, and still barred after another import.
	var gone subscribers.SuppressionRow
	for s, err := range w.db.Suppressions(ctx) {
		w.must(err)
		gone.Hash, gone.Suppression = s.Hash, s.Suppression
	}
	lifted, err := w.db.LiftSuppression(ctx, "READER1@example.org", subscribers.ByOperator, "asked for it", w.now())
	if err != nil || !lifted {
		t.Fatal(lifted, err)
	}
	if again, err := w.db.LiftSuppression(ctx, "reader1@example.org", subscribers.ByOperator, "", w.now()); err != nil || again {
		t.Fatal("lifted twice", err)
	}
	gone.Address = ""
	if n, err := w.db.ImportSuppressions(ctx, []subscribers.SuppressionRow{gone, gone}, w.now()); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if got, err = w.db.Subscriber(ctx, "reader1@example.org"); err != nil || got.Suppressed == nil {
		t.Fatal("not barred by the hash", err)
	}
	w.tell("world", 1)
	i := w.openIssue("morning", "2026-04-02")
	w.want(i, r.ID, mailer.Suppressed, "complaint")
	bare, err := store.Open(ctx, w.dsn, store.Options{})
	w.must(err)
	defer bare.Close()
	if _, err := bare.Subscriber(ctx, "reader1@example.org"); !errors.Is(err, store.ErrNoKey) {
		t.Fatalf("without a key: %v", err)
	}
}

func testKey(t *testing.T, w *world) {
	ctx := t.Context()
	w.must(w.db.CheckKey(ctx, "one"))
	w.must(w.db.CheckKey(ctx, "one"))
	if err := w.db.CheckKey(ctx, "two"); !errors.Is(err, store.ErrKey) {
		t.Fatal(err)
	}
}

func testLookups(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(7)
	survey := func(want int) {
		t.Helper()
		n := 0
		w.must(w.db.Survey(ctx, w.issue("morning", "1"), digest.Audience{}, 3, func(c digest.Chunk) error {
			n += len(c.Readers())
			return nil
		}))
		if n != want {
			t.Fatalf("surveyed %d", n)
		}
	}
	survey(7)
	i, err := w.db.BeginIssue(ctx, w.issue("morning", "1"), w.now())
	w.must(err)
	_, err = w.db.WriteChunk(ctx, &i, digest.Audience{}, 4, w.now(), func(c digest.Chunk) ([]digest.Planned, error) {
		return w.plan(ctx, w.db, i, c, map[string]*digest.Digest{})
	})
	w.must(err)
	_, err = w.db.WriteChunk(ctx, &i, digest.Audience{}, 4, w.now(), func(c digest.Chunk) ([]digest.Planned, error) {
		return w.plan(ctx, w.db, i, c, map[string]*digest.Digest{})
	})
	w.must(err)
	w.must(w.db.FinishIssue(ctx, &i, 20*time.Minute, w.now()))
	if id, err := w.db.EditionID(ctx, "morning"); err != nil || id != i.EditionID {
		t.Fatal(id, err)
	}
	if id, err := w.db.EditionID(ctx, "none"); err != nil || id != 0 {
		t.Fatal(id, err)
	}
	if got, err := w.db.IssueBySlot(ctx, "morning", "1", "Europe/London", 7); err != nil || got.ID != i.ID {
		t.Fatal(got, err)
	}
	if _, err := w.db.IssueBySlot(ctx, "morning", "1", "Europe/London", 8); !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	if at, ok, err := w.db.SpreadUntil(ctx, i.EditionID, w.now()); err != nil || !ok || !at.Equal(w.now().Add(10*time.Minute)) {
		t.Fatal(at, ok, err)
	}
	if list, err := w.db.UnfinishedIssues(ctx, "morning"); err != nil || !slices.Equal(list, []int64{i.ID}) {
		t.Fatal(list, err)
	}
	other := store.OfEdition{DB: w.db, Number: i.EditionID + 1}
	if b, err := other.Lease(ctx, "main", "w1", w.now()); err != nil || b != nil {
		t.Fatal("leased for another edition", err)
	}
	if _, ok, err := other.NextDue(ctx, "main"); err != nil || ok {
		t.Fatal("another edition has nothing due", err)
	}
	if at, ok, err := (store.OfEdition{DB: w.db, Number: i.EditionID}).NextDue(ctx, "main"); err != nil || !ok || at.After(w.now()) {
		t.Fatal("the edition has mail due", at, ok, err)
	}
	only := store.Only{DB: w.db, Number: i.ID, Reader: ids[6]}
	if b, err := only.Lease(ctx, "other", "w1", w.now()); err != nil || b != nil {
		t.Fatal("leased for another relay", err)
	}
	b, err := only.Lease(ctx, "main", "w1", w.now())
	w.must(err)
	w.must(w.try(w.db, b, &b.Deliveries[0], refused))
	w.must(w.db.Release(ctx, b, w.now()))
	reasons, err := w.db.IssueReasons(ctx, i.ID)
	w.must(err)
	if d := cmp.Diff([]store.ReasonCount{{State: mailer.Failed, Reason: "dot 550", Readers: 1}}, reasons); d != "" {
		t.Fatal(d)
	}
	w.pass(20 * time.Minute)
	w.sendAll(accepted)
	if list, err := w.db.UnfinishedIssues(ctx, "morning"); err != nil || len(list) != 0 {
		t.Fatal(list, err)
	}
	if _, ok, err := w.db.SpreadUntil(ctx, i.EditionID, w.now()); err != nil || ok {
		t.Fatal("something is still to come", err)
	}
}
