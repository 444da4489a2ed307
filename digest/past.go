package digest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Past is a delivery as it was written, for pages that look back at it.
type Past struct {
	Issue      Issue
	Digest     int64  // 0 = none
	Reader     Reader // by the settings that were used; without address
	Start, End int64  // its window
	Subject    string
	Withdrawn  bool // the story whose headline the subject is was withdrawn
}

// Recount is what became of every story for the reader of a digest.
type Recount struct {
	Left     map[string][]Pick // by section: what was eligible and found no place, best first
	Verdicts []Verdict
}

// Hindsight is what there was to choose from for an issue. It may be used by many goroutines.
type Hindsight struct {
	mu sync.Mutex
	w  *writer
}

// Hindsight loads what there was to choose from for an issue on record.
func (o *Opener) Hindsight(ctx context.Context, i Issue) (*Hindsight, error) {
	w, err := o.writer(ctx, &i, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, fmt.Errorf("look back at issue %d: %w", i.ID, err)
	}
	return &Hindsight{w: w}, nil
}

// Recount goes once more over what was there for a digest of the issue that shows those items: the
// settings, the window and the cut-off are those of then, and so is what the reader had seen.
func (h *Hindsight) Recount(p *Past, items []Item, seen func(since time.Time) ([]int64, error)) (Recount, error) {
	var out Recount
	r := p.Reader
	if r.Language == "" {
		r.Language = h.w.Config.Publication.Language
	}
	h.mu.Lock()
	since := h.w.since([]Reader{r})
	h.mu.Unlock()
	had, err := seen(since)
	if err != nil {
		return out, fmt.Errorf("look back at issue %d: %w", p.Issue.ID, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.w.chooser.Told = func(v Verdict) { out.Verdicts = append(out.Verdicts, v) }
	out.Left = h.w.chooser.recount(&r, Window{Start: p.Start, End: p.End, Fresh: p.Start, Oldest: h.w.spans.Oldest(r.Days)}, had, items)
	return out, nil
}

// recount is [Chooser.Choose] where the places are given already. It returns what they left.
func (c *Chooser) recount(r *Reader, w Window, seen []int64, shown []Item) map[string][]Pick {
	c.begin(r, w, seen)
	c.gather(r, w)
	has := make(map[int64]bool, len(shown))
	for _, item := range shown {
		has[item.Story] = true
		if s, ok := c.pool.index[item.Story]; ok {
			c.settle(s)
		}
	}
	for n := range c.offers {
		o := &c.offers[n]
		for _, i := range o.pairs {
			if has[c.pool.stories[c.pool.pairs[i].story].id] {
				o.taken = append(o.taken, i)
				c.tell(i, Sent)
			}
		}
		o.pairs = slices.DeleteFunc(o.pairs, func(i int32) bool { return slices.Contains(o.taken, i) })
	}
	left := map[string][]Pick{}
	for _, mailed := range []bool{true, false} { // in the order of [Chooser.finish]
		for n := range c.offers {
			o := &c.offers[n]
			if len(o.taken) > 0 != mailed {
				continue
			}
			for _, i := range o.pairs {
				s := c.pool.pairs[i].story
				if c.has(s, isTwin) {
					c.tell(i, Duplicate)
					continue
				}
				c.settle(s)
				e := &c.pool.stories[s]
				left[c.pool.ids[o.section]] = append(left[c.pool.ids[o.section]], Pick{Story: e.id, Revision: e.revision})
				if o.less {
					c.tell(i, LessLimit)
				} else {
					c.tell(i, OverCap)
				}
			}
		}
	}
	return left
}
