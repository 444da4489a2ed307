package digest

import (
	"context"
	"errors"
	"fmt"
	"html"
	"slices"
	"sync"
	"time"

	"broadsheet/mailer"
	"broadsheet/subscribers"
)

// composerMemory bounds the digests and the fragments that a composer keeps, in octets each.
const composerMemory = 24 << 20

// Composer puts mails together from a delivery and its stored digest, and from nothing else, so
// that a copy is the same to the byte. It meets mailer.Composer and is safe for many goroutines.
// It is made by [NewComposer].
type Composer struct {
	archive Archive
	keys    *subscribers.Keys
	domain  string

	mu        sync.Mutex
	fragments *lru[int64, []segment]
	forms     *lru[int64, *form]
	issues    *lru[int64, *Issue]
}

var _ mailer.Composer = (*Composer)(nil)

// form is a digest ready to be filled. It knows its fragments by id, so that what is kept of
// them has one bound.
type form struct {
	subject   string
	zone      *time.Location
	fragments []int64
	values    [][]string
}

// NewComposer makes a composer. domain is that of From: Message-IDs are in the digest already,
// return paths are made with it. archive may be nil if only [Composer.Message] is used.
func NewComposer(archive Archive, keys *subscribers.Keys, domain string) *Composer {
	return &Composer{
		archive:   archive,
		keys:      keys,
		domain:    domainOf(domain),
		fragments: newLRU[int64, []segment](composerMemory),
		forms:     newLRU[int64, *form](composerMemory),
		issues:    newLRU[int64, *Issue](256),
	}
}

// Compose makes the mail of a delivery. Same (Slot, Subscriber, Digest, Date, KeyID, Address),
// same bytes. buf may become the body.
func (c *Composer) Compose(ctx context.Context, d *mailer.Delivery, buf []byte) (mailer.Message, error) {
	i, err := c.issue(ctx, d.Issue)
	if err != nil {
		return mailer.Message{}, fmt.Errorf("compose mail: %w", err)
	}
	f, err := c.form(ctx, d.Digest)
	if err != nil {
		return mailer.Message{}, fmt.Errorf("compose mail: %w", err)
	}
	pieces := make([][]segment, len(f.fragments))
	if err := c.pieces(ctx, f.fragments, pieces); err != nil {
		return mailer.Message{}, fmt.Errorf("compose mail: %w", err)
	}
	return c.fill(f, pieces, i, d, buf, false)
}

// Message makes the mail of a delivery whose digest is at hand, as preview does: the same bytes
// that Compose gives for it. A Date that is zero becomes that of the slot.
func (c *Composer) Message(dg *Digest, i *Issue, d *mailer.Delivery, buf []byte) (mailer.Message, error) {
	return c.direct(dg, i, d, buf, false)
}

// Test makes a test copy: its links never open, its subject says what it is, and a bounce of it
// means nothing.
func (c *Composer) Test(dg *Digest, i *Issue, d *mailer.Delivery, buf []byte) (mailer.Message, error) {
	return c.direct(dg, i, d, buf, true)
}

func (c *Composer) direct(dg *Digest, i *Issue, d *mailer.Delivery, buf []byte, test bool) (mailer.Message, error) {
	f, err := newForm(dg)
	if err != nil {
		return mailer.Message{}, fmt.Errorf("compose mail: %w", err)
	}
	pieces := make([][]segment, len(dg.Pieces))
	for n, p := range dg.Pieces {
		if pieces[n], err = parse(p.Fragment.Body); err != nil {
			return mailer.Message{}, fmt.Errorf("compose mail: piece %d: %w", n, err)
		}
	}
	return c.fill(f, pieces, i, d, buf, test)
}

func newForm(d *Digest) (*form, error) {
	zone, err := time.LoadLocation(d.Zone)
	if err != nil {
		return nil, fmt.Errorf("read digest %d: %w", d.ID, err)
	}
	f := &form{subject: d.Subject, zone: zone}
	for _, p := range d.Pieces {
		f.fragments = append(f.fragments, p.Fragment.ID)
		f.values = append(f.values, p.Values)
	}
	return f, nil
}

// form fetches a digest.
func (c *Composer) form(ctx context.Context, id int64) (*form, error) {
	c.mu.Lock()
	f, ok := c.forms.get(id)
	c.mu.Unlock()
	if ok {
		return f, nil
	}
	d, err := c.archive.Digest(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("load digest %d: %w", id, err)
	}
	if f, err = newForm(d); err != nil {
		return nil, err
	}
	weight := 256
	for _, values := range f.values {
		weight += 32
		for _, v := range values {
			weight += 16 + len(v)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forms.put(id, f, weight)
	return f, nil
}

// pieces finds the fragments with the given ids, and fetches those that are not at hand.
func (c *Composer) pieces(ctx context.Context, ids []int64, into [][]segment) error {
	var missing []int64
	c.mu.Lock()
	for n, id := range ids {
		var ok bool
		if into[n], ok = c.fragments.get(id); !ok && !slices.Contains(missing, id) {
			missing = append(missing, id)
		}
	}
	c.mu.Unlock()
	if len(missing) == 0 {
		return nil
	}
	found, err := c.archive.Fragments(ctx, missing)
	if err != nil {
		return fmt.Errorf("load fragments: %w", err)
	}
	for _, id := range missing {
		if found[id] == nil {
			return fmt.Errorf("load fragments: fragment %d is missing", id)
		}
		segs, err := parse(found[id].Body)
		if err != nil {
			return fmt.Errorf("read fragment %d: %w", id, err)
		}
		for n := range ids {
			if ids[n] == id {
				into[n] = segs
			}
		}
		c.mu.Lock()
		c.fragments.put(id, segs, len(found[id].Body)+80*len(segs)+256)
		c.mu.Unlock()
	}
	return nil
}

// issue fetches what of an issue never changes once it is on record.
func (c *Composer) issue(ctx context.Context, id int64) (*Issue, error) {
	c.mu.Lock()
	i, ok := c.issues.get(id)
	c.mu.Unlock()
	if ok {
		return i, nil
	}
	got, err := c.archive.Issue(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("load issue %d: %w", id, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.issues.put(id, &got, 1)
	return &got, nil
}

// fill writes the mail: fixed text, values, and the marks that belong to the reader.
func (c *Composer) fill(f *form, pieces [][]segment, i *Issue, d *mailer.Delivery, buf []byte, test bool) (mailer.Message, error) {
	if c.keys == nil && !test {
		return mailer.Message{}, errors.New("compose mail: there are no keys")
	}
	w := writing{c: c, form: f, issue: i, wall: i.Wall(), delivery: d, test: test, b: buf[:0]}
	for n, segs := range pieces {
		for k := range segs {
			s := &segs[k]
			w.b = append(w.b, s.text...)
			if s.kind == 0 {
				continue
			}
			if err := w.mark(s, f.values[n]); err != nil {
				return mailer.Message{}, fmt.Errorf("compose mail of subscriber %d: %w", d.Subscriber, err)
			}
		}
	}
	return mailer.Message{
		ReturnPath: "bounce+" + w.returnPath() + "@" + c.domain,
		Recipient:  d.Address,
		Body:       w.b,
		EightBit:   w.utf8,
		UTF8:       w.utf8,
	}, nil
}

// writing is one mail being written.
type writing struct {
	c        *Composer
	form     *form
	issue    *Issue
	wall     int64 // of the issue
	delivery *mailer.Delivery
	test     bool
	utf8     bool
	field    mailer.Header
	b        []byte
}

func (w *writing) mark(s *segment, values []string) error {
	if (s.kind == markValue || s.kind == markSubject) && s.value >= len(values) {
		return fmt.Errorf("value %d of a piece is missing", s.value)
	}
	switch s.kind {
	case markValue:
		w.b = append(w.b, values[s.value]...)
	case markSubject:
		if !w.test {
			w.b = append(w.b, values[s.value]...)
			return nil
		}
		w.field.Reset()
		w.field.Add("Subject", mailer.NewLine("[Test] "+w.form.subject))
		return w.append()
	case markLink:
		return w.token(s.action, true)
	case markOneClick:
		return w.token(s.action, false)
	case markDate:
		w.field.Reset()
		w.field.AddDate("Date", w.date().In(w.form.zone))
		return w.append()
	case markTo:
		w.field.Reset()
		w.field.AddAddress("To", mailer.Line{}, w.delivery.Address)
		w.utf8 = w.field.NeedsUTF8()
		return w.append()
	case markID:
		if w.test {
			w.b = fmt.Appendf(w.b, "test.%d", w.date().UnixNano())
			return nil
		}
		w.b = append(w.b, w.c.keys.MessageID(w.issue.Edition, w.issue.Slot, w.delivery.Subscriber)...)
	case markDelivery:
		w.b = append(w.b, w.returnPath()...)
	case markAddress:
		w.b = append(w.b, quoteValue(html.EscapeString(w.delivery.Address))...)
	case markAddrText:
		w.b = append(w.b, quoteValue(w.delivery.Address)...)
	}
	return nil
}

func (w *writing) append() error {
	b, err := w.field.AppendTo(w.b)
	w.b = b
	return err
}

// date is that of the delivery; before its first try it is the slot's.
func (w *writing) date() time.Time {
	if w.delivery.Date.IsZero() {
		return w.issue.Due
	}
	return w.delivery.Date
}

// returnPath names the delivery where a mail comes back.
func (w *writing) returnPath() string {
	if w.test {
		return "test"
	}
	return w.c.keys.ReturnPath(w.issue.EditionID, w.wall, w.delivery.Subscriber)
}

// token writes the token of a link; one that is too long for a line of the body is broken.
func (w *writing) token(a subscribers.Action, breaks bool) error {
	a.Edition, a.Slot, a.Subscriber = w.issue.EditionID, w.wall, w.delivery.Subscriber
	start := len(w.b)
	if w.test {
		w.b = subscribers.AppendInert(w.b, a)
	} else {
		b, err := w.c.keys.AppendToken(w.b, w.delivery.KeyID, a)
		if err != nil {
			return err
		}
		w.b = b
	}
	for start += maxQuoted; breaks && len(w.b) > start; start += maxQuoted + 3 {
		w.b = append(w.b, "   "...)
		copy(w.b[start+3:], w.b[start:])
		copy(w.b[start:], "=\r\n")
	}
	return nil
}
