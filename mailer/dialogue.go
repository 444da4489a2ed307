package mailer

// Letter is one message on its way over a connection; its intent is on record.
type Letter struct {
	// Message is what goes out. Its Body is valid until Written or Done.
	Message Message

	leased  *leased
	lane    *lane // of its recipient's provider; nil: none
	d       *Delivery
	before  int   // copies out before this try
	handed  bool  // on record that its last octet is about to leave
	refused error // what the ledger said to that, if not yes
	buf     []byte
	spare   []byte // of the unsigned message, where it is signed
	free    *[][]byte
	ready   chan struct{} // closed once the message is put together elsewhere; nil: not begun
	err     error         // of putting it together
}

// Written says that the letter's Body is not needed any more: the next one may be put together in
// its place.
func (l *Letter) Written() {
	if l.free != nil && l.buf != nil {
		*l.free = append(*l.free, l.buf)
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

// Dialogue carries letters over a connection. It takes one when it has room for it, so that a
// pipelining one may hold several.
type Dialogue interface {
	// Carry goes on until Next(true) gives nil. An error says that the connection must not be used
	// any more; each letter's own fate has been told by then.
	Carry(c *Conn, o Office) error
}
