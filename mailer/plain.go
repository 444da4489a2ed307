package mailer

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// plain is the dialogue that every relay understands: MAIL, RCPT, DATA, content, each answered
// before the next is said. Four round trips a message, nothing beside them (RFC 5321 section 3.3).
type plain struct{}

func (plain) Carry(c *Conn, o Office) error {
	for {
		if err := c.inStep(); err != nil {
			return err // before a letter is taken that has nothing to do with it
		}
		l := o.Next(true)
		if l == nil {
			return nil
		}
		verb, reply, err := c.transact(&l.Message, func() error { return o.Hand(l) })
		o.Done(l, verb, reply, err)
		if _, unsent := errors.AsType[*Unsendable](err); unsent {
			continue
		}
		if err != nil {
			return err
		}
		if open, err := afterwards(verb, reply); err != nil {
			return err
		} else if open {
			// RFC 5321 section 4.1.1.5. A refused recipient or DATA leaves the transaction open,
			// and the next MAIL would be answered "503 nested".
			r, err := c.command(c.timeouts.Command, "RSET")
			if err != nil || r.Code != 250 {
				return fmt.Errorf("reset the transaction: %s: %w", r, errors.Join(ErrProtocol, err))
			}
		}
	}
}

// afterwards says whether a transaction is still open after the reply that ended a try, or that
// the connection is of no more use.
func afterwards(verb Verb, r Reply) (open bool, err error) {
	switch {
	case r.Code == 421:
		return false, errors.New("relay closes the connection")
	case r.Code == 503:
		return false, fmt.Errorf("%w: %s to %s", ErrProtocol, r, verb)
	case verb == Dot && r.class() == 2:
		return false, nil
	case r.class() != 4 && r.class() != 5:
		return false, fmt.Errorf("%w: %s to %s", ErrProtocol, r, verb)
	}
	return verb == Rcpt || verb == Data, nil
}

// transact tries one message and says where it ended. hand, if not nil, must allow the last octets.
func (c *Conn) transact(m *Message, hand func() error) (Verb, Reply, error) {
	from, to, wide, err := c.envelope(m)
	if err != nil {
		return Mail, Reply{}, err
	}
	c.utf8Text = wide
	param := ""
	if c.hasSize {
		param += " SIZE=" + strconv.Itoa(len(m.Body))
	}
	if m.EightBit {
		param += " BODY=8BITMIME"
	}
	if wide {
		param += " SMTPUTF8"
	}
	r, err := c.command(c.timeouts.Command, "MAIL FROM:<", from, ">", param)
	if err != nil || r.Code != 250 {
		return Mail, r, err
	}
	r, err = c.command(c.timeouts.Command, "RCPT TO:<", to, ">")
	if err != nil || r.Code != 250 && r.Code != 251 {
		return Rcpt, r, err
	}
	r, err = c.command(c.timeouts.Data, "DATA")
	if err != nil || r.Code != 354 {
		return Data, r, err
	}
	c.guard.within(c.timeouts.Command, false)
	c.stuffed(m.Body[:len(m.Body)-2])
	if err := c.w.Flush(); err != nil {
		return Data, Reply{}, err
	}
	if err := c.inStep(); err != nil {
		return Data, Reply{}, err
	}
	if hand != nil {
		if err := hand(); err != nil {
			return Data, Reply{}, err
		}
	}
	c.guard.within(c.timeouts.Dot, true)
	before := c.guard.sentSoFar()
	_, _ = c.w.WriteString("\r\n.\r\n")
	if err := c.w.Flush(); err != nil {
		if c.guard.sentSoFar() == before {
			return Data, Reply{}, err // nothing of it left: the connection was gone already
		}
		return Dot, Reply{}, err
	}
	r, err = ReadReply(c.r, c.utf8Text)
	return Dot, r, err
}

// envelope checks that the message can go over this connection before anything is said.
func (c *Conn) envelope(m *Message) (from, to string, wide bool, err error) {
	from, wideFrom, err := wireAddress(m.ReturnPath)
	if err != nil {
		return "", "", false, &Unsendable{Reason: "return path", Err: err}
	}
	to, wideTo, err := wireAddress(m.Recipient)
	if err != nil {
		return "", "", false, &Unsendable{Reason: "recipient", Err: err}
	}
	wide = wideFrom || wideTo || m.UTF8
	eight, err := checkBody(m.Body)
	switch {
	case err != nil:
		return "", "", false, &Unsendable{Reason: "compose", Err: err}
	case eight && !m.EightBit && !m.UTF8:
		return "", "", false, &Unsendable{Reason: "compose", Err: errors.New("body is 8-bit and does not say so")}
	case wide && !c.utf8:
		return "", "", false, &Unsendable{Reason: ReasonNoUTF8}
	case m.EightBit && !c.eightBit:
		return "", "", false, &Unsendable{Reason: ReasonNo8Bit}
	case c.maxSize > 0 && int64(len(m.Body)) > c.maxSize:
		return "", "", false, &Unsendable{Reason: ReasonTooBig}
	}
	return from, to, wide, nil
}

// stuffed writes b with a dot before each line that begins with one (RFC 5321 section 4.5.2).
// Stretches between such lines go out whole, past the writer's small buffer.
func (c *Conn) stuffed(b []byte) {
	if len(b) > 0 && b[0] == '.' {
		_ = c.w.WriteByte('.')
	}
	for {
		i := bytes.Index(b, []byte("\n."))
		if i < 0 {
			_, _ = c.w.Write(b)
			return
		}
		_, _ = c.w.Write(b[:i+1])
		_ = c.w.WriteByte('.')
		b = b[i+1:]
	}
}
