package storetest

import (
	"errors"
	"testing"

	"broadsheet/intake"
	"broadsheet/mailer"
	"broadsheet/store"
)

// testReread reads a message once more and otherwise each time: what follows follows once, and a mark
// that was none goes.
func testReread(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(2)
	i := w.openIssue("morning", "2026-04-02")
	w.sendAll(accepted)
	entry := func(class mailer.Class, reason string, code int) intake.Entry {
		e := intake.Entry{Hash: [32]byte{1}, Source: "maildir", At: w.now(), Class: class, Of: of(i, ids[0]), Raw: []byte("it came back")}
		if reason != "" {
			e.Events = []intake.Event{{News: mailer.News{Class: class, Reason: reason, Code: code, Text: "said so", At: w.now()}, Source: "maildir", Of: e.Of, Sure: true}}
		}
		return e
	}
	first := intake.Entry{Hash: [32]byte{1}, Source: "maildir", At: w.now(), Class: mailer.NoBounce, Aside: "not understood", Raw: []byte("it came back")}
	if _, err := w.db.TakeIn(ctx, []intake.Entry{first}, w.now()); err != nil {
		t.Fatal(err)
	}
	reread := func(e intake.Entry, want store.Reread) {
		t.Helper()
		got, err := w.db.Reread(ctx, 1, &e, w.now())
		if w.must(err); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	barred := func(want string) {
		t.Helper()
		s, err := w.db.SubscriberByID(ctx, ids[0])
		w.must(err)
		if reason := ""; s.Suppressed != nil && s.Suppressed.Reason != want || s.Suppressed == nil && want != reason {
			t.Errorf("the reader is barred by %+v, want %q", s.Suppressed, want)
		}
	}
	reread(first, store.Reread{})
	reread(entry(mailer.Hard, "userunknown", 550), store.Reread{Changed: true, Effect: "bounced, address barred"})
	barred("hard_bounce")
	w.want(i, ids[0], mailer.Bounced, "userunknown")
	reread(entry(mailer.Hard, "userunknown", 550), store.Reread{})
	m, _, err := w.db.InboundMail(ctx, 1)
	if w.must(err); m.Class != mailer.Hard || m.Aside != "" || m.Delivery() != store.DeliveryID(i.SlotID, ids[0]) || m.Effect != "bounced, address barred" || m.Code != 550 {
		t.Errorf("%+v", m)
	}
	// It was the receiver's policy after all.
	reread(entry(mailer.Policy, "rejected", 554), store.Reread{Changed: true, Effect: "mark taken back, address barred no more"})
	barred("")
	reread(entry(mailer.Policy, "rejected", 554), store.Reread{})
	w.want(i, ids[0], mailer.Bounced, "userunknown") // what became of the mail stays
	if m, _, err = w.db.InboundMail(ctx, 1); err != nil || m.Class != mailer.Policy || m.Effect != "bounced, address barred; mark taken back, address barred no more" {
		t.Errorf("%+v, %v", m, err)
	}
	events, err := w.db.Events(ctx, store.DeliveryID(i.SlotID, ids[0]))
	if w.must(err); len(events) != 1 {
		t.Errorf("%d events", len(events))
	}
	// A task and an answer are passed on once, and again not a second time.
	answer := entry(mailer.Answer, "", 0)
	answer.Task, answer.Forward = intake.TaskLeave, true
	reread(answer, store.Reread{Changed: true, Effect: "task for the operator; to be forwarded"})
	reread(answer, store.Reread{})
	if tasks, err := w.db.Tasks(ctx, true); err != nil || len(tasks) != 1 || tasks[0].Subscriber != ids[0] {
		t.Errorf("%+v, %v", tasks, err)
	}
	if _, err := w.db.Reread(ctx, 9, &first, w.now()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no such message: %v", err)
	}
}
