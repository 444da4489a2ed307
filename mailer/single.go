package mailer

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// SendOne sends a message that is no delivery, a confirmation or a test copy, over a connection
// of its own. The reply is the one that decided; the error is nil only if the relay took the
// message, and a [*Refused] if the relay was asked. After one at [Dot] with no reply the message may
// have arrived or not.
func SendOne(ctx context.Context, relay Relay, m Message) (Reply, error) {
	if err := relay.Check(); err != nil {
		return Reply{}, err
	}
	c, verb, reply, err := dial(ctx, relay)
	if c == nil {
		return reply, refusal(verb, reply, err)
	}
	defer context.AfterFunc(ctx, func() { c.guard.stop(finishIn, hearOutIn) })()
	f := flight{letter: &Letter{Message: m}}
	if f.from, f.to, f.wide, err = c.fit(&m); err != nil {
		c.quit()
		return Reply{}, refusal(Mail, Reply{}, err)
	}
	verb, reply, err = c.transact(&f, nil)
	if err != nil || fits(verb, reply, false) != nil {
		c.close()
	} else {
		c.quit()
	}
	if err == nil && verb == Dot && reply.class() == 2 {
		return reply, nil
	}
	return reply, refusal(verb, reply, err)
}

// Seen is what a look at a relay found.
type Seen struct {
	Held  bool      // it refuses us as such: a person must look
	Until time.Time // end of its certificate's validity; zero without TLS, or if it was not reached
}

// Look does what [Probe] does and says more of it. The error holds no addresses.
func Look(ctx context.Context, relay Relay) (Seen, error) {
	if err := relay.Check(); err != nil {
		return Seen{}, err
	}
	c, verb, reply, err := dial(ctx, relay)
	if c != nil {
		c.quit()
		return Seen{Until: c.expires}, nil
	}
	_, effect := Decide(verb, reply, err, &Delivery{}, now(), func() float64 { return 0 })
	said := reply.String()
	if err != nil {
		said = err.Error()
	}
	return Seen{Held: effect == Hold}, fmt.Errorf("%s: %s", verb, maskAll(said))
}

// Probe goes as far with a relay as a sender does before its first message, over TLS and AUTH,
// and takes its leave. No mail is sent.
func Probe(ctx context.Context, relay Relay) error {
	if err := relay.Check(); err != nil {
		return err
	}
	c, verb, reply, err := dial(ctx, relay)
	switch {
	case c != nil:
		c.quit()
		return nil
	case err == nil:
		err = errors.New(maskAll(reply.String()))
	}
	return fmt.Errorf("reach relay: %s: %w", verb, err)
}

// Refused is the error of a single mail that a relay did not take.
type Refused struct {
	Verb  Verb  // where it ended
	Reply Reply // that decided; code 0 if there was none
	Err   error // why there was none, or why the mail was not offered; nil with a reply
}

func (r *Refused) Error() string {
	why := r.Err
	if why == nil {
		why = errors.New(maskAll(r.Reply.String())) // addresses stay out of logs
	}
	return fmt.Sprintf("send mail: %s: %v", r.Verb, why)
}

func (r *Refused) Unwrap() error { return r.Err }

func refusal(verb Verb, reply Reply, err error) error { return &Refused{verb, reply, err} }
