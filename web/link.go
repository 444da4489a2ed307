package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"broadsheet/subscribers"
)

// Readers is what pages show and change of readers. store.DB meets it. Errors that say there is
// no such reader are [subscribers.ErrNotFound].
type Readers interface {
	SubscriberByID(ctx context.Context, id int64) (*subscribers.Subscriber, error)
	// EditionName is the name of the edition with that number in tokens.
	EditionName(ctx context.Context, id int64) (string, error)
}

// visit is a request whose token has been opened.
type visit struct {
	subscribers.Action
	token  string
	reader *subscribers.Subscriber // nil if the token names none, or one who is gone
	lang   string                  // of the page
}

// kindPage is what a kind of link shows, and what its button does.
type kindPage struct {
	get, post func(w http.ResponseWriter, r *http.Request, v *visit) // post nil = there is no button
}

// token makes a link of this moment; Kind and Slot of a are set here.
func (p *Pages) token(kind subscribers.Kind, a subscribers.Action) (string, error) {
	a.Kind, a.Slot = kind, p.Now().Unix()/60
	return p.Keys.Token(p.Keys.SigningID(), a)
}

// kinds says for each kind of token what it leads to.
func (p *Pages) kinds() map[subscribers.Kind]kindPage {
	return map[subscribers.Kind]kindPage{
		subscribers.Read: {get: p.read},
	}
}

// link opens a token and does what it says. GET and HEAD show and change nothing: link scanners
// follow every link of every mail (RFC 8058 section 1 is about them).
func (p *Pages) link(w http.ResponseWriter, r *http.Request) {
	v := visit{token: r.PathValue("token"), lang: p.language(r, "")}
	var err error
	if v.Action, err = p.Keys.Open(v.token); err != nil {
		// Only here guesses are counted: a token that is right is never kept waiting.
		if !p.guard.allow(p.client(r)) {
			w.Header().Set("Retry-After", "600")
			p.message(w, r, http.StatusTooManyRequests, "", "too_many")
			return
		}
		p.message(w, r, http.StatusNotFound, "", "bad_link")
		return
	}
	k, ok := p.kinds()[v.Kind]
	if !ok || r.Method == http.MethodPost && k.post == nil {
		p.message(w, r, http.StatusMethodNotAllowed, "", "no_button")
		return
	}
	if v.Subscriber != 0 {
		v.reader, err = p.Readers.SubscriberByID(r.Context(), v.Subscriber)
		if err != nil && !errors.Is(err, subscribers.ErrNotFound) {
			p.trouble(w, r, "load reader", err)
			return
		}
		if v.reader != nil {
			v.lang = p.language(r, v.reader.Language)
		}
	}
	if v.Expired(p.Now()) {
		p.message(w, r, http.StatusGone, v.lang, "expired")
		return
	}
	if r.Method != http.MethodPost {
		k.get(w, r, &v)
		return
	}
	if v.Kind == subscribers.OneClick || p.sameSite(w, r) { // RFC 8058 section 3.1: no context but the token
		k.post(w, r, &v)
	}
}

// trouble answers when the program, not the reader, is at fault.
func (p *Pages) trouble(w http.ResponseWriter, r *http.Request, act string, err error) {
	p.Log.Error(act, slog.Any("error", err))
	w.Header().Set("Retry-After", "60")
	p.message(w, r, http.StatusServiceUnavailable, "", "trouble")
}
