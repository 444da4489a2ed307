package provider

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"broadsheet/mailer"
)

// said at is the time that the events of these tests name.
var then = time.Date(2026, 4, 2, 7, 0, 18, 250e6, time.UTC)

const sesMail = `"mail":{"timestamp":"2026-04-02T07:00:12.000Z","source":"bounce+tok@harbour.example","messageId":"0102-1","destination":["ada@reader.example"],
	"headersTruncated":false,"headers":[{"name":"From","value":"news@harbour.example"},{"name":"x-broadsheet-delivery","value":" tok2 "}]}`

func bounceOf(kind, sub, recipient string) string {
	return `{"eventType":"Bounce","bounce":{"bounceType":"` + kind + `","bounceSubType":"` + sub + `","bouncedRecipients":[` + recipient + `],
		"timestamp":"2026-04-02T07:00:18.250Z","feedbackId":"f-1","reportingMTA":"dns; mx.reader.example"},` + sesMail + `}`
}

func recipient(status, said string) string {
	return `{"emailAddress":"ada@reader.example","action":"failed","status":"` + status + `","diagnosticCode":"` + said + `"}`
}

// TestSES reads events of configuration sets and feedback of identities.
func TestSES(t *testing.T) {
	bare := `{"emailAddress":"ada@reader.example"}`
	news := func(n mailer.News) []mailer.News {
		n.Recipient, n.At = "ada@reader.example", then
		return []mailer.News{n}
	}
	at := func(class mailer.Class, reason, status string, code int, text string) []mailer.News {
		return news(mailer.News{Class: class, Reason: reason, Status: status, Code: code, Text: text, Host: "mx.reader.example"})
	}
	for _, tt := range []struct {
		name, message string
		want          []mailer.News
	}{
		{"unknown user", bounceOf("Permanent", "General", recipient("5.1.1", "smtp; 550 5.1.1 user unknown")), at(mailer.Hard, "userunknown", "5.1.1", 550, "550 5.1.1 user unknown")},
		{"no words", bounceOf("Permanent", "NoEmail", bare), at(mailer.Hard, "userunknown", "", 0, "")},
		{"policy is not the reader's", bounceOf("Permanent", "General", recipient("5.7.1", "smtp; 550 5.7.1 message blocked by policy")), at(mailer.Policy, "blocked", "5.7.1", 550, "550 5.7.1 message blocked by policy")},
		{"full", bounceOf("Transient", "MailboxFull", recipient("5.2.2", "smtp; 552 5.2.2 mailbox is full")), at(mailer.Soft, "mailboxfull", "5.2.2", 552, "552 5.2.2 mailbox is full")},
		{"full without words", bounceOf("Transient", "MailboxFull", bare), at(mailer.Soft, "mailboxfull", "", 0, "")},
		{"never graver than SES says", bounceOf("Transient", "General", recipient("5.1.1", "smtp; 550 5.1.1 user unknown")), at(mailer.Soft, "userunknown", "5.1.1", 550, "550 5.1.1 user unknown")},
		{"too large", bounceOf("Transient", "MessageTooLarge", bare), at(mailer.Content, "mesgtoobig", "", 0, "")},
		{"undetermined", bounceOf("Undetermined", "Undetermined", bare), at(mailer.Soft, "undefined", "", 0, "")},
		{"on SES's list", bounceOf("Permanent", "Suppressed", recipient("5.1.1", "Amazon SES has suppressed sending to this address")), at(mailer.Hard, "userunknown", "5.1.1", 0, "Amazon SES has suppressed sending to this address")},
		{"on our account's list", bounceOf("Permanent", "OnAccountSuppressionList", recipient("5.1.1", "Amazon SES did not send the message to this address")), at(mailer.Policy, "onhold", "5.1.1", 0, "Amazon SES did not send the message to this address")},
		{"delay", `{"eventType":"DeliveryDelay","deliveryDelay":{"delayType":"TransientCommunicationFailure","delayedRecipients":[` + recipient("4.4.1", "smtp; 421 4.4.1 Unable to connect") + `],"timestamp":"2026-04-02T07:00:18.250Z","reportingMTA":"mx.reader.example"},` + sesMail + `}`,
			at(mailer.Put, "networkerror", "4.4.1", 421, "421 4.4.1 Unable to connect")},
		{"delay of one", `{"eventType":"DeliveryDelay","deliveryDelay":{"delayType":"SpamDetected","delayedRecipients":` + bare + `,"timestamp":"2026-04-02T07:00:18.250Z"},` + sesMail + `}`,
			news(mailer.News{Class: mailer.Put, Reason: "spamdetected"})},
		{"complaint", `{"notificationType":"Complaint","complaint":{"complainedRecipients":[` + bare + `],"timestamp":"2026-04-02T07:00:18.250Z","complaintFeedbackType":"abuse"},` + sesMail + `}`,
			news(mailer.News{Class: mailer.Complained, Reason: "feedback"})},
		{"complaint of no type", `{"eventType":"Complaint","complaint":{"complainedRecipients":[` + bare + `],"timestamp":"2026-04-02T07:00:18.250Z"},` + sesMail + `}`,
			news(mailer.News{Class: mailer.Complained, Reason: "feedback"})},
		{"no spam", `{"eventType":"Complaint","complaint":{"complainedRecipients":[` + bare + `],"timestamp":"2026-04-02T07:00:18.250Z","complaintFeedbackType":"not-spam"},` + sesMail + `}`, nil},
		{"delivery", `{"eventType":"Delivery","delivery":{"timestamp":"2026-04-02T07:00:18.250Z","processingTimeMillis":546,"recipients":["ada@reader.example"],"smtpResponse":"250 2.0.0 ok:  Message 645\n accepted","reportingMTA":"mx.reader.example"},` + sesMail + `}`,
			at(mailer.Arrived, "", "2.0.0", 250, "250 2.0.0 ok: Message 645 accepted")},
		{"virus", `{"eventType":"Reject","reject":{"reason":"Bad content"},` + sesMail + `}`, []mailer.News{{Class: mailer.Content, Reason: "virusdetected", Text: "Bad content", At: now}}},
		{"left by SES's own link", `{"eventType":"Subscription","subscription":{"timestamp":"2026-04-02T07:00:18.250Z","newTopicPreferences":{"unsubscribeAll":true}},` + sesMail + `}`, []mailer.News{{Class: mailer.OptedOut, At: then}}},
		{"stayed", `{"eventType":"Subscription","subscription":{"timestamp":"2026-04-02T07:00:18.250Z","newTopicPreferences":{"unsubscribeAll":false}},` + sesMail + `}`, nil},
		{"sent", `{"eventType":"Send","send":{},` + sesMail + `}`, nil},
		{"opened", `{"eventType":"Open","open":{"timestamp":"2026-04-02T07:00:18.250Z"},` + sesMail + `}`, nil},
		{"time in another form", `{"eventType":"Complaint","complaint":{"complainedRecipients":[` + bare + `],"timestamp":1775113218},` + sesMail + `}`, []mailer.News{{Class: mailer.Complained, Reason: "feedback", Recipient: "ada@reader.example", At: now}}},
		{"the topic is tried out", "Successfully validated SNS topic for Amazon SES event publishing.", nil},
	} {
		events, err := readSES([]byte(tt.message), now)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		var got []mailer.News
		for _, e := range events {
			got = append(got, e.News)
			if diff := cmp.Diff(Event{e.News, []string{"tok2", "tok"}, "0102-1"}, e); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tt.name, diff)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	two, err := readSES([]byte(bounceOf("Permanent", "General", bare+`,{"emailAddress":"bo@reader.example"}`)), now)
	if err != nil || len(two) != 2 || two[1].Recipient != "bo@reader.example" {
		t.Errorf("two recipients: got %+v, %v", two, err)
	}
	for _, broken := range []string{`{"eventType":5}`, `{"eventType":"Bounce"`, `{"mail":[]}`} {
		if events, err := readSES([]byte(broken), now); err == nil {
			t.Errorf("%s: got %+v", broken, events)
		}
	}
}
