package commands

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"broadsheet/intake"
	"broadsheet/mailer"
	"broadsheet/operators"
)

// operated is a publication with something of everything on its operator's page.
func operated(t *testing.T) *harbor {
	h := newHarbor(t, "mailgun", harborSecret, 12)
	post := func(reader int, what map[string]any) {
		t.Helper()
		if status, text := h.post("/events/dock", h.signed(harborSecret, time.Now(), h.event(reader, what))); status != 200 {
			t.Fatalf("answered %d %q\n%s", status, text, &h.log)
		}
	}
	for i := range 4 {
		post(i, noSuch) // of twelve: a wave
	}
	post(4, putOff)
	full := maps.Clone(noSuch)
	full["delivery-status"] = map[string]any{"code": 552, "enhanced-code": "5.2.2", "message": "5.2.2 the mailbox is full, " + strings.Repeat("and-has-been-so-for-long", 5)}
	post(5, full)
	post(6, map[string]any{"event": "complained"})
	for i := 7; i < 12; i++ {
		post(i, arrived)
	}
	now := h.now()
	entry := func(n byte, e intake.Entry) intake.Entry {
		e.Hash, e.Source, e.Key, e.At, e.Raw = [32]byte{n}, "maildir", fmt.Sprint(n), now, []byte("x")
		return e
	}
	_, err := h.db.TakeIn(t.Context(), []intake.Entry{
		entry(1, intake.Entry{From: "reader7@reader.example", Subject: "Please take me off", Class: mailer.Answer, Task: intake.TaskLeave}),
		entry(2, intake.Entry{From: "who@elsewhere.example", Subject: "أرجو إلغاء اشتراكي", Class: mailer.Answer, Task: intake.TaskLeave}),
		entry(3, intake.Entry{From: "post@elsewhere.example", Subject: strings.Repeat("long", 40), Class: mailer.NoBounce, Aside: "it is no mail that is known"}),
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.db.KeepSlowDomains(t.Context(), []mailer.Slowed{{Name: "gmail", Rate: 2.5, Base: 10, Since: now, Heard: now, Why: "421 4.7.28 Our system has detected an unusual rate of mail"}}, nil, now); err != nil {
		t.Fatal(err)
	}
	return h
}

// TestWayBackPage shows in the operator's room what came of mails that were sent, and changes nothing.
func TestWayBackPage(t *testing.T) {
	h := operated(t)
	v := enter(t, h.engine, operators.Look)
	before := h.dump()
	status, page := v.get("/returned")
	if status != http.StatusOK {
		t.Fatalf("%d:\n%s\n%s", status, page, &h.log)
	}
	for _, want := range []string{"3 things wait for you", "Please take me off", "أرجو إلغاء اشتراكي", "broadsheet tasks done 1", "suppressions undo --issue 1 --domain reader.example",
		"gmail", "4.7.28", ">dock<", "reader5@reader.example", "mailboxfull", "deliveries show", "it is no mail that is known", ">complaint<", "Tue 13 January", "<bdi>dock</bdi></th><td>42 %</td><td>12</td><td>5</td>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q:\n%s", want, page)
		}
	}
	if h.dump() != before {
		t.Error("looking at it changes the database")
	}
}

// TestRoomEnds: once it has ended nobody listens, and its address can be had again.
func TestRoomEnds(t *testing.T) {
	h := newHarbor(t, "ses, topic: \"arn:aws:sns:eu-west-1:123456789012:mail\"", "", 1)
	p := &program{stderr: &h.log}
	l, err := p.listenOperator("localhost:0", true)
	if err != nil {
		t.Fatal(err)
	}
	s := &roomServer{listener: l}
	if err := s.serve(h.engine); err != nil {
		t.Fatal(err)
	}
	if _, err := p.listenOperator(l.Addr().String(), true); err == nil {
		t.Error("two listen at one address")
	}
	if other, err := p.listenOperator(l.Addr().String(), false); other != nil || err != nil {
		t.Errorf("its usual address is taken: %v, %v", other, err)
	}
	s.end()
	again, err := net.Listen("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	none := &roomServer{}
	if err := none.serve(h.engine); err != nil {
		t.Error(err)
	}
	none.end()
}

// TestWayBackInBrowser has axe look at the page, if BROADSHEET_AXE names it.
func TestWayBackInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser: not with -short")
	}
	h := operated(t)
	s := newSurfer(t, roomOf(t, h.engine))
	s.logsIn(h.engine, operators.Look)
	s.opens("/returned")
	s.shot("returned")
}
