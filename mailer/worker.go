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
	}
}

// connect dials and sends over the connection until one of the two ends.
func (r *run) connect(ctx context.Context) {
	c, verb, reply, err := dial(ctx, r.Relay)
	switch {
	case c != nil:
		r.carry(ctx, c)
	case ctx.Err() == nil:
		_, effect := Decide(verb, reply, err, &Delivery{}, r.Now(), r.Rand)
		r.heard(effect, verb, reply, err)
	}
}

// carry sends over c until there is nothing more to send, the relay is in trouble or ctx ends.
func (r *run) carry(ctx context.Context, c *Conn) {
	stop := context.AfterFunc(ctx, func() { c.guard.stop(r.finish, r.hearOut) })
	defer stop()
	var buf []byte
	paid := false // a turn at the relay's rate that no message has used yet
	err := r.dialogue.Carry(c, func() *Letter {
		for ctx.Err() == nil && r.gate.open() {
			if !paid && r.gate.pace(ctx) != nil {
				return nil
			}
			paid = true
			idle, cancel := context.WithTimeout(ctx, idleConnection)
			l, d := r.draw(idle)
			cancel()
			if l == nil {
				return nil
			}
			if letter := r.begin(ctx, c, l, d, &buf); letter != nil {
				paid = false
				return letter
			}
		}
		return nil
	})
	if err == nil {
		c.quit()
		return
	}
	c.close()
	if errors.Is(err, errUnasked) && ctx.Err() == nil { // no letter's end has told the gate
		r.heard(c.cut(RedialLater), Ehlo, Reply{}, err)
	}
}

// begin writes the intent and puts the message together. nil: this delivery does not go now.
func (r *run) begin(ctx context.Context, c *Conn, l *leased, d *Delivery, buf *[]byte) *Letter {
	// What is begun is brought to its end on record, whatever becomes of ctx.
	keep := context.WithoutCancel(ctx)
	err := r.insist(ctx, func() error { return r.mark(keep, Mark{Step: Intend, Batch: l.batch, Delivery: d, KeyID: r.KeyID}) })
	if err != nil {
		switch {
		case errors.Is(err, ErrLost):
			r.count(func(s *Stats) { s.Lost++ })
		case errors.Is(err, ErrWait):
			r.count(func(s *Stats) { s.Waiting++ })
		default:
			r.fail(fmt.Errorf("write intent of delivery %d/%d: %w", d.Slot, d.Subscriber, err))
		}
		r.settled(ctx, l)
		return nil
	}
	m, err := r.compose(keep, d, (*buf)[:0])
	if err != nil {
		r.end(ctx, c, l, d, Mail, Reply{}, &Unsendable{Reason: "compose", Err: err})
		return nil
	}
	if cap(m.Body) > cap(*buf) {
		*buf = m.Body[:0]
	}
	copies := d.Copies
	return &Letter{
		Message: m,
		Handed: func() error {
			err := r.insist(ctx, func() error { return r.mark(keep, Mark{Step: Hand, Batch: l.batch, Delivery: d}) })
			if errors.Is(err, ErrLost) {
				return err
			}
			if err != nil {
				return fmt.Errorf("%w: %w", errNotHanded, err)
			}
			return nil
		},
		Done: func(verb Verb, reply Reply, err error) {
			if verb != Dot {
				d.Copies = copies // handed, perhaps, but nothing of the end has left
			}
			r.end(ctx, c, l, d, verb, reply, err)
		},
	}
}

// mark puts one mark on record.
func (r *run) mark(ctx context.Context, m Mark) error {
	marks := []Mark{m}
	if err := r.Queue.Commit(ctx, marks, r.Now()); err != nil {
		return err
	}
	return marks[0].Err
}

func (r *run) count(f func(*Stats)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.stats)
}

// compose asks the composer; what goes wrong inside it stays this one delivery's trouble.
func (r *run) compose(ctx context.Context, d *Delivery, buf []byte) (m Message, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return r.Composer.Compose(ctx, d, buf)
}

// end decides what a try came to, writes it down and lets the relay's gate know.
func (r *run) end(ctx context.Context, c *Conn, l *leased, d *Delivery, verb Verb, reply Reply, err error) {
	defer r.settled(ctx, l)
	if errors.Is(err, ErrLost) {
		r.count(func(s *Stats) { s.Lost++ })
		return
	}
	o, effect := Decide(verb, reply, err, d, r.Now(), r.Rand)
	o.Relay = r.Relay.Name
	if ctx.Err() == nil && verb != Mail { // at MAIL it was not this message that broke anything
		r.stepAside(d, &o)
	}
	keep := context.WithoutCancel(ctx)
	rerr := r.insist(ctx, func() error { return r.mark(keep, Mark{Step: Settle, Batch: l.batch, Delivery: d, Outcome: o}) })
	switch {
	case rerr == nil:
		r.count(func(s *Stats) { s.Outcomes[o.State]++ })
	case errors.Is(rerr, ErrLost):
		r.count(func(s *Stats) { s.Lost++ })
	default:
		r.fail(fmt.Errorf("record outcome of delivery %d/%d: %w", d.Slot, d.Subscriber, rerr))
	}
	r.log(d, verb, o, err)
	_, unsent := errors.AsType[*Unsendable](err)
	switch {
	case unsent: // the relay had no part in it
	case errors.Is(err, errNotHanded): // nor here
	case effect != GoOn && effect != ContentRefused:
		if ctx.Err() == nil { // a connection that we cut short says nothing about the relay
			r.heard(c.cut(effect), verb, reply, err)
		}
	default:
		r.heard(effect, verb, reply, err)
		if !c.proved {
			c.proved = true
			r.gate.proved()
		}
	}
	r.tell()
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

func (r *run) log(d *Delivery, verb Verb, o Outcome, err error) {
	level := slog.LevelInfo
	if o.State == Accepted || o.State == Queued {
		level = slog.LevelDebug
	}
	if !r.Log.Enabled(context.Background(), level) {
		return
	}
	attrs := []slog.Attr{slog.Int64("issue", d.Issue), slog.Int64("subscriber", d.Subscriber),
		slog.String("address", mask(d.Address)), slog.String("state", string(o.State)),
		slog.String("reason", maskAll(o.Reason)), slog.String("verb", string(verb)), slog.String("reply", maskAll(o.Reply.String()))}
	if err != nil {
		attrs = append(attrs, slog.String("error", maskAll(err.Error())))
	}
	r.Log.LogAttrs(context.Background(), level, "delivery tried", attrs...)
}
