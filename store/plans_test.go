package store_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/intake"
	"broadsheet/mailer"
	"broadsheet/operators"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/subscribers"
)

// TestNothingScans does what a day's work does and asks SQLite how it finds the rows of each
// statement: no table that grows with readers, mails or stories may be read whole.
func TestNothingScans(t *testing.T) {
	storetest.AboutSQLite(t, "its plans")
	path := filepath.Join(t.TempDir(), "b.db")
	db := open(t, path, store.Options{AddressHash: hash})
	aDaysWork(t, db)
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	parameter := regexp.MustCompile(`\?\d*`)
	statements := db.Statements()
	if len(statements) < 60 {
		t.Fatalf("only %d statements were seen", len(statements))
	}
	for _, query := range statements {
		if !regexp.MustCompile(`(?i)^\s*(select|insert|update|delete)`).MatchString(query) {
			continue
		}
		rows, err := raw.Query("EXPLAIN QUERY PLAN " + parameter.ReplaceAllString(query, "NULL"))
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			name, scan := strings.CutPrefix(detail, "SCAN ")
			if !scan || name == "CONSTANT ROW" || strings.HasSuffix(name, "-ROW VALUES CLAUSE") || strings.Contains(name, "VIRTUAL TABLE") || strings.HasPrefix(name, "(subquery") || strings.HasPrefix(name, "section_followers") ||
				strings.Contains(name, "batches_due") || // holds unfinished batches only
				name == "CONSTANT ROW" || name == "editions" || name == "feeds" || name == "mine" || name == "own" || name == "found" || // those of schedule.yaml; slots of editions, of which a slot is one day, and a reader's or a story's own, or what was found of them
				strings.HasPrefix(name, "slow_domains") || // what is slowed just now
				strings.HasPrefix(name, "issue_holds") || // what is held just now
				name == "leads" || strings.HasSuffix(name, "stories_withdrawn") || // what editors put first and took back
				name == "found" || // that stand beside a LIMIT
				name == "journals" || name == "handed_before" || // a few files, and what a backup lacked
				strings.Contains(query, "slots s CROSS JOIN") || // a slot is one day
				strings.Contains(query, "SELECT EXISTS (SELECT 1 FROM suppressions)") {
				continue
			}
			t.Errorf("%s\n\t%s", detail, query)
		}
		rows.Close()
	}
}

// aDaysWork does what is done in a day.
func aDaysWork(t *testing.T, db *store.DB) {
	ctx, now := t.Context(), time.Now()
	i := fill(t, db, 3, now)
	if _, err := db.Suppress(ctx, subscribers.Suppression{Address: "9@example.org", Reason: "operator"}, now); err != nil {
		t.Fatal(err)
	}
	plan(t, db, &i, now)
	b, err := db.Lease(ctx, "main", "w", now)
	if err != nil {
		t.Fatal(err)
	}
	d := &b.Deliveries[0]
	o := mailer.Outcome{State: mailer.Failed, Charged: true, Hard: true, Reply: mailer.Reply{Code: 550, Text: "No"}}
	zoned, err := db.BeginIssue(ctx, digest.Issue{Edition: "morning", Slot: "2", Zone: "UTC", MinGap: time.Hour, Due: now, Ends: now.Add(time.Hour)}, now)
	if err != nil {
		t.Fatal(err)
	}
	_, chunk := db.WriteChunk(ctx, &zoned, digest.Audience{Zones: []string{""}, Hours: []int{-1}}, 9, now,
		func(digest.Chunk) ([]digest.Planned, error) { return nil, nil })
	_, places := db.Places(ctx, "morning")
	_, _, last := db.LastIssue(ctx, "morning", "UTC", -1)
	_, pool := db.Pool(ctx, now, 9)
	_, texts := db.Stories(ctx, []int64{1})
	_, dg := db.Digest(ctx, d.Digest)
	dgs := db.Digests(ctx, []int64{d.Digest}, func(int64, digest.Packed) error { return nil })
	_, fragments := db.Fragments(ctx, []int64{1})
	_, one := db.LeaseOne(ctx, i.ID, 2, "w", now)
	_, counts := db.IssueCounts(ctx, i.ID)
	_, _, due := db.NextDue(ctx, "main")
	_, who := db.Subscriber(ctx, "1@example.org")
	_, _, spread := db.SpreadUntil(ctx, 1, now)
	_, unfinished := db.UnfinishedIssues(ctx, "morning")
	_, reasons := db.IssueReasons(ctx, i.ID)
	_, bySlot := db.IssueBySlot(ctx, "morning", "1", "UTC", 0)
	_, history := db.History(ctx, 1)
	_, attempts := db.Attempts(ctx, 1)
	lookBack(t, db, i, now)
	followLog(t, db, i, now)
	lookUp(t, db, now)
	lookBehind(t, db, now)
	_, edited := db.EditReader(ctx, 2, subscribers.Edit{By: "reader", Notice: digest.NoticePaused, Do: func(s *subscribers.Settings) error {
		s.Pause(now)
		return nil
	}}, now)
	_, ended := db.EndPauses(ctx, now)
	left, leave := db.LeaveAll(ctx, 3, "reader", digest.NoticeLeft, now)
	_, undone := db.Undo(ctx, 3, left.Row, false, now)
	_, own := db.OwnData(ctx, 3, now)
	erase := db.Erase(ctx, 3, now)
	signUps(t, db, now)
	answers(t, db, now)
	reports(t, db, now)
	if err := errors.Join(storetest.Intend(ctx, db, b, d, "k", now), storetest.Hand(ctx, db, b, d, now), storetest.Settle(ctx, db, b, d, o, now), db.Renew(ctx, b),
		db.Release(ctx, b, now), chunk, places, last, pool, texts, dg, dgs, fragments, one, counts, due, who, spread, unfinished,
		reasons, bySlot, history, attempts, edited, ended, leave, undone, own, erase); err != nil {
		t.Fatal(err)
	}
	for _, f := range []store.DeliveryFilter{{}, {Issue: i.ID}, {Subscriber: 1}} {
		for _, err := range db.Deliveries(ctx, f) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := db.Recover(ctx, now); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Expire(ctx, now.Add(7*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Loads(ctx, 1, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Reassign(ctx, digest.NewRoutes([]schedule.Relay{{Name: "other", Weight: 1}, {Name: "second", Weight: 1}}), now); err != nil {
		t.Fatal(err)
	}
	if err := db.AddNotice(ctx, digest.Notice{Kind: digest.NoticeLink, Subscriber: 1, SettingsID: 1}, now); err != nil {
		t.Fatal(err)
	}
	if n, err := db.PostNotices(ctx, 9, now, planNotices); n < 1 || err != nil {
		t.Fatal(n, err)
	}
	if b, err := db.LeaseUrgent(ctx, "main", "w", now); b == nil || err != nil {
		t.Fatal(b, err)
	}
	if _, err := db.Suppress(ctx, subscribers.Suppression{Address: "1@example.org", Reason: "complaint"}, now); err != nil {
		t.Fatal(err)
	}
	if err := db.RetryDelivery(ctx, store.DeliveryID(d.Slot, d.Subscriber), operators.By{}, now); err != nil {
		t.Fatal(err)
	}
	stepIn(t, db, i, now)
	bouncesAndWaves(t, db, now)
}

// bouncesAndWaves takes in bounces and a wave of them, and looks at what came of it.
func bouncesAndWaves(t *testing.T, db *store.DB, now time.Time) {
	t.Helper()
	ctx := t.Context()
	manyReaders(t, db, 12, func(int) string { return "wave.example" }, now)
	var i digest.Issue
	var ids []int64
	for n := range 3 {
		i = sendIssue(t, db, now.Add(time.Duration(25*n)*time.Hour))
	}
	now = now.Add(51 * time.Hour)
	for s, err := range db.Subscribers(ctx, store.SubscriberFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(s.Address, "@wave.example") {
			ids = append(ids, s.ID)
		}
	}
	before, err := db.Issue(ctx, i.ID-1)
	if err != nil {
		t.Fatal(err)
	}
	noMailbox(t, db, before, now, ids[0]) // with the next, two that are far enough apart
	noMailbox(t, db, i, now, ids[:4]...)
	said := []intake.Event{{News: mailer.News{Class: mailer.Complained}, Of: intake.Of{Edition: i.EditionID, Wall: i.Wall(), Subscriber: ids[9]}, Sure: true},
		{News: mailer.News{Class: mailer.Arrived}, Of: intake.Of{Edition: i.EditionID, Wall: i.Wall(), Subscriber: ids[8]}, Sure: true}}
	_, taken := db.TakeEvents(ctx, said, now)
	told, tell := db.TellWaves(ctx)
	if len(told) != 1 {
		t.Errorf("told of %v", told)
	}
	_, open := db.Waves(ctx, now, true, now)
	_, apply := db.ApplyWave(ctx, operators.By{Who: "ann"}, i.ID, "wave.example", now)
	_, undo := db.UndoWave(ctx, operators.By{Who: "ann"}, i.ID, "wave.example", now)
	_, alone := db.UndoWave(ctx, operators.By{Who: "ann"}, before.ID, "wave.example", now)
	_, rates := db.Rates(ctx, store.RateQuery{Since: now, By: store.RateDomain})
	forget := db.ForgetRates(ctx, now.Add(500*24*time.Hour))
	if err := errors.Join(taken, tell, open, apply, undo, alone, rates, forget); err != nil {
		t.Fatal(err)
	}
}

// lookBack does what pages do that show what was sent.
func lookBack(t *testing.T, db *store.DB, i digest.Issue, now time.Time) {
	t.Helper()
	ctx := t.Context()
	past, found := db.Past(ctx, i.EditionID, i.Wall(), 1)
	if past.Issue = i; errors.Is(found, store.ErrNotFound) { // its slot "1" is no time
		found = nil
	}
	_, pasts := db.PastDigests(ctx, 1, now.Add(time.Hour), 20)
	_, before := db.SeenBefore(ctx, &past, now.Add(-time.Hour), false)
	_, of := db.PastDelivery(ctx, store.DeliveryID(i.SlotID, 1))
	_, headlines := db.Headlines(ctx, []int64{1})
	_, held := db.Embargoed(ctx, &i)
	_, holds := db.Embargoed(ctx, &digest.Issue{})
	_, slots := db.SlotKeys(ctx, "morning", "", 10)
	_, arrival := db.ArrivalAt(ctx, now)
	feed := db.SetPrivateFeed(ctx, 1, 77)
	_, feedOf := db.PrivateFeedOf(ctx, 77)
	_, feedNumber := db.PrivateFeed(ctx, 1)
	clicks := db.AddClicks(ctx, map[digest.Click]int64{{Edition: i.EditionID, Slot: i.Wall(), Story: 1}: 1})
	_, clicked := db.Clicks(ctx, &i)
	if err := errors.Join(found, pasts, before, of, headlines, held, holds, slots, arrival, feed, feedOf, feedNumber, clicks, clicked); err != nil {
		t.Fatal(err)
	}
}

// followLog does what comes of a relay's log.
func followLog(t *testing.T, db *store.DB, i digest.Issue, now time.Time) {
	t.Helper()
	ctx := t.Context()
	line := func(of intake.Of, c mailer.Class) store.LogLine {
		return store.LogLine{Seen: now, Event: intake.Event{News: mailer.News{Class: c, At: now}, Source: "log", Of: of, Relay: "main", Queue: "4XyZ12abcd", Sure: true}}
	}
	of := intake.Of{Edition: i.EditionID, Wall: i.Wall(), Subscriber: 2}
	next, gone := line(of, ""), line(of, "")
	next.Next, gone.Removed = "4XyZ12abce", true
	lines, ours := db.Ours(ctx, "main", []store.LogLine{line(intake.Of{}, mailer.Put), line(of, mailer.Put), next, gone})
	_, took := db.TakeLog(ctx, "main", "main: log", lines, store.LogPlace{File: "1"}, now)
	_, place := db.LogPlace(ctx, "main: log")
	_, forgotten := db.ForgetQueueIDs(ctx, now)
	_, delays := db.Delays(ctx, now)
	keep := db.KeepSlowDomains(ctx, []mailer.Slowed{{Name: "a.example"}}, []string{"b.example"}, now)
	_, slow := db.SlowDomains(ctx)
	if err := errors.Join(ours, took, place, forgotten, delays, keep, slow); err != nil {
		t.Fatal(err)
	}
}

// answers passes one on, and closes the tasks that came of it.
func answers(t *testing.T, db *store.DB, now time.Time) {
	t.Helper()
	ctx := t.Context()
	_, err := db.TakeIn(ctx, []intake.Entry{{Hash: [32]byte{7}, Source: "pipe", At: now, From: "1@example.org", Of: intake.Of{Subscriber: 1}, Forward: true, Task: intake.TaskLeave,
		Raw: []byte("x")}}, now)
	if err != nil {
		t.Fatal(err)
	}
	f, err := db.NextForward(ctx, now)
	if err != nil || f == nil {
		t.Fatal(f, err)
	}
	begin := db.BeginForward(ctx, f, now)
	settle := db.SettleForward(ctx, f, mailer.Outcome{State: mailer.Failed, Reason: "no"}, now)
	_, _, due := db.NextForwardDue(ctx)
	_, open := db.Tasks(ctx, true)
	_, all := db.Tasks(ctx, false)
	_, one := db.Task(ctx, 1)
	_, _, finish := db.FinishTask(ctx, operators.By{Who: "ann"}, 1, false, "done", now)
	_, reread := db.Reread(ctx, f.Inbound, &intake.Entry{Class: mailer.Answer, Forward: true, Task: intake.TaskLeave}, now)
	if err := errors.Join(reread, begin, settle, due, open, all, one, finish); err != nil {
		t.Fatal(err)
	}
}

// reports takes in what a provider says.
func reports(t *testing.T, db *store.DB, now time.Time) {
	t.Helper()
	event := intake.Event{News: mailer.News{Class: mailer.Arrived}, Source: "ses", Relay: "main", Queue: "0102-1", Sure: true}
	if _, err := db.TakeReports(t.Context(), []intake.Reported{{Relay: "main", ID: "1", Events: []intake.Event{event}}}, now); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ForgetReports(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Returned(t.Context(), now, 9); err != nil {
		t.Fatal(err)
	}
	if _, err := db.OnRecord(t.Context(), [32]byte{}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.SentTo(t.Context(), 1, 9); err != nil {
		t.Fatal(err)
	}
}

// lookUp does what an operator does to find readers, and acts on one.
func lookUp(t *testing.T, db *store.DB, now time.Time) {
	t.Helper()
	ctx, by := t.Context(), operators.By{Who: "ann", Why: "asked"}
	var errs []error
	for _, f := range []store.ReaderQuery{{}, {Address: "1"}, {Address: "@example.org"}, {Name: "a"}, {ExternalID: "x"}, {Status: "active"}, {Edition: "morning"}, {Section: "world"}} {
		_, err := db.FindReaders(ctx, f)
		errs = append(errs, err)
	}
	for _, f := range []store.BarQuery{{}, {Address: "1"}, {Reason: "operator"}} {
		_, err := db.FindSuppressions(ctx, f)
		errs = append(errs, err)
	}
	_, near := db.NearReaders(ctx, "1@exmaple.org", 5)
	_, days := db.FeedDays(ctx, now)
	_, record := db.Record(ctx, 3, now)
	_, lifted := db.LiftedBars(ctx, "3@example.org")
	_, edit := db.EditFor(ctx, by, 3, subscribers.Edit{By: "operator", Do: func(s *subscribers.Settings) error { s.Name = "Ada"; return nil }}, now)
	_, link := db.LinkFor(ctx, by, 3, now)
	_, _, upsert := db.UpsertReader(ctx, by, "x", subscribers.Row{Settings: subscribers.Settings{Address: "9999@example.org", Hour: -1}}, now)
	_, begin := db.BeginImport(ctx, by, "a.csv", 1, now)
	_, last := db.LastImport(ctx)
	if err := errors.Join(append(errs, near, days, record, lifted, edit, link, upsert, begin, last)...); err != nil {
		t.Fatal(err)
	}
}

// lookBehind does what is done with news of mails that a relay took.
func lookBehind(t *testing.T, db *store.DB, now time.Time) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	i, err := db.BeginIssue(ctx, digest.Issue{Edition: "evening", Slot: "2026-04-02", Zone: "UTC", Due: now, Ends: now.Add(6 * time.Hour)}, now)
	must(err)
	var events []intake.Event
	for _, c := range []mailer.Class{mailer.Hard, mailer.Soft, mailer.Put, mailer.Arrived, mailer.Complained, mailer.OptedOut, mailer.AutoReply} {
		n := mailer.News{Class: c, Recipient: "2@example.org", Text: string(c), Host: "mx.example.org"}
		of := intake.Of{Edition: i.EditionID, Wall: i.Wall(), Subscriber: 1}
		notice := intake.Of{Edition: i.EditionID, Wall: i.Wall() + 7, Subscriber: 1}
		events = append(events, intake.Event{News: n, Of: of, Sure: true}, intake.Event{News: n, Queue: "4XYZ", Relay: "main", Sure: true},
			intake.Event{News: n}, intake.Event{News: n, Of: notice, Sure: true})
	}
	_, err = db.TakeEvents(ctx, events[:16], now)
	must(err)
	_, err = db.TakeIn(ctx, []intake.Entry{{Hash: [32]byte{1}, Class: mailer.Hard, Of: events[0].Of, Events: events[:4], Raw: []byte("x"), Forward: true, Task: "leave"}, {Hash: [32]byte{2}}}, now)
	must(err)
	for _, f := range []store.InboundFilter{{}, {Subscriber: 1}, {Address: "2@example.org"}, {Issue: i.ID, Domain: "example.org"}} {
		for _, err := range db.Inbound(ctx, f) {
			must(err)
		}
	}
	_, _, err = db.InboundMail(ctx, 1)
	must(err)
	_, err = db.Events(ctx, 1)
	must(err)
	_, err = db.ForgetInbound(ctx, now.Add(-90*24*time.Hour))
	must(err)
	_, err = db.Drop(ctx, store.Retention{Deliveries: time.Hour, Attempts: time.Hour, Events: time.Hour, Audit: time.Hour}, now)
	must(err)
	_, err = db.Standing(ctx)
	must(err)
	_, err = db.Backups(ctx, 1)
	must(err)
	_, err = db.PutBacks(ctx, 1)
	must(err)
}

// stepIn does what operators do to runs.
func stepIn(t *testing.T, db *store.DB, i digest.Issue, now time.Time) {
	t.Helper()
	ctx, by := t.Context(), operators.By{Who: "ada", Why: "a try"}
	_, held := db.Hold(ctx, digest.Hold{Issue: i.ID, Kind: digest.HoldPaused}, by, now)
	_, gone := db.LetGo(ctx, i.ID, digest.HoldPaused, by, now)
	_, holds := db.Holds(ctx, now)
	_, own := db.HoldsOf(ctx, i.ID, now)
	_, halted := db.Halted(ctx)
	_, left := db.AnyLeft(ctx, i.ID)
	_, uncertain := db.UncertainIssues(ctx, now.Add(-time.Hour))
	_, retried := db.RetryIssue(ctx, i.ID, store.Pick{}, by, now, nil)
	_, settled := db.SettleIssue(ctx, i.ID, store.Pick{}, store.SettleArrived, by, now, nil)
	_, stopped := db.StopIssue(ctx, i.ID, by, now, nil)
	_, of := db.StopOf(ctx, i.ID)
	if err := errors.Join(held, gone, holds, own, halted, left, uncertain, retried, settled, stopped, of, db.FinishStops(ctx, now)); err != nil {
		t.Fatal(err)
	}
}
