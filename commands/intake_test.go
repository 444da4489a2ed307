package commands

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	_, address, ok := strings.Cut(parsed.Header.Get("List-Unsubscribe"), "<mailto:")
	if address, _, ok = strings.Cut(address, ">"); !ok {
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
// program does it, a mail bounces, a reader answers.
func TestMailBack(t *testing.T) {
	relay := relaytest.Start(t)
	c := &console{t: t, dir: t.TempDir()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fixture := read(t, "testdata/fixture/schedule.yaml") + "intake: {maildir: box, replies: true}\n"
	write(t, c.dir+"/schedule.yaml", strings.NewReplacer("$LISTEN", "1", "$FEEDS", "1", "$SMTP", itoa(int64(relay.Port))).Replace(fixture))
	write(t, c.dir+"/world.xml", read(t, "testdata/fixture/world.xml"))
	box := newPostbox(t, c.dir+"/box")
	c.must(0, "subscribers", "import", "testdata/fixture/readers.csv")
	c.must(0, "stories", "import", "--section", "world", "--at", "2026-01-13T06:00:00Z", c.dir+"/world.xml")

	var log output
	p := &program{getenv: func(name string) string {
		return map[string]string{"BROADSHEET_KEY": "one:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}[name]
	}, stdout: &log, stderr: &log, configFile: c.dir + "/schedule.yaml", at: "2026-01-13T07:30:00Z"}
	ctx, end := context.WithCancel(t.Context())
	defer end()
	e, err := p.engine(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	unlock, err := p.lockSender(ctx, e, false)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	done := make(chan error)
	go func() { done <- p.serveOn(ctx, e, l, nil) }()
	await := func(what string, is func() bool) {
		t.Helper()
		for stop := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(stop) {
				end()
				t.Fatalf("%s: %v\n%s", what, <-done, &log)
			}
		}
	}
	sent := map[string]relaytest.Message{}
	await("no mail has come", func() bool {
		for _, m := range relay.Messages() {
			sent[m.To] = m
		}
		return len(sent) == 3
	})
	ada, ben, dan := sent["ada@reader.example"], sent["ben@reader.example"], sent["dan@reader.example"]
	box.put(appleLeave("ada.private@phone.example", strings.ToUpper(unsubAddress(t, ada)), "1"))
	box.put(unknownUser(strings.ToLower(ben.From), "ben@reader.example", "2"))
	parsed, err := mail.ReadMessage(strings.NewReader(dan.Data))
	if err != nil {
		t.Fatal(err)
	}
	// An answer to the publication's own address, known by the message id alone.
	box.put("From: dan@reader.example\nTo: post@tidewater.example\nSubject: Re: " + parsed.Header.Get("Subject") + "\nIn-Reply-To: " + parsed.Header.Get("Message-ID") + "\n\nWell written!\n")
	// And one that its Reply-To brought.
	box.put("From: dan@other.example\nTo: " + parsed.Header.Get("Reply-To") + "\nSubject: Re: x\n\nWell written!\n")
	await("mail is not taken in", func() bool { return box.holds("new") == 0 })

	rows := map[string][]store.InboundRow{}
	for r, err := range p.db.Inbound(t.Context(), store.InboundFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		rows[string(r.Class)] = append(rows[string(r.Class)], r)
	}
	reader := func(address string) int64 {
		s, err := p.db.Subscriber(t.Context(), address)
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
	if len(rows["answer"]) != 2 || rows["answer"][0].Slot == 0 || rows["answer"][1].Slot != rows["answer"][0].Slot ||
		rows["answer"][0].Subscriber != reader("dan@reader.example") || rows["answer"][1].Subscriber != reader("dan@reader.example") {
		t.Errorf("answers: %+v", rows["answer"])
	}
	s, err := p.db.Subscriber(t.Context(), "ada@reader.example")
	if err != nil || len(s.Editions) != 0 {
		t.Errorf("ada still gets %v, %v", s.Editions, err)
	}
	if counts, err := p.db.IssueCounts(t.Context(), 1); err != nil || counts["bounced"] != 1 {
		t.Errorf("the issue has %v, %v", counts, err)
	}
	end()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if said := log.String(); !strings.Contains(said, `msg="mail came in" source="maildir `) || strings.Contains(said, "@reader.example") {
		t.Errorf("the log says\n%s", said)
	}
}
