package digest

import "time"

// NearLimit is the size from which on an HTML part counts as near [MaxHTML]: the next story would not
// have found room.
const NearLimit = MaxHTML * 95 / 100

// Figures are what an issue came to when it was opened. Tripwires compare them with those of earlier
// issues of the same edition, zone and hour.
type Figures struct {
	Issue   int64     `json:"issue"`
	Local   string    `json:"local"` // date and wall time 2006-01-02 15:04
	Opened  time.Time `json:"opened"`
	Cutoff  int64     `json:"cutoff"`
	Readers int       `json:"readers"`
	Mails   int       `json:"mails"`
	Skipped int       `json:"skipped"` // readers for whom there was nothing new
	Stories int       `json:"stories"` // in all mails together
	Digests int       `json:"digests"`

	HTML     int `json:"html"`      // distinct digests with an HTML part
	HTMLSize int `json:"html_size"` // octets of all of them together
	Largest  int `json:"largest"`   // octets of the largest
	Near     int `json:"near"`      // how many of them are NearLimit or more

	Feeds map[string]int `json:"feeds"` // stories new since the issue before, by feed
	Hosts map[string]int `json:"hosts"` // the same by where they lead; "" = nowhere
}

// Arrival is a story that came in after an earlier issue.
type Arrival struct {
	Story    int64
	Sections []string
	Feed     string // or file
	Link     string
}
