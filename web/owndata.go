package web

import (
	"encoding/json"
	"errors"
	"net/http"

	"broadsheet/subscribers"
)

// ownDataPage says how much is held about a reader; all of it is in the file.
type ownDataPage struct {
	Address, Since                string
	Changes, Consents, Deliveries string // how many
}

// ownData shows what is held about a reader, and with ?file hands it out.
func (p *Pages) ownData(w http.ResponseWriter, r *http.Request, v *visit) {
	held, err := p.Account.OwnData(r.Context(), v.Subscriber, p.Now())
	if err != nil {
		p.refused(w, r, v, err)
		return
	}
	if r.URL.Query().Has("file") {
		b, err := json.MarshalIndent(held, "", "  ")
		if err != nil {
			p.trouble(w, r, "write own data", err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Disposition", `attachment; filename="my-data.json"`)
		_, _ = w.Write(append(b, '\n'))
		return
	}
	words := p.texts.set.Words(v.lang)
	p.show(w, r, http.StatusOK, v.lang, "owndata", "owndata_title", ownDataPage{
		Address: subscribers.Mask(held.Now.Address), Since: words.Day(held.Since.In(p.home(&subscribers.Settings{Zone: held.Now.Zone}))),
		Changes: words.Number(len(held.Changes)), Consents: words.Number(len(held.Consents)), Deliveries: words.Number(len(held.Deliveries))})
}

func (p *Pages) askErase(w http.ResponseWriter, r *http.Request, v *visit) {
	if v.reader == nil {
		p.refused(w, r, v, subscribers.ErrNotFound)
		return
	}
	p.question(w, r, v, question{key: "erase", pairs: []string{"address", masked(v.reader.Address)}})
}

// erase deletes everything about the reader. Whoever presses again is told the same.
func (p *Pages) erase(w http.ResponseWriter, r *http.Request, v *visit) {
	if err := p.Account.Erase(r.Context(), v.Subscriber, p.Now()); err != nil && !errors.Is(err, subscribers.ErrNotFound) {
		p.trouble(w, r, "erase reader", err)
		return
	}
	p.message(w, r, http.StatusOK, v.lang, "erased")
}
