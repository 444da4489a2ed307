package commands

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"time"

	"broadsheet/digest"
	"broadsheet/schedule"
	"broadsheet/web"
)

// pages are what readers reach at public_url.
func (e *engine) pages() (http.Handler, error) {
	p := e.everyPage()
	e.clicks = p.WriteClicks
	return p.Handler()
}

func (e *engine) everyPage() *web.Pages {
	return &web.Pages{Config: e.cfg, Keys: e.keys, Now: e.now, Log: e.log, Readers: e.db, Stories: e.db,
		Archive: e.db, Slots: e.db, Feeds: e.db, Clicks: e.db, SignUps: e.db, Account: e.db, Random: rand.Reader,
		Opener: func(ed *schedule.Edition) *digest.Opener { return e.opener(ed, nil) },
		Ready:  e.ready, Kick: e.postman.kick, Providers: e.providers(), Reports: e.reportDesk()}
}

// writeClicks puts on record how often links were followed since the last time.
func (e *engine) writeClicks(ctx context.Context) time.Duration {
	if e.clicks != nil {
		e.complain(ctx, "write clicks", e.clicks(ctx))
	}
	return wake
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
