package storetest

import (
	"errors"
	"slices"
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

// of names a reader's delivery in an issue as the tokens of its mail do.
func of(i digest.Issue, subscriber int64) intake.Of {
	return intake.Of{Edition: i.EditionID, Wall: i.Wall(), Subscriber: subscriber}
}

// news takes in what a server says of a reader's mail.
func (w *world) news(i digest.Issue, subscriber int64, c mailer.Class, text string) intake.Taken {
	w.Helper()
	e := intake.Event{News: mailer.News{Class: c, Text: text, Host: "mx.example.org", At: w.now()}, Source: "log", Of: of(i, subscriber), Sure: true}
	switch {
	case c == mailer.Arrived:
		e.Code, e.Status = 250, "2.0.0"
	case c == mailer.Put:
		e.Code, e.Status, e.Reason = 451, "4.7.1", "ratelimited"
	default:
		e.Code, e.Status, e.Reason = 552, "5.2.2", "mailboxfull"
	}
	taken, err := w.db.TakeEvents(w.Context(), []intake.Event{e}, w.now())
	w.must(err)
	return taken[0]
}

// came lists what came of a delivery, as "class text".
func (w *world) came(i digest.Issue, subscriber int64) (list []string) {
	w.Helper()
	events, err := w.db.Events(w.Context(), store.DeliveryID(i.SlotID, subscriber))
	w.must(err)
	for _, e := range events {
		list = append(list, strings.TrimSpace(string(e.Class)+" "+e.Text))
	}
	return list
}

func (w *world) wantCame(i digest.Issue, subscriber int64, want ...string) {
	w.Helper()
	if got := w.came(i, subscriber); !slices.Equal(got, want) {
		w.Errorf("of delivery %d came %q, want %q", subscriber, got, want)
	}
}

// testNews follows mails behind the relay.
func testNews(t *testing.T, w *world) {
	w.tell("world", 1)
	ids := w.readers(4)
	i := w.openIssue("morning", "2026-04-02")
	took := w.now()
	w.sendAll(accepted)
	w.pass(time.Minute)

	// Delayed twice, then there, then returned all the same.
	first := w.now()
	if got := w.news(i, ids[0], mailer.Put, "Try again later"); got.Again || got.Early || got.Effect != "delayed" {
		t.Errorf("delay: %+v", got)
	}
	if got := w.news(i, ids[0], mailer.Put, "Try again later"); !got.Again {
		t.Errorf("the same delay again: %+v", got)
	}
	row := w.want(i, ids[0], mailer.Delayed, "ratelimited")
	if row.Reply.String() != "451 4.7.1 Try again later" || row.Relay != "main" || !row.Taken.Equal(took) || !row.At.Equal(first) || !row.Due.IsZero() {
		t.Errorf("delayed: %+v", row)
	}
	w.pass(10 * time.Minute)
	w.news(i, ids[0], mailer.Put, "Still full")
	w.pass(10 * time.Minute)
	there := w.now()
	w.news(i, ids[0], mailer.Arrived, "Ok 4XyZ12abcd for <reader1@example.org>")
	row = w.want(i, ids[0], mailer.Delivered, "")
	if row.Reply.String() != "250 2.0.0 Ok … for …" || !row.Taken.Equal(took) || !row.At.Equal(there) {
		t.Errorf("delivered: %+v", row)
	}
	w.wantCame(i, ids[0], "delayed Try again later", "delayed Still full", "delivered Ok … for …")
	w.pass(time.Minute)
	if got := w.news(i, ids[0], mailer.Arrived, "Ok"); !got.Again {
		t.Errorf("arrived twice: %+v", got)
	}
	w.news(i, ids[0], mailer.Put, "A late word") // undoes nothing
	w.want(i, ids[0], mailer.Delivered, "")
	w.pass(time.Minute)
	w.news(i, ids[0], mailer.Soft, "Full")
	row = w.want(i, ids[0], mailer.Bounced, "mailboxfull")
	if row.Reply.String() != "552 5.2.2 Full" || row.Relay != "main" || !row.Taken.Equal(took) {
		t.Errorf("bounced: %+v", row)
	}
	w.pass(time.Minute)
	for _, c := range []mailer.Class{mailer.Soft, mailer.Arrived, mailer.Put} {
		if got := w.news(i, ids[0], c, "More"); got.Again != (c != mailer.Put) {
			t.Errorf("%s after the bounce: %+v", c, got)
		}
		w.want(i, ids[0], mailer.Bounced, "mailboxfull")
	}
	w.wantCame(i, ids[0], "delayed Try again later", "delayed Still full", "delivered Ok … for …", "delayed A late word", "soft Full", "delayed More")

	// At once.
	w.news(i, ids[1], mailer.Policy, "We do not like you")
	w.want(i, ids[1], mailer.Bounced, "mailboxfull")
	// A reader who grumbles or is on holiday: the mail is where it is.
	for _, c := range []mailer.Class{mailer.AutoReply, mailer.Answer, mailer.NoBounce} {
		if got := w.news(i, ids[2], c, ""); got.Again || got.Effect != "noted" {
			t.Errorf("%s: %+v", c, got)
		}
	}
	row = w.want(i, ids[2], mailer.Accepted, "")
	if !row.Taken.Equal(took) || row.Reply.Code != 250 {
		t.Errorf("accepted: %+v", row)
	}
	if got := w.news(i, ids[3]+77, mailer.Arrived, ""); got.Again || got.Early || got.Effect == "" {
		t.Errorf("of nobody: %+v", got)
	}
}

// testNewsOfUnanswered has news tell what the relay did not.
func testNewsOfUnanswered(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(8)
	i := w.openIssue("morning", "2026-04-02")
	b := w.lease()
	for n := range 7 {
		verdict := w.unanswered
		if n == 6 { // refused for now, and nothing is out
			verdict = func(d *mailer.Delivery) mailer.Outcome {
				return mailer.Outcome{State: mailer.Deferred, Reason: "dot 451", Due: w.now().Add(time.Minute), Charged: true, Copies: 0, Relay: "main"}
			}
		}
		w.must(w.try(w.db, b, &b.Deliveries[n], verdict))
	}
	w.must(w.db.Release(ctx, b, w.now()))
	left := w.now()
	w.pass(time.Second)
	w.news(i, ids[0], mailer.Arrived, "Ok")
	w.news(i, ids[1], mailer.Soft, "Full")
	w.news(i, ids[2], mailer.Put, "Later")
	w.news(i, ids[6], mailer.Arrived, "Ok") // whatever it was that the relay refused
	w.news(i, ids[7], mailer.Hard, "No")    // never tried: something is wrong with that news
	for n, want := range []mailer.State{mailer.Delivered, mailer.Bounced, mailer.Delayed} {
		if row := w.want(i, ids[n], want, ""); !row.Taken.Equal(left) || row.Copies != 1 || !row.Due.IsZero() {
			t.Errorf("%s: %+v", want, row)
		}
	}
	if row := w.want(i, ids[6], mailer.Delivered, ""); row.Copies != 1 {
		t.Errorf("refused and there: %+v", row)
	}
	w.want(i, ids[7], mailer.Queued, "")
	// In the hands of a sender that has leased them anew, news still come first.
	w.pass(time.Minute)
	b = w.lease()
	if len(b.Deliveries) != 4 {
		t.Fatalf("%d deliveries go again, want 4", len(b.Deliveries))
	}
	w.news(i, ids[3], mailer.Arrived, "Ok")
	if err := Intend(ctx, w.db, b, &b.Deliveries[0], "k1", w.now()); !errors.Is(err, mailer.ErrLost) {
		t.Errorf("what arrived goes again: %v", err)
	}
	w.want(i, ids[3], mailer.Delivered, "")
	for n := range b.Deliveries[:3] {
		if n > 0 {
			w.must(w.try(w.db, b, &b.Deliveries[n], w.unanswered))
		}
	}
	w.want(i, ids[4], mailer.Uncertain, "")
	w.must(w.db.Release(ctx, b, w.now()))
	w.news(i, ids[4], mailer.Arrived, "Ok")
	w.news(i, ids[5], mailer.Soft, "Full")
	w.want(i, ids[4], mailer.Delivered, "")
	w.want(i, ids[5], mailer.Bounced, "")
	// The last open one over, the batch is done: nothing is due any more.
	w.news(i, ids[7], mailer.Arrived, "Ok")
	if at, some, err := w.db.NextDue(ctx, "main"); some || err != nil {
		t.Errorf("due at %s: %v", at, err)
	}
	for _, id := range ids {
		if err := w.db.RetryDelivery(ctx, store.DeliveryID(i.SlotID, id), operators.By{}, w.now()); !errors.Is(err, store.ErrNoRetry) {
			t.Errorf("reader %d gets it again: %v", id, err)
		}
	}
	// A later issue takes nothing back.
	w.pass(24 * time.Hour)
	w.tell("world", 1)
	j := w.openIssue("morning", "2026-04-03")
	for n, want := range []mailer.State{mailer.Delivered, mailer.Bounced, mailer.Delayed} {
		w.want(i, ids[n], want, "")
		d, err := w.db.Digest(ctx, w.row(j, ids[n]).Digest)
		w.must(err)
		if len(d.Items) != 1 {
			t.Errorf("after %s: %d stories come, want the new one", want, len(d.Items))
		}
	}
}

// testNewsEarly has news come while a sender has the mail in hand.
func testNewsEarly(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(3)
	i := w.openIssue("morning", "2026-04-02")
	b := w.lease()
	d := b.Deliveries
	w.must(Intend(ctx, w.db, b, &d[0], "k1", w.now()))
	for n := range 2 {
		if n > 0 {
			w.must(Intend(ctx, w.db, b, &d[n], "k1", w.now()))
		}
		w.must(Hand(ctx, w.db, b, &d[n], w.now()))
	}
	w.must(Intend(ctx, w.db, b, &d[2], "k1", w.now()))
	for n := range 3 {
		for _, c := range []mailer.Class{mailer.Arrived, mailer.Put, mailer.Soft} {
			if got := w.news(i, ids[n], c, "x"); !got.Early {
				t.Errorf("%s of %s: %+v", c, w.row(i, ids[n]).State, got)
			}
		}
		w.wantCame(i, ids[n])
	}
	// A message with such news is not on record either, and is taken when it comes again.
	entry := intake.Entry{Hash: [32]byte{7}, Class: mailer.Soft, Of: of(i, ids[0]), Task: "leave", Forward: true,
		Events: []intake.Event{{News: mailer.News{Class: mailer.Answer}, Of: of(i, ids[0]), Sure: true}, {News: mailer.News{Class: mailer.Soft}, Of: of(i, ids[0]), Sure: true}}}
	for _, early := range []bool{true, false} {
		taken, err := w.db.TakeIn(ctx, []intake.Entry{entry}, w.now())
		if err != nil || taken[0].Early != early || taken[0].Again || (taken[0].ID == 0) != early {
			t.Fatalf("early %v: %+v, %v", early, taken, err)
		}
		if early {
			w.must(Settle(ctx, w.db, b, &d[0], accepted(&d[0]), w.now()))
		}
	}
	w.want(i, ids[0], mailer.Bounced, "")
	// The sender is gone: what it handed is out, as the news say. Its last word comes too late.
	w.pass(3 * time.Minute)
	w.news(i, ids[1], mailer.Arrived, "Ok")
	w.want(i, ids[1], mailer.Delivered, "")
	if err := Settle(ctx, w.db, b, &d[1], w.unanswered(&d[1]), w.now()); !errors.Is(err, mailer.ErrLost) {
		t.Errorf("a late outcome: %v", err)
	}
	_, err := w.db.Recover(ctx, w.now())
	w.must(err)
	w.want(i, ids[1], mailer.Delivered, "")
	w.lease() // where others may be at work, whoever takes a lost batch puts it right
	w.want(i, ids[2], mailer.Queued, "")
}

// testNewsNames finds mails by token, by the relay's name, and by nothing.
func testNewsNames(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(2)
	var issues []digest.Issue
	for _, slot := range []string{"2026-04-02", "2026-04-02 00:00", "2026-04-02 16:30"} {
		w.tell("world", 1)
		issues = append(issues, w.openIssue("morning", slot))
		w.sendAll(accepted)
		w.pass(time.Hour)
	}
	// Of two slots that a token may name it is the one that left last; midnight and the day are one.
	w.news(issues[0], ids[0], mailer.Arrived, "Ok")
	w.want(issues[0], ids[0], mailer.Accepted, "")
	w.want(issues[1], ids[0], mailer.Delivered, "")
	w.news(issues[2], ids[0], mailer.Soft, "Full")
	w.want(issues[2], ids[0], mailer.Bounced, "")
	for _, o := range []intake.Of{{Edition: issues[2].EditionID + 9, Wall: issues[2].Wall(), Subscriber: ids[1]},
		{Edition: issues[2].EditionID, Wall: issues[2].Wall() + 1, Subscriber: ids[1]}, {Edition: issues[2].EditionID, Wall: 1 << 60, Subscriber: ids[1]}, {}} {
		taken, err := w.db.TakeEvents(ctx, []intake.Event{{News: mailer.News{Class: mailer.Arrived}, Of: o, Sure: true, Queue: "4XYZ", Relay: "main"}}, w.now())
		if err != nil || taken[0].Effect != "its mail is not on record" {
			t.Errorf("%+v: %+v, %v", o, taken, err)
		}
	}
	// Without a token the address is all there is: on record, and nothing follows.
	e := intake.Event{News: mailer.News{Class: mailer.Hard, Recipient: "READER2@example.org", Text: "No such user", At: w.now()}, Source: "maildir"}
	for _, again := range []bool{false, true} {
		taken, err := w.db.TakeEvents(ctx, []intake.Event{e}, w.now())
		if err != nil || taken[0].Again != again {
			t.Errorf("%+v, %v", taken, err)
		}
	}
	for _, address := range []string{"", "nobody@example.org", "no address"} {
		e.Recipient = address
		taken, err := w.db.TakeEvents(ctx, []intake.Event{e}, w.now())
		if err != nil || taken[0].Again || taken[0].Effect == "" {
			t.Errorf("%q: %+v, %v", address, taken, err)
		}
	}
	w.want(issues[2], ids[1], mailer.Accepted, "")
	loose, err := w.db.Events(ctx, ids[1])
	if err != nil || len(loose) != 1 || loose[0].Sure || loose[0].Class != mailer.Hard {
		t.Errorf("of no mail: %+v, %v", loose, err)
	}
	if s, err := w.db.SubscriberByID(ctx, ids[1]); err != nil || s.Suppressed != nil {
		t.Errorf("barred without a token: %+v, %v", s, err)
	}
}

// testOptOut has a reader leave by the provider's button.
func testOptOut(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(2)
	i := w.openIssue("morning", "2026-04-02")
	w.sendAll(accepted)
	if got := w.news(i, ids[0], mailer.OptedOut, ""); got.Effect != "left everything" {
		t.Errorf("%+v", got)
	}
	s, err := w.db.SubscriberByID(ctx, ids[0])
	if err != nil || s.Status != subscribers.Unsubscribed {
		t.Errorf("%+v, %v", s, err)
	}
	w.want(i, ids[0], mailer.Accepted, "")
	if got := w.news(i, ids[0], mailer.OptedOut, ""); !got.Again {
		t.Errorf("%+v", got)
	}
	// What a reader wishes holds where the mail is not on record.
	lost := i
	lost.Slot = "2026-03-01"
	w.news(lost, ids[1], mailer.Complained, "")
	if all, err := w.db.SubscriberByID(ctx, ids[1]); err != nil || all.ID != ids[1] {
		t.Fatal(err)
	}
	for s, err := range w.db.Suppressions(ctx) {
		w.must(err)
		if s.Reason != "complaint" && s.Reason != "unsubscribed" {
			t.Errorf("%+v", s)
		}
	}
}

// testNewsOfAnother: a report about another address than the reader's, as of a list with a member who
// is gone, is no more than a soft mark of the reader.
func testNewsOfAnother(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(2)
	i := w.openIssue("morning", "2026-04-02")
	w.sendAll(accepted)
	for n, address := range []string{"gone@members.example", "Reader2@Example.org"} {
		news := mailer.News{Class: mailer.Hard, Reason: "userunknown", Status: "5.1.1", Code: 550, Recipient: address, At: w.now()}
		_, err := w.db.TakeIn(ctx, []intake.Entry{{Hash: [32]byte{byte(n)}, Class: mailer.Hard, Of: of(i, ids[n]), Raw: []byte("x"),
			Events: []intake.Event{{News: news, Source: "pipe", Of: of(i, ids[n]), Sure: true}}}}, w.now())
		w.must(err)
		s, err := w.db.SubscriberByID(ctx, ids[n])
		if w.must(err); (s.Suppressed != nil) != (n == 1) {
			t.Errorf("%s is gone: the reader is barred by %+v", address, s.Suppressed)
		}
		w.want(i, ids[n], mailer.Bounced, "userunknown")
	}
}
