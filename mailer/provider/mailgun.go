package provider

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"broadsheet/mailer"
)

// mailgunPost is a post of Mailgun.
type mailgunPost struct {
	Signature struct {
		Timestamp mailgunNumber `json:"timestamp"`
		Token     string        `json:"token"`
		Signature string        `json:"signature"`
		Parent    string        `json:"parent-signature"` // that of the main account, if a subaccount's event
	} `json:"signature"`
	Event json.RawMessage `json:"event-data"`
}

// mailgunNumber is a number that stands there as one, or in quotes; as it was signed.
type mailgunNumber string

func (n *mailgunNumber) UnmarshalJSON(b []byte) error {
	*n = mailgunNumber(strings.Trim(string(b), `"`))
	return nil
}

// mailgunEvent is what Mailgun says of a mail.
type mailgunEvent struct {
	Event     string  `json:"event"`
	At        float64 `json:"timestamp"` // seconds
	Severity  string  `json:"severity"`
	Reason    string  `json:"reason"`
	Recipient string  `json:"recipient"`
	Envelope  struct {
		Sender string `json:"sender"`
	} `json:"envelope"`
	Status struct {
		Code        json.Number `json:"code"`
		Enhanced    string      `json:"enhanced-code"`
		Message     string      `json:"message"`
		Description string      `json:"description"`
		Host        string      `json:"mx-host"`
	} `json:"delivery-status"`
	Reject struct {
		Reason      string `json:"reason"`
		Description string `json:"description"`
	} `json:"reject"`
	Message struct {
		Headers struct {
			MessageID string `json:"message-id"`
		} `json:"headers"`
	} `json:"message"`
	Variables json.RawMessage `json:"user-variables"`
}

// openMailgun opens a post of Mailgun.
func (e *Endpoint) openMailgun(body []byte, now time.Time) (Report, error) {
	var p mailgunPost
	if json.Unmarshal(body, &p) != nil {
		return Report{}, ErrForged
	}
	s := &p.Signature
	if len(s.Token) < 16 || len(s.Token) > 200 || e.Secret == "" || !(e.signedMailgun(s.Signature, s.Timestamp, s.Token) || e.signedMailgun(s.Parent, s.Timestamp, s.Token)) {
		return Report{}, ErrForged
	}
	seconds, err := strconv.ParseInt(string(s.Timestamp), 10, 64)
	at := time.Unix(seconds, 0)
	if err != nil || !inTime(at, now, mailgunAge) {
		return Report{}, fmt.Errorf("%w: %.40q", ErrTime, string(s.Timestamp))
	}
	r := Report{ID: s.Token, At: at}
	var y mailgunEvent
	if err := json.Unmarshal(p.Event, &y); err != nil {
		return Report{}, fmt.Errorf("read event: it is not as Mailgun's are: %w", err)
	}
	if n, ok := y.news(); ok {
		if n.At = at; y.At > 0 && y.At < math.MaxInt32 {
			n.At = time.UnixMicro(int64(y.At * 1e6))
		}
		n.Recipient, n.Host = y.Recipient, host(y.Status.Host)
		event := Event{News: n, Queue: strings.Trim(y.Message.Headers.MessageID, "<>")}
		var variables map[string]any // an empty list if there are none
		_ = json.Unmarshal(y.Variables, &variables)
		if name, isText := variables[mailer.HandBack].(string); isText {
			event.Names = appendName(event.Names, strings.TrimSpace(name))
		}
		event.Names = appendName(event.Names, tokenIn(y.Envelope.Sender))
		r.Events = []Event{event}
	}
	return r, nil
}

// signedMailgun checks HMAC-SHA-256 of timestamp and token, one behind the other, in hexadecimal.
func (e *Endpoint) signedMailgun(signature string, timestamp mailgunNumber, token string) bool {
	got, err := hex.DecodeString(signature)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(e.Secret))
	mac.Write([]byte(timestamp))
	mac.Write([]byte(token))
	return hmac.Equal(got, mac.Sum(nil))
}

// news is what the event says of a mail; ok is false if it is nothing of use (accepted, opened).
func (y *mailgunEvent) news() (n mailer.News, ok bool) {
	switch y.Event {
	case "delivered":
		n = y.said()
		n.Class = mailer.Arrived
		return n, true
	case "failed":
		n = y.said()
		y.failed(&n)
		return n, true
	case "rejected": // Mailgun took it and will not send it
		n = said("", y.Reject.Reason+" "+y.Reject.Description)
		n.Class, n.Reason = mailer.Policy, "rejected"
		return n, true
	case "complained":
		return mailer.News{Class: mailer.Complained, Reason: "feedback"}, true
	case "unsubscribed":
		return mailer.News{Class: mailer.OptedOut}, true
	}
	return n, false
}

// said is what the recipient's server said, or Mailgun in its place.
func (y *mailgunEvent) said() mailer.News {
	words := y.Status.Message
	if strings.TrimSpace(words) == "" {
		words = y.Status.Description
	}
	n := said(y.Status.Enhanced, words)
	if code, err := y.Status.Code.Int64(); err == nil && code >= 200 && code < 600 && n.Code == 0 {
		n.Code = int(code) // those from 600 on are Mailgun's own
	}
	return n
}

// failed judges a mail that did not arrive: for now (temporary), or for good.
func (y *mailgunEvent) failed(n *mailer.News) {
	switch {
	case strings.HasPrefix(y.Reason, "suppress-"):
		// Mailgun did not try, because of a list of our own account: no word of the mailbox.
		n.Class, n.Reason = mailer.Policy, "onhold"
	case y.Severity == "temporary":
		judge(n, mailer.Put, mailgunReasons[y.Reason])
	case y.Severity != "permanent":
		judge(n, mailer.Soft, "undefined")
	case y.Reason == "old": // given up
		judge(n, mailer.Soft, "expired")
	case y.Reason == "bounce":
		judge(n, mailer.Hard, "userunknown")
	default:
		judge(n, mailer.Soft, mailgunReasons[y.Reason])
	}
}

// mailgunReasons gives the reasons of Mailgun's own words.
var mailgunReasons = map[string]string{
	"greylisted": "ratelimited",
	"espblock":   "blocked",
	"old":        "expired",
	"generic":    "undefined",
}
