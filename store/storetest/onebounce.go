package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/intake"
	"broadsheet/mailer"
	"broadsheet/store"
)

// testOneBounce: a mail comes back once, whoever says so and in whatever order. The gravest word for it
// counts in the end, in its state, its mark and the numbers of its day.
func testOneBounce(t *testing.T, w *world) {
	ctx := t.Context()
	cases := []struct {
		name, said string // by letters: d delayed, a arrived, s soft, p policy, c content, h hard
		reason     string // in the end: "word" and the letter
		counts     string // delayed, delivered, hard, soft, policy, content
		barred     bool   // the reader never kept a mail
	}{
		{"log first", "sh", "wordh", "0 0 1 0 0 0", true},
		{"report first", "hs", "wordh", "0 0 1 0 0 0", true},
		{"the same from both", "hh", "wordh", "0 0 1 0 0 0", true},
		{"soft twice", "ss", "words", "0 0 0 1 0 0", false},
		{"soft, then policy", "sp", "wordp", "0 0 0 0 1 0", false},
		{"policy, then soft", "ps", "wordp", "0 0 0 0 1 0", false},
		{"content, then policy", "cp", "wordc", "0 0 0 0 0 1", false},
		{"content, then hard", "ch", "wordh", "0 0 1 0 0 0", true},
		{"four of one mail", "pshc", "wordh", "0 0 1 0 0 0", true},
		{"four of one mail, rising", "spch", "wordh", "0 0 1 0 0 0", true},
		{"delays around it", "dsdhd", "wordh", "1 0 1 0 0 0", true},
		{"arrived, then returned", "asph", "wordh", "0 1 1 0 0 0", true},
	}
	classes := map[rune]mailer.Class{'d': mailer.Put, 'a': mailer.Arrived, 's': mailer.Soft, 'p': mailer.Policy, 'c': mailer.Content, 'h': mailer.Hard}
	var ids []int64
	for n := range cases {
		ids = append(ids, w.readersAt(fmt.Sprintf("case%d.example", n), 1)[0])
	}
	since := w.now()
	i := w.day(accepted)
	for n, c := range cases {
		for k, letter := range c.said {
			w.pass(time.Minute)
			source := []string{"log", "maildir", "ses"}[k%3]
			e := intake.Event{News: mailer.News{Class: classes[letter], Reason: "word" + string(letter), Status: "5.0.0", Code: 550, Text: "said " + string(letter), At: w.now()},
				Source: source, Of: of(i, ids[n]), Sure: true}
			_, err := w.db.TakeEvents(ctx, []intake.Event{e}, w.now())
			w.must(err)
		}
		w.want(i, ids[n], mailer.Bounced, c.reason)
		if got := w.why(ids[n]); (got != "") != c.barred {
			t.Errorf("%s: barred for %q", c.name, got)
		}
		list, err := w.db.Rates(ctx, store.RateQuery{Since: since, Domain: fmt.Sprintf("case%d.example", n)})
		w.must(err)
		r := list[0]
		if got := fmt.Sprint(r.Delayed, r.Delivered, r.Hard, r.Soft, r.Policy, r.Content); got != c.counts || r.Taken != 1 || r.Bounced() != 1 {
			t.Errorf("%s: %s of %d mails, want %s", c.name, got, r.Taken, c.counts)
		}
	}
}

// testGraverMark: what a soft mark did is taken back once its mail is known to have come back for
// another reason.
func testGraverMark(t *testing.T, w *world) {
	id := w.readersAt("one.example", 1)[0]
	w.day(accepted)
	var last digest.Issue
	for range 5 {
		w.pass(4 * 24 * time.Hour)
		last = w.day(accepted)
		w.bounces(last, mailer.Soft, id)
	}
	if got := w.why(id); got != "soft_bounce" {
		t.Fatalf("barred for %q", got)
	}
	if got := w.bounces(last, mailer.Policy, id); w.why(id) != "" || !strings.Contains(got[0], "barred no more") {
		t.Errorf("%q, barred for %q", got, w.why(id))
	}
	w.want(last, id, mailer.Bounced, "userunknown")
}

// testManyDelays: a mail that is put off again and again takes no more room on record.
func testManyDelays(t *testing.T, w *world) {
	w.tell("world", 1)
	id := w.readers(1)[0]
	i := w.openIssue("morning", "2026-04-02")
	w.sendAll(accepted)
	for n := range 60 {
		w.pass(time.Minute)
		w.news(i, id, mailer.Put, fmt.Sprint("try ", n))
	}
	came := w.came(i, id)
	if len(came) != 50 || came[0] != "delayed try 0" || came[48] != "delayed try 48" || came[49] != "delayed try 59" {
		t.Errorf("%d on record: %q", len(came), came)
	}
	delays, err := w.db.Delays(t.Context(), w.now().Add(-time.Second))
	if w.must(err); len(delays) != 1 || delays[0].Text != "try 59" {
		t.Errorf("of late: %+v", delays)
	}
	w.news(i, id, mailer.Arrived, "there")
	w.want(i, id, mailer.Delivered, "")
}
