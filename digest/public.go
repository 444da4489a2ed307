package digest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

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
	w, err := o.writerBehind(ctx, &i, since, slog.New(slog.DiscardHandler))
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

// Click names a link that may be followed in any mail of a slot.
type Click struct {
	Edition, Slot int64  // as [Issue.Wall] counts
	Story         int64  // 0 = the rest of Section
	Section       string // "" for a story
}
