package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"broadsheet/intake"
	"broadsheet/mailer"
	"broadsheet/store"
)

// inbound lists the numbers of messages on record.
func (w *world) inbound(f store.InboundFilter) (ids []int64) {
	w.Helper()
	for m, err := range w.db.Inbound(w.Context(), f) {
		w.must(err)
		ids = append(ids, m.ID)
	}
	return ids
}

// testInbound takes messages in, lists them and forgets them.
func testInbound(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(3)
	i := w.openIssue("morning", "2026-04-02")
	w.sendAll(accepted)
	long := bytes.Repeat([]byte("a line\n"), 20000)
	bounce := mailer.News{Class: mailer.Soft, Reason: "mailboxfull", Recipient: "Reader1@Example.ORG", Status: "5.2.2", Code: 552, Text: "Full", Host: "mx.example.org", At: w.now()}
	entries := []intake.Entry{
		{Hash: [32]byte{1}, Source: "maildir", Key: "1.eml", At: w.now(), To: "bounce+x@example.com", From: "MAILER-DAEMON@mx.example.org", Subject: "Returned\nmail", Class: mailer.Soft,
			Of: of(i, ids[0]), Raw: long, Events: []intake.Event{{News: bounce, Source: "maildir", Of: of(i, ids[0]), Sure: true}}},
		{Hash: [32]byte{2}, Source: "maildir", At: w.now().Add(time.Hour), From: "Reader2@Example.org", Class: mailer.Answer, Of: of(i, ids[1]), Forward: true, Task: "leave",
			Raw: []byte("stop it"), Events: []intake.Event{{News: mailer.News{Class: mailer.Answer}, Of: of(i, ids[1]), Sure: true}}},
		{Hash: [32]byte{3}, Source: "pipe", Class: mailer.NoBounce, Aside: "no mail at all", Raw: []byte("garbage of reader3@example.org")},
		{Hash: [32]byte{1}, Source: "pipe", Class: mailer.Soft, Of: of(i, ids[0]), Events: []intake.Event{{News: bounce, Of: of(i, ids[0]), Sure: true}}}, // the first one once more
	}
	taken, err := w.db.TakeIn(ctx, entries, w.now())
	w.must(err)
	for n, want := range []intake.Taken{{ID: 1, Effect: "bounced, soft mark"}, {ID: 2, Effect: "noted; task for the operator; to be forwarded"}, {ID: 3}, {ID: 1, Again: true, Effect: "bounced, soft mark"}} {
		if taken[n] != want {
			t.Errorf("entry %d: %+v, want %+v", n, taken[n], want)
		}
	}
	w.want(i, ids[0], mailer.Bounced, "mailboxfull")
	w.wantCame(i, ids[0], "soft Full")
	if events, err := w.db.Events(ctx, store.DeliveryID(i.SlotID, ids[0])); err != nil || events[0].Inbound != 1 || events[0].Host != "mx.example.org" || events[0].Source != "maildir" || events[0].Relay != "main" {
		t.Errorf("%+v, %v", events, err)
	}
	m, raw, err := w.db.InboundMail(ctx, 1)
	if err != nil || !m.Cut || !m.Kept || len(raw) != 64<<10 || !bytes.HasPrefix(long, raw) || m.Delivery() != store.DeliveryID(i.SlotID, ids[0]) ||
		m.From != "mailer-daemon@mx.example.org" || m.Subject != "Returned mail" || m.Recipient != "reader1@example.org" || m.Text != "Full" || m.Key != "1.eml" || m.Effect != "bounced, soft mark" {
		t.Errorf("%+v, %d octets, %v", m, len(raw), err)
	}
	if m, raw, err := w.db.InboundMail(ctx, 2); err != nil || m.Cut || string(raw) != "stop it" || !m.At.Equal(w.now()) || m.Delivery() == 0 {
		t.Errorf("%+v, %q, %v", m, raw, err)
	}
	if _, _, err := w.db.InboundMail(ctx, 9); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no such message: %v", err)
	}
	for _, c := range []struct {
		filter store.InboundFilter
		want   string
	}{
		{store.InboundFilter{}, "[3 2 1]"}, {store.InboundFilter{Bounces: true}, "[1]"}, {store.InboundFilter{Class: mailer.Answer}, "[2]"},
		{store.InboundFilter{Aside: true}, "[3]"}, {store.InboundFilter{Subscriber: ids[0]}, "[1]"}, {store.InboundFilter{Subscriber: ids[2]}, "[]"},
		{store.InboundFilter{Address: "reader2@example.org"}, "[2]"}, {store.InboundFilter{Address: "reader1@example.org"}, "[1]"},
		{store.InboundFilter{Address: "reader1@example.org", Class: mailer.Answer}, "[]"}, {store.InboundFilter{Since: w.now().Add(time.Second)}, "[]"},
	} {
		if got := fmt.Sprint(w.inbound(c.filter)); got != c.want {
			t.Errorf("%+v lists %s, want %s", c.filter, got, c.want)
		}
	}

	// What is held about a reader has it, and goes with the reader.
	held, err := w.db.OwnData(ctx, ids[1], w.now())
	w.must(err)
	if len(held.Mail) != 1 || held.Mail[0].Message != "stop it" || len(held.Tasks) != 1 || len(held.Deliveries[0].News) != 1 || held.Deliveries[0].Taken.IsZero() {
		t.Errorf("own data: %+v", held)
	}
	w.must(w.db.Erase(ctx, ids[1], w.now()))
	w.must(w.db.Erase(ctx, ids[2], w.now()))
	for n, kept := range map[int64]bool{1: true, 2: false, 3: false} {
		m, raw, err := w.db.InboundMail(ctx, n)
		if w.must(err); m.Kept != kept || (raw != nil) != kept || !kept && m.From+m.To+m.Subject+m.Recipient != "" {
			t.Errorf("after two were erased: %+v, %q", m, raw)
		}
	}
	w.want(i, ids[1], mailer.Accepted, "")
	// What comes of them later is numbers alone, but for who writes again.
	late := intake.Entry{Hash: [32]byte{8}, From: "postmaster@mx.example.org", Subject: "of reader2", Class: mailer.Soft, Of: of(i, ids[1]), Raw: []byte("reader2"),
		Events: []intake.Event{{News: mailer.News{Class: mailer.Soft, Text: "no reader2@example.org"}, Of: of(i, ids[1]), Sure: true}}}
	named := intake.Entry{Hash: [32]byte{9}, From: "x@mx.example.org", Class: mailer.Soft, Raw: []byte("reader2"), Events: []intake.Event{{News: mailer.News{Class: mailer.Soft, Recipient: "reader2@example.org"}}}}
	again := intake.Entry{Hash: [32]byte{10}, From: "reader2@example.org", Class: mailer.Answer, Of: of(i, ids[1]), Raw: []byte("hello"), Forward: true}
	taken, err = w.db.TakeIn(ctx, []intake.Entry{late, named, again}, w.now())
	w.must(err)
	for n, kept := range []bool{false, false, true} {
		if m, raw, err := w.db.InboundMail(ctx, taken[n].ID); err != nil || m.Kept != kept || (raw != nil) != kept || (m.From != "") != kept || strings.Contains(m.Text, "reader2") {
			t.Errorf("late message %d: %+v, %q, %v", n, m, raw, err)
		}
	}
	w.want(i, ids[1], mailer.Bounced, "")

	// After 90 days nobody can read the others either; that they came stays, and they are not taken twice.
	w.pass(89 * 24 * time.Hour)
	if n, err := w.db.ForgetInbound(ctx, w.now().Add(-90*24*time.Hour)); n != 0 || err != nil {
		t.Errorf("forgot %d: %v", n, err)
	}
	w.pass(25 * time.Hour)
	if n, err := w.db.ForgetInbound(ctx, w.now().Add(-90*24*time.Hour)); n != 2 || err != nil {
		t.Errorf("forgot %d: %v", n, err)
	}
	if m, raw, err := w.db.InboundMail(ctx, 1); err != nil || m.Kept || raw != nil || m.From+m.Subject+m.Recipient != "" || m.Class != mailer.Soft || m.Effect != "bounced, soft mark" {
		t.Errorf("after 90 days: %+v, %v", m, err)
	}
	if taken, err := w.db.TakeIn(ctx, entries[:1], w.now()); err != nil || !taken[0].Again {
		t.Errorf("%+v, %v", taken, err)
	}
}

// testInboundOld: a message whose source says that it came long ago is kept as long as others, and
// came no earlier than the mail left that it is about.
func testInboundOld(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 1)
	ids := w.readers(1)
	i := w.openIssue("morning", "2026-04-02")
	w.sendAll(accepted)
	taken, err := w.db.TakeIn(ctx, []intake.Entry{
		{Hash: [32]byte{1}, At: time.Unix(7, 0), Class: mailer.Answer, Of: of(i, ids[0]), Raw: []byte("x")},
		{Hash: [32]byte{2}, At: time.Unix(7, 0), Class: mailer.NoBounce, Aside: "nothing", Raw: []byte("x")}}, w.now())
	w.must(err)
	w.pass(89 * 24 * time.Hour)
	if n, err := w.db.ForgetInbound(ctx, w.now().Add(-90*24*time.Hour)); n != 0 || err != nil {
		t.Errorf("forgot %d: %v", n, err)
	}
	m, _, err := w.db.InboundMail(ctx, taken[0].ID)
	if w.must(err); m.At.Year() != 2026 {
		t.Errorf("it came %s, before its mail left", m.At)
	}
	w.pass(2 * 24 * time.Hour)
	if n, err := w.db.ForgetInbound(ctx, w.now().Add(-90*24*time.Hour)); n != 2 || err != nil {
		t.Errorf("forgot %d: %v", n, err)
	}
}
