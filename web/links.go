package web

import (
	"context"
	"embed"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"

	"broadsheet/schedule"
	"broadsheet/subscribers"
)

//go:embed page.html
var files embed.FS

var page = template.Must(template.ParseFS(files, "page.html"))

// StoryFinder says where a story can be read. store.DB meets it.
type StoryFinder interface {
	// StoryLink returns the story's address and headline; "" if there is none.
	StoryLink(ctx context.Context, story int64) (url, headline string, err error)
}

// Links answers GET /l/TOKEN. It may serve any number of requests at once.
type Links struct {
	Publication schedule.Publication
	Keys        *subscribers.Keys
	Stories     StoryFinder
	Log         *slog.Logger
}

// Register puts the handler's routes on mux.
func (l *Links) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /l/{token...}", l.show)
	mux.HandleFunc("POST /l/{token...}", l.post)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
}

type view struct {
	Publication schedule.Publication
	Title, Text string
}

func (l *Links) show(w http.ResponseWriter, r *http.Request) {
	action, err := l.Keys.Open(r.PathValue("token"))
	if err != nil {
		l.unknown(w)
		return
	}
	if action.Kind != subscribers.Read {
		l.write(w, http.StatusOK, view{Title: "Nothing has been changed",
			Text: "Opening a link never changes your settings. To change or leave your mails, answer any of them or write to " + l.Publication.ReplyTo + "."})
		return
	}
	address, headline, err := l.Stories.StoryLink(r.Context(), action.Story)
	switch {
	case err != nil:
		l.Log.Error("find story", slog.Int64("story", action.Story), slog.Any("error", err))
		l.write(w, http.StatusServiceUnavailable, view{Title: "Please try again in a minute", Text: "The story cannot be looked up right now."})
	case !public(address):
		l.write(w, http.StatusNotFound, view{Title: "This story has no page of its own", Text: headline})
	default:
		secure(w.Header())
		http.Redirect(w, r, address, http.StatusSeeOther)
	}
}

// public reports whether an address is one that a browser may be sent to.
func public(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// unknown is the one answer to whatever is wrong with a token.
func (l *Links) unknown(w http.ResponseWriter) {
	l.write(w, http.StatusNotFound, view{Title: "This link does not work", Text: "It may have been cut on its way. Please open it from the mail itself."})
}

// post refuses: an answer of 2xx would tell a mailbox provider that its one-click request
// (RFC 8058 section 3.1) was carried out.
func (l *Links) post(w http.ResponseWriter, r *http.Request) {
	if _, err := l.Keys.Open(r.PathValue("token")); err != nil {
		l.unknown(w)
		return
	}
	l.write(w, http.StatusNotImplemented, view{Title: "Nothing has been changed",
		Text: "To change or leave your mails, answer any of them or write to " + l.Publication.ReplyTo + "."})
}

func (l *Links) write(w http.ResponseWriter, status int, v view) {
	v.Publication = l.Publication
	secure(w.Header())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := page.Execute(w, v); err != nil {
		l.Log.Error("write page", slog.Any("error", err))
	}
}

// secure sets what keeps a page with a capability in its address to itself.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+styleHash+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("Cache-Control", "no-store")
}
