package commands

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"broadsheet/operators"
	"broadsheet/web/room"
)

var wildcard = regexp.MustCompile(`\{[a-z_.]*\$?\}`)

// pathOf is a route's method and a path that it matches.
func pathOf(r room.Route) (method, path string) {
	method, path, _ = strings.Cut(r.Pattern, " ")
	return method, wildcard.ReplaceAllStringFunc(path, func(name string) string {
		switch name {
		case "{$}":
			return ""
		case "{act}":
			return "remove"
		}
		return "1"
	})
}

// walker asks without reading answers, for some never end.
type walker struct {
	*visitor
	token string
}

func (w *walker) walk(method, path string, header ...string) (status int) {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), method, w.base+path, strings.NewReader(url.Values{"why": {"x"}, "name": {"x"}, "role": {"look"}, "at": {"2026-01-01T07:00"}}.Encode()))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if w.token != "" {
		req.Header.Set("Authorization", "Bearer "+w.token)
	}
	for n := 0; n < len(header); n += 2 {
		req.Header.Set(header[n], header[n+1])
	}
	resp, err := w.client.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// TestEveryRouteRefuses walks the room's whole table: without a log-in, with too small a role, from another
// site, and with a method that only shows. Nothing of it changes a row.
func TestEveryRouteRefuses(t *testing.T) {
	if testing.Short() {
		t.Skip("one thing at a time happens in it: not with -short")
	}
	h := operated(t)
	base := roomOf(t, h.engine)
	doors := roomDoors{h.engine, new(operators.Delays)}
	nobody := &walker{visitor: stranger(t, base)}
	browser, program := map[operators.Role]*walker{}, map[operators.Role]*walker{}
	for _, role := range operators.Roles {
		hire(t, h.engine, role)
		v := stranger(t, base)
		if status, _ := v.tries("the-"+string(role), passOf, ""); status != http.StatusSeeOther {
			t.Fatalf("log in: %d", status)
		}
		secret, _, err := doors.AddToken(t.Context(), operators.By{Who: "test"}, "of-"+string(role), role)
		if err != nil {
			t.Fatal(err)
		}
		browser[role], program[role] = &walker{visitor: v}, &walker{visitor: stranger(t, base), token: secret}
		program[role].walk("GET", "/api/v1/audit") // that it is used is on record, to the hour
	}
	before := h.dump()
	acting, walked := 0, 0
	for _, r := range h.engine.room(true).Routes() {
		method, path := pathOf(r)
		if r.Role == "" { // the door itself, and what pages are drawn with
			if method == "POST" {
				if got := nobody.walk(method, path, "Sec-Fetch-Site", "cross-site"); got != http.StatusForbidden {
					t.Errorf("%s from another site: %d", r.Pattern, got)
				}
			}
			continue
		}
		walked++
		api := strings.HasPrefix(path, "/api/")
		who := browser
		if api {
			who = program
		}
		acts := method != "GET"
		want := http.StatusSeeOther // to the door
		if acts || api {
			want = http.StatusUnauthorized
		}
		if got := nobody.walk(method, path); got != want {
			t.Errorf("%s without a log-in: %d, want %d", r.Pattern, got, want)
		}
		if api {
			if got := browser[operators.Manage].walk(method, path, "Sec-Fetch-Site", "same-origin"); got != http.StatusUnauthorized {
				t.Errorf("%s with a browser's cookie: %d", r.Pattern, got)
			}
		}
		for _, role := range operators.Roles[:slices.Index(operators.Roles, r.Role)] {
			if got := who[role].walk(method, path); got != http.StatusForbidden {
				t.Errorf("%s with the role %s: %d", r.Pattern, role, got)
			}
		}
		most := who[operators.Manage]
		if !acts {
			for _, m := range []string{"GET", "HEAD"} {
				if got := most.walk(m, path); got >= 500 {
					t.Errorf("%s %s: %d\n%s", m, path, got, &h.log)
				}
			}
			if got := most.walk("OPTIONS", path); got < 400 {
				t.Errorf("OPTIONS %s: %d", path, got)
			}
		} else {
			acting++
			for _, from := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
				if got := most.walk(method, path, from...); got != http.StatusForbidden {
					t.Errorf("%s from another site (%s): %d", r.Pattern, from, got)
				}
			}
			for _, m := range []string{"GET", "HEAD", "OPTIONS"} {
				if got := most.walk(m, path, "Sec-Fetch-Site", "cross-site"); got >= 500 {
					t.Errorf("%s %s: %d", m, path, got)
				}
			}
		}
		if now := h.dump(); now != before {
			t.Fatalf("walking %s changed the database:\n%s", r.Pattern, diffLines(before, now))
		}
	}
	if acting < 60 {
		t.Errorf("it walked %d routes, of which %d act", walked, acting)
	}
}

// diffLines are the lines that are in one text alone.
func diffLines(a, b string) string {
	var out strings.Builder
	have := map[string]int{}
	for line := range strings.Lines(a) {
		have[line]++
	}
	for line := range strings.Lines(b) {
		if have[line]--; have[line] < 0 {
			out.WriteString("+ " + line)
		}
	}
	for line, n := range have {
		if n > 0 {
			out.WriteString("- " + line)
		}
	}
	return out.String()
}
