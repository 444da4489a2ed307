package report

import (
	"testing"

	"broadsheet/mailer"
)

// letterFrom is a mail with a return path, to an address of ours.
func letterFrom(path, from, subject, fields, body string) []byte {
	return []byte("Return-Path: <" + path + ">\nFrom: " + from + "\nTo: bounce+abc@meridian.example\nSubject: " + subject + "\n" + fields + "\n" + body)
}

const (
	gone   = "The mailbox ada@reader.example was closed: 550 5.1.1 unknown user. It could not be delivered.\nMy new address: ada@elsewhere.example\n"
	marked = "Auto-Submitted: auto-replied\n"
	qmail  = "Hi. This is the qmail-send program at reader.example.\nI'm afraid I wasn't able to deliver your message to the following addresses.\n\n<bo@reader.example>:\nSorry, no mailbox here by that name. (#5.1.1)\n"
	// sent is the header of a mail of ours, as servers send it back.
	sent = "Return-Path: <bounce+abc@meridian.example>\nReceived: from a by b; Thu, 26 Nov 2026 07:00:00 +0000\nFrom: desk@meridian.example\nTo: bo@reader.example\nSubject: Morning\nMessage-ID: <1@meridian.example>\n"
)

// TestNoBounces reads mail of machines and people that speaks of bounces and is none.
func TestNoBounces(t *testing.T) {
	const person, shop = "Ada Example <ada@reader.example>", "Parcels <delivery@shop.example>"
	quoted := "Thank you, we have opened ticket 12.\n\n> <bo@reader.example>: host mx said: 550 5.1.1 user unknown (in reply to RCPT TO command)\n"
	for name, tt := range map[string]struct {
		raw   []byte
		class mailer.Class
	}{
		"moved, marked":           {letterFrom("", person, "New address", marked, gone), mailer.AutoReply},
		"moved, not marked":       {letterFrom("", person, "Undeliverable: my address changed", "", gone), mailer.AutoReply},
		"moved, with what it was": {letterFrom("", person, "Mail not delivered", marked, gone+"\nFrom: desk@meridian.example\nSent: Thursday\nTo: ada@reader.example\nSubject: Morning\n"), mailer.AutoReply},
		"left, a subject like it": {letterFrom("", person, "User unknown", marked, "Ada has left the company. Your message was not delivered.\n"), mailer.AutoReply},
		"a shop":                  {letterFrom("", shop, "Delivery failed: your parcel", "Auto-Submitted: auto-generated\n", "The recipient is unknown at this address: error 550.\n"), mailer.AutoReply},
		"a server's own note":     {letterFrom("", "mailer-daemon@reader.example", "Out of Office", marked, "I am away. 550 5.1.1 user unknown\n"), mailer.AutoReply},
		"a note, by its field":    {letterFrom("", "mailer-daemon@reader.example", "Morning", "X-Autoreply: yes\n", gone), mailer.AutoReply},
		"a ticket":                {letterFrom("help@desk.example", "Help <help@desk.example>", "[#12] Undelivered Mail Returned to Sender", marked, quoted), mailer.AutoReply},
		"a ticket, not marked":    {letterFrom("help@desk.example", "Help <help@desk.example>", "Re: [#12] Mail delivery failed", "", quoted), mailer.Answer},
		"a person pastes":         {letterFrom("ada@reader.example", person, "failure notice", "", "This came back, what now?\n\n"+qmail), mailer.Answer},
		"a person quotes":         {letterFrom("ada@reader.example", person, "Mail delivery failed", "", "I wrote to you and got: 550 5.1.1 user unknown, it could not be delivered.\n"), mailer.Answer},
	} {
		r := Read(tt.raw)
		if r.Class != tt.class {
			t.Errorf("%s: %s, want %s: %+v", name, r.Class, tt.class, r.News)
		}
		for _, n := range r.News {
			if n.Class.Bounce() || n.Recipient == "ada@elsewhere.example" {
				t.Errorf("%s: %+v", name, n)
			}
		}
	}
}

// TestCircular: what a postmaster writes to many, or of what is to come, bars nobody.
func TestCircular(t *testing.T) {
	const text = "On Sunday our servers move. Some senders may be told 550 5.1.1 user unknown; please take no notice.\n"
	for _, raw := range [][]byte{
		letterFrom("", "postmaster@reader.example", "Our servers move", "", text),
		letterFrom("postmaster@reader.example", "postmaster@reader.example", "Our servers move", marked, text),
		letterFrom("", "postmaster@reader.example", "Mail delivery problems on Sunday", "List-Id: <news.reader.example>\nPrecedence: bulk\n", text),
	} {
		if r := Read(raw); r.Class == mailer.Hard {
			t.Errorf("hard: %+v\n%s", r.News, raw)
		}
	}
}

// TestBounces reads mail that looks like that and did come back.
func TestBounces(t *testing.T) {
	for name, tt := range map[string]struct {
		raw   []byte
		class mailer.Class
	}{
		"a server":                   {letterFrom("", "MAILER-DAEMON@reader.example", "failure notice", "", qmail), mailer.Hard},
		"a server, marked":           {letterFrom("", "MAILER-DAEMON@reader.example", "failure notice", marked, qmail), mailer.Hard},
		"with the mail":              {letterFrom("", "root@reader.example", "Returned mail", marked, "Your message could not be delivered.\n550 5.1.1 <bo@reader.example> no such mailbox\n\n--- The unsent message follows ---\n"+sent+"\nx\n"), mailer.Hard},
		"with the mail, no reply":    {letterFrom("", "root@reader.example", "Returned mail", marked, "Your message could not be delivered: no such mailbox.\n\n--- The unsent message follows ---\n"+sent+"\nx\n"), mailer.Soft},
		"a person, the mail with it": {letterFrom("ada@reader.example", "ada@reader.example", "Returned mail", "", "Your message could not be delivered.\n550 5.1.1 <bo@reader.example> no such mailbox\n\n--- The unsent message follows ---\n"+sent+"\nx\n"), mailer.Soft},
		"moved, says a server":       {letterFrom("", "MAILER-DAEMON@reader.example", "Returned mail", "", "Your message could not be delivered.\n\n<bo@reader.example>:\n551 5.1.6 bo has moved.\nThe new address:\n<bo@elsewhere.example>\n"), mailer.Hard},
	} {
		r := Read(tt.raw)
		if r.Class != tt.class || len(r.News) != 1 || r.News[0].Recipient != "bo@reader.example" {
			t.Errorf("%s: %s, want %s: %+v", name, r.Class, tt.class, r.News)
		}
	}
}
