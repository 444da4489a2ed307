package web

import (
	"net/http"

	"broadsheet/subscribers"
)

// oneClickName and oneClickValue are the form of RFC 8058 section 3.1.
const oneClickName, oneClickValue = "List-Unsubscribe", "One-Click"

// leavesAll reports whether one click leaves everything, and not the edition of its mail alone.
func (p *Pages) leavesAll() bool { return p.Config.Pages.OneClick == "all" }

// askOneClick is for people: those who follow the address of a header themselves.
func (p *Pages) askOneClick(w http.ResponseWriter, r *http.Request, v *visit) {
	name, err := p.edition(r.Context(), v)
	if err != nil {
		p.trouble(w, r, "find edition", err)
		return
	}
	q := question{key: "one_click", fields: [][2]string{{oneClickName, oneClickValue}},
		pairs: []string{"edition", isolated(v.lang, p.editionTitle(name)), "publication", isolated(v.lang, p.Config.Publication.Name)}}
	if name == "" || p.leavesAll() {
		q.key = "one_click_all"
	}
	p.question(w, r, v, q)
}

// oneClick is RFC 8058: a mail program's POST alone leaves, without cookie, origin or redirect, in
// either coding of forms, and again as often as it likes. What the address says beside the token
// does not count, for scanners try that too.
func (p *Pages) oneClick(w http.ResponseWriter, r *http.Request, v *visit) {
	if r.PostFormValue(oneClickName) != oneClickValue {
		p.message(w, r, http.StatusBadRequest, v.lang, "form")
		return
	}
	name, err := "", error(nil)
	if !p.leavesAll() {
		if name, err = p.edition(r.Context(), v); err != nil {
			p.trouble(w, r, "find edition", err)
			return
		}
	}
	if v.reader == nil { // whoever is gone gets no mail
		p.left(w, r, v, subscribers.Edited{}, nil, "")
		return
	}
	e, err := p.leaveOne(r, v, name, "") // the header's button is the reader's: no mail need tell them
	p.left(w, r, v, e, err, name)
}
