package storetest

import (
	"testing"
	"time"

	"broadsheet/intake"
	"broadsheet/mailer"
)

// testReports takes in what providers report: each report once, whatever comes of it.
func testReports(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(3)
	i := w.openIssue("morning", "2026-04-02")
	w.sendAll(accepted)
	w.pass(time.Minute)
	event := func(subscriber int64, c mailer.Class) intake.Event {
		return intake.Event{News: mailer.News{Class: c, Reason: "userunknown", Code: 550, Status: "5.1.1", Text: "No such user", At: w.now()}, Source: "mailgun", Of: of(i, subscriber), Relay: "main", Sure: true}
	}
	take := func(reports ...intake.Reported) []intake.Taken {
		t.Helper()
		taken, err := w.db.TakeReports(ctx, reports, w.now())
		w.must(err)
		return taken
	}
	one := intake.Reported{Relay: "main", ID: "1", Events: []intake.Event{event(ids[0], mailer.Policy), event(ids[1], mailer.Arrived)}}
	empty := intake.Reported{Relay: "main", ID: "2"}
	stranger := intake.Reported{Relay: "main", ID: "3", Events: []intake.Event{{News: mailer.News{Class: mailer.Hard}, Source: "mailgun", Relay: "main", Queue: "of-another", Sure: true}}}
	other := one
	other.Relay = "second"
	for n, got := range take(one, empty, one, stranger) {
		if got.Early || got.Again != (n == 2) {
			t.Errorf("report %d: %+v", n, got)
		}
	}
	w.want(i, ids[0], mailer.Bounced, "userunknown")
	w.want(i, ids[1], mailer.Delivered, "")
	for n, got := range take(one, empty, stranger, other) {
		if got.Again != (n < 3) { // another relay's names are its own
			t.Errorf("report %d again: %+v", n, got)
		}
	}

	back, err := w.db.Returned(ctx, w.now().Add(-time.Hour), 10)
	w.must(err)
	if len(back) != 1 || back[0].Address != "reader1@example.org" || back[0].Class != mailer.Policy || back[0].Text != "No such user" || back[0].Delivery() == 0 || !back[0].Sure {
		t.Errorf("what came back: %+v", back)
	}
	if back, err = w.db.Returned(ctx, w.now().Add(time.Second), 10); err != nil || len(back) != 0 {
		t.Errorf("since later: %+v, %v", back, err)
	}

	if n, err := w.db.ForgetReports(ctx, w.now()); n != 0 || err != nil {
		t.Errorf("%d forgotten, %v", n, err)
	}
	w.pass(time.Hour)
	if n, err := w.db.ForgetReports(ctx, w.now()); n != 4 || err != nil {
		t.Errorf("%d forgotten, %v", n, err)
	}
	if got := take(one)[0]; got.Again {
		t.Errorf("forgotten: %+v", got) // what it says is known all the same
	}
	w.wantCame(i, ids[0], "policy No such user")
}

// testReportsEarly reports on a mail that its sender has in hand still: the report comes again.
func testReportsEarly(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(2)
	i := w.openIssue("morning", "2026-04-02")
	b := w.lease()
	d := &b.Deliveries[0]
	w.must(Intend(ctx, w.db, b, d, "k", w.now()))
	w.must(Hand(ctx, w.db, b, d, w.now()))
	r := intake.Reported{Relay: "main", ID: "1", Events: []intake.Event{{News: mailer.News{Class: mailer.Arrived, At: w.now()}, Source: "ses", Of: of(i, ids[0]), Sure: true}}}
	for range 2 {
		taken, err := w.db.TakeReports(ctx, []intake.Reported{r}, w.now())
		if w.must(err); !taken[0].Early || taken[0].Again {
			t.Errorf("too early: %+v", taken)
		}
	}
	w.must(Settle(ctx, w.db, b, d, accepted(d), w.now()))
	taken, err := w.db.TakeReports(ctx, []intake.Reported{r}, w.now())
	if w.must(err); taken[0].Early || taken[0].Again {
		t.Errorf("once it is settled: %+v", taken)
	}
	w.want(i, ids[0], mailer.Delivered, "")
}

// testReportsByName: a report that names its mail by the relay's own name alone may come before that is
// on record.
func testReportsByName(t *testing.T, w *world) {
	ctx := t.Context()
	w.db.Trace([]string{"main"})
	w.tell("world", 1)
	ids := w.readers(1)
	i := w.openIssue("morning", "2026-04-02")
	b := w.lease()
	d := &b.Deliveries[0]
	w.must(Intend(ctx, w.db, b, d, "k", w.now()))
	w.must(Hand(ctx, w.db, b, d, w.now()))
	report := func(id, queue string, at time.Time) intake.Reported {
		return intake.Reported{Relay: "main", ID: id, Events: []intake.Event{{News: mailer.News{Class: mailer.Hard, Reason: "userunknown", At: at}, Source: "ses", Relay: "main", Queue: queue, Sure: true}}}
	}
	ours, elsewhere := report("1", queueID(i.ID, ids[0]), w.machine()), report("3", "of-another", w.machine())
	elsewhere.Relay, elsewhere.Events[0].Relay = "second", "second"
	reports := []intake.Reported{ours, report("2", "of-another", w.machine().Add(-2*time.Minute)), elsewhere}
	taken, err := w.db.TakeReports(ctx, reports, w.now())
	w.must(err)
	for n, got := range taken { // the others' are of no mail in hand
		if got.Early != (n == 0) {
			t.Errorf("report %d: %+v", n, got)
		}
	}
	w.must(Settle(ctx, w.db, b, d, queued(d), w.now()))
	taken, err = w.db.TakeReports(ctx, reports, w.now())
	w.must(err)
	for n, got := range taken {
		if got.Early || got.Again != (n > 0) {
			t.Errorf("report %d, then: %+v", n, got)
		}
	}
	w.want(i, ids[0], mailer.Bounced, "userunknown")
	w.must(w.db.Release(ctx, b, w.now()))
}
