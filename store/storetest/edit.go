package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/subscribers"
)

func (w *world) edit(id int64, do func(s *subscribers.Settings)) subscribers.Edited {
	w.Helper()
	e, err := w.db.EditReader(w.Context(), id, subscribers.Edit{By: "reader", Do: func(s *subscribers.Settings) error { do(s); return nil }}, w.now())
	w.must(err)
	return e
}

func (w *world) undo(id, row int64) subscribers.Edited {
	w.Helper()
	e, err := w.db.Undo(w.Context(), id, row, false, w.now())
	w.must(err)
	return e
}

func testEdit(t *testing.T, w *world) {
	ctx := t.Context()
	r := w.reader(settings(1))
	e := w.edit(r.ID, func(s *subscribers.Settings) { s.SetLevel("sport", subscribers.Less) })
	if !e.Changed || e.Row == 0 || e.SettingsID != e.Row || e.Get("sections") != "world;~sport" {
		t.Fatalf("edited %+v", e)
	}
	if e = w.edit(r.ID, func(s *subscribers.Settings) { s.SetLevel("sport", subscribers.Less) }); e.Changed || e.Row != 0 || e.Get("sections") != "world;~sport" {
		t.Fatalf("the same again: %+v", e)
	}
	refused := errors.New("no such section")
	for name, do := range map[string]func(s *subscribers.Settings) error{
		"own error":      func(s *subscribers.Settings) error { s.Hour = 3; return refused },
		"invalid":        func(s *subscribers.Settings) error { s.Hour = 24; return nil },
		"list in place":  func(s *subscribers.Settings) error { s.Sections[0].Section = "x"; return refused },
		"another's name": func(s *subscribers.Settings) error { s.Address = "reader2@example.org"; return nil },
	} {
		w.reader(settings(100 + len(name)))
		if name == "another's name" {
			w.reader(settings(2))
		}
		_, err := w.db.EditReader(ctx, r.ID, subscribers.Edit{By: "reader", Do: do}, w.now())
		if err == nil || name == "own error" && !errors.Is(err, refused) || name == "another's name" && !errors.Is(err, store.ErrTaken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	is, err := w.db.SubscriberByID(ctx, r.ID)
	w.must(err)
	history, err := w.db.History(ctx, r.ID)
	w.must(err)
	if is.Hour != -1 || is.Get("sections") != "world;~sport" || len(history) != 2 || history[1].By != "reader" {
		t.Fatalf("after refused edits %+v, %d rows", is, len(history))
	}
	if _, err := w.db.EditReader(ctx, 999, subscribers.Edit{By: "reader", Do: func(*subscribers.Settings) error { return nil }}, w.now()); !errors.Is(err, subscribers.ErrNotFound) {
		t.Fatalf("of nobody: %v", err)
	}
	// Who has not confirmed or has left cannot come back by a link, but may leave any number of times.
	for _, status := range []subscribers.Status{subscribers.Pending, subscribers.Unsubscribed} {
		s := is.Settings
		s.Status = status
		_, err := w.db.ChangeSettings(ctx, r.ID, s, "command", w.now())
		w.must(err)
		back := subscribers.Edit{By: "reader", Do: func(s *subscribers.Settings) error { s.Status = subscribers.Active; return nil }}
		if _, err := w.db.EditReader(ctx, r.ID, back, w.now()); !errors.Is(err, subscribers.ErrNotActive) {
			t.Errorf("%s: %v", status, err)
		}
		leave := subscribers.Edit{By: "reader", Leave: true, Do: func(s *subscribers.Settings) error { s.LeaveEdition("morning"); return nil }}
		if e, err := w.db.EditReader(ctx, r.ID, leave, w.now()); err != nil || e.Changed != (status == subscribers.Pending) {
			t.Errorf("%s leaves: %+v %v", status, e, err)
		}
		back.By = "operator"
		_, err = w.db.EditReader(ctx, r.ID, back, w.now())
		w.must(err)
	}
}

// testEditTogether has many edits of one reader at a time: none is lost.
func testEditTogether(t *testing.T, w *world) {
	ctx := t.Context()
	r := w.reader(settings(1))
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for k := range 5 {
				_, err := w.db.EditReader(ctx, r.ID, subscribers.Edit{By: "reader", Do: func(s *subscribers.Settings) error {
					s.SetLevel(fmt.Sprint("s", n, "-", k), subscribers.Normal)
					return nil
				}}, w.now())
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	is, err := w.db.SubscriberByID(ctx, r.ID)
	w.must(err)
	if len(is.Sections) != 41 {
		t.Fatalf("%d sections after 40 edits: %v", len(is.Sections), is.Sections)
	}
	history, err := w.db.History(ctx, r.ID)
	w.must(err)
	if len(history) != 41 {
		t.Fatalf("%d rows", len(history))
	}
}

func testLeaveAll(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	s := settings(1)
	s.Editions = []string{"morning", "given-up"} // one that no configuration has any more
	r := w.reader(s)
	complained := w.reader(settings(2))
	_, err := w.db.Suppress(ctx, subscribers.Suppression{Address: complained.Address, Reason: "complaint"}, w.now())
	w.must(err)
	i := w.openIssue("morning", "2026-04-02")
	gone, err := w.db.LeaveAll(ctx, r.ID, "reader", digest.NoticeLeft, w.now())
	w.must(err)
	if !gone.Changed || gone.Row == 0 || gone.Status != subscribers.Unsubscribed || gone.Suppressed == nil || gone.Suppressed.Reason != "unsubscribed" {
		t.Fatalf("left as %+v, %+v", gone, gone.Suppressed)
	}
	w.want(i, r.ID, mailer.Suppressed, "unsubscribed")
	w.pass(time.Minute)
	again, err := w.db.LeaveAll(ctx, r.ID, "reader", digest.NoticeLeft, w.now())
	if err != nil || again.Changed || again.Row != 0 || again.SettingsID != gone.Row {
		t.Fatalf("twice: %+v, %v", again, err)
	}
	if _, err := w.db.Undo(ctx, r.ID, gone.Row, false, w.now()); !errors.Is(err, subscribers.ErrLater) {
		t.Fatalf("undone on the page behind the first press: %v", err)
	}
	back, err := w.db.Undo(ctx, r.ID, gone.Row, true, w.now()) // by the mail that told of it
	w.must(err)
	if !back.Changed || back.Status != subscribers.Active || back.Suppressed != nil || len(back.Editions) != 2 {
		t.Fatalf("undone to %+v, %+v", back, back.Suppressed)
	}
	if twice := w.undo(r.ID, gone.Row); twice.Changed || twice.Status != subscribers.Active {
		t.Fatalf("undone twice: %+v", twice)
	}
	w.want(i, r.ID, mailer.Suppressed, "unsubscribed") // stays
	if n := w.sendAll(accepted); n != 0 {
		t.Fatalf("sent %d", n)
	}
	// The story that was in the delivery comes with the next, and nobody counts as having been away.
	w.must(w.db.Rehearse(ctx, w.issue("morning", "2026-04-03"), r.ID, func(c digest.Chunk) error {
		if r := c.Readers()[0]; r.Returned || r.Barred != "" || r.Previous.Reached() {
			t.Errorf("comes back as %+v after %+v", r, r.Previous)
		}
		return nil
	}))
	w.pass(24 * time.Hour)
	j := w.openIssue("morning", "2026-04-03")
	if n := w.sendAll(accepted); n != 1 {
		t.Fatalf("sent %d", n)
	}
	w.want(j, r.ID, mailer.Accepted, "")
	// Whoever redoes it leaves again; a later change ends the undoing.
	out := w.undo(r.ID, back.Row)
	if out.Status != subscribers.Unsubscribed || out.Suppressed == nil {
		t.Fatalf("left again as %+v", out)
	}
	w.undo(r.ID, out.Row)
	w.edit(r.ID, func(s *subscribers.Settings) { s.Hour = 5 })
	if _, err := w.db.Undo(ctx, r.ID, out.Row, false, w.now()); !errors.Is(err, subscribers.ErrLater) {
		t.Fatalf("undone under a later change: %v", err)
	}
	// A suppression that was there before stays, whatever is undone.
	gone, err = w.db.LeaveAll(ctx, complained.ID, "reader", "", w.now())
	w.must(err)
	if back = w.undo(complained.ID, gone.Row); back.Suppressed == nil || back.Suppressed.Reason != "complaint" {
		t.Fatalf("a complaint is undone: %+v", back.Suppressed)
	}
	for _, wrong := range [][2]int64{{r.ID, gone.Row}, {r.ID, 0}, {r.ID, 1 << 40}, {999, 1}, {r.ID, r.SettingsID}} {
		if _, err := w.db.Undo(ctx, wrong[0], wrong[1], false, w.now()); !errors.Is(err, subscribers.ErrNotFound) {
			t.Errorf("undo %v: %v", wrong, err)
		}
	}
	if _, err := w.db.LeaveAll(ctx, 999, "reader", "", w.now()); !errors.Is(err, subscribers.ErrNotFound) {
		t.Errorf("nobody left: %v", err)
	}
}

// testUndoAddress: who got hold of a mailbox's links and moved the mail elsewhere cannot keep the
// reader from taking it back by making further changes, or by signing up the old address.
func testUndoAddress(t *testing.T, w *world) {
	r := w.reader(settings(1))
	moved := w.edit(r.ID, func(s *subscribers.Settings) { s.Address = "thief@example.net" })
	w.edit(r.ID, func(s *subscribers.Settings) { s.Hour = 5 })
	squatter := settings(1)
	squatter.Status = subscribers.Pending
	w.reader(squatter)
	back := w.undo(r.ID, moved.Row)
	if back.Address != "reader1@example.org" || back.Hour != 5 {
		t.Fatalf("taken back to %+v", back)
	}
	if _, err := w.db.Undo(t.Context(), r.ID, moved.Row, false, w.now()); !errors.Is(err, subscribers.ErrLater) {
		t.Fatalf("twice: %v", err)
	}
	moved = w.edit(r.ID, func(s *subscribers.Settings) { s.Address = "elsewhere@example.net" })
	w.reader(settings(1))
	if _, err := w.db.Undo(t.Context(), r.ID, moved.Row, true, w.now()); !errors.Is(err, subscribers.ErrTaken) {
		t.Fatalf("to another reader's address: %v", err)
	}
}

// testAnyEdit edits, leaves, undoes, opens and sends at random. A story comes once at most, who
// is out gets nothing, an undo brings back exactly what was, and the audit after it must hold.
func testAnyEdit(t *testing.T, w *world) {
	ctx := t.Context()
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 2))
	t.Logf("seed %d", seed)
	ids := w.readers(5)
	got := make(map[string]bool)
	for day := range 30 {
		w.tell("world", 1+rnd.IntN(2))
		if _, err := w.write(w.db, w.issue("morning", fmt.Sprintf("%03d", day)), 1+rnd.IntN(4)); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			id := ids[rnd.IntN(len(ids))]
			before, err := w.db.SubscriberByID(ctx, id)
			w.must(err)
			var e subscribers.Edited
			switch rnd.IntN(5) {
			case 0:
				e, err = w.db.LeaveAll(ctx, id, "reader", digest.NoticeLeft, w.now())
			case 1:
				e, err = w.db.EditReader(ctx, id, subscribers.Edit{By: "reader", Leave: true, Notice: digest.NoticeLeft, Do: func(s *subscribers.Settings) error {
					s.LeaveEdition("morning")
					return nil
				}}, w.now())
			case 2:
				e, err = w.db.EditReader(ctx, id, subscribers.Edit{By: "reader", Do: func(s *subscribers.Settings) error {
					s.JoinEdition("morning")
					s.Pause(w.now().Add(time.Duration(rnd.IntN(72)) * time.Hour))
					return nil
				}}, w.now())
			case 3:
				_, err = w.db.EndPauses(ctx, w.now())
			}
			if err != nil && !errors.Is(err, subscribers.ErrNotActive) {
				t.Fatal(err)
			}
			if e.Row != 0 && rnd.IntN(2) == 0 {
				back := w.undo(id, e.Row)
				if !back.Equal(before.Settings) || (back.Suppressed == nil) != (before.Suppressed == nil) {
					t.Fatalf("undone to %+v, was %+v", back.Subscriber, before)
				}
			}
			if rnd.IntN(3) == 0 {
				w.sendAll(func(d *mailer.Delivery) mailer.Outcome {
					r, err := w.db.SubscriberByID(ctx, d.Subscriber)
					w.must(err)
					if r.Status != subscribers.Active || len(r.Editions) == 0 || r.Suppressed != nil {
						t.Errorf("mail went to %+v", r)
					}
					dg, err := w.db.Digest(ctx, d.Digest)
					w.must(err)
					for _, item := range dg.Items {
						key := fmt.Sprint(d.Subscriber, " ", item.Story)
						if got[key] {
							t.Errorf("story came twice: %s", key)
						}
						got[key] = true
					}
					return accepted(d)
				})
			}
		}
		w.pass(24 * time.Hour)
	}
}

// testStranger: who holds a forwarded mail may leave in the reader's name and undo that on the page
// behind it, but not once the reader has left as well; the mail that tells of it brings all back.
func testStranger(t *testing.T, w *world) {
	ctx := t.Context()
	leave := subscribers.Edit{By: "reader", Leave: true, Do: func(s *subscribers.Settings) error { s.LeaveEdition("morning"); return nil }}
	for n, again := range []func(id int64) (subscribers.Edited, error){
		func(id int64) (subscribers.Edited, error) { return w.db.LeaveAll(ctx, id, "reader", "", w.now()) },
		func(id int64) (subscribers.Edited, error) { return w.db.EditReader(ctx, id, leave, w.now()) },
	} {
		r := w.reader(settings(n + 1))
		first, err := again(r.ID)
		w.must(err)
		twice, err := again(r.ID) // a double press
		w.must(err)
		if twice.Changed {
			t.Errorf("%d: a second press changed %+v", n, twice)
		}
		back := w.undo(r.ID, first.Row)
		if !back.Equal(r.Settings) {
			t.Errorf("%d: undone to %+v", n, back)
		}
		first, err = again(r.ID)
		w.must(err)
		w.pass(2 * time.Minute)
		_, err = again(r.ID)
		w.must(err)
		if _, err := w.db.Undo(ctx, r.ID, first.Row, false, w.now()); !errors.Is(err, subscribers.ErrLater) {
			t.Errorf("%d: a reader who left is brought back from the page: %v", n, err)
		}
		if back, err := w.db.Undo(ctx, r.ID, first.Row, true, w.now()); err != nil || !back.Equal(r.Settings) || back.Suppressed != nil {
			t.Errorf("%d: the reader's mail brings back %+v: %v", n, back, err)
		}
	}
	// What came after the change that the reader was told of goes with it.
	r := w.reader(settings(9))
	first := w.edit(r.ID, func(s *subscribers.Settings) { s.Language = "ar" })
	w.edit(r.ID, func(s *subscribers.Settings) { s.Zone, s.Hour = "Asia/Tokyo", 3 })
	if back, err := w.db.Undo(ctx, r.ID, first.Row, true, w.now()); err != nil || !back.Equal(r.Settings) {
		t.Errorf("brought back to %+v: %v", back, err)
	}
	first = w.edit(r.ID, func(s *subscribers.Settings) { s.Language = "ar" })
	_, err := w.db.LeaveAll(ctx, r.ID, "reader", "", w.now())
	w.must(err)
	if _, err := w.db.Undo(ctx, r.ID, first.Row, true, w.now()); !errors.Is(err, subscribers.ErrLater) {
		t.Errorf("an undo of before brings back who has left: %v", err)
	}
}
