package web_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"broadsheet/subscribers"
	"broadsheet/web"
)

// leaver is a server that answers a one-click link as it must, but for what is wrong with it.
type leaver struct {
	keys   *subscribers.Keys
	secure bool
	wrong  func(w http.ResponseWriter, r *http.Request) (done bool) // nil = nothing
}

const leavePage = `<!doctype html><html lang="en"><title>Leave</title><link rel="stylesheet" href="/assets/style.css">
<form method="post" action="%s"><button name="List-Unsubscribe" value="One-Click">Leave</button></form></html>`

func (l leaver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, value := range map[string]string{"Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'",
		"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"} {
		w.Header().Set(name, value)
	}
	if l.secure {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if l.wrong != nil && l.wrong(w, r) {
		return
	}
	token, isLink := strings.CutPrefix(r.URL.Path, "/l/")
	_, err := l.keys.Open(token)
	switch {
	case r.URL.Path == "/healthz":
		_, _ = io.WriteString(w, "ok\n")
	case strings.HasPrefix(r.URL.Path, "/assets/"):
		w.Header().Set("Content-Type", "text/css")
	case !isLink || err != nil:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodPost && r.PostFormValue("List-Unsubscribe") != "One-Click":
		w.WriteHeader(http.StatusBadRequest)
	case r.Method == http.MethodPost:
		_, _ = io.WriteString(w, "You have left.")
	default:
		fmt.Fprintf(w, leavePage, r.URL.Path)
	}
}

// looked is what a probe reported, failures as "what: error".
func looked(t *testing.T, p *web.Probe) (good, bad []string) {
	t.Helper()
	p.Now = time.Now
	p.Run(t.Context(), func(what string, err error) {
		if strings.Contains(fmt.Sprint(what, err), "/l/") {
			t.Errorf("%s: %v names a link", what, err)
		}
		if err != nil {
			bad = append(bad, what+": "+err.Error())
		} else {
			good = append(good, what)
		}
	})
	return good, bad
}

func probeKeys(t *testing.T) *subscribers.Keys {
	t.Helper()
	keys, err := subscribers.ParseKeys("one:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// on is a fault in the answer to one method.
func on(method string, do http.HandlerFunc) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != method || !strings.HasPrefix(r.URL.Path, "/l/") {
			return false
		}
		do(w, r)
		return true
	}
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// with sets a header and lets the answer be what it is.
func with(path, name, value string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, path) {
			w.Header().Set(name, value)
		}
		return false
	}
}

// TestProbe asks servers that answer wrongly, each in its own way.
func TestProbe(t *testing.T) {
	keys := probeKeys(t)
	button := func(page string) string { return strings.Replace(leavePage, "</form>", "</form>"+page, 1) }
	shows := func(page string) func(http.ResponseWriter, *http.Request) bool {
		return on("GET", func(w http.ResponseWriter, r *http.Request) {
			if _, err := keys.Open(strings.TrimPrefix(r.URL.Path, "/l/")); err != nil {
				w.WriteHeader(http.StatusNotFound)
			}
			_, _ = io.WriteString(w, strings.Replace(page, "%s", r.URL.Path, 1))
		})
	}
	var visits atomic.Int32
	for _, c := range []struct {
		name  string
		wrong func(http.ResponseWriter, *http.Request) bool
		want  []string // beginnings of what is reported as bad; nil = all is well
	}{
		{"as it must be", nil, nil},
		{"HEAD 204", on("HEAD", says(http.StatusNoContent, "")), []string{"HEAD of a leave link: it is answered 204"}},
		{"POST 202", on("POST", func(w http.ResponseWriter, r *http.Request) {
			if _, err := keys.Open(strings.TrimPrefix(r.URL.Path, "/l/")); err != nil || r.PostFormValue("List-Unsubscribe") == "" {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			w.WriteHeader(http.StatusAccepted)
		}), nil},
		{"POST 501", on("POST", says(http.StatusNotImplemented, "")), []string{
			"one-click POST, urlencoded: it is answered 501 Not Implemented, not 200", "one-click POST, multipart: it is answered 501", "one-click POST, once more: ",
			"POST without the field is refused: it is answered 501", "POST of a wrong link is refused: it is answered 501"}},
		{"all is done", on("POST", says(http.StatusOK, "You have left.")), []string{"POST without the field is refused: it is answered 200 OK, not 4xx", "POST of a wrong link is refused: it is answered 200"}},
		{"redirect after POST", on("POST", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/bye", http.StatusSeeOther) }), []string{
			"one-click POST, urlencoded: it is answered 303 See Other and leads elsewhere", "one-click POST, multipart: ", "one-click POST, once more: ", "POST without", "POST of a wrong"}},
		{"redirect to a login", func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "https://login.tidewater.example/?next="+r.URL.Path, http.StatusFound)
			return true
		}, []string{"serve answers at /healthz: it is answered 302 Found and leads", "GET of a leave", "HEAD of", "one-click", "one-click", "one-click", "POST without", "GET again", "GET of a wrong", "POST of a wrong"}},
		{"cookie on GET", with("/l/", "Set-Cookie", "session=1"), []string{"GET of a leave link shows one button: it sets a cookie", "HEAD of", "one-click", "one-click", "one-click", "GET again"}},
		{"urlencoded only", on("POST", func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			if _, err := keys.Open(strings.TrimPrefix(r.URL.Path, "/l/")); err != nil || r.PostForm.Get("List-Unsubscribe") != "One-Click" {
				w.WriteHeader(http.StatusBadRequest)
			}
		}), []string{"one-click POST, multipart: it is answered 400 Bad Request"}},
		{"once only", func() func(http.ResponseWriter, *http.Request) bool {
			var n atomic.Int32
			return on("POST", func(w http.ResponseWriter, r *http.Request) {
				if _, err := keys.Open(strings.TrimPrefix(r.URL.Path, "/l/")); err != nil || r.PostFormValue("List-Unsubscribe") == "" || n.Add(1) > 1 {
					w.WriteHeader(http.StatusGone)
				}
			})
		}(), []string{"one-click POST, multipart: it is answered 410", "one-click POST, once more: it is answered 410"}},
		{"GET that leaves", shows("You have left."), []string{"GET of a leave link shows one button: the page has no form that posts"}},
		{"GET that leaves behind a button", shows(strings.Replace(leavePage, "One-Click", "Stay", 1)), []string{"GET of a leave link shows one button: the page has no form that posts"}},
		{"GET whose form is a GET", shows(strings.Replace(leavePage, "post", "get", 1)), []string{"GET of a leave link shows one button: the page has no form that posts"}},
		{"a form that goes elsewhere", shows(strings.Replace(leavePage, "%s", "/leave", 1)), []string{"GET of a leave link shows one button: the page has no form that posts"}},
		{"GET that counts", func(w http.ResponseWriter, r *http.Request) bool {
			return shows(button(fmt.Sprint(visits.Add(1))))(w, r)
		}, []string{"GET again shows the same: the page is another one: GET changes something"}},
		{"a page that submits itself", shows(button("<script>document.forms[0].submit()</script>")), []string{"GET of a leave link shows one button: the page has a script in it"}},
		{"a page that leads on", shows(button(`<meta http-equiv="refresh" content="0;url=/bye">`)), []string{"GET of a leave link shows one button: the page leads on by itself"}},
		{"a pixel", shows(button(`<img src="https://count.example/p.gif">`)), []string{`GET of a leave link shows one button: the page loads "https://count.example/p.gif" from elsewhere`}},
		{"no page", with("/l/", "Content-Type", "application/json"), []string{`GET of a leave link shows one button: it is "application/json", not a page`}},
		{"no HEAD", on("HEAD", says(http.StatusMethodNotAllowed, "")), []string{"HEAD of a leave link: it is answered 405 Method Not Allowed, not 200"}},
		{"everything is a page", func(w http.ResponseWriter, r *http.Request) bool {
			fmt.Fprintf(w, leavePage, r.URL.Path)
			return true
		}, []string{"serve answers at /healthz: it does not say ok", "POST without", "GET of a wrong link is refused: it is answered 200", "POST of a wrong link is refused"}},
		{"unsafe policy", with("/l/", "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; style-src 'unsafe-inline'"), []string{"headers of the page: Content-Security-Policy is"}},
		{"frames", with("/l/", "Content-Security-Policy", "default-src 'none'"), []string{"headers of the page: Content-Security-Policy is"}},
		{"several headers", func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Referrer-Policy", "origin")
			w.Header().Del("X-Content-Type-Options")
			w.Header().Set("Cache-Control", "max-age=60")
			return false
		}, []string{`headers of the page: Referrer-Policy is "origin", not no-referrer; X-Content-Type-Options is "", not nosniff; Cache-Control is "max-age=60", not no-store`}},
		{"HSTS taken back", with("/l/", "Strict-Transport-Security", "max-age=0"), []string{"headers of the page: Strict-Transport-Security is"}},
		{"style not let through", func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasPrefix(r.URL.Path, "/assets/") {
				w.WriteHeader(http.StatusForbidden)
				return true
			}
			return false
		}, []string{"style of the page: it is answered 403 Forbidden"}},
		{"hangs up", on("POST", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), []string{"one-click POST, urlencoded: EOF", "one-click", "one-click", "POST without", "POST of a wrong"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewTLSServer(leaver{keys, true, c.wrong})
			defer s.Close()
			good, bad := looked(t, &web.Probe{PublicURL: s.URL, Keys: keys, Roots: rootsOf(s), Limit: time.Minute})
			if len(bad) != len(c.want) || len(good) == 0 {
				t.Fatalf("bad %d, want %d:\n%s\ngood:\n%s", len(bad), len(c.want), strings.Join(bad, "\n"), strings.Join(good, "\n"))
			}
			for i, want := range c.want {
				if !strings.HasPrefix(bad[i], want) {
					t.Errorf("got %q, want %q", bad[i], want)
				}
			}
		})
	}
}

func rootsOf(s *httptest.Server) *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return roots
}

// TestProbeSlow asks a server that takes longer than it may.
func TestProbeSlow(t *testing.T) {
	keys := probeKeys(t)
	const limit = 500 * time.Millisecond // what answers at once does so on a busy machine too
	s := httptest.NewServer(leaver{keys, false, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			<-time.After(limit + time.Millisecond)
		}
		return false
	}})
	defer s.Close()
	_, bad := looked(t, &web.Probe{PublicURL: s.URL, Keys: keys, Limit: limit})
	if len(bad) != 3 || !strings.HasPrefix(bad[0], "one-click POST, urlencoded: it takes ") || !strings.HasSuffix(bad[0], "ms, more than 500ms") {
		t.Errorf("got %q", bad)
	}
}

// TestProbeConnection asks where nobody answers rightly: one report, and no more questions.
func TestProbeConnection(t *testing.T) {
	keys := probeKeys(t)
	secure := httptest.NewUnstartedServer(leaver{keys, true, nil})
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // it hears of every client that turns away
	secure.StartTLS()
	defer secure.Close()
	old := httptest.NewUnstartedServer(leaver{keys, true, nil})
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11}
	old.Config.ErrorLog = secure.Config.ErrorLog
	old.StartTLS()
	defer old.Close()
	plain := httptest.NewServer(leaver{keys, false, nil})
	defer plain.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, c := range []struct {
		name, url string
		roots     *x509.CertPool
		want      string
	}{
		{"unknown authority", secure.URL, x509.NewCertPool(), "certificate signed by unknown authority"},
		{"another's name", strings.Replace(secure.URL, "127.0.0.1", "localhost", 1), rootsOf(secure), "certificate is valid for"},
		{"TLS 1.1", old.URL, rootsOf(old), "protocol version"},
		{"no TLS", strings.Replace(plain.URL, "http:", "https:", 1), nil, "HTTP response to HTTPS client"},
		{"nobody", gone.URL, nil, "connection refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			good, bad := looked(t, &web.Probe{PublicURL: c.url, Keys: keys, Roots: c.roots, Limit: time.Minute})
			if len(good) != 0 || len(bad) != 1 || !strings.HasPrefix(bad[0], "connection: ") || !strings.Contains(bad[0], c.want) {
				t.Errorf("got %q and %q, want %q", good, bad, c.want)
			}
		})
	}
	good, bad := looked(t, &web.Probe{PublicURL: plain.URL, Keys: keys, Limit: time.Minute})
	if len(bad) != 0 || good[0] != "connection without TLS, which is for this machine alone" {
		t.Errorf("got %q and %q", good, bad)
	}
}
