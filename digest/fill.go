package digest

import (
	"errors"
	"fmt"
	"html"
	"strings"
	"time"

	"broadsheet/mailer"
	"broadsheet/subscribers"
)

// writing is one mail being written. It is used for one after the other.
type writing struct {
	c        *Composer
	form     *form
	issue    *occasion
	delivery *mailer.Delivery
	test     bool
	utf8     bool
	texts    []*parsed
	b        []byte
	table    []span   // the strings of the form
	values   []uint32 // places in it, of the piece being written
	lines    lines
	field    mailer.Header
	token    []byte // of the delivery, as in the return path
	names    strings.Builder
	mails    uint32 // so far; what links holds of another is void
	links    [128]madeLink
	pen      subscribers.Pen // of the reader
	issuePen subscribers.Pen // of links that are the same for all readers of the issue
	penned   bool            // both are taken for this mail
}

// madeLink is a token that stands in the mail already. The same link is in the HTML and in the
// text part, and the making of tokens is most of the work of a mail.
type madeLink struct {
	link   *link
	mail   uint32
	at, n  uint32
	breaks bool
}

// leave makes w fit for the next mail. It keeps no one else's memory.
func (w *writing) leave() {
	clear(w.texts)
	w.texts = w.texts[:0]
	w.form, w.issue, w.delivery, w.b = nil, nil, nil, nil
	w.c.desks.Put(w)
}

// fill writes the mail: the fragments in w.texts, values, and the marks that belong to the reader.
func (w *writing) fill(f *form, i *occasion, d *mailer.Delivery, buf []byte, test bool) (mailer.Message, error) {
	if w.c.keys == nil && !test {
		return mailer.Message{}, errors.New("compose mail: there are no keys")
	}
	w.form, w.issue, w.delivery, w.test, w.utf8, w.penned, w.lines = f, i, d, test, false, false, lines{}
	if w.mails++; w.mails == 0 {
		clear(w.links[:])
		w.mails = 1
	}
	if test {
		w.token = append(w.token[:0], "test"...)
	} else {
		w.token = w.c.keys.AppendReturnPath(w.token[:0], i.EditionID, i.wall, d.Subscriber)
	}
	size := 0
	for _, t := range w.texts {
		size += t.size
	}
	if w.b = buf[:0]; cap(w.b) < size {
		w.b = make([]byte, 0, size+size/8)
	}
	w.table = f.table(w.table[:0])
	_, at := number(f.text, int(f.pieces))
	for _, t := range w.texts {
		at = w.turn(at)
		for k := range t.segs {
			s := &t.segs[k]
			w.b = append(w.b, s.text...)
			w.lines.add(s.lines)
			if s.kind == 0 {
				continue
			}
			if err := w.mark(s); err != nil {
				return mailer.Message{}, fmt.Errorf("compose mail of subscriber %d: %w", d.Subscriber, err)
			}
		}
	}
	m := mailer.Message{Recipient: d.Address, Body: w.b, EightBit: w.utf8, UTF8: w.utf8, Clean: len(w.b) > 0 && w.lines.clean()}
	m.ReturnPath, m.ID = w.envelope()
	return m, nil
}

// envelope gives the return path and the delivery's name in it. Both are cut from a block that
// is written once.
func (w *writing) envelope() (returnPath, id string) {
	const prefix = "bounce+"
	if n := len(prefix) + len(w.token) + 1 + len(w.c.domain); w.names.Cap()-w.names.Len() < n {
		w.names.Reset()
		w.names.Grow(max(n, 4096))
	}
	start := w.names.Len()
	w.names.WriteString(prefix)
	w.names.Write(w.token)
	w.names.WriteByte('@')
	w.names.WriteString(w.c.domain)
	returnPath = w.names.String()[start:]
	return returnPath, returnPath[len(prefix):][:len(w.token)]
}

// turn goes on to the piece at that place of the form's text; next is where the one behind it is.
func (w *writing) turn(at int) (next int) {
	text := w.form.text
	_, at = number(text, at)
	count, at := number(text, at)
	w.values = w.values[:0]
	for range count {
		var place int
		place, at = number(text, at)
		w.values = append(w.values, uint32(place))
	}
	return at
}

// mark fills the mark behind s, a segment of the piece.
func (w *writing) mark(s *segment) error {
	switch s.kind {
	case markLink:
		return w.writeLink(s.link, true)
	case markOneClick:
		return w.writeLink(s.link, false)
	case markValue, markSubject:
		if int(s.value) >= len(w.values) {
			return fmt.Errorf("value %d of a piece is missing", s.value)
		}
		if s.kind == markValue || !w.test {
			place := w.values[s.value]
			v := w.form.text[w.table[place].start:w.table[place].end]
			w.b = append(w.b, v...)
			if w.form.tame(place) {
				w.lines.inline(len(v))
			} else {
				w.lines.add(stretchOf(v))
			}
			return nil
		}
	}
	start := len(w.b)
	var err error
	switch s.kind {
	case markSubject:
		w.field.Reset()
		w.field.Add("Subject", mailer.NewLine("[Test] "+string(w.form.text[:w.form.subject])))
		w.b, err = w.field.AppendTo(w.b)
	case markDate:
		w.field.Reset()
		w.field.AddDate("Date", w.date().In(w.form.zone))
		w.b, err = w.field.AppendTo(w.b)
	case markTo:
		w.field.Reset()
		w.field.AddAddress("To", mailer.Line{}, w.delivery.Address)
		w.utf8 = w.field.NeedsUTF8()
		w.b, err = w.field.AppendTo(w.b)
	case markID:
		if w.test {
			w.b = fmt.Appendf(w.b, "test.%d", w.date().UnixNano())
		} else {
			w.b = w.c.keys.AppendMessageID(w.b, w.issue.Edition, w.issue.Slot, w.delivery.Subscriber)
		}
	case markDelivery:
		w.b = append(w.b, w.token...)
	case markBox:
		if w.test {
			w.b = append(w.b, w.token...)
		} else {
			w.b = w.c.keys.AppendBox(w.b, subscribers.Box(s.value), w.issue.EditionID, w.issue.wall, w.delivery.Subscriber)
		}
	case markAddress:
		w.b = appendQuoted(w.b, html.EscapeString(w.delivery.Address))
	case markAddrText:
		w.b = appendQuoted(w.b, w.delivery.Address)
	}
	w.lines.add(stretchOf(w.b[start:]))
	return err
}

// date is that of the delivery; before its first try it is the slot's.
func (w *writing) date() time.Time {
	if w.delivery.Date.IsZero() {
		return w.issue.Due
	}
	return w.delivery.Date
}

// writeLink writes the token of a link; with breaks, one that is too long for a line of the body
// is broken.
func (w *writing) writeLink(l *link, breaks bool) error {
	var place *madeLink
	for n := range uint32(8) { // if all these are taken the token is made anew
		e := &w.links[(l.hash+n)%uint32(len(w.links))]
		if e.mail != w.mails {
			place = e
			break
		}
		if e.breaks == breaks && (e.link == l || *e.link == *l) {
			w.b = append(w.b, w.b[e.at:e.at+e.n]...)
			w.endLink(int(e.n), breaks)
			return nil
		}
	}
	start := len(w.b)
	if w.test {
		a := subscribers.Action{Kind: l.kind, Edition: w.issue.EditionID, Slot: w.issue.wall, Story: l.story, Section: l.section}
		if !l.ofIssue() {
			a.Subscriber = w.delivery.Subscriber
		}
		w.b = subscribers.AppendInert(w.b, a)
	} else {
		if !w.penned {
			if err := w.pen.Take(w.c.keys, w.delivery.KeyID, w.issue.EditionID, w.issue.wall, w.delivery.Subscriber); err != nil {
				return err
			}
			if err := w.issuePen.Take(w.c.keys, w.delivery.KeyID, w.issue.EditionID, w.issue.wall, 0); err != nil {
				return err
			}
			w.penned = true
		}
		pen := &w.pen
		if l.ofIssue() {
			pen = &w.issuePen
		}
		b, err := pen.AppendToken(w.b, l.kind, l.story, l.section)
		if err != nil {
			return err
		}
		w.b = b
	}
	for at := start + maxQuoted; breaks && len(w.b) > at; at += maxQuoted + 3 {
		w.b = append(w.b, "   "...)
		copy(w.b[at+3:], w.b[at:])
		copy(w.b[at:], "=\r\n")
	}
	n := len(w.b) - start
	if place != nil {
		*place = madeLink{l, w.mails, uint32(start), uint32(n), breaks}
	}
	w.endLink(n, breaks)
	return nil
}

// endLink tells the lines of the n octets of a token at the end.
func (w *writing) endLink(n int, breaks bool) {
	if breaks && n > maxQuoted {
		w.lines.add(stretchOf(w.b[len(w.b)-n:]))
	} else {
		w.lines.inline(n)
	}
}
