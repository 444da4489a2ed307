package mailer

import (
	"bufio"
	"fmt"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// Conn is an open, greeted and authenticated connection to a relay, with what the relay can do.
// One goroutine uses it.
type Conn struct {
	r        *bufio.Reader
	w        *bufio.Writer
	guard    *guard
	timeouts Timeouts

	eightBit bool  // 8BITMIME, RFC 6152
	utf8     bool  // SMTPUTF8, RFC 6531
	hasSize  bool  // SIZE, RFC 1870
	maxSize  int64 // 0: none told

	utf8Text bool // replies may be UTF-8: the transaction asked for SMTPUTF8
	proved   bool // a message was answered on it
}

func newConn(sc *smtp.Client, g *guard, t Timeouts) *Conn {
	c := &Conn{r: sc.Text.R, w: sc.Text.W, guard: g, timeouts: t}
	c.capabilities(sc)
	return c
}

// command sends one line and reads the reply to it.
func (c *Conn) command(within time.Duration, parts ...string) (Reply, error) {
	if err := c.inStep(); err != nil {
		return Reply{}, err
	}
	c.guard.within(within, false)
	for _, p := range parts {
		_, _ = c.w.WriteString(p) // the writer keeps its first error for Flush
	}
	_, _ = c.w.WriteString("\r\n")
	if err := c.w.Flush(); err != nil {
		return Reply{}, err
	}
	return ReadReply(c.r, c.utf8Text)
}

// inStep fails if the relay has said something that nobody asked for: it must not be taken for
// the answer to what comes next.
func (c *Conn) inStep() error {
	if n := c.r.Buffered(); n > 0 {
		return fmt.Errorf("%w: %d octets", errUnasked, n)
	}
	return nil
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

// quit says goodbye to a relay in good standing and closes. Trouble here changes nothing.
func (c *Conn) quit() {
	_, _ = c.command(min(2*time.Second, c.timeouts.Command), "QUIT")
	c.close()
}

// close ends the connection at once, below TLS, so that nothing waits for the other side.
func (c *Conn) close() { _ = c.guard.Conn.Close() }
