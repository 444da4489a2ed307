package stories

import (
	"errors"
	"time"
)

// ErrWithdrawn says that a story is not to be shown any more: an editor has withdrawn it.
var ErrWithdrawn = errors.New("this story was withdrawn")

// Story is one piece of journalism with everything its source said about it.
// The zero value of a field means the source did not say.
type Story struct {
	ID            int64  // given by the store
	Revision      int64  // id of this wording; a changed story is a new revision, not a new story
	GUID          string // as the feed had it
	SharedGUID    bool   // other stories of its feed have it too, so it identifies none
	URL           string // the resolved link before tracking is cut
	Canonical     string // identity form of URL, "" where the URL does not identify the story
	Headline      string
	Sections      []string // ids
	SectionRaw    string   // section as the source wrote it
	Byline        string   // whole line as written
	Desk          string
	City          string
	Agencies      []string
	Authors       []string
	Published     time.Time // UTC
	PublishedRaw  string
	Updated       time.Time
	Lead          string // plain text
	Blocks        []Block
	Crossheads    []string
	Tags          []string
	TagsRaw       string
	Masthead      string
	EditionCities []string
	PageClock     time.Time // when a saved page was saved: not the story's time
	Extra         []string  // blocks that fit no field: nothing is dropped
	Language      string    // BCP 47, "" = the publication's
	Words         int
	Image         *Image
	Source        string // feed URL, or path of the file
	Scope         string // within which GUID and headline are unique, if not Source
	Warnings      []string

	// What editors did, as the store knows it.
	Corrected time.Time // when this wording was written by an editor; zero = it is the source's own
	Withdrawn time.Time // when the story was withdrawn; zero = it was not
}

// Block is one paragraph-like part of a story's text.
type Block struct {
	Type string `json:"type"` // p, crosshead, quote or list
	Text string `json:"text"`
}

// Image is a story's picture; only its address is kept.
type Image struct {
	URL     string `json:"url"`
	Alt     string `json:"alt"`
	Width   int    `json:"width"`
	Height  int    `json:"height"`
	Credit  string `json:"credit"`
	Caption string `json:"caption"`
}
