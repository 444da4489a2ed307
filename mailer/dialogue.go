package mailer

import (
	"errors"
	"fmt"
	"time"
)

// Letter is one message on its way over a connection; its intent is on record.
type Letter struct {
	// Message is what goes out. Its Body is valid until Written or Done.
	Message Message

	leased   *leased
	lane     *lane // of its recipient's provider; nil: none
	d        *Delivery
	before   int  // copies out before this try
	handed   bool // on record that its last octet is about to leave
	handedAt time.Time
	refused  error // what the ledger said to that, if not yes
	buf      []byte
	spare    []byte // of the unsigned message, where it is signed
	free     *buffers
	ready    chan struct{} // closed once the message is put together elsewhere; nil: not begun
	err      error         // of putting it together
}

// Written says that the letter's Body is not needed any more: the next one may be put together in
// its place.
func (l *Letter) Written() {
	if l.free != nil && l.buf != nil {
		l.free.put(l.buf)
		l.buf, l.Message.Body = nil, nil
	}
}

// Office is what a dialogue is given to work with: letters, and the ledger to write down what
// becomes of them. There is one for each connection, used by one goroutine.
type Office interface {
	// Next gives the next letter, its intent on record and its message put together. With wait it
	// waits for one, for work and for the relay's rate, and nil means: no more on this connection,
	// take leave. Without wait nil means: none just now.
	Next(wait bool) *Letter
	// Hand returns nil once it is on record that the letter's last octet is about to leave. With
	// an error the last octet must stay here and the connection be given up; the letter is ended
	// with that error at [Data]. What Done told before is on record then too.
	Hand(l *Letter) error
	// Window is how many letters may be handed and not on record as answered, at least 1. A
	// dialogue never has more than Window letters for which Hand was called and Done was not.
	Window() int
	// Done tells where a letter's try ended, as [Decide] wants it: once for each letter that Next
	// gave, in the order of Next, also when the connection is lost.
	Done(l *Letter, verb Verb, reply Reply, err error)
}

// Dialogue carries letters over a connection until Next(true) gives nil, the relay's LIMITS are
// reached (RFC 9422), or the connection is of no more use, which is the error. Each letter's own
// fate has been told by then: one whose last octet left, perhaps, and was not answered ends at
// [Dot]; any other that no reply ended ends before it, with an error.
type Dialogue interface {
	Carry(c *Conn, o Office) error
}

// errClosing says that the relay takes its leave, which is its right at any time (RFC 5321 section 3.8).
var errClosing = errors.New("relay closes the connection")

// errNotTried is the end of a letter whose connection was given up for another's sake.
var errNotTried = errors.New("connection was given up before this message")

// flight is a letter in the hands of a dialogue.
type flight struct {
	letter   *Letter
	from, to string // as they go over the wire
	wide     bool   // asks for SMTPUTF8, so replies may be UTF-8 too
	unfit    error  // why it cannot go over this connection at all: an [Unsendable]

	// What the chunking dialogue needs to know while several are on their way.
	reset    bool  // RSET goes before it
	begin    int   // where it begins and
	end      int   // ends in its group, in octets
	stayed   error // why its last octet did not leave; nil: it did
	stayedAt Verb
}

// take gets the next letter from the office and looks whether it can go over this connection.
func (c *Conn) take(o Office, wait bool) (f flight, ok bool) {
	if c.mailMax > 0 && c.begun >= c.mailMax {
		return flight{}, false
	}
	if f.letter = o.Next(wait); f.letter == nil {
		return flight{}, false
	}
	if f.from, f.to, f.wide, f.unfit = c.fit(&f.letter.Message); f.unfit == nil {
		c.begun++
	}
	return f, true
}

// refuses reports whether r is a no. The connection may end with it (421, 503).
func refuses(r Reply) bool { return r.class() == 4 || r.class() == 5 }

// agrees reports whether r is the yes to verb.
func agrees(verb Verb, r Reply) bool {
	switch verb {
	case Rcpt:
		return r.Code == 250 || r.Code == 251
	case Data:
		return r.Code == 354
	case Dot:
		return r.class() == 2
	}
	return r.Code == 250
}

// fits says whether the dialogue may go on after r to verb; the error says why not. after tells
// that an earlier command of the same letter was refused, so that this one must be: with a 503,
// as a rule. RSET cannot be refused.
func fits(verb Verb, r Reply, after bool) error {
	switch {
	case r.Code == 421:
		return errClosing
	case r.Code == 503 && !after, verb == rset && !agrees(verb, r), !refuses(r) && (after || !agrees(verb, r)):
		return fmt.Errorf("%w: %s to %s", ErrProtocol, r, verb)
	}
	return nil
}
