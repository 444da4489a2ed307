package room_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"broadsheet/operators"
	"broadsheet/web/room"
)

type wayBack struct {
	room.WayBack
	o   *room.Overview
	err error
}

func (w wayBack) Overview(context.Context) (*room.Overview, error) { return w.o, w.err }

// open is a door through which whoever has the cookie of this test comes in.
type open struct{ room.Doors }

func (open) Session(_ context.Context, secret string, _ bool) (*operators.Session, error) {
	if secret != "key" {
		return nil, nil
	}
	return &operators.Session{Operator: operators.Operator{ID: 1, Name: "bo", Role: operators.Manage}}, nil
}

// operatorOf serves the operator's page with an overview.
func operatorOf(t *testing.T, o *room.Overview, failing error) *httptest.Server {
	t.Helper()
	page := &room.Room{Publication: "Ink & <b>Tide</b>", Now: func() time.Time { return time.Date(2026, 4, 2, 9, 0, 0, 0, time.UTC) }, Log: slog.New(slog.DiscardHandler),
		Loopback: true, Doors: open{}, WayBack: wayBack{o: o, err: failing}}
	handler, err := page.Handler()
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	return srv
}

func askOperator(t *testing.T, srv *httptest.Server, method, path, host string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	req.AddCookie(&http.Cookie{Name: "room", Value: "key"})
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// TestOperatorPage shows what waits, with the commands that decide it, and nothing that others wrote as
// anything but text.
func TestOperatorPage(t *testing.T) {
	at := time.Date(2026, 4, 2, 7, 0, 0, 0, time.UTC)
	evil := `<script>alert(1)</script>"'&`
	o := &room.Overview{Since: at,
		Tasks:   []room.OverviewTask{{ID: 7, Kind: "leave", Address: "ada@reader.example", Subject: evil, Detail: evil, Doubt: "it came from elsewhere", From: "eve@other.example", At: at}, {ID: 8, Kind: "complaint", At: at}},
		Waves:   []room.OverviewWave{{Issue: 12, Edition: "morning", Slot: "2026-04-02", Domain: "reader.example", Mails: 1234, Hard: 370, Norm: 0.02, Held: at}},
		Slow:    []room.OverviewSlow{{Name: "gmail", Rate: 2.5, Base: 10, Since: at, Why: "421 4.7.28 " + evil}},
		Domains: []room.OverviewRate{{Name: "reader.example", Taken: 1234, Delivered: 800, Hard: 370}, {Name: "fine.example", Taken: 10000, Delivered: 10000, Soft: 1}},
		Returned: []room.OverviewReturned{{Delivery: 99, Inbound: 5, Address: "bo@reader.example", Class: "hard", Reason: "userunknown", Status: "5.1.1", Text: evil, Relay: "main", At: at, Sure: true},
			{Class: "soft", At: at}},
		Aside: []room.OverviewAside{{ID: 6, From: evil, Subject: evil, Why: "too deep", At: at}}, MoreReturned: true}
	resp, page := askOperator(t, operatorOf(t, o, nil), "GET", "/returned", "")
	if resp.StatusCode != http.StatusOK || strings.Contains(page, "<script>") || strings.Contains(page, "<b>Tide") || strings.Contains(page, "ZgotmplZ") {
		t.Fatalf("%s:\n%s", resp.Status, page)
	}
	for _, want := range []string{"3 things wait for you", "A reader asks to leave", "broadsheet tasks done 7 --leave", "broadsheet tasks done 8<", "Not proven: it came from elsewhere", "eve@other.example", "370 of 1,234 mails", "30 %, where 2.0 % is usual",
		"broadsheet suppressions undo --issue 12 --domain reader.example", "suppressions apply --issue 12", "2.5 a second at most, before 10 a second", "421 4.7.28 &lt;script",
		`<tr class="bad"><th scope="row"><bdi>reader.example</bdi></th><td>30 %</td><td>1,234</td>`, `<tr><th scope="row"><bdi>fine.example</bdi></th><td>&lt; 0.1 %</td>`,
		"broadsheet deliveries show 99", "/inbound/5", "without our token", "/inbound/6", "Older ones", "Somebody complains, and nobody knows who", "No mail has left."} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q:\n%s", want, page)
		}
	}
	_, page = askOperator(t, operatorOf(t, &room.Overview{Since: at}, nil), "GET", "/returned", "")
	for _, want := range []string{"Nothing waits for you", "None is open.", "No domain is in quarantine.", "Nothing came back.", "<title>What came back"} {
		if !strings.Contains(page, want) {
			t.Errorf("the empty page has no %q:\n%s", want, page)
		}
	}
	if resp, page := askOperator(t, operatorOf(t, nil, errors.New("database at /srv/ada is damaged")), "GET", "/returned", ""); resp.StatusCode != 500 || strings.Contains(page, "ada") {
		t.Errorf("with an error: %s %q", resp.Status, page)
	}
}

// TestOperatorAlone: the page answers this machine alone, reads alone, and has no page of readers on it.
func TestOperatorAlone(t *testing.T) {
	srv := operatorOf(t, &room.Overview{}, nil)
	_, port, _ := strings.Cut(strings.TrimPrefix(srv.URL, "http://"), ":")
	for _, host := range []string{"", "localhost:" + port, "LOCALHOST", "127.0.0.1", "127.8.8.8:80", "[::1]:" + port, "[::ffff:127.0.0.1]"} {
		if resp, _ := askOperator(t, srv, "GET", "/returned", host); resp.StatusCode != http.StatusOK {
			t.Errorf("%q: %s", host, resp.Status)
		}
	}
	for _, host := range []string{"attacker.example", "localhost.attacker.example:" + port, "127.0.0.1.attacker.example", "10.0.0.1", "0.0.0.0:" + port, "[::]", "2130706433", "news.tidewater.example"} {
		for _, path := range []string{"/", "/assets/room.css"} {
			if resp, body := askOperator(t, srv, "GET", path, host); resp.StatusCode != http.StatusMisdirectedRequest || strings.Contains(body, "waits") {
				t.Errorf("%q%s: %s", host, path, resp.Status)
			}
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		if resp, _ := askOperator(t, srv, method, "/returned", ""); resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %s", method, resp.Status)
		}
	}
	for _, path := range []string{"/l/x", "/signup", "/e/morning", "/events/main", "/assets/page.js", "/operator/page.html", "/x"} {
		if resp, _ := askOperator(t, srv, "GET", path, ""); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	resp, _ := askOperator(t, srv, "GET", "/returned", "")
	if h := resp.Header; !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" ||
		h.Get("Access-Control-Allow-Origin") != "" || h.Get("Set-Cookie") != "" {
		t.Errorf("headers %v", h)
	}
}
