package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"broadsheet/digest"
	"broadsheet/subscribers"
)

// Account is what a link to the reader's own mailbox is needed for. store.DB meets it. Errors that
// say there is no such thing are [subscribers.ErrNotFound].
type Account interface {
	Request(ctx context.Context, id, subscriber int64) (subscribers.Request, error)
	// Confirm does what a request asks for, once. The error is [subscribers.ErrBarred] or
	// [subscribers.ErrTaken] where the address cannot be mailed or is another reader's.
	Confirm(ctx context.Context, id, subscriber int64, client string, now time.Time) (subscribers.Request, subscribers.Edited, error)
	// AskLink has a link mailed by a notice of that kind; false = there were enough of them today.
	AskLink(ctx context.Context, id int64, kind string, now time.Time) (asked bool, err error)
	// OwnData is everything held about a reader, Erase deletes it.
	OwnData(ctx context.Context, id int64, now time.Time) (*subscribers.Held, error)
	Erase(ctx context.Context, id int64, now time.Time) error
}

// accountKinds are the links that only the mailbox itself gets.
func (p *Pages) accountKinds() map[subscribers.Kind]kindPage {
	return map[subscribers.Kind]kindPage{
		subscribers.Confirm:       {p.askConfirm, p.confirm},
		subscribers.ChangeAddress: {p.askAddress, p.changeAddress},
		subscribers.OwnData:       {p.ownData, nil},
		subscribers.Erase:         {p.askErase, p.erase},
	}
}

// mailLink mails a fresh link to the reader's own address: who has a forwarded mail gets nothing.
func (p *Pages) mailLink(w http.ResponseWriter, r *http.Request, v *visit, kind string) {
	if v.reader == nil {
		p.refused(w, r, v, subscribers.ErrNotFound)
		return
	}
	asked, err := p.Account.AskLink(r.Context(), v.Subscriber, kind, p.Now())
	if err != nil {
		p.refused(w, r, v, err)
		return
	}
	key := "mailed"
	switch {
	case !asked:
		key = "enough"
	case kind == digest.NoticeLink:
		key = "mailed_link"
	}
	if asked {
		p.kick()
	}
	p.message(w, r, http.StatusOK, v.lang, key, "address", masked(v.reader.Address))
}

// askAddress asks for a new address.
func (p *Pages) askAddress(w http.ResponseWriter, r *http.Request, v *visit) {
	if p.active(w, r, v) {
		p.show(w, r, http.StatusOK, v.lang, "address", "address_title", addressPage{Now: subscribers.Mask(v.reader.Address)})
	}
}

type addressPage struct{ Now string }

// changeAddress takes a new address. The answer is the same for any, and comes as late: it does not
// tell whether another reader has it.
func (p *Pages) changeAddress(w http.ResponseWriter, r *http.Request, v *visit) {
	start := time.Now()
	if !p.active(w, r, v) {
		return
	}
	err := p.SignUps.AddSignUp(context.WithoutCancel(r.Context()), subscribers.SignUp{At: p.Now(), Subscriber: v.Subscriber, Client: p.client(r),
		Page: p.Config.Publication.PublicURL + "/l/", Language: v.lang, Address: typed(r)})
	if err != nil {
		p.trouble(w, r, "take address", err)
		return
	}
	p.answerTyped(w, r, start, v.lang, "sent_address")
}

// request loads what a link to confirm is about. It answers itself if that is gone.
func (p *Pages) request(w http.ResponseWriter, r *http.Request, v *visit) (subscribers.Request, bool) {
	q, err := p.Account.Request(r.Context(), v.Story, v.Subscriber)
	if err != nil {
		p.unconfirmed(w, r, v, err)
		return q, false
	}
	if v.reader != nil && v.reader.Language == "" {
		v.lang = p.language(r, q.Draft.Language)
	}
	return q, true
}

func (p *Pages) askConfirm(w http.ResponseWriter, r *http.Request, v *visit) {
	q, ok := p.request(w, r, v)
	switch {
	case !ok:
	case !q.Used.IsZero():
		p.confirmed(w, r, v, q, subscribers.Edited{Subscriber: *v.reader})
	case q.Kind == subscribers.RequestAddress:
		p.question(w, r, v, question{key: "new_address", pairs: []string{"address", masked(q.Draft.Address)}})
	default:
		p.show(w, r, http.StatusOK, v.lang, "confirm", "confirm_title", p.comingUp(v.lang, &q.Draft), "publication", isolated(v.lang, p.Config.Publication.Name))
	}
}

func (p *Pages) confirm(w http.ResponseWriter, r *http.Request, v *visit) {
	if _, ok := p.request(w, r, v); !ok {
		return
	}
	if r.PostForm.Get("action") == "fresh" {
		p.mailLink(w, r, v, digest.NoticeLink)
		return
	}
	q, e, err := p.Account.Confirm(r.Context(), v.Story, v.Subscriber, p.client(r), p.Now())
	if err != nil {
		p.unconfirmed(w, r, v, err)
		return
	}
	if e.Changed {
		p.kick()
	}
	v.reader = &e.Subscriber
	v.lang = p.language(r, v.reader.Language)
	p.confirmed(w, r, v, q, e)
}

// confirmed shows what a confirmation came to, also if it was not the first.
func (p *Pages) confirmed(w http.ResponseWriter, r *http.Request, v *visit, q subscribers.Request, e subscribers.Edited) {
	if q.Kind == subscribers.RequestAddress {
		key := "moved_address"
		if !e.Changed {
			key = "moved_before"
		}
		p.message(w, r, http.StatusOK, v.lang, key)
		return
	}
	d := p.comingUp(v.lang, &e.Settings)
	if !e.Changed {
		d.State = "before"
		if e.Status != subscribers.Active || e.Suppressed != nil { // left since then
			p.refused(w, r, v, subscribers.ErrNotActive)
			return
		}
	} else {
		// For the one press that confirmed, and nobody who finds the mail later.
		var err error
		if d.Preferences, err = p.token(subscribers.Preferences, subscribers.Action{Subscriber: v.Subscriber}); err != nil {
			p.trouble(w, r, "make link", err)
			return
		}
	}
	d.Latest = p.toRead(r.Context(), v.lang, e.Editions)
	p.show(w, r, http.StatusOK, v.lang, "welcome", "welcome_title", d, "publication", isolated(v.lang, p.Config.Publication.Name))
}

// unconfirmed answers when a request cannot be confirmed.
func (p *Pages) unconfirmed(w http.ResponseWriter, r *http.Request, v *visit, err error) {
	switch {
	case errors.Is(err, subscribers.ErrNotFound):
		p.show(w, r, http.StatusGone, v.lang, "done", "expired_title", done{Text: p.texts.in(v.lang)["confirm_expired"], SignUp: true})
	case errors.Is(err, subscribers.ErrBarred):
		p.message(w, r, http.StatusConflict, v.lang, "barred", "address", p.Config.Publication.ReplyTo)
	case errors.Is(err, subscribers.ErrTaken):
		p.message(w, r, http.StatusConflict, v.lang, "taken")
	default:
		p.trouble(w, r, "confirm", err)
	}
}

// comingPage says what a reader gets and when it comes.
type comingPage struct {
	Sections    []string
	Editions    []comingEdition
	Zone        string
	State       string // before: it was confirmed already
	Preferences string // token
	Latest      *latestIssue
}

type comingEdition struct{ Name, Title, Next string }

func (p *Pages) comingUp(lang string, s *subscribers.Settings) (d comingPage) {
	words, zone := p.texts.set.Words(lang), p.home(s)
	for _, f := range s.Sections {
		if c, ok := p.Config.Section(p.Config.MovedTo(f.Section)); ok && f.Level != subscribers.Muted {
			d.Sections = append(d.Sections, c.Name)
		}
	}
	for _, name := range s.Editions {
		if e := p.Config.Edition(name); e != nil {
			d.Editions = append(d.Editions, comingEdition{e.Name, e.Title, p.nextIssue(words, e, s, zone)})
		}
	}
	d.Zone = zoneName(words, zone.String())
	return d
}

// toRead is the latest issue that is open to everybody, for who does not want to wait for the
// next; nil if there is none.
func (p *Pages) toRead(ctx context.Context, lang string, editions []string) *latestIssue {
	for _, name := range editions {
		e := p.Config.Edition(name)
		if e == nil {
			continue
		}
		recent, _, err := p.recent(ctx, e, lang, "", 1)
		if err != nil { // the confirmation is what the page is about
			p.Log.Error("find latest issue", "error", err)
			return nil
		}
		if len(recent) > 0 {
			return p.latest(lang, recent[0])
		}
	}
	return nil
}
