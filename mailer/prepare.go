package mailer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// Signer puts a DKIM signature (RFC 6376) in front of messages. Safe for many goroutines.
type Signer interface {
	// Selector names the key that signs messages begun now.
	Selector() string
	// Sign appends the DKIM-Signature fields of message, ready to stand before it, to dst. t
	// becomes the time of signing. The key is that of selector, so that a second copy of a message
	// is the same to the byte.
	Sign(dst, message []byte, selector string, t time.Time) ([]byte, error)
}

// signAhead is how many letters of a connection are signed before their turn.
const signAhead = 2

// buffers are those for messages that no letter uses. All connections share them: most wait for the
// relay at any time.
type buffers struct {
	mu   sync.Mutex
	free [][]byte
}

// get gives one of any size, nil if there is none.
func (b *buffers) get() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.free)
	if n == 0 {
		return nil
	}
	buf := b.free[n-1]
	b.free = b.free[:n-1]
	return buf
}

func (b *buffers) put(buf []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = append(b.free, buf)
}

// prepare puts a letter's message together.
func (k *desk) prepare(l *Letter) {
	l.free = &k.r.buffers
	l.buf = l.free.get()
	l.Message, l.err = k.r.compose(k.ctx, l.d, l.buf[:0])
	if cap(l.Message.Body) >= cap(l.buf) {
		l.buf = l.Message.Body[:0]
	}
	if l.err == nil { // what was begun signed never goes unsigned
		l.Message, l.err = Signed(nil, l.Message, nil, l.d.Selector, l.d.Date)
	}
}

// prepareAhead waits for a letter that is put together and signed on any core, and has the next
// ones begun, so that the connection never waits for a signature while others could be made.
func (k *desk) prepareAhead(l *Letter) {
	k.begin(l)
	k.mu.Lock()
	for _, next := range k.line[:min(signAhead, len(k.line))] {
		k.begin(next)
	}
	k.mu.Unlock()
	<-l.ready
}

func (k *desk) begin(l *Letter) {
	if l.ready != nil {
		return
	}
	l.free, l.ready = &k.r.buffers, make(chan struct{})
	l.buf = l.free.get()
	d := *l.d // the ledger may bring the original up to date meanwhile
	go func() {
		defer close(l.ready)
		k.r.cores <- struct{}{}
		defer func() { <-k.r.cores }()
		l.Message, l.err = k.r.sign(k.ctx, &d, l)
	}()
}

// sign puts a message together with its signature before it.
func (r *run) sign(ctx context.Context, d *Delivery, l *Letter) (m Message, err error) {
	if m, err = r.compose(ctx, d, l.spare[:0]); err != nil {
		return m, err
	}
	if cap(m.Body) > cap(l.spare) {
		l.spare = m.Body[:0]
	}
	if d.Selector == "" { // begun before there were keys: a second copy is the same, unsigned
		l.buf, l.spare = l.spare, l.buf
		return m, nil
	}
	if m, err = Signed(l.buf, m, r.Signer, d.Selector, d.Date); err == nil {
		l.buf = m.Body[:0]
	}
	return m, err
}

// compose asks the composer until it can say, as long as ctx lasts.
func (r *run) compose(ctx context.Context, d *Delivery, buf []byte) (m Message, err error) {
	keep := context.WithoutCancel(ctx)
	later := r.insist(ctx, func() error {
		if m, err = r.composeOnce(keep, d, buf); errors.Is(err, ErrLater) {
			return err
		}
		return nil
	})
	return m, cmp.Or(later, err)
}

// composeOnce asks the composer; what goes wrong inside it stays this one delivery's trouble.
func (r *run) composeOnce(ctx context.Context, d *Delivery, buf []byte) (m Message, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return r.Composer.Compose(ctx, d, buf)
}

func (r *run) selector() string {
	if r.Signer == nil {
		return ""
	}
	return r.Signer.Selector()
}

// cores limits how many messages are signed at a time.
func cores() chan struct{} { return make(chan struct{}, runtime.GOMAXPROCS(0)) }
