package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"broadsheet/digest"
	"broadsheet/schedule"
	"broadsheet/stories"
	"broadsheet/subscribers"
	"broadsheet/templates"
)

// Archive is what pages look back at. store.DB meets it. Errors that say there is no such thing
// are [subscribers.ErrNotFound].
type Archive interface {
	// Past loads what a reader was sent in a slot, by the numbers of tokens.
	Past(ctx context.Context, edition, wall, subscriber int64) (digest.Past, error)
	// PastDigests lists what reached a reader, the latest first, of issues due before that instant.
	PastDigests(ctx context.Context, subscriber int64, before time.Time, limit int) ([]digest.Past, error)
	// SeenBefore lists the stories that a reader had when a digest was chosen.
	SeenBefore(ctx context.Context, p *digest.Past, since time.Time, ownOnly bool) ([]int64, error)
	// WholeDigest loads a digest with its fragments' bodies, Digest one without.
	WholeDigest(ctx context.Context, id int64) (*digest.Digest, error)
	Digest(ctx context.Context, id int64) (*digest.Digest, error)
	// Stories loads revisions by id.
	Stories(ctx context.Context, revisions []int64) (map[int64]*stories.Story, error)
}

// backKinds are the links that look back.
func (p *Pages) backKinds() map[subscribers.Kind]kindPage {
	return map[subscribers.Kind]kindPage{
		subscribers.ViewInBrowser: {get: p.inBrowser},
		subscribers.PastDigests:   {p.pastDigests, p.mailFeedAddress},
		subscribers.SectionMore:   {get: p.more},
		subscribers.Why:           {get: p.why},
		subscribers.FeedAddress:   {p.feedAddress, p.changeFeed},
		subscribers.PrivateFeed:   {get: p.privateFeed},
	}
}

// past loads the digest that a link is about, with its edition; nil if the file has that no more.
// It answers itself if there is none, or if its reader is gone.
func (p *Pages) past(w http.ResponseWriter, r *http.Request, v *visit) (*digest.Past, *schedule.Edition, bool) {
	if v.reader == nil {
		p.message(w, r, http.StatusNotFound, v.lang, "no_digest")
		return nil, nil, false
	}
	past, err := p.Archive.Past(r.Context(), v.Edition, v.Slot, v.Subscriber)
	switch {
	case errors.Is(err, subscribers.ErrNotFound):
		p.message(w, r, http.StatusNotFound, v.lang, "no_digest")
		return nil, nil, false
	case err != nil:
		p.trouble(w, r, "load past digest", err)
		return nil, nil, false
	}
	return &past, p.Config.Edition(past.Issue.Edition), true
}

// line is a story in a list.
type line struct {
	Language, Headline, Summary string
	URL                         string // "" = it has no page
	Meta                        string
	Why                         string // why it is there
}

// lines are stories in a list, in the order of revisions; those that are not there, or
// were withdrawn, are left out.
// Times are those of zone, as the issue of that instant shows them.
func (p *Pages) lines(ctx context.Context, words *templates.Words, zone *time.Location, due time.Time, revisions []int64) ([]line, error) {
	found, err := p.Archive.Stories(ctx, revisions)
	if err != nil {
		return nil, err
	}
	var list []line
	for _, revision := range revisions {
		if s := found[revision]; s != nil && s.Withdrawn.IsZero() {
			list = append(list, p.line(words, zone, due, s))
		}
	}
	return list, nil
}

func (p *Pages) line(words *templates.Words, zone *time.Location, due time.Time, s *stories.Story) line {
	l := line{Language: templates.ScriptOf(cmp.Or(s.Language, p.Config.Publication.Language)).Language}
	l.Headline, l.Summary = digest.Brief(s)
	if public(s.URL) {
		l.URL = s.URL
	}
	if !s.Published.IsZero() {
		l.Meta = words.When(s.Published.In(zone), due, p.city(zone))
	}
	if !s.Corrected.IsZero() {
		l.Meta = strings.TrimSuffix(words.Corrected+" · "+l.Meta, " · ")
	}
	return l
}

// addresses tells where the stories of items are read, and what stands in the place of those that were
// withdrawn, in a language.
func (p *Pages) addresses(ctx context.Context, items []digest.Item, language string) (address, gone func(story int64) string, err error) {
	var revisions []int64
	for _, i := range items {
		revisions = append(revisions, i.Revision)
	}
	found, err := p.Archive.Stories(ctx, revisions)
	if err != nil {
		return nil, nil, err
	}
	note := p.texts.in(p.texts.match(language))["withdrawn_text"]
	by, instead := make(map[int64]string, len(found)), make(map[int64]string)
	for _, s := range found {
		switch {
		case !s.Withdrawn.IsZero():
			instead[s.ID] = note
		case public(s.URL):
			by[s.ID] = s.URL
		}
	}
	return func(story int64) string { return by[story] }, func(story int64) string { return instead[story] }, nil
}

// subject is that of a past digest, unless it is the headline of a story that was withdrawn.
func (p *Pages) subject(past *digest.Past, lang string) string {
	if past.Withdrawn {
		return p.texts.in(p.texts.match(lang))["withdrawn_text"]
	}
	return past.Subject
}

// city is the publication's own name for a zone's city.
func (p *Pages) city(zone *time.Location) string {
	for _, c := range p.Config.Publication.Cities {
		if c.Zone == zone.String() {
			return c.Name
		}
	}
	return ""
}

// zone loads a zone; "" and one that this machine does not know are the publication's own.
func (p *Pages) zone(name string) *time.Location { return p.home(&subscribers.Settings{Zone: name}) }

// nameOf is how a section is called.
func (p *Pages) nameOf(id string) string {
	if s, ok := p.Config.Section(id); ok && s.Name != "" {
		return s.Name
	}
	return id
}

// turn is for work that reads all stories of a day or two: one at a time, so that visitors do not
// take a sending issue's time.
type turn chan struct{}

// take waits for the turn. done gives it back; nil if the visitor has gone.
func (t turn) take(ctx context.Context) (done func()) {
	select {
	case t <- struct{}{}:
		return func() { <-t }
	case <-ctx.Done():
		return nil
	}
}
