package web

import (
	"net/http"
	"strings"

	"broadsheet/mailer/provider"
)

// maxBody is the most octets a form may have.
const maxBody = 64 << 10

// guarded sets what keeps a page with a capability in its address to itself, and bounds what a
// request may cost.
func (p *Pages) guarded(next http.Handler) http.Handler {
	secure := strings.HasPrefix(p.Config.Publication.PublicURL, "https://")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Robots-Tag", "noindex")
		h.Set("Cache-Control", "no-store")
		if secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		limit := int64(maxBody)
		if strings.HasPrefix(r.URL.Path, "/events/") { // no form of ours
			limit = provider.MaxBody
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		next.ServeHTTP(w, r)
	})
}

const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// sameSite refuses a POST that another site makes a browser send. It answers itself then.
//
// Browsers from before Sec-Fetch-Site say of a form on a page that sends no referrer that its
// origin is null (Fetch Standard, "append a request Origin header"). They are believed: each form
// carries a token that no other site knows, and who cannot press the button cannot leave.
func (p *Pages) sameSite(w http.ResponseWriter, r *http.Request) bool {
	if r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "null" {
		return true
	}
	if err := p.csrf.Check(r); err != nil {
		p.message(w, r, http.StatusForbidden, "", "cross_site")
		return false
	}
	return true
}
