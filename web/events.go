package web

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"broadsheet/mailer/provider"
)

// Reports takes what providers report.
type Reports interface {
	// TakeReport puts the report on record, if it is not there yet. With an error it is not, and may
	// come again.
	TakeReport(ctx context.Context, relay string, r *provider.Report) error
}

// report takes the post of a relay's provider. A provider hears "ok" only once all is on record; it
// tries again after any other answer but 403. Whoever is none hears the same, whether there is such a
// relay or not. There are no cookies here and nothing that a browser could bring along, so that a post
// from another site is one more stranger's.
func (p *Pages) report(w http.ResponseWriter, r *http.Request) {
	relay := r.PathValue("relay")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		status := http.StatusBadRequest
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			status = http.StatusRequestEntityTooLarge
		}
		http.Error(w, "the post could not be read", status)
		return
	}
	var report provider.Report
	endpoint := p.Providers[relay]
	if err = provider.ErrForged; endpoint != nil {
		// Real time, whatever the clock of the program is set to: providers sign with theirs.
		report, err = endpoint.Open(r.Context(), r.Header, body, time.Now())
	}
	if err != nil {
		p.notTaken(w, r, relay, err)
		return
	}
	log := p.Log.With(slog.String("relay", relay))
	if report.Ended {
		log.Warn("the topic reports to us no longer: somebody has ended the subscription")
	}
	if report.Confirm != "" {
		if err = endpoint.Certificates.Confirm(r.Context(), report.Confirm); err == nil {
			log.Info("subscription confirmed: the topic reports to us")
		}
	}
	if err == nil {
		err = p.Reports.TakeReport(r.Context(), relay, &report)
	}
	if err != nil {
		log.Warn("report not taken, it has to come again", slog.Any("error", err))
		later(w)
		return
	}
	healthy(w, r)
}

// notTaken answers a post that is not taken.
func (p *Pages) notTaken(w http.ResponseWriter, r *http.Request, relay string, err error) {
	log := p.Log.With(slog.String("relay", relay), slog.Any("error", err))
	switch {
	case errors.Is(err, provider.ErrForged):
		if !p.posts.allow(p.client(r)) {
			w.Header().Set("Retry-After", "600")
			http.Error(w, "too many posts that are not from a provider", http.StatusTooManyRequests)
			return
		}
		if p.Providers[relay] != nil { // an operator's mistake is more likely than a forger
			log.Warn("report refused: look at the secret or topic of the relay's events")
		}
		http.Error(w, "not found", http.StatusNotFound)
	case errors.Is(err, provider.ErrTime):
		log.Warn("report refused: it is old, or a clock is wrong")
		http.Error(w, "the time of this report is not now", http.StatusForbidden)
	case errors.Is(err, provider.ErrBusy):
		log.Warn("report not taken, it has to come again")
		later(w)
	default:
		log.Error("report not understood")
		http.Error(w, "this report cannot be read", http.StatusBadRequest)
	}
}

// later asks a provider to try again.
func later(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "20")
	http.Error(w, "try again", http.StatusServiceUnavailable)
}
