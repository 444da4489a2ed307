package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"broadsheet/subscribers"
)

// SignUps takes the forms of visitors, to be looked through later. store.DB meets it.
type SignUps interface {
	AddSignUp(ctx context.Context, s subscribers.SignUp) error
}

// What is known of people who fill in a form and of programs that do.
const (
	leastFilling = 3 * time.Second // no person is faster
	mostFilling  = 24 * time.Hour
	trap         = "subject" // a field that only programs fill in
	maxTyped     = 2000      // octets kept of what was typed as an address, more than any has
)

// answerAfter is when a form is answered, whatever address is in it: how long a transaction waits
// for its turn would tell what the forms before it came to.
const answerAfter = 300 * time.Millisecond

func (p *Pages) signUpRoutes() []route {
	return []route{
		{"GET /signup", p.askSignUp},
		{"POST /signup", p.signUp},
		{"GET /signup/embed", p.showEmbed},
		{"POST /signup/embed", p.embedded},
	}
}

// signUpPage is what the page shows.
type signUpPage struct {
	Form     string // token that says when the page was made
	Trap     string
	Address  string
	Sections []prefsSection
	Moved    string // id of the section just moved, which has the focus
	Editions []prefsEdition
	Hours    []option
	Hour     string // of the default
	Days     []option
	Zone     string
	ZoneName string // of the default
	Language []option
	Text     bool
	Wording  string
	Wrong    []string // keys of words
	State    string   // moved, again or ""
}

// askSignUp shows the form. ?edition= chooses one to begin with.
func (p *Pages) askSignUp(w http.ResponseWriter, r *http.Request) {
	lang := p.language(r, "")
	p.showSignUp(w, r, http.StatusOK, lang, p.freshWish(lang, r.URL.Query()["edition"], nil), signUpPage{})
}

// embedded shows what a form on the publication's own site has filled in already. Nothing is
// kept: it comes from another site.
func (p *Pages) embedded(w http.ResponseWriter, r *http.Request) {
	lang := p.language(r, "")
	if p.form(w, r, lang) {
		p.showSignUp(w, r, http.StatusOK, lang, p.freshWish(lang, r.PostForm["edition"], r.PostForm["section"]), signUpPage{Address: typed(r)})
	}
}

// freshWish is what the form begins with: sections, all of them if there are none of ours, and
// editions, the first in readers' zones if there are none.
func (p *Pages) freshWish(lang string, editions, sections []string) wish {
	s := subscribers.NewSettings("")
	for _, id := range sections {
		if c, ok := p.Config.Section(id); ok && !c.Retired && c.MovedTo == "" {
			s.SetLevel(id, subscribers.Normal)
		}
	}
	w := p.wishOf(&s)
	if len(s.Sections) == 0 {
		for i := range w.sections {
			w.sections[i].Level = subscribers.Normal
		}
	}
	for _, name := range editions {
		if p.Config.Edition(name) != nil && !slices.Contains(w.editions, name) {
			w.editions = append(w.editions, name)
		}
	}
	if len(w.editions) == 0 {
		w.editions = []string{p.firstEdition(lang)}
	}
	w.languages = p.mailLanguages()
	if slices.Contains(w.languages, lang) {
		w.language = lang
	}
	return w
}

// signUp takes a form. From the moment on that it is complete, the answer is the same for any
// address, and comes as late.
func (p *Pages) signUp(w http.ResponseWriter, r *http.Request) {
	start, lang := time.Now(), p.language(r, "")
	if !p.form(w, r, lang) || !p.sameSite(w, r) {
		return
	}
	wish, wrong := p.readSignUp(r)
	page := signUpPage{Address: typed(r), Form: r.PostForm.Get("form"), Wrong: wrong}
	if id, by := moved(r.PostForm); id != "" {
		wish.move(id, by)
		page.Wrong, page.State, page.Moved = nil, "moved", id
		p.showSignUp(w, r, http.StatusOK, lang, wish, page)
		return
	}
	if len(wrong) > 0 {
		p.showSignUp(w, r, http.StatusUnprocessableEntity, lang, wish, page)
		return
	}
	if !p.filledIn(page.Form) {
		page.State = "again"
		p.showSignUp(w, r, http.StatusUnprocessableEntity, lang, wish, page)
		return
	}
	if r.PostForm.Get(trap) == "" {
		s := subscribers.NewSettings("")
		wish.apply(&s)
		err := p.SignUps.AddSignUp(context.WithoutCancel(r.Context()), subscribers.SignUp{At: p.Now(), Client: p.client(r),
			Page: p.Config.Publication.PublicURL + "/signup", Wording: p.wording(lang), Language: lang, Address: page.Address, Choices: s})
		if err != nil {
			p.trouble(w, r, "take sign-up", err)
			return
		}
	}
	p.answerTyped(w, r, start, lang, "sent")
}

// answerTyped answers a form with an address in it.
func (p *Pages) answerTyped(w http.ResponseWriter, r *http.Request, start time.Time, lang, key string) {
	select {
	case <-time.After(time.Until(start.Add(answerAfter))):
	case <-r.Context().Done():
	}
	p.show(w, r, http.StatusOK, lang, "sent", key+"_title", sentPage{Key: key + "_text", From: p.Config.Publication.NoticesFrom})
}

// sentPage is what the page after a form shows.
type sentPage struct{ Key, From string }

// filledIn reports whether a form was filled in by somebody who looked at it, as its token says.
func (p *Pages) filledIn(token string) bool {
	a, err := p.Keys.Open(token)
	if err != nil || a.Kind != subscribers.SignUpForm {
		return false
	}
	took := p.Now().Sub(time.UnixMilli(a.Story))
	return took >= leastFilling && took <= mostFilling
}

// stale reports whether a form's token can never be good again.
func (p *Pages) stale(token string) bool {
	a, err := p.Keys.Open(token)
	return err != nil || a.Kind != subscribers.SignUpForm || p.Now().Sub(time.UnixMilli(a.Story)) > mostFilling-time.Hour
}

func typed(r *http.Request) string {
	s := strings.TrimSpace(r.PostForm.Get("address"))
	return strings.ToValidUTF8(s[:min(len(s), maxTyped)], "\ufffd")
}

// readSignUp reads the choices of a form. wrong are the keys of the words that say what is wrong.
func (p *Pages) readSignUp(r *http.Request) (w wish, wrong []string) {
	s := subscribers.NewSettings("")
	w, wrong = p.readWish(r.PostForm, &s)
	if !slices.ContainsFunc(w.sections, func(f subscribers.Follow) bool { return f.Level != "" }) {
		wrong = append(wrong, "wrong_sections")
	}
	switch {
	case len(w.editions) == 0:
		wrong = append(wrong, "wrong_editions")
	case !slices.ContainsFunc(w.editions, func(name string) bool { return p.speaks(name, w.language) }):
		wrong = append(wrong, "wrong_edition_language")
	}
	return w, wrong
}

// wording is what whoever presses the button agrees to.
func (p *Pages) wording(lang string) string {
	s, err := text(p.texts.in(lang), "signup_wording", []string{"publication", isolated(lang, p.Config.Publication.Name)})
	if err != nil {
		p.Log.Error("make wording", "error", err)
	}
	return s
}

func (p *Pages) showSignUp(w http.ResponseWriter, r *http.Request, status int, lang string, wish wish, d signUpPage) {
	s, words := subscribers.NewSettings(""), p.texts.set.Words(lang)
	wish.apply(&s)
	zone := p.home(&s)
	d.Trap, d.Wording = trap, p.wording(lang)
	if d.Form == "" || p.stale(d.Form) {
		var err error
		if d.Form, err = p.token(subscribers.SignUpForm, subscribers.Action{Story: p.Now().UnixMilli()}); err != nil {
			p.trouble(w, r, "make form", err)
			return
		}
	}
	for i, f := range wish.sections {
		section, _ := p.Config.Section(f.Section)
		d.Sections = append(d.Sections, prefsSection{f.Section, section.Name, string(f.Level), i == 0, i == len(wish.sections)-1})
	}
	for i := range p.Config.Editions {
		e := &p.Config.Editions[i]
		d.Editions = append(d.Editions, prefsEdition{Name: e.Name, Title: e.Title, Taken: slices.Contains(wish.editions, e.Name), Next: p.nextIssue(words, e, &s, zone)})
	}
	d.Hours, d.Hour = p.hourOptions(words, zone, wish.hour), p.defaultHour(words, zone)
	d.Days = p.dayOptions(words, wish.days)
	d.Zone, d.ZoneName = wish.zone, zoneName(words, p.home(&subscribers.Settings{}).String())
	for _, o := range p.languageOptions(wish.language) {
		if o.Chosen || slices.Contains(p.mailLanguages(), o.Value) {
			d.Language = append(d.Language, o)
		}
	}
	d.Text = wish.format == subscribers.Text
	p.show(w, r, status, lang, "signup", "signup_title", d, "publication", isolated(lang, p.Config.Publication.Name))
}
