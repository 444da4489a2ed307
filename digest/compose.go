package digest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"broadsheet/mailer"
	"broadsheet/subscribers"
)

// What a composer keeps, in octets: fragments of a day's stories, and digests, of some 2 KB each.
// These must have room for all deliveries that a process has in hand, lest one is prepared in vain.
const (
	fragmentMemory = 24 << 20
	formMemory     = 6 << 20
)

// Composer puts mails together from a delivery and its stored digest, and from nothing else, so
// that a copy is the same to the byte. It meets mailer.Composer and is safe for many goroutines.
// It is made by [NewComposer].
type Composer struct {
	archive Archive
	keys    *subscribers.Keys
	domain  string
	desks   sync.Pool // of *writing

	mu        sync.Mutex // taken once for a mail whose digest is at hand
	fragments *lru[int64, *kept]
	forms     *lru[int64, *form]
	issues    *lru[int64, *occasion]
	zones     map[string]*time.Location
}

var (
	_ mailer.Composer = (*Composer)(nil)
	_ mailer.Preparer = (*Composer)(nil)
)

// occasion is what of an issue never changes once it is on record.
type occasion struct {
	Issue
	wall int64
}

// NewComposer makes a composer. domain is that of From: Message-IDs are in the digest already,
// return paths are made with it. archive may be nil if only [Composer.Message] is used.
func NewComposer(archive Archive, keys *subscribers.Keys, domain string) *Composer {
	c := &Composer{
		archive:   archive,
		keys:      keys,
		domain:    domainOf(domain),
		fragments: newLRU[int64, *kept](fragmentMemory),
		forms:     newLRU[int64, *form](formMemory),
		issues:    newLRU[int64, *occasion](256),
		zones:     map[string]*time.Location{},
	}
	c.fragments.busy = func(k *kept) bool { return k.used.Swap(false) }
	c.fragments.gone = func(k *kept) { k.text.Store(nil) }
	c.desks.New = func() any { return &writing{c: c} }
	return c
}

// Compose makes the mail of a delivery. Same (Slot, Subscriber, Digest, Date, KeyID, Address),
// same bytes. buf may become the body. It allocates nothing if the digest is at hand and buf is
// large enough, but for a block now and then that return paths are cut from.
func (c *Composer) Compose(ctx context.Context, d *mailer.Delivery, buf []byte) (mailer.Message, error) {
	w := c.desks.Get().(*writing)
	defer w.leave()
	c.mu.Lock()
	i, okIssue := c.issues.get(d.Issue)
	f, okForm := c.forms.get(d.Digest)
	c.mu.Unlock()
	var err error
	if !okIssue {
		if i, err = c.loadIssue(ctx, d.Issue); err != nil {
			return mailer.Message{}, fmt.Errorf("compose mail: %w", err)
		}
	}
	if !okForm {
		if f, err = c.loadForm(ctx, d.Digest); err != nil {
			return mailer.Message{}, fmt.Errorf("compose mail: %w", err)
		}
	}
	if w.texts = f.texts(w.texts[:0]); len(w.texts) < len(f.from) {
		if f, w.texts, err = c.renew(ctx, d.Digest, f, w.texts); err != nil {
			return mailer.Message{}, fmt.Errorf("compose mail: %w", err)
		}
	}
	return w.fill(f, i, d, buf, false)
}

// Prepare fetches the digests of deliveries that are about to be composed, in a few reads for
// all of them: singly each takes a read of its own, which costs more than its mail. It does for
// some 500 deliveries at a time, those of a batch. An error costs time only: Compose fetches what
// is not there. It meets mailer.Preparer.
func (c *Composer) Prepare(ctx context.Context, deliveries []mailer.Delivery) error {
	var ids []int64
	c.mu.Lock()
	for n := range deliveries {
		id := deliveries[n].Digest
		if _, ok := c.forms.get(id); !ok && id != 0 {
			ids = append(ids, id)
		}
	}
	c.mu.Unlock()
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		return nil
	}
	if _, err := c.load(ctx, ids); err != nil {
		return fmt.Errorf("prepare mails: %w", err)
	}
	return nil
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
	var p Packer
	f, err := c.newForm(Packed{Zone: []byte(dg.Zone), Subject: []byte(dg.Subject), Body: p.Pack(dg, make([]int64, len(dg.Pieces)))})
	if err != nil {
		return mailer.Message{}, fmt.Errorf("compose mail: %w", err)
	}
	w := c.desks.Get().(*writing)
	defer w.leave()
	w.texts = w.texts[:0]
	for n, p := range dg.Pieces {
		t, err := parseFragment(p.Fragment.Body)
		if err != nil {
			return mailer.Message{}, fmt.Errorf("compose mail: piece %d: %w", n, err)
		}
		w.texts = append(w.texts, t)
	}
	return w.fill(f, &occasion{*i, i.Wall()}, d, buf, test)
}

func (c *Composer) loadIssue(ctx context.Context, id int64) (*occasion, error) {
	got, err := c.archive.Issue(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("load issue %d: %w", id, err)
	}
	i := &occasion{got, got.Wall()}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.issues.put(id, i, 1)
	return i, nil
}

// zone loads a time zone once.
func (c *Composer) zone(name []byte) (*time.Location, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if zone := c.zones[string(name)]; zone != nil {
		return zone, nil
	}
	zone, err := time.LoadLocation(string(name))
	if err != nil {
		return nil, err
	}
	c.zones[string(name)] = zone
	return zone, nil
}
