package mailer

import (
	"fmt"
	"testing"
)

// office is an Office with a pile of messages. It holds a dialogue to what an office may expect:
// each letter ended once, in order, and no more than window of them handed and not ended.
type office struct {
	t      testing.TB
	window int
	onHand func(*Letter) error // may be nil
	holdUp func(n int) bool    // whether letter n (from 0) is not at hand without waiting; may be nil

	pile    []*Letter
	given   int
	handed  map[*Letter]bool
	out     int // handed and not ended
	mostOut int
	ends    []end
}

// end is where a letter's try ended.
type end struct {
	verb   Verb
	reply  Reply
	err    error
	handed bool
}

func newOffice(t testing.TB, window int, messages ...Message) *office {
	d := &office{t: t, window: window, handed: map[*Letter]bool{}}
	for _, m := range messages {
		d.pile = append(d.pile, &Letter{Message: m})
	}
	return d
}

// mails are n different messages to reader1@example.org and so on.
func mails(n int) (out []Message) {
	for i := range n {
		out = append(out, Message{ReturnPath: fmt.Sprintf("bounce+%d@lantern.example", i+1), Recipient: fmt.Sprintf("reader%d@example.org", i+1),
			Body: fmt.Appendf(nil, "Subject: %d\r\n\r\n.a dot\r\nand more\r\n.\r\n", i+1), ID: fmt.Sprintf("m%d", i+1)})
	}
	return out
}

func (d *office) Next(wait bool) *Letter {
	if d.given == len(d.pile) || !wait && d.holdUp != nil && d.holdUp(d.given) {
		return nil
	}
	d.given++
	return d.pile[d.given-1]
}

func (d *office) Hand(l *Letter) error {
	if d.onHand != nil {
		if err := d.onHand(l); err != nil {
			return err
		}
	}
	if d.handed[l] {
		d.t.Error("a letter was handed twice")
	}
	d.handed[l] = true
	d.out++
	if d.mostOut = max(d.mostOut, d.out); d.out > d.window {
		d.t.Errorf("%d letters are in doubt, %d may be", d.out, d.window)
	}
	return nil
}

func (d *office) Window() int { return d.window }

func (d *office) Done(l *Letter, verb Verb, reply Reply, err error) {
	n := len(d.ends)
	if n >= d.given || d.pile[n] != l {
		d.t.Errorf("end %d is another letter's: %s %v %v", n, verb, reply, err)
	}
	d.ends = append(d.ends, end{verb, reply, err, d.handed[l]})
	if verb == Dot && !d.handed[l] {
		d.t.Errorf("letter %d ended at the dot and was not handed", n)
	}
	if d.handed[l] {
		d.out--
	}
}

// String is how the letters ended, for comparison: "dot 250", "mail lost", …
func (e end) String() string {
	switch {
	case e.err != nil:
		return string(e.verb) + " lost"
	default:
		return fmt.Sprintf("%s %d", e.verb, e.reply.Code)
	}
}
