package digest

import "time"

// NoticeEdition is the edition whose issues are runs of notices. It is in no schedule.yaml: no
// edition's name may begin with a plus.
const NoticeEdition = "+notices"

// NoticeSlot is the form of a notice run's slot: when it was made, in UTC.
const NoticeSlot = "2006-01-02 15:04:05.000000"

// Kinds of notices.
const (
	NoticeConfirm    = "confirm"     // somebody wants this address to get mail: confirm it. Number is the request
	NoticeKnown      = "known"       // somebody signed up this address, which gets mail already
	NoticeNewAddress = "new-address" // confirm that mail goes to this address from now on. Number is the request
	NoticeMoved      = "moved"       // to the old address: mail goes elsewhere. Number is the settings row
	NoticeLeft       = "left"        // the reader left an edition (Detail) or everything (""). Number is the settings row
	NoticePaused     = "paused"      // Number is the settings row
	NoticeChanged    = "changed"     // preferences were saved. Number is the settings row
	NoticeLink       = "link"        // a fresh link to the preferences
	NoticeData       = "data"        // a link of 30 minutes to the reader's own data
	NoticeAddress    = "address"     // a link of 30 minutes to change the address
	NoticeErase      = "erase"       // a link of 30 minutes to erase everything
	NoticeFeed       = "feed"        // a link of 30 minutes to the address of the reader's feed
)

// NoticeLife is how long after its run a notice of a kind may still go.
func NoticeLife(kind string) time.Duration {
	switch kind {
	case NoticeConfirm, NoticeNewAddress:
		return 48 * time.Hour
	case NoticeData, NoticeAddress, NoticeErase, NoticeFeed: // as long as their links work
		return 30 * time.Minute
	}
	return 24 * time.Hour
}

// Notice is a mail to one reader that is no digest: a confirmation, or word of a change.
type Notice struct {
	ID         int64     // of its row, gone once it is a delivery
	At         time.Time // when it was noted
	Kind       string
	Subscriber int64
	SettingsID int64 // its address is written to, in its language
	Address    string
	Language   string
	TextOnly   bool
	Zone       string    // of the reader, "" = the publication's
	Paused     time.Time // until when the settings row has a pause, zero = it has none or one without end
	Number     int64     // what its link is about; see the kinds
	Detail     string    // see the kinds
}
