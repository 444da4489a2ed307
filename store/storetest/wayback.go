package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/subscribers"
)

// testWayBack tries each way back from each reason, with a reader whose status is active again:
// what bars is the suppression alone.
func testWayBack(t *testing.T, w *world) {
	ctx := t.Context()
	ways := []subscribers.Way{subscribers.ByReader, subscribers.ByConfirm, subscribers.ByOperator, subscribers.Never}
	table := map[string]string{ // by reader, confirm, operator, never; y = comes back, w = if there is a reason
		"unsubscribed": "-yy-", "hard_bounce": "-yy-", "soft_bounce": "-yy-", "erased": "-yy-", "import": "-yy-",
		"complaint": "--w-", "operator": "--w-", "legal": "----",
	}
	n := 0
	for _, reason := range subscribers.Reasons() {
		for k, way := range ways {
			n++
			r := w.reader(settings(n))
			_, err := w.db.Suppress(ctx, subscribers.Suppression{Address: r.Address, Reason: reason}, w.now())
			w.must(err)
			// A link lets the reader choose, but does not bring the mail back.
			e := w.edit(r.ID, func(s *subscribers.Settings) { s.Resume(); s.JoinEdition("morning"); s.Hour = 5 })
			if e.Suppressed == nil {
				t.Errorf("%s: lifted by an edit", reason)
			}
			lifted, err := w.db.LiftSuppression(ctx, r.Address, way, "", w.now())
			want := table[reason][k]
			if want == 'w' {
				if !errors.Is(err, subscribers.ErrWhy) {
					t.Errorf("%s, by %s without a reason: %v", reason, way, err)
				}
				lifted, err = w.db.LiftSuppression(ctx, r.Address, way, "wrote a letter", w.now())
			}
			is, errNow := w.db.SubscriberByID(ctx, r.ID)
			w.must(errNow)
			back := want != '-'
			if lifted != back || (is.Suppressed == nil) != back || back != (err == nil) || !back && !errors.Is(err, subscribers.ErrNoWayBack) {
				t.Errorf("%s, by %s: lifted %t, suppressed %v, %v", reason, way, lifted, is.Suppressed, err)
			}
		}
	}
	if lifted, err := w.db.LiftSuppression(ctx, "nobody@example.org", subscribers.ByConfirm, "", w.now()); lifted || err != nil {
		t.Errorf("of nobody: %t, %v", lifted, err)
	}
	// An edition that was left and a pause are the reader's own to take back.
	r := w.reader(settings(500))
	w.edit(r.ID, func(s *subscribers.Settings) { s.LeaveEdition("morning"); s.Pause(time.Time{}) })
	if e := w.edit(r.ID, func(s *subscribers.Settings) { s.Resume(); s.JoinEdition("morning") }); e.Status != subscribers.Active || len(e.Editions) != 1 {
		t.Errorf("did not come back: %+v", e)
	}
}

// testStricter: the reason from which the way back is longest counts, whichever came first.
func testStricter(t *testing.T, w *world) {
	ctx := t.Context()
	for n, c := range []struct {
		first, then, want string
	}{
		{"unsubscribed", "complaint", "complaint"}, {"complaint", "unsubscribed", "complaint"}, {"complaint", "legal", "legal"},
		{"legal", "operator", "legal"}, {"unsubscribed", "hard_bounce", "unsubscribed"}, {"erased", "legal", "legal"},
	} {
		address := fmt.Sprintf("reader%d@example.org", n)
		for _, reason := range []string{c.first, c.then} {
			_, err := w.db.Suppress(ctx, subscribers.Suppression{Address: address, Reason: reason}, w.now())
			w.must(err)
		}
		s := settings(n)
		if r := w.reader(s); r.Suppressed == nil || r.Suppressed.Reason != c.want {
			t.Errorf("%s, then %s: %+v", c.first, c.then, r.Suppressed)
		}
	}
	// A complaint about the last mail comes after the reader has left: no undo lifts it.
	r := w.reader(settings(50))
	gone, err := w.db.LeaveAll(ctx, r.ID, "reader", "", w.now())
	w.must(err)
	_, err = w.db.Suppress(ctx, subscribers.Suppression{Address: r.Address, Reason: "complaint"}, w.now())
	w.must(err)
	if back := w.undo(r.ID, gone.Row); back.Suppressed == nil || back.Suppressed.Reason != "complaint" {
		t.Errorf("an undo lifted %+v", back.Suppressed)
	}
}

// testEndPauses has pauses end, and issues open before and after.
func testEndPauses(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	var ids []int64
	for n := range 205 { // more than one transaction takes
		ids = append(ids, w.reader(settings(n)).ID)
	}
	i := w.openIssue("morning", "2026-04-02")
	w.want(i, ids[0], mailer.Queued, "")
	end := w.now().Add(30 * time.Hour)
	for _, id := range ids {
		w.edit(id, func(s *subscribers.Settings) { s.Pause(end) })
	}
	w.want(i, ids[0], mailer.Suppressed, "paused")
	w.edit(ids[1], func(s *subscribers.Settings) { s.Pause(time.Time{}) })             // has no end any more
	w.edit(ids[2], func(s *subscribers.Settings) { s.Resume() })                       // is over
	w.edit(ids[3], func(s *subscribers.Settings) { s.Pause(end.Add(30 * time.Hour)) }) // is longer
	_, err := w.db.LeaveAll(ctx, ids[4], "reader", "", w.now())
	w.must(err)
	status := func(n int) string {
		t.Helper()
		s, err := w.db.SubscriberByID(ctx, ids[n])
		w.must(err)
		return s.Get("status") + " " + s.Get("paused_until")
	}
	w.pass(30*time.Hour - time.Microsecond)
	if n, err := w.db.EndPauses(ctx, w.now()); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	w.tell("world", 1)
	if j := w.openIssue("morning", "2026-04-03"); j.Audience != 1 {
		t.Fatalf("audience %d during pauses", j.Audience)
	}
	w.pass(time.Microsecond)
	other, err := store.Open(ctx, w.dsn, store.Options{})
	w.must(err)
	defer other.Close()
	if n, err := w.db.EndPauses(ctx, w.now()); n != 201 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := other.EndPauses(ctx, w.now()); n != 0 || err != nil {
		t.Fatal("again: ", n, err)
	}
	for n, want := range []string{"active ", "paused ", "active ", "paused 2026-04-04T18:00:00Z", "unsubscribed "} {
		if got := status(n); got != want {
			t.Errorf("reader %d is %q, want %q", n, got, want)
		}
	}
	history, err := w.db.History(ctx, ids[0])
	w.must(err)
	if last := history[len(history)-1]; len(history) != 3 || last.By != "schedule" || !last.PausedUntil.IsZero() || !history[1].PausedUntil.Equal(end) {
		t.Errorf("history %+v", history)
	}
	w.pass(time.Hour)
	if j := w.openIssue("morning", "2026-04-04"); j.Audience != 202 {
		t.Errorf("audience %d after the pauses", j.Audience)
	}
}
