package digest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"broadsheet/mailer"
	"broadsheet/schedule"
)

// ErrNothingNew says that an issue holds nothing for whoever it would be shown to.
var ErrNothingNew = errors.New("nothing new")

// Public makes the digest that the public may see of an issue: what a reader gets who follows all
// sections that the edition draws from and who has had every issue. since is the cut-off of the
// issue before, negative if there was none. i need not be on record; its Cutoff counts. Nothing is
// written. The error is [ErrNothingNew] if the issue has nothing in that language.
func (o *Opener) Public(ctx context.Context, i Issue, language string, since int64) (*Digest, error) {
	w, err := o.writer(ctx, &i, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, fmt.Errorf("make public issue %s %s: %w", i.Edition, i.Slot, err)
	}
	anybody := Reader{Language: language, Zone: i.Zone, Sections: o.allSections()}
	if since >= 0 {
		anybody.Previous = &Previous{State: string(mailer.Accepted), WindowStart: since, WindowEnd: since}
	}
	for done := false; !done; {
		w.choose([]Reader{anybody}, nil)
		if len(w.chosen[0].selection.Sections) == 0 {
			return nil, fmt.Errorf("make public issue %s %s: %w", i.Edition, i.Slot, ErrNothingNew)
		}
		if done, err = w.layOut(ctx); err != nil {
			return nil, fmt.Errorf("make public issue %s %s: %w", i.Edition, i.Slot, err)
		}
	}
	return w.fresh[w.chosen[0].key], nil
}

// allSections follows every section that the edition draws from, in the order of the file.
func (o *Opener) allSections() []Follow {
	var all []Follow
	for _, s := range PublicSections(o.Config, o.Edition) {
		all = append(all, Follow{Section: s.ID})
	}
	return all
}

// PublicSections are the sections that an edition draws from today.
func PublicSections(c *schedule.Config, e *schedule.Edition) []schedule.Section {
	var list []schedule.Section
	for _, s := range c.Sections {
		if s.MovedTo == "" && !s.Retired && (len(e.Sections) == 0 || slices.Contains(e.Sections, s.ID)) {
			list = append(list, s)
		}
	}
	return list
}

// Past is a delivery as it was written, for pages that look back at it.
type Past struct {
	Issue      Issue
	Digest     int64
	Reader     Reader // by the settings that were used; without address
	Start, End int64  // its window
	Subject    string
	Due        time.Time
}

// Recount is what became of every story for the reader of a digest.
type Recount struct {
	Left     map[string][]Pick // by section: what was eligible and found no place, best first
	Verdicts []Verdict
}

// Recount goes once more over what was there to choose from for a digest that shows those items:
// the settings, the window and the cut-off are those of then, and so is what the reader had seen.
func (o *Opener) Recount(ctx context.Context, s *Past, items []Item, seen func(since time.Time) ([]int64, error)) (Recount, error) {
	var out Recount
	i := s.Issue
	w, err := o.writer(ctx, &i, slog.New(slog.DiscardHandler))
	if err != nil {
		return out, fmt.Errorf("recount issue %d: %w", i.ID, err)
	}
	r := s.Reader
	if r.Language == "" {
		r.Language = o.Config.Publication.Language
	}
	had, err := seen(w.since([]Reader{r}))
	if err != nil {
		return out, fmt.Errorf("recount issue %d: %w", i.ID, err)
	}
	w.chooser.Told = func(v Verdict) { out.Verdicts = append(out.Verdicts, v) }
	out.Left = w.chooser.recount(&r, Window{Start: s.Start, End: s.End, Fresh: s.Start, Oldest: w.spans.Oldest(r.Days)}, had, items)
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

// Click names a link that may be followed in any mail of a slot.
type Click struct {
	Edition, Slot int64  // as [Issue.Wall] counts
	Story         int64  // 0 = the rest of Section
	Section       string // "" for a story
}
