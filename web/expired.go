package web

import (
	"net/http"

	"broadsheet/digest"
	"broadsheet/subscribers"
)

// expired answers a link that was good once: with a button that mails a fresh one to the reader.
func (p *Pages) expired(w http.ResponseWriter, r *http.Request, v *visit) {
	if v.Kind == subscribers.Confirm || v.reader == nil {
		p.message(w, r, http.StatusGone, v.lang, "expired")
		return
	}
	if r.Method != http.MethodPost {
		words := p.texts.in(v.lang)
		p.show(w, r, http.StatusGone, v.lang, "question", "expired_title",
			asked{Text: words["fresh_text"], Button: words["fresh_button"], Fields: [][2]string{{"action", "fresh"}}})
		return
	}
	if p.form(w, r, v.lang) && p.sameSite(w, r) {
		p.mailLink(w, r, v, digest.NoticeLink)
	}
}
