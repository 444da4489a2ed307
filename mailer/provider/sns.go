package provider

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"time"
)

// snsPost is a post of SNS, of any of its types.
type snsPost struct {
	Type             string
	MessageId        string
	TopicArn         string
	Subject          *string // null and missing are the same: it is not signed then
	Message          string
	Timestamp        string
	Token            string
	SubscribeURL     string
	SignatureVersion string
	Signature        string
	SigningCertURL   string
}

// snsHost is where SNS is at home. The rule is that of Amazon's own libraries.
var snsHost = regexp.MustCompile(`^sns\.[a-z]{2}(-[a-z]+)+-[0-9]\.amazonaws\.com(\.cn)?$`)

// snsCertificate is the path of a certificate that SNS signs with.
var snsCertificate = regexp.MustCompile(`^/SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem$`)

// atSNS reads an address that must be one of SNS: https, its own host, the usual port, nobody's
// name and password.
func atSNS(s string) (*url.URL, bool) {
	u, err := url.Parse(s)
	ok := err == nil && u.Scheme == "https" && u.User == nil && u.Fragment == "" && u.Opaque == "" && snsHost.MatchString(u.Host)
	return u, ok
}

// signed is the text that SNS signs; nil if it signs no post of this type.
func (p *snsPost) signed() []byte {
	var b []byte
	add := func(key, value string) { b = append(append(append(append(b, key...), '\n'), value...), '\n') }
	switch p.Type {
	case "Notification":
		add("Message", p.Message)
		add("MessageId", p.MessageId)
		if p.Subject != nil {
			add("Subject", *p.Subject)
		}
		add("Timestamp", p.Timestamp)
	case "SubscriptionConfirmation", "UnsubscribeConfirmation":
		add("Message", p.Message)
		add("MessageId", p.MessageId)
		add("SubscribeURL", p.SubscribeURL)
		add("Timestamp", p.Timestamp)
		add("Token", p.Token)
	default:
		return nil
	}
	add("TopicArn", p.TopicArn)
	add("Type", p.Type)
	return b
}

// verify checks the signature with the key.
func (p *snsPost) verify(key *rsa.PublicKey) bool {
	signature, err := base64.StdEncoding.DecodeString(p.Signature)
	if err != nil {
		return false
	}
	switch p.SignatureVersion {
	case "1":
		sum := sha1.Sum(p.signed())
		return rsa.VerifyPKCS1v15(key, crypto.SHA1, sum[:], signature) == nil
	case "2":
		sum := sha256.Sum256(p.signed())
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
	}
	return false
}

// openSNS opens a post of SNS. Whatever can be seen without a certificate is looked at first: nobody
// who does not know the topic makes us fetch anything.
func (e *Endpoint) openSNS(ctx context.Context, body []byte, now time.Time) (Report, error) {
	var p snsPost
	if json.Unmarshal(body, &p) != nil || p.MessageId == "" || len(p.MessageId) > 200 || p.signed() == nil ||
		subtle.ConstantTimeCompare([]byte(p.TopicArn), []byte(e.Topic)) != 1 {
		return Report{}, ErrForged
	}
	where, ok := atSNS(p.SigningCertURL)
	if !ok || where.RawQuery != "" || !snsCertificate.MatchString(where.Path) {
		return Report{}, ErrForged
	}
	key, err := e.Certificates.key(ctx, where.String(), now)
	if err != nil {
		return Report{}, err
	}
	if !p.verify(key) {
		return Report{}, ErrForged
	}
	r := Report{ID: p.MessageId}
	if r.At, err = time.Parse(time.RFC3339, p.Timestamp); err != nil || !inTime(r.At, now, snsAge) {
		return Report{}, fmt.Errorf("%w: %.40q", ErrTime, p.Timestamp)
	}
	switch p.Type {
	case "SubscriptionConfirmation":
		if _, ok := atSNS(p.SubscribeURL); !ok {
			return Report{}, ErrForged
		}
		r.Confirm = p.SubscribeURL
	case "UnsubscribeConfirmation":
		r.Ended = true
	default:
		if r.Events, err = readSES([]byte(p.Message), r.At); err != nil {
			return Report{}, err
		}
	}
	return r, nil
}
