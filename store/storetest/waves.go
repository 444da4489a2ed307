package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/subscribers"
)

// restart opens the database anew.
func (w *world) restart() {
	w.Helper()
	w.must(w.db.Close())
	w.db = w.open()
}

// refusing refuses some readers at RCPT and takes the rest.
func refusing(some []int64) func(d *mailer.Delivery) mailer.Outcome {
	bad := make(map[int64]bool)
	for _, id := range some {
		bad[id] = true
	}
	return func(d *mailer.Delivery) mailer.Outcome {
		if !bad[d.Subscriber] {
			return accepted(d)
		}
		o := refused(d)
		o.Hard, o.Reason = true, "rcpt 550 5.1.1"
		return o
	}
}

// barredOf counts those of readers who are barred.
func (w *world) barredOf(ids []int64) (n int) {
	w.Helper()
	for _, id := range ids {
		if w.why(id) != "" {
			n++
		}
	}
	return n
}

// waves lists what is or was in quarantine, as "domain state hard/mails".
func (w *world) waves(open bool) (list []string) {
	w.Helper()
	found, err := w.db.Waves(w.Context(), time.Time{}, open, w.now())
	w.must(err)
	for _, v := range found {
		list = append(list, fmt.Sprintf("%s %s %d/%d", v.Domain, v.State(w.now()), v.Hard, v.Mails))
	}
	return list
}

// testFalseWave: a provider says of 30 % of its readers in one issue that they are not there. In the
// end nobody is barred, though no operator does anything.
func testFalseWave(t *testing.T, w *world) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for _, size := range []int{10, 100} {
		for _, old := range []bool{false, true} {
			for _, rcpt := range []bool{false, true} {
				name := fmt.Sprintf("w%d-%t-%t.example", size, old, rcpt)
				ids := w.readersAt(name, size)
				others := w.readersAt("other-"+name, 3)
				if old {
					w.day(accepted)
					w.pass(25 * time.Hour)
				}
				rnd.Shuffle(len(ids), func(a, b int) { ids[a], ids[b] = ids[b], ids[a] })
				bad := ids[:size*3/10]
				verdict := accepted
				if rcpt {
					verdict = refusing(append(bad[:len(bad):len(bad)], others[0])) // and one who is gone
				}
				i := w.day(verdict)
				if !rcpt {
					for n, id := range append(bad[:len(bad):len(bad)], others[0]) {
						if n == len(bad)/2 {
							w.restart()
						}
						w.bounces(i, mailer.Hard, id)
						w.pass(time.Minute)
					}
				}
				if n := w.barredOf(ids); n > 0 {
					t.Errorf("%s: %d of %d are barred", name, n, len(bad))
				}
				if got := w.why(others[0]); !old && got != "hard_bounce" || old && got != "" {
					t.Errorf("%s: one of another domain is barred for %q", name, got)
				}
				want := fmt.Sprintf("%s held %d/%d", name, len(bad), size)
				if got := w.waves(true); len(got) != 1 || got[0] != want {
					t.Errorf("waves %q, want %q", got, want)
				}
				// They go on getting mail, and one more such refusal does not bar who kept mail before.
				w.pass(25 * time.Hour)
				j := w.day(accepted)
				for _, id := range bad {
					w.want(j, id, mailer.Accepted, "")
				}
				w.bounces(j, mailer.Hard, bad[0])
				if got := w.why(bad[0]); old == (got != "") {
					t.Errorf("%s: after another mark barred for %q", name, got)
				}
				for _, id := range append(ids, others...) {
					_, err := w.db.LeaveAll(t.Context(), id, "reader", "", w.now())
					w.must(err)
				}
				w.pass(15 * 24 * time.Hour)
				if got := w.waves(true); len(got) != 0 {
					t.Errorf("still asks about %q", got)
				}
			}
		}
	}
}

// testDoubted: refusals that are too many in a row to be believed make a wave of those that were.
func testDoubted(t *testing.T, w *world) {
	ids, one := w.readersAt("wave.example", 20), w.readersAt("one.example", 1)
	n := 0
	w.day(func(d *mailer.Delivery) mailer.Outcome {
		o := refused(d)
		n++
		o.Hard, o.Doubted = n <= 2, n > 2
		return o
	})
	if w.barredOf(ids)+w.barredOf(one) != 0 || len(w.waves(true)) != 1 {
		t.Errorf("%d are barred, waves %q", w.barredOf(ids), w.waves(true))
	}
}

// testTrueMarks: what is no wave bars by the rule, and what was one of a dirty list does when it goes on.
func testTrueMarks(t *testing.T, w *world) {
	big := w.readersAt("big.example", 200)
	small := w.readersAt("small.example", 2)
	dirty := w.readersAt("dirty.example", 20)
	i := w.day(accepted)
	w.bounces(i, mailer.Hard, append(big[:10:10], small...)...)
	w.bounces(i, mailer.Hard, dirty[:3]...)
	if n := w.barredOf(big); n != 10 {
		t.Errorf("%d of 10 dead among 200 are barred", n)
	}
	if n := w.barredOf(small); n != 2 {
		t.Errorf("%d of 2 of a domain that is gone are barred", n)
	}
	if n := w.barredOf(dirty); n != 0 {
		t.Errorf("%d of a wave are barred", n)
	}
	// Another issue of that day is no proof, a third day is.
	for n, want := range []int{0, 0, 3} {
		w.pass([]time.Duration{3 * time.Hour, 21 * time.Hour, 24 * time.Hour}[n])
		j := w.day(accepted)
		w.bounces(j, mailer.Hard, dirty[:3]...)
		if got := w.barredOf(dirty); got != want {
			t.Errorf("after issue %d: %d are barred, want %d", n+2, got, want)
		}
	}
}

// testDecide has operators decide about waves.
func testDecide(t *testing.T, w *world) {
	ctx := t.Context()
	decided := func(name string, end store.WaveEnd, err error, marks, addresses int) {
		t.Helper()
		if err != nil || end.Marks != marks || end.Addresses != addresses {
			t.Errorf("%s: %+v, %v, want %d marks and %d addresses", name, end, err, marks, addresses)
		}
	}
	refusal := func(name string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	ids := w.readersAt("wave.example", 20)
	few := w.readersAt("few.example", 40)
	i := w.day(accepted)
	w.bounces(i, mailer.Hard, ids[:2]...)
	w.bounces(i, mailer.Hard, few[:2]...)
	if w.barredOf(ids)+w.barredOf(few) != 4 {
		t.Fatal("two of a domain are no wave")
	}
	// One of each says something else before the third mark comes.
	w.bounces(i, mailer.Complained, ids[0])
	_, err := w.db.LeaveAll(ctx, ids[1], "reader", "", w.now())
	w.must(err)
	w.bounces(i, mailer.Hard, ids[2:5]...)
	if a, b, c := w.why(ids[0]), w.why(ids[1]), w.why(ids[2]); a != "complaint" || b != "hard_bounce" || c != "" {
		t.Errorf("barred for %q, %q, %q", a, b, c)
	}

	// True after all.
	end, err := w.db.ApplyWave(ctx, operators.By{Who: "ann"}, i.ID, "Wave.Example", w.now())
	decided("apply", end, err, 5, 3)
	_, err = w.db.ApplyWave(ctx, operators.By{Who: "ann"}, i.ID, "wave.example", w.now())
	refusal("apply again", err, store.ErrDecided)
	w.bounces(i, mailer.Hard, ids[5])
	if got := w.why(ids[5]); got != "hard_bounce" {
		t.Errorf("one that comes after that is barred for %q", got)
	}
	// And false in the end.
	end, err = w.db.UndoWave(ctx, operators.By{Who: "ann"}, i.ID, "@wave.example", w.now())
	decided("undo", end, err, 6, 4)
	if n := w.barredOf(ids); n != 2 {
		t.Errorf("%d are barred, want the one who complained and the one who left", n)
	}
	_, err = w.db.UndoWave(ctx, operators.By{Who: "ann"}, i.ID, "wave.example", w.now())
	refusal("undo again", err, store.ErrDecided)
	_, err = w.db.ApplyWave(ctx, operators.By{Who: "ann"}, i.ID, "wave.example", w.now())
	refusal("apply what was taken back", err, store.ErrDecided)
	if got := w.bounces(i, mailer.Hard, ids[6]); w.why(ids[6]) != "" || got[0] != "bounced, undone with its wave" {
		t.Errorf("one that comes after that: %q, barred for %q", got, w.why(ids[6]))
	}
	w.want(i, ids[2], mailer.Bounced, "userunknown")

	// A few that never were a wave, of which one is barred for another reason too by now.
	_, err = w.db.ApplyWave(ctx, operators.By{Who: "ann"}, i.ID, "few.example", w.now())
	refusal("apply what counts", err, store.ErrNoWave)
	_, err = w.db.ImportSuppressions(ctx, []subscribers.SuppressionRow{{Line: 2, Suppression: subscribers.Suppression{Address: "r1@few.example", Reason: "import"}}}, w.now())
	w.must(err)
	end, err = w.db.UndoWave(ctx, operators.By{Who: "ann"}, i.ID, "few.example", w.now())
	decided("undo a few", end, err, 2, 1)
	if a, b := w.why(few[0]), w.why(few[1]); a != "" || b != "hard_bounce" {
		t.Errorf("barred for %q, %q", a, b)
	}
	_, err = w.db.UndoWave(ctx, operators.By{Who: "ann"}, i.ID, "none.example", w.now())
	refusal("undo nothing", err, store.ErrNoWave)
	_, err = w.db.UndoWave(ctx, operators.By{Who: "ann"}, 99, "few.example", w.now())
	refusal("undo an issue that is not there", err, store.ErrNotFound)
	if got := fmt.Sprint(w.waves(false)); got != "[few.example undone 2/40 wave.example undone 7/20]" {
		t.Errorf("waves %s", got)
	}
}

// testTwoIssues: a mark that bars as the second of two goes with the first, if that is taken back.
func testTwoIssues(t *testing.T, w *world) {
	ids := w.readersAt("wave.example", 10)
	w.day(accepted)
	w.pass(25 * time.Hour)
	i := w.day(accepted)
	w.pass(25 * time.Hour)
	j := w.day(accepted)
	w.bounces(i, mailer.Hard, ids[0])
	w.bounces(j, mailer.Hard, ids[0])
	if got := w.why(ids[0]); got != "hard_bounce" {
		t.Fatalf("barred for %q", got)
	}
	w.bounces(i, mailer.Hard, ids[1:3]...)
	if got := w.why(ids[0]); got != "" {
		t.Fatalf("barred for %q by a mark that is in quarantine", got)
	}
	w.pass(25 * time.Hour)
	k := w.day(accepted)
	w.bounces(k, mailer.Hard, ids[0])
	if got := w.why(ids[0]); got != "hard_bounce" {
		t.Fatalf("barred for %q after two that count", got)
	}
	// Who never kept a mail stays barred by the other mark, until that is taken back too.
	fresh := w.readersAt("fresh.example", 10)
	i, j = w.day(accepted), w.lateDay()
	w.bounces(i, mailer.Hard, fresh[0])
	w.bounces(j, mailer.Hard, fresh[0])
	w.bounces(i, mailer.Hard, fresh[1:3]...)
	if got := w.why(fresh[0]); got != "hard_bounce" {
		t.Fatalf("barred for %q by a mark that is no wave's", got)
	}
	end, err := w.db.UndoWave(t.Context(), operators.By{Who: "ann"}, j.ID, "fresh.example", w.now())
	if got := w.why(fresh[0]); err != nil || got != "" || end.Addresses != 1 {
		t.Fatalf("barred for %q, %+v, %v", got, end, err)
	}
}

// lateDay is day an hour later.
func (w *world) lateDay() digest.Issue {
	w.pass(time.Hour)
	return w.day(accepted)
}

// testRates counts what became of mails.
func testRates(t *testing.T, w *world) {
	ctx := t.Context()
	a, b := w.readersAt("a.example", 5), w.readersAt("b.example", 2)
	first := w.now()
	i := w.day(func(d *mailer.Delivery) mailer.Outcome {
		if d.Subscriber == b[1] {
			return refused(d)
		}
		return accepted(d)
	})
	w.pass(25 * time.Hour)
	var j digest.Issue = w.day(accepted)
	for n, c := range []mailer.Class{mailer.Hard, mailer.Soft, mailer.Policy, mailer.Content} {
		w.bounces(i, c, a[n])
		w.bounces(i, c, a[n])
	}
	w.bounces(i, mailer.Put, a[4], b[0])
	w.pass(time.Minute)
	w.bounces(i, mailer.Put, b[0])
	w.bounces(i, mailer.Arrived, a[4], b[0], b[0])
	w.bounces(j, mailer.Arrived, a[1])
	w.bounces(i, mailer.Complained, b[0])
	rates := func(q store.RateQuery) string {
		t.Helper()
		list, err := w.db.Rates(ctx, q)
		w.must(err)
		s := ""
		for _, r := range list {
			day := ""
			if !r.Day.IsZero() {
				day = r.Day.Format("02")
			}
			s += fmt.Sprintln(day, r.Relay, r.Domain, r.Taken, r.Delivered, r.Delayed, r.Hard, r.Soft, r.Policy, r.Content, r.Complaints, r.Refused)
		}
		return s
	}
	for _, c := range []struct {
		q    store.RateQuery
		want string
	}{
		{store.RateQuery{Since: first}, "   13 3 2 1 1 1 1 1 1\n"},
		{store.RateQuery{Since: first, By: store.RateDomain}, "  a.example 10 2 1 1 1 1 1 0 0\n  b.example 3 1 1 0 0 0 0 1 1\n"},
		{store.RateQuery{Since: first, By: store.RateDay | store.RateRelay}, "03 main  7 1 0 0 0 0 0 0 0\n02 main  6 2 2 1 1 1 1 1 1\n"},
		{store.RateQuery{Since: first.Add(24 * time.Hour), By: store.RateDomain, Domain: "a.example"}, "  a.example 5 1 0 0 0 0 0 0 0\n"},
		{store.RateQuery{Since: first, By: store.RateDomain, Limit: 1, Relay: "main"}, "  a.example 10 2 1 1 1 1 1 0 0\n"},
		{store.RateQuery{Since: first, Relay: "other"}, ""},
	} {
		if got := rates(c.q); got != c.want {
			t.Errorf("%+v:\n%swant\n%s", c.q, got, c.want)
		}
	}
	w.must(w.db.ForgetRates(ctx, w.now().Add(401*24*time.Hour)))
	if got := rates(store.RateQuery{}); got != "" {
		t.Errorf("after a year: %s", got)
	}
}
