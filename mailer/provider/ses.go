package provider

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"broadsheet/mailer"
)

// sesEvent is what SES puts into a message of SNS: as an event of a configuration set (eventType), or
// as feedback of an identity (notificationType).
type sesEvent struct {
	EventType        string `json:"eventType"`
	NotificationType string `json:"notificationType"`
	Mail             struct {
		MessageID string `json:"messageId"`
		Source    string `json:"source"` // envelope sender
		Headers   []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"headers"` // of identities only if they are set to
	} `json:"mail"`
	Bounce struct {
		Type       string        `json:"bounceType"`
		SubType    string        `json:"bounceSubType"`
		Recipients sesRecipients `json:"bouncedRecipients"`
		At         moment        `json:"timestamp"`
		Host       string        `json:"reportingMTA"`
	} `json:"bounce"`
	Complaint struct {
		Recipients sesRecipients `json:"complainedRecipients"`
		At         moment        `json:"timestamp"`
		Feedback   string        `json:"complaintFeedbackType"`
	} `json:"complaint"`
	Delivery struct {
		Recipients []string `json:"recipients"`
		At         moment   `json:"timestamp"`
		Said       string   `json:"smtpResponse"`
		Host       string   `json:"reportingMTA"`
	} `json:"delivery"`
	Delay struct {
		Type       string        `json:"delayType"`
		Recipients sesRecipients `json:"delayedRecipients"`
		At         moment        `json:"timestamp"`
		Host       string        `json:"reportingMTA"`
	} `json:"deliveryDelay"`
	Subscription struct {
		At moment `json:"timestamp"`
		To struct {
			All bool `json:"unsubscribeAll"`
		} `json:"newTopicPreferences"`
	} `json:"subscription"`
	Reject struct {
		Reason string `json:"reason"`
	} `json:"reject"`
}

type sesRecipient struct {
	Address string `json:"emailAddress"`
	Action  string `json:"action"`
	Status  string `json:"status"`
	Said    string `json:"diagnosticCode"`
}

// sesRecipients is a list, or one alone, as the documents have it of delays.
type sesRecipients []sesRecipient

func (l *sesRecipients) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '{' {
		*l = make(sesRecipients, 1)
		return json.Unmarshal(b, &(*l)[0])
	}
	return json.Unmarshal(b, (*[]sesRecipient)(l))
}

// moment is a time; zero if it is written in a way that nobody foresaw, which is no reason to miss the
// news.
type moment struct{ time.Time }

func (m *moment) UnmarshalJSON(b []byte) error {
	m.Time, _ = time.Parse(time.RFC3339, strings.Trim(string(b), `"`))
	return nil
}

// readSES reads what SES says in a message of SNS, sent at a time. Text there is no news: SES tries
// out a topic so.
func readSES(message []byte, sent time.Time) ([]Event, error) {
	if message = bytes.TrimSpace(message); len(message) == 0 || message[0] != '{' {
		return nil, nil
	}
	var e sesEvent
	if err := json.Unmarshal(message, &e); err != nil {
		return nil, fmt.Errorf("read event: it is not as those of SES are: %w", err)
	}
	kind := e.EventType
	if kind == "" {
		kind = e.NotificationType
	}
	var news []mailer.News
	switch kind {
	case "Bounce":
		for _, r := range e.Bounce.Recipients {
			news = append(news, e.bounced(r))
		}
	case "DeliveryDelay":
		for _, r := range e.Delay.Recipients {
			n := said(r.Status, r.Said)
			n.Recipient, n.At, n.Host = r.Address, e.Delay.At.Time, host(e.Delay.Host)
			judge(&n, mailer.Put, sesDelays[e.Delay.Type])
			news = append(news, n)
		}
	case "Complaint":
		if class := complained(e.Complaint.Feedback); class != mailer.NoBounce {
			for _, r := range e.Complaint.Recipients {
				news = append(news, mailer.News{Class: class, Reason: "feedback", Recipient: r.Address, At: e.Complaint.At.Time})
			}
		}
	case "Delivery":
		for _, address := range e.Delivery.Recipients {
			n := said("", e.Delivery.Said)
			n.Class, n.Recipient, n.At, n.Host = mailer.Arrived, address, e.Delivery.At.Time, host(e.Delivery.Host)
			news = append(news, n)
		}
	case "Reject": // SES took it, looked into it, and sends it to nobody
		news = append(news, mailer.News{Class: mailer.Content, Reason: "virusdetected", Text: line(e.Reject.Reason)})
	case "Subscription":
		if e.Subscription.To.All {
			news = append(news, mailer.News{Class: mailer.OptedOut, At: e.Subscription.At.Time})
		}
	}
	names := e.names()
	events := make([]Event, len(news))
	for i, n := range news {
		if n.At.IsZero() {
			n.At = sent
		}
		events[i] = Event{News: n, Names: names, Queue: e.Mail.MessageID}
	}
	return events, nil
}

// names gathers what may be our token: in our own field if the post has the mail's header, and in the
// envelope sender.
func (e *sesEvent) names() (names []string) {
	for _, h := range e.Mail.Headers {
		if strings.EqualFold(h.Name, "X-Broadsheet-Delivery") {
			names = appendName(names, strings.TrimSpace(h.Value))
		}
	}
	return appendName(names, tokenIn(e.Mail.Source))
}

// bounced is what a bounce says of one recipient. SES sends one for soft refusals only once it has
// given up.
func (e *sesEvent) bounced(r sesRecipient) mailer.News {
	n := said(r.Status, r.Said)
	n.Recipient, n.At, n.Host = r.Address, e.Bounce.At.Time, host(e.Bounce.Host)
	switch e.Bounce.SubType {
	case "OnAccountSuppressionList":
		// SES did not try, because of a list of our own account: no word of the mailbox.
		n.Class, n.Reason = mailer.Policy, "onhold"
		return n
	case "Suppressed": // on SES's list of addresses that came back to others
		n.Class, n.Reason = mailer.Hard, "userunknown"
		return n
	}
	if reason, ok := sesContent[e.Bounce.SubType]; ok {
		judge(&n, mailer.Content, reason)
		return n
	}
	switch e.Bounce.Type {
	case "Permanent":
		judge(&n, mailer.Hard, "userunknown")
	case "Transient":
		reason := "undefined"
		if e.Bounce.SubType == "MailboxFull" {
			reason = "mailboxfull"
		}
		judge(&n, mailer.Soft, reason)
	default: // Undetermined
		judge(&n, mailer.Soft, "undefined")
	}
	return n
}

// sesContent lists the kinds of bounces that are about what the mail holds.
var sesContent = map[string]string{
	"MessageTooLarge":    "mesgtoobig",
	"ContentRejected":    "contenterror",
	"AttachmentRejected": "contenterror",
}

// sesDelays gives the reasons of SES's kinds of delays.
var sesDelays = map[string]string{
	"General":                       "undefined",
	"MailboxFull":                   "mailboxfull",
	"SpamDetected":                  "spamdetected",
	"RecipientServerError":          "systemerror",
	"IPFailure":                     "badreputation",
	"TransientCommunicationFailure": "networkerror",
	"InternalFailure":               "mailererror", // SES's own
	"Undetermined":                  "undefined",
}

// complained is what a feedback type of RFC 5965 section 7.3 says: not each is a reader's complaint.
func complained(feedback string) mailer.Class {
	switch strings.ToLower(feedback) {
	case "not-spam", "auth-failure", "dmarc":
		return mailer.NoBounce
	case "opt-out", "opt-out-list":
		return mailer.OptedOut
	}
	return mailer.Complained
}
