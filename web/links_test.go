package web_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"broadsheet/subscribers"
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

func wantGuarded(t *testing.T, path string, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
		"X-Robots-Tag": "noindex", "Cache-Control": "no-store"} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %s is %q, not %q", path, name, got, want)
		}
	}
	csp := h.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(csp, part) {
			t.Errorf("%s: policy %q lacks %s", path, csp, part)
		}
	}
	if strings.Contains(csp, "unsafe") || h.Get("Set-Cookie") != "" {
		t.Errorf("%s: policy %q, cookie %q", path, csp, h.Get("Set-Cookie"))
	}
}

func TestGarbageGetsOnePage(t *testing.T) {
	w := newWorld(t, "https://tidewater.example")
	good := strings.TrimPrefix(w.link(subscribers.LeaveAll, subscribers.Action{Edition: 1, Subscriber: w.reader("ada@quill.example").ID}), "/l/")
	bad := []string{"", "a", "%20", "%00", "a/b", "a%2Fb", "%F0%9F%97%9E", strings.Repeat("A", 4000), good + "A", good + "=", good[1:],
		good[:len(good)-1], strings.ToLower(good), good + "/" + good, good + "%0A", "A" + good + "?x=" + good,
		subscribers.Inert(subscribers.Action{Kind: subscribers.LeaveAll, Subscriber: 1})}
	for i := range good {
		c := byte('A')
		if good[i] == c {
			c = 'B'
		}
		bad = append(bad, good[:i]+string(c)+good[i+1:])
	}
	before := w.dump()
	_, want := w.get("/l/nonsense")
	for _, s := range bad {
		for _, method := range []string{"GET", "POST"} {
			w.pass(time.Minute) // guesses are counted
			resp, body := w.ask(method, "/l/"+s, nil)
			if resp.StatusCode != http.StatusNotFound || body != want {
				t.Errorf("%s %q gives %d and another page", method, s, resp.StatusCode)
			}
			wantGuarded(t, s, resp.Header)
		}
	}
	if lines := changed(before, w.dump()); len(lines) > 0 {
		t.Errorf("nonsense changed %q", lines)
	}
}

func TestNoOpenRedirect(t *testing.T) {
	hostile := []string{"", "javascript:alert(1)", "data:text/html,x", "//evil.example/", "/l/x", "\\\\evil.example", "ftp://evil.example/",
		"https:", "https:///path", "http:evil", "mailto:a@b.example", "ht tp://x", "https://x/\x00", "file:///etc/passwd"}
	stories := shelf{50: "https://tidewater.example/lamp?a=1&b=2#top"}
	for i, address := range hostile {
		stories[int64(i+1)] = address
	}
	w := newWorld(t, "https://tidewater.example")
	w.pages.Stories = stories
	for i, address := range hostile {
		resp, body := w.get(w.link(subscribers.Read, subscribers.Action{Story: int64(i + 1)}))
		if resp.StatusCode != http.StatusNotFound || resp.Header.Get("Location") != "" || !strings.Contains(body, "A lamp for every stair") {
			t.Errorf("%q gives %d and sends to %q", address, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
	// Only the token says where to.
	for _, query := range []string{"", "?url=https://evil.example/", "?next=//evil.example", "?confirm=true&to=https://evil.example"} {
		resp, _ := w.get(w.link(subscribers.Read, subscribers.Action{Story: 50}) + query)
		if got := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || got != "https://tidewater.example/lamp?a=1&b=2#top" {
			t.Errorf("%s sends to %q", query, got)
		}
		wantGuarded(t, query, resp.Header)
	}
}

func TestLayout(t *testing.T) {
	w := newWorld(t, "https://tidewater.example/mail")
	w.pages.Stories = shelf{}
	for _, lang := range []string{"en", "ar"} {
		resp, body := w.get("/l/nonsense?lang=" + lang)
		for _, text := range []string{"Ink &amp; &lt;b&gt;Tide&lt;/b&gt;", "Twice a day", "3 Quay Street", `<html lang="` + lang + `"`, `href="/mail/assets/style.css?`} {
			if !strings.Contains(body, text) {
				t.Errorf("the page in %s lacks %q:\n%s", lang, text, body)
			}
		}
		for _, bad := range []string{"<script>", "<style", " style=", " onclick", "<img", "http://", "https://"} {
			if strings.Contains(body, bad) {
				t.Errorf("the page in %s has %q", lang, bad)
			}
		}
		if resp.Header.Get("Content-Language") != lang || resp.Header.Get("Strict-Transport-Security") == "" {
			t.Errorf("the page in %s has headers %v", lang, resp.Header)
		}
	}
	if resp, body := w.get("/healthz"); resp.StatusCode != http.StatusOK || body != "ok\n" {
		t.Errorf("healthz gives %d %q", resp.StatusCode, body)
	}
	resp, body := w.get(w.link(subscribers.Read, subscribers.Action{Story: broken}))
	if resp.StatusCode != http.StatusServiceUnavailable || strings.Contains(body, "locked") || !strings.Contains(w.log.String(), "locked") {
		t.Errorf("a database in trouble gives %d %s", resp.StatusCode, body)
	}
	for path, kind := range map[string]string{"/assets/style.css": "text/css; charset=utf-8", "/assets/page.js": "text/javascript; charset=utf-8"} {
		resp, _ := w.get(path)
		if resp.Header.Get("Content-Type") != kind || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s has headers %v", path, resp.Header)
		}
	}
	for _, path := range []string{"/assets/none.css", "/nowhere", "/assets/..%2fpages.go"} {
		if resp, body := w.get(path); resp.StatusCode != http.StatusNotFound || !strings.Contains(body, "<h1>") {
			t.Errorf("%s gives %d %s", path, resp.StatusCode, body)
		}
	}
}
