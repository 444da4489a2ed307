package commands

import (
	"bufio"
	"fmt"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"broadsheet/mailer"
	"broadsheet/mailer/relaytest"
	"broadsheet/store"
)

// postbox is a Maildir that a test puts mail into.
type postbox struct {
	t    *testing.T
	dir  string
	next int
}

func newPostbox(t *testing.T, dir string) *postbox {
	for _, folder := range []string{"new", "cur", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return &postbox{t: t, dir: dir}
}

// put delivers as a mail server does: written elsewhere, then moved.
func (b *postbox) put(text string) {
	b.t.Helper()
	b.next++
	name := fmt.Sprintf("%d.M%06dP1.mx", 1700000000+b.next/1000, b.next%1000)
	write(b.t, filepath.Join(b.dir, "tmp", name), text)
	if err := os.Rename(filepath.Join(b.dir, "tmp", name), filepath.Join(b.dir, "new", name)); err != nil {
		b.t.Fatal(err)
	}
}

// holds is how many messages are in a folder.
func (b *postbox) holds(folder string) int {
	b.t.Helper()
	list, err := os.ReadDir(filepath.Join(b.dir, folder))
	if err != nil && !os.IsNotExist(err) {
		b.t.Fatal(err)
	}
	return len(list)
}

// unsubAddress is the address to leave by that a mail offers.
func unsubAddress(t *testing.T, m relaytest.Message) string {
	t.Helper()
	parsed, err := mail.ReadMessage(bufio.NewReader(strings.NewReader(m.Data)))
	if err != nil {
		t.Fatal(err)
	}
	_, address, _ := strings.Cut(parsed.Header.Get("List-Unsubscribe"), "<mailto:")
	address, _, ok := strings.Cut(address, ">")
	if !ok {
		t.Fatalf("List-Unsubscribe: %s", parsed.Header.Get("List-Unsubscribe"))
	}
	return address
}

// appleLeave is how Apple's mail program leaves a list.
func appleLeave(from, to, id string) string {
	return "Received: from phone.example by mx.tidewater.example; Tue, 13 Jan 2026 07:31:00 +0000\nDelivered-To: intake@tidewater.example\nFrom: " + from +
		"\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\nMime-Version: 1.0\nDate: Tue, 13 Jan 2026 08:31:00 +0100\n" +
		"Subject: \nMessage-Id: <" + id + "@phone.example>\nTo: " + to + "\nAuto-Submitted: auto-replied\nX-Apple-Unsubscribe: true\n\n" +
		"Apple Mail sent this email to unsubscribe from the message =E2=80=9CHarbour=\n reopens=E2=80=9D.\n"
}

// unknownUser is a delivery report as a mail server writes it.
func unknownUser(to, about, id string) string {
	return "Return-Path: <>\nDelivered-To: " + to + "\nFrom: MAILER-DAEMON@mx.reader.example (Mail Delivery System)\nTo: " + to +
		"\nSubject: Undelivered Mail Returned to Sender\nAuto-Submitted: auto-replied\nMessage-Id: <" + id + "@mx.reader.example>\nMIME-Version: 1.0\n" +
		"Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\n\n--b\nContent-Type: text/plain\n\n<" + about + ">: unknown user\n\n" +
		"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.reader.example\n\nFinal-Recipient: rfc822; " + about +
		"\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 <" + about + ">: unknown user\n\n--b--\n"
}

// TestMailBack has serve take in, beside its sending, what comes back: a reader leaves as Apple's
// program does it, a mail bounces, readers answer.
func TestMailBack(t *testing.T) {
	relay := relaytest.Start(t)
	c := logRoom(t, relay.Port, "}\nintake: {maildir: box, replies: true}", []string{"ada@reader.example", "ben@reader.example", "dan@reader.example"})
	box := newPostbox(t, c.dir+"/box")
	s := serveAt(c, "2026-01-13T07:30:00Z")
	sent := map[string]relaytest.Message{}
	s.until("mailed", func() bool {
		for _, m := range relay.Messages() {
			sent[m.To] = m
		}
		return len(sent) == 3
	})
	ada, ben, dan := sent["ada@reader.example"], sent["ben@reader.example"], sent["dan@reader.example"]
	box.put(appleLeave("ada.private@phone.example", strings.ToUpper(unsubAddress(t, ada)), "1"))
	box.put(unknownUser(strings.ToLower(ben.From), "ben@reader.example", "2"))
	box.put(answerTo(t, dan)) // to the publication's own address, known by the message id alone
	parsed, err := mail.ReadMessage(strings.NewReader(dan.Data))
	if err != nil {
		t.Fatal(err)
	}
	box.put("From: dan@other.example\nTo: " + parsed.Header.Get("Reply-To") + "\nSubject: Re: x\n\nWell written!\n")
	s.until("taken in", func() bool { return box.holds("new") == 0 })

	rows := map[string][]store.InboundRow{}
	for r, err := range s.db.Inbound(t.Context(), store.InboundFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		rows[string(r.Class)] = append(rows[string(r.Class)], r)
	}
	reader := func(address string) int64 {
		s, err := s.db.Subscriber(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		return s.ID
	}
	if len(rows["opt-out"]) != 1 || rows["opt-out"][0].Effect != "left morning" || rows["opt-out"][0].Subscriber != reader("ada@reader.example") {
		t.Errorf("leaving: %+v", rows["opt-out"])
	}
	if len(rows["hard"]) != 1 || rows["hard"][0].Subscriber != reader("ben@reader.example") || rows["hard"][0].Slot == 0 {
		t.Errorf("bounce: %+v", rows["hard"])
	}
	if a := rows["answer"]; len(a) != 2 || a[0].Slot == 0 || a[1].Slot != a[0].Slot || a[0].Subscriber != reader("dan@reader.example") || a[1].Subscriber != a[0].Subscriber {
		t.Errorf("answers: %+v", rows["answer"])
	}
	if s, err := s.db.Subscriber(t.Context(), "ada@reader.example"); err != nil || len(s.Editions) != 0 {
		t.Errorf("ada still gets %v, %v", s.Editions, err)
	}
	if counts, err := s.db.IssueCounts(t.Context(), 1); err != nil || counts["bounced"] != 1 {
		t.Errorf("the issue has %v, %v", counts, err)
	}
	// Answers go on to the publication's own address, which is no secret.
	if said := strings.ReplaceAll(s.log.String(), "to=post@reader.example", ""); !strings.Contains(said, `msg="mail came in" source="maildir `) || strings.Contains(said, "@reader.example") {
		t.Errorf("the log says\n%s", said)
	}
}

// TestEarlyReport: a report that overtakes the relay's own reply stays where it is until the sender
// has settled the mail, and a pipe has the mail server keep it.
func TestEarlyReport(t *testing.T) {
	relay := relaytest.Start(t, "DOT wait; 250 2.0.0 taken")
	c := logRoom(t, relay.Port, "}\nintake: {maildir: box}", []string{"ada@reader.example"})
	box := newPostbox(t, c.dir+"/box")
	s := serveAt(c, "2026-01-13T07:30:00Z")
	<-relay.Waiting()
	from := ""
	for _, session := range relay.Sessions() {
		for _, line := range session.Commands {
			if address, ok := strings.CutPrefix(line, "MAIL FROM:<"); ok {
				from, _, _ = strings.Cut(address, ">")
			}
		}
	}
	report := unknownUser(from, "ada@reader.example", "1")
	box.put(report)
	p := &program{getenv: s.getenv, stdin: strings.NewReader(report), stdout: &s.log, stderr: &s.log, configFile: s.configFile, earlyPatience: time.Millisecond}
	if code := p.run(t.Context(), []string{"--config", s.configFile, "intake"}); code != exitLater {
		t.Errorf("a pipe ends with %d", code)
	}
	if box.holds("new") != 1 || s.rows()["ada@reader.example"].State != mailer.Handed {
		t.Errorf("%d messages wait, the delivery is %s", box.holds("new"), s.rows()["ada@reader.example"].State)
	}
	relay.Release()
	s.await(patience, "ada@reader.example", "bounced", func(d store.DeliveryRow) bool { return d.State == mailer.Bounced })
	s.until("settled", func() bool { return box.holds("new") == 0 })
}

// until waits until something is so.
func (s *served) until(what string, is func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("it is not %s\n%s", what, s.log.String())
		}
	}
}
