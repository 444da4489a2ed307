// Package provider reads what sending providers report over HTTP of mails they took: Amazon SES
// through SNS, Postmark, Mailgun. [Endpoint.Open] finds out whether a post is the provider's own and
// of now, and what it says; whose mail it speaks of is for others to find out, by [Event.Names] and
// [Event.Queue]. A post that comes again, from a provider that got no answer or from somebody who
// heard it, has the same [Report.ID]: whoever puts it on record does so once.
//
// What is known of the three:
//
//   - SNS signs each post with RSA; the certificate lies at an address that the post itself names, so
//     that nothing is believed of it but an address of Amazon's. It tries again for an hour at most.
//   - Mailgun signs time and token with HMAC-SHA-256, and nothing else: the rest is protected by TLS
//     alone, and a token counts once. It tries again for eight hours.
//   - Postmark signs nothing; it posts to an address with user and password. It tries again for
//     ten and a half hours.
package provider

import (
	"context"
	"errors"
	"net/http"
	"time"

	"broadsheet/mailer"
)

// MaxBody is how many octets a post may have. SNS carries 256 KiB, the others less.
const MaxBody = 1 << 20

// Names of providers, as schedule.yaml has them.
const (
	SES      = "ses"
	Postmark = "postmark"
	Mailgun  = "mailgun"
)

// Why a post is not taken.
var (
	// ErrForged says that it is not the provider's, as far as anybody can tell.
	ErrForged = errors.New("it is not signed as the provider signs")
	// ErrTime says that it is the provider's, but from long ago, or from a time to come.
	ErrTime = errors.New("its time is not now")
	// ErrBusy says that nobody can tell now: the provider should try again.
	ErrBusy = errors.New("it cannot be checked now")
)

// How far a post's time may be from ours. An old one is refused although its ID is known again,
// because IDs are not kept for ever. A post is as old as the provider may try again, and then some.
const (
	snsAge      = 2 * time.Hour
	mailgunAge  = 12 * time.Hour
	postmarkAge = 24 * time.Hour
	ahead       = 10 * time.Minute
)

// KeepIDs is how long the IDs of reports have to be known for none to be played twice.
const KeepIDs = 30 * 24 * time.Hour

// Endpoint is where one provider posts for one relay. Its fields do not change while it is used, by
// any number of goroutines.
type Endpoint struct {
	Provider     string
	Topic        string        // SES: ARN of the SNS topic; others' posts are not ours
	Secret       string        // Postmark: "user:password"; Mailgun: the signing key. Never empty for those
	Certificates *Certificates // SES
}

// Report is what one post says.
type Report struct {
	ID     string // the same if it comes again
	At     time.Time
	Events []Event // none if it tells nothing of use
	// Confirm is an address of Amazon's to be fetched before SNS tells anything: it asks whether
	// we want to hear it. "" = none.
	Confirm string
	// Ended says that SNS tells nothing from now on: somebody took our address from its topic.
	Ended bool
}

// Event is a piece of news of one mail.
type Event struct {
	mailer.News
	Names []string // what may be a token of ours, the likeliest first, in any case
	Queue string   // the provider's own name of the mail, as in its reply to it; "" if it does not say
}

// Open reads a post. What it says is believed as far as the errors above do not say otherwise; any
// other error says that it is the provider's but cannot be read.
func (e *Endpoint) Open(ctx context.Context, header http.Header, body []byte, now time.Time) (Report, error) {
	switch e.Provider {
	case SES:
		return e.openSNS(ctx, body, now)
	case Postmark:
		return e.openPostmark(header, body, now)
	case Mailgun:
		return e.openMailgun(body, now)
	}
	return Report{}, ErrForged
}

// inTime reports whether a post of at may come at now.
func inTime(at, now time.Time, age time.Duration) bool {
	return !at.Before(now.Add(-age)) && !at.After(now.Add(ahead))
}
