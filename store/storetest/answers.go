package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"broadsheet/intake"
	"broadsheet/mailer"
	"broadsheet/operators"
	"broadsheet/store"
)

// answer is one by a reader on record, to be passed on.
func (w *world) answer(n byte, of intake.Of) int64 {
	w.Helper()
	taken, err := w.db.TakeIn(w.Context(), []intake.Entry{{Hash: [32]byte{99, n}, Source: "pipe", At: w.now(), From: "Somebody@example.org", Subject: "Re: news",
		Class: mailer.Answer, Of: of, Forward: true, Task: intake.TaskLeave, Raw: []byte("stop it")}}, w.now())
	w.must(err)
	return taken[0].ID
}

// testForwards passes answers on: one sender at a time has one in hand, what was cut short comes again once, and what
// cannot go is a task.
func testForwards(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(2)
	i := w.openIssue("morning", "2026-04-02")
	w.sendAll(accepted)
	next := func() *store.Forward {
		t.Helper()
		f, err := w.db.NextForward(ctx, w.now())
		w.must(err)
		return f
	}
	if next() != nil {
		t.Fatal("an answer is due and none came in")
	}
	id := w.answer(1, of(i, ids[0]))
	f, other := next(), next()
	if f == nil || f.Inbound != id || string(f.Raw) != "stop it" || f.Edition != "morning" || f.Slot != "2026-04-02" || f.Reader == nil || f.Reader.ID != ids[0] ||
		f.From != "somebody@example.org" || f.Task != 1 || f.Since.IsZero() {
		t.Fatalf("%+v", f)
	}
	w.must(w.db.BeginForward(ctx, f, w.now()))
	if err := w.db.BeginForward(ctx, other, w.now()); !errors.Is(err, mailer.ErrLost) {
		t.Errorf("two have it in hand: %v", err)
	}
	if err := w.db.SettleForward(ctx, other, mailer.Outcome{State: mailer.Failed}, w.now()); !errors.Is(err, mailer.ErrLost) {
		t.Errorf("who has not got it settles it: %v", err)
	}
	if next() != nil {
		t.Error("it is due while it is in hand")
	}
	w.must(w.db.SettleForward(ctx, f, mailer.Outcome{State: mailer.Deferred, Due: w.now().Add(time.Minute)}, w.now()))
	if at, ok, err := w.db.NextForwardDue(ctx); err != nil || !ok || !at.Equal(w.now().Add(time.Minute)) || next() != nil {
		t.Errorf("due %v %v %v", at, ok, err)
	}
	w.pass(time.Minute)
	f = next()
	if f.Attempts != 1 || f.Copies != 0 {
		t.Errorf("%+v", f)
	}
	for n := range 2 { // each cut short
		w.must(w.db.BeginForward(ctx, f, w.now()))
		w.pass(11 * time.Minute)
		if f = next(); (f != nil) != (n == 0) {
			t.Fatalf("after %d that were cut short: %+v", n+1, f)
		}
	}
	tasks, err := w.db.Tasks(ctx, true)
	if err != nil || len(tasks) != 2 || tasks[0].Kind != store.TaskForward || tasks[0].Subscriber != ids[0] || tasks[1].Kind != intake.TaskLeave || tasks[1].Inbound != id ||
		tasks[1].Address == "" || tasks[1].Status != "active" || tasks[1].Subject != "Re: news" {
		t.Errorf("%+v, %v", tasks, err)
	}
	if _, done, err := w.db.FinishTask(ctx, operators.By{Who: "ann"}, tasks[0].ID, false, "asked", w.now()); err != nil || !done {
		t.Error(done, err)
	}
	if _, done, err := w.db.FinishTask(ctx, operators.By{Who: "ann"}, tasks[0].ID, false, "asked twice", w.now()); err != nil || done {
		t.Error(done, err)
	}
	if _, _, err := w.db.FinishTask(ctx, operators.By{Who: "ann"}, 99, false, "", w.now()); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	one, err := w.db.Task(ctx, tasks[0].ID)
	if open, openErr := w.db.Tasks(ctx, true); err != nil || openErr != nil || one.Outcome != "asked" || !one.Done.Equal(w.now()) || len(open) != 1 {
		t.Errorf("%+v, %+v, %v %v", one, open, err, openErr)
	}
	if all, err := w.db.Tasks(ctx, false); err != nil || len(all) != 2 {
		t.Errorf("%+v, %v", all, err)
	}

	// What a reader wrote goes with them.
	w.answer(2, of(i, ids[1]))
	w.must(w.db.Erase(ctx, ids[1], w.now()))
	if f := next(); f != nil {
		t.Errorf("of a reader who is erased: %+v", f)
	}
	// Of nobody we know, too.
	w.answer(3, intake.Of{})
	if f := next(); f == nil || f.Reader != nil || f.Edition != "" {
		t.Errorf("%+v", f)
	}
}

// testFlood: of one sender and of one reader so many answers are passed on in an hour.
func testFlood(t *testing.T, w *world) {
	ids := w.readers(1)
	for n := range byte(30) {
		w.answer(n, intake.Of{Subscriber: ids[0]})
	}
	pass := func() (n int) {
		for {
			f, err := w.db.NextForward(t.Context(), w.now())
			w.must(err)
			if f == nil {
				return n
			}
			w.must(w.db.BeginForward(t.Context(), f, w.now()))
			w.must(w.db.SettleForward(t.Context(), f, mailer.Outcome{State: mailer.Accepted, Copies: 1}, w.now()))
			n++
		}
	}
	if n := pass(); n != 20 {
		t.Errorf("%d were passed on", n)
	}
	tasks, err := w.db.Tasks(t.Context(), true)
	floods := 0
	for _, task := range tasks {
		if task.Kind == store.TaskFlood {
			floods++
		}
	}
	if err != nil || floods != 1 {
		t.Errorf("%d tasks tell of it, %v", floods, err)
	}
	w.pass(time.Hour + time.Second)
	w.answer(31, intake.Of{})
	if n := pass(); n != 1 {
		t.Errorf("%d were passed on after an hour", n)
	}
}

// testFloodOfStrangers: of all who name no mail of ours so many answers are passed on in an hour,
// whatever they call themselves; the others are set aside, and one task tells.
func testFloodOfStrangers(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(1)
	i := w.openIssue("morning", "2026-04-02")
	w.sendAll(accepted)
	stranger := func(n int) intake.Entry {
		return intake.Entry{Hash: [32]byte{98, byte(n)}, Source: "pipe", At: w.now(), From: fmt.Sprintf("s%d@example.org", n), Class: mailer.Answer, Forward: true, Raw: []byte("x")}
	}
	held := 0
	for n := range 25 {
		taken, err := w.db.TakeIn(ctx, []intake.Entry{stranger(n)}, w.now())
		w.must(err)
		if taken[0].Held != "" {
			held++
		}
	}
	if aside := w.inbound(store.InboundFilter{Aside: true}); held != 5 || fmt.Sprint(aside) != "[25 24 23 22 21]" {
		t.Errorf("%d are held, set aside are %v", held, aside)
	}
	if tasks, err := w.db.Tasks(ctx, true); err != nil || len(tasks) != 1 || tasks[0].Kind != store.TaskFlood {
		t.Errorf("%+v, %v", tasks, err)
	}
	// Who comes to it twice, as after a crash, is set aside twice; a reader who names a mail is passed on.
	again, err := w.db.TakeIn(ctx, []intake.Entry{stranger(24)}, w.now())
	if w.must(err); !again[0].Again || again[0].Held == "" {
		t.Errorf("%+v", again[0])
	}
	reader := stranger(25)
	reader.Of = of(i, ids[0])
	taken, err := w.db.TakeIn(ctx, []intake.Entry{reader}, w.now())
	if w.must(err); taken[0].Held != "" || taken[0].Effect != "to be forwarded" {
		t.Errorf("%+v", taken[0])
	}
	// To read a held one once more leaves it where it is.
	e := stranger(24)
	if out, err := w.db.Reread(ctx, 25, &e, w.now()); err != nil || out.Changed {
		t.Errorf("%+v, %v", out, err)
	}
}

// testTasksOnce: one task of a kind is open for a reader, or for a sender whom nobody knows; it stands
// for what comes after, and so many are opened in an hour whatever the senders call themselves.
func testTasksOnce(t *testing.T, w *world) {
	ctx := t.Context()
	ids := w.readers(2)
	n := byte(0)
	take := func(kind string, of int64, from string) string {
		t.Helper()
		n++
		taken, err := w.db.TakeIn(ctx, []intake.Entry{{Hash: [32]byte{97, n}, Source: "pipe", At: w.now(), From: from, Class: mailer.NoBounce, Task: kind,
			Of: intake.Of{Subscriber: of}, Raw: []byte("x")}}, w.now())
		w.must(err)
		return taken[0].Effect
	}
	const fresh = "task for the operator"
	for _, c := range []struct {
		kind   string
		of     int64
		from   string
		effect string
	}{
		{intake.TaskLeave, ids[0], "a@example.org", fresh}, {intake.TaskLeave, ids[0], "b@example.org", "task 1 for the operator says so already"},
		{intake.TaskLeave, ids[1], "a@example.org", fresh}, {intake.TaskComplaint, 0, "fbl@example.org", fresh},
		{intake.TaskComplaint, 0, "FBL@example.org", "task 3 for the operator says so already"}, {intake.TaskLeave, 0, "fbl@example.org", fresh},
		{intake.TaskComplaint, 0, "other@example.org", fresh},
	} {
		if got := take(c.kind, c.of, c.from); got != c.effect {
			t.Errorf("%s of %d from %s: %q, want %q", c.kind, c.of, c.from, got, c.effect)
		}
	}
	if task, err := w.db.Task(ctx, 1); err != nil || task.More != 1 {
		t.Errorf("%+v, %v", task, err)
	}
	e := intake.Entry{Class: mailer.NoBounce, Task: intake.TaskLeave, Of: intake.Of{Subscriber: ids[0]}}
	if out, err := w.db.Reread(ctx, 2, &e, w.now()); err != nil || out.Changed {
		t.Errorf("read once more: %+v, %v", out, err)
	}
	// Once it is closed, the next message opens another.
	_, _, err := w.db.FinishTask(ctx, operators.By{Who: "ann"}, 1, false, "done", w.now())
	w.must(err)
	if got := take(intake.TaskLeave, ids[0], "a@example.org"); got != fresh {
		t.Error(got)
	}
	for k := range 30 {
		take(intake.TaskComplaint, 0, fmt.Sprintf("x%d@example.org", k))
	}
	complaints := 0
	tasks, err := w.db.Tasks(ctx, true)
	w.must(err)
	for _, task := range tasks {
		if task.Kind == intake.TaskComplaint {
			complaints++
		}
	}
	if complaints != 20 || tasks[0].More != 12 {
		t.Errorf("%d tasks, the last stands for %d more", complaints, tasks[0].More)
	}
}

// testForwardTold: what a message is said to come to is what became of it.
func testForwardTold(t *testing.T, w *world) {
	ids := w.readers(1)
	for n, c := range []struct {
		outcome mailer.Outcome
		want    string
	}{
		{mailer.Outcome{State: mailer.Accepted, Copies: 1}, "forwarded at 2026-04-02 06:00:00"},
		{mailer.Outcome{State: mailer.Deferred, Due: w.now().Add(time.Hour)}, "to be forwarded"},
		{mailer.Outcome{State: store.Aside, Reason: "no person wrote it"}, "not forwarded: no person wrote it"},
		{mailer.Outcome{State: mailer.Failed, Reason: "rcpt 550"}, "not forwarded: rcpt 550"},
		{mailer.Outcome{State: mailer.Uncertain, Reason: "unanswered"}, "perhaps forwarded: unanswered"},
	} {
		id := w.answer(byte(n), intake.Of{Subscriber: ids[0]})
		f, err := w.db.NextForward(t.Context(), w.now())
		w.must(err)
		w.must(w.db.SettleForward(t.Context(), f, c.outcome, w.now()))
		m, _, err := w.db.InboundMail(t.Context(), id)
		w.must(err)
		if !strings.HasSuffix(m.Effect, "; "+c.want) || m.Reader == "" {
			t.Errorf("%s: effect %q, want %q; reader %q", c.outcome.State, m.Effect, c.want, m.Reader)
		}
	}
}

// testOwnWish: a wish with a reader's token from another address does not stand for the reader's own.
func testOwnWish(t *testing.T, w *world) {
	ctx := t.Context()
	ids := w.readers(1)
	s, err := w.db.SubscriberByID(ctx, ids[0])
	w.must(err)
	for n, from := range []string{"mallory@elsewhere.example", "mallory@elsewhere.example", s.Address, s.Address} {
		_, err := w.db.TakeIn(ctx, []intake.Entry{{Hash: [32]byte{99, byte(n)}, Source: "pipe", At: w.now(), From: from, Class: mailer.Answer,
			Of: intake.Of{Subscriber: ids[0]}, Task: intake.TaskLeave, Raw: []byte("x")}}, w.now())
		w.must(err)
	}
	tasks, err := w.db.Tasks(ctx, true)
	w.must(err)
	if len(tasks) != 2 || tasks[0].Doubt() != "" || tasks[1].Doubt() == "" {
		t.Errorf("%+v", tasks)
	}
}
