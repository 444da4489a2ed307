package storetest

import (
	"testing"
	"time"

	"broadsheet/intake"
	"broadsheet/mailer"
	"broadsheet/store"
)

// auditBooks holds the counters of every issue against its deliveries.
func (w *world) auditBooks() {
	w.Helper()
	for i, err := range w.db.Issues(w.Context(), store.IssueFilter{Notices: true}) {
		w.must(err)
		if err := w.db.CheckBooks(w.Context(), i.ID); err != nil {
			w.Error(err)
		}
	}
}

// testOldNews: news of an hour ago changes the books in the minute in which it comes, so that their course is
// how they stood.
func testOldNews(t *testing.T, w *world) {
	w.tell("world", 1)
	ids := w.readers(3)
	i := w.openIssue("morning", "2026-04-02")
	w.sendAll(accepted)
	sent := w.now()
	w.pass(3 * time.Hour)
	var events []intake.Event
	for n, c := range []mailer.Class{mailer.Arrived, mailer.Hard, mailer.Arrived} {
		events = append(events, intake.Event{News: mailer.News{Class: c, At: sent.Add(time.Duration(n+1) * time.Minute), Code: 250},
			Of: intake.Of{Edition: i.EditionID, Wall: i.Wall(), Subscriber: ids[n]}, Sure: true})
	}
	_, err := w.db.TakeEvents(t.Context(), events, w.now())
	w.must(err)
	course, err := w.db.Course(t.Context(), i.ID)
	w.must(err)
	news := 0
	for _, m := range course {
		if m.State != mailer.Delivered && m.State != mailer.Bounced {
			continue
		}
		if news += m.N; !m.At.Equal(w.now().Truncate(time.Minute)) {
			t.Errorf("%d %s at %s", m.N, m.State, m.At)
		}
	}
	if news != 3 {
		t.Errorf("%d changes are on the books: %v", news, course)
	}
}
