package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"broadsheet/intake"
	"broadsheet/mailer"
	"broadsheet/store"
)

// queued is a relay's yes with the name that it gives to the mail.
func queued(d *mailer.Delivery) mailer.Outcome {
	o := accepted(d)
	o.Reply.Text = "Ok: queued as " + queueID(d.Issue, d.Subscriber)
	return o
}

func queueID(issue, subscriber int64) string { return fmt.Sprintf("4Xy%dZ%05d", issue, subscriber) }

// said is what the log says of a mail, by its queue id, n octets into the file.
func (w *world) said(queue string, n int64, c mailer.Class, text string) store.LogLine {
	return store.LogLine{Place: store.LogPlace{File: "1:2:3", Offset: n}, Seen: w.machine(),
		Event: intake.Event{News: mailer.News{Class: c, Text: text, Host: "mx.example.org", Code: 421, Status: "4.7.28", At: w.now()},
			Source: "log", Relay: "main", Queue: queue, Sure: true}}
}

// logged takes lines in and says how many are held, and how many said something new. It looks
// whether the place on record is before the first that is held.
func (w *world) logged(end int64, lines ...store.LogLine) (held []store.LogLine, done int) {
	w.Helper()
	lines, err := w.db.Ours(w.Context(), "main", lines)
	w.must(err)
	taken, err := w.db.TakeLog(w.Context(), "main", "main: log", lines, store.LogPlace{File: "1:2:3", Offset: end}, w.now())
	w.must(err)
	for _, err := range taken.Failed {
		w.Error(err)
	}
	held, done = taken.Held, taken.New
	got, err := w.db.LogPlace(w.Context(), "main: log")
	w.must(err)
	if len(held) > 0 {
		end = held[0].Place.Offset
	}
	if want := (store.LogPlace{File: "1:2:3", Offset: end}); got != want {
		w.Errorf("the log is read to %v, want %v", got, want)
	}
	return held, done
}

// testLog has a relay's log speak of mails by the names that it gave them.
func testLog(t *testing.T, w *world) {
	w.db.Trace([]string{"main"})
	ids := w.readers(70) // more than a statement takes
	i := w.day(queued)
	w.pass(time.Minute)

	var lines []store.LogLine
	for n, id := range ids {
		lines = append(lines, w.said("FOREIGN123", int64(100*n), mailer.Arrived, "not ours"), w.said(queueID(i.ID, id), int64(100*n+50), mailer.Arrived, "taken"))
	}
	lines[7] = w.said(queueID(i.ID, ids[3]), 350, mailer.Put, "an unusual rate")
	if held, done := w.logged(7000, lines...); len(held) > 0 || done != 70 {
		t.Fatalf("%d held, %d new", len(held), done)
	}
	for _, id := range ids {
		if id != ids[3] {
			w.want(i, id, mailer.Delivered, "")
		}
	}
	w.want(i, ids[3], mailer.Delayed, "")
	if held, done := w.logged(7000, lines...); len(held) > 0 || done != 0 {
		t.Errorf("the same once more: %d held, %d new", len(held), done)
	}

	// A filter hands the mail back to the same server, which gives it another name.
	next, gone := w.said(queueID(i.ID, ids[3]), 7100, "", ""), w.said(queueID(i.ID, ids[3]), 7200, "", "")
	next.Next, gone.Removed = "BACK123456", true
	w.logged(7300, next, gone)
	w.pass(time.Minute)
	if _, done := w.logged(7400, w.said(queueID(i.ID, ids[3]), 7300, mailer.Hard, "of another mail by now")); done != 0 {
		t.Error("a name that was given back still counts")
	}
	if _, done := w.logged(7500, w.said("BACK123456", 7400, mailer.Arrived, "there")); done != 1 {
		t.Error("the other name does not count")
	}
	w.want(i, ids[3], mailer.Delivered, "")

	// All of this goes after a month.
	n, err := w.db.ForgetQueueIDs(t.Context(), w.now().Add(29*24*time.Hour))
	w.must(err)
	more, err := w.db.ForgetQueueIDs(t.Context(), w.now().Add(31*24*time.Hour))
	w.must(err)
	if n != 0 || more != 71 {
		t.Errorf("%d and %d names were forgotten", n, more)
	}
}

// testLogEarly: the log is ahead of the relay's 250 here. Lines wait, with those that come after them
// of the same mail, and the place on record stays before them.
func testLogEarly(t *testing.T, w *world) {
	w.db.Trace([]string{"main"})
	w.tell("world", 1)
	ids := w.readers(2)
	i := w.openIssue("morning", "2026-04-02")
	b := w.lease()
	d, other := &b.Deliveries[0], &b.Deliveries[1]
	w.must(Intend(t.Context(), w.db, b, d, "k", w.now()))
	w.must(Hand(t.Context(), w.db, b, d, w.now()))
	w.must(Intend(t.Context(), w.db, b, other, "k", w.now()))
	w.must(Hand(t.Context(), w.db, b, other, w.now()))
	w.must(Settle(t.Context(), w.db, b, other, queued(other), w.now()))

	token := func(l store.LogLine, reader int64) store.LogLine { l.Of = of(i, reader); return l }
	put := token(w.said("EARLY12345", 100, mailer.Put, "an unusual rate"), ids[0])
	there := token(w.said("EARLY12345", 300, mailer.Arrived, "taken"), ids[0])
	held, done := w.logged(400, put, token(w.said("OTHER12345", 200, mailer.Arrived, "taken"), ids[1]), there)
	if len(held) != 2 || done != 1 {
		t.Fatalf("%d held, %d new", len(held), done)
	}
	w.want(i, ids[1], mailer.Delivered, "")
	if held, done = w.logged(400, held...); len(held) != 2 || done != 0 {
		t.Fatalf("again: %d held, %d new", len(held), done)
	}
	// Nothing tells whose a name is that will be on record in a moment: it is kept while we send.
	another := w.said("FOREIGN124", 470, mailer.Arrived, "taken")
	another.Told = true
	if held, _ := w.logged(500, w.said(queueID(i.ID, ids[0]), 450, mailer.Arrived, "taken"), w.said("FOREIGN123", 460, mailer.Arrived, "taken"), another); len(held) != 2 {
		t.Errorf("%d lines of unknown names are held", len(held))
	}
	w.must(Settle(t.Context(), w.db, b, d, queued(d), w.now()))
	if held, done = w.logged(500, held...); len(held) > 0 || done != 2 {
		t.Errorf("then: %d held, %d new", len(held), done)
	}
	w.want(i, ids[0], mailer.Delivered, "")
	w.wantCame(i, ids[0], "delayed an unusual rate", "delivered taken")
	late := w.said("FOREIGN123", 460, mailer.Arrived, "taken")
	w.pass(4 * time.Second)
	if held, _ := w.logged(500, late); len(held) > 0 {
		t.Error("a name that does not come is waited for")
	}
	w.must(w.db.Release(t.Context(), b, w.now()))
}

// testSlowDomains: delays that a log or a provider tells of are listed by domain, and what is slowed stays on record.
func testSlowDomains(t *testing.T, w *world) {
	w.tell("world", 1)
	ids := w.readers(3)
	i := w.openIssue("morning", "2026-04-02")
	w.sendAll(accepted)
	begin := w.now()
	for n, id := range ids {
		w.pass(time.Second)
		w.news(i, id, mailer.Put, []string{"slow down", "an unusual rate", "slow down"}[n])
	}
	delays, err := w.db.Delays(t.Context(), begin)
	w.must(err)
	domain := mailer.DomainOf(w.row(i, ids[0]).Address)
	if len(delays) != 2 || delays[1].Domain != domain || !delays[1].At.Equal(begin.Add(3*time.Second)) || delays[1].Text != "slow down" ||
		delays[0].Text != "an unusual rate" || !delays[0].AsksForLess() {
		t.Errorf("delays: %+v", delays)
	}
	// A reader who has the token of a mail can write what they like in its provider's name.
	said := intake.Event{News: mailer.News{Class: mailer.Put, Code: 421, Status: "4.7.28", Text: "an unusual rate, a reader says", At: w.now()}, Of: of(i, ids[0]), Sure: true}
	_, err = w.db.TakeIn(t.Context(), []intake.Entry{{Hash: [32]byte{7}, Source: "maildir", At: w.now(), Class: mailer.Put, Of: said.Of, Events: []intake.Event{said}}}, w.now())
	w.must(err)
	w.wantCame(i, ids[0], "delayed slow down", "delayed an unusual rate, a reader says")
	if again, err := w.db.Delays(t.Context(), begin); err != nil || len(again) != len(delays) {
		t.Errorf("a report by mail slows its provider: %+v, %v", again, err)
	}
	if delays, err = w.db.Delays(t.Context(), w.now()); err != nil || len(delays) > 0 {
		t.Errorf("since then: %+v, %v", delays, err)
	}

	slow := []mailer.Slowed{{Name: "a.example", Rate: 0.1, Base: 10, Since: begin, Heard: w.now(), Why: "421 4.7.28 too much"},
		{Name: "gmail", Rate: 5, Base: 10, Since: begin, Heard: begin, Why: "later"}}
	w.must(w.db.KeepSlowDomains(t.Context(), slow, nil, w.now()))
	slow[0].Rate, slow[0].Why = 0.2, "again"
	w.must(w.db.KeepSlowDomains(t.Context(), slow[:1], []string{"gmail", "nobody"}, w.now())) // not free yet
	w.must(w.db.KeepSlowDomains(t.Context(), nil, []string{"gmail", "nobody"}, slow[1].Until()))
	got, err := w.db.SlowDomains(t.Context())
	w.must(err)
	if len(got) != 1 || !strings.HasPrefix(got[0].Why, "again") || got[0].Rate != 0.2 || got[0].Base != 10 ||
		!got[0].Since.Equal(begin) || !got[0].Heard.Equal(w.now()) || !got[0].Until().Equal(slow[0].Until()) {
		t.Errorf("slowed: %+v", got)
	}
}

// testOldLog: what the log said before a mail left is about another, though its token or name is the
// same: the database was made anew with the same key, or the relay has used a name again.
func testOldLog(t *testing.T, w *world) {
	w.db.Trace([]string{"main"})
	w.tell("world", 1)
	ids := w.readers(2)
	i := w.openIssue("morning", "2026-04-02")
	old := func(n int, c mailer.Class, ago time.Duration) store.LogLine {
		l := w.said(queueID(i.ID, ids[n]), int64(n), c, "said before")
		l.At, l.Of = w.now().Add(-ago), of(i, ids[n])
		return l
	}
	if _, done := w.logged(100, old(0, mailer.Arrived, time.Hour)); done != 0 {
		t.Error("a mail that has not left is there")
	}
	w.want(i, ids[0], mailer.Queued, "")
	w.pass(time.Minute)
	w.sendAll(queued)
	named, gone, next := old(1, mailer.Hard, time.Hour), old(1, "", time.Hour), old(1, "", time.Hour)
	named.Of, gone.Removed, next.Next = intake.Of{}, true, "BACK123456"
	taken, err := w.db.TakeLog(t.Context(), "main", "main: log",
		[]store.LogLine{old(0, mailer.Hard, time.Hour), old(0, mailer.Put, 3*time.Second), named, gone, next}, store.LogPlace{File: "1:2:3", Offset: 200}, w.now())
	if w.must(err); taken.Old != 5 || taken.New != 0 || len(taken.Held) != 0 {
		t.Errorf("%+v", taken)
	}
	for _, id := range ids {
		w.want(i, id, mailer.Accepted, "")
	}
	// Logs know whole seconds.
	now := old(1, mailer.Arrived, 2*time.Second)
	now.Of = intake.Of{}
	if _, done := w.logged(300, old(0, mailer.Arrived, time.Second), now); done != 2 {
		t.Errorf("%d of 2 lines of the moment count", done)
	}
	w.want(i, ids[0], mailer.Delivered, "")
	w.want(i, ids[1], mailer.Delivered, "")
}

// testTakenName: a server further on that says a name of another mail of ours does not get it.
func testTakenName(t *testing.T, w *world) {
	w.db.Trace([]string{"main"})
	w.tell("world", 1)
	ids := w.readers(2)
	i := w.openIssue("morning", "2026-04-02")
	w.sendAll(queued)
	next := w.said(queueID(i.ID, ids[0]), 100, "", "")
	next.Next = queueID(i.ID, ids[1])
	w.logged(200, next, w.said(queueID(i.ID, ids[1]), 150, mailer.Hard, "No such user"))
	w.want(i, ids[0], mailer.Accepted, "")
	w.want(i, ids[1], mailer.Bounced, "")
}
