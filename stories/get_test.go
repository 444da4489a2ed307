package stories

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestGetRefused: no address that is not public, not over https or not a server's is connected to.
func TestGetRefused(t *testing.T) {
	var asked atomic.Int32
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer srv.Close()
	plain := httptest.NewServer(srv.Config.Handler)
	defer plain.Close()
	f := &Fetcher{}
	for _, address := range []string{srv.URL, plain.URL, strings.Replace(srv.URL, "127.0.0.1", "localhost", 1), "https://10.0.0.1/x.pem",
		"https://169.254.169.254/latest", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "http://sns.eu-west-1.amazonaws.com/x.pem",
		"file:///etc/passwd", "https:///x", "ftp://example.org/", "://", "https://1.1.1.1:8443/"} {
		if body, err := f.Get(t.Context(), address, 100); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: got %q, %v", address, body, err)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the servers here were asked %d times", n)
	}
}

// TestGet reads an answer of 200 that is not too long, and nothing else.
func TestGet(t *testing.T) {
	var elsewhere atomic.Int32
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ten":
			_, _ = w.Write([]byte("0123456789"))
		case "/eleven":
			_, _ = w.Write([]byte("0123456789a"))
		case "/moved":
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		case "/elsewhere":
			elsewhere.Add(1)
		default:
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()
	for path, want := range map[string]string{"/ten": "", "/eleven": "larger than 10 octets", "/moved": "answered 302", "/gone": "answered 404"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := get(srv.Client(), req, 10)
		if want == "" && (err != nil || string(body) != "0123456789") || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %q, %v, want %q", path, body, err, want)
		}
	}
	if elsewhere.Load() != 0 {
		t.Error("a redirect was followed")
	}
}
