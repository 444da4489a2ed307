package digest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"broadsheet/stories"
)

// proof lays out an invented digest, so that a template that names what is not there is found
// when the program starts and not when the first issue is due.
func (p *Press) proof() error {
	due := time.Date(2026, 1, 5, 7, 0, 0, 0, time.UTC)
	story := &stories.Story{
		ID: 1, Revision: -1, Headline: "Headline", Lead: "One sentence. Another one.", Authors: []string{"Author"}, City: "City",
		Agencies: []string{"Agency"}, Published: due.Add(-2 * time.Hour), Updated: due.Add(-time.Hour), Words: 300,
		Image: &stories.Image{URL: "https://picture.example/1.jpg", Alt: "Picture", Credit: "Credit", Width: 3, Height: 2},
	}
	issue := &Issue{Edition: p.edition.Name, Slot: "2026-01-05", Local: "2026-01-05 07:00", Due: due, Next: due.Add(24 * time.Hour)}
	section := Picked{Stories: []Pick{{Story: 1, Revision: -1}, {Story: 1, Revision: -1}}, More: 1}
	sel := &Selection{Language: p.pub.Language, Zone: "UTC", Sections: []Picked{section, section}}
	load := func(int64) (*stories.Story, error) { return story, nil }
	_, err := p.Layout(context.Background(), issue, sel, load)
	for _, role := range []Role{Plain, Headline} {
		if err == nil {
			l := &sheet{p: p, words: p.set.Words(sel.Language), html: true}
			err = l.render(&article{story: story, brief: p.brief(story), role: role})
		}
	}
	p.kept = newLRU[fragmentKey, *rendered](pressMemory) // nothing of it is left
	if bad, ok := errors.AsType[*StoryError](err); ok {
		err = bad.Err // the story is ours: it is the template
	}
	if err != nil {
		return fmt.Errorf("try out templates of edition %s: %w", p.edition.Name, err)
	}
	return nil
}
