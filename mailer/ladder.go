package mailer

import (
	"errors"
	"sync"
)

// ladder remembers for a relay how plainly it must be talked to: a dialogue in which it went out
// of step is not tried again. The zero value trusts what EHLO says. Safe for many goroutines.
type ladder struct {
	mu   sync.Mutex
	down int // rungs that are barred, from the top
}

// rungs are the dialogues, best first.
var rungs = [...]Dialogue{chunking{}, pipelining{}, plain{}}

// choose gives the best dialogue that c's relay offers (RFC 3030, RFC 2920) and that limit, the
// relay's Dialogue setting ("auto" or "", "pipelining", "plain"), and its past allow.
func (l *ladder) choose(c *Conn, limit string) Dialogue {
	l.mu.Lock()
	top := l.down
	l.mu.Unlock()
	switch limit {
	case "pipelining":
		top = max(top, 1)
	case "plain":
		top = 2
	}
	switch {
	case top == 0 && c.chunking && c.pipelining:
		return rungs[0]
	case top <= 1 && c.pipelining:
		return rungs[1]
	}
	return rungs[2]
}

// heard takes in how d ended, so that the next connections go a rung lower after a protocol
// error. Many connections that end so in the same dialogue go down once. It reports whether they do.
func (l *ladder) heard(d Dialogue, err error) (lower bool) {
	if !errors.Is(err, ErrProtocol) || errors.Is(err, errClosing) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, r := range rungs[:len(rungs)-1] {
		if d == r && l.down <= i {
			l.down = i + 1
			return true
		}
	}
	return false
}
