package storetest

import (
	"errors"
	"testing"

	"broadsheet/mailer"
)

// testOnlyTo: mail goes to nobody but those named, by the way of many and of one, also of what was leased
// before; and when nobody is named any more it goes to all.
func testOnlyTo(t *testing.T, w *world) {
	w.tell("world", 1)
	ids := w.readers(6)
	i := w.openIssue("morning", "2026-04-02")
	b := w.lease()
	w.db.OnlyTo(func(address string) bool { return address != "reader1@example.org" && address != "reader3@example.org" })
	if err := w.try(w.db, b, &b.Deliveries[0], accepted); !errors.Is(err, mailer.ErrLost) {
		t.Fatal(err)
	}
	w.want(i, ids[0], mailer.Suppressed, "only_to")
	w.must(w.try(w.db, b, &b.Deliveries[1], accepted))
	marks := make([]mailer.Mark, 2)
	for n := range marks {
		marks[n] = mailer.Mark{Step: mailer.Intend, Batch: b, Delivery: &b.Deliveries[n+2], KeyID: "k1"}
	}
	w.must(w.db.Commit(t.Context(), marks, w.now()))
	if !errors.Is(marks[0].Err, mailer.ErrLost) || marks[1].Err != nil {
		t.Fatal(marks[0].Err, marks[1].Err)
	}
	w.want(i, ids[2], mailer.Suppressed, "only_to")
	w.want(i, ids[3], mailer.Sending, "")
	w.db.OnlyTo(nil)
	w.must(w.db.Release(t.Context(), b, w.now()))
	w.sendAll(accepted)
	for _, n := range []int{1, 3, 4, 5} {
		w.want(i, ids[n], mailer.Accepted, "")
	}
}
