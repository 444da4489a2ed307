package commands

import (
	"log/slog"
	"net/http"
	"time"

	"broadsheet/web"
)

// pages are what readers reach at public_url.
func (e *engine) pages() (http.Handler, error) {
	p := &web.Pages{Config: e.cfg, Keys: e.keys, Now: e.now, Log: e.log, Readers: e.db, Stories: e.db, SignUps: e.db, Account: e.db, Kick: e.postman.kick}
	return p.Handler()
}

// pageServer bounds what a client can take of the program by being slow or large: a request's
// header has to come within seconds, and whoever does not read the answer is cut off.
func pageServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second, // a form is short
		WriteTimeout:      30 * time.Second, // counts from the end of the header; a telephone on a train still gets its page
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10, // the longest link takes some 500
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}
