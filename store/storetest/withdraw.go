package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/stories"
)

var editor = operators.By{Who: "ed", Why: "wrong name"}

// recast lays out as [world.plan] does: the items that are left.
func recast(_ context.Context, _ *digest.Issue, old []*digest.Digest, edits map[int64]digest.Edit) ([]*digest.Digest, error) {
	var out []*digest.Digest
	for _, d := range old {
		var items []digest.Item
		for _, item := range d.Items {
			e := edits[item.Story]
			if e.Revision != 0 {
				item.Revision = e.Revision
			}
			if !e.Withdrawn && !e.Held {
				items = append(items, item)
			}
		}
		if len(items) == 0 {
			out = append(out, nil)
			continue
		}
		out = append(out, digestOf(items))
	}
	return out, nil
}

func digestOf(items []digest.Item) *digest.Digest {
	d := &digest.Digest{Key: fmt.Sprint(items), Language: "en", Zone: "UTC", Subject: "S", Items: items}
	for _, item := range items {
		d.Pieces = append(d.Pieces, digest.Piece{Values: []string{"7"}, Fragment: &digest.Fragment{Body: fmt.Appendf(nil, "story %d\r\n", item.Story)}})
	}
	return d
}

func (w *world) recast() store.Recast {
	w.Helper()
	r, err := w.db.Recast(w.Context(), recast, w.now, nil)
	w.must(err)
	return r
}

func (w *world) withdraw(story int64) {
	w.Helper()
	if news, err := w.db.WithdrawStory(w.Context(), editor, story, w.now()); err != nil || !news {
		w.Fatalf("withdrawn: %v, %v", news, err)
	}
}

// shows reports whether the digest of a reader's delivery has a story.
func (w *world) shows(i digest.Issue, subscriber, story int64) bool {
	w.Helper()
	row := w.row(i, subscriber)
	if row.Digest == 0 {
		return false
	}
	d, err := w.db.Digest(w.Context(), row.Digest)
	w.must(err)
	return slices.ContainsFunc(d.Items, func(i digest.Item) bool { return i.Story == story })
}

// have lists the readers who have a story, and looks whether that is what the ledger says.
func (w *world) have(story int64) (ids []int64) {
	w.Helper()
	for h, err := range w.db.Having(w.Context(), story, nil) {
		w.must(err)
		ids = append(ids, h.Subscriber)
	}
	var want []int64
	for d, err := range w.db.Deliveries(w.Context(), store.DeliveryFilter{}) {
		w.must(err)
		if d.Digest == 0 || !d.State.Taken() && d.Copies == 0 {
			continue
		}
		g, err := w.db.Digest(w.Context(), d.Digest)
		w.must(err)
		if slices.ContainsFunc(g.Items, func(i digest.Item) bool { return i.Story == story }) {
			want = append(want, d.Subscriber)
		}
	}
	if !slices.Equal(slices.Sorted(slices.Values(ids)), slices.Sorted(slices.Values(want))) {
		w.Fatalf("story %d is said to be with %v, the ledger has %v", story, ids, want)
	}
	return ids
}

// testWithdraw withdraws a story while deliveries are in every state.
func testWithdraw(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 2)
	ids := w.readers(9)
	i := w.openIssue("morning", "2026-04-02")
	b := w.lease()
	d := func(n int) *mailer.Delivery { return &b.Deliveries[n] }
	w.must(w.try(w.db, b, d(0), accepted))
	w.must(w.try(w.db, b, d(1), refused))
	w.must(w.try(w.db, b, d(2), w.unanswered)) // waits for its second copy
	for n := 3; n <= 6; n++ {
		w.must(Intend(ctx, w.db, b, d(n), "k1", w.now()))
	}
	w.must(Hand(ctx, w.db, b, d(5), w.now())) // will be accepted
	w.must(Hand(ctx, w.db, b, d(6), w.now())) // will not be answered

	w.withdraw(1)
	if news, err := w.db.WithdrawStory(ctx, editor, 1, w.now()); err != nil || news {
		t.Fatalf("once more: %v, %v", news, err)
	}
	// The sender that has the batch in hand gets nothing of it out, handed or not.
	for _, n := range []int{3, 4} {
		if err := Hand(ctx, w.db, b, d(n), w.now()); !errors.Is(err, mailer.ErrLost) {
			t.Fatalf("handed with the story: %v", err)
		}
	}
	for _, n := range []int{7, 8} {
		if err := Intend(ctx, w.db, b, d(n), "k1", w.now()); !errors.Is(err, mailer.ErrLost) {
			t.Fatalf("begun with the story: %v", err)
		}
	}
	if is, err := w.db.Recalled(ctx, d(5)); err != nil || !is {
		t.Fatalf("nobody tells the sender: %v, %v", is, err)
	}
	w.must(Settle(ctx, w.db, b, d(5), accepted(d(5)), w.now()))
	w.must(Settle(ctx, w.db, b, d(6), w.unanswered(d(6)), w.now()))
	w.want(i, ids[0], mailer.Accepted, "")
	w.want(i, ids[1], mailer.Failed, "")
	w.want(i, ids[2], mailer.Uncertain, "story withdrawn")
	w.want(i, ids[5], mailer.Accepted, "")
	w.want(i, ids[6], mailer.Uncertain, "story withdrawn")
	for _, n := range []int{3, 4, 7, 8} {
		if row := w.want(i, ids[n], mailer.Queued, ""); row.Attempts != 0 || !row.Date.IsZero() {
			t.Fatalf("charged for the withdrawal: %+v", row)
		}
	}
	w.must(w.db.Release(ctx, b, w.now()))
	if b, err := w.db.Lease(ctx, "main", "w1", w.now()); err != nil || b != nil {
		t.Fatalf("leased before its digests have followed: %+v, %v", b, err)
	}
	if is, err := w.db.Withheld(ctx); err != nil || !is {
		t.Fatalf("withheld: %v, %v", is, err)
	}
	// A refused one goes again at the wish of an operator: without the story.
	w.must(w.db.RetryDelivery(ctx, store.DeliveryID(i.SlotID, ids[1]), operators.By{Why: "they are back"}, w.now()))
	if b, err := w.db.Lease(ctx, "main", "w1", w.now()); err != nil || b != nil {
		t.Fatalf("leased with the story: %+v, %v", b, err)
	}
	if r := w.recast(); r.Deliveries != 5 || r.Digests != 1 || r.Cancelled+r.Uncertain != 0 {
		t.Fatalf("recast %+v", r)
	}
	if r := w.recast(); r.Deliveries+r.Digests != 0 {
		t.Fatalf("and again %+v", r)
	}
	if n := w.sendAll(accepted); n != 5 {
		t.Fatalf("sent %d", n)
	}
	for n, id := range ids {
		if has := slices.Contains([]int{0, 2, 5, 6}, n); w.shows(i, id, 1) != has {
			t.Errorf("delivery %d shows it: %v", n, !has)
		}
	}
	if got := w.have(1); len(got) != 4 {
		t.Errorf("%v have it", got)
	}
	// One that ended uncertain is not sent again, whoever wishes it.
	w.must(w.db.RetryDelivery(ctx, store.DeliveryID(i.SlotID, ids[2]), operators.By{}, w.now()))
	w.recast()
	w.want(i, ids[2], mailer.Uncertain, "story withdrawn")
	// No source brings it back.
	got, err := w.db.AddStories(ctx, []stories.Story{{GUID: "g1", Headline: "Other words", Sections: []string{"world", "sport"}, Source: "https://news.example/feed"}}, w.now())
	if want := (stories.Added{Known: 1}); err != nil || got != want {
		t.Fatalf("%+v, %v", got, err)
	}
	w.pass(24 * time.Hour)
	w.tell("world", 1)
	next := w.openIssue("morning", "2026-04-03")
	for _, id := range ids {
		if w.shows(next, id, 1) || !w.shows(next, id, 3) {
			t.Errorf("the next issue of reader %d is not right", id)
		}
	}
	if entries := auditOf(w, "story 1"); len(entries) != 1 || entries[0].By != editor {
		t.Errorf("audit %+v", entries)
	}
	if _, err := w.db.WithdrawStory(ctx, editor, 99, w.now()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of no story: %v", err)
	}
}

func auditOf(w *world, object string) (list []operators.Entry) {
	for e, err := range w.db.Audit(w.Context(), store.AuditFilter{Object: object}) {
		w.must(err)
		list = append(list, e)
	}
	return list
}

// testWithdrawLast: of whose digest nothing is left gets no mail, and their window reaches back. What is
// chosen in an issue half open is looked at too.
func testWithdrawLast(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(8)
	i, err := w.db.BeginIssue(ctx, w.issue("morning", "2026-04-02"), w.now())
	w.must(err)
	chunk := func() {
		_, err := w.db.WriteChunk(ctx, &i, digest.Audience{EditionID: i.EditionID}, 4, w.now(), func(c digest.Chunk) ([]digest.Planned, error) {
			return w.plan(ctx, w.db, i, c, map[string]*digest.Digest{})
		})
		w.must(err)
	}
	chunk()
	w.withdraw(1)
	chunk()
	chunk()
	w.must(w.db.FinishIssue(ctx, &i, 0, w.now()))
	if n := w.sendAll(accepted); n != 0 {
		t.Fatalf("sent %d", n)
	}
	if r := w.recast(); r.Cancelled != 4 {
		t.Fatalf("recast %+v", r)
	}
	for n, id := range ids {
		if n < 4 {
			w.want(i, id, mailer.Cancelled, "story withdrawn")
		} else {
			w.want(i, id, mailer.Skipped, "")
		}
	}
	if got := w.have(1); len(got) != 0 {
		t.Fatalf("%v have it", got)
	}
}

// testWithdrawAny withdraws stories at any moment between senders' marks, with crashes: of what is
// withdrawn nothing is handed from then on.
func testWithdrawAny(t *testing.T, w *world) {
	ctx := t.Context()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	w.tell("world", 4)
	w.tell("sport", 3)
	for n := range 30 {
		s := settings(n + 1)
		if n%3 == 1 {
			s.Sections[0].Section = "sport"
		}
		w.reader(s)
	}
	i := w.openIssue("morning", "2026-04-02")
	away := map[int64]bool{}
	type flight struct {
		b *mailer.Batch
		d *mailer.Delivery
	}
	var batches []*mailer.Batch
	var flying []flight
	handed := func(d *mailer.Delivery) {
		g, err := w.db.Digest(ctx, d.Digest)
		w.must(err)
		for _, item := range g.Items {
			if away[item.Story] {
				t.Fatalf("reader %d gets story %d after it was withdrawn", d.Subscriber, item.Story)
			}
		}
	}
	step := func() {
		switch rnd.IntN(10) {
		case 0:
			b, err := w.db.Lease(ctx, "main", fmt.Sprint("w", rnd.IntN(3)), w.now())
			w.must(err)
			if b != nil {
				batches = append(batches, b)
			}
		case 1, 2, 3, 4:
			if len(batches) == 0 {
				return
			}
			b := batches[rnd.IntN(len(batches))]
			d := &b.Deliveries[rnd.IntN(len(b.Deliveries))]
			if Intend(ctx, w.db, b, d, "k", w.now()) == nil {
				if rnd.IntN(4) > 0 {
					flying = append(flying, flight{b, d})
				}
			}
		case 5, 6, 7:
			if len(flying) == 0 {
				return
			}
			n := rnd.IntN(len(flying))
			f := flying[n]
			flying = slices.Delete(flying, n, n+1)
			if Hand(ctx, w.db, f.b, f.d, w.now()) != nil {
				return
			}
			handed(f.d)
			o := []mailer.Outcome{accepted(f.d), refused(f.d), w.unanswered(f.d)}[rnd.IntN(3)]
			if rnd.IntN(5) > 0 {
				_ = Settle(ctx, w.db, f.b, f.d, o, w.now())
			}
		case 8:
			switch rnd.IntN(6) {
			case 0:
				if len(away) < 4 {
					story := int64(1 + rnd.IntN(7))
					if !away[story] {
						w.withdraw(story)
						away[story] = true
					}
				}
			case 1:
				batches, flying = nil, nil
				_, err := w.db.Recover(ctx, w.now())
				w.must(err)
			case 2:
				stop, cancel := context.WithCancel(ctx)
				_, err := w.db.Recast(stop, recast, w.now, func(store.Recast) { cancel() }) // ends after a batch, as if killed
				cancel()
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
			}
		case 9:
			w.pass(time.Duration(rnd.IntN(40)) * time.Second)
		}
	}
	for range 250 {
		step()
	}
	_, err := w.db.Recover(ctx, w.now())
	w.must(err)
	for range 5 {
		w.recast()
		w.sendAll(func(d *mailer.Delivery) mailer.Outcome { handed(d); return accepted(d) })
		w.pass(5 * time.Minute)
	}
	counts, err := w.db.IssueCounts(ctx, i.ID)
	w.must(err)
	for _, open := range []mailer.State{mailer.Queued, mailer.Sending, mailer.Handed, mailer.Deferred} {
		if counts[string(open)] > 0 {
			t.Errorf("left over: %v", counts)
		}
	}
	for story := range int64(7) {
		w.have(story + 1)
	}
	for d, err := range w.db.Deliveries(ctx, store.DeliveryFilter{Issue: i.ID}) {
		w.must(err)
		if d.State == mailer.Uncertain && d.Copies == 0 || strings.HasPrefix(d.Reason, "story") && d.State != mailer.Uncertain && d.State != mailer.Cancelled {
			t.Errorf("delivery %+v", d)
		}
	}
}
