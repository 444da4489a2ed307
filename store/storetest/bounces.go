package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/intake"
	"broadsheet/mailer"
	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/subscribers"
)

// readersAt adds readers of a domain.
func (w *world) readersAt(domain string, n int) (ids []int64) {
	w.Helper()
	var rows []subscribers.Row
	for k := range n {
		s := settings(0)
		s.Address = fmt.Sprintf("r%d@%s", k, domain)
		rows = append(rows, subscribers.Row{Line: k + 2, Settings: s, Given: subscribers.FieldStatus | subscribers.FieldSections | subscribers.FieldEditions})
		if len(rows) == 500 || k == n-1 {
			_, err := w.db.ImportRows(w.Context(), rows, w.now())
			w.must(err)
			rows = nil
		}
	}
	for k := range n {
		s, err := w.db.Subscriber(w.Context(), fmt.Sprintf("r%d@%s", k, domain))
		w.must(err)
		ids = append(ids, s.ID)
	}
	return ids
}

// day opens a morning issue with something to say and sends it; two of a minute have one name.
func (w *world) day(verdict func(d *mailer.Delivery) mailer.Outcome) digest.Issue {
	w.Helper()
	w.tell("world", 1)
	i := w.openIssue("morning", w.now().Format("2006-01-02 15:04"))
	for {
		b, err := w.db.Lease(w.Context(), "main", "w1", w.now())
		w.must(err)
		if b == nil {
			return i
		}
		w.must(w.together(b, verdict))
		w.must(w.db.Release(w.Context(), b, w.now()))
	}
}

// together sends a batch with a commit for each step.
func (w *world) together(b *mailer.Batch, verdict func(d *mailer.Delivery) mailer.Outcome) error {
	marks := make([]mailer.Mark, len(b.Deliveries))
	for _, step := range []mailer.Step{mailer.Intend, mailer.Hand, mailer.Settle} {
		for n := range marks {
			marks[n] = mailer.Mark{Step: step, Batch: b, Delivery: &b.Deliveries[n], KeyID: "k1"}
			if step == mailer.Settle {
				marks[n].Outcome = verdict(marks[n].Delivery)
			}
		}
		if err := w.db.Commit(w.Context(), marks, w.now()); err != nil {
			return err
		}
		for n := range marks {
			if marks[n].Err != nil {
				return marks[n].Err
			}
		}
	}
	return nil
}

// bounces is what sure reports say of readers' mails.
func (w *world) bounces(i digest.Issue, c mailer.Class, ids ...int64) (effects []string) {
	w.Helper()
	n := mailer.News{Class: c, Reason: "userunknown", Status: "5.1.1", Code: 550, Text: "No such user", Host: "mx.example.org"}
	if c == mailer.Soft {
		n.Reason, n.Status, n.Code, n.Text = "mailboxfull", "5.2.2", 552, "Full"
	}
	var events []intake.Event
	for _, id := range ids {
		events = append(events, intake.Event{News: n, Source: "maildir", Of: of(i, id), Sure: true})
	}
	taken, err := w.db.TakeEvents(w.Context(), events, w.now())
	w.must(err)
	for _, t := range taken {
		effects = append(effects, t.Effect)
	}
	return effects
}

// why says for what reason a reader is barred.
func (w *world) why(id int64) string {
	w.Helper()
	s, err := w.db.SubscriberByID(w.Context(), id)
	w.must(err)
	if s.Suppressed == nil {
		return ""
	}
	return s.Suppressed.Reason
}

// story is what becomes of one reader's mails.
type story struct {
	name string
	mail string        // a: taken and kept, d: delivered, h: hard report, s: soft report, p: policy report, x: refused at RCPT, f: full there
	gap  time.Duration // between mails, 0 = a day
	come []int         // in which order reports come once all has been sent; nil = each in the evening
	want string        // reason of the suppression
}

// testMarkRules plays the stories of readers, each of a domain of their own. Those with the same gap
// share their issues.
func testMarkRules(t *testing.T, w *world) {
	stories := []*story{
		{"the first mail comes back", "h", 0, nil, "hard_bounce"},
		{"refused at the first mail", "x", 0, nil, "hard_bounce"},
		{"one bad day after years", "aaah", 0, nil, ""},
		{"one bad day, many mails", "aahhhhxx", time.Hour, nil, ""},
		{"two bad days", "ahh", 0, nil, "hard_bounce"},
		{"two bad days at RCPT", "axx", 0, nil, "hard_bounce"},
		{"one of each", "axh", 0, nil, "hard_bounce"},
		{"good in between", "ahaha", 0, nil, ""},
		{"delivered in between", "ahdh", 0, nil, ""},
		{"good in between at RCPT", "axax", 0, nil, ""},
		{"taken and returned in between is not good", "ahph", 0, nil, "hard_bounce"},
		{"everything is taken and comes back", "hhhh", 0, nil, "hard_bounce"},
		{"and comes back late", "hhhh", 0, []int{0, 1, 2, 3}, "hard_bounce"},
		{"the last first", "hhhh", 0, []int{3, 2, 1, 0}, "hard_bounce"},
		{"after one that was kept, late", "ahh", 0, []int{2, 1}, "hard_bounce"},
		{"late, and good in between", "ahah", 0, []int{3, 1}, ""},
		{"late, and then good after all", "hha", 0, []int{1, 0}, "hard_bounce"},
		{"one policy refusal a day", "pppppppppppp", 0, nil, ""},
		{"soft once", "s", 0, nil, ""},
		{"soft for nine days", "sssssssss", 0, nil, ""},
		{"soft for eleven days", "sssssssssss", 0, nil, "soft_bounce"},
		{"soft for eleven days, late and in no order", "sssssssssss", 0, []int{5, 3, 10, 0, 1, 2, 4, 6, 9, 8, 7}, "soft_bounce"},
		{"soft four times in weeks", "assss", 7 * 24 * time.Hour, nil, ""},
		{"soft five times in weeks", "asssss", 7 * 24 * time.Hour, nil, "soft_bounce"},
		{"soft and good in turn", "sasasasasasas", 0, nil, ""},
		{"soft five times in an hour", "ssssssss", time.Minute, nil, ""},
		{"soft, with a good one on the sixth day", "sssssasssss", 0, nil, ""},
		{"hard counts not as soft", "assssh", 3 * 24 * time.Hour, nil, ""},
		{"full at RCPT", "ffffffffffffff", 0, nil, ""},
	}
	for _, gap := range []time.Duration{0, time.Minute, time.Hour, 3 * 24 * time.Hour, 7 * 24 * time.Hour} {
		of := make(map[int64]*story)
		long := 0
		for n, s := range stories {
			if s.gap == gap {
				of[w.readersAt(fmt.Sprintf("case%d.example", n), 1)[0]] = s
				long = max(long, len(s.mail))
			}
		}
		var issues []digest.Issue
		report := func(id int64, k int) {
			class := map[byte]mailer.Class{'h': mailer.Hard, 's': mailer.Soft, 'p': mailer.Policy, 'd': mailer.Arrived}[of[id].mail[k]]
			if class != "" && w.row(issues[k], id).State == mailer.Accepted {
				w.bounces(issues[k], class, id)
			}
		}
		for k := range long {
			issues = append(issues, w.day(func(d *mailer.Delivery) mailer.Outcome {
				o := refused(d)
				switch mail := of[d.Subscriber].mail; mail[k] {
				case 'x':
					o.Hard = true
				case 'f':
				default:
					return accepted(d)
				}
				return o
			}))
			w.pass(max(gap, time.Minute))
			if gap == 0 {
				w.pass(24 * time.Hour)
			}
			for id, s := range of {
				if k >= len(s.mail) {
					continue
				}
				if s.come == nil {
					report(id, k)
				}
				if k != len(s.mail)-1 {
					continue
				}
				for _, k := range s.come {
					report(id, k)
				}
				if got := w.why(id); got != s.want {
					t.Errorf("%s (%s): barred for %q, want %q", s.name, s.mail, got, s.want)
				}
				_, err := w.db.LeaveAll(t.Context(), id, "reader", "", w.now())
				w.must(err)
				delete(of, id)
			}
		}
		if len(of) > 0 {
			t.Errorf("%d stories have no end", len(of))
		}
	}
}

// testMarkedOnce: a delivery leaves one mark, the graver; a new address and who lifts a suppression
// forgive.
func testMarkedOnce(t *testing.T, w *world) {
	ctx := t.Context()
	id := w.readersAt("one.example", 1)[0]
	w.day(accepted)
	w.pass(25 * time.Hour)
	i := w.day(accepted)
	w.bounces(i, mailer.Soft, id)
	w.bounces(i, mailer.Hard, id)
	w.bounces(i, mailer.Soft, id)
	w.bounces(i, mailer.Hard, id)
	w.pass(25 * time.Hour)
	if got := w.why(id); got != "" {
		t.Fatalf("barred for %q by one mail", got)
	}
	j := w.day(accepted)
	if got := w.bounces(j, mailer.Hard, id); got[0] != "bounced, address barred" || w.why(id) != "hard_bounce" {
		t.Fatalf("%q, %q", got, w.why(id))
	}
	if lifted, err := w.db.LiftSuppression(ctx, "r0@one.example", subscribers.ByOperator, "", w.now()); !lifted || err != nil {
		t.Fatal(lifted, err)
	}
	w.pass(25 * time.Hour)
	k := w.day(accepted)
	w.bounces(k, mailer.Hard, id)
	if got := w.why(id); got != "" {
		t.Fatalf("marks from before it was lifted count: %q", got)
	}
	// Of a mail to an old address nothing follows for the new one.
	w.pass(25 * time.Hour)
	l := w.day(accepted)
	s, err := w.db.SubscriberByID(ctx, id)
	w.must(err)
	s.Address = "r0@other.example"
	_, err = w.db.ChangeSettings(ctx, id, s.Settings, "reader", w.now())
	w.must(err)
	if got := w.bounces(l, mailer.Hard, id); w.why(id) != "" || !strings.Contains(got[0], "another address") {
		t.Fatalf("%q, %q", got, w.why(id))
	}
	w.pass(25 * time.Hour)
	m := w.day(accepted)
	w.bounces(m, mailer.Hard, id)
	if got := w.why(id); got != "hard_bounce" { // at once: the new address never kept a mail
		t.Fatalf("the new address is barred for %q", got)
	}
}

// testRetriedMark: a delivery that an operator has sent again leaves a mark for the second try alone.
func testRetriedMark(t *testing.T, w *world) {
	ids := w.readersAt("one.example", 2)
	w.day(accepted)
	w.pass(25 * time.Hour)
	i := w.day(refusing(ids))
	w.pass(time.Hour)
	for _, id := range ids {
		w.must(w.db.RetryDelivery(t.Context(), store.DeliveryID(i.SlotID, id), operators.By{}, w.now()))
	}
	w.sendAll(accepted)
	w.bounces(i, mailer.Hard, ids[1])
	w.pass(25 * time.Hour)
	j := w.day(accepted)
	w.bounces(j, mailer.Hard, ids...)
	if a, b := w.why(ids[0]), w.why(ids[1]); a != "" || b != "hard_bounce" {
		t.Fatalf("barred for %q and %q", a, b)
	}
}

// testComplaint: it bars at once and both addresses, and an operator lifts it, with a reason.
func testComplaint(t *testing.T, w *world) {
	ctx := t.Context()
	ids := w.readersAt("one.example", 3)
	i := w.day(accepted)
	if got := w.bounces(i, mailer.Complained, ids[0]); got[0] != "noted, address barred" || w.why(ids[0]) != "complaint" {
		t.Fatalf("%q, %q", got, w.why(ids[0]))
	}
	w.bounces(i, mailer.Hard, ids[1])
	w.bounces(i, mailer.Complained, ids[1]) // the longer way back counts
	if got := w.why(ids[1]); got != "complaint" {
		t.Fatalf("%q", got)
	}
	s, err := w.db.SubscriberByID(ctx, ids[2])
	w.must(err)
	s.Address = "new@two.example"
	_, err = w.db.ChangeSettings(ctx, ids[2], s.Settings, "reader", w.now())
	w.must(err)
	w.bounces(i, mailer.Complained, ids[2])
	if got := w.why(ids[2]); got != "complaint" {
		t.Fatalf("%q", got)
	}
	for _, address := range []string{"r2@one.example", "new@two.example"} {
		if _, err := w.db.LiftSuppression(ctx, address, subscribers.ByConfirm, "", w.now()); err == nil {
			t.Errorf("%s was lifted by a confirmation", address)
		}
		if lifted, err := w.db.LiftSuppression(ctx, address, subscribers.ByOperator, "wrote a letter", w.now()); !lifted || err != nil {
			t.Errorf("%s: %t, %v", address, lifted, err)
		}
	}
}
