package web

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"broadsheet/subscribers"
)

// Readers is what pages show and change of readers. store.DB meets it. Errors that say there is
// no such reader are [subscribers.ErrNotFound].
type Readers interface {
	SubscriberByID(ctx context.Context, id int64) (*subscribers.Subscriber, error)
	// EditionName is the name of the edition with that number in tokens.
	EditionName(ctx context.Context, id int64) (string, error)
	// EditReader, LeaveAll and Undo change a reader. The error is [subscribers.ErrNotActive] or
	// [subscribers.ErrLater] where that is so.
	EditReader(ctx context.Context, id int64, e subscribers.Edit, now time.Time) (subscribers.Edited, error)
	LeaveAll(ctx context.Context, id int64, by, notice string, now time.Time) (subscribers.Edited, error)
	Undo(ctx context.Context, id, row int64, mailed bool, now time.Time) (subscribers.Edited, error)
}

// visit is a request whose token has been opened.
type visit struct {
	subscribers.Action
	token  string
	reader *subscribers.Subscriber // nil if the token names none, or one who is gone
	lang   string                  // of the page
	back   string                  // token of the preferences that an undo came from
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
	all := map[subscribers.Kind]kindPage{
		subscribers.Read: {get: p.read},
	}
	maps.Copy(all, p.changeKinds())
	maps.Copy(all, p.backKinds())
	maps.Copy(all, p.accountKinds())
	return all
}

// changeKinds are the links that change what a reader gets.
func (p *Pages) changeKinds() map[subscribers.Kind]kindPage {
	return map[subscribers.Kind]kindPage{
		subscribers.Preferences:  {p.askPreferences, p.preferences},
		subscribers.LeaveEdition: {p.askLeave, p.leave},
		subscribers.LeaveAll:     {p.askLeave, p.leave},
		subscribers.OneClick:     {p.askOneClick, p.oneClick},
		subscribers.SectionLess:  {p.askSection, p.section},
		subscribers.SectionMute:  {p.askSection, p.section},
		subscribers.SectionUp:    {p.askSection, p.section},
		subscribers.Pause:        {p.askPause, p.pause},
		subscribers.Resume:       {p.askResume, p.resume},
		subscribers.Undo:         {p.askUndo, p.undo},
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
	k, ok := p.byKind[v.Kind]
	if !ok {
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
	if v.Expired(p.Now()) { // of any kind: its page has a button then
		p.expired(w, r, &v)
		return
	}
	if r.Method != http.MethodPost {
		k.get(w, r, &v)
		return
	}
	if k.post == nil {
		p.message(w, r, http.StatusMethodNotAllowed, v.lang, "no_button")
		return
	}
	if !p.form(w, r, v.lang) {
		return
	}
	if v.Kind == subscribers.OneClick || p.sameSite(w, r) { // RFC 8058 section 3.1: no context but the token
		k.post(w, r, &v)
	}
}

// form reads the form of a POST, in either coding. It answers itself if that cannot be.
func (p *Pages) form(w http.ResponseWriter, r *http.Request, lang string) bool {
	err := r.ParseForm()
	if err == nil {
		if err = r.ParseMultipartForm(maxBody); errors.Is(err, http.ErrNotMultipart) {
			err = nil
		}
	}
	var large *http.MaxBytesError
	switch {
	case err == nil:
		return true
	case errors.As(err, &large):
		p.message(w, r, http.StatusRequestEntityTooLarge, lang, "form")
	default:
		p.message(w, r, http.StatusBadRequest, lang, "form")
	}
	return false
}

// trouble answers when the program, not the reader, is at fault.
func (p *Pages) trouble(w http.ResponseWriter, r *http.Request, act string, err error) {
	p.Log.Error(act, slog.Any("error", err))
	w.Header().Set("Retry-After", "60")
	p.message(w, r, http.StatusServiceUnavailable, "", "trouble")
}
