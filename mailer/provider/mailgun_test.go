package provider

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"broadsheet/mailer"
)

const mailgunKey, mailgunToken = "key-3ax6xnjp29jd6fds4gc373sgvjxteol0", "4a1f3c5d7e9b0c2d4e6f8a0b1c3d5e7f9a1b3c5d7e9f1a3b5c"

func mailgun() *Endpoint { return &Endpoint{Provider: Mailgun, Secret: mailgunKey} }

func mailgunSigned(key string, at time.Time, token string) string {
	mac := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(mac, "%d%s", at.Unix(), token)
	return hex.EncodeToString(mac.Sum(nil))
}

func mailgunPosted(event string) string {
	return fmt.Sprintf(`{"signature":{"timestamp":"%d","token":"%s","signature":"%s"},"event-data":%s}`, now.Unix(), mailgunToken, mailgunSigned(mailgunKey, now, mailgunToken), event)
}

func mailgunEventOf(what string) string {
	return `{` + what + `,"id":"CPgf","timestamp":1775113218.25,"recipient":"ada@reader.example","recipient-domain":"reader.example",
		"envelope":{"sender":"bounce+tok2@harbour.example","transport":"smtp","targets":"ada@reader.example"},
		"message":{"headers":{"message-id":"abc@harbour.example","from":"news@harbour.example","to":"ada@reader.example","subject":"x"},"attachments":[],"size":111},
		"user-variables":{"broadsheet":"tok","n":5},"tags":[],"storage":{"url":"https://storage.example/1"}}`
}

// TestMailgun reads all kinds of events.
func TestMailgun(t *testing.T) {
	status := func(code, enhanced, message, description string) string {
		return `,"delivery-status":{"attempt-no":1,"code":` + code + `,"enhanced-code":"` + enhanced + `","message":"` + message + `","description":"` + description + `","mx-host":"mx.reader.example","session-seconds":0.4}`
	}
	news := func(class mailer.Class, reason, status string, code int, text string) *mailer.News {
		return &mailer.News{Class: class, Reason: reason, Status: status, Code: code, Text: text, Recipient: "ada@reader.example", Host: "mx.reader.example"}
	}
	bare := func(class mailer.Class, reason, text string) *mailer.News {
		return &mailer.News{Class: class, Reason: reason, Text: text, Recipient: "ada@reader.example"}
	}
	const permanent, temporary = `"event":"failed","severity":"permanent"`, `"event":"failed","severity":"temporary"`
	for _, tt := range []struct {
		name, what string
		want       *mailer.News
	}{
		{"delivered", `"event":"delivered"` + status("250", "", "OK", ""), news(mailer.Arrived, "", "", 250, "OK")},
		{"unknown user", permanent + `,"reason":"bounce"` + status("550", "5.1.1", "5.1.1 No such user", ""), news(mailer.Hard, "userunknown", "5.1.1", 550, "5.1.1 No such user")},
		{"code in quotes", permanent + `,"reason":"bounce"` + status(`"550"`, "", "550 5.1.1 No such user", ""), news(mailer.Hard, "userunknown", "5.1.1", 550, "550 5.1.1 No such user")},
		{"policy", permanent + `,"reason":"bounce"` + status("550", "5.7.1", "message blocked by policy", ""), news(mailer.Policy, "blocked", "5.7.1", 550, "message blocked by policy")},
		{"full", permanent + `,"reason":"bounce"` + status("552", "5.2.2", "mailbox is full", ""), news(mailer.Soft, "mailboxfull", "5.2.2", 552, "mailbox is full")},
		{"given up", permanent + `,"reason":"old"` + status("602", "", "", "Too old"), news(mailer.Soft, "expired", "", 0, "Too old")},
		{"reason unknown", permanent + `,"reason":"generic"` + status("550", "5.1.1", "No such user", ""), news(mailer.Soft, "userunknown", "5.1.1", 550, "No such user")},
		{"our own list", permanent + `,"reason":"suppress-bounce"` + status("605", "", "", "Not delivering to previously bounced address"), news(mailer.Policy, "onhold", "", 0, "Not delivering to previously bounced address")},
		{"put off", temporary + `,"reason":"generic"` + status("452", "4.2.2", "mailbox is full", ""), news(mailer.Put, "mailboxfull", "4.2.2", 452, "mailbox is full")},
		{"put off without words", temporary + `,"reason":"greylisted"`, bare(mailer.Put, "ratelimited", "")},
		{"severity unknown", `"event":"failed"` + status("550", "5.1.1", "No such user", ""), news(mailer.Soft, "userunknown", "5.1.1", 550, "No such user")},
		{"not sent", `"event":"rejected","reject":{"reason":"Sandbox","description":"not allowed"}`, bare(mailer.Policy, "rejected", "Sandbox not allowed")},
		{"complaint", `"event":"complained"`, bare(mailer.Complained, "feedback", "")},
		{"left", `"event":"unsubscribed"`, bare(mailer.OptedOut, "", "")},
		{"opened", `"event":"opened"`, nil},
		{"accepted", `"event":"accepted"`, nil},
	} {
		r, err := mailgun().Open(t.Context(), nil, []byte(mailgunPosted(mailgunEventOf(tt.what))), now)
		if err != nil || r.ID != mailgunToken || !r.At.Equal(now.Truncate(time.Second)) {
			t.Errorf("%s: got %+v, %v", tt.name, r, err)
			continue
		}
		var want []Event
		if tt.want != nil {
			tt.want.At = then
			want = []Event{{*tt.want, []string{"tok", "tok2"}, "abc@harbour.example"}}
		}
		if diff := cmp.Diff(want, r.Events); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	r, err := mailgun().Open(t.Context(), nil, []byte(mailgunPosted(`{"event":"complained","recipient":"ada@reader.example","user-variables":[]}`)), now)
	if err != nil || len(r.Events) != 1 || r.Events[0].Names != nil || !r.Events[0].At.Equal(now.Truncate(time.Second)) {
		t.Errorf("no variables, no time: got %+v, %v", r, err)
	}
	for _, broken := range []string{`5`, `{"event":5}`, `[]`} {
		if r, err := mailgun().Open(t.Context(), nil, []byte(mailgunPosted(broken)), now); err == nil || errors.Is(err, ErrForged) {
			t.Errorf("%s: got %+v, %v", broken, r, err)
		}
	}
}

// TestMailgunForged refuses what is not signed with the key, or long ago.
func TestMailgunForged(t *testing.T) {
	post := func(at, token, signature string) string {
		return `{"signature":{"timestamp":` + at + `,"token":"` + token + `","signature":"` + signature + `"},"event-data":` + mailgunEventOf(`"event":"complained"`) + `}`
	}
	signed := func(at time.Time) string {
		return post(fmt.Sprint(at.Unix()), mailgunToken, mailgunSigned(mailgunKey, at, mailgunToken))
	}
	good := mailgunSigned(mailgunKey, now, mailgunToken)
	seconds := fmt.Sprint(now.Unix())
	for name, tt := range map[string]struct {
		body string
		want error
	}{
		"number":          {signed(now), nil},
		"text":            {post(`"`+seconds+`"`, mailgunToken, good), nil},
		"capitals":        {post(seconds, mailgunToken, strings.ToUpper(good)), nil},
		"main account":    {strings.Replace(post(seconds, mailgunToken, "00"), `"signature":"00"`, `"signature":"00","parent-signature":"`+good+`"`, 1), nil},
		"tried for hours": {signed(now.Add(-8 * time.Hour)), nil},
		"old":             {signed(now.Add(-13 * time.Hour)), ErrTime},
		"to come":         {signed(now.Add(time.Hour)), ErrTime},
		"another key":     {post(seconds, mailgunToken, mailgunSigned("key-0", now, mailgunToken)), ErrForged},
		"another time":    {post(fmt.Sprint(now.Unix()+1), mailgunToken, good), ErrForged},
		"another token":   {post(seconds, strings.Replace(mailgunToken, "4a", "4b", 1), good), ErrForged},
		"cut elsewhere":   {post(seconds+mailgunToken[:1], mailgunToken[1:], good), ErrTime},
		"no signature":    {post(seconds, mailgunToken, ""), ErrForged},
		"no hexadecimal":  {post(seconds, mailgunToken, "xyz"), ErrForged},
		"half":            {post(seconds, mailgunToken, good[:32]), ErrForged},
		"no token":        {post(seconds, "", mailgunSigned(mailgunKey, now, "")), ErrForged},
		"old form":        {"timestamp=" + seconds + "&token=" + mailgunToken + "&signature=" + good, ErrForged},
		"empty":           {"", ErrForged},
	} {
		r, err := mailgun().Open(t.Context(), nil, []byte(tt.body), now)
		if !errors.Is(err, tt.want) || err == nil && len(r.Events) != 1 {
			t.Errorf("%s: got %+v, %v", name, r, err)
		}
	}
	if _, err := (&Endpoint{Provider: Mailgun}).Open(t.Context(), nil, []byte(post(seconds, mailgunToken, mailgunSigned("", now, mailgunToken))), now); !errors.Is(err, ErrForged) {
		t.Errorf("no key: %v", err)
	}
}
