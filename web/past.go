package web

import (
	"net/http"
	"strconv"
	"time"

	"broadsheet/digest"
	"broadsheet/subscribers"
)

// pastShown is how many past digests a page lists, and the private feed holds.
const pastShown = 20

// pastPage is the list of what a reader was sent.
type pastPage struct {
	Digests []pastDigest
	Older   string // address of the next page, "" = this is the last
	Token   string
}

type pastDigest struct {
	Date, Edition, Subject string
	Token                  string // of its page
}

// pastDigests lists what the reader was sent, each with a link to its page.
func (p *Pages) pastDigests(w http.ResponseWriter, r *http.Request, v *visit) {
	if v.reader == nil {
		p.message(w, r, http.StatusNotFound, v.lang, "no_digest")
		return
	}
	before := p.Now().Add(time.Second)
	if us, err := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64); err == nil {
		before = time.UnixMicro(us)
	}
	list, err := p.Archive.PastDigests(r.Context(), v.Subscriber, before, pastShown+1)
	if err != nil {
		p.trouble(w, r, "list past digests", err)
		return
	}
	page := pastPage{Token: v.token}
	if len(list) > pastShown {
		list = list[:pastShown]
		page.Older = strconv.FormatInt(list[pastShown-1].Issue.Due.UnixMicro(), 10)
	}
	words := p.texts.set.Words(v.lang)
	for _, d := range list {
		token, err := p.viewToken(&d)
		if err != nil {
			p.trouble(w, r, "make link", err)
			return
		}
		page.Digests = append(page.Digests, pastDigest{
			Date: words.Day(d.Issue.Due.In(p.zone(d.Reader.Zone))), Edition: p.editionTitle(d.Issue.Edition), Subject: p.subject(&d, v.lang), Token: token})
	}
	p.show(w, r, http.StatusOK, v.lang, "past", "past_title", page)
}

// viewToken is the link to a digest's page: as old as the digest is, like the one in the mail.
func (p *Pages) viewToken(d *digest.Past) (string, error) {
	return p.Keys.Token(p.Keys.SigningID(), subscribers.Action{Kind: subscribers.ViewInBrowser,
		Edition: d.Issue.EditionID, Slot: d.Issue.Wall(), Subscriber: d.Reader.Subscriber})
}
