package digest

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"broadsheet/stories"
)

// Edit is what editors have done to a story, as far as it matters for digests that were chosen before.
type Edit struct {
	Story     int64
	Withdrawn bool  // it stands nowhere any more
	Held      bool  // it is held back, and not to be shown yet
	Revision  int64 // the correction to be shown instead of what was chosen; 0 = none
}

// gone reports whether the story has no place in a digest that is still to go.
func (e Edit) gone() bool { return e.Withdrawn || e.Held }

// Stale reports whether a digest shows what it would not any more.
func (d *Digest) Stale(edits map[int64]Edit) bool {
	return slices.ContainsFunc(d.Items, func(i Item) bool {
		e := edits[i.Story]
		return e.gone() || e.Revision != 0 && e.Revision != i.Revision
	})
}

// edited is the selection that d was made of, without what is gone and with corrections in their
// places. Sections that have no story left go too, as they do when an issue is opened.
func (d *Digest) edited(edits map[int64]Edit) Selection {
	s := Selection{Language: d.Language, Zone: d.Zone, TextOnly: d.TextOnly}
	for n, i := range d.Items {
		if n == 0 || i.Section != d.Items[n-1].Section {
			p := Picked{Section: i.Section}
			if k := len(s.Sections); k < len(d.More) {
				p.More = d.More[k]
			}
			s.Sections = append(s.Sections, p)
		}
		e := edits[i.Story]
		if e.gone() {
			continue
		}
		pick := Pick{Story: i.Story, Revision: i.Revision}
		if e.Revision != 0 {
			pick.Revision = e.Revision
		}
		p := &s.Sections[len(s.Sections)-1]
		p.Stories = append(p.Stories, pick)
	}
	s.Sections = slices.DeleteFunc(s.Sections, func(p Picked) bool { return len(p.Stories) == 0 })
	return s
}

// Recast lays digests of an issue out anew as edits want it: with the stories that are left, in their
// order, with their counts. What comes of each stands in its place; nil = nothing is left of it. Nothing
// is written. The edition may have changed since: the look is that of today.
func (o *Opener) Recast(ctx context.Context, i *Issue, old []*Digest, edits map[int64]Edit) ([]*Digest, error) {
	w := &writer{Opener: o, issue: i, log: slog.New(slog.DiscardHandler), loaded: map[int64]*stories.Story{}}
	if o.Log != nil {
		w.log = o.Log
	}
	out := make([]*Digest, len(old))
	left := make([]int, len(old)) // places in old
	for n := range old {
		left[n] = n
	}
	edits = maps.Clone(edits)
	for len(left) > 0 {
		selections := make([]Selection, len(left))
		for k, n := range left {
			selections[k] = old[n].edited(edits)
		}
		if err := w.load(ctx, func(yield func(*Selection) bool) {
			for k := range selections {
				if !yield(&selections[k]) {
					return
				}
			}
		}); err != nil {
			return nil, err
		}
		errs := make([]error, len(left))
		var next atomic.Int64
		var wg sync.WaitGroup
		for range min(runtime.GOMAXPROCS(0), len(left)) {
			wg.Go(func() {
				for k := next.Add(1) - 1; k < int64(len(left)); k = next.Add(1) - 1 {
					s := &selections[k]
					if len(s.Sections) == 0 {
						continue
					}
					d, err := o.Layout.Layout(ctx, i, s, w.story)
					if errs[k] = err; err == nil {
						key := s.key()
						d.Key = hex.EncodeToString(key[:])
						out[left[k]] = d
					}
				}
			})
		}
		wg.Wait()
		var again []int
		for k, err := range errs {
			if err == nil {
				continue
			}
			bad, ok := errors.AsType[*StoryError](err)
			if !ok {
				return nil, err
			}
			story, ok := selections[k].storyOf(bad.Revision)
			if !ok {
				return nil, err
			}
			w.log.Error("story left out of the issue", slog.Int64("story", story), slog.Any("error", bad.Err))
			edits[story] = Edit{Story: story, Held: true}
			again = append(again, left[k])
		}
		left = again
	}
	return out, nil
}
