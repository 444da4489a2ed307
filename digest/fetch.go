package digest

import (
	"context"
	"fmt"
	"slices"
)

// loadForm fetches a digest.
func (c *Composer) loadForm(ctx context.Context, id int64) (*form, error) {
	forms, err := c.load(ctx, []int64{id})
	if err != nil {
		return nil, err
	}
	return forms[0], nil
}

// load fetches digests that are not at hand and keeps them. ids rise.
func (c *Composer) load(ctx context.Context, ids []int64) ([]*form, error) {
	forms := make([]*form, len(ids))
	err := c.archive.Digests(ctx, ids, func(id int64, p Packed) (err error) {
		if n, ok := slices.BinarySearch(ids, id); ok {
			forms[n], err = c.newForm(p)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load digests: %w", err)
	}
	var missing []int64
	for n, f := range forms {
		if f == nil {
			return nil, fmt.Errorf("load digests: digest %d is missing", ids[n])
		}
		missing = c.find(f, missing)
	}
	if len(missing) > 0 {
		texts, err := c.loadFragments(ctx, missing)
		if err != nil {
			return nil, err
		}
		for _, f := range forms {
			f.missing(func(n int, id int64) { f.from[n] = texts[id].home })
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, id := range ids {
		c.forms.put(id, forms[n], forms[n].weight())
	}
	return forms, nil
}

// find points f to those of its fragments that are at hand, and appends the ids of the others to
// missing.
func (c *Composer) find(f *form, missing []int64) []int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.missing(func(n int, id int64) {
		if f.from[n] = c.fragments.peek(id); f.from[n] == nil {
			missing = append(missing, id)
		}
	})
	return missing
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
