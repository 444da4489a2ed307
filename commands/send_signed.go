package commands

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"broadsheet/mailer"
	"broadsheet/schedule"
)

// Mails of their own, which are no deliveries of an issue: answers that are passed on, morning reports.

// sendSigned signs such a mail, dated at, as the relay's profile wants it, and gives it to the relay.
func (e *engine) sendSigned(ctx context.Context, y schedule.Relay, relay mailer.Relay, m mailer.Message, at time.Time) error {
	d := mailer.Delivery{Date: at}
	if signer := e.dkim.signer(y.Profile); signer != nil {
		d.Selector = signer.Selector()
	}
	m, err := e.dkim.sign(m, &d, y.Profile)
	if err == nil {
		_, err = e.sendOne(ctx, relay, m)
	}
	return err
}

// outcomeOf says what a try came to, by the rules of deliveries; d has the tries so far, this one among them. While a
// relay is in trouble the mail waits that long.
func (e *engine) outcomeOf(d mailer.Delivery, err error, wait time.Duration) mailer.Outcome {
	if err == nil {
		return mailer.Outcome{State: mailer.Accepted, Copies: d.Copies}
	}
	now := e.now()
	refused, ok := errors.AsType[*mailer.Refused](err)
	if !ok { // it was not offered to the relay
		refused = &mailer.Refused{Verb: mailer.Connect, Err: err}
	}
	if refused.Verb != mailer.Dot {
		d.Copies-- // this one stayed here
	}
	o, _ := mailer.Decide(refused.Verb, refused.Reply, refused.Err, &d, now, rand.Float64)
	if o.State == mailer.Queued { // the relay's trouble
		if o.Due = now.Add(wait); o.Due.After(d.Ends) {
			o.State, o.Reason = mailer.Expired, mailer.ReasonExpired+": "+o.Reason
		}
	}
	return o
}
