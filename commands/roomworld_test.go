package commands

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"broadsheet/operators"
)

// roomOf serves the operator's room of an engine and says where.
func roomOf(t *testing.T, e *engine) (base string) {
	t.Helper()
	handler, err := e.room(true).Handler()
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(handler)
	t.Cleanup(func() {
		srv.CloseClientConnections() // who watches does not go by themselves
		srv.Close()
		e.board.end()
	})
	return srv.URL
}

// visitor is an operator who has logged in, without a browser.
type visitor struct {
	*testing.T
	client *http.Client
	base   string
}

// enter logs an operator with a role in to an engine's room.
func enter(t *testing.T, e *engine, role operators.Role) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, roomOf(t, e)}
}

// get asks for a page.
func (v *visitor) get(path string) (status int, body string) {
	v.Helper()
	return v.ask("GET", path, nil)
}

// post presses a button; of a redirect the body is the page that it leads to.
func (v *visitor) post(path string, form url.Values) (status int, body string) {
	v.Helper()
	return v.ask("POST", path, form)
}

func (v *visitor) ask(method, path string, form url.Values) (status int, body string) {
	v.Helper()
	var content io.Reader
	if form != nil {
		content = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(v.Context(), method, v.base+path, content)
	if err != nil {
		v.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	resp, err := v.client.Do(req)
	if err != nil {
		v.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		v.Fatal(err)
	}
	if to := resp.Header.Get("Location"); to != "" && method == "POST" {
		_, page := v.get(to)
		return resp.StatusCode, page
	}
	return resp.StatusCode, string(b)
}
