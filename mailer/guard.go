package mailer

import (
	"bytes"
	"fmt"
	"net"
	"sync"
	"time"
)

// dialRoom is how much a relay may say before the first message: go-mail reads lines and
// greetings of any length.
const dialRoom = 64 << 10

// How long a message in hand may still take once the sender is told to stop.
const (
	finishIn  = 8 * time.Second  // to its end, within the 10 s that are promised
	hearOutIn = 28 * time.Second // if only the reply to the last byte is missing: 30 s
)

// guard is the connection below go-mail and TLS. It holds the absolute deadline of the command
// under way, shortens it when the sender must stop, and limits how much is read while dialling.
type guard struct {
	net.Conn
	mu       sync.Mutex
	room     int // octets that may still be read; below 0: any number
	verb     Verb
	deadline time.Time
	pending  bool      // all but the reply to a whole message is done
	sent     int       // octets that the network took
	writes   int       // system calls that it took them in
	finish   time.Time // told to stop: the message in hand must end by then; zero: not told
	hearOut  time.Time // the same if only the reply to it is missing

	corked bool // Write gathers in held; the goroutine that writes owns both
	held   []byte
}

func (g *guard) Read(p []byte) (int, error) {
	g.mu.Lock()
	room := g.room
	g.mu.Unlock()
	if room == 0 {
		return 0, fmt.Errorf("%w: more than %d octets of greeting", ErrProtocol, dialRoom)
	}
	if room > 0 && len(p) > room {
		p = p[:room]
	}
	n, err := g.Conn.Read(p)
	if room > 0 {
		g.mu.Lock()
		g.room -= n
		g.mu.Unlock()
	}
	return n, err
}

// Write notes which verb of the greeting is under way, so that an error can say so.
func (g *guard) Write(p []byte) (int, error) {
	switch {
	case bytes.HasPrefix(p, []byte("EHLO ")), bytes.HasPrefix(p, []byte("HELO ")):
		g.setVerb(Ehlo)
	case bytes.HasPrefix(p, []byte("STARTTLS\r\n")):
		g.setVerb(StartTLS)
	}
	if g.corked && len(g.held)+len(p) <= maxHeld {
		g.held = append(g.held, p...)
		return len(p), nil
	}
	if err := g.flush(); err != nil {
		return 0, err
	}
	n, err := g.Conn.Write(p)
	g.note(n)
	return n, err
}

// maxHeld is how much is gathered into one write. The records of TLS would go out one by one.
const maxHeld = 256 << 10

// cork gathers what is written until uncork sends it.
func (g *guard) cork() { g.corked = true }

func (g *guard) uncork() error {
	g.corked = false
	return g.flush()
}

func (g *guard) flush() error {
	if len(g.held) == 0 {
		return nil
	}
	n, err := g.Conn.Write(g.held)
	g.held = g.held[:0]
	g.note(n)
	return err
}

// writeAll sends b in one system call, without bringing it together first. b is used up.
func (g *guard) writeAll(b *net.Buffers) error {
	n, err := b.WriteTo(g.Conn)
	g.note(int(n))
	return err
}

// note counts octets that the network took.
func (g *guard) note(n int) {
	g.mu.Lock()
	g.sent += n
	g.writes++
	g.mu.Unlock()
}

func (g *guard) sentSoFar() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sent
}

func (g *guard) setVerb(v Verb) {
	g.mu.Lock()
	g.verb = v
	g.mu.Unlock()
}

func (g *guard) verbNow() Verb {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.verb
}

// unlimit ends the limit of the greeting: from here on each reply has its own.
func (g *guard) unlimit() {
	g.mu.Lock()
	g.room = -1
	g.mu.Unlock()
}

// SetDeadline is what go-mail and TLS call.
func (g *guard) SetDeadline(t time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deadline = t
	return g.apply()
}

// within gives the step that begins now so long and no longer. pending says that it is the wait
// for the reply to a whole message.
func (g *guard) within(d time.Duration, pending bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deadline, g.pending = now().Add(d), pending
	_ = g.apply() // a connection that takes no deadline is closed; the next read says so
}

// stop shortens this and all later steps: so long to finish, so long if only a reply is missing.
func (g *guard) stop(finish, hearOut time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.finish, g.hearOut = now().Add(finish), now().Add(hearOut)
	_ = g.apply()
}

func (g *guard) apply() error {
	t, limit := g.deadline, g.finish
	if g.pending {
		limit = g.hearOut
	}
	if !limit.IsZero() && (t.IsZero() || limit.Before(t)) {
		t = limit
	}
	return g.Conn.SetDeadline(t)
}

// now is real time: the network follows no simulated clock.
func now() time.Time { return time.Now() }
