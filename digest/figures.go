package digest

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"broadsheet/schedule"
)

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

// compare has an issue whose deliveries are all written held back if it is out of bounds, or not approved.
func (o *Opener) compare(ctx context.Context, i *Issue, log *slog.Logger) error {
	if o.Proofs == nil {
		return nil
	}
	now, past, err := o.Proofs.Figures(ctx, i.ID, TripwirePast)
	if err != nil {
		return err
	}
	if len(past) > 0 {
		arrivals, err := o.Proofs.Arrivals(ctx, past[0].Cutoff, i.Cutoff)
		if err != nil {
			return err
		}
		now.arrived(arrivals, o.Config, o.Edition)
	}
	trips := Tripped(&now, past, o.Edition.Tripwires, fmt.Sprintf("%s %d", i.Zone, i.Hour))
	for _, t := range trips {
		log.Error("out of bounds", slog.String("wire", t.Wire), slog.String("text", t.Text))
	}
	return o.Proofs.KeepFigures(ctx, &now, trips, o.Edition.Approve)
}

// arrived counts the stories that came in for an edition.
func (f *Figures) arrived(list []Arrival, c *schedule.Config, e *schedule.Edition) {
	f.Feeds, f.Hosts = map[string]int{}, map[string]int{}
	for _, a := range list {
		if e.Sections != nil && !slices.ContainsFunc(a.Sections, func(s string) bool { return slices.Contains(e.Sections, c.MovedTo(s)) }) {
			continue
		}
		f.Feeds[a.Feed]++
		f.Hosts[hostOf(a.Link)]++
	}
}

// hostOf is where a link leads, "" if nowhere.
func hostOf(link string) string {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return strings.TrimPrefix(strings.ToLower(u.Hostname()), "www.")
}
