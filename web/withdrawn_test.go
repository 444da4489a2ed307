package web_test

import (
	"net/http"
	"strings"
	"testing"

	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/subscribers"
)

// TestWithdrawn: a story that is withdrawn, by another process, is on no page at the next look, though
// all of them had been looked at: in its place stands that it was withdrawn.
func TestWithdrawn(t *testing.T) {
	w, ada, links := sentWorld(t, "https://tidewater.example")
	w.must(w.db.SetPrivateFeed(t.Context(), ada.ID, 77))
	var lead store.StoryRow
	for d, err := range w.db.Deliveries(t.Context(), store.DeliveryFilter{Subscriber: ada.ID}) {
		w.must(err)
		g, err := w.db.Digest(t.Context(), d.Digest)
		w.must(err)
		lead, err = w.db.Story(t.Context(), g.Items[0].Story)
		w.must(err)
	}
	shown := map[string]string{ // pages → what they hold instead
		links[subscribers.ViewInBrowser][0]: "This story has been withdrawn.", links[subscribers.Why][0]: "This story has been withdrawn.",
		w.link(subscribers.PastDigests, subscribers.Action{Subscriber: ada.ID}):      "This story has been withdrawn.",
		w.link(subscribers.PrivateFeed, subscribers.Action{Story: w.feedOf(ada.ID)}): "<title>This story has been withdrawn.</title>",
		"/e/morning": "", "/e/morning/feed.atom": "", "/e/morning/archive": "", "/e/morning/2026-04-02": "",
	}
	names := func(body string) bool {
		return strings.Contains(body, lead.Headline) || strings.Contains(body, lead.URL+`"`)
	}
	for path := range shown {
		if resp, body := w.get(path); resp.StatusCode != http.StatusOK || !names(body) {
			t.Errorf("%s gives %d and does not show the story at first", path, resp.StatusCode)
		}
	}
	var read string
	for _, path := range links[subscribers.Read] {
		if resp, _ := w.get(path); resp.Header.Get("Location") == lead.URL {
			read = path
		}
	}
	if read == "" {
		t.Fatal("no link in the mail leads to the story")
	}
	other, err := store.Open(t.Context(), storetest.Fresh(t, w.file), store.Options{})
	w.must(err)
	defer other.Close()
	_, err = other.WithdrawStory(t.Context(), operators.By{Who: "ed"}, lead.ID, w.now())
	w.must(err)
	for path, instead := range shown {
		resp, body := w.get(path)
		if names(body) || !strings.Contains(body, instead) {
			t.Errorf("%s gives %d and still shows the story, or not %q:\n%s", path, resp.StatusCode, instead, body)
		}
	}
	if resp, body := w.get(read); resp.StatusCode != http.StatusGone || names(body) || !strings.Contains(body, "has been withdrawn") {
		t.Errorf("its link gives %d", resp.StatusCode)
	}
}
