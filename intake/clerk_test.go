package intake_test

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"broadsheet/intake"
	"broadsheet/mailer"
	"broadsheet/mailer/inbox"
	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/subscribers"
)

// office is a clerk with a database and a Maildir.
type office struct {
	*testing.T
	*intake.Clerk
	db      *store.DB
	path    string
	maildir *inbox.Maildir
	mails   int
	now     time.Time
}

// newOffice has the readers ada, ben and cleo, ids 1 to 3, who get the editions morning and weekly,
// numbers 1 and 2.
func newOffice(t *testing.T) *office {
	o := &office{T: t, path: filepath.Join(t.TempDir(), "b.db"), now: time.Date(2026, 4, 2, 8, 0, 0, 0, time.UTC)}
	keys, err := subscribers.ParseKeys("one:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
	o.must(err)
	o.db, err = store.Open(t.Context(), storetest.Waiting(storetest.Fresh(t, o.path), 50*time.Millisecond), store.Options{AddressHash: keys.AddressHash, BusyTimeout: 50 * time.Millisecond})
	o.must(err)
	t.Cleanup(func() { o.db.Close() })
	for _, name := range []string{"ada", "ben", "cleo"} {
		o.add(name + "@reader.example")
	}
	later := func(err error) bool { return errors.Is(err, store.ErrBusy) || errors.Is(err, store.ErrFull) }
	o.Clerk = &intake.Clerk{Keys: keys, Domain: "tidewater.example", Readers: o.db, Record: o.db, Ledger: o.db, Later: later,
		Now: func() time.Time { return o.now }, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	o.maildir = &inbox.Maildir{Dir: t.TempDir()}
	for _, folder := range []string{"new", "cur", "tmp"} {
		o.must(os.Mkdir(filepath.Join(o.maildir.Dir, folder), 0o700))
	}
	return o
}

func (o *office) must(err error) {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
}

func (o *office) add(address string) {
	o.Helper()
	_, err := o.db.AddSubscriber(o.Context(), subscribers.Settings{Address: address, Status: subscribers.Active, Hour: -1,
		Sections: []subscribers.Follow{{Section: "world", Level: subscribers.Normal}}, Editions: []string{"morning", "weekly"},
		ConsentSource: "test", ConsentAt: o.now}, "test", o.now)
	o.must(err)
}

// to is an address of ours with the token of a mail of edition 1 of the second of April.
func (o *office) to(box subscribers.Box, reader int64) string {
	wall := time.Date(2026, 4, 2, 0, 0, 0, 0, time.UTC).Unix() / 60
	return box.Name() + "+" + string(o.Keys.AppendBox(nil, box, 1, wall, reader)) + "@tidewater.example"
}

// put lays a message into the Maildir; its lines end with LF.
func (o *office) put(text string) {
	o.Helper()
	o.mails++
	o.must(os.WriteFile(filepath.Join(o.maildir.Dir, "new", fmt.Sprintf("%d.M1P1.host", 1700000000+o.mails)), []byte(text), 0o600))
}

// take takes in one message and says what became of it.
func (o *office) take(text string) intake.Outcome {
	o.Helper()
	out, err := o.Take(o.Context(), "pipe", []inbox.Mail{{Raw: []byte(text), Size: int64(len(text)), At: o.now}})
	o.must(err)
	return out[0]
}

// editions are those that a reader gets; "" once the reader has left all.
func (o *office) editions(reader int64) string {
	o.Helper()
	s, err := o.db.SubscriberByID(o.Context(), reader)
	o.must(err)
	if s.Status != subscribers.Active {
		return ""
	}
	return strings.Join(s.Editions, " ")
}

// rows are the rows of a query, a line each.
func (o *office) rows(query string) (list []string) {
	o.Helper()
	rows, err := storetest.Raw(o.T, o.path).QueryContext(o.Context(), query)
	o.must(err)
	defer rows.Close()
	for rows.Next() {
		var s string
		o.must(rows.Scan(&s))
		list = append(list, s)
	}
	o.must(rows.Err())
	return list
}

// letter is a plain mail.
func letter(from, to, subject, more, body string) string {
	return "From: " + from + "\nTo: " + to + "\nSubject: " + subject + "\nDate: Thu, 2 Apr 2026 07:30:00 +0000\n" + more + "\n" + body + "\n"
}

// notice is a delivery report (RFC 3464) to one of our addresses.
func notice(to, about string) string {
	return "Return-Path: <>\nFrom: MAILER-DAEMON@mx.reader.example\nTo: " + to + `
Subject: Undelivered mail
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

It could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.reader.example

Final-Recipient: rfc822; ` + about + `
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user

--b--
`
}

const apple = "Auto-Submitted: auto-replied\nX-Apple-Unsubscribe: true\nMessage-ID: <%d@phone.example>\n"

func TestLeave(t *testing.T) {
	for name, c := range map[string]struct {
		mail   func(o *office) string
		all    bool
		class  mailer.Class
		left   string // what reader 1 still gets
		effect string
	}{
		"as Apple's program writes": {func(o *office) string {
			return letter("ada@reader.example", o.to(subscribers.Leaves, 1), "", fmt.Sprintf(apple, 1), "Apple Mail sent this email to unsubscribe from the message “Harbour reopens”.")
		}, false, mailer.OptedOut, "weekly", "left morning"},
		"in capitals, from elsewhere": {func(o *office) string {
			return letter("someone@other.example", strings.ToUpper(o.to(subscribers.Leaves, 1)), "Unsubscribe", "", "This message was generated automatically.")
		}, false, mailer.OptedOut, "weekly", "left morning"},
		"everything": {func(o *office) string {
			return letter("ada@reader.example", o.to(subscribers.Leaves, 1), "", "", "")
		}, true, mailer.OptedOut, "", "left everything"},
		"an answer in words": {func(o *office) string {
			return letter("ada@reader.example", o.to(subscribers.Leaves, 1), "Re: Harbour reopens", "In-Reply-To: <x@tidewater.example>\n", "No more, please.")
		}, false, mailer.OptedOut, "weekly", "left morning"},
		"with nothing else in it": {func(o *office) string { return "Delivered-To: " + o.to(subscribers.Leaves, 1) + "\n\n" },
			false, mailer.OptedOut, "weekly", "left morning"},
		"a vacation note": {func(o *office) string {
			return letter("ada@reader.example", o.to(subscribers.Leaves, 1), "Re: Harbour reopens", "Auto-Submitted: auto-replied\nIn-Reply-To: <x@tidewater.example>\n", "I am away.")
		}, false, mailer.AutoReply, "morning weekly", ""},
		"a delivery report": {func(o *office) string { return notice(o.to(subscribers.Leaves, 1), "ada@reader.example") },
			false, mailer.Hard, "morning weekly", ""},
		"the token of another box": {func(o *office) string {
			_, token, _ := strings.Cut(o.to(subscribers.Bounces, 1), "+")
			return letter("ada@reader.example", "unsub+"+token, "unsubscribe", "", "unsubscribe")
		}, false, mailer.NoBounce, "morning weekly", ""},
		"the token at another box": {func(o *office) string {
			_, token, _ := strings.Cut(o.to(subscribers.Leaves, 1), "+")
			return letter("ada@reader.example", "bounce+"+token, "unsubscribe", "", "hello")
		}, false, mailer.NoBounce, "morning weekly", ""},
		"a changed token": {func(o *office) string {
			to := o.to(subscribers.Leaves, 1)
			return letter("ada@reader.example", strings.Replace(to, to[20:22], "zz", 1), "unsubscribe", "", "unsubscribe")
		}, false, mailer.NoBounce, "morning weekly", ""},
		"no token": {func(o *office) string {
			return letter("ada@reader.example", "unsub@tidewater.example", "unsubscribe", "", "")
		},
			false, mailer.NoBounce, "morning weekly", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			o.LeaveAll = c.all
			out := o.take(c.mail(o))
			if c.class != mailer.NoBounce && out.Class != c.class || !strings.Contains(out.Effect, c.effect) {
				t.Errorf("got class %q, effect %q, aside %q; want %q, %q", out.Class, out.Effect, out.Aside, c.class, c.effect)
			}
			if got := o.editions(1); got != c.left {
				t.Errorf("ada gets %q, not %q", got, c.left)
			}
			if o.editions(2) != "morning weekly" || o.editions(3) != "morning weekly" {
				t.Error("another reader has left")
			}
		})
	}
}

// TestLeaveTwice: a copy of a request that is on record changes nothing, even if the reader has come
// back since; a new request does.
func TestLeaveTwice(t *testing.T) {
	o := newOffice(t)
	first := letter("ada@reader.example", o.to(subscribers.Leaves, 1), "", fmt.Sprintf(apple, 1), "")
	if out := o.take(first); out.Effect != "left morning" {
		t.Fatalf("got %+v", out)
	}
	_, err := o.db.EditReader(t.Context(), 1, subscribers.Edit{By: "reader", Do: func(s *subscribers.Settings) error {
		s.Editions = append(s.Editions, "morning")
		return nil
	}}, o.now)
	o.must(err)
	copied := "Received: from mx.example\n\tby us; today\nDelivered-To: bounces\n" + strings.ReplaceAll(first, "\n", "\r\n") + "\r\n\r\n"
	if out := o.take(copied); !out.Again || out.Class != mailer.OptedOut || out.Aside != "" {
		t.Errorf("the copy: got %+v", out)
	}
	if got := o.editions(1); got != "weekly morning" {
		t.Errorf("after the copy: %q", got)
	}
	if out := o.take(letter("ada@reader.example", o.to(subscribers.Leaves, 1), "", fmt.Sprintf(apple, 2), "")); out.Effect != "left morning" {
		t.Errorf("got %+v", out)
	}
	if out := o.take(letter("ada@reader.example", o.to(subscribers.Leaves, 1), "", fmt.Sprintf(apple, 3), "")); out.Effect != "had left morning before" {
		t.Errorf("got %+v", out)
	}
	if out := o.take(letter("x@reader.example", o.to(subscribers.Leaves, 99), "", "", "")); out.Effect != "the reader is gone" || out.Aside != "" {
		t.Errorf("got %+v", out)
	}
	if got := o.editions(1); got != "weekly" {
		t.Errorf("in the end: %q", got)
	}
}

// TestPeople: answers go on to the publication, wishes to leave without proof to a person.
func TestPeople(t *testing.T) {
	o := newOffice(t)
	for name, c := range map[string]struct {
		mail, task   string
		of           int64 // reader
		forward      bool
		aside, class string
	}{
		"an answer":                      {letter("ada@reader.example", o.to(subscribers.Answers, 1), "Re: Harbour", "", "Thanks for this!"), "", 1, true, "", "answer"},
		"an answer to the return path":   {letter("ada@private.example", o.to(subscribers.Bounces, 2), "Re: Harbour", "", "Thanks a lot!"), "", 2, true, "", "answer"},
		"an answer that asks to leave":   {letter("ada@reader.example", o.to(subscribers.Answers, 1), "Re: Harbour", "", "Please unsubscribe me."), "leave", 1, true, "", "answer"},
		"without a token, of a reader":   {letter("Ben <BEN@reader.example>", "unsub@tidewater.example", "", "", ""), "leave", 2, false, "", "none"},
		"with a bad token, of a reader":  {letter("ben@reader.example", "unsub+abc@tidewater.example", "", "Message-ID: <9@x.example>\n", ""), "leave", 2, true, "", "answer"},
		"without a token, of a stranger": {letter("eve@elsewhere.example", "unsub@tidewater.example", "", "", ""), "", 0, false, "address for leaving without a token", "none"},
		"a reader who refers to nothing": {letter("cleo@reader.example", "post@tidewater.example", "Re: your mail", "", "What is this?"), "", 3, true, "", "answer"},
		"a stranger to a mail of ours":   {letter("eve@elsewhere.example", "post@tidewater.example", "Re: Harbour", "References: <abc@Tidewater.example>\n", "A friend sent me this."), "", 0, false, "by its own word", "answer"},
		"a stranger":                     {letter("eve@elsewhere.example", "bounce@tidewater.example", "Re: invoice", "References: <abc@elsewhere.example>\n", "Pay now."), "", 0, false, "to no mail of ours", "answer"},
		"garbage":                        {"\x00\xff\r\r\n", "", 0, false, "neither a report nor an answer", "none"},
		"nothing":                        {"", "", 0, false, "neither a report nor an answer", "none"},
	} {
		out := o.take(c.mail)
		if out.Task != c.task || cmp.Or(out.Of.Subscriber, out.Writer) != c.of || out.Forward != c.forward || string(out.Class) != c.class ||
			(out.Aside == "") != (c.aside == "") || !strings.Contains(out.Aside, c.aside) || out.ID == 0 {
			t.Errorf("%s: task %q, reader %d, forward %v, aside %q, class %s", name, out.Task, out.Of.Subscriber, out.Forward, out.Aside, out.Class)
		}
	}
	for id := range int64(3) {
		if got := o.editions(id + 1); got != "morning weekly" {
			t.Errorf("reader %d gets %q: nobody has left", id+1, got)
		}
	}
}

// TestReports: a token makes news sure and says whose they are; without one they name an address.
func TestReports(t *testing.T) {
	o := newOffice(t)
	forged := notice("bounce@tidewater.example", "ben@reader.example")
	other := notice(o.to(subscribers.Bounces, 1), "ben@reader.example") // the token decides, not the address
	for _, c := range []struct {
		mail, recipient string
		sure            bool
		of              int64
	}{
		{other, "", true, 1}, {forged, "", false, 0}, {forged, o.to(subscribers.Bounces, 3), true, 3}, {forged, strings.ToUpper(o.to(subscribers.Bounces, 2)), true, 2},
	} {
		out, err := o.Take(t.Context(), "pipe", []inbox.Mail{{Raw: []byte(c.mail), Recipient: c.recipient, At: o.now}})
		o.must(err)
		e := out[0].Events
		if len(e) != 1 || e[0].Sure != c.sure || e[0].Of.Subscriber != c.of || e[0].Class != mailer.Hard || out[0].Of.Subscriber != c.of || out[0].Again {
			t.Errorf("got %+v", out[0])
		}
	}
	complaint := "From: fbl@reader.example\nTo: fbl@tidewater.example\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n" +
		"--b\nContent-Type: text/plain\n\nA complaint.\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nVersion: 1\nUser-Agent: x\n\n" +
		"--b\nContent-Type: text/rfc822-headers\n\nFrom: post@tidewater.example\nSubject: Harbour\n%s\n--b--\n"
	if out := o.take(fmt.Sprintf(complaint, "X-Other: 1\n")); out.Task != "complaint" || out.Class != mailer.Complained || out.Events[0].Sure {
		t.Errorf("a complaint of nobody: %+v", out)
	}
	_, token, _ := strings.Cut(strings.TrimSuffix(o.to(subscribers.Bounces, 2), "@tidewater.example"), "+")
	if out := o.take(fmt.Sprintf(complaint, "X-Broadsheet-Delivery: "+token+"\n")); out.Task != "" || !out.Events[0].Sure || out.Of.Subscriber != 2 {
		t.Errorf("a complaint by a mail that came back: %+v", out)
	}
}

// TestLook takes in a Maildir of good and bad: each message on record once, and where it belongs.
func TestLook(t *testing.T) {
	o := newOffice(t)
	for n := range 250 {
		o.put(letter("ada@reader.example", o.to(subscribers.Answers, 1), "Re: Harbour", fmt.Sprintf("Message-ID: <%d@x.example>\n", n), "Thank you."))
	}
	o.put("garbage")
	o.put(letter("ben@reader.example", o.to(subscribers.Leaves, 2), "", "", ""))
	o.put("Received: again\n" + letter("ben@reader.example", o.to(subscribers.Leaves, 2), "", "", ""))
	o.must(os.Symlink("/etc/passwd", filepath.Join(o.maildir.Dir, "new/1.link")))
	tally, err := o.Look(t.Context(), o.maildir)
	o.must(err)
	want := intake.Tally{Mails: 254, Classes: map[mailer.Class]int{mailer.Answer: 250, mailer.NoBounce: 1, mailer.OptedOut: 2}, Again: 1, Aside: 231, Unreadable: 1} // 20 answers of one reader are passed on
	if diff := gocmp.Diff(want, tally); diff != "" {
		t.Error(diff)
	}
	if got := o.rows(`SELECT count(*) FROM inbound`); got[0] != "252" {
		t.Errorf("%s on record", got)
	}
	for folder, want := range map[string]int{"new": 1, "cur": 22, ".Aside/new": 231} {
		list, err := os.ReadDir(filepath.Join(o.maildir.Dir, folder))
		if o.must(err); len(list) != want {
			t.Errorf("%s has %d, not %d", folder, len(list), want)
		}
	}
	if tally, err = o.Look(t.Context(), o.maildir); err != nil || tally.Mails != 1 || tally.Unreadable != 1 {
		t.Errorf("the second look: %+v, %v", tally, err)
	}
}

// TestPoison: a message that makes the database fail is tried alone and then put on record without
// what follows from it; if that fails too it stays where it is. The others go on.
func TestPoison(t *testing.T) {
	o := newOffice(t)
	storetest.Poison(t, o.path, "forwards", "(SELECT subject FROM inbound WHERE id = NEW.inbound) = 'Re: bitter'", "bitter")
	cure := storetest.Poison(t, o.path, "inbound", "NEW.subject = 'Re: deadly'", "deadly")
	for n, subject := range []string{"Re: one", "Re: bitter", "Re: two", "Re: deadly", "Re: three"} {
		o.put(letter("ada@reader.example", o.to(subscribers.Answers, 1), subject, fmt.Sprintf("Message-ID: <%d@x.example>\n", n), "Thank you."))
	}
	tally, err := o.Look(t.Context(), o.maildir)
	o.must(err)
	if tally.Mails != 5 || tally.Aside != 1 || tally.Unreadable != 1 {
		t.Errorf("got %+v", tally)
	}
	said := "constraint failed: bitter (1811)"
	if storetest.OnPostgres() {
		said = "ERROR: bitter (SQLSTATE 23514)"
	}
	want := []string{"Re: one|", "Re: bitter|it cannot be dealt with: take mail in: " + said, "Re: two|", "Re: three|"}
	if diff := gocmp.Diff(want, o.rows(`SELECT subject || '|' || aside FROM inbound ORDER BY id`)); diff != "" {
		t.Error(diff)
	}
	if got := o.rows(`SELECT count(*) FROM forwards`); got[0] != "3" {
		t.Errorf("%s to be forwarded", got)
	}
	list, err := os.ReadDir(filepath.Join(o.maildir.Dir, "new"))
	if o.must(err); len(list) != 1 {
		t.Errorf("%d are left where they were", len(list))
	}
	cure()
	if tally, err = o.Look(t.Context(), o.maildir); err != nil || tally.Mails != 1 || tally.Unreadable != 0 {
		t.Errorf("once it is possible: %+v, %v", tally, err)
	}
}

// TestBusy: while the database is locked nothing is settled, and all comes again.
func TestBusy(t *testing.T) {
	o := newOffice(t)
	for n := range 3 {
		o.put(letter("ada@reader.example", o.to(subscribers.Answers, 1), "Re: Harbour", fmt.Sprintf("Message-ID: <%d@x.example>\n", n), "Thank you."))
	}
	o.put(letter("ada@reader.example", o.to(subscribers.Leaves, 1), "", "", ""))
	letGo := storetest.Hold(t, o.path)
	if tally, err := o.Look(t.Context(), o.maildir); err == nil || tally.Mails != 0 {
		t.Fatalf("with a locked database: %+v, %v", tally, err)
	}
	list, err := os.ReadDir(filepath.Join(o.maildir.Dir, "new"))
	if o.must(err); len(list) != 4 {
		t.Errorf("%d are left where they were", len(list))
	}
	letGo()
	for range 2 { // what was fetched comes again in the next round
		_, err := o.Look(t.Context(), o.maildir)
		o.must(err)
	}
	if got := o.rows(`SELECT count(*) FROM inbound WHERE aside = ''`); got[0] != "4" || o.editions(1) != "weekly" {
		t.Errorf("%s on record, ada gets %q", got, o.editions(1))
	}
}

// TestClaimed: who merely gives a reader's address takes nothing of the reader's own answers, and is
// told apart from who shows a token.
func TestClaimed(t *testing.T) {
	o := newOffice(t)
	for n := range 25 {
		o.take(letter("ada@reader.example", "post@tidewater.example", "Re: Harbour", fmt.Sprintf("Message-ID: <%d@x.example>\nReferences: <abc@tidewater.example>\n", n), "Hello."))
	}
	if got := o.rows(`SELECT count(*) FROM inbound WHERE subscriber <> 0 OR writer <> 1`); got[0] != "0" {
		t.Errorf("%s are the reader's", got)
	}
	if out := o.take(letter("ada@reader.example", o.to(subscribers.Answers, 1), "Re: Harbour", "", "Thanks!")); out.Held != "" || !out.Forward || out.Of.Subscriber != 1 {
		t.Errorf("the reader's own answer: %+v", out)
	}
	o.take(letter("ada@reader.example", "post@tidewater.example", "Re: Harbour", "Message-ID: <a@x.example>\n", "Please unsubscribe me."))
	o.take(letter("ada@reader.example", o.to(subscribers.Answers, 1), "Re: Harbour", "Message-ID: <b@x.example>\n", "Please unsubscribe me."))
	tasks, err := o.db.Tasks(t.Context(), true)
	o.must(err)
	doubts := map[string]string{}
	for _, task := range tasks {
		doubts[task.Kind] += fmt.Sprint(task.Subscriber, " ", task.Doubt() != "", ";")
	}
	if doubts["leave"] != "1 false;1 true;" {
		t.Errorf("%+v", tasks)
	}
}

// TestPoisonedWish: of a wish to leave or a complaint nothing is lost when the database fails: it
// stays where it is and comes again.
func TestPoisonedWish(t *testing.T) {
	o := newOffice(t)
	cure := storetest.Poison(t, o.path, "tasks", "true", "bitter")
	rename := func(from, to string) {
		t.Helper()
		_, err := storetest.Raw(t, o.path).ExecContext(t.Context(), `ALTER TABLE `+from+` RENAME TO `+to)
		o.must(err)
	}
	rename("editions", "elsewhere")
	o.put(letter("ada@reader.example", o.to(subscribers.Leaves, 1), "", fmt.Sprintf(apple, 1), ""))
	o.put(letter("ben@reader.example", "unsub@tidewater.example", "", "", ""))
	tally, err := o.Look(t.Context(), o.maildir)
	if o.must(err); tally.Mails != 2 || tally.Unreadable != 2 {
		t.Errorf("got %+v", tally)
	}
	cure()
	rename("elsewhere", "editions")
	tally, err = o.Look(t.Context(), o.maildir)
	if o.must(err); tally.Mails != 2 || tally.Unreadable+tally.Aside != 0 || o.editions(1) != "weekly" {
		t.Errorf("once it is possible: %+v, ada gets %q", tally, o.editions(1))
	}
	if tasks, err := o.db.Tasks(t.Context(), true); err != nil || len(tasks) != 1 {
		t.Errorf("%+v, %v", tasks, err)
	}
}
