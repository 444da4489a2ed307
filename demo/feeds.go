package demo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Feed is one web feed that a handler of this package serves.
type Feed struct {
	Path    string // below the handler's root, escaped for a URL
	Section string // id
}

// Feeds serves the demo's stories as web feeds, one for each section and language: RSS 2.0,
// Atom, JSON Feed and RSS 1.0, as a large publication has them grown over the years. An
// answer has an ETag and a Last-Modified, and 304 is given where they are still right.
//
// It may be used by many goroutines.
type Feeds struct {
	Stories []Story
	End     time.Time        // end of the demo's day; stories are dated back from it
	Now     func() time.Time // the demo's clock: later stories are not shown
}

// item is a story as it stands at one moment.
type item struct {
	Story
	Published, Updated time.Time
	Categories         []string // names of its sections, the feed's own first, then tags
}

// Changed is when the item's wording was last touched.
func (i item) Changed() time.Time {
	if i.Updated.IsZero() {
		return i.Published
	}
	return i.Updated
}

// channel is one feed at one moment.
type channel struct {
	Section
	Language string
	Self     string // path of the feed
	Items    []item // newest first
	Changed  time.Time
}

// format is one way to write a channel down.
type format struct {
	ext   string
	mime  string
	write func(channel) ([]byte, error)
}

// formatOf says which format a section's feed has.
func formatOf(section string) format {
	switch section {
	case "business", "sport":
		return format{"atom", "application/atom+xml; charset=utf-8", writeAtom}
	case "technology", "culture":
		return format{"json", "application/feed+json; charset=utf-8", writeJSON}
	case "science":
		return format{"rdf", "application/rdf+xml; charset=utf-8", writeRDF}
	}
	return format{"xml", "application/rss+xml; charset=utf-8", writeRSS}
}

// List names the feeds, in the order of [Sections], the languages of one section together.
func (f *Feeds) List() []Feed {
	var list []Feed
	for _, c := range f.channels() {
		list = append(list, Feed{Path: c.Self, Section: c.ID})
	}
	return list
}

// channels are all feeds with all their stories, whatever the clock says.
func (f *Feeds) channels() []channel {
	var list []channel
	for _, section := range Sections() {
		var languages []string
		for _, s := range f.Stories {
			if slices.Contains(s.Sections, section.ID) && !slices.Contains(languages, s.Language) {
				languages = append(languages, s.Language)
			}
		}
		slices.Sort(languages)
		slices.Reverse(languages) // en before ar
		for _, language := range languages {
			self := fmt.Sprintf("/feeds/%s/%s.%s", language, section.ID, formatOf(section.ID).ext)
			list = append(list, channel{Section: section, Language: language, Self: self})
		}
	}
	return list
}

// ServeHTTP answers GET and HEAD for the paths of [Feeds.List].
func (f *Feeds) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "a feed can only be read", http.StatusMethodNotAllowed)
		return
	}
	list := f.channels()
	i := slices.IndexFunc(list, func(c channel) bool { return c.Self == r.URL.Path })
	if i < 0 {
		http.NotFound(w, r)
		return
	}
	c := list[i]
	f.fill(&c, f.Now())
	form := formatOf(c.ID)
	body, err := form.write(c)
	if err != nil {
		http.Error(w, "the feed cannot be written: "+err.Error(), http.StatusInternalServerError)
		return
	}
	serveFeed(w, r, form.mime, c.Changed, body)
}

// fill puts the stories of a channel that are out at now into it.
func (f *Feeds) fill(c *channel, now time.Time) {
	c.Changed = f.End.Add(-48 * time.Hour).UTC().Truncate(time.Second) // of a feed that is still empty
	for _, s := range f.Stories {
		if s.Language != c.Language || !slices.Contains(s.Sections, c.ID) {
			continue
		}
		story, published, updated, ok := s.At(f.End, now)
		if !ok {
			continue
		}
		it := item{Story: story, Published: published.UTC().Truncate(time.Second)}
		if !updated.IsZero() {
			it.Updated = updated.UTC().Truncate(time.Second)
		}
		for _, x := range Sections() {
			if x.ID == c.ID {
				it.Categories = slices.Insert(it.Categories, 0, x.Name)
			} else if slices.Contains(s.Sections, x.ID) {
				it.Categories = append(it.Categories, x.Name)
			}
		}
		it.Categories = append(it.Categories, s.Tags...)
		c.Items = append(c.Items, it)
		if it.Changed().After(c.Changed) {
			c.Changed = it.Changed()
		}
	}
	slices.SortStableFunc(c.Items, func(a, b item) int { return b.Published.Compare(a.Published) })
}

// serveFeed answers with validators made from the body, so that a reader of feeds who asks
// again gets 304 (RFC 9110 section 13.1).
func serveFeed(w http.ResponseWriter, r *http.Request, mime string, changed time.Time, body []byte) {
	sum := sha256.Sum256(body)
	h := w.Header()
	h.Set("Content-Type", mime)
	h.Set("ETag", `"`+hex.EncodeToString(sum[:12])+`"`)
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, "", changed, bytes.NewReader(body))
}
