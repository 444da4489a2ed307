package demo

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestStoryPages opens the page of every story, and none before its hour.
func TestStoryPages(t *testing.T) {
	stories := shipped(t)
	now := end
	server := httptest.NewServer(StoryPages(stories, end, func() time.Time { return now }))
	t.Cleanup(server.Close)
	for _, s := range stories {
		resp, body := get(t, here(server.URL, s.URL()))
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", s.Slug, resp.Status)
		}
		want := []string{`<html lang="` + s.Language + `"`, "<p>"}
		if s.Picture != nil {
			want = append(want, `src="/pictures/`+s.Slug+`.png"`, s.Picture.Alt)
		}
		mustContain(t, body, want...)
		if s.Language == "ar" && !strings.Contains(string(body), `dir="rtl"`) {
			t.Errorf("%s reads from the left", s.Slug)
		}
	}
	now = end.Add(-72 * time.Hour)
	for _, url := range []string{here(server.URL, stories[0].URL()), server.URL + "/stories/world/nothing", server.URL + "/stories/none/" + stories[0].Slug} {
		if resp, _ := get(t, url); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", url, resp.Status)
		}
	}
}

func TestAtHome(t *testing.T) {
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/go" {
			http.Redirect(w, r, Site+"/world/lamp", http.StatusSeeOther)
			return
		}
		w.Header().Set("Content-Length", "3")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, `<a href="`+Site+`/world/lamp"><img src="`+PictureSite+`lamp.png"></a>`)
	})
	server := httptest.NewServer(AtHome(inner, "http://here.example"))
	t.Cleanup(server.Close)
	if resp, _ := get(t, server.URL+"/go"); resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "http://here.example/stories/world/lamp" {
		t.Errorf("got %s to %s", resp.Status, resp.Header.Get("Location"))
	}
	want := `<a href="http://here.example/stories/world/lamp"><img src="http://here.example/pictures/lamp.png"></a>`
	if resp, body := get(t, server.URL); resp.StatusCode != http.StatusTeapot || string(body) != want {
		t.Errorf("got %s %s", resp.Status, body)
	}
}
