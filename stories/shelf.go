package stories

import (
	"context"
	"errors"
	"time"
)

// Shelf is what intake needs from the database. store.DB meets it.
type Shelf interface {
	// TakeFeed returns what is known of a feed and claims it for one fetch, if it is due at now or force is set and no
	// other process has it. A claim lasts some minutes at most.
	TakeFeed(ctx context.Context, url string, force bool, now time.Time) (f FeedState, taken bool, err error)
	// SaveFeed writes down what came of a feed that was taken, and ends the claim. It is [ErrTaken] if another process
	// has taken it meanwhile.
	SaveFeed(ctx context.Context, f FeedState) error
	// LeaveFeed ends the claim without a word.
	LeaveFeed(ctx context.Context, f FeedState) error
	// AddStories puts stories of one source on record in one transaction and gives every
	// new (story, section) the next arrival number. A story whose Published lies after now
	// is held until then. Identity is decided by [Keys].
	AddStories(ctx context.Context, batch []Story, now time.Time) (Added, error)
}

// ErrTaken says that a claim is over and another process has the feed.
var ErrTaken = errors.New("another process has the feed by now")

// FeedState is a feed's memory between fetches.
type FeedState struct {
	URL          string
	ETag         string
	LastModified string
	Fetched      time.Time // last try
	OK           time.Time // last success
	Due          time.Time // next try
	Failures     int       // in a row
	Error        string    // last failure in words, "" after a success
	Items        int       // in the last good fetch
	Last         FeedRound // what this try came to: it is counted by day and not read back
	Fence        int64     // of the claim
}

// FeedRound is what one try to fetch a feed came to, beside the error of its state.
type FeedRound struct {
	Unchanged bool // the server said that there is nothing new
	New       int  // stories
}

// Added counts what became of a batch.
type Added struct {
	New     int `json:"new"`     // stories
	Revised int `json:"revised"` // known stories with new wording
	Known   int `json:"known"`   // unchanged
	Placed  int `json:"placed"`  // known stories that entered a further section
	Held    int `json:"held"`    // future-dated, not yet showable
}

// Key is one way to recognise a story. Two items that share a key are one story.
type Key struct {
	Kind  string // guid, global, url, title, text
	Value string // 32 hex characters of a hash over scope and value
	// Window is how far apart two sightings may be for the key to count; 0 = for ever.
	Window time.Duration
}
