package mailer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// desk is a connection's place at the ledger; it meets [Office]. It draws deliveries in slices
// and writes their intents down together, so that few commits serve many letters, and it writes
// what became of letters together with what is about to happen next.
type desk struct {
	r      *run
	ctx    context.Context
	c      *Conn
	window int
	eager  bool // letters are written down as handed together with their intent

	given []*Letter // by Next and not done
	paid  bool      // a turn at the relay's rate that no letter has used yet
	slice int       // how many deliveries to draw at a time
	drawn time.Time // when the last slice was

	mu      sync.Mutex // held while marks of this desk are being written
	line    []*Letter  // on record as intended, for Next
	open    int        // handed and not done
	settled []settled  // told and not on record
	since   time.Time  // how long the oldest of them has waited
	active  time.Time  // when the dialogue last asked or told something
	marks   []Mark
}

// settled is an outcome for the ledger.
type settled struct {
	letter  *Letter
	verb    Verb
	outcome Outcome
	err     error
}

const (
	// maxSlice is how many deliveries are drawn at a time when things go fast.
	maxSlice = 50
	// sliceTime is how long a slice may last: what is on record as intended should soon be tried.
	sliceTime = time.Second
	// staleAfter is how long an outcome may wait for company on its way to the ledger.
	staleAfter = 500 * time.Millisecond
	// recallAfter is how long ago a letter may have been handed, ahead of its turn, to leave without a
	// look at whether it is still wanted.
	recallAfter = 20 * time.Millisecond
)

// newDesk makes the desk of a connection. Two marks of a delivery in one commit cost little more
// than one. Where several letters may be in doubt, or the dialogue hands a letter before it says
// anything of it, their intent and the mark that they are handed go together.
func (r *run) newDesk(ctx context.Context, c *Conn, d Dialogue) *desk {
	k := &desk{r: r, ctx: ctx, c: c, window: max(1, r.Relay.InDoubt), drawn: now(), active: now()}
	k.eager = k.window > 1 || d == chunking{}
	r.mu.Lock()
	r.desks = append(r.desks, k)
	r.mu.Unlock()
	return k
}

// Window meets [Office].
func (k *desk) Window() int { return k.window }

// Next meets [Office].
func (k *desk) Next(wait bool) *Letter {
	for k.ctx.Err() == nil && k.r.gate.mayGo() && !k.r.gate.crowded() {
		if !k.paid {
			pause := k.r.gate.turn()
			if pause > 0 && !wait {
				return nil
			}
			if pause > 0 {
				_ = k.flush()
				if k.r.gate.pace(k.ctx) != nil {
					return nil
				}
			}
			if k.paid = true; pause > 0 {
				continue // things may have changed
			}
		}
		l := k.take()
		if l == nil {
			drew := k.fill(wait)
			if l = k.take(); l == nil && drew {
				continue // the ledger lets none of them go, too old perhaps: they cost no turn and no connection
			}
			if l == nil {
				return nil
			}
		}
		if k.r.gate.crowded() { // the ledger took long
			k.mu.Lock()
			k.line = slices.Insert(k.line, 0, l)
			k.mu.Unlock()
			return nil
		}
		if k.r.Signer != nil {
			k.prepareAhead(l)
		} else {
			k.prepare(l)
		}
		if errors.Is(l.err, ErrLater) {
			if k.ctx.Err() == nil {
				k.r.fail(fmt.Errorf("put mails for relay %s together: %w", k.r.Relay.Name, l.err))
			}
			l.forget()
			k.mu.Lock()
			k.putBack(l)
			k.mu.Unlock()
			continue
		}
		k.given = append(k.given, l)
		if l.err != nil {
			k.Done(l, Mail, Reply{}, &Unsendable{Reason: "compose", Err: l.err})
			continue
		}
		k.paid = false
		return l
	}
	return nil
}

// take takes the first letter of the line; nil if there is none.
func (k *desk) take() (l *Letter) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.active = now()
	for len(k.line) > 0 {
		l = k.line[0]
		k.line = slices.Delete(k.line, 0, 1)
		if !l.halted() {
			return l
		}
		l.forget()
		k.putBack(l)
	}
	return nil
}

// forget takes back that a letter was put together.
func (l *Letter) forget() {
	if l.ready != nil {
		<-l.ready
	}
	l.ready, l.err, l.free, l.buf, l.Message = nil, nil, nil, nil, Message{}
}

// putBack has a letter, of which nothing has left, go back to the queue with the next commit; k.mu is held.
func (k *desk) putBack(l *Letter) {
	if l.handed {
		k.open--
		l.d.Copies = l.before
	}
	k.settle(settled{l, Mail, k.r.notBegun(l), nil})
}

// fill draws a slice of deliveries and writes their intents down. drew says that there were some.
func (k *desk) fill(wait bool) (drew bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	fresh := k.draw(k.ahead())
	if len(fresh) == 0 && len(k.line) == 0 && wait {
		_ = k.commit(nil, nil)
		k.mu.Unlock()
		idle, cancel := context.WithTimeout(k.ctx, idleConnection)
		err := k.r.awaitWork(idle)
		cancel()
		k.mu.Lock()
		if err == nil {
			fresh = k.draw(k.ahead())
		}
	}
	if len(fresh) > 0 {
		_ = k.commit(nil, fresh)
	}
	return len(fresh) > 0
}

// ahead is how many letters may be handed as soon as they are drawn, 0 if they should not be.
// k.mu is held.
func (k *desk) ahead() int {
	if !k.eager {
		return 0
	}
	return k.window - k.open
}

// draw takes a slice of deliveries, at most so many if that is not 0. Those whose intent is on record already join the line, the
// others are returned. Slices grow while they are used up quickly. k.mu is held.
func (k *desk) draw(most int) (fresh []*Letter) {
	t := now()
	switch took := t.Sub(k.drawn); {
	case took < sliceTime/2:
		k.slice = min(max(2*k.slice, 1), maxSlice)
	case took > sliceTime:
		k.slice = max(k.slice/2, 1)
	}
	k.drawn = t
	n := k.slice
	if most > 0 {
		n = min(n, most)
	}
	for _, l := range k.r.draw(n) {
		if l.d.State == Sending {
			k.line = append(k.line, l)
		} else {
			fresh = append(fresh, l)
		}
	}
	return fresh
}

// Hand meets [Office]. What may be handed soon is written down in the same commit, within the
// window, and so are the intents of the slice after it. A second copy waits for its own Hand: a
// crash that found it handed and not sent would end it as uncertain, perhaps without any copy.
func (k *desk) Hand(l *Letter) error {
	if l.refused != nil {
		return l.refused
	}
	if l.handed {
		return k.recalled(l)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.active = now()
	var hand, fresh []*Letter
	left, ahead := 0, true // left: not handed after this
	for _, list := range [][]*Letter{k.given, k.line} {
		for _, next := range list {
			switch {
			case next.handed || next.refused != nil:
			case next == l:
				hand = append(hand, next)
			case ahead && next.before == 0 && len(hand) > 0 && k.open+len(hand) < min(k.window, k.slice):
				hand = append(hand, next)
			default:
				left++
				ahead = ahead && next.before == 0
			}
		}
	}
	if left == 0 && k.ctx.Err() == nil {
		fresh = k.draw(0)
	}
	if err := k.commit(hand, fresh); err != nil {
		return fmt.Errorf("%w: %w", errNotHanded, err)
	}
	return l.refused
}

// recalled is an error if a letter that was handed ahead of its turn is not wanted any more.
func (k *desk) recalled(l *Letter) error {
	q, ok := k.r.Queue.(Recaller)
	if !ok || now().Sub(l.handedAt) < recallAfter {
		return nil
	}
	switch is, err := q.Recalled(k.ctx, l.d); {
	case err != nil: // it is on record as handed: to go is no fault
		k.r.Log.Debug("not known whether a delivery is still wanted", slog.String("error", err.Error()))
	case is:
		return errRecalled
	}
	return nil
}

// errRecalled is the end of a letter that stayed here though it was handed.
var errRecalled = errors.New("delivery is not wanted any more")

// Done meets [Office].
func (k *desk) Done(l *Letter, verb Verb, reply Reply, err error) {
	if n := slices.Index(k.given, l); n >= 0 {
		k.given = slices.Delete(k.given, n, n+1)
	}
	l.Written()
	if verb != Dot {
		l.d.Copies = l.before // handed, perhaps, but nothing of the end has left
	}
	if errors.Is(err, ErrLost) {
		k.r.lost()
		k.r.settled(l)
		return
	}
	var o Outcome
	if errors.Is(err, errRecalled) {
		o = k.r.notBegun(l) // its next intent ends it
	} else {
		o = k.r.judge(k.ctx, k.c, l.d, verb, reply, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.active = now()
	if l.handed {
		k.open--
	}
	k.settle(settled{l, verb, o, err})
}

// settle keeps an outcome for the next commit; k.mu is held.
func (k *desk) settle(s settled) {
	if len(k.settled) == 0 {
		k.since = now()
	}
	k.settled = append(k.settled, s)
}

// flush writes down what is settled.
func (k *desk) flush() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.commit(nil, nil)
}

// commit writes down in one step: what is settled, which letters are about to leave, and which
// are about to be tried. After an error all of it is as it was. k.mu is held.
func (k *desk) commit(hand, fresh []*Letter) error {
	marks := k.marks[:0]
	for i := range k.settled {
		l := k.settled[i].letter
		marks = append(marks, Mark{Step: Settle, Batch: l.leased.batch, Delivery: l.d, Outcome: k.settled[i].outcome})
	}
	for _, l := range hand {
		marks = append(marks, Mark{Step: Hand, Batch: l.leased.batch, Delivery: l.d})
	}
	for _, l := range fresh {
		l.before = l.d.Copies
		marks = append(marks, Mark{Step: Intend, Batch: l.leased.batch, Delivery: l.d, KeyID: k.r.KeyID, Selector: k.r.selector()})
	}
	var ahead []*Letter
	for _, l := range fresh {
		// With a copy out, to be handed and not sent would cost the delivery its second try.
		if len(hand) == 0 && len(ahead) < k.ahead() && l.before == 0 {
			ahead = append(ahead, l)
			marks = append(marks, Mark{Step: Hand, Batch: l.leased.batch, Delivery: l.d})
		}
	}
	k.marks = marks
	if len(marks) == 0 {
		return nil
	}
	// What is begun is brought to its end on record, whatever becomes of ctx.
	keep := context.WithoutCancel(k.ctx)
	err := k.r.insist(k.ctx, func() error { return k.r.Queue.Commit(keep, marks, k.r.Now()) })
	if err != nil {
		if k.ctx.Err() == nil {
			k.r.fail(fmt.Errorf("write ledger for relay %s: %w", k.r.Relay.Name, err))
		}
		k.r.settled(fresh...)
		return err
	}
	if k.r.Taken != nil {
		for n := range marks {
			if m := &marks[n]; m.Step == Settle && m.Err == nil && m.Outcome.State == Accepted {
				k.r.Taken(m.Delivery)
			}
		}
	}
	k.afterSettled(marks)
	marks = marks[len(k.settled):]
	k.settled = k.settled[:0]
	for n, l := range hand {
		l.handed, l.handedAt, l.refused = marks[n].Err == nil, now(), marks[n].Err
		if l.handed {
			k.open++
		} else if i := slices.Index(k.line, l); i >= 0 {
			k.line = slices.Delete(k.line, i, i+1)
			k.r.lost()
			k.r.settled(l)
		}
	}
	marks = marks[len(hand):]
	for n, l := range ahead {
		if marks[len(fresh)+n].Err == nil {
			l.handed, l.handedAt = true, now()
			k.open++
		}
	}
	for n, l := range fresh {
		switch err := marks[n].Err; {
		case err == nil:
			k.line = append(k.line, l)
			continue
		case errors.Is(err, ErrWait):
			k.r.count(func(s *Stats) { s.Waiting++ })
		default:
			k.r.lost()
		}
		k.r.settled(l)
	}
	return nil
}

// afterSettled counts what was written and gives the deliveries back to their batches.
func (k *desk) afterSettled(marks []Mark) {
	if len(k.settled) == 0 {
		return
	}
	k.r.count(func(s *Stats) {
		for n := range k.settled {
			if marks[n].Err != nil {
				s.Lost++
			} else {
				s.Outcomes[k.settled[n].outcome.State]++
			}
		}
	})
	k.r.Pace.count(k.settled)
	done := make([]*Letter, len(k.settled))
	for n := range k.settled {
		k.r.log(&k.settled[n])
		done[n] = k.settled[n].letter
	}
	k.r.settled(done...)
	k.r.tell()
}

// relieve looks after a connection that has not been heard of for a while: outcomes that wait for
// company go to the ledger, and what waits behind a slow reply goes to other connections. It does
// nothing while the connection itself is writing.
func (k *desk) relieve() {
	if !k.mu.TryLock() {
		return
	}
	defer k.mu.Unlock()
	if now().Sub(k.active) > sliceTime {
		k.handOver()
	}
	if len(k.settled) > 0 && now().Sub(k.since) > staleAfter {
		_ = k.commit(nil, nil)
	}
}

// handOver gives the line to other connections. What is on record as handed goes back to the
// queue, for it counts in this connection's window, and so does what is on hold. k.mu is held.
func (k *desk) handOver() {
	var spares []*Letter
	for _, l := range k.line {
		l.forget()
		if l.handed || l.halted() {
			k.putBack(l)
		} else {
			spares = append(spares, l)
		}
	}
	k.line = k.line[:0]
	if len(spares) == 0 {
		return
	}
	k.r.mu.Lock()
	k.r.spares = append(k.r.spares, spares...)
	k.r.wake()
	k.r.mu.Unlock()
}

// close ends the connection's work: what it had not begun goes to others, what it knows to the
// ledger.
func (k *desk) close() {
	k.r.mu.Lock()
	k.r.desks = slices.DeleteFunc(k.r.desks, func(o *desk) bool { return o == k })
	k.r.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.handOver()
	if err := k.commit(nil, nil); err != nil {
		k.r.fail(fmt.Errorf("record outcomes of relay %s: %w", k.r.Relay.Name, err))
		for _, s := range k.settled {
			k.r.settled(s.letter)
		}
	}
}
