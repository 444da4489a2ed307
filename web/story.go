package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"broadsheet/digest"
	"broadsheet/stories"
)

// StoryFinder says where a story can be read. store.DB meets it.
type StoryFinder interface {
	// StoryLink returns the story's address and headline; "" if there is none. The error is
	// [stories.ErrWithdrawn] if it is not to be shown any more.
	StoryLink(ctx context.Context, story int64) (url, headline string, err error)
}

// read sends the reader on to a story.
func (p *Pages) read(w http.ResponseWriter, r *http.Request, v *visit) {
	address, headline, err := p.Stories.StoryLink(r.Context(), v.Story)
	switch {
	case errors.Is(err, stories.ErrWithdrawn):
		p.message(w, r, http.StatusGone, v.lang, "withdrawn")
	case err != nil:
		p.trouble(w, r, "find story", err)
	case !public(address):
		p.message(w, r, http.StatusNotFound, v.lang, "no_story", "headline", headline)
	default:
		if v.Subscriber == 0 { // a link of old names a reader: it is not counted
			p.click(r, digest.Click{Edition: v.Edition, Slot: v.Slot, Story: v.Story})
		}
		http.Redirect(w, r, address, http.StatusSeeOther)
	}
}

// public reports whether an address is one that a browser may be sent to.
func public(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}
