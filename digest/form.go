package digest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// form is a digest ready to be filled. It never changes, but the fragments that it points to may
// be let go meanwhile: then it is made anew.
type form struct {
	subject string
	zone    *time.Location
	from    []*kept    // one for each piece
	values  [][]string // for each piece
	inline  []bool     // for each piece: its values are fit for any line, and hold no line end
}

// kept is the place of a fragment. text is nil once the composer has let it go, so that what it
// keeps of fragments has one bound, however many forms point here.
type kept struct {
	id   int64
	text atomic.Pointer[parsed]
	used atomic.Bool // since a fragment was last let go
}

// parsed is a fragment taken apart.
type parsed struct {
	home *kept
	segs []segment
	size int // octets of text
}

func parseFragment(body []byte) (*parsed, error) {
	segs, err := parse(body)
	return &parsed{segs: segs, size: len(body)}, err
}

func (p *parsed) weight() int {
	n := 256 + p.size + 64*len(p.segs)
	for k := range p.segs {
		if p.segs[k].link != nil {
			n += 96
		}
	}
	return n
}

func (c *Composer) newForm(d *Digest) (*form, error) {
	zone, err := c.zone(d.Zone)
	if err != nil {
		return nil, fmt.Errorf("read digest %d: %w", d.ID, err)
	}
	n := len(d.Pieces)
	f := &form{subject: d.Subject, zone: zone, from: make([]*kept, n), values: make([][]string, n), inline: make([]bool, n)}
	for n := range d.Pieces {
		f.values[n], f.inline[n] = d.Pieces[n].Values, true
		for _, v := range f.values[n] {
			f.inline[n] = f.inline[n] && inline(v)
		}
	}
	return f, nil
}

func (f *form) weight() int {
	n := 512 + len(f.subject)
	for _, values := range f.values {
		n += 40
		for _, v := range values {
			n += 16 + len(v)
		}
	}
	return n
}

// texts appends the fragments to list, up to the first that was let go.
func (f *form) texts(list []*parsed) []*parsed {
	for _, from := range f.from {
		t := from.text.Load()
		if t == nil {
			break
		}
		if !from.used.Load() { // most often it is set, and reading does not disturb the others
			from.used.Store(true)
		}
		list = append(list, t)
	}
	return list
}

// loadForm fetches a digest.
func (c *Composer) loadForm(ctx context.Context, id int64) (*form, error) {
	forms, err := c.load(ctx, []int64{id})
	if err != nil {
		return nil, err
	}
	return forms[0], nil
}

// load fetches digests that are not at hand, each once, and keeps them.
func (c *Composer) load(ctx context.Context, ids []int64) ([]*form, error) {
	found, err := c.archive.Digests(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("load digests: %w", err)
	}
	forms := make([]*form, len(ids))
	var missing []int64
	for n, id := range ids {
		if found[id] == nil {
			return nil, fmt.Errorf("load digests: digest %d is missing", id)
		}
		if forms[n], err = c.newForm(found[id]); err != nil {
			return nil, err
		}
		missing = c.find(forms[n], found[id].Pieces, missing)
	}
	if len(missing) > 0 {
		texts, err := c.loadFragments(ctx, missing)
		if err != nil {
			return nil, err
		}
		for n, f := range forms {
			f.settle(found[ids[n]].Pieces, texts)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, id := range ids {
		c.forms.put(id, forms[n], forms[n].weight())
	}
	return forms, nil
}

// find points f to those fragments of pieces that are at hand, and appends the ids of the others
// to missing.
func (c *Composer) find(f *form, pieces []Piece, missing []int64) []int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := range pieces {
		id := pieces[n].Fragment.ID
		if f.from[n] = c.fragments.peek(id); f.from[n] == nil {
			missing = append(missing, id)
		}
	}
	return missing
}

// settle gives f those that find did not find and were loaded since.
func (f *form) settle(pieces []Piece, loaded map[int64]*parsed) {
	for n := range pieces {
		if f.from[n] == nil {
			f.from[n] = loaded[pieces[n].Fragment.ID].home
		}
	}
}

// renew makes a form again some of whose fragments were let go. It fills in the texts of all of
// them, however few the composer may keep.
func (c *Composer) renew(ctx context.Context, id int64, old *form, texts []*parsed) (*form, []*parsed, error) {
	f := *old
	f.from = slices.Clone(old.from)
	texts = slices.Grow(texts[:0], len(f.from))[:len(f.from)]
	var missing []int64
	c.mu.Lock()
	for n, from := range f.from {
		if now := c.fragments.peek(from.id); now != nil {
			f.from[n], texts[n] = now, now.text.Load()
		} else {
			texts[n] = nil
			missing = append(missing, from.id)
		}
	}
	c.mu.Unlock()
	if len(missing) > 0 {
		loaded, err := c.loadFragments(ctx, missing)
		if err != nil {
			return nil, texts, err
		}
		for n, from := range f.from {
			if texts[n] == nil {
				texts[n] = loaded[from.id]
				f.from[n] = texts[n].home
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forms.remove(id)
	c.forms.put(id, &f, f.weight())
	return &f, texts, nil
}

// loadFragments fetches fragments and keeps them.
func (c *Composer) loadFragments(ctx context.Context, ids []int64) (map[int64]*parsed, error) {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	found, err := c.archive.Fragments(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("load fragments: %w", err)
	}
	loaded := make(map[int64]*parsed, len(ids))
	for _, id := range ids {
		if found[id] == nil {
			return nil, fmt.Errorf("load fragments: fragment %d is missing", id)
		}
		t, err := parseFragment(found[id].Body)
		if err != nil {
			return nil, fmt.Errorf("read fragment %d: %w", id, err)
		}
		loaded[id] = t
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, t := range loaded {
		if other := c.fragments.peek(id); other != nil { // another goroutine was faster
			loaded[id] = other.text.Load()
			continue
		}
		t.home = &kept{id: id}
		t.home.text.Store(t)
		t.home.used.Store(true)
		c.fragments.put(id, t.home, t.weight())
	}
	return loaded, nil
}
