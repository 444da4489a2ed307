package mailer

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// chunking is the dialogue of RFC 3030 with RFC 2920: a letter is MAIL, RCPT and BDAT with the
// whole content, and waits for no reply before it. Up to [Office.Window] letters are on their way
// at once, fewer if the relay is near; up to half of them leave in one write, so that the pipe is
// never empty.
type chunking struct{}

const (
	// maxGroup is how many letters leave in one write at most: each keeps its buffer until then.
	maxGroup = 4
	// A relay that answers within nearWait is kept busy by nearWindow letters, nearGroup a write.
	// More would wait in the network's buffers, past the processor's caches: measured to cost a third.
	nearWait   = time.Millisecond
	nearWindow = 8
	nearGroup  = 2
)

func (chunking) Carry(c *Conn, o Office) error {
	s := chunks{c: c, o: o}
	for {
		for s.fill() {
		}
		if len(s.away) == 0 {
			return s.over
		}
		start := now()
		s.bringIn()
		s.waited = max(now().Sub(start), s.waited*15/16)
	}
}

// chunks is one connection's chunking dialogue.
type chunks struct {
	c      *Conn
	o      Office
	away   []flight      // taken from the office and not told of yet, in order
	proved bool          // a message was taken: what comes after BDAT is not read as commands
	waited time.Duration // for a reply, of late
	open   bool          // the last letter that was brought in may have left a transaction open
	over   error         // why no more letters go
	deaf   error         // why no more replies can be had
}

// fill sends a group of letters if there is room for it and they are at hand.
func (s *chunks) fill() bool {
	window := max(1, s.o.Window())
	if !s.proved {
		window = 1 // a relay that does not know BDAT must not get more than one content to run as commands
	}
	group := maxGroup
	if s.waited < nearWait {
		window, group = min(window, nearWindow), nearGroup
	}
	group = min(group, (window+1)/2)
	first := len(s.away)
	if s.over != nil || first > window-group {
		return false
	}
	if first == 0 {
		if s.over = s.c.inStep(); s.over != nil {
			return false // before a letter is taken that has nothing to do with it
		}
	}
	for len(s.away)-first < group {
		f, ok := s.c.take(s.o, len(s.away) == 0)
		if !ok {
			break
		}
		s.away = append(s.away, f)
	}
	s.send(s.away[first:], first > 0)
	return len(s.away) > first
}

// send hands a group of letters and writes it. behind says that others are away before it.
func (s *chunks) send(group []flight, behind bool) {
	c := s.c
	c.start()
	for i := range group {
		f := &group[i]
		switch {
		case f.unfit != nil:
			continue
		case s.over != nil:
			f.stayedAt, f.stayed = Mail, errNotTried
			continue
		}
		if err := s.o.Hand(f.letter); err != nil {
			f.stayedAt, f.stayed, s.over = Data, err, err
			continue
		}
		// The letter before may yet be refused and leave a transaction open, in which this one's
		// recipient would come under that one's sender (RFC 3030 section 2: the state is indeterminate).
		f.reset, behind, s.open = behind || s.open, true, false
		f.begin = c.size()
		if f.reset {
			c.text("RSET\r\n")
		}
		c.mail(f)
		c.rcpt(f)
		c.text("BDAT ")
		c.out = strconv.AppendInt(c.out, int64(len(f.letter.Message.Body)), 10)
		c.text(" LAST\r\n")
		c.block(f.letter.Message.Body)
		f.end = c.size()
	}
	if c.size() == 0 {
		return
	}
	taken, err := c.leave(c.timeouts.Command, behind)
	for i := range group {
		f := &group[i]
		if f.unfit != nil || f.stayed != nil {
			continue
		}
		f.letter.Written()
		switch {
		case err == nil, taken >= f.end:
		case taken > f.begin:
			f.stayedAt, f.stayed = Data, err
		default:
			f.stayedAt, f.stayed = Mail, err
		}
	}
	if err != nil {
		s.over = errors.Join(s.over, err)
	}
}

// bringIn brings the letter that has been away for longest to its end.
func (s *chunks) bringIn() {
	f := &s.away[0]
	verb, reply, err := Dot, Reply{}, s.deaf
	switch {
	case f.unfit != nil:
		verb, err = Mail, f.unfit
	case f.stayed != nil:
		verb, err = f.stayedAt, f.stayed
	case s.deaf == nil:
		verb, reply, err = s.hear(f)
	}
	s.o.Done(f.letter, verb, reply, err)
	n := copy(s.away, s.away[1:])
	s.away[n] = flight{}
	s.away = s.away[:n]
}

// hear reads the replies to f, whose content has left. A letter that was refused on the way keeps
// that end even if the connection is lost before its last reply, for nobody is left to get it.
func (s *chunks) hear(f *flight) (Verb, Reply, error) {
	if f.reset {
		r, err := s.c.hear(rset, f.wide, true)
		if err == nil {
			err = s.fits(rset, r, false)
		}
		if err != nil {
			return Dot, Reply{}, s.lose(err)
		}
	}
	var (
		at    Verb // where it was refused
		said  Reply
		doubt error // a refusal that may be about something else: BDAT's own must come with it
		last  Reply
	)
	for _, verb := range [...]Verb{Mail, Rcpt, Dot} {
		r, err := s.c.hear(verb, f.wide, true)
		if err != nil {
			if _ = s.lose(err); at != "" && doubt == nil {
				return at, said, nil
			}
			return Dot, Reply{}, err
		}
		if err := s.fits(verb, r, at != ""); err != nil {
			if !refuses(r) && !(verb == Rcpt && agrees(verb, r)) {
				return Dot, Reply{}, s.lose(err)
			}
			doubt = err
		}
		if last = r; at == "" && !agrees(verb, r) {
			at, said = verb, r
		}
	}
	s.proved, s.open = s.proved || at == "", at != ""
	if doubt != nil {
		_ = s.lose(doubt)
	}
	switch {
	case at == "":
		return Dot, last, nil
	case at == Dot && (said.Code == 500 || said.Code == 502):
		// It is not the message's fault that what EHLO offers is not there (RFC 5321 section 4.2.4).
		_ = s.lose(fmt.Errorf("%w: CHUNKING is offered and BDAT answered %s", ErrProtocol, said))
		return Data, Reply{}, errNoBDAT
	}
	return at, said, nil
}

var errNoBDAT = errors.New("relay does not know BDAT")

// fits is as the function, but hears out a relay that takes its leave: what is away may have
// been taken, and replies to it may still come.
func (s *chunks) fits(verb Verb, r Reply, after bool) error {
	err := fits(verb, r, after)
	if errors.Is(err, errClosing) {
		s.over, err = errors.Join(s.over, err), nil
	}
	return err
}

// lose gives up hearing: what is away beyond its last octet is in doubt.
func (s *chunks) lose(err error) error {
	s.deaf, s.over = err, errors.Join(s.over, err)
	return err
}
