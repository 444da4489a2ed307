package mailer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// strikesToDefer is how often a delivery may be in hand when its connection is lost before it
// steps aside for a while: a message that breaks the relay must not keep the others waiting.
const strikesToDefer = 3

// work is one connection's life: wait for work, dial, carry messages, and again.
func (r *run) work(ctx context.Context) {
	for r.awaitWork(ctx) == nil && r.gate.mayDial(ctx) == nil {
		if r.takeLine() {
			r.connect(ctx)
			r.dropLine()
		}
		r.gate.leave()
	}
}

// connect dials and sends over the connection until one of the two ends.
func (r *run) connect(ctx context.Context) {
	c, verb, reply, err := dial(ctx, r.Relay)
	switch {
	case c != nil:
		r.gate.opened()
		r.carry(ctx, c)
		r.gate.closed()
	case ctx.Err() == nil:
		r.gate.turnedAway()
		_, effect := Decide(verb, reply, err, &Delivery{}, r.Now(), r.Rand)
		r.heard(effect, verb, reply, err)
	}
}

// carry sends over c until there is nothing more to send, the relay is in trouble or ctx ends.
func (r *run) carry(ctx context.Context, c *Conn) {
	stop := context.AfterFunc(ctx, func() { c.guard.stop(r.finish, r.hearOut) })
	defer stop()
	dialogue := r.ladder.choose(c, r.Relay.Dialogue)
	k := r.newDesk(ctx, c, dialogue)
	err := dialogue.Carry(c, k)
	k.close()
	if ctx.Err() == nil && r.ladder.heard(dialogue, err) {
		r.Log.Warn("relay is talked to more plainly from now on", slog.String("relay", r.Relay.Name), slog.String("reason", maskAll(err.Error())))
	}
	if err == nil {
		c.quit()
		return
	}
	c.close()
	if errors.Is(err, errUnasked) && ctx.Err() == nil { // no letter's end has told the gate
		r.heard(c.cut(RedialLater), Ehlo, Reply{}, err)
	}
}

func (r *run) count(f func(*Stats)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.stats)
}

// judge decides what a try came to and lets the relay's gate know.
func (r *run) judge(ctx context.Context, c *Conn, d *Delivery, verb Verb, reply Reply, err error) Outcome {
	o, effect := Decide(verb, reply, err, d, r.Now(), r.Rand)
	o.Relay = r.Relay.Name
	if ctx.Err() == nil && verb != Mail { // at MAIL it was not this message that broke anything
		r.stepAside(d, &o)
	}
	if o.Throttled { // the relay passes on what a provider said, and is well, though it closes with a 421
		r.slow(d, reply)
		c.again(effect)
		effect = GoOn
	}
	switch {
	case o.State == Accepted:
		r.gate.took()
	case verb == Rcpt && err == nil && reply.class() == 5 && (o.State == Failed || o.State == Uncertain):
		effect = r.refusedRecipient(reply, &o)
	}
	_, unsent := errors.AsType[*Unsendable](err)
	switch {
	case unsent: // the relay had no part in it
	case errors.Is(err, errNotHanded), errors.Is(err, errNotTried): // nor here
	case effect != GoOn && effect != ContentRefused:
		if ctx.Err() == nil && !c.again(effect) { // a connection that we cut short says nothing about the relay
			r.heard(c.cut(effect), verb, reply, err)
		}
	default:
		r.heard(effect, verb, reply, err)
		if !c.proved {
			c.proved = true
			r.gate.proved()
		}
	}
	return o
}

// slow has the recipients of d's provider wait, and says so if that is news.
func (r *run) slow(d *Delivery, reply Reply) {
	if s, changed := r.Pace.Slow(d.Address, reply.String(), r.Now()); changed {
		r.Log.Warn("provider asks for less", slog.String("provider", s.Name), slog.String("relay", r.Relay.Name),
			slog.Float64("rate", s.Rate), slog.String("reason", s.Why))
	}
}

// refusedRecipient looks whether a refusal at RCPT is the recipient's doing. A relay that takes
// nobody's mail ("550 relay not permitted") must not bar a whole list: the same code many times in a
// row leaves no more marks that count, and then holds the relay. One that takes mail is believed longer.
func (r *run) refusedRecipient(reply Reply, o *Outcome) Effect {
	mark, hold := r.gate.refusedRecipient(reply)
	o.Hard, o.Doubted = o.Hard && mark, o.Hard && !mark
	if hold {
		return Hold
	}
	return GoOn
}

// notBegun is the outcome of a letter of which nothing went out.
func (r *run) notBegun(l *Letter) Outcome {
	return Outcome{State: Queued, Reason: l.d.Reason, Due: r.Now(), Copies: l.before, Relay: r.Relay.Name}
}

// stepAside puts a delivery off that was in hand each time its connection was lost.
func (r *run) stepAside(d *Delivery, o *Outcome) {
	if o.State != Queued || o.Reply.Code != 0 || o.Reason != ReasonLost {
		return
	}
	id := identity{d.Slot, d.Subscriber}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.strikes[id]++; r.strikes[id] < strikesToDefer {
		return
	}
	delete(r.strikes, id)
	at := r.Now().Add(15 * time.Minute)
	if d.Ends.IsZero() || at.Before(d.Ends) {
		o.State, o.Due = Deferred, at
		o.Reason = fmt.Sprintf("%s %d times with this message", ReasonLost, strikesToDefer)
	}
}

// log tells of a try that is on record.
func (r *run) log(s *settled) {
	level := slog.LevelInfo
	o, d := &s.outcome, s.letter.d
	if o.State == Accepted || o.State == Queued || o.State == Deferred { // a greylisting provider defers every one
		level = slog.LevelDebug
	}
	if !r.Log.Enabled(context.Background(), level) {
		return
	}
	attrs := []slog.Attr{slog.Int64("issue", d.Issue), slog.Int64("subscriber", d.Subscriber),
		slog.String("address", mask(d.Address)), slog.String("state", string(o.State)),
		slog.String("reason", maskAll(o.Reason)), slog.String("verb", string(s.verb)), slog.String("reply", maskAll(o.Reply.String()))}
	if s.err != nil {
		attrs = append(attrs, slog.String("error", maskAll(s.err.Error())))
	}
	r.Log.LogAttrs(context.Background(), level, "delivery tried", attrs...)
}
