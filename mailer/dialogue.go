package mailer

// Letter is one message on its way over a connection.
type Letter struct {
	Message Message
	// Handed is called once and must return nil before the last octet leaves. With an error the
	// connection is closed and the message stays unfinished.
	Handed func() error
	// Done is told once where the try ended, as [Decide] wants it.
	Done func(verb Verb, reply Reply, err error)
}

// Dialogue carries letters over a connection. It takes one when it has room for it, so that a
// pipelining one may hold several, and tells each letter's end in the order in which it took them.
type Dialogue interface {
	// Carry goes on until next gives nil. An error says that the connection must not be used
	// any more; each letter's own fate has been told by then.
	Carry(c *Conn, next func() *Letter) error
}
