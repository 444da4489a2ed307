package mailer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"
)

// leased is a batch of ours. Connections draw from all batches at once, the oldest first.
type leased struct {
	batch  *Batch
	next   int           // the first delivery that nobody has drawn
	inHand int           // drawn and not settled
	term   time.Duration // of the lease
	until  time.Time     // its end, as last renewed
	lost   bool
	halted atomic.Bool // its issue is on hold: nothing of it is begun
}

// idleConnection is how long an open connection waits for more work: well below the five
// minutes after which relays hang up (RFC 5321 section 4.5.3.2.7).
const idleConnection = 5 * time.Second

// longShut is a wait for the relay during which nothing is kept leased, so that the queue can
// end what gets too old and others can send it.
const longShut = time.Second

// feed leases batches so that there is a delivery to draw for every connection.
func (r *run) feed(ctx context.Context) {
	var asked time.Time // for urgent batches
	for ctx.Err() == nil {
		r.mu.Lock()
		changed, busy, idle, enough := r.changed, r.inHand > 0, r.lines == 0, r.undrawn() >= r.enough()
		r.mu.Unlock()
		if r.gate.without() { // what is due is for those who have connections
			if idle {
				r.forgo()
			}
			if idle && r.untilIdle && !busy && !r.due(ctx) {
				r.cancel()
			}
			r.sleep(ctx, changed, r.Poll)
			continue
		}
		if shut := r.gate.shut(); idle && shut > longShut {
			r.forgo()
			r.sleep(ctx, changed, shut)
			continue
		}
		if enough {
			if h, ok := r.Queue.(Hurrier); ok && now().Sub(asked) >= r.Poll {
				asked = now()
				r.hurry(ctx, h)
			}
			r.sleep(ctx, changed, r.Poll)
			continue
		}
		var b *Batch
		err := r.insist(ctx, func() (err error) {
			b, err = r.lease(ctx)
			return err
		})
		switch {
		case err != nil && ctx.Err() != nil:
			return
		case err != nil:
			r.fail(fmt.Errorf("lease batch for relay %s: %w", r.Relay.Name, err))
		case b != nil && len(b.Deliveries) > 0:
			r.prepareBatch(ctx, b)
			r.add(b)
		case b != nil:
			r.release(ctx, b)
			r.sleep(ctx, changed, r.idle(ctx))
		case r.untilIdle && !busy && r.nothingDrawn():
			r.cancel()
		default:
			r.sleep(ctx, changed, r.idle(ctx))
		}
	}
}

func (r *run) prepareBatch(ctx context.Context, b *Batch) {
	if p, ok := r.Composer.(Preparer); ok {
		if err := p.Prepare(ctx, b.Deliveries); err != nil {
			r.Log.Debug("batch not prepared", slog.Int64("batch", b.ID), slog.String("error", err.Error()))
		}
	}
}

// hurry takes urgent batches though there is enough at hand. An error shows at the next lease.
func (r *run) hurry(ctx context.Context, h Hurrier) {
	for _, name := range r.names() {
		b, err := h.LeaseUrgent(ctx, name, r.Worker, r.Now())
		if err != nil {
			r.Log.Debug("urgent batch not leased", slog.String("error", err.Error()))
		} else if b != nil {
			r.prepareBatch(ctx, b)
			r.add(b)
		}
	}
}

// lease takes the next due batch of the relay, else of one that it stands in for.
func (r *run) lease(ctx context.Context) (*Batch, error) {
	for _, name := range r.names() {
		if b, err := r.Queue.Lease(ctx, name, r.Worker, r.Now()); b != nil || err != nil {
			return b, err
		}
	}
	return nil, nil
}

// names are the relays whose mail goes through this one.
func (r *run) names() []string {
	names := []string{r.Relay.Name}
	if r.StandIn != nil {
		names = append(names, r.StandIn()...)
	}
	return names
}

// due reports whether anything is due for this relay, as far as the queue can tell.
func (r *run) due(ctx context.Context) bool {
	for _, name := range r.names() {
		if at, ok, err := r.Queue.NextDue(ctx, name); err != nil || ok && !at.After(r.Now()) {
			return true
		}
	}
	return false
}

// idle is how long to wait before asking for work again.
func (r *run) idle(ctx context.Context) time.Duration {
	wait := r.Poll
	for _, name := range r.names() {
		at, ok, err := r.Queue.NextDue(ctx, name)
		if err != nil || !ok {
			continue
		}
		next := at.Sub(r.Now())
		if next <= 0 { // due, and yet it was not for us
			next = time.Second
		}
		wait = min(wait, next)
	}
	return wait
}

// add makes a batch ours.
func (r *run) add(b *Batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := &leased{batch: b, until: b.Until, term: b.Until.Sub(now())}
	if l.term <= 0 { // over before it reached us: renewing it tells
		l.until, l.term = now(), time.Second
	}
	at := len(r.batches)
	for b.Urgent && at > 0 && !r.batches[at-1].batch.Urgent {
		at--
	}
	r.batches = slices.Insert(r.batches, at, l)
	r.wake()
}

// draw takes up to n deliveries, without waiting: urgent ones first, then left over letters, then
// those that waited for their provider's turn, then a fair share of what the oldest batch has.
func (r *run) draw(n int) (letters []*Letter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := now()
	share := (r.undrawn() + 2*max(1, r.lines) - 1) / (2 * max(1, r.lines))
	n = min(n, max(share, 1))
	for _, l := range r.batches {
		if l.batch.Urgent {
			letters = r.drawFrom(l, letters, n, t)
		}
	}
	if k := min(n-len(letters), len(r.spares)); k > 0 {
		letters = append(letters, r.spares[:k]...)
		r.spares = slices.Delete(r.spares, 0, k)
	}
	for _, a := range r.lanes {
		for len(letters) < n && len(a.waiting) > 0 && a.turn(t) {
			letters = append(letters, a.waiting[0])
			a.waiting = slices.Delete(a.waiting, 0, 1)
		}
	}
	for _, l := range r.batches {
		letters = r.drawFrom(l, letters, n, t)
	}
	if r.undrawn() < r.enough() {
		r.wake() // the feeder looks for more
	}
	return letters
}

// drawFrom takes deliveries of a batch until there are n letters; r.mu is held.
func (r *run) drawFrom(l *leased, letters []*Letter, n int, t time.Time) []*Letter {
	for !l.lost && len(letters) < n && l.next < len(l.batch.Deliveries) {
		letter := &Letter{leased: l, d: &l.batch.Deliveries[l.next]}
		l.next++
		l.inHand++
		r.inHand++
		if a := r.lane(letter.d); a != nil {
			letter.lane = a
			before := a.before(letter)
			if before > 0 || !a.turn(t) {
				a.waiting = slices.Insert(a.waiting, before, letter)
				continue
			}
		}
		letters = append(letters, letter)
	}
	return letters
}

// enough is how many deliveries to have at hand, so that connections need not wait for a lease.
func (r *run) enough() int { return max(1, r.Relay.Connections) * maxSlice / 4 }

// awaitWork waits until there is something to draw.
func (r *run) awaitWork(ctx context.Context) error {
	for {
		r.mu.Lock()
		n, changed := r.undrawn(), r.changed
		wait := time.Hour
		for _, a := range r.lanes {
			if len(a.waiting) > 0 {
				wait = min(wait, a.pause(now()))
			}
		}
		r.mu.Unlock()
		if n > 0 || wait <= 0 {
			return ctx.Err()
		}
		r.sleep(ctx, changed, wait)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// takeLine counts a connection, unless there is nothing to draw.
func (r *run) takeLine() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	ready := r.undrawn() > 0
	for _, a := range r.lanes {
		ready = ready || len(a.waiting) > 0 && a.pause(now()) <= 0
	}
	if !ready {
		return false
	}
	r.lines++
	r.stats.Dials++
	return true
}

func (r *run) dropLine() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines--
	r.wake()
}

// settled gives drawn deliveries back and, with the last of a batch, the batch.
func (r *run) settled(letters ...*Letter) {
	if len(letters) == 0 {
		return // nobody needs waking
	}
	var done []*Batch
	r.mu.Lock()
	for _, letter := range letters {
		if letter.lane != nil {
			letter.lane.inHand--
		}
		l := letter.leased
		if l.inHand--; l.inHand > 0 || !l.lost && l.next < len(l.batch.Deliveries) {
			continue
		}
		r.batches = slices.DeleteFunc(r.batches, func(x *leased) bool { return x == l })
		if !l.lost {
			done = append(done, l.batch)
		}
	}
	r.mu.Unlock()
	for _, b := range done {
		r.release(context.Background(), b)
	}
	r.mu.Lock()
	if r.inHand -= len(letters); r.inHand == 0 || len(done) > 0 {
		r.wake()
	}
	r.mu.Unlock()
}

// returnSpares takes the intents back of those letters that no connection has.
func (r *run) returnSpares(which func(*Letter) bool) {
	r.mu.Lock()
	var spares []*Letter
	r.spares = slices.DeleteFunc(r.spares, func(l *Letter) bool {
		if !which(l) {
			return false
		}
		spares = append(spares, l)
		return true
	})
	r.mu.Unlock()
	if len(spares) == 0 {
		return
	}
	marks := make([]Mark, len(spares))
	for n, l := range spares {
		marks[n] = Mark{Step: Settle, Batch: l.leased.batch, Delivery: l.d, Outcome: r.notBegun(l)}
	}
	if err := r.Queue.Commit(context.Background(), marks, r.Now()); err != nil { // their leases run out by themselves
		r.Log.Warn("deliveries not given back", slog.Int("deliveries", len(spares)), slog.String("error", err.Error()))
	}
	r.settled(spares...)
}

// forgo gives back what nobody has drawn.
func (r *run) forgo() {
	r.returnSpares(anyLetter)
	r.settled(r.emptyLanes(anyLetter)...)
	r.mu.Lock()
	var free []*Batch
	for _, l := range r.batches {
		l.next = len(l.batch.Deliveries)
		if l.inHand == 0 && !l.lost {
			free = append(free, l.batch)
		}
	}
	r.batches = slices.DeleteFunc(r.batches, func(l *leased) bool { return l.inHand == 0 })
	r.mu.Unlock()
	for _, b := range free {
		r.release(context.Background(), b)
	}
}

// releaseAll gives everything back at the end of a run.
func (r *run) releaseAll() {
	r.forgo()
	r.mu.Lock()
	rest := r.batches
	r.batches = nil
	r.mu.Unlock()
	for _, l := range rest {
		r.release(context.Background(), l.batch)
	}
}

// release gives a batch back. If that fails its lease runs out by itself.
func (r *run) release(ctx context.Context, b *Batch) {
	if err := r.Queue.Release(ctx, b, r.Now()); err != nil && !errors.Is(err, ErrLost) {
		r.Log.Warn("batch not given back", slog.Int64("batch", b.ID), slog.String("error", err.Error()))
	}
}

// renew prolongs leases when half of their time is over.
func (r *run) renew(ctx context.Context) {
	for ctx.Err() == nil {
		r.mu.Lock()
		changed, wait := r.changed, r.Poll
		var due []*leased
		for _, l := range r.batches {
			left := l.until.Add(-l.term / 2).Sub(now())
			if left <= 0 && !l.lost {
				due = append(due, l)
			} else if !l.lost {
				wait = min(wait, left)
			}
		}
		r.mu.Unlock()
		if len(due) == 0 {
			r.sleep(ctx, changed, wait)
			continue
		}
		for _, l := range due {
			b := *l.batch // renewed as a copy: connections read the original meanwhile
			b.Deliveries = nil
			err := r.Queue.Renew(ctx, &b)
			r.mu.Lock()
			switch {
			case errors.Is(err, ErrLost):
				l.lost = true
				if l.inHand == 0 {
					r.batches = slices.DeleteFunc(r.batches, func(x *leased) bool { return x == l })
				}
				r.wake()
			case err != nil || !b.Until.After(l.until):
				l.until = l.until.Add(l.term / 8) // ask again soon, not at once
			default:
				l.until = b.Until
			}
			r.mu.Unlock()
		}
	}
}

// undrawn counts what is left to draw; r.mu is held.
func (r *run) undrawn() int {
	n := len(r.spares)
	for _, l := range r.batches {
		if !l.lost {
			n += len(l.batch.Deliveries) - l.next
		}
	}
	return n
}

func (r *run) nothingDrawn() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.undrawn() == 0 && r.inHand == 0
}

// wake tells all who wait that something changed; r.mu is held.
func (r *run) wake() {
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *run) sleep(ctx context.Context, changed <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
	}
}

// queuePatience is how long a queue may fail, a full disk or a locked database say, before a run
// until idle ends. Another run waits for as long as it takes. Nothing new is sent meanwhile.
const queuePatience = time.Minute

// insist calls f until it gives no error. Once ctx has ended it is tried a last time.
func (r *run) insist(ctx context.Context, f func() error) error {
	start, wait := now(), 50*time.Millisecond
	for tries := 0; ; tries++ {
		ended := ctx.Err() != nil
		err := f()
		if err == nil {
			if tries > 0 && r.stuck(-1) {
				r.Log.Info("ledger well again", slog.Duration("after", now().Sub(start)))
			}
			return nil
		}
		if ended || ctx.Err() != nil && errors.Is(err, context.Canceled) || r.untilIdle && now().Sub(start) > queuePatience {
			return err
		}
		if tries == 0 && r.stuck(1) {
			r.Log.Error("ledger in trouble, nothing is sent meanwhile", slog.String("error", err.Error()))
		}
		r.sleep(ctx, nil, wait)
		wait = min(2*wait, 5*time.Second)
	}
}

// stuck counts the calls that wait for the ledger, and reports whether that is news.
func (r *run) stuck(more int) (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.waiting
	r.waiting += more
	return before == 0 || r.waiting == 0
}
