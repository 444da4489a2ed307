package commands

import (
	"net/http"

	"broadsheet/web"
)

// pages are what readers reach at public_url.
func (e *engine) pages() (http.Handler, error) {
	p := &web.Pages{Config: e.cfg, Keys: e.keys, Now: e.now, Log: e.log, Readers: e.db, Stories: e.db}
	return p.Handler()
}
