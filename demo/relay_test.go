package demo

import (
	"errors"
	"fmt"
	"net/smtp"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"broadsheet/subscribers"
)

// demoMail is a digest-like mail.
func demoMail(to, subject, html, text string) []byte {
	return []byte(strings.ReplaceAll(fmt.Sprintf(`From: The Meridian Courier <digest@meridian-courier.example>
To: %s
Subject: %s
Date: Mon, 23 Nov 2026 03:00:00 +0000
Message-ID: <%x@meridian-courier.example>
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=cut

--cut
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

%s
--cut
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: 8bit

%s
--cut--
`, to, subject, to+subject, text, html), "\n", "\r\n"))
}

func startRelay(t *testing.T, inbox *Inbox, rules map[string]Rule) (*Relay, string) {
	t.Helper()
	r, err := StartRelay(inbox, rules)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r, fmt.Sprintf("%s:%d", r.Host, r.Port)
}

// code is the reply code in an error of the client, 250 for none.
func code(err error) int {
	if e, ok := errors.AsType[*textproto.Error](err); ok {
		return e.Code
	}
	if err != nil {
		return 0
	}
	return 250
}

func TestRelayTreatsReadersByTheirRules(t *testing.T) {
	var inbox Inbox
	readers := Readers(end, ShippedEditions())
	relay, addr := startRelay(t, &inbox, Rules(readers))
	const from = "bounce@meridian-courier.example"
	want := map[Rule][2]int{Take: {250, 250}, Refuse: {550, 550}, Greylist: {451, 250}, Full: {452, 452}}
	took := 0
	for _, r := range readers {
		for try := range 2 {
			mail := demoMail(r.Address, fmt.Sprintf("try %d", try), "<p>hello</p>", "hello")
			got := code(smtp.SendMail(addr, nil, from, []string{strings.ToUpper(r.Address[:1]) + r.Address[1:]}, mail))
			if got != want[r.Rule][try] {
				t.Errorf("%s, try %d: %d, want %d", r.Address, try+1, got, want[r.Rule][try])
			}
			if got == 250 {
				took++
			}
		}
	}
	if s := relay.Stats(); s.Taken != took || s.Refused != 2 || s.Greylisted != 1 || s.Deferred != 2 || s.Copies != 0 {
		t.Errorf("took %d, stats %+v", took, s)
	}
	if n := len(inbox.Mails()); n != took {
		t.Errorf("%d mails in the inbox, want %d", n, took)
	}
	if n := len(inbox.Refusals()); n != 3 {
		t.Errorf("%d refusals, want 3: %+v", n, inbox.Refusals())
	}
	mail := demoMail("amal.haddad@post.example", "try 0", "<p>hello</p>", "hello")
	if err := smtp.SendMail(addr, nil, from, []string{"amal.haddad@post.example"}, mail); err != nil {
		t.Error(err)
	}
	if s := relay.Stats(); s.Copies != 1 {
		t.Errorf("the same mail again: %+v", s)
	}
}

func TestReaders(t *testing.T) {
	editions := ShippedEditions()
	known := map[string]bool{editions.AbuDhabi: true, editions.London: true, editions.NewYork: true, editions.Readers: true}
	seen, zones, status := map[string]string{}, map[string]bool{}, map[subscribers.Status]int{}
	for _, r := range Readers(end, editions) {
		if _, err := time.LoadLocation(r.Zone); err != nil {
			t.Errorf("%s: %v", r.Address, err)
		}
		zones[r.Zone] = true
		status[r.Status]++
		key := fmt.Sprint(r.Sections)
		if other, ok := seen[key]; ok {
			t.Errorf("%s and %s follow the same", r.Address, other)
		}
		seen[key] = r.Address
		for _, e := range r.Editions {
			if !known[e] {
				t.Errorf("%s: edition %q", r.Address, e)
			}
		}
		for _, f := range r.Sections {
			if !strings.Contains(fmt.Sprint(Sections()), "{"+f.Section+" ") {
				t.Errorf("%s: section %q", r.Address, f.Section)
			}
		}
	}
	if len(seen) < 12 || len(zones) < 10 || status[subscribers.Pending] != 1 || status[subscribers.Paused] != 1 {
		t.Errorf("%d readers in %d zones, status %v", len(seen), len(zones), status)
	}
	for _, r := range Readers(end, Editions{Readers: "only"}) {
		if len(r.Editions) != 1 || r.Editions[0] != "only" {
			t.Errorf("%s: editions %q where there is only one", r.Address, r.Editions)
		}
	}
}
