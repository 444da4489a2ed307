package web

import "net/http"

// mailLink is a stand-in until the pages of account links are there.
func (p *Pages) mailLink(w http.ResponseWriter, r *http.Request, v *visit, kind string) {
	p.message(w, r, http.StatusServiceUnavailable, v.lang, "trouble")
}
