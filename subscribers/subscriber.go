package subscribers

import (
	"errors"
	"time"
)

// Status says whether a reader is mailed. A suppression lies beside it and is none of these.
type Status string

const (
	Pending      Status = "pending" // has not confirmed
	Active       Status = "active"
	Paused       Status = "paused"
	Unsubscribed Status = "unsubscribed"
)

// Level is how much of a section a reader wants.
type Level string

const (
	Normal Level = "normal"
	Less   Level = "less"  // at most one story
	Muted  Level = "muted" // none, and it wins over any other section of a story
)

// Follow is a reader's wish for one section.
type Follow struct {
	Section string `json:"section"`
	Level   Level  `json:"level"`
}

// Format is what a reader's mail consists of.
type Format string

const (
	HTML Format = "html" // HTML with a text twin
	Text Format = "text" // text only
)

// Settings are everything a reader or operator decided about a reader. Each change is a new
// dated row; a delivery keeps the id of the row it used.
type Settings struct {
	Address       string // as given; compared by [Fold]
	Name          string
	ExternalID    string
	Status        Status
	Sections      []Follow // in the reader's order
	Editions      []string
	Hour          int    // 0-23; -1 = the edition's own
	Days          []int  // 1 (Monday) to 7; nil = every day
	Zone          string // IANA; "" = the edition's place, or the publication's first city
	Language      string // BCP 47; "" = the publication's
	Format        Format // zero value counts as HTML
	ConsentSource string
	ConsentAt     time.Time
	PausedUntil   time.Time // end of a pause; zero = none known. It counts while the status is paused
}

// ErrNotFound says that there is no such reader, or nothing of the kind that was asked for.
var ErrNotFound = errors.New("not found")

// Edit is a change that a reader asks for.
type Edit struct {
	By     string                // reader, operator, command
	Do     func(*Settings) error // changes what it is given; an error ends the edit, and nothing is changed
	Notice string                // kind of the notice that tells the reader, "" = none; see package digest
	Detail string                // of the notice, "" = none; of an edition that was left the store knows it
	Leave  bool                  // the reader leaves: it is written into the journal first
}

// Edited is what an edit came to.
type Edited struct {
	Subscriber       // as the rows stand now
	Changed    bool  // false: it was so already
	Row        int64 // settings row that the edit made, for [Undo]; 0 if none
}

// Subscriber is a reader as the rows stand now.
type Subscriber struct {
	ID         int64
	SettingsID int64 // row of Settings
	Created    time.Time
	Suppressed *Suppression // nil = none
	Settings
}

// Change is one dated settings row, for a reader's history.
type Change struct {
	ID     int64
	At     time.Time // by the program's clock (--at)
	RealAt time.Time // by the machine's clock
	By     string    // command, import, reader, operator, api, or schedule: a pause came to its end
	Settings
}

// Suppression bars an address from all mail and outlives the subscriber.
type Suppression struct {
	Address string // as given; "" where only the hash was kept after erasure
	Reason  string // unsubscribed, hard_bounce, soft_bounce, complaint, operator, erased, legal, import
	Note    string
	At      time.Time
}
