package room

import (
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// longestSaid is how much fits into a cookie: browsers drop one that is larger than 4 KB.
const longestSaid = 2500

func encodeSaid(s string) string {
	if len(s) > longestSaid {
		s = strings.ToValidUTF8(s[:longestSaid], "") + "…"
	}
	return base64.RawURLEncoding.EncodeToString([]byte(s))
}

func decodeSaid(s string) string {
	b, _ := base64.RawURLEncoding.DecodeString(s)
	return string(b)
}

// guarded sets what keeps pages to themselves, and lets nobody in who calls this machine by a name that
// others may give it.
func (rm *Room) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cache-Control", "no-store")
		if rm.secure() {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if why := rm.misdirected(r); why != "" {
			http.Error(w, why, http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// misdirected says why a request is none for this room, "" if it is.
//
// A room for this machine alone answers to this machine's own names: a page elsewhere may have a name of
// its own that leads here. It does not answer what a proxy hands on either, for then others reach it, and
// the rules for that are stricter: the proxy's name has to be given. With a public address the room answers
// to that name alone; a proxy that changes the name would hide who asks.
func (rm *Room) misdirected(r *http.Request) string {
	switch {
	case rm.Public != nil:
		if !strings.EqualFold(r.Host, rm.Public.Host) {
			return "this room answers to " + rm.Public.Host + " alone: have the proxy in front of it keep the Host header"
		}
	case !loopbackHost(r.Host):
		return "this page is for this machine alone: open it as http://127.0.0.1 with its port, or give the room its address with --operator-url"
	case handedOn(r):
		return "this page is for this machine alone, and a proxy hands it on: give the room its address with --operator-url"
	}
	return ""
}

// handedOn reports whether a proxy hands a request on: it says so, or the browser knows the room by another
// name than the request does. Without either nobody gets in: a log-in is posted, and then browsers tell.
func handedOn(r *http.Request) bool {
	for name := range r.Header {
		if name == "Forwarded" || name == "Via" || name == "X-Real-Ip" || strings.HasPrefix(name, "X-Forwarded-") {
			return true
		}
	}
	if r.Header.Get("Sec-Fetch-Site") != "same-origin" { // from another site it is refused for that
		return false
	}
	u, err := url.Parse(r.Header.Get("Origin"))
	return err != nil || u.Host != "" && !strings.EqualFold(u.Host, r.Host)
}

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
