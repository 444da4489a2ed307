package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/operators"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/subscribers"
)

// twin is a database of which there are two: what happens to one happens to the other.
type twin struct {
	*testing.T
	db, beside *store.DB // beside is another program's
	path       string
	now, real  time.Time
	batches    []*mailer.Batch
}

func newTwin(t *testing.T, name string, at time.Time) *twin {
	w := &twin{T: t, path: filepath.Join(t.TempDir(), name), now: at, real: at}
	o := store.Options{AddressHash: hash, Now: func() time.Time { return w.real }}
	w.db, w.beside = open(t, w.path, o), open(t, w.path, o)
	w.db.Trace([]string{"main"})
	return w
}

func (w *twin) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *twin) open(edition string, slot int, gap time.Duration, quiet []schedule.Quiet) {
	ctx := w.Context()
	i, err := w.db.BeginIssue(ctx, digest.Issue{Edition: edition, Slot: fmt.Sprint(slot), Zone: "UTC", Due: w.now, Ends: w.now.Add(6 * time.Hour),
		MinGap: gap, Quiet: quiet}, w.now)
	w.must(err)
	d := &digest.Digest{Key: fmt.Sprint(edition, slot), Items: []digest.Item{{Story: 1, Revision: 1, Section: "world"}},
		Pieces: []digest.Piece{{Fragment: &digest.Fragment{Body: []byte("text\r\n")}}}}
	for done := false; !done; {
		done, err = w.db.WriteChunk(ctx, &i, digest.Audience{}, 7, w.now, func(c digest.Chunk) (list []digest.Planned, err error) {
			for _, r := range c.Readers() {
				p := digest.Planned{Subscriber: r.Subscriber, SettingsID: r.SettingsID, Digest: d, State: "queued", WindowEnd: 1, Relay: "main"}
				if r.Barred != "" {
					p.State, p.Reason, p.Digest = "suppressed", r.Barred, nil
				}
				list = append(list, p)
			}
			return list, nil
		})
		w.must(err)
	}
	w.must(w.db.FinishIssue(ctx, &i, 0, w.now))
}

// step does one thing at random. Both twins get the same random numbers.
func (w *twin) step(rnd *rand.Rand, n int) {
	ctx := w.Context()
	reader := int64(1 + rnd.IntN(24))
	switch rnd.IntN(40) {
	case 0, 14, 15, 16, 17, 18, 19, 20:
		gap := []time.Duration{0, time.Hour, 3 * time.Hour}[rnd.IntN(3)]
		var quiet []schedule.Quiet
		if rnd.IntN(4) == 0 {
			quiet = []schedule.Quiet{{From: 60 * rnd.IntN(12), To: 60 * (12 + rnd.IntN(12))}}
		}
		w.open([]string{"morning", "extra"}[rnd.IntN(2)], n, gap, quiet)
	case 1:
		d := time.Duration(rnd.IntN(100)) * time.Minute
		w.now, w.real = w.now.Add(d), w.real.Add(d/60)
	case 2:
		s, err := w.beside.SubscriberByID(ctx, reader)
		w.must(err)
		switch rnd.IntN(4) {
		case 0:
			s.Status = subscribers.Paused
		case 1:
			s.Editions = []string{"extra"}
		case 2:
			s.Address = fmt.Sprintf("%d@example.net", reader+int64(100*n))
		default:
			s.Status, s.Editions = subscribers.Active, []string{"morning", "extra"}
		}
		_, err = w.beside.ChangeSettings(ctx, reader, s.Settings, "reader", w.now)
		w.must(err)
	case 3:
		s, err := w.db.SubscriberByID(ctx, reader)
		w.must(err)
		if rnd.IntN(2) == 0 {
			reason := []string{"complaint", "unsubscribed"}[rnd.IntN(2)]
			_, err = w.beside.Suppress(ctx, subscribers.Suppression{Address: s.Address, Reason: reason}, w.now)
		} else {
			_, err = w.beside.LiftSuppression(ctx, s.Address, subscribers.ByOperator, "asked", w.now)
		}
		w.must(err)
	case 4:
		switch rnd.IntN(3) {
		case 0:
			_, err := w.beside.Expire(ctx, w.now)
			w.must(err)
		case 1:
			_ = w.beside.RetryDelivery(ctx, store.DeliveryID(int64(1+rnd.IntN(3)), reader), operators.By{}, w.now)
		default:
			if rnd.IntN(4) == 0 {
				_, err := w.beside.Recover(ctx, w.now)
				w.must(err)
			}
		}
	case 25, 26, 27:
		kind := []string{digest.NoticeConfirm, digest.NoticeLeft}[rnd.IntN(2)]
		for range 1 + rnd.IntN(5) {
			id := int64(1 + rnd.IntN(24))
			w.must(w.db.AddNotice(ctx, digest.Notice{Kind: kind, Subscriber: id, SettingsID: id, Number: int64(n)}, w.now))
		}
		_, err := w.beside.PostNotices(ctx, 100, w.now, planNotices)
		w.must(err)
	case 5, 12, 13:
		if k := len(w.batches); k > 0 {
			k = rnd.IntN(k)
			w.must(w.db.Release(ctx, w.batches[k], w.now))
			w.batches = slices.Delete(w.batches, k, k+1)
		}
	case 6, 7, 8, 9, 10, 11, 21, 22, 23, 24:
		b, err := w.db.Lease(ctx, "main", "w", w.now)
		w.must(err)
		if b != nil {
			w.batches = append(w.batches, b)
		}
	}
}

// marks are those of a random group of calls.
func (w *twin) marks(rnd *rand.Rand) (calls [][]mailer.Mark) {
	if len(w.batches) == 0 {
		return nil
	}
	for range 1 + rnd.IntN(2) {
		var marks []mailer.Mark
		b := w.batches[len(w.batches)-1-rnd.IntN(min(2, len(w.batches)))]
		from := rnd.IntN(len(b.Deliveries))
		steps := []mailer.Step{mailer.Intend, mailer.Hand, mailer.Settle}
		if rnd.IntN(2) == 0 {
			steps = steps[rnd.IntN(3):][:1]
		}
		for _, step := range steps {
			for k := from; k < min(from+1+rnd.IntN(6), len(b.Deliveries)); k++ {
				d := &b.Deliveries[k]
				m := mailer.Mark{Step: step, Batch: b, Delivery: d, KeyID: "k1", Selector: fmt.Sprint("s", rnd.IntN(2))}
				if step == mailer.Settle {
					m.Outcome = outcome(rnd, d, w.now)
				}
				marks = append(marks, m)
				if rnd.IntN(12) == 0 {
					marks = append(marks, m)
				}
			}
		}
		calls = append(calls, marks)
	}
	return calls
}

func outcome(rnd *rand.Rand, d *mailer.Delivery, now time.Time) mailer.Outcome {
	o := mailer.Outcome{State: mailer.Accepted, Reply: mailer.Reply{Code: 250, Enhanced: "2.0.0", Text: fmt.Sprintf("Ok %d: queued as 4Xy%03dZ%03d", rnd.IntN(3), d.Slot, d.Subscriber)}, Charged: true, Copies: d.Copies, Relay: "main"}
	switch rnd.IntN(24) {
	case 0:
		return mailer.Outcome{State: mailer.Deferred, Reason: "dot 451", Reply: mailer.Reply{Code: 451, Text: "Later"}, Due: now.Add(time.Minute), Charged: true, Relay: "main"}
	case 1:
		return mailer.Outcome{State: mailer.Queued, Reason: "connection lost", Due: now, Copies: d.Copies, Relay: "main"}
	case 2:
		return mailer.Outcome{State: mailer.Failed, Reason: "rcpt 550", Reply: mailer.Reply{Code: 550, Text: "No"}, Charged: true, Hard: true, Relay: "main"}
	case 3:
		o.State, o.Reason, o.Reply, o.Due = mailer.Deferred, mailer.ReasonUnanswered, mailer.Reply{}, now.Add(time.Minute)
		if d.Copies > 1 {
			o.State = mailer.Uncertain
		}
	}
	return o
}

// dump is all that marks may change.
func (w *twin) dump() string {
	raw := storetest.Raw(w.T, w.path)
	var all strings.Builder
	for _, query := range []string{
		`SELECT d.slot, d.subscriber, d.state, d.reason, d.attempts, d.copies, d.due, d.date, d.key_id, d.selector, d.handed, d.relay, d.code, d.enhanced,
			coalesce(rt.body, '-'), d.at FROM deliveries d LEFT JOIN reply_texts rt ON rt.id = d.reply ORDER BY 1, 2`,
		`SELECT a.slot, a.subscriber, a.n, a.at, a.state, a.reason, a.code, coalesce(rt.body, '-') FROM attempts a LEFT JOIN reply_texts rt ON rt.id = a.reply ORDER BY 1, 2, 3`,
		`SELECT id, address, accepted FROM subscribers ORDER BY 1`, `SELECT * FROM marks ORDER BY 1, 2`, `SELECT * FROM followers ORDER BY 1, 2`,
		`SELECT hash, reason, at FROM suppressions ORDER BY 1`, `SELECT body FROM reply_texts ORDER BY 1`, `SELECT * FROM batches ORDER BY 1`,
		`SELECT * FROM queue_ids ORDER BY 1, 2`,
	} {
		rows, err := raw.Query(query)
		w.must(err)
		names, err := rows.Columns()
		w.must(err)
		values := make([]any, len(names))
		for k := range values {
			values[k] = new(sql.NullString)
		}
		for rows.Next() {
			w.must(rows.Scan(values...))
			for k, v := range values {
				fmt.Fprintf(&all, " %s=%q", names[k], v.(*sql.NullString).String)
			}
			all.WriteByte('\n')
		}
		w.must(rows.Err())
	}
	return all.String()
}

func told(calls [][]mailer.Mark) string {
	var b strings.Builder
	for _, marks := range calls {
		for _, m := range marks {
			fmt.Fprintf(&b, "%d %+v %v\n", m.Step, *m.Delivery, m.Err)
		}
	}
	return b.String()
}

// TestBulkIsAsOneByOne plays the same random history twice, once with marks in bulk and once with
// each by itself: the rows and the verdicts are the same.
func TestBulkIsAsOneByOne(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	bulk, single, redone, notices, rounds := 0, 0, 0, 0, uint64(2)
	if testing.Short() {
		rounds = 1
	}
	for round := range rounds {
		at := time.Date(2026, 4, 2, 6, 0, 0, 0, time.UTC)
		twins := []*twin{newTwin(t, "bulk.db", at), newTwin(t, "one.db", at)}
		twins[1].db.OneByOne()
		var sources []*rand.Rand
		for _, w := range twins {
			sources = append(sources, rand.New(rand.NewPCG(seed, round)))
			_, err := w.db.AddStories(context.Background(), story(1), at)
			w.must(err)
			var rows []subscribers.Row
			for k := range 24 {
				s := subscribers.NewSettings(fmt.Sprintf("%d@example.org", k))
				s.Editions, s.Status = []string{"morning", "extra"}, subscribers.Active
				s.Sections = []subscribers.Follow{{Section: "world", Level: subscribers.Normal}}
				rows = append(rows, subscribers.Row{Settings: s, Given: subscribers.FieldEditions | subscribers.FieldStatus | subscribers.FieldSections})
			}
			_, err = w.db.ImportRows(context.Background(), rows, at)
			w.must(err)
			w.open("morning", 1000, 0, nil)
		}
		for n := range 250 {
			var said, rows [2]string
			for k, w := range twins {
				w.step(sources[k], n)
				calls := w.marks(sources[k])
				if len(calls) == 0 {
					continue
				}
				w.must(w.db.CommitTogether(w.now, calls...))
				said[k] = told(calls)
				if n%10 == 9 {
					rows[k] = w.dump()
				}
			}
			if said[0] != said[1] {
				t.Fatalf("round %d, step %d: in bulk\n%s\none by one\n%s", round, n, said[0], said[1])
			}
			if rows[0] != rows[1] {
				t.Fatalf("round %d, step %d: in bulk\n%s\none by one\n%s", round, n, rows[0], rows[1])
			}
		}
		s := twins[0].db.Stats()
		for d, err := range twins[0].db.Deliveries(t.Context(), store.DeliveryFilter{}) {
			twins[0].must(err)
			if d.Edition == digest.NoticeEdition && d.State != mailer.Queued && d.State != mailer.Expired {
				notices++
			}
		}
		bulk, single, redone = bulk+s.Bulk, single+s.Marks-s.Bulk, redone+s.Redone
	}
	t.Logf("%d in bulk, %d one by one, %d redone, of notices %d", bulk, single, redone, notices)
	if bulk < 100 || single < 100 || redone == 0 || notices < 20 {
		t.Errorf("%d marks in bulk, %d one by one, %d groups done again: the history is too tame", bulk, single, redone)
	}
}
