package mailer

// pipelining is the dialogue of RFC 2920: the content of a message and the envelope of the next,
// up to DATA, which must end a group, leave in one write. One round trip a message.
type pipelining struct{}

func (pipelining) Carry(c *Conn, o Office) error {
	for {
		if err := c.inStep(); err != nil {
			return err // before a letter is taken that has nothing to do with it
		}
		f, more := c.take(o, true)
		if !more {
			return nil
		}
		if f.unfit != nil {
			o.Done(f.letter, Mail, Reply{}, f.unfit)
			continue
		}
		c.start()
		c.envelope(&f)
		if _, err := c.leave(c.timeouts.Command, false); err != nil {
			o.Done(f.letter, Mail, Reply{}, err)
			return err
		}
		for more {
			var err error
			if f, more, err = c.step(f, o); err != nil {
				return err
			}
		}
	}
}

// envelope puts all that comes before the content into the group.
func (c *Conn) envelope(f *flight) {
	c.mail(f)
	c.rcpt(f)
	c.text("DATA\r\n")
}

// answers is what the relay said to an envelope.
type answers struct {
	verb  Verb // the first that was not agreed to; "": content may come
	reply Reply
	err   error // why there was no reply to verb
	open  bool  // a transaction is open that must be reset
	lone  bool  // the relay waits for content, though nobody is to get it
}

// hearEnvelope reads the replies to an envelope, all of them unless one ends the connection,
// which is the error.
func (c *Conn) hearEnvelope(f *flight) (a answers, err error) {
	for _, verb := range [...]Verb{Mail, Rcpt, Data} {
		after := a.verb != ""
		r, err := c.hear(verb, f.wide, false)
		if err != nil {
			if !after {
				a.verb, a.err = verb, err
			}
			return a, err
		}
		if verb == Data && after && agrees(Data, r) {
			a.open, a.lone = false, true // RFC 2920 section 3.1
			return a, nil
		}
		if !after && !agrees(verb, r) {
			a.verb, a.reply = verb, r
		}
		if err := fits(verb, r, after); err != nil {
			return a, err
		}
		if verb == Mail {
			a.open = !refuses(r)
		}
	}
	return a, nil
}

// step brings f, whose envelope is on the wire, to its end. If there is a next letter by then,
// its envelope is on the wire in its turn.
func (c *Conn) step(f flight, o Office) (next flight, more bool, err error) {
	a, err := c.hearEnvelope(&f)
	if a.verb == "" {
		if err = c.inStep(); err == nil {
			return c.deliver(f, o)
		}
		a.verb, a.err = Data, err // an answer to the content that has not been sent
	}
	o.Done(f.letter, a.verb, a.reply, a.err)
	if err != nil {
		return flight{}, false, err
	}
	c.start()
	// RFC 5321 section 4.1.1.5: without a reset the next MAIL would be answered "503 nested".
	verb := rset
	switch {
	case a.lone:
		verb = Dot
		c.text(".\r\n")
	case a.open:
		c.text("RSET\r\n")
	default:
		verb = ""
	}
	if next, more = c.take(o, false); more && next.unfit != nil {
		o.Done(next.letter, Mail, Reply{}, next.unfit)
		more = false
	}
	if more {
		c.envelope(&next)
	}
	if c.size() > 0 {
		_, err = c.leave(c.timeouts.Command, false)
	}
	if err == nil && verb != "" {
		var r Reply
		if r, err = c.hear(verb, f.wide, false); err == nil {
			err = fits(verb, r, a.lone) // a message without content and recipient must be refused
		}
	}
	if err != nil && more {
		o.Done(next.letter, Mail, Reply{}, errNotTried)
	}
	return next, more, err
}

// deliver sends the content of f, for which the relay waits, and the next envelope with it.
func (c *Conn) deliver(f flight, o Office) (next flight, more bool, err error) {
	next, more = c.take(o, false)
	drop := func(err error) {
		switch {
		case !more:
		case next.unfit != nil:
			o.Done(next.letter, Mail, Reply{}, next.unfit)
		case err != nil:
			o.Done(next.letter, Mail, Reply{}, errNotTried)
		default:
			return
		}
		more = false
	}
	if err := o.Hand(f.letter); err != nil {
		o.Done(f.letter, Data, Reply{}, err)
		drop(err)
		return next, more, err
	}
	c.start()
	c.block(c.stuffed(&f.letter.Message))
	c.text(".\r\n")
	end := c.size()
	if more && next.unfit == nil {
		c.envelope(&next)
	}
	taken, err := c.leave(c.timeouts.Command, false)
	f.letter.Written()
	if err != nil && taken < end {
		o.Done(f.letter, Data, Reply{}, err)
		drop(err)
		return next, more, err
	}
	r, heard := c.hear(Dot, f.wide, true)
	o.Done(f.letter, Dot, r, heard)
	switch {
	case err != nil: // the next envelope did not leave whole
	case heard != nil:
		err = heard
	default:
		err = fits(Dot, r, false)
	}
	drop(err)
	return next, more, err
}
