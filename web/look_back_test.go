package web_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"broadsheet/schedule"
	"broadsheet/subscribers"
)

// TestLookBack: what [TestLook] asks of pages holds for those that look back and for everybody's.
func TestLookBack(t *testing.T) {
	ctx := browser(t)
	w, ada, links := sentWorld(t, "http://127.0.0.1")
	w.pages.Config.Publication.Cities = []schedule.City{{Name: "London", Zone: "Europe/London"}, {Name: "Abu Dhabi", Zone: "Asia/Dubai"}}
	for range 3 {
		w.pass(23 * time.Hour)
		w.tell("world", fmt.Sprintf("Number %[1]d%[1]d tramways open%[1]d to song%[1]d, and the long night of the lamplighters%[1]d begins in the old quarter", w.told))
		w.tellIn("ar", "world", fmt.Sprintf("المدن%[1]d الساحلية%[1]d تنال حق%[1]d الاعتراض%[1]d على خطة الميناء بعد ليلة طويلة من التصويت", w.told))
		w.send("morning")
	}
	reader := subscribers.Action{Subscriber: ada.ID}
	text := w.reader("bob@quill.example")
	s := text.Settings
	s.Format = subscribers.Text
	_, err := w.db.ChangeSettings(t.Context(), text.ID, s, "reader", w.now())
	w.must(err)
	w.pass(23 * time.Hour)
	w.tell("world", "Tea and toast at the opera")
	plain := w.links(w.send("morning")[text.ID])
	for _, page := range []shown{
		{"front", "/", ""}, {"edition", "/e/morning", ""}, {"edition-empty", "/e/harbour", ""}, {"archive", "/e/morning/archive", ""}, {"issue", "/e/morning/2026-04-02", ""},
		{"issue-two", "/e/morning/2026-04-03", ""}, {"no-issue", "/e/morning/2029-04-03", ""},
		{"view", links[subscribers.ViewInBrowser][0], ""}, {"view-text", plain[subscribers.ViewInBrowser][0], ""},
		{"more", links[subscribers.SectionMore][0], ""}, {"why", links[subscribers.Why][0], ""},
		{"past", w.link(subscribers.PastDigests, reader), ""}, {"feed", w.link(subscribers.FeedAddress, reader), ""},
		{"feed-made", w.link(subscribers.FeedAddress, reader), ".primary"}, {"feed-kept", w.link(subscribers.FeedAddress, reader), ""},
	} {
		for _, lang := range []string{"en", "ar"} {
			if lang == "ar" && page.name == "issue" {
				continue // has no Arabic one
			}
			if page.name == "feed" || page.name == "feed-made" {
				w.must(w.db.SetPrivateFeed(t.Context(), ada.ID, 0))
			}
			for _, width := range []int64{320, 390, 1280} {
				for _, scheme := range []string{"light", "dark"} {
					if width == 390 && os.Getenv("BROADSHEET_SHOTS") == "" {
						continue
					}
					if page.press == ".primary" && w.feedOf(ada.ID) != 0 {
						page.press = ""
					}
					name := fmt.Sprintf("%s-%s-%d-%s", page.name, lang, width, scheme)
					faults, shot, err := look(ctx, w.server.URL+page.path+"?lang="+lang, page.press, scheme, width)
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					if len(faults) > 0 {
						t.Errorf("%s: %q", name, faults)
					}
					if dir := os.Getenv("BROADSHEET_SHOTS"); dir != "" {
						w.must(os.WriteFile(filepath.Join(dir, name+".png"), shot, 0o644))
					}
				}
			}
		}
	}
}

func (w *world) feedOf(reader int64) int64 {
	w.Helper()
	n, err := w.db.PrivateFeed(w.Context(), reader)
	w.must(err)
	return n
}
