// Package storetest is the suite that every engine of package store must pass.
//
// A test makes a [world]: a database with two clocks that stand still until they are moved, the
// program's and the machine's. It plays intake, opener and sender with the store's own methods.
// At its end the books must balance, whatever happened in between.
package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/stories"
	"broadsheet/subscribers"
)

// Run runs the suite. fresh makes an empty database that lives as long as the test and says
// how to open it.
func Run(t *testing.T, fresh func(t *testing.T) (dsn string)) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, w *world)
	}{
		{"stories", testStories}, {"held stories", testHeld}, {"title window", testTitleWindow}, {"late commit", testLateCommit}, {"feeds", testFeeds}, {"feed once", testFeedOnce}, {"duties", testDuties}, {"shares", testShares}, {"few places", testFewPlaces}, {"any shares", testAnyShares}, {"shares together", testSharesTogether}, {"relay states", testRelayStates}, {"caps", testCaps}, {"ping once", testPingOnce}, {"leases", testLeases},
		{"subscribers", testSubscribers}, {"import", testImport}, {"places", testPlaces}, {"suppressions", testSuppressions}, {"key", testKey},
		{"read then write", testReadThenWrite}, {"eight openers", testOpeners}, {"left place", testLeftPlace}, {"resume", testResume}, {"one mail a slot", testOneMailASlot},
		{"digests", testDigests}, {"audience", testAudience}, {"rehearse", testRehearse}, {"seen", testSeen},
		{"delivery", testDelivery}, {"spread", testSpread}, {"six senders", testSenders}, {"lost lease", testLostLease}, {"silence", testSilence},
		{"superseded", testSuperseded}, {"carry", testCarry}, {"min gap", testMinGap}, {"gap together", testGapTogether}, {"quiet", testQuiet}, {"end of life", testEndOfLife},
		{"hard marks", testHardMarks}, {"leaving mid-run", testLeaving}, {"between chunks", testBetweenChunks}, {"new address", testNewAddress},
		{"recover", testRecover}, {"retry", testRetry}, {"only one", testOnly},
		{"reply texts", testReplyTexts}, {"lists", testLists}, {"lookups", testLookups}, {"any order", testAnyOrder},
		{"hold", testHold}, {"hold all", testHoldAll}, {"hold ends", testHoldEnds}, {"stop", testStop}, {"stop while opening", testStopOpening}, {"after a stop", testAfterStop}, {"settle", testSettle}, {"retry issue", testRetryIssue}, {"any hold", testAnyHold},
		{"only to", testOnlyTo}, {"old news", testOldNews},
		{"workers", testWorkers}, {"paused", testPaused}, {"clock jumps", testClockJumps}, {"together", testTogether},
		{"past digests", testPast}, {"slot keys", testSlotKeys}, {"private feed", testPrivateFeed}, {"clicks", testClicks},
		{"same second", testSameSecond}, {"old address", testOldAddress},
		{"edit", testEdit}, {"edit together", testEditTogether}, {"leave all", testLeaveAll}, {"undo address", testUndoAddress}, {"stranger", testStranger}, {"any edit", testAnyEdit},
		{"mark rules", testMarkRules}, {"marked once", testMarkedOnce}, {"retried mark", testRetriedMark}, {"complaint", testComplaint}, {"false wave", testFalseWave}, {"doubted", testDoubted},
		{"true marks", testTrueMarks}, {"decide", testDecide}, {"two issues", testTwoIssues}, {"rates", testRates}, {"one bounce", testOneBounce}, {"graver mark", testGraverMark}, {"many delays", testManyDelays},
		{"wave of zones", testWaveOfZones}, {"size of a wave", testSizeOfWave}, {"retried wave", testRetriedWave},
		{"way back", testWayBack}, {"stricter", testStricter}, {"end pauses", testEndPauses},
		{"reports", testReports}, {"early reports", testReportsEarly}, {"reports by name", testReportsByName},
		{"news", testNews}, {"news of unanswered", testNewsOfUnanswered}, {"early news", testNewsEarly}, {"names in news", testNewsNames}, {"news of another", testNewsOfAnother},
		{"opt-out", testOptOut}, {"any news", testAnyNews}, {"news while sending", testNewsWhileSending}, {"inbound", testInbound}, {"inbound of old", testInboundOld}, {"reread", testReread},
		{"log", testLog}, {"early log", testLogEarly}, {"old log", testOldLog}, {"taken name", testTakenName}, {"slow domains", testSlowDomains},
		{"forwards", testForwards}, {"own wish", testOwnWish}, {"flood", testFlood}, {"flood of strangers", testFloodOfStrangers}, {"tasks once", testTasksOnce}, {"forward told", testForwardTold},
		{"withdraw", testWithdraw}, {"withdraw the last", testWithdrawLast}, {"withdraw any time", testWithdrawAny},
		{"correct", testCorrect}, {"hold back", testHoldBack}, {"pushed", testPushed}, {"pins", testPins},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &world{T: t, dsn: fresh(t), at: time.Date(2026, 4, 2, 6, 0, 0, 0, time.UTC), real: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
			w.db = w.open()
			c.test(t, w)
			w.audit()
		})
	}
}

// world is a database and its clocks.
type world struct {
	*testing.T
	dsn string
	db  *store.DB

	mu       sync.Mutex
	at, real time.Time
	told     int // stories made
}

func (w *world) open() *store.DB {
	w.Helper()
	// Several senders on one SQLite file, which the lock of a sender keeps from happening, can starve each other for long.
	db, err := store.Open(w.Context(), w.dsn, store.Options{Now: w.machine, BusyTimeout: 2 * time.Minute, AddressHash: func(folded string) subscribers.Hash {
		sum := sha256.Sum256([]byte("key " + folded))
		return subscribers.Hash(sum[:16])
	}})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { db.Close() })
	return db
}

func (w *world) now() time.Time     { w.mu.Lock(); defer w.mu.Unlock(); return w.at }
func (w *world) machine() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.real }

// pass moves both clocks.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at, w.real = w.at.Add(d), w.real.Add(d)
}

// set sets the program's clock alone.
func (w *world) set(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = at
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// tell takes n new stories in.
func (w *world) tell(section string, n int) {
	w.Helper()
	var batch []stories.Story
	for range n {
		w.told++
		batch = append(batch, stories.Story{GUID: fmt.Sprint("g", w.told), Headline: fmt.Sprint("Headline ", w.told), Lead: "Lead.",
			Sections: []string{section}, Source: "https://news.example/feed", Published: w.now().Add(-time.Hour)})
	}
	_, err := w.db.AddStories(w.Context(), batch, w.now())
	w.must(err)
}

// settings are those of an active reader of the morning edition who follows world.
func settings(n int) subscribers.Settings {
	s := subscribers.NewSettings(fmt.Sprintf("reader%d@example.org", n))
	s.Status, s.Editions = subscribers.Active, []string{"morning"}
	s.Sections = []subscribers.Follow{{Section: "world", Level: subscribers.Normal}}
	return s
}

func (w *world) reader(s subscribers.Settings) *subscribers.Subscriber {
	w.Helper()
	r, err := w.db.AddSubscriber(w.Context(), s, "command", w.now())
	w.must(err)
	return r
}

func (w *world) readers(n int) (ids []int64) {
	w.Helper()
	var rows []subscribers.Row
	for k := range n {
		rows = append(rows, subscribers.Row{Line: k + 2, Settings: settings(k + 1), Given: subscribers.FieldStatus | subscribers.FieldSections | subscribers.FieldEditions})
	}
	for part := range slices.Chunk(rows, 500) {
		_, err := w.db.ImportRows(w.Context(), part, w.now())
		w.must(err)
	}
	for s, err := range w.db.Subscribers(w.Context(), store.SubscriberFilter{}) {
		w.must(err)
		ids = append(ids, s.ID)
	}
	return ids
}

// issue is the morning issue of a day, which lives for six hours.
func (w *world) issue(edition, day string) digest.Issue {
	return digest.Issue{Edition: edition, Slot: day, Zone: "Europe/London", Hour: 7, Local: day + " 07:00",
		Due: w.now(), Next: w.now().Add(24 * time.Hour), Ends: w.now().Add(6 * time.Hour)}
}

func (w *world) openIssue(edition, day string) digest.Issue {
	w.Helper()
	i, err := w.write(w.db, w.issue(edition, day), 50)
	w.must(err)
	return i
}

// write opens an issue in chunks, with digests of everything that the reader's window has and
// that is not seen yet.
func (w *world) write(db *store.DB, i digest.Issue, limit int) (digest.Issue, error) {
	ctx := w.Context()
	i, err := db.BeginIssue(ctx, i, w.now())
	if err != nil || i.State == digest.Open {
		return i, err
	}
	stored := make(map[string]*digest.Digest)
	for done := false; !done; {
		done, err = db.WriteChunk(ctx, &i, digest.Audience{EditionID: i.EditionID}, limit, w.now(), func(c digest.Chunk) ([]digest.Planned, error) {
			return w.plan(ctx, db, i, c, stored)
		})
		if err != nil {
			return i, err
		}
	}
	return i, db.FinishIssue(ctx, &i, 0, w.now())
}

func (w *world) plan(ctx context.Context, db *store.DB, i digest.Issue, c digest.Chunk, stored map[string]*digest.Digest) ([]digest.Planned, error) {
	pool, err := db.Pool(ctx, i.Opened.Add(-240*time.Hour), i.Cutoff)
	if err != nil {
		return nil, err
	}
	seen, err := c.Seen(ctx, i.Opened.Add(-240*time.Hour), false)
	if err != nil {
		return nil, err
	}
	var out []digest.Planned
	for _, r := range c.Readers() {
		p := digest.Planned{Subscriber: r.Subscriber, SettingsID: r.SettingsID, WindowEnd: i.Cutoff, State: string(mailer.Queued), Relay: "main"}
		if r.Previous != nil {
			p.WindowStart = r.Previous.WindowEnd
			if !r.Previous.Reached() {
				p.WindowStart, p.Unreached = r.Previous.WindowStart, true
			}
		}
		if r.Carry != nil {
			p.WindowStart = min(p.WindowStart, *r.Carry)
		}
		var items []digest.Item
		for _, k := range pool {
			follows := slices.ContainsFunc(r.Sections, func(f digest.Follow) bool { return f.Section == k.Section && !f.Muted })
			if follows && !k.Withdrawn && k.Arrival > p.WindowStart && !slices.Contains(seen[r.Subscriber], k.Story) {
				items = append(items, digest.Item{Story: k.Story, Revision: k.Revision, Section: k.Section, Role: digest.Card})
			}
		}
		switch {
		case r.Barred != "":
			p.State, p.Reason = string(mailer.Suppressed), r.Barred
		case len(items) == 0:
			p.State, p.Reason = string(mailer.Skipped), "nothing new"
		default:
			key := fmt.Sprint(items)
			if stored[key] == nil {
				stored[key] = digestOf(items)
			}
			p.Digest = stored[key]
		}
		out = append(out, p)
	}
	return out, nil
}

// lease takes a batch that must be there.
func (w *world) lease() *mailer.Batch {
	w.Helper()
	b, err := w.db.Lease(w.Context(), "main", "w1", w.now())
	w.must(err)
	if b == nil {
		w.Fatal("no batch is due")
	}
	return b
}

// try sends d up to the outcome that verdict makes.
func (w *world) try(db *store.DB, b *mailer.Batch, d *mailer.Delivery, verdict func(d *mailer.Delivery) mailer.Outcome) error {
	if err := Intend(w.Context(), db, b, d, "k1", w.now()); err != nil {
		return err
	}
	if err := Hand(w.Context(), db, b, d, w.now()); err != nil {
		return err
	}
	return Settle(w.Context(), db, b, d, verdict(d), w.now())
}

func accepted(d *mailer.Delivery) mailer.Outcome {
	return mailer.Outcome{State: mailer.Accepted, Reply: mailer.Reply{Code: 250, Enhanced: "2.0.0", Text: "Ok: queued as 4XyZ12abcd"}, Charged: true, Copies: d.Copies, Relay: "main"}
}

func refused(d *mailer.Delivery) mailer.Outcome {
	return mailer.Outcome{State: mailer.Failed, Reason: "dot 550", Reply: mailer.Reply{Code: 550, Text: "No"}, Charged: true, Copies: d.Copies - 1, Relay: "main"}
}

func (w *world) unanswered(d *mailer.Delivery) mailer.Outcome {
	o := mailer.Outcome{State: mailer.Deferred, Reason: mailer.ReasonUnanswered, Due: w.now().Add(time.Minute), Charged: true, Copies: d.Copies, Relay: "main"}
	if d.Copies > 1 {
		o.State, o.Due = mailer.Uncertain, time.Time{}
	}
	return o
}

// sendAll sends what is due now.
func (w *world) sendAll(verdict func(d *mailer.Delivery) mailer.Outcome) (sent int) {
	w.Helper()
	for {
		b, err := w.db.Lease(w.Context(), "main", "w1", w.now())
		w.must(err)
		if b == nil {
			return sent
		}
		for n := range b.Deliveries {
			err := w.try(w.db, b, &b.Deliveries[n], verdict)
			if err == nil {
				sent++
			} else if !errors.Is(err, mailer.ErrLost) && !errors.Is(err, mailer.ErrWait) {
				w.Fatal(err)
			}
		}
		w.must(w.db.Release(w.Context(), b, w.now()))
	}
}

// row is a reader's delivery in an issue.
func (w *world) row(i digest.Issue, subscriber int64) store.DeliveryRow {
	w.Helper()
	d, err := w.db.Delivery(w.Context(), store.DeliveryID(i.SlotID, subscriber))
	w.must(err)
	return d
}

// want compares a delivery's state and what its reason begins with.
func (w *world) want(i digest.Issue, subscriber int64, state mailer.State, reason string) store.DeliveryRow {
	w.Helper()
	d := w.row(i, subscriber)
	if d.State != state || !strings.HasPrefix(d.Reason, reason) {
		w.Fatalf("delivery is %s (%q), want %s (%q)", d.State, d.Reason, state, reason)
	}
	return d
}

// audit checks what must hold at any time.
func (w *world) audit() {
	w.Helper()
	ctx := w.Context()
	w.must(w.db.Check(ctx))
	type place struct {
		edition    string
		subscriber int64
	}
	open := make(map[place]int64)
	total := 0
	for i, err := range w.db.Issues(ctx, store.IssueFilter{}) {
		w.must(err)
		counts, err := w.db.IssueCounts(ctx, i.ID)
		w.must(err)
		sum := 0
		for _, n := range counts {
			sum += n
		}
		if sum != i.Audience {
			w.Errorf("issue %d: audience %d, states %v", i.ID, i.Audience, counts)
		}
		total += sum
	}
	for d, err := range w.db.Deliveries(ctx, store.DeliveryFilter{}) {
		w.must(err)
		total--
		switch d.State {
		case mailer.Queued, mailer.Sending, mailer.Deferred:
			p := place{d.Edition, d.Subscriber}
			if was := open[p]; was != 0 {
				w.Errorf("reader %d has two open deliveries in %s: slots %d and %d", d.Subscriber, d.Edition, was, d.Slot)
			}
			open[p] = d.Slot
		case mailer.Failed, mailer.Expired, mailer.Superseded, mailer.Suppressed:
			if d.Copies > 0 {
				w.Errorf("delivery %d is %s with %d copies out", d.ID(), d.State, d.Copies)
			}
		}
	}
	if total != 0 {
		w.Errorf("issues and deliveries differ by %d rows", total)
	}
	w.auditBooks()
}
