package provider

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"broadsheet/mailer"
)

// postmarkPost is a post of Postmark, of any of its types.
type postmarkPost struct {
	RecordType  string
	Type        string // of a bounce
	TypeCode    int
	MessageID   string
	Metadata    map[string]any
	Email       string
	Recipient   string
	Description string
	Details     string
	From        string

	BouncedAt   string
	DeliveredAt string
	ChangedAt   string
	ReceivedAt  string

	SuppressSending   bool
	SuppressionReason string
	Origin            string
}

// openPostmark opens a post of Postmark. There is nothing in it that only Postmark could have written:
// it is known by user and password, and again by all it says.
func (e *Endpoint) openPostmark(header http.Header, body []byte, now time.Time) (Report, error) {
	user, password, ok := (&http.Request{Header: header}).BasicAuth()
	// Of hashes, so that the time it takes says nothing of the length either.
	got, want := sha256.Sum256([]byte(user+":"+password)), sha256.Sum256([]byte(e.Secret))
	if same := subtle.ConstantTimeCompare(got[:], want[:]) == 1; !ok || !same || e.Secret == "" {
		return Report{}, ErrForged
	}
	var p postmarkPost
	if err := json.Unmarshal(body, &p); err != nil {
		return Report{}, fmt.Errorf("read post: it is not as Postmark's are: %w", err)
	}
	sum := sha256.Sum256(body)
	r := Report{ID: hex.EncodeToString(sum[:]), At: now}
	for _, s := range []string{p.BouncedAt, p.DeliveredAt, p.ChangedAt, p.ReceivedAt} {
		if s == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, s)
		if err != nil || !inTime(at, now, postmarkAge) {
			return Report{}, fmt.Errorf("%w: %.40q", ErrTime, s)
		}
		r.At = at
	}
	if n, ok := p.news(); ok {
		n.At = r.At
		event := Event{News: n, Queue: p.MessageID}
		for key, value := range p.Metadata {
			if s, isText := value.(string); isText && strings.EqualFold(key, mailer.HandBack) {
				event.Names = appendName(event.Names, strings.TrimSpace(s))
			}
		}
		event.Names = appendName(event.Names, tokenIn(p.From))
		r.Events = []Event{event}
	}
	return r, nil
}

// news is what the post says of a mail; ok is false if it is nothing of use (opened, clicked).
func (p *postmarkPost) news() (n mailer.News, ok bool) {
	switch p.RecordType {
	case "Delivery":
		n = said("", p.Details)
		n.Class, n.Recipient = mailer.Arrived, p.Recipient
		return n, true
	case "Bounce", "SpamComplaint":
		kind := p.Type
		if known, isCode := postmarkCodes[p.TypeCode]; kind == "" && isCode {
			kind = known
		}
		if p.RecordType == "SpamComplaint" {
			kind = "SpamComplaint"
		}
		n = p.bounced(kind)
		n.Recipient = p.Email
		return n, n.Class != mailer.NoBounce
	case "SubscriptionChange": // what Postmark itself did because of a bounce comes as such too
		switch {
		case !p.SuppressSending:
		case p.SuppressionReason == "SpamComplaint":
			n.Class, n.Reason = mailer.Complained, "feedback"
		case p.SuppressionReason == "ManualSuppression" && p.Origin == "Recipient":
			n.Class = mailer.OptedOut
		}
		n.Recipient = p.Recipient
		return n, n.Class != ""
	}
	return n, false
}

// bounced is what a bounce of a kind says. Details holds the server's words, Description Postmark's own.
func (p *postmarkPost) bounced(kind string) mailer.News {
	n := said("", p.Details)
	if n.Code == 0 && n.Status == "" {
		n.Text = line(p.Details + " " + p.Description)
	}
	class := mailer.NoBounce
	reason := ""
	switch kind {
	case "HardBounce", "BadEmailAddress":
		class, reason = mailer.Hard, "userunknown"
	case "SoftBounce", "Unknown":
		class, reason = mailer.Soft, "undefined"
	case "DnsError":
		class, reason = mailer.Soft, "networkerror"
	case "Transient":
		class, reason = mailer.Put, "undefined"
	case "Blocked":
		n.Class, n.Reason = mailer.Policy, "blocked"
		return n
	case "SpamNotification":
		n.Class, n.Reason = mailer.Policy, "spamdetected"
		return n
	case "DMARCPolicy":
		n.Class, n.Reason = mailer.Policy, "authfailure"
		return n
	case "ManuallyDeactivated", "Unconfirmed", "SMTPApiError": // a list of our own account there
		n.Class, n.Reason = mailer.Policy, "onhold"
		return n
	case "VirusNotification":
		n.Class, n.Reason = mailer.Content, "virusdetected"
		return n
	case "TemplateRenderingFailed":
		n.Class, n.Reason = mailer.Content, "contenterror"
		return n
	case "SpamComplaint":
		n.Class, n.Reason = mailer.Complained, "feedback"
		return n
	case "Unsubscribe":
		n.Class = mailer.OptedOut
		return n
	case "AutoResponder", "ChallengeVerification", "AddressChange":
		n.Class, n.Reason = mailer.AutoReply, "vacation"
		return n
	}
	judge(&n, class, reason)
	return n
}

// postmarkCodes gives the kinds of bounces by number.
var postmarkCodes = map[int]string{
	1: "HardBounce", 2: "Transient", 16: "Unsubscribe", 32: "Subscribe", 64: "AutoResponder", 128: "AddressChange",
	256: "DnsError", 512: "SpamNotification", 1024: "OpenRelayTest", 2048: "Unknown", 4096: "SoftBounce",
	8192: "VirusNotification", 16384: "ChallengeVerification", 100000: "BadEmailAddress", 100001: "SpamComplaint",
	100002: "ManuallyDeactivated", 100003: "Unconfirmed", 100006: "Blocked", 100007: "SMTPApiError",
	100008: "InboundError", 100009: "DMARCPolicy", 100010: "TemplateRenderingFailed",
}
