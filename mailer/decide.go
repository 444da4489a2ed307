package mailer

import (
	"errors"
	"slices"
	"time"
)

// Effect is what a try means for the connection and the relay, beside the delivery.
type Effect string

const (
	GoOn           Effect = "go on"           // the connection takes the next message
	Redial         Effect = "redial"          // the connection is gone, from a relay at work: a new one goes at once
	RedialLater    Effect = "redial later"    // the connection is gone; new ones wait, those that are open go on
	BackOff        Effect = "back off"        // the whole relay waits
	Slow           Effect = "slow"            // the whole relay waits, then goes at half its rate
	SenderRefused  Effect = "sender refused"  // BackOff; three in a row are a Hold
	ContentRefused Effect = "content refused" // go on; many of them are a Hold
	Hold           Effect = "hold"            // stop, raise an alarm, try again gently
)

// Reasons of outcomes. They are shown to operators and counted, so they stay as they are.
const (
	ReasonTooBig     = "too_big"             // the relay or its SIZE says that the message is too big
	ReasonNoUTF8     = "no_smtputf8"         // the address needs SMTPUTF8 and the relay has none
	ReasonNo8Bit     = "no_8bitmime"         // the body is 8-bit and the relay takes 7-bit only
	ReasonUnanswered = "unanswered"          // a copy left and no reply came
	ReasonExpired    = "end of life"         // no further try before Ends
	ReasonThrottled  = "relay throttles"     // the relay asked for a slower pace
	ReasonOutOfStep  = "relay out of step"   // the reply does not fit the command
	ReasonGarbled    = "relay garbled"       // the reply is no SMTP reply
	ReasonLost       = "connection lost"     // the connection ended before the last byte
	ReasonRelay      = "relay refuses us"    // AUTH or policy of the relay towards the sender
	ReasonSender     = "sender refused"      // 5xx to MAIL
	ReasonNotSent    = "ledger not writable" // Handed failed, so the last byte stayed here
)

// Unsendable is the error of a message that could not go through this relay or was not fit to
// go at all: nothing was sent, and another try would end the same way.
type Unsendable struct {
	Reason string // as in [Outcome]
	Err    error  // may be nil
}

func (u *Unsendable) Error() string {
	if u.Err == nil {
		return u.Reason
	}
	return u.Reason + ": " + u.Err.Error()
}

func (u *Unsendable) Unwrap() error { return u.Err }

// errNotHanded wraps what kept Handed from being recorded: the last byte has not left.
var errNotHanded = errors.New("write down that the message is handed")

// retryPlan is how long after each charged try the next one follows; later ones are hourly.
var retryPlan = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour}

// RetryAfter is how long after a delivery's n-th charged try, from 1, the next one follows; the wait
// itself is up to a fifth shorter or longer.
func RetryAfter(n int) time.Duration { return retryPlan[min(max(n-1, 0), len(retryPlan)-1)] }

// silenceWait is how long after an unanswered copy the second one goes.
const silenceWait = time.Minute

// Decide says what a try came to. verb is where the try ended; reply what the relay said there,
// or code 0 and err why it said nothing. d is the delivery as [Queue.Intend] and [Queue.Handed]
// left it, so at [Dot] its Copies counts the copy just sent. rnd gives numbers in [0, 1).
//
// The table is:
//
//	where            421        other 4xx   550 551 553      552        554, other 5xx
//	connect, ehlo    backs off  backs off   hold             hold       hold
//	starttls, auth   backs off  backs off   hold             hold       hold
//	mail             backs off  deferred+   sender refused   too_big    sender refused
//	rcpt             backs off  deferred    failed, hard     deferred   failed
//	data             backs off  deferred    failed           failed     failed
//	dot              deferred   deferred    failed           failed+    554 failed+, else failed
//
// where no state is named the delivery goes back to queued and is not charged; "hard" is a hard
// mark, given for a bare 550, 551, 553 or an enhanced code that says the mailbox or its domain
// is not there, which also decides where such a code comes with 552; deferred+ also backs the
// relay off and is not charged; failed+ counts towards a hold of the relay. 530, 534 and 535 hold
// it anywhere. A 4xx with a relay's throttle text is queued and slows the relay. One from RCPT on
// that says what the recipient's provider thinks of us (4.7.28 and the like), 421 too, is deferred,
// slows that provider's recipients ([Pace]), and is no trouble of the relay. 503 is a dialogue out of
// step, never the reader's doing.
//
// No reply at dot is an unanswered copy: deferred for a minute, then sent once more, then
// uncertain. A delivery with an unanswered copy ends as accepted or uncertain, never as failed
// or expired. (RFC 5321 sections 3.8, 4.2.1, 4.5.4; RFC 1047.)
func Decide(verb Verb, reply Reply, err error, d *Delivery, now time.Time, rnd func() float64) (Outcome, Effect) {
	j := judge{verb: verb, reply: reply, d: d, now: now, rnd: rnd, before: d.Copies}
	if verb == Dot {
		j.before = max(d.Copies-1, 0)
	}
	if err != nil {
		return j.fault(err)
	}
	switch verb {
	case Connect, Ehlo, StartTLS, Auth:
		return j.greeting()
	}
	switch class := reply.class(); {
	case verb == Dot && class == 2:
		return Outcome{State: Accepted, Reply: reply, Charged: true, Copies: max(d.Copies, 1)}, GoOn
	case verb == Dot && class != 4 && class != 5:
		return j.silence(), Redial
	case reply.Code == 530 || reply.Code == 534 || reply.Code == 535:
		return j.queued(ReasonRelay), Hold
	case class == 4:
		return j.temporary()
	case reply.Code == 503:
		return j.queued(ReasonOutOfStep), RedialLater
	case class == 5:
		return j.permanent()
	default:
		return j.queued(ReasonOutOfStep), BackOff
	}
}

// judge holds what the parts of Decide share.
type judge struct {
	verb   Verb
	reply  Reply
	d      *Delivery
	now    time.Time
	rnd    func() float64
	before int // unanswered copies of earlier tries
}

// fault decides about a try that no reply ended.
func (j judge) fault(err error) (Outcome, Effect) {
	if u, ok := errors.AsType[*Unsendable](err); ok {
		return j.failed(u.Error()), GoOn
	}
	switch {
	case errors.Is(err, errNoAuth):
		return j.queued(ReasonRelay), Hold
	case errors.Is(err, errNotHanded):
		// The ledger cannot be written: the relay has done nothing wrong.
		return j.queued(ReasonNotSent), RedialLater
	case j.verb == Dot:
		return j.silence(), Redial
	case errors.Is(err, ErrProtocol):
		return j.later(ReasonGarbled, false), BackOff
	}
	return j.queued(ReasonLost), RedialLater
}

// greeting decides about replies before any message is on the connection: no delivery's doing.
func (j judge) greeting() (Outcome, Effect) {
	switch {
	case j.reply.class() == 5:
		return j.queued(ReasonRelay), Hold
	case throttled(j.reply):
		return j.queued(ReasonThrottled), Slow
	}
	return j.queued(ReasonLost), RedialLater
}

func (j judge) temporary() (Outcome, Effect) {
	switch {
	case j.verb != Mail && byProvider(j.reply):
		o := j.later(j.said(), true)
		o.Throttled = true
		if j.reply.Code == 421 {
			return o, Redial
		}
		return o, GoOn
	case throttled(j.reply):
		return j.queued(ReasonThrottled), Slow
	case j.reply.Code == 421 && j.verb == Dot:
		return j.later(j.said(), true), Redial
	case j.reply.Code == 421:
		return j.queued(ReasonLost), RedialLater
	case j.verb == Mail:
		return j.later(j.said(), false), BackOff
	}
	return j.later(j.said(), true), GoOn
}

func (j judge) permanent() (Outcome, Effect) {
	switch j.verb {
	case Mail:
		if j.reply.Code == 552 {
			return j.failed(ReasonTooBig), GoOn
		}
		return j.queued(ReasonSender), SenderRefused
	case Rcpt:
		hard := noSuchMailbox(j.reply)
		if j.reply.Code == 552 && !hard {
			// RFC 5321 section 4.5.3.1.10: old servers say 552 where they mean 452.
			return j.later(j.said(), true), GoOn
		}
		o := j.failed(j.said())
		o.Hard = hard
		return o, GoOn
	case Dot:
		if j.reply.Code == 552 || j.reply.Code == 554 {
			return j.failed("content refused"), ContentRefused
		}
	}
	return j.failed(j.said()), GoOn
}

// noSuchMailbox reports whether a refusal of the recipient is about the address itself: the
// enhanced codes of RFC 3463 section 3.2 and RFC 7505, or a bare code that says so.
func noSuchMailbox(r Reply) bool {
	if r.Enhanced == "" {
		return r.Code == 550 || r.Code == 551 || r.Code == 553
	}
	return slices.Contains([]string{"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"}, r.Enhanced)
}

// said is the reason of an outcome that a reply gave.
func (j judge) said() string {
	return string(j.verb) + " " + Reply{Code: j.reply.Code, Enhanced: j.reply.Enhanced}.String()
}

// queued puts the delivery back as if nothing had been tried.
func (j judge) queued(reason string) Outcome {
	return j.ends(Outcome{State: Queued, Reason: reason, Reply: j.reply, Due: j.now, Copies: j.before})
}

// later defers by the plan.
func (j judge) later(reason string, charged bool) Outcome {
	return j.ends(Outcome{State: Deferred, Reason: reason, Reply: j.reply, Due: j.now.Add(j.jitter(RetryAfter(j.d.Attempts))),
		Charged: charged, Copies: j.before})
}

// jitter spreads a wait by 20 % to either side, so that what failed together does not come back together.
func (j judge) jitter(wait time.Duration) time.Duration {
	return time.Duration(float64(wait) * (0.8 + 0.4*j.rnd()))
}

// failed ends the delivery, unless an earlier copy may have arrived.
func (j judge) failed(reason string) Outcome {
	o := Outcome{State: Failed, Reason: reason, Reply: j.reply, Charged: true, Copies: j.before}
	if j.before > 0 {
		o.State = Uncertain
	}
	return o
}

// silence decides about a copy whose last byte left and that was never answered.
func (j judge) silence() Outcome {
	o := Outcome{State: Deferred, Reason: ReasonUnanswered, Reply: j.reply, Due: j.now.Add(silenceWait),
		Charged: true, Copies: j.before + 1}
	if o.Copies > 1 {
		o.State, o.Due = Uncertain, time.Time{}
		return o
	}
	return j.ends(o)
}

// ends turns an outcome that would be due after the end of life into its end.
func (j judge) ends(o Outcome) Outcome {
	if j.d.Ends.IsZero() || !o.Due.After(j.d.Ends) {
		return o
	}
	o.State, o.Due = Expired, time.Time{}
	if o.Copies > 0 {
		o.State = Uncertain
	}
	if o.Reason == "" {
		o.Reason = ReasonExpired
	} else {
		o.Reason = ReasonExpired + ": " + o.Reason
	}
	return o
}
