package commands

import (
	"crypto/rand"
	"net/http"

	"broadsheet/digest"
	"broadsheet/schedule"
	"broadsheet/web"
)

// pages are what readers reach at public_url.
func (e *engine) pages() (http.Handler, error) {
	p := &web.Pages{Config: e.cfg, Keys: e.keys, Now: e.now, Log: e.log, Readers: e.db, Stories: e.db,
		Archive: e.db, Slots: e.db, Feeds: e.db, Clicks: e.db, Random: rand.Reader,
		Opener: func(ed *schedule.Edition) *digest.Opener { return e.opener(ed, nil) }}
	return p.Handler()
}
