package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"broadsheet/subscribers"
)

// form is what a browser would send of a page's form if Save were pressed at once.
func form(page string) url.Values {
	page, _, _ = strings.Cut(page[strings.Index(page, `class="prefs"`):], "</form>")
	v := url.Values{"action": {"save"}}
	for _, tag := range regexp.MustCompile(`<input [^>]*>`).FindAllString(page, -1) {
		if box := strings.Contains(tag, `type="checkbox"`) || strings.Contains(tag, `type="radio"`); !box || strings.Contains(tag, " checked") {
			v.Add(attribute(tag, "name"), attribute(tag, "value"))
		}
	}
	for _, list := range regexp.MustCompile(`(?s)<select [^>]*>.*?</select>`).FindAllString(page, -1) {
		options := regexp.MustCompile(`<option [^>]*>`).FindAllString(list, -1)
		chosen := max(0, slices.IndexFunc(options, func(o string) bool { return strings.Contains(o, " selected") }))
		v.Set(attribute(list, "name"), attribute(options[chosen], "value"))
	}
	return v
}

func attribute(tag, name string) string {
	m := regexp.MustCompile(` ` + name + `="([^"]*)"`).FindStringSubmatch(tag)
	if m == nil {
		return ""
	}
	return m[1]
}

// TestPreferences goes through the form as a browser without JavaScript would.
func TestPreferences(t *testing.T) {
	w := newWorld(t, "https://tidewater.example")
	r := w.reader("ada@quill.example")
	path := w.link(subscribers.Preferences, subscribers.Action{Subscriber: r.ID})
	_, page := w.get(path)
	untouched := form(page)
	if got := strings.Join(untouched["order"], " "); got != "world politics sport culture" || strings.Contains(page, "Chess") {
		t.Errorf("sections stand as %s", got)
	}
	if _, body := w.ask("POST", path, untouched); !strings.Contains(body, "Nothing was different") {
		t.Error("saving what stands there changes something")
	}

	// Up and down keep everything that was chosen, and save nothing.
	f := form(page)
	f.Del("action")
	f.Set("level.culture", "less")
	f.Set("up", "culture")
	_, page = w.ask("POST", path, f)
	f = form(page)
	if got := strings.Join(f["order"], " "); got != "world politics culture sport" || f.Get("level.culture") != "less" || !strings.Contains(page, "not saved yet") {
		t.Errorf("moved up: %s, culture %q", got, f.Get("level.culture"))
	}
	if changes, _ := w.settings(r.ID); changes != 1 {
		t.Error("moving a section saved something")
	}

	f.Set("level.politics", "")
	f.Set("level.sport", "muted")
	f["edition"], f["day"] = []string{"morning"}, []string{"1", "2", "3", "4", "5"}
	f.Set("hour", "8")
	f.Set("zone", "Asia/Dubai")
	f.Set("language", "ar")
	f.Set("format", "text")
	f.Set("pause", "1")
	f.Set("until", "2026-04-20")
	resp, page := w.ask("POST", path, f)
	changes, now := w.settings(r.ID)
	if resp.StatusCode != http.StatusOK || changes != 2 || !strings.Contains(page, `<html lang="ar" dir="rtl">`) {
		t.Fatalf("saved: status %d, %d changes\n%s", resp.StatusCode, changes, page)
	}
	if got := subscribers.FormatFollows(now.Sections); got != "world;~culture;-sport" {
		t.Errorf("sections are %s", got)
	}
	// The twentieth of April begins at 20:00 UTC on the day before in Dubai.
	if now.Hour != 8 || now.Zone != "Asia/Dubai" || now.Language != "ar" || now.Format != subscribers.Text || len(now.Days) != 5 ||
		!slices.Equal(now.Editions, []string{"morning"}) || now.Status != subscribers.Paused || !now.PausedUntil.Equal(time.Date(2026, 4, 19, 20, 0, 0, 0, time.UTC)) {
		t.Errorf("saved %+v", now.Settings)
	}
	again := form(page)
	if _, body := w.ask("POST", path, again); !strings.Contains(body, "فلم يتغير شيء") {
		t.Errorf("the form does not show back what was saved: %v\n%s", again, body)
	}
	if strings.Contains(page, "ada@") || !strings.Contains(page, "a…@quill.example") {
		t.Error("the address is not masked")
	}
	m := regexp.MustCompile(`action="(/l/[^"]+)"><input type="hidden" name="back" value="([^"]+)"`).FindStringSubmatch(page)
	if m == nil {
		t.Fatal("there is no way back")
	}
	if _, body := w.post(m[1], "back", m[2]); !strings.Contains(body, "/l/"+m[2]) {
		t.Error("undo does not lead back to the preferences")
	}
	if _, now := w.settings(r.ID); !now.Settings.Equal(r.Settings) {
		t.Errorf("undone it is %+v", now.Settings)
	}
	if lines := w.rows("notices"); len(lines) != 1 {
		t.Errorf("the reader is told %d times", len(lines))
	}
}

// TestWrongPreferences: whatever is sent, nothing wrong is saved, and the page says what is.
func TestWrongPreferences(t *testing.T) {
	w := newWorld(t, "https://tidewater.example")
	r := w.reader("ada@quill.example")
	path := w.link(subscribers.Preferences, subscribers.Action{Subscriber: r.ID})
	for _, pairs := range [][]string{
		{"hour", "25"}, {"hour", "x"}, {"zone", "Mars/Olympus"}, {"zone", "Local"}, {"zone", "../etc/passwd"}, {"language", "<script>"}, {"language", "xx"},
		{"format", "pdf"}, {"shown-days", "1"}, {"shown-days", "1", "day", "8"}, {"shown-pause", "1", "pause", "1"},
		{"shown-pause", "1", "pause", "1", "until", "2026-04-02"}, {"shown-pause", "1", "pause", "1", "until", "2030-01-01"},
		{"shown-pause", "1", "pause", "1", "until", "soon"},
	} {
		resp, body := w.post(path, append(pairs, "action", "save")...)
		if resp.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, `role="alert"`) || strings.Contains(body, "<script>") {
			t.Errorf("%q gives %d", pairs, resp.StatusCode)
		}
	}
	// What there is not is not taken, and what the form lacks stays.
	w.post(path, "action", "save", "order", "chess", "order", "nowhere", "level.nowhere", "normal", "level.world", "most",
		"shown-edition", "nightly", "edition", "nightly", "shown-pause", "1")
	if changes, now := w.settings(r.ID); changes != 1 {
		t.Errorf("%d changes, now %+v", changes, now.Settings)
	}
	// A form for somebody who has left changes nothing.
	_, err := w.db.LeaveAll(w.Context(), r.ID, "reader", "", w.now())
	w.must(err)
	if resp, _ := w.post(path, "action", "save", "hour", "8"); resp.StatusCode != http.StatusConflict {
		t.Errorf("preferences of who has left give %d", resp.StatusCode)
	}
}

// TestMovedSection: a link to a section that has moved since works on what took its place.
func TestMovedSection(t *testing.T) {
	w := newWorld(t, "https://tidewater.example")
	s := subscribers.NewSettings("eda@quill.example")
	s.Status, s.Editions = subscribers.Active, []string{"morning"}
	s.Sections = []subscribers.Follow{{Section: "world", Level: subscribers.Normal}, {Section: "arts", Level: subscribers.Normal}, {Section: "chess", Level: subscribers.Less}}
	r, err := w.db.AddSubscriber(w.Context(), s, "command", w.now())
	w.must(err)
	w.post(w.link(subscribers.SectionUp, subscribers.Action{Subscriber: r.ID, Section: "culture"}))
	w.post(w.link(subscribers.SectionLess, subscribers.Action{Subscriber: r.ID, Section: "arts"}))
	if _, now := w.settings(r.ID); subscribers.FormatFollows(now.Sections) != "~arts;world;~chess" {
		t.Errorf("sections are %s", subscribers.FormatFollows(now.Sections))
	}
	if resp, _ := w.post(w.link(subscribers.SectionMute, subscribers.Action{Subscriber: r.ID, Section: "chess"})); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a section that is no more gives %d", resp.StatusCode)
	}
	_, page := w.get(w.link(subscribers.Preferences, subscribers.Action{Subscriber: r.ID}))
	if !strings.Contains(page, `<label for="level-arts" dir="auto">Culture</label>`) || strings.Contains(page, "level-culture") {
		t.Errorf("a section that has moved does not stand under its new name, once:\n%s", page)
	}
	f := form(page)
	f.Set("level.arts", "normal")
	w.ask("POST", w.link(subscribers.Preferences, subscribers.Action{Subscriber: r.ID}), f)
	if _, now := w.settings(r.ID); subscribers.FormatFollows(now.Sections) != "arts;world;~chess" {
		t.Errorf("saved sections are %s", subscribers.FormatFollows(now.Sections))
	}
}
