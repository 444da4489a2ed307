package commands

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"broadsheet/operators"
	"broadsheet/web/room"
)

// tower is an engine with an operator's room and a clock that can be moved.
type tower struct {
	*harbor
	at time.Time
}

func newTower(t *testing.T) *tower {
	w := &tower{harbor: newHarbor(t, "mailgun", harborSecret, 1)}
	w.at = w.now()
	w.engine.now = func() time.Time { return w.at }
	return w
}

// roomAt serves the room as if at another listener.
func (w *tower) roomAt(public string) *visitor {
	w.Helper()
	rm := w.engine.room(false)
	if public != "" {
		u, err := url.Parse(public)
		if err != nil {
			w.Fatal(err)
		}
		rm.Public = u
	}
	handler, err := rm.Handler()
	if err != nil {
		w.Fatal(err)
	}
	srv := httptest.NewServer(handler)
	w.Cleanup(srv.Close)
	if rm.Public != nil && rm.Public.Host == "" {
		rm.Public.Host = strings.TrimPrefix(srv.URL, "http://")
	}
	return stranger(w.T, srv.URL)
}

// tries logs in and says what came of it.
func (v *visitor) tries(name, password, code string) (status int, page string) {
	v.Helper()
	return v.ask("POST", "/login", url.Values{"name": {name}, "password": {password}, "code": {code}})
}

// TestLogIn: nobody is in by default, one answer for all that is wrong, a session that ends as it should.
func TestLogIn(t *testing.T) {
	w := newTower(t)
	v := stranger(t, roomOf(t, w.engine))
	if status, _ := v.get("/audit?act=x"); status != http.StatusSeeOther {
		t.Errorf("without a log-in a page gives %d", status)
	}
	if _, page := v.get("/login"); !strings.Contains(page, "broadsheet operators add NAME --role manage") {
		t.Errorf("with no operator the page does not say how to make one:\n%s", page)
	}
	hire(t, w.engine, operators.Act)
	if _, page := v.get("/login"); strings.Contains(page, "operators add") {
		t.Error("with an operator it still says how to make one")
	}
	status, wrong := v.tries("the-act", "something else", "")
	if status != http.StatusUnauthorized {
		t.Errorf("a wrong password: %d", status)
	}
	if status, page := v.tries("nobody", "something else", ""); status != http.StatusUnauthorized || strings.ReplaceAll(page, "nobody", "the-act") != wrong {
		t.Errorf("a wrong name: %d, and another answer than for a wrong password", status)
	}
	v.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error { return http.ErrUseLastResponse }
	before := w.dump()
	status, _ = v.ask("POST", "/login", url.Values{"name": {"The-Act "}, "password": {passOf}, "to": {"//evil.example/"}})
	u, _ := url.Parse(v.base)
	cookies := v.client.Jar.Cookies(u)
	if status != http.StatusSeeOther || len(cookies) != 1 || len(cookies[0].Value) < 43 || strings.Contains(w.dump(), cookies[0].Value) || w.dump() == before {
		t.Fatalf("log in: %d, %v", status, cookies)
	}
	first := cookies[0].Value
	if status, page := v.get("/account"); status != 200 || !strings.Contains(page, "<bdi>the-act</bdi>") {
		t.Errorf("the account page gives %d", status)
	}
	// A second log-in in the same browser is another session, and ends the first.
	if status, _ := v.tries("the-act", passOf, ""); status != http.StatusSeeOther || v.client.Jar.Cookies(u)[0].Value == first {
		t.Errorf("the second log-in: %d, with the session of the first", status)
	}
	thief := stranger(t, v.base)
	thief.client.Jar.SetCookies(u, []*http.Cookie{{Name: "room", Value: first}})
	if status, _ := thief.get("/account"); status != http.StatusSeeOther {
		t.Errorf("the first session still opens: %d", status)
	}
	// It lives while it is used, and ends idle.
	for range 5 {
		w.at = w.at.Add(operators.SessionIdle - 2*time.Minute)
		if status, _ := v.get("/account"); status != 200 {
			t.Fatalf("in use it ends: %d", status)
		}
	}
	w.at = w.at.Add(operators.SessionIdle)
	if status, _ := v.get("/account"); status != http.StatusSeeOther {
		t.Errorf("idle it lives on: %d", status)
	}
	// Log out ends it in the database, not only in the browser.
	v.tries("the-act", passOf, "")
	kept := v.client.Jar.Cookies(u)[0].Value
	if status, _ := v.post("/logout", url.Values{}); status != http.StatusSeeOther {
		t.Errorf("log out: %d", status)
	}
	thief.client.Jar.SetCookies(u, []*http.Cookie{{Name: "room", Value: kept}})
	if status, _ := thief.get("/account"); status != http.StatusSeeOther {
		t.Errorf("after the log-out the session opens: %d", status)
	}
	// No session lives longer than half a day.
	v.tries("the-act", passOf, "")
	for end := w.at.Add(operators.SessionLife); w.at.Before(end); w.at = w.at.Add(20 * time.Minute) {
		if status, _ := v.get("/account"); status != 200 {
			t.Fatalf("in use it ends %s early: %d", end.Sub(w.at), status)
		}
	}
	if status, _ := v.get("/account"); status != http.StatusSeeOther {
		t.Errorf("after half a day it lives on: %d", status)
	}
	if strings.Contains(w.log.String(), passOf) {
		t.Error("a password is in the log")
	}
}

// TestNewPassword ends all sessions of the operator, in other browsers too.
func TestNewPassword(t *testing.T) {
	if testing.Short() {
		t.Skip("one thing at a time happens in it: not with -short")
	}
	w := newTower(t)
	v := enter(t, w.engine, operators.Look)
	other := stranger(t, v.base)
	other.tries("the-look", passOf, "")
	const next = "another horse, another stable"
	for what, form := range map[string]url.Values{
		"a wrong old one": {"password": {"wrong"}, "new": {next}, "again": {next}},
		"two that differ": {"password": {passOf}, "new": {next}, "again": {next + "x"}},
		"too short a one": {"password": {passOf}, "new": {"short"}, "again": {"short"}},
	} {
		if status, page := v.post("/account/password", form); status/100 != 4 || !strings.Contains(page, "Not changed: ") {
			t.Errorf("%s: %d\n%s", what, status, page)
		}
	}
	if status, _ := v.post("/account/password", url.Values{"password": {passOf}, "new": {next}, "again": {next}}); status != http.StatusSeeOther {
		t.Fatalf("changed: %d", status)
	}
	for _, who := range []*visitor{v, other} {
		if status, _ := who.get("/account"); status != http.StatusSeeOther {
			t.Errorf("a session lives on: %d", status)
		}
	}
	if status, _ := v.tries("the-look", passOf, ""); status != http.StatusUnauthorized {
		t.Errorf("the old password: %d", status)
	}
	if status, _ := v.tries("the-look", next, ""); status != http.StatusSeeOther {
		t.Errorf("the new password: %d", status)
	}
}

// TestManyTries: who fails waits, with the real one's name too; the real one comes in from elsewhere.
func TestManyTries(t *testing.T) {
	if testing.Short() {
		t.Skip("one thing at a time happens in it: not with -short")
	}
	w := newTower(t)
	hire(t, w.engine, operators.Look)
	doors := roomDoors{w.engine, new(operators.Delays)}
	last := error(nil)
	for range 6 {
		_, last = doors.LogIn(t.Context(), room.Try{Name: "the-look", Password: "guess", Client: "203.0.113.9"})
	}
	if _, ok := last.(room.TooSoon); !ok {
		t.Errorf("the sixth guess: %v", last)
	}
	if _, err := doors.LogIn(t.Context(), room.Try{Name: "the-look", Password: passOf, Client: "203.0.113.9"}); err == nil {
		t.Error("who guesses comes in without a wait")
	}
	if _, err := doors.LogIn(t.Context(), room.Try{Name: "the-look", Password: passOf, Client: "198.51.100.7"}); err != nil {
		t.Errorf("the real one: %v", err)
	}
	for range 5 {
		if _, last = doors.LogIn(t.Context(), room.Try{Name: "no name", Password: "x", Client: "192.0.2.1"}); !errors.Is(last, room.ErrNoEntry) {
			t.Errorf("a name that is none: %v", last)
		}
	}
	if _, err := doors.LogIn(t.Context(), room.Try{Name: "the-look", Password: passOf, Client: "192.0.2.1"}); err != nil {
		t.Errorf("after five names that are none: %v", err)
	}
}

// TestCodesAtTheDoor: where others reach the room, acting takes a one-time code, and each is good once.
func TestCodesAtTheDoor(t *testing.T) {
	if testing.Short() {
		t.Skip("one thing at a time happens in it: not with -short")
	}
	w := newTower(t)
	hire(t, w.engine, operators.Manage)
	v := w.roomAt("http:")
	if status, _ := v.tries("the-manage", passOf, ""); status != http.StatusSeeOther {
		t.Fatalf("log in: %d", status)
	}
	if status, page := v.get("/account"); status != 200 || !strings.Contains(page, "set up one-time codes") {
		t.Errorf("it does not say what is needed: %d", status)
	}
	before := w.dump()
	if status, page := v.post("/tokens", url.Values{"name": {"x"}, "role": {"look"}}); status != http.StatusForbidden || !strings.Contains(page, "takes a one-time code") || w.dump() != before {
		t.Errorf("acting without a code: %d\n%s", status, page)
	}
	_, page := v.get("/account/code")
	text, _, _ := strings.Cut(after(page, `name="secret" value="`), `"`)
	secret, err := operators.ParseCodeSecret(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, page)
	}
	if status, _ := v.post("/account/code", url.Values{"secret": {text}, "password": {passOf}, "code": {"000000"}}); status != http.StatusConflict {
		t.Errorf("a wrong code: %d", status)
	}
	code := secret.At(time.Now())
	if status, page := v.post("/account/code", url.Values{"secret": {text}, "password": {passOf}, "code": {code}}); status != http.StatusSeeOther {
		t.Fatalf("set up: %d\n%s", status, page)
	}
	if dump := w.dump(); strings.Contains(dump, text) || bytes.Contains([]byte(dump), secret) {
		t.Error("the secret is in the database as it is")
	}
	if status, _ := v.tries("the-manage", passOf, ""); status != http.StatusUnauthorized {
		t.Errorf("without a code: %d", status)
	}
	if status, _ := v.tries("the-manage", passOf, code); status != http.StatusUnauthorized {
		t.Errorf("with the code that set it up: %d", status)
	}
	next := secret.At(time.Now().Add(30 * time.Second))
	if status, _ := v.tries("the-manage", "wrong wrong wrong", next); status != http.StatusUnauthorized {
		t.Errorf("with a wrong password: %d", status)
	}
	if status, _ := v.tries("the-manage", passOf, next); status != http.StatusSeeOther {
		t.Fatalf("with the next code: %d", status)
	}
	if status, page := v.post("/tokens", url.Values{"name": {"newsroom"}, "role": {"look"}}); status != 200 || !strings.Contains(page, operators.TokenPrefix) {
		t.Errorf("acting with a code: %d\n%s", status, page)
	}
	if status, _ := stranger(t, v.base).tries("the-manage", passOf, next); status != http.StatusUnauthorized {
		t.Errorf("the same code again: %d", status)
	}
	// One that was shown to change the password lets nobody in either.
	a, err := w.db.OperatorNamed(t.Context(), "the-manage")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.db.SetOperatorCode(t.Context(), operators.By{Who: "test"}, a.Name, a.Code, 0, w.now()); err != nil {
		t.Fatal(err)
	}
	doors := roomDoors{w.engine, new(operators.Delays)}
	try := room.Try{Name: a.Name, Password: passOf, Code: secret.At(time.Now()), Client: "192.0.2.1"}
	const fresh = "another horse, another stable"
	if _, err := doors.ChangePassword(t.Context(), operators.By{Who: a.Name}, try, fresh); err != nil {
		t.Fatal(err)
	}
	try.Password = fresh
	if _, err := doors.LogIn(t.Context(), try); !errors.Is(err, room.ErrNoEntry) {
		t.Errorf("the code that changed the password: %v", err)
	}
}

func after(s, part string) string { _, rest, _ := strings.Cut(s, part); return rest }

// TestRoomByName: a room answers to its own name alone; behind https its cookie is out of others' reach.
func TestRoomByName(t *testing.T) {
	if testing.Short() {
		t.Skip("one thing at a time happens in it: not with -short")
	}
	w := newTower(t)
	hire(t, w.engine, operators.Look)
	ask := func(base, method, path, host string, header http.Header) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(url.Values{"name": {"the-look"}, "password": {passOf}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Host, req.Header = host, header.Clone()
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	v := w.roomAt("https://room.tidewater.example")
	if resp := ask(v.base, "POST", "/login", "room.tidewater.example", http.Header{"X-Forwarded-For": {"198.51.100.7"}}); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("log in: %s", resp.Status)
	} else if c := resp.Header.Get("Set-Cookie"); !strings.HasPrefix(c, "__Host-room=") || !strings.Contains(c, "; HttpOnly; Secure; SameSite=Strict") || !strings.Contains(c, "; Path=/") || strings.Contains(c, "Domain") ||
		resp.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("cookie %q, headers %v", c, resp.Header)
	}
	for _, host := range []string{"127.0.0.1", "localhost:8081", "evil.example", "room.tidewater.example.evil.example"} {
		if resp := ask(v.base, "GET", "/login", host, http.Header{}); resp.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s: %s", host, resp.Status)
		}
	}
	alone := roomOf(t, w.engine)
	if resp := ask(alone, "GET", "/login", "127.0.0.1:8081", http.Header{"X-Forwarded-For": {"198.51.100.7"}}); resp.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("handed on by a proxy, the room for this machine alone gives %s", resp.Status)
	}
	if resp := ask(alone, "POST", "/login", "127.0.0.1:8081", http.Header{"Sec-Fetch-Site": {"cross-site"}}); resp.StatusCode != http.StatusForbidden {
		t.Errorf("a log-in from another site: %s", resp.Status)
	}
	// A link in a mail: our own page leads on, with the cookie.
	if resp := ask(alone, "GET", `/audit?act=a"><script>`, "127.0.0.1:8081", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}}); resp.StatusCode != http.StatusOK {
		t.Errorf("from a mail: %s", resp.Status)
	}
}

// asks sends one request to a room and returns the answer with its body.
func (w *tower) asks(base, method, path, host string, header http.Header, body string) (status int, text string) {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), method, base+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	req.Host, req.Header = host, header.Clone()
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestSilentProxy: a proxy that changes the name and tells nothing opens no room that asks for no code, for
// a browser says by what name it knows the room.
func TestSilentProxy(t *testing.T) {
	w := newTower(t)
	hire(t, w.engine, operators.Manage)
	alone := roomOf(t, w.engine)
	form := url.Values{"name": {"the-manage"}, "password": {passOf}}.Encode()
	const host, origin = "127.0.0.1:8081", "https://room.example.org"
	for what, h := range map[string]http.Header{
		"by https":   {"Sec-Fetch-Site": {"same-origin"}, "Origin": {origin}},
		"by http":    {"Origin": {"http://room.example.org"}},
		"with Via":   {"Via": {"1.1 varnish"}},
		"with proto": {"X-Forwarded-Proto": {"https"}},
	} {
		if status, text := w.asks(alone, "POST", "/login", host, h, form); status != http.StatusMisdirectedRequest && status != http.StatusForbidden || !strings.Contains(text, "--operator-url") {
			t.Errorf("%s: %d %s", what, status, text)
		}
	}
	if status, text := w.asks(alone, "POST", "/login", host, http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"http://" + host}}, form); status != http.StatusSeeOther {
		t.Errorf("on this machine: %d %s", status, text)
	}
}

// TestMetricsToken: where others reach the room, a program reads metrics with a token, and with none it is
// told so.
func TestMetricsToken(t *testing.T) {
	w := newTower(t)
	secret, _, err := roomDoors{w.engine, new(operators.Delays)}.AddToken(t.Context(), operators.By{Who: "test"}, "prometheus", operators.Look)
	if err != nil {
		t.Fatal(err)
	}
	v := w.roomAt("https://room.example.org")
	if status, text := w.asks(v.base, "GET", "/metrics", "room.example.org", http.Header{"Authorization": {"Bearer " + secret}}, ""); status != 200 || !strings.Contains(text, "broadsheet_build_info") {
		t.Errorf("with a token: %d %.200s", status, text)
	}
	for _, h := range []http.Header{{}, {"Authorization": {"Bearer broadsheet_made_up"}}} {
		if status, _ := w.asks(v.base, "GET", "/metrics", "room.example.org", h, ""); status != http.StatusUnauthorized {
			t.Errorf("with %v: %d", h, status)
		}
	}
}

// TestWatchingIsQuiet: what a page asks by itself does not keep a session from ending.
func TestWatchingIsQuiet(t *testing.T) {
	w := newTower(t)
	v := enter(t, w.engine, operators.Look)
	u, err := url.Parse(v.base)
	if err != nil {
		t.Fatal(err)
	}
	cookie := v.client.Jar.Cookies(u)[0].String()
	for n, h := range []http.Header{{"Sec-Fetch-Mode": {"cors"}}, {"X-Renew": {"1"}}, {"Sec-Fetch-Mode": {"same-origin"}}} {
		w.at = w.at.Add(operators.SessionIdle/3 + time.Second)
		want := 200
		if n == 2 {
			want = http.StatusSeeOther
		}
		h.Set("Cookie", cookie)
		if status, _ := w.asks(v.base, "GET", "/account", u.Host, h, ""); status != want {
			t.Errorf("%v: %d", h, status)
		}
	}
}

// TestLongForms: a form has a bound, and what a page says of an act fits into a cookie.
func TestLongForms(t *testing.T) {
	w := newTower(t)
	v := enter(t, w.engine, operators.Act)
	before := w.dump()
	if status, _ := v.post("/suppressions", url.Values{"why": {"x"}, "address": {"a@b.example"}, "reason": {"operator"}, "note": {strings.Repeat("x", 2<<20)}}); status != http.StatusRequestEntityTooLarge {
		t.Errorf("2 MB: %d", status)
	}
	if w.dump() != before {
		t.Error("it changes the database")
	}
}

// TestDoorInBrowser logs in and makes an operator and a token, as people do; axe looks at the pages, if
// BROADSHEET_AXE names it.
func TestDoorInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser: not with -short")
	}
	w := newTower(t)
	s := newSurfer(t, roomOf(t, w.engine))
	s.opens("/login")
	s.shot("room-login")
	s.logsIn(w.engine, operators.Manage)
	s.opens("/account")
	s.opens("/account/code")
	s.shot("room-code")
	s.opens("/operators")
	s.types("#name", "bo")
	s.types("#password", "four tall ships")
	s.types("#again", "four tall ships")
	if status := s.presses(`form[action="/operators"] button`); status != 200 || !strings.Contains(s.text(), "bo may come in, with the role look") {
		t.Errorf("an operator is made: %d\n%s", status, s.text())
	}
	s.shot("room-operators")
	s.opens("/tokens")
	s.types("#name", "newsroom")
	if status := s.presses(`form[action="/tokens"] button`); status != 200 || !strings.Contains(s.text(), operators.TokenPrefix) {
		t.Errorf("a token is made: %d\n%s", status, s.text())
	}
	s.shot("room-tokens")
	s.opens("/audit?act=operator")
	s.shot("room-audit")
	if !strings.Contains(s.text(), "operator add") {
		t.Errorf("the audit log:\n%s", s.text())
	}
	s.presses(`form[action="/logout"] button`)
	if !strings.Contains(s.text(), "Log in") {
		t.Errorf("after the log-out:\n%s", s.text())
	}
}
