package digest

import (
	"time"

	"broadsheet/schedule"
)

// Issue states.
const (
	Opening = "opening" // its deliveries are being written
	Open    = "open"    // all deliveries are on record; they go out from Due on
)

// Issue is a slot in one time zone and hour, with a cut-off.
type Issue struct {
	ID        int64
	Edition   string
	EditionID int64  // row id of the edition's name; goes into link tokens
	Slot      string // key as schedule.Slot has it
	SlotID    int64  // row id of (edition, slot): one mail per reader and slot
	Zone      string // IANA
	Hour      int    // local hour
	Local     string // local date and wall time 2006-01-02 15:04
	Due       time.Time
	Next      time.Time // when the next slot is due
	Ends      time.Time // end of life of its deliveries
	Opened    time.Time
	Cutoff    int64 // highest arrival number it may show
	State     string
	Cursor    int64 // last subscriber whose delivery is written, while opening
	Audience  int
	Digests   int
	MinGap    time.Duration    // least time between two mails handed to one reader, in any edition
	Quiet     []schedule.Quiet // wall time in Zone at which nothing goes out
}

// ReasonNoRelay is why a delivery failed that no relay of the configuration takes.
const ReasonNoRelay = "no relay takes mail to this domain"

// Day is the day in UTC, numbered as [UTCDay] does, on which deliveries written at now begin to go.
func (i *Issue) Day(now time.Time) int64 { return max(UTCDay(now), UTCDay(i.Due)) }

// Wall is the number by which links and return paths name the slot: its date or wall time in
// minutes since 1970, as if it were UTC. Unlike SlotID it is known before the issue is opened,
// so that a preview has the links that the mail will have. 0 if Slot is no key.
func (i *Issue) Wall() int64 {
	for _, form := range []string{time.DateOnly, "2006-01-02 15:04", NoticeSlot} {
		if t, err := time.Parse(form, i.Slot); err == nil {
			return t.Unix() / 60
		}
	}
	return 0
}

// Candidate is one (story, section) with an arrival number: what may be chosen from.
type Candidate struct {
	Story     int64
	Revision  int64
	Section   string
	Arrival   int64
	Arrived   time.Time // when it got its arrival number
	First     time.Time // when the story first arrived in any section
	Published time.Time // zero if the source did not say
	Pin       int       // editor's pin, higher first
	Language  string    // "" = the publication's
	Headline  string
	Lead      string
	Withdrawn bool  // it is for nobody, and counts for nothing
	Tops      []Top // where editors want it on top
}

// Top is where a story is to be on top, if a reader gets it at all: of the whole mail in an edition, or
// of a section.
type Top struct {
	Edition string // name; "" = Section is given
	Section string // id
	Until   time.Time
}

// Audience says whose issue it is.
type Audience struct {
	EditionID int64
	Zones     []string // settings' zones that belong to this issue ("" among them for the default); nil = all
	Hours     []int    // settings' hours that belong to this issue (-1 among them for the default); nil = all
	Weekday   int      // 1 Monday to 7: readers with days are in only if it is one of them
}

// Previous is the reader's last delivery in this edition.
type Previous struct {
	Slot        int64
	State       string // a mailer.State
	Copies      int
	WindowStart int64
	WindowEnd   int64
}

// Reader is one member of the audience as the rows stand when the chunk is written.
type Reader struct {
	Subscriber int64
	SettingsID int64
	Address    string
	Sections   []Follow
	Days       []int
	Zone       string
	Language   string
	TextOnly   bool
	Barred     string    // reason of the suppression, "" = none
	Previous   *Previous // nil = never had one in this edition
	Returned   bool      // was paused or away since Previous
	// Carry is nil, or a window start to go back to. A delivery that was handed when the next one was written counted
	// as reached; if it then ended failed, expired, superseded, suppressed or cancelled, its stories reached nobody.
	// Carry is the smallest WindowStart among such deliveries of this edition, until one written later with a
	// WindowStart no greater was itself reached.
	Carry *int64
}

// Follow is one section in the reader's order.
type Follow struct {
	Section string
	Less    bool
	Muted   bool
}

// Planned is a delivery to be written.
type Planned struct {
	Subscriber  int64
	SettingsID  int64
	Digest      *Digest // nil if skipped or suppressed
	State       string  // queued, skipped, suppressed, or failed if no relay takes it
	Reason      string
	WindowStart int64 // the window is (WindowStart, WindowEnd]
	WindowEnd   int64
	Unreached   bool   // the last issue did not reach this reader: its batch goes earlier
	Relay       string // of a queued one
	Stories     int    // that its digest shows
}
