package commands

import (
	"reflect"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/schedule"
)

func TestStandIns(t *testing.T) {
	cfg := &schedule.Config{Relays: []schedule.Relay{
		{Name: "light", Weight: 1}, {Name: "heavy", Weight: 5}, {Name: "spare", Weight: 1, Standby: true},
		{Name: "bank", Weight: 1, Domains: []string{"bank.example"}}, {Name: "vault", Weight: 9, Domains: []string{"bank.example", "vault.example"}},
		{Name: "new", Weight: 9, WarmUp: schedule.WarmUp{From: time.Unix(1, 0), First: 1, Growth: 2}}}}
	want := map[string][]string{
		"light": {"spare", "heavy"},
		"heavy": {"spare", "light"},
		"spare": {"heavy", "light"},
		"bank":  {"spare", "vault", "heavy", "light"},
		"vault": {"spare", "heavy", "light"},
		"new":   {"spare", "heavy", "light"},
	}
	if got := standIns(cfg); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := standIns(&schedule.Config{Relays: cfg.Relays[:1]}); len(got) > 0 {
		t.Errorf("one alone: got %v", got)
	}
}

func TestInWords(t *testing.T) {
	due := time.Date(2026, 12, 1, 7, 0, 0, 0, time.UTC)
	at := func(id int64, mails int, hours int) digest.Load {
		return digest.Load{Issue: digest.Issue{ID: id, Edition: "morning", Slot: "2026-12-01", Zone: "Europe/London", Due: due, Ends: due.Add(time.Duration(hours) * time.Hour)},
			Relay: "main", Mails: mails, Begins: due, Last: due}
	}
	slow := at(12, 50000, 6)
	slow.Groups = map[*mailer.DomainLimit]int{{Name: "gmail", Rate: 0.5}: 30000}
	for _, c := range []struct {
		load digest.Load
		want string
	}{
		{at(12, 50000, 1), "issue 12: 50,000 mails at 10 a second through main need 1 h 23 min; its life ends at 08:00; about 14,000 will expire. Raise rate, add a relay, or lengthen deliver_within"},
		{slow, "issue 12: 50,000 mails at 10 a second through main, 30,000 of them to gmail with its own limit, need 16 h 40 min; its life ends at 13:00; about 19,000 will expire. Raise the limit of gmail if it takes more from you, add a relay, or lengthen deliver_within"},
		{at(0, 1200, 20), "edition morning, slot 2026-12-01: 1,200 mails at 10 a second through main need 2 min; the last goes at about 07:02, and its life ends at 03:00 on 2 December"},
		{at(3, 1, 6), "issue 3: 1 mail at 10 a second through main needs 0 s; the last goes at about 07:00, and its life ends at 13:00"},
	} {
		p := digest.Foresee([]digest.Load{c.load}, map[string]digest.Pace{"main": {Rate: 10, Connections: 4, Message: messageAway}}, due)
		if got := inWords(&p[0]); got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
	for n, want := range map[int]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 123456: "123,456", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: got %s", n, got)
		}
	}
	for d, want := range map[time.Duration]string{0: "0 s", 59 * time.Second: "59 s", 90 * time.Second: "2 min", time.Hour: "1 h", 26*time.Hour + 29*time.Second: "26 h", 61 * time.Minute: "1 h 1 min", 59*time.Minute + 50*time.Second: "1 h"} {
		if got := duration(d); got != want {
			t.Errorf("%s: got %s, want %s", d, got, want)
		}
	}
}
