package provider

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"broadsheet/mailer"
)

// sane looks at what holds of any report, whatever the post was.
func sane(t *testing.T, r Report, err error) {
	t.Helper()
	if err != nil && (r.ID != "" || len(r.Events) > 0) {
		t.Fatalf("with an error there is a report: %+v, %v", r, err)
	}
	if err == nil && (r.ID == "" || len(r.ID) > 200 || r.At.IsZero()) {
		t.Fatalf("no name or time: %+v", r)
	}
	classes := []mailer.Class{mailer.Hard, mailer.Soft, mailer.Policy, mailer.Content, mailer.Put, mailer.Arrived, mailer.Complained, mailer.OptedOut, mailer.AutoReply}
	for _, e := range r.Events {
		if !slices.Contains(classes, e.Class) || e.At.IsZero() || e.Code < 0 || e.Code > 599 {
			t.Fatalf("class, time or code: %+v", e)
		}
		if len(e.Text) > longestText || !utf8.ValidString(e.Text) || strings.ContainsAny(e.Text, "\r\n\x00") || len(e.Host) > 255 {
			t.Fatalf("no line: %+v", e)
		}
		for _, name := range e.Names {
			if name == "" || len(name) > longestName {
				t.Fatalf("name %q", name)
			}
		}
	}
}

func FuzzSES(f *testing.F) {
	for _, kind := range []string{"Permanent", "Transient", "Undetermined"} {
		f.Add(bounceOf(kind, "General", recipient("5.1.1", "smtp; 550 5.1.1 user unknown")))
	}
	f.Add(delivered)
	f.Add(`{"eventType":"DeliveryDelay","deliveryDelay":{"delayType":"General","delayedRecipients":{"emailAddress":"a@b.example"},"timestamp":"x"}}`)
	f.Add(`{"notificationType":"Complaint","complaint":{"complainedRecipients":[{}],"complaintFeedbackType":"abuse"},"mail":{"source":"<a+b@c>","headers":null}}`)
	f.Add(`{"eventType":"Reject"}`)
	f.Fuzz(func(t *testing.T, message string) {
		events, err := readSES([]byte(message), now)
		if err == nil {
			sane(t, Report{ID: "x", At: now, Events: events}, nil)
		}
	})
}

func FuzzPostmark(f *testing.F) {
	for kind := range map[string]bool{"HardBounce": true, "Transient": true, "AutoResponder": true, "SpamComplaint": true} {
		f.Add(postmarkBounce(kind, `,"Details":"smtp;550 5.1.1 unknown"`))
	}
	f.Add(`{"RecordType":"Delivery","DeliveredAt":"2026-04-02T07:00:18Z","Details":"250 ok"}`)
	f.Add(`{"RecordType":"SubscriptionChange","SuppressSending":true,"Origin":"Recipient","SuppressionReason":"ManualSuppression"}`)
	f.Fuzz(func(t *testing.T, body string) {
		r, err := postmark().Open(t.Context(), withUser(postmarkUser, postmarkPassword), []byte(body), now)
		sane(t, r, err)
	})
}

func FuzzMailgun(f *testing.F) {
	for _, what := range []string{`"event":"failed","severity":"permanent","reason":"bounce","delivery-status":{"code":550,"message":"x"}`, `"event":"complained"`, `"event":"rejected"`} {
		f.Add(mailgunEventOf(what))
	}
	f.Add(`{"event":"delivered","timestamp":1e300,"user-variables":[]}`)
	f.Fuzz(func(t *testing.T, event string) {
		r, err := mailgun().Open(t.Context(), nil, []byte(mailgunPosted(event)), now)
		sane(t, r, err)
		if r, err := mailgun().Open(t.Context(), nil, []byte(event), now); err == nil {
			t.Fatalf("it is not signed: %+v", r)
		}
	})
}

// FuzzSNS posts what nobody signed: nothing is believed, and nothing fetched from elsewhere.
func FuzzSNS(f *testing.F) {
	f.Add(`{"Type":"Notification","MessageId":"1","TopicArn":"` + topic + `","Message":"m","Timestamp":"2026-04-02T07:00:20Z","SignatureVersion":"1","Signature":"AA==","SigningCertURL":"` + pemAt + `"}`)
	f.Add(`{"Type":"SubscriptionConfirmation","MessageId":"1","TopicArn":"` + topic + `","Token":"t","SubscribeURL":"https://sns.eu-west-1.amazonaws.com/","SigningCertURL":"https://sns.eu-west-1.amazonaws.com.cn/SimpleNotificationService-1.pem"}`)
	f.Fuzz(func(t *testing.T, body string) {
		e := &Endpoint{Provider: SES, Topic: topic, Certificates: &Certificates{Fetch: func(_ context.Context, url string) ([]byte, error) {
			if req, err := http.NewRequest(http.MethodGet, url, nil); err != nil || req.URL.Scheme != "https" || !snsHost.MatchString(req.URL.Host) || req.URL.User != nil {
				t.Fatalf("%q was to be fetched", url)
			}
			return nil, errors.New("not now")
		}}}
		if r, err := e.Open(t.Context(), nil, []byte(body), now); !errors.Is(err, ErrForged) && !errors.Is(err, ErrBusy) {
			t.Fatalf("got %+v, %v", r, err)
		}
	})
}
