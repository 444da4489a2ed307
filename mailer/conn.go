package mailer

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// Conn is an open, greeted and authenticated connection to a relay, with what the relay can do.
// One goroutine uses it.
type Conn struct {
	r        *bufio.Reader
	w        *bufio.Writer // through TLS; without, the group goes straight to the guard
	secure   bool
	expires  time.Time // end of the relay's certificate's validity; zero without TLS
	guard    *guard
	timeouts Timeouts

	eightBit   bool  // 8BITMIME, RFC 6152
	utf8       bool  // SMTPUTF8, RFC 6531
	pipelining bool  // RFC 2920
	chunking   bool  // RFC 3030
	dsn        bool  // RFC 3461
	hasSize    bool  // SIZE, RFC 1870
	maxSize    int64 // 0: none told
	mailMax    int   // LIMITS, RFC 9422; 0: none told

	begun  int  // messages taken to be sent on it
	trips  int  // replies that were waited for, round trips mostly
	proved bool // a message was answered on it
	lost   bool // its loss was told

	// The group that is being put together: its commands, and all of it in order.
	out    []byte
	from   int // what of out is not in blocks yet
	blocks net.Buffers
	whole  int         // octets in blocks
	going  net.Buffers // blocks while they are written
	dots   []byte      // content with its dots doubled

	known [5]known // the last reply to each verb
}

func newConn(sc *smtp.Client, g *guard, t Timeouts, secure bool) *Conn {
	c := &Conn{r: sc.Text.R, w: sc.Text.W, guard: g, timeouts: t, secure: secure}
	c.capabilities(sc)
	return c
}

// start begins a group, which leaves in one write.
func (c *Conn) start() {
	clear(c.blocks) // bodies are not held on to
	c.out, c.blocks, c.from, c.whole = c.out[:0], c.blocks[:0], 0, 0
}

// text adds words to the group. Whoever writes to c.out beside it does so before the next block.
func (c *Conn) text(parts ...string) {
	for _, p := range parts {
		c.out = append(c.out, p...)
	}
}

// block adds b to the group as it is; it must not change until the group has left.
func (c *Conn) block(b []byte) {
	if t := c.out[c.from:]; len(t) > 0 {
		c.blocks = append(c.blocks, t[:len(t):len(t)]) // stays good if out must grow
		c.whole, c.from = c.whole+len(t), len(c.out)
	}
	if len(b) > 0 {
		c.blocks = append(c.blocks, b)
		c.whole += len(b)
	}
}

// size is how long the group is so far.
func (c *Conn) size() int { return c.whole + len(c.out) - c.from }

// leave sends the group and says how much of it the network took. With TLS that is at least what
// it took, for records are longer than what is in them, and a part of one tells nothing.
func (c *Conn) leave(within time.Duration, pending bool) (taken int, err error) {
	c.block(nil)
	c.guard.within(within, pending)
	before := c.guard.sentSoFar()
	if c.secure {
		c.guard.cork()
		for _, b := range c.blocks {
			_, _ = c.w.Write(b) // the writer keeps its first error for Flush
		}
		err = c.w.Flush()
		if uerr := c.guard.uncork(); err == nil {
			err = uerr
		}
	} else {
		c.going = c.blocks
		err = c.guard.writeAll(&c.going)
	}
	return c.guard.sentSoFar() - before, err
}

// rset is a verb at which no letter ends.
const rset Verb = "rset"

// hear reads the reply to verb, within the time that it has from now on. pending says that a
// message that left whole is not answered yet.
func (c *Conn) hear(verb Verb, wide, pending bool) (Reply, error) {
	within, slot := c.timeouts.Command, 0
	switch verb {
	case Mail:
		slot = 1
	case Rcpt:
		slot = 2
	case Data:
		within, slot = c.timeouts.Data, 3
	case Dot:
		within, slot = c.timeouts.Dot, 4
	}
	c.guard.within(within, pending)
	if c.r.Buffered() == 0 {
		c.trips++
	}
	return c.known[slot].read(c.r, wide)
}

// ask sends the group, a single command, and hears the reply.
func (c *Conn) ask(verb Verb, wide bool) (Reply, error) {
	if err := c.inStep(); err != nil {
		return Reply{}, err
	}
	if _, err := c.leave(c.timeouts.Command, false); err != nil {
		return Reply{}, err
	}
	return c.hear(verb, wide, false)
}

// inStep fails if the relay has said something that nobody asked for: it must not be taken for
// the answer to what comes next.
func (c *Conn) inStep() error {
	n := c.r.Buffered()
	if n == 0 {
		return nil
	}
	if code, _ := c.r.Peek(min(n, 3)); bytes.Equal(code, []byte("421")) {
		return fmt.Errorf("%w: %w", errUnasked, errClosing)
	}
	return fmt.Errorf("%w: %d octets", errUnasked, n)
}

// errUnasked says that there is a reply to nothing.
var errUnasked = fmt.Errorf("%w: it answers nothing", ErrProtocol)

// cut is the effect of losing c: some relays close after so many messages, or after each, with a
// 421 or without a word, and nothing is wrong with them.
func (c *Conn) cut(e Effect) Effect {
	if e == RedialLater && c.proved {
		return Redial
	}
	return e
}

// again reports whether e tells the loss of c once more: several letters may be lost with it.
func (c *Conn) again(e Effect) bool {
	if e != Redial && e != RedialLater {
		return false
	}
	was := c.lost
	c.lost = true
	return was
}

// quit says goodbye to a relay in good standing and closes. Trouble here changes nothing.
func (c *Conn) quit() {
	c.start()
	c.text("QUIT\r\n")
	within := min(2*time.Second, c.timeouts.Command)
	if _, err := c.leave(within, false); err == nil {
		c.guard.within(within, false)
		_, _ = ReadReply(c.r, false)
	}
	c.close()
}

// close ends the connection at once, below TLS, so that nothing waits for the other side.
func (c *Conn) close() { _ = c.guard.Conn.Close() }
