package web_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"broadsheet/schedule"
	"broadsheet/subscribers"
	"broadsheet/web"
)

// shelf says where stories are read, by id.
type shelf map[int64]string

func (s shelf) StoryLink(_ context.Context, story int64) (url, headline string, err error) {
	if story == broken {
		return "", "", errors.New("database is locked")
	}
	return s[story], "A lamp for every stair", nil
}

const broken = 99

func start(t *testing.T, stories shelf) (*httptest.Server, *subscribers.Keys) {
	t.Helper()
	entry, err := subscribers.NewKey("one", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := subscribers.ParseKeys(entry)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	(&web.Links{Publication: schedule.Publication{Name: "Ink & <b>Tide</b>", Tagline: "Twice a day", ReplyTo: "desk@tidewater.example",
		PostalAddress: "3 Quay Street"}, Keys: keys, Stories: stories, Log: slog.New(slog.DiscardHandler)}).Register(mux)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	server.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return server, keys
}

func ask(t *testing.T, s *httptest.Server, method, path string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func token(t *testing.T, keys *subscribers.Keys, a subscribers.Action) string {
	t.Helper()
	s, err := keys.Token("one", a)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantGuarded(t *testing.T, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
		"X-Robots-Tag": "noindex", "Cache-Control": "no-store"} {
		if got := h.Get(name); got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	csp := h.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "form-action 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(csp, part) {
			t.Errorf("policy %q lacks %s", csp, part)
		}
	}
}

func TestEveryKindOfLink(t *testing.T) {
	server, keys := start(t, shelf{5: "https://tidewater.example/lamp?a=1&b=2#top"})
	for kind := subscribers.Read; kind <= subscribers.Resume; kind++ {
		path := "/l/" + token(t, keys, subscribers.Action{Kind: kind, Edition: 1, Slot: 2, Subscriber: 3, Story: 5, Section: "world"})
		status, method := http.StatusOK, "GET"
		if kind == subscribers.Read {
			status = http.StatusSeeOther
		}
		for _, method = range []string{"GET", "HEAD"} {
			resp, body := ask(t, server, method, path)
			if resp.StatusCode != status {
				t.Errorf("kind %d: %s gives %d, not %d", kind, method, resp.StatusCode, status)
			}
			if method == "HEAD" && body != "" {
				t.Errorf("kind %d: HEAD has a body", kind)
			}
			if kind == subscribers.Read && resp.Header.Get("Location") != "https://tidewater.example/lamp?a=1&b=2#top" {
				t.Errorf("sends to %q", resp.Header.Get("Location"))
			}
			if kind != subscribers.Read && method == "GET" && !strings.Contains(body, "Nothing has been changed") {
				t.Errorf("kind %d: page says %s", kind, body)
			}
			wantGuarded(t, resp.Header)
		}
		// Nothing here can carry out what a POST asks for, and 2xx would say that it was.
		resp, _ := ask(t, server, "POST", path)
		if resp.StatusCode != http.StatusNotImplemented {
			t.Errorf("kind %d: POST gives %d", kind, resp.StatusCode)
		}
		wantGuarded(t, resp.Header)
		for _, method := range []string{"PUT", "DELETE", "PATCH"} {
			if resp, _ := ask(t, server, method, path); resp.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("kind %d: %s gives %d", kind, method, resp.StatusCode)
			}
		}
	}
}

func TestGarbageGetsOnePage(t *testing.T) {
	server, keys := start(t, shelf{5: "https://tidewater.example/lamp"})
	good := token(t, keys, subscribers.Action{Kind: subscribers.Read, Edition: 1, Slot: 2, Subscriber: 3, Story: 5})
	bad := []string{"", "a", "%20", "%00", "a/b", "a%2Fb", "%F0%9F%97%9E", strings.Repeat("A", 4000), good + "A", good + "=", good[1:],
		good[:len(good)-1], strings.ToLower(good), good + "/" + good, good + "%0A", "A" + good + "?x=" + good,
		subscribers.Inert(subscribers.Action{Kind: subscribers.Read, Story: 5})}
	for i := range good {
		c := byte('A')
		if good[i] == c {
			c = 'B'
		}
		bad = append(bad, good[:i]+string(c)+good[i+1:])
	}
	_, want := ask(t, server, "GET", "/l/nonsense")
	for _, s := range bad {
		for _, method := range []string{"GET", "POST"} {
			resp, body := ask(t, server, method, "/l/"+s)
			if resp.StatusCode != http.StatusNotFound || body != want {
				t.Errorf("%s %q gives %d and another page", method, s, resp.StatusCode)
			}
			wantGuarded(t, resp.Header)
		}
	}
}

func TestNoOpenRedirect(t *testing.T) {
	hostile := []string{"", "javascript:alert(1)", "data:text/html,x", "//evil.example/", "/l/x", "\\\\evil.example", "ftp://evil.example/",
		"https:", "https:///path", "http:evil", "mailto:a@b.example", "ht tp://x", "https://x/\x00", "file:///etc/passwd"}
	stories := shelf{50: "https://tidewater.example/lamp"}
	for i, address := range hostile {
		stories[int64(i+1)] = address
	}
	server, keys := start(t, stories)
	for i, address := range hostile {
		resp, body := ask(t, server, "GET", "/l/"+token(t, keys, subscribers.Action{Kind: subscribers.Read, Story: int64(i + 1)}))
		if resp.StatusCode != http.StatusNotFound || resp.Header.Get("Location") != "" || !strings.Contains(body, "A lamp for every stair") {
			t.Errorf("%q gives %d and sends to %q", address, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
	// Only the token says where to.
	for _, query := range []string{"?url=https://evil.example/", "?next=//evil.example", "?confirm=true&to=https://evil.example"} {
		resp, _ := ask(t, server, "GET", "/l/"+token(t, keys, subscribers.Action{Kind: subscribers.Read, Story: 50})+query)
		if got := resp.Header.Get("Location"); got != "https://tidewater.example/lamp" {
			t.Errorf("%s sends to %q", query, got)
		}
	}
}

func TestPage(t *testing.T) {
	server, keys := start(t, shelf{})
	resp, body := ask(t, server, "GET", "/l/"+token(t, keys, subscribers.Action{Kind: subscribers.Preferences, Subscriber: 3}))
	_, rest, _ := strings.Cut(body, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	if hash := base64.StdEncoding.EncodeToString(sum[:]); !strings.Contains(resp.Header.Get("Content-Security-Policy"), "'sha256-"+hash+"'") {
		t.Error("the policy does not allow the page's own style")
	}
	for _, text := range []string{"Ink &amp; &lt;b&gt;Tide&lt;/b&gt;", "Twice a day", "3 Quay Street", "desk@tidewater.example"} {
		if !strings.Contains(body, text) {
			t.Errorf("the page lacks %q:\n%s", text, body)
		}
	}
	for _, bad := range []string{"<script", "<img", "http://", "https://", "<form"} {
		if strings.Contains(body, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if resp, body := ask(t, server, "GET", "/healthz"); resp.StatusCode != http.StatusOK || body != "ok\n" {
		t.Errorf("healthz gives %d %q", resp.StatusCode, body)
	}
	if resp, body := ask(t, server, "GET", "/l/"+token(t, keys, subscribers.Action{Kind: subscribers.Read, Story: broken})); resp.StatusCode != http.StatusServiceUnavailable || strings.Contains(body, "locked") {
		t.Errorf("a database in trouble gives %d %s", resp.StatusCode, body)
	}
}
