package room

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"broadsheet/operators"
)

// Feeds is what the page of feeds reads and does.
type Feeds interface {
	List(ctx context.Context) (*FeedList, error)
	// Try fetches one feed, or reads one folder, now and with the usual limits. id is that of the list.
	Try(ctx context.Context, by operators.By, id string) (*Trial, error)
}

// FeedList is all sources of stories.
type FeedList struct {
	Feeds   []FeedHealth   `json:"feeds"` // as the configuration has them
	Folders []FolderHealth `json:"folders"`
}

// FeedHealth is how a feed is.
type FeedHealth struct {
	ID       string    `json:"id"`
	URL      string    `json:"url"` // without a password
	Section  string    `json:"section"`
	Every    string    `json:"every"`
	Level    string    `json:"level"` // green, amber, red
	State    string    `json:"state"` // works, failing, silent, not fetched yet
	Words    string    `json:"words"` // the state in a sentence
	Next     string    `json:"next"`  // what to do, "" = nothing
	Fetched  time.Time `json:"fetched"`
	OK       time.Time `json:"ok"`
	Due      time.Time `json:"due"`
	Failures int       `json:"failures"` // in a row
	Error    string    `json:"error"`    // as it was met
	Items    int       `json:"items"`    // in the last good document
	ETag     bool      `json:"etag"`     // the server gives what "not modified" is asked with
	Days     []FeedDay `json:"days"`     // the last 28, the first one first
	Fetches  int       `json:"fetches"`  // in the last 7
	Hits     int       `json:"hits"`     // of them "not modified"
}

// FeedDay is what came of a feed on a day in UTC.
type FeedDay struct {
	Day      time.Time `json:"day"`
	Fetches  int       `json:"fetches"`
	Hits     int       `json:"hits"`
	Failures int       `json:"failures"`
	Stories  int       `json:"stories"`
}

// FolderHealth is how a folder of saved pages is.
type FolderHealth struct {
	ID      string    `json:"id"`
	Dir     string    `json:"dir"`
	Section string    `json:"section"`
	Level   string    `json:"level"`
	Words   string    `json:"words"`
	Next    string    `json:"next"`
	Files   int       `json:"files"`
	Newest  time.Time `json:"newest"` // file
}

// Trial is what trying a feed or folder came to.
type Trial struct {
	Source   string    `json:"source"`
	OK       bool      `json:"ok"`
	Status   string    `json:"status"` // fetched, unchanged, failed; read of a folder
	Items    int       `json:"items"`
	New      int       `json:"new"`
	Revised  int       `json:"revised"`
	Known    int       `json:"known"`
	Warnings []string  `json:"warnings"`
	Error    string    `json:"error"`
	Next     string    `json:"next"` // what to do about it
	Due      time.Time `json:"due"`  // next fetch
	Millis   int64     `json:"milliseconds"`
}

// Said is the trial in a sentence.
func (t *Trial) Said() string {
	switch {
	case !t.OK:
		return fmt.Sprintf("%s failed: %s. %s", t.Source, t.Error, t.Next)
	case t.Status == "unchanged":
		return fmt.Sprintf("%s answers, and has nothing new (“not modified”).", t.Source)
	}
	said := fmt.Sprintf("%s: %s, %d new, %d revised, %d known.", t.Source, things(t.Items, "item", "items"), t.New, t.Revised, t.Known)
	if len(t.Warnings) > 0 {
		said += " " + strings.Join(t.Warnings, "; ")
	}
	return said
}

func (rm *Room) feedRoutes() []route {
	return []route{{"GET /feeds", operators.Look, rm.feeds}, {"POST /feeds/try", operators.Act, rm.tryFeed}}
}

func (rm *Room) feeds(w http.ResponseWriter, r *http.Request, v *visit) error {
	list, err := rm.Feeds.List(r.Context())
	if err != nil {
		return err
	}
	return rm.show(w, v, "feeds", list)
}

func (rm *Room) tryFeed(w http.ResponseWriter, r *http.Request, v *visit) error {
	t, err := rm.Feeds.Try(r.Context(), v.by(r), r.PostFormValue("feed"))
	if err != nil {
		return err
	}
	return rm.back(w, r, "/feeds", t.Said())
}

// The size of a sparkline.
const sparkWide, sparkHigh = 140, 28

// Spark is the line of stories a day, as the points of an SVG polyline.
func (f *FeedHealth) Spark() string {
	most := f.Most()
	var b strings.Builder
	for n, d := range f.Days {
		x := float64(n) * sparkWide / float64(max(len(f.Days)-1, 1))
		y := sparkHigh - 2 - float64(d.Stories)*(sparkHigh-4)/float64(max(most, 1))
		fmt.Fprintf(&b, "%.1f,%.1f ", x, y)
	}
	return strings.TrimSpace(b.String())
}

// Most is the largest number of stories on a day.
func (f *FeedHealth) Most() (most int) {
	for _, d := range f.Days {
		most = max(most, d.Stories)
	}
	return most
}

// Stories is how many there were on all days.
func (f *FeedHealth) Stories() (n int) {
	for _, d := range f.Days {
		n += d.Stories
	}
	return n
}

// HitShare is the part of the fetches that the server answered with "not modified".
func (f *FeedHealth) HitShare() float64 { return float64(f.Hits) / float64(max(f.Fetches, 1)) }
