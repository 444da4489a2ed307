package provider

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"broadsheet/mailer"
)

const postmarkUser, postmarkPassword = "post", "mark:9"

func postmark() *Endpoint {
	return &Endpoint{Provider: Postmark, Secret: postmarkUser + ":" + postmarkPassword}
}

func withUser(user, password string) http.Header {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return r.Header
}

func postmarkBounce(kind, more string) string {
	return `{"RecordType":"Bounce","ID":42,"Type":"` + kind + `","MessageID":"883953f4","ServerID":23,"MessageStream":"broadcast","Tag":"","Email":"ada@reader.example",
		"From":"Harbour <news@harbour.example>","BouncedAt":"2026-04-02T03:00:18.25-04:00","DumpAvailable":true,"Inactive":true,"Subject":"x",
		"Metadata":{"Broadsheet":"tok","other":5}` + more + `}`
}

// TestPostmark reads all kinds of posts.
func TestPostmark(t *testing.T) {
	news := func(class mailer.Class, reason, status string, code int, text string) *mailer.News {
		return &mailer.News{Class: class, Reason: reason, Status: status, Code: code, Text: text, Recipient: "ada@reader.example"}
	}
	change := func(more string) string {
		return `{"RecordType":"SubscriptionChange","MessageID":"883953f4","ServerID":23,"MessageStream":"broadcast","ChangedAt":"2026-04-02T07:00:18.25Z","Recipient":"ada@reader.example","Metadata":{"broadsheet":"tok"},` + more + `}`
	}
	for _, tt := range []struct {
		name, body string
		want       *mailer.News
	}{
		{"unknown user", postmarkBounce("HardBounce", `,"Details":"smtp;550 5.1.1 The email account that you tried to reach does not exist"`), news(mailer.Hard, "userunknown", "5.1.1", 550, "550 5.1.1 The email account that you tried to reach does not exist")},
		{"by number", postmarkBounce("", `,"TypeCode":4096,"Details":"smtp;452 4.2.2 Mailbox full"`), news(mailer.Soft, "mailboxfull", "4.2.2", 452, "452 4.2.2 Mailbox full")},
		{"hard, but of policy", postmarkBounce("HardBounce", `,"Details":"smtp;550 5.7.1 message blocked by policy"`), news(mailer.Policy, "blocked", "5.7.1", 550, "550 5.7.1 message blocked by policy")},
		{"soft with hard words", postmarkBounce("SoftBounce", `,"Details":"smtp;550 5.1.1 user unknown"`), news(mailer.Soft, "userunknown", "5.1.1", 550, "550 5.1.1 user unknown")},
		{"bad address", postmarkBounce("BadEmailAddress", `,"Description":""`), news(mailer.Hard, "userunknown", "", 0, "")},
		{"blocked", postmarkBounce("Blocked", `,"Details":"smtp;550 5.1.1 user unknown, or so"`), news(mailer.Policy, "blocked", "5.1.1", 550, "550 5.1.1 user unknown, or so")},
		{"transient", postmarkBounce("Transient", `,"Details":"smtp;421 4.4.1 Connection timed out"`), news(mailer.Put, "networkerror", "4.4.1", 421, "421 4.4.1 Connection timed out")},
		{"DNS", postmarkBounce("DnsError", ``), news(mailer.Soft, "networkerror", "", 0, "")},
		{"spam", postmarkBounce("SpamNotification", ``), news(mailer.Policy, "spamdetected", "", 0, "")},
		{"our own list", postmarkBounce("ManuallyDeactivated", ``), news(mailer.Policy, "onhold", "", 0, "")},
		{"virus", postmarkBounce("VirusNotification", ``), news(mailer.Content, "virusdetected", "", 0, "")},
		{"vacation", postmarkBounce("AutoResponder", `,"Details":"I am away"`), news(mailer.AutoReply, "vacation", "", 0, "I am away")},
		{"opted out", postmarkBounce("Unsubscribe", ``), news(mailer.OptedOut, "", "", 0, "")},
		{"relay test", postmarkBounce("OpenRelayTest", ``), nil},
		{"unheard of", postmarkBounce("SomethingNew", ``), nil},
		{"complaint", strings.Replace(postmarkBounce("SpamComplaint", ``), `"RecordType":"Bounce"`, `"RecordType":"SpamComplaint"`, 1), news(mailer.Complained, "feedback", "", 0, "")},
		{"delivery", `{"RecordType":"Delivery","MessageID":"883953f4","Recipient":"ada@reader.example","DeliveredAt":"2026-04-02T07:00:18.25Z","Details":"smtp;250 2.0.0 OK","Metadata":{"broadsheet":"tok"}}`, news(mailer.Arrived, "", "2.0.0", 250, "250 2.0.0 OK")},
		{"left", change(`"SuppressSending":true,"Origin":"Recipient","SuppressionReason":"ManualSuppression"`), news(mailer.OptedOut, "", "", 0, "")},
		{"barred by the operator there", change(`"SuppressSending":true,"Origin":"Customer","SuppressionReason":"ManualSuppression"`), nil},
		{"barred for a bounce", change(`"SuppressSending":true,"Origin":"Recipient","SuppressionReason":"HardBounce"`), nil},
		{"barred for a complaint", change(`"SuppressSending":true,"Origin":"Recipient","SuppressionReason":"SpamComplaint"`), news(mailer.Complained, "feedback", "", 0, "")},
		{"back", change(`"SuppressSending":false,"Origin":null,"SuppressionReason":null`), nil},
		{"opened", `{"RecordType":"Open","ReceivedAt":"2026-04-02T07:00:18.25Z","Recipient":"ada@reader.example"}`, nil},
	} {
		r, err := postmark().Open(t.Context(), withUser(postmarkUser, postmarkPassword), []byte(tt.body), now)
		if err != nil || len(r.ID) != 64 {
			t.Errorf("%s: got %+v, %v", tt.name, r, err)
			continue
		}
		var want []Event
		if tt.want != nil {
			tt.want.At = then
			want = []Event{{*tt.want, []string{"tok"}, "883953f4"}}
		}
		if diff := cmp.Diff(want, r.Events); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestPostmarkSame: a post that comes again is the same, and any other is another.
func TestPostmarkSame(t *testing.T) {
	id := func(body string, later time.Duration) string {
		r, err := postmark().Open(t.Context(), withUser(postmarkUser, postmarkPassword), []byte(body), now.Add(later))
		if err != nil {
			t.Fatal(err)
		}
		return r.ID
	}
	one := postmarkBounce("HardBounce", "")
	if id(one, 0) != id(one, time.Hour) || id(one, 0) == id(strings.Replace(one, "42", "43", 1), 0) {
		t.Error("posts are not known by what they say")
	}
}

// TestPostmarkForged refuses posts without the right user and password, and those of another time.
func TestPostmarkForged(t *testing.T) {
	body := []byte(postmarkBounce("HardBounce", ""))
	bearer := http.Header{"Authorization": {"Bearer " + postmarkPassword}}
	for name, header := range map[string]http.Header{
		"nobody": {}, "no password": withUser(postmarkUser, ""), "no user": withUser("", postmarkPassword), "password": withUser(postmarkUser, "mark"),
		"user": withUser("Post", postmarkPassword), "cut elsewhere": withUser("post:mark", "9x"), "bearer": bearer,
	} {
		if r, err := postmark().Open(t.Context(), header, body, now); !errors.Is(err, ErrForged) {
			t.Errorf("%s: got %+v, %v", name, r, err)
		}
	}
	if r, err := (&Endpoint{Provider: Postmark}).Open(t.Context(), withUser("", ""), body, now); !errors.Is(err, ErrForged) {
		t.Errorf("no secret: got %+v, %v", r, err)
	}
	if r, err := (&Endpoint{}).Open(t.Context(), nil, body, now); !errors.Is(err, ErrForged) {
		t.Errorf("no provider: got %+v, %v", r, err)
	}
	for at, want := range map[string]error{"2026-04-01T07:00:30Z": nil, "2026-04-01T07:00:29Z": ErrTime, "2026-04-02T07:10:31Z": ErrTime, "soon": ErrTime} {
		r, err := postmark().Open(t.Context(), withUser(postmarkUser, postmarkPassword), []byte(strings.Replace(string(body), "2026-04-02T03:00:18.25-04:00", at, 1)), now)
		if !errors.Is(err, want) {
			t.Errorf("%s: got %+v, %v", at, r, err)
		}
	}
	if r, err := postmark().Open(t.Context(), withUser(postmarkUser, postmarkPassword), []byte("hello"), now); err == nil || errors.Is(err, ErrForged) {
		t.Errorf("no JSON: got %+v, %v", r, err)
	}
}
