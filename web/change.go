package web

import (
	"errors"
	"net/http"
	"time"

	"broadsheet/digest"
	"broadsheet/subscribers"
	"broadsheet/templates"
)

// done is what the page after a change shows.
type done struct {
	Text   string
	More   string // what it means, "" = nothing more
	Undo   string // token, "" = there is nothing to take back
	Back   string // token of the preferences, "" = the link at hand is too old to lead there
	SignUp bool   // the way back is to sign up again
}

// outcome is how a change is told of: title and text by key_title and key_text, or by same_title
// and same_text if it was so already.
type outcome struct {
	key, same string
	pairs     []string
	more      string // key of a further text, "" = none
	signUp    bool
}

// changed answers the POST of a change.
func (p *Pages) changed(w http.ResponseWriter, r *http.Request, v *visit, e subscribers.Edited, err error, o outcome) {
	if err != nil {
		p.refused(w, r, v, err)
		return
	}
	d := done{SignUp: o.signUp}
	if !o.signUp { // the preferences of who left everything would only say so
		d.Back = p.back(v)
	}
	if e.Changed {
		if e.Row != 0 {
			if d.Undo, err = p.token(subscribers.Undo, subscribers.Action{Subscriber: v.Subscriber, Story: e.Row, Section: onPage}); err != nil {
				p.trouble(w, r, "make link", err)
				return
			}
		}
		p.kick()
	} else if o.same != "" {
		o.key = o.same
	}
	words := p.texts.in(v.lang)
	if d.Text, err = text(words, o.key+"_text", o.pairs); err == nil && o.more != "" {
		d.More, err = text(words, o.more, o.pairs)
	}
	if err != nil {
		p.broken(w, err)
		return
	}
	p.show(w, r, http.StatusOK, v.lang, "done", o.key+"_title", d, o.pairs...)
}

// refused answers when a change cannot be made.
func (p *Pages) refused(w http.ResponseWriter, r *http.Request, v *visit, err error) {
	switch {
	case errors.Is(err, subscribers.ErrNotFound):
		p.message(w, r, http.StatusNotFound, v.lang, "gone")
	case errors.Is(err, subscribers.ErrNotActive):
		p.show(w, r, http.StatusConflict, v.lang, "done", "not_active_title", done{Text: p.texts.in(v.lang)["not_active_text"], SignUp: true})
	case errors.Is(err, subscribers.ErrTaken): // another reader has the address that an undo goes back to
		p.message(w, r, http.StatusConflict, v.lang, "taken")
	case errors.Is(err, subscribers.ErrLater):
		p.show(w, r, http.StatusConflict, v.lang, "done", "later_title", done{Text: p.texts.in(v.lang)["later_text"], Back: p.back(v)})
	default:
		p.trouble(w, r, "change reader", err)
	}
}

// back is a link to the preferences that lives no longer than one of the mail at hand would: a
// link that leaves for ever must not open everything else for ever. "" if it is too old.
func (p *Pages) back(v *visit) string {
	a := subscribers.Action{Kind: subscribers.Preferences, Slot: v.Slot, Subscriber: v.Subscriber}
	if v.reader == nil || a.Expired(p.Now()) || v.Kind == subscribers.Confirm { // whom a confirmation reaches may yet be a stranger
		return ""
	}
	if v.Kind == subscribers.Undo {
		return v.back
	}
	token, err := p.Keys.Token(p.Keys.SigningID(), a)
	if err != nil {
		p.Log.Error("make link", "error", err)
	}
	return token
}

// active says what hinders who has followed a link from changing anything; it answers then.
func (p *Pages) active(w http.ResponseWriter, r *http.Request, v *visit) bool {
	switch {
	case v.reader == nil:
		p.refused(w, r, v, subscribers.ErrNotFound)
	case v.reader.Status == subscribers.Unsubscribed || v.reader.Status == subscribers.Pending || v.reader.Suppressed != nil:
		p.refused(w, r, v, subscribers.ErrNotActive)
	default:
		return true
	}
	return false
}

// edit changes the reader's settings and tells them by mail.
func (p *Pages) edit(r *http.Request, v *visit, notice string, do func(*subscribers.Settings)) (subscribers.Edited, error) {
	return p.Readers.EditReader(r.Context(), v.Subscriber, subscribers.Edit{By: "reader", Notice: notice, Leave: notice == digest.NoticeLeft,
		Do: func(s *subscribers.Settings) error { do(s); return nil }}, p.Now())
}

// home is the reader's zone: their own, the publication's first city's, or UTC.
func (p *Pages) home(s *subscribers.Settings) *time.Location {
	names := []string{s.Zone}
	if cities := p.Config.Publication.Cities; len(cities) > 0 {
		names = append(names, cities[0].Zone)
	}
	for _, name := range names {
		if zone, err := p.Config.Location(name); err == nil {
			return zone
		}
	}
	return time.UTC
}

// isolated is a name as it can stand in a text of the other direction.
func isolated(lang, name string) string {
	if templates.ScriptOf(lang).RTL() {
		return "\u2068" + name + "\u2069" // FSI, PDI
	}
	return name
}

// masked is an address as pages show it, whatever their direction.
func masked(address string) string {
	return "\u2066" + subscribers.Mask(address) + "\u2069" // LRI, PDI
}

// undo takes a change back.
func (p *Pages) undo(w http.ResponseWriter, r *http.Request, v *visit) {
	v.back = p.mine(r.PostFormValue("back"), v)
	e, err := p.Readers.Undo(r.Context(), v.Subscriber, v.Story, v.Section != onPage, p.Now())
	p.changed(w, r, v, subscribers.Edited{Changed: false, Subscriber: e.Subscriber}, err, outcome{key: "undone", same: "undone"})
}

// mine is a token of the same reader's preferences as it came back in a form; "" if it is not.
func (p *Pages) mine(token string, v *visit) string {
	a, err := p.Keys.Open(token)
	if err != nil || a.Kind != subscribers.Preferences || a.Subscriber != v.Subscriber || a.Expired(p.Now()) {
		return ""
	}
	return token
}

func (p *Pages) askUndo(w http.ResponseWriter, r *http.Request, v *visit) {
	if v.reader == nil {
		p.refused(w, r, v, subscribers.ErrNotFound)
		return
	}
	p.question(w, r, v, question{key: "undo"})
}

// onPage marks the links to undo that stand on a page, before whoever has pressed its button; those
// in mails are for the mailbox alone.
const onPage = "page"

// question is a page with one button.
type question struct {
	key    string // of title, text and button: key_title, key_text, key_button
	pairs  []string
	fields [][2]string // of the form
	now    string      // key of what is so now, "" = nothing to be said
}

// asked is what the template of a question sees.
type asked struct {
	Text, Button, Now string
	Fields            [][2]string
	Back              string
}

func (p *Pages) question(w http.ResponseWriter, r *http.Request, v *visit, q question) {
	words := p.texts.in(v.lang)
	a := asked{Fields: q.fields, Back: p.back(v)}
	for key, to := range map[string]*string{q.key + "_text": &a.Text, q.key + "_button": &a.Button, q.now: &a.Now} {
		if key == "" {
			continue
		}
		var err error
		if *to, err = text(words, key, q.pairs); err != nil {
			p.broken(w, err)
			return
		}
	}
	p.show(w, r, http.StatusOK, v.lang, "question", q.key+"_title", a, q.pairs...)
}
