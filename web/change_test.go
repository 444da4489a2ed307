package web_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/subscribers"
)

// settings lists how many changes a reader has had, and what holds now.
func (w *world) settings(id int64) (changes int, now subscribers.Subscriber) {
	w.Helper()
	list, err := w.db.History(w.Context(), id)
	w.must(err)
	s, err := w.db.SubscriberByID(w.Context(), id)
	w.must(err)
	return len(list), *s
}

// everyKind lists the kinds of tokens that there are.
func (w *world) everyKind() (list []subscribers.Kind) {
	for k := subscribers.Read; ; k++ {
		if _, err := w.keys.Token(w.keys.SigningID(), subscribers.Action{Kind: k}); err != nil {
			return list
		}
		list = append(list, k)
	}
}

// TestNothingChangesByLooking walks every route, and every kind of link there is, as scanners do.
func TestNothingChangesByLooking(t *testing.T) {
	w := newWorld(t, "https://tidewater.example")
	r := w.reader("ada@quill.example")
	undo, err := w.db.LeaveAll(w.Context(), r.ID, "reader", "", w.now())
	w.must(err)
	_, err = w.db.Undo(w.Context(), r.ID, undo.Row, false, w.now())
	w.must(err)
	change, err := w.db.EditReader(w.Context(), r.ID, subscribers.Edit{By: "reader", Do: func(s *subscribers.Settings) error { s.Name = "Ada"; return nil }}, w.now())
	w.must(err)
	var paths []string
	for _, kind := range w.everyKind() {
		a := subscribers.Action{Edition: w.edition("morning"), Subscriber: r.ID, Story: 1, Section: "sport"}
		if kind == subscribers.Undo {
			a.Story = change.Row
		}
		paths = append(paths, w.link(kind, a))
	}
	wild := regexp.MustCompile(`\{.*?\}`)
	for _, pattern := range w.pages.Patterns() {
		_, path, _ := strings.Cut(pattern, " ")
		paths = append(paths, strings.ReplaceAll(wild.ReplaceAllString(path, "morning"), "morning$", ""))
	}
	before := w.dump()
	for _, path := range paths {
		for _, query := range []string{"", "?confirm=true", "?List-Unsubscribe=One-Click", "?action=all&lang=ar", "?action=save&hour=8", "?for=1w&section=sport"} {
			for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
				resp, body := w.ask(method, path+query, nil)
				if resp.StatusCode >= 500 {
					t.Errorf("%s %s gives %d", method, path+query, resp.StatusCode)
				}
				if method == "HEAD" && body != "" {
					t.Errorf("HEAD %s has a body", path)
				}
			}
			// A form in the body of a GET is none.
			w.ask("GET", path+query, url.Values{"List-Unsubscribe": {"One-Click"}, "action": {"all"}})
		}
	}
	if lines := changed(before, w.dump()); len(lines) > 0 {
		t.Errorf("looking changed %q", lines)
	}
	if w.kicks > 0 {
		t.Error("looking has mails written")
	}
}

// TestOnePressOneChange: each button changes one thing once, and the next page takes it back.
func TestOnePressOneChange(t *testing.T) {
	undoForm := regexp.MustCompile(`action="(/l/[^"]+)"`)
	for _, c := range []struct {
		name string
		kind subscribers.Kind
		form []string
		want func(s subscribers.Subscriber) bool
	}{
		{"less", subscribers.SectionLess, nil, func(s subscribers.Subscriber) bool { return level(s, "world") == subscribers.Less }},
		{"mute", subscribers.SectionMute, nil, func(s subscribers.Subscriber) bool { return level(s, "world") == subscribers.Muted }},
		{"pause", subscribers.Pause, []string{"for", "1m"}, func(s subscribers.Subscriber) bool {
			return s.Status == subscribers.Paused && s.PausedUntil.Equal(time.Date(2026, 5, 2, 0, 0, 0, 0, time.UTC))
		}},
		{"leave edition", subscribers.LeaveEdition, []string{"action", "edition"}, func(s subscribers.Subscriber) bool {
			return slices.Equal(s.Editions, []string{"harbour"}) && s.Status == subscribers.Active
		}},
		{"leave another edition", subscribers.LeaveEdition, []string{"action", "edition", "edition", "harbour"}, func(s subscribers.Subscriber) bool {
			return slices.Equal(s.Editions, []string{"morning"})
		}},
		{"leave everything from there", subscribers.LeaveEdition, []string{"action", "all"}, gone},
		{"leave everything", subscribers.LeaveAll, nil, gone},
		{"fewer stories", subscribers.LeaveEdition, []string{"action", "fewer"}, func(s subscribers.Subscriber) bool {
			return level(s, "world") == subscribers.Less && level(s, "politics") == subscribers.Less
		}},
		{"fewer days", subscribers.LeaveAll, []string{"action", "days", "days", "weekend"}, func(s subscribers.Subscriber) bool {
			return slices.Equal(s.Days, []int{6, 7})
		}},
		{"one section", subscribers.LeaveAll, []string{"action", "section", "section", "politics"}, func(s subscribers.Subscriber) bool {
			return level(s, "politics") == subscribers.Muted && s.Status == subscribers.Active
		}},
		{"pause instead", subscribers.LeaveAll, []string{"action", "pause", "for", "1w"}, func(s subscribers.Subscriber) bool { return s.Status == subscribers.Paused }},
		{"one click", subscribers.OneClick, []string{"List-Unsubscribe", "One-Click"}, func(s subscribers.Subscriber) bool {
			return slices.Equal(s.Editions, []string{"harbour"}) && s.Status == subscribers.Active
		}},
		{"preferences", subscribers.Preferences, []string{"action", "save", "hour", "8"}, func(s subscribers.Subscriber) bool {
			return s.Hour == 8 && len(s.Sections) == 3 && len(s.Editions) == 2
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "https://tidewater.example")
			r := w.reader("ada@quill.example")
			path := w.link(c.kind, subscribers.Action{Edition: w.edition("morning"), Subscriber: r.ID, Section: "world"})
			if resp, body := w.get(path); resp.StatusCode != http.StatusOK || strings.Contains(body, "ada@quill") || strings.Contains(body, "Ada Quill") {
				t.Errorf("the page has status %d, or gives the reader away", resp.StatusCode)
			}
			resp, body := w.post(path, c.form...)
			changes, now := w.settings(r.ID)
			if resp.StatusCode != http.StatusOK || changes != 2 || !c.want(now) {
				t.Fatalf("status %d, %d changes, now %+v\n%s", resp.StatusCode, changes, now.Settings, body)
			}
			wantGuarded(t, path, resp.Header)
			_, again := w.post(path, c.form...)
			if changes, _ := w.settings(r.ID); changes != 2 {
				t.Errorf("pressed again: %d changes", changes)
			}
			if undoForm.MatchString(again) {
				t.Error("there is something to undo though nothing has been changed")
			}
			m := undoForm.FindStringSubmatch(body)
			if m == nil {
				t.Fatalf("there is no way back:\n%s", body)
			}
			if resp, _ := w.post(m[1]); resp.StatusCode != http.StatusOK {
				t.Errorf("undo gives %d", resp.StatusCode)
			}
			if _, now := w.settings(r.ID); !now.Settings.Equal(r.Settings) || now.Suppressed != nil {
				t.Errorf("undone it is %+v, suppressed %v", now.Settings, now.Suppressed)
			}
		})
	}
}

// TestPausedNotice: the mail that tells of a pause names the day on which it ends.
func TestPausedNotice(t *testing.T) {
	w := newWorld(t, "https://tidewater.example")
	r := w.reader("ada@quill.example")
	w.post(w.link(subscribers.Pause, subscribers.Action{Subscriber: r.ID}), "for", "1m")
	if !slices.ContainsFunc(w.dump(), func(l string) bool {
		return strings.HasPrefix(l, "notices ") && strings.Contains(l, digest.NoticePaused+" ") && strings.Contains(l, "2026-05-02")
	}) {
		t.Errorf("the notice does not say until when: %q", w.dump())
	}
}

func level(s subscribers.Subscriber, section string) subscribers.Level {
	l, _ := s.Level(section)
	return l
}

func gone(s subscribers.Subscriber) bool {
	return s.Status == subscribers.Unsubscribed && s.Suppressed != nil && s.Suppressed.Reason == "unsubscribed"
}

// TestOneClick is RFC 8058 section 3.1, and what must not count as that.
func TestOneClick(t *testing.T) {
	for _, mode := range []string{"edition", "all"} {
		w := newWorld(t, "https://tidewater.example")
		w.pages.Config.Pages.OneClick = mode
		r := w.reader("ada@quill.example")
		path := w.link(subscribers.OneClick, subscribers.Action{Edition: w.edition("morning"), Subscriber: r.ID})
		for _, c := range [][2]string{
			{"", ""}, {"application/x-www-form-urlencoded", ""}, {"application/x-www-form-urlencoded", "List-Unsubscribe=yes"},
			{"application/json", `{"List-Unsubscribe":"One-Click"}`}, {"text/plain", "List-Unsubscribe=One-Click"},
			{"multipart/form-data; boundary=x", "--y\r\n"}, {"application/x-www-form-urlencoded", "%zz"},
		} {
			resp := w.raw("POST", path+"?List-Unsubscribe=One-Click", c[0], c[1])
			if resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%q %q gives %d", c[0], c[1], resp.StatusCode)
			}
		}
		if changes, _ := w.settings(r.ID); changes != 1 {
			t.Fatal("something else than one click changed the reader")
		}
		var b bytes.Buffer
		m := multipart.NewWriter(&b)
		w.must(m.WriteField("List-Unsubscribe", "One-Click"))
		w.must(m.Close())
		// From nowhere, and as a browser of another site would say; both codings, again and again.
		for _, headers := range [][]string{nil, {"Origin", "https://mail.example", "Sec-Fetch-Site", "cross-site", "Cookie", "a=b"}} {
			for _, c := range [][2]string{{m.FormDataContentType(), b.String()}, {"application/x-www-form-urlencoded", "List-Unsubscribe=One-Click"}} {
				resp := w.raw("POST", path, c[0], c[1], headers...)
				if resp.StatusCode != http.StatusOK || resp.Header.Get("Location") != "" || len(resp.Cookies()) > 0 {
					t.Errorf("%s: %s gives %d, %v", mode, c[0], resp.StatusCode, resp.Header)
				}
			}
		}
		changes, now := w.settings(r.ID)
		if changes != 2 || mode == "all" && !gone(now) || mode == "edition" && !slices.Equal(now.Editions, []string{"harbour"}) {
			t.Errorf("%s: %d changes, now %+v", mode, changes, now.Settings)
		}
		if lines := w.rows("notices"); len(lines) > 0 {
			t.Errorf("a mail is to be written after a click on the header's button: %q", lines)
		}
		// An edition that nobody knows any more: to mail on would be worse than to leave too much.
		other := w.reader("eda@quill.example")
		w.raw("POST", w.link(subscribers.OneClick, subscribers.Action{Edition: 999, Subscriber: other.ID}), "application/x-www-form-urlencoded", "List-Unsubscribe=One-Click")
		if _, now := w.settings(other.ID); !gone(now) {
			t.Errorf("%s: left an unknown edition: %+v", mode, now.Settings)
		}
		// Somebody who is gone.
		if resp := w.raw("POST", w.link(subscribers.OneClick, subscribers.Action{Edition: 1, Subscriber: 999}), "application/x-www-form-urlencoded", "List-Unsubscribe=One-Click"); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: a reader who is gone gives %d", mode, resp.StatusCode)
		}
	}
}

// raw sends a request as it stands, and nothing else.
func (w *world) raw(method, path, contentType, body string, headers ...string) *http.Response {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), method, w.server.URL+path, strings.NewReader(body))
	w.must(err)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for pair := range slices.Chunk(headers, 2) {
		req.Header.Set(pair[0], pair[1])
	}
	resp, err := w.server.Client().Do(req)
	w.must(err)
	resp.Body.Close()
	return resp
}

// rows are the lines of a table.
func (w *world) rows(table string) []string {
	return slices.DeleteFunc(w.dump(), func(l string) bool { return !strings.HasPrefix(l, table+" ") })
}

// TestCrossSite: but for one click, a POST that another site makes a browser send changes nothing.
func TestCrossSite(t *testing.T) {
	w := newWorld(t, "https://tidewater.example")
	r := w.reader("ada@quill.example")
	before := w.dump()
	for _, kind := range w.everyKind() {
		if kind == subscribers.OneClick {
			continue
		}
		path := w.link(kind, subscribers.Action{Edition: w.edition("morning"), Subscriber: r.ID, Story: 1, Section: "sport"})
		for _, headers := range [][]string{
			{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "", "Origin", "https://evil.example"},
		} {
			resp, _ := w.ask("POST", path, url.Values{"action": {"all"}, "for": {"1w"}}, headers...)
			if resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("kind %d from %v gives %d", kind, headers, resp.StatusCode)
			}
		}
	}
	if lines := changed(before, w.dump()); len(lines) > 0 {
		t.Errorf("another site changed %q", lines)
	}
}

// TestGuesses: who guesses has to wait, and a link that is right never does.
func TestGuesses(t *testing.T) {
	w := newWorld(t, "https://tidewater.example")
	r := w.reader("ada@quill.example")
	leave := w.link(subscribers.OneClick, subscribers.Action{Edition: w.edition("morning"), Subscriber: r.ID})
	for n := range 10_000 {
		resp, _ := w.get(fmt.Sprintf("/l/AQAB%04d", n))
		if want := map[bool]int{true: http.StatusNotFound, false: http.StatusTooManyRequests}[n < 20]; resp.StatusCode != want {
			t.Fatalf("guess %d gives %d", n+1, resp.StatusCode)
		}
		if n%1000 == 999 {
			if resp, _ := w.post(leave, "List-Unsubscribe", "One-Click"); resp.StatusCode != http.StatusOK {
				t.Fatalf("leaving amid guesses gives %d", resp.StatusCode)
			}
		}
	}
	w.pass(11 * time.Minute)
	if resp, _ := w.get("/l/AQAB"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("after the wait a guess gives %d", resp.StatusCode)
	}
}

// TestTooLarge: a form has a bound, in both codings, and nothing changes beyond it.
func TestTooLarge(t *testing.T) {
	w := newWorld(t, "https://tidewater.example")
	r := w.reader("ada@quill.example")
	before := w.dump()
	for kind, path := range map[subscribers.Kind]string{
		subscribers.OneClick:    w.link(subscribers.OneClick, subscribers.Action{Edition: w.edition("morning"), Subscriber: r.ID}),
		subscribers.Preferences: w.link(subscribers.Preferences, subscribers.Action{Subscriber: r.ID}),
	} {
		long := strings.Repeat("x", 80<<10)
		for contentType, body := range map[string]string{
			"application/x-www-form-urlencoded": "List-Unsubscribe=One-Click&action=save&hour=8&x=" + long,
			"multipart/form-data; boundary=b":   "--b\r\nContent-Disposition: form-data; name=x; filename=x\r\n\r\n" + long + "\r\n--b--\r\n",
		} {
			if resp := w.raw("POST", path, contentType, body, "Sec-Fetch-Site", "same-origin"); resp.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("kind %d: %s gives %d", kind, contentType, resp.StatusCode)
			}
		}
	}
	if lines := changed(before, w.dump()); len(lines) > 0 {
		t.Errorf("too large a form changed %q", lines)
	}
}

// TestExpired: an old link leads to a button that mails a new one, three a day; ways to leave are
// good for ever, but do not open what is not.
func TestExpired(t *testing.T) {
	w := newWorld(t, "https://tidewater.example")
	r := w.reader("ada@quill.example")
	a := subscribers.Action{Edition: w.edition("morning"), Subscriber: r.ID, Section: "sport"}
	preferences, leave := w.link(subscribers.Preferences, a), w.link(subscribers.LeaveAll, a)
	if _, body := w.get(leave); !strings.Contains(body, "See all your preferences") {
		t.Error("a fresh page of leaving does not lead to the preferences")
	}
	w.pass(91 * 24 * time.Hour)
	if resp, body := w.get(preferences); resp.StatusCode != http.StatusGone || !strings.Contains(body, "Mail me a new link") || strings.Contains(body, "quill") {
		t.Errorf("an expired link gives %d %s", resp.StatusCode, body)
	}
	w.post(preferences, "action", "save", "hour", "8")
	if changes, _ := w.settings(r.ID); changes != 1 {
		t.Error("an expired link changed the reader")
	}
	for range 5 {
		w.post(preferences, "action", "fresh")
	}
	if lines := w.rows("notices"); len(lines) != 3 {
		t.Errorf("asked for six times, there are to be written %q", lines)
	}
	resp, body := w.get(leave)
	if resp.StatusCode != http.StatusOK || strings.Contains(body, "See all your preferences") {
		t.Errorf("an old link that leaves gives %d, or leads to the preferences", resp.StatusCode)
	}
	_, body = w.post(leave)
	if _, now := w.settings(r.ID); !gone(now) || strings.Contains(body, "Your preferences") {
		t.Errorf("left by an old link: %+v", now.Settings)
	}
}

// TestOldBrowser: one from before Sec-Fetch-Site says that a form of ours comes from nowhere.
func TestOldBrowser(t *testing.T) {
	w := newWorld(t, "https://tidewater.example")
	r := w.reader("ada@quill.example")
	path := w.link(subscribers.LeaveAll, subscribers.Action{Edition: w.edition("morning"), Subscriber: r.ID})
	resp, _ := w.ask("POST", path, url.Values{"action": {"all"}}, "Sec-Fetch-Site", "", "Origin", "null")
	if resp.StatusCode != http.StatusOK || len(w.rows("suppressions")) != 1 {
		t.Errorf("leaving gives %d, %q", resp.StatusCode, w.rows("suppressions"))
	}
}

// TestNewAddress: the page that confirms a new address gives whoever got the mail, perhaps by a
// slip of the reader's pen, no way to the preferences.
func TestNewAddress(t *testing.T) {
	w := newWorld(t, "https://tidewater.example")
	r := w.reader("ada@quill.example")
	w.post(w.link(subscribers.ChangeAddress, subscribers.Action{Subscriber: r.ID}), "address", "new@quill.example")
	w.take()
	resp, body := w.get(w.confirmLink(r.ID))
	if resp.StatusCode != http.StatusOK || !strings.Contains(body, "n…@quill.example") || strings.Contains(body, `href="/l/`) {
		t.Errorf("status %d\n%s", resp.StatusCode, body)
	}
}
