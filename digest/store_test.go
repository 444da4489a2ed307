package digest_test

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/stories"
	"broadsheet/subscribers"
)

func newStore(t testing.TB, now func() time.Time) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), storetest.Fresh(t, filepath.Join(t.TempDir(), "digest.db")), store.Options{
		AddressHash: func(folded string) (h subscribers.Hash) {
			sum := sha256.Sum256([]byte(folded))
			copy(h[:], sum[:])
			return h
		},
		Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// ledger is the real database as a world. A delivery goes out through the same calls as a sender makes, one call a
// step, so that anything can happen between two of them.
type ledger struct {
	*store.DB
	t       *testing.T
	now     time.Time
	ids     map[int64]bool
	order   []mail // in the order of writing
	rows    []row
	issues  map[int64]*digest.Issue
	digests map[int64]*digest.Digest
	flights map[mail]*flight
}

type mail struct{ issue, slot, subscriber int64 }

type flight struct {
	batch    *mailer.Batch
	delivery mailer.Delivery
}

func newLedger(t *testing.T) *ledger {
	w := &ledger{t: t, ids: map[int64]bool{}, issues: map[int64]*digest.Issue{}, digests: map[int64]*digest.Digest{},
		flights: map[mail]*flight{}}
	w.DB = newStore(t, func() time.Time { return w.now })
	return w
}

func (w *ledger) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *ledger) intake(now time.Time, news []stories.Story) {
	w.now = now
	_, err := w.AddStories(w.t.Context(), news, now)
	w.must(err)
}

func (w *ledger) settings(now time.Time, id int64, s subscribers.Settings, barred string) {
	w.now = now
	if !w.ids[id] {
		added, err := w.AddSubscriber(w.t.Context(), s, "test", now)
		w.must(err)
		if w.ids[id] = true; added.ID != id {
			w.t.Fatalf("subscriber %d has id %d", id, added.ID)
		}
	} else {
		_, err := w.ChangeSettings(w.t.Context(), id, s, "test", now)
		w.must(err)
	}
	var err error
	if barred != "" {
		_, err = w.Suppress(w.t.Context(), subscribers.Suppression{Address: s.Address, Reason: barred, At: now}, now)
	} else {
		_, err = w.LiftSuppression(w.t.Context(), s.Address, subscribers.ByOperator, "test", now)
	}
	w.must(err)
}

func (w *ledger) deliveries() []row {
	found := map[mail]store.DeliveryRow{}
	var fresh []mail
	for d, err := range w.Deliveries(w.t.Context(), store.DeliveryFilter{}) {
		w.must(err)
		m := mail{d.Issue, d.Slot, d.Subscriber}
		if found[m] = d; !slices.Contains(w.order, m) {
			fresh = append(fresh, m)
		}
	}
	slices.SortFunc(fresh, func(a, b mail) int {
		return cmp.Or(cmp.Compare(a.issue, b.issue), cmp.Compare(a.subscriber, b.subscriber))
	})
	w.order = append(w.order, fresh...)
	for _, m := range fresh {
		d := found[m]
		if w.issues[m.issue] == nil {
			i, err := w.Issue(w.t.Context(), m.issue)
			w.must(err)
			w.issues[m.issue] = &i
		}
		r := row{issue: w.issues[m.issue], subscriber: m.subscriber}
		if d.Digest != 0 {
			if w.digests[d.Digest] == nil {
				digest, err := w.Digest(w.t.Context(), d.Digest)
				w.must(err)
				w.digests[d.Digest] = digest
			}
			for _, item := range w.digests[d.Digest].Items {
				r.stories = append(r.stories, item.Story)
				r.sections = append(r.sections, item.Section)
			}
		}
		w.rows = append(w.rows, r)
	}
	for n, m := range w.order {
		w.rows[n].state, w.rows[n].copies = found[m].State, found[m].Copies
		if s := w.rows[n].state; s == mailer.Accepted || s == mailer.Uncertain {
			w.rows[n].copies = 0 // what happened to them is over
		}
	}
	return slices.Clone(w.rows)
}

func (w *ledger) step(rnd *rand.Rand, now time.Time, n int) {
	w.now = now
	m := w.order[n]
	if !open(w.rows[n].state) && w.rows[n].state != mailer.Handed {
		delete(w.flights, m)
		return
	}
	switch rnd.IntN(60) {
	case 0: // the sender is gone; another cleans up behind it
		_, err := w.Recover(w.t.Context(), now)
		w.must(err)
		clear(w.flights)
		return
	case 1:
		_, err := w.Expire(w.t.Context(), now)
		w.must(err)
		return
	}
	f := w.flights[m]
	if f == nil {
		b, err := w.LeaseOne(w.t.Context(), m.issue, m.subscriber, "test", now)
		if w.must(err); b == nil {
			return
		}
		f = &flight{b, b.Deliveries[0]}
		if w.sent(m, f, storetest.Intend(w.t.Context(), w, b, &f.delivery, "k1", now)) {
			w.flights[m] = f
		}
		return
	}
	o := mailer.Outcome{Charged: true, Due: now.Add(time.Minute), Copies: f.delivery.Copies}
	if f.delivery.State == mailer.Sending {
		if rnd.IntN(3) > 0 {
			w.sent(m, f, storetest.Hand(w.t.Context(), w, f.batch, &f.delivery, now))
			return
		}
		o.State = []mailer.State{mailer.Queued, mailer.Deferred, mailer.Failed}[rnd.IntN(3)]
	} else {
		switch rnd.IntN(6) {
		case 0:
			o.State, o.Copies = mailer.Failed, o.Copies-1
		case 1:
			o.State, o.Copies = mailer.Deferred, o.Copies-1
		case 2: // silence
			if o.State = mailer.Deferred; o.Copies > 1 {
				o.State = mailer.Uncertain
			}
		default:
			o.State = mailer.Accepted
		}
	}
	if w.sent(m, f, storetest.Settle(w.t.Context(), w, f.batch, &f.delivery, o, now)) {
		w.must(w.Release(w.t.Context(), f.batch, now))
		delete(w.flights, m)
	}
}

// sent reports whether a call went through; if the delivery is no longer ours, its batch goes back.
func (w *ledger) sent(m mail, f *flight, err error) bool {
	w.t.Helper()
	if errors.Is(err, mailer.ErrLost) || errors.Is(err, mailer.ErrWait) {
		w.must(w.Release(w.t.Context(), f.batch, w.now))
		delete(w.flights, m)
		return false
	}
	w.must(err)
	return true
}

// The same promise, kept by the real database.
func TestNothingTwiceNothingLostInStore(t *testing.T) {
	lives, days := uint64(12), 10
	if testing.Short() {
		lives, days = 2, 7
	}
	for seed := range lives {
		newLife(t, newLedger(t), seed).run(days)
	}
}
