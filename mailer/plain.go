package mailer

import "fmt"

// plain is the dialogue that every relay understands: MAIL, RCPT, DATA, content, each answered
// before the next is said. Four round trips a message, nothing beside them (RFC 5321 section 3.3).
type plain struct{}

func (plain) Carry(c *Conn, o Office) error {
	for {
		if err := c.inStep(); err != nil {
			return err // before a letter is taken that has nothing to do with it
		}
		f, ok := c.take(o, true)
		if !ok {
			return nil
		}
		if f.unfit != nil {
			o.Done(f.letter, Mail, Reply{}, f.unfit)
			continue
		}
		verb, reply, err := c.transact(&f, o)
		o.Done(f.letter, verb, reply, err)
		if err == nil {
			err = fits(verb, reply, false)
		}
		if err != nil {
			return err
		}
		if verb == Rcpt || verb == Data {
			// RFC 5321 section 4.1.1.5. A refused recipient or DATA leaves the transaction open,
			// and the next MAIL would be answered "503 nested".
			c.start()
			c.text("RSET\r\n")
			r, err := c.ask(rset, false)
			if err == nil {
				err = fits(rset, r, false)
			}
			if err != nil {
				return fmt.Errorf("reset the transaction: %w", err)
			}
		}
	}
}

// transact tries one message and says where it ended. o may be nil: then nothing is written down.
func (c *Conn) transact(f *flight, o Office) (Verb, Reply, error) {
	c.start()
	c.mail(f)
	if r, err := c.ask(Mail, f.wide); err != nil || !agrees(Mail, r) {
		return Mail, r, err
	}
	c.start()
	c.rcpt(f)
	if r, err := c.ask(Rcpt, f.wide); err != nil || !agrees(Rcpt, r) {
		return Rcpt, r, err
	}
	c.start()
	c.text("DATA\r\n")
	if r, err := c.ask(Data, f.wide); err != nil || !agrees(Data, r) {
		return Data, r, err
	}
	// All but the end goes ahead, so that the letter is in doubt no longer than it must be.
	content := c.stuffed(&f.letter.Message)
	c.start()
	c.block(content[:len(content)-2])
	if _, err := c.leave(c.timeouts.Command, false); err != nil {
		return Data, Reply{}, err
	}
	f.letter.Written()
	if err := c.inStep(); err != nil {
		return Data, Reply{}, err
	}
	if o != nil {
		if err := o.Hand(f.letter); err != nil {
			return Data, Reply{}, err
		}
	}
	c.start()
	c.text("\r\n.\r\n")
	if taken, err := c.leave(c.timeouts.Command, true); err != nil && taken == 0 {
		return Data, Reply{}, err // nothing of it left: the connection was gone already
	}
	r, err := c.hear(Dot, f.wide, true)
	return Dot, r, err
}
