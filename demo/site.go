package demo

import (
	"bytes"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"
)

// storyPaths is where [StoryPages] are mounted.
const storyPaths = "/stories"

// StoryPages are the demo's publication on the web: one page for each story that is out at now, at
// "/stories/SECTION/SLUG". The demo's day ends at end. Safe for concurrent use.
func StoryPages(stories []Story, end time.Time, now func() time.Time) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+storyPaths+"/{section}/{slug}", func(w http.ResponseWriter, r *http.Request) {
		i := slices.IndexFunc(stories, func(s Story) bool { return s.URL() == Site+"/"+r.PathValue("section")+"/"+r.PathValue("slug") })
		if i < 0 {
			http.Error(w, "there is no such story", http.StatusNotFound)
			return
		}
		s, published, _, ok := stories[i].At(end, now())
		if !ok {
			http.Error(w, "the story is not out yet", http.StatusNotFound)
			return
		}
		p := storyPage{Story: s, Published: published.UTC(), Body: template.HTML(s.HTML()), Dir: "ltr"} // escaped by HTML
		if s.Language == "ar" {
			p.Dir = "rtl"
		}
		render(w, "story.tmpl", p)
	})
	return headed(mux)
}

type storyPage struct {
	Story
	Published time.Time
	Body      template.HTML
	Dir       string
}

// Picture is the address of the story's picture on this machine.
func (p storyPage) PictureURL() string { return here("", p.ImageURL()) }

// here has every address of the demo's publication lead to base, where its pages and pictures are
// served. Their own exist nowhere.
func here(base, text string) string {
	return strings.NewReplacer(Site, base+storyPaths, PictureSite, base+"/pictures/").Replace(text)
}

// AtHome lets what next answers lead to the demo's own pages and pictures, as if the names in the
// demo's stories led to this machine.
func AtHome(next http.Handler, base string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := &held{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(a, r)
		if location := w.Header().Get("Location"); location != "" {
			w.Header().Set("Location", here(base, location))
		}
		w.Header().Del("Content-Length")
		w.WriteHeader(a.status)
		_, _ = w.Write([]byte(here(base, a.body.String())))
	})
}

// held is an answer that is not sent yet.
type held struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (h *held) WriteHeader(status int)      { h.status = status }
func (h *held) Write(b []byte) (int, error) { return h.body.Write(b) }
