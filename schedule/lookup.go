package schedule

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Section returns the section of that id.
func (c *Config) Section(id string) (Section, bool) {
	for _, s := range c.Sections {
		if s.ID == id {
			return s, true
		}
	}
	return Section{}, false
}

// Edition returns the edition of that name, or nil.
func (c *Config) Edition(name string) *Edition {
	for i := range c.Editions {
		if c.Editions[i].Name == name {
			return &c.Editions[i]
		}
	}
	return nil
}

// MovedTo returns the section that has the followers of id today: the end of its chain of
// moved_to, id itself if it was not moved.
func (c *Config) MovedTo(id string) string {
	for range c.Sections {
		s, ok := c.Section(id)
		if !ok || s.MovedTo == "" {
			break
		}
		id = s.MovedTo
	}
	return id
}

// Location returns a time zone by its IANA name and keeps it for the next time. It is for any
// goroutine to call.
func (c *Config) Location(name string) (*time.Location, error) {
	if c.zones == nil {
		return new(Zones).Load(name)
	}
	return c.zones.Load(name)
}

// CheckFollowed says which of the section ids that readers follow the file no longer has: a
// section with followers may leave only by moved_to or retired, for else their mails would
// shrink unseen.
func (c *Config) CheckFollowed(followed []string) error {
	var gone []string
	for _, id := range followed {
		if _, ok := c.Section(id); !ok {
			gone = append(gone, id)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	slices.Sort(gone)
	gone = slices.Compact(gone)
	list := make([]string, 0, len(gone))
	for _, id := range gone[:min(len(gone), 20)] {
		list = append(list, fmt.Sprintf("%q", clip(id)))
	}
	if more := len(gone) - len(list); more > 0 {
		list = append(list, fmt.Sprintf("%d more", more))
	}
	return Error{c.problem("sections", "readers follow %s, which this file no longer has; keep each with moved_to: ID or retired: true, e.g. {id: %s, retired: true}", strings.Join(list, ", "), gone[0])}
}

// Replace returns a copy of c that is for another place: with these feeds and relays, whose
// fields that are zero get their defaults, and with this public_url. The editions with their
// compiled rules are those of c.
func (c *Config) Replace(publicURL string, feeds []Feed, relays []Relay) *Config {
	other := *c
	other.Publication.PublicURL = strings.TrimRight(publicURL, "/")
	other.Feeds = slices.Clone(feeds)
	for i := range other.Feeds {
		preset(&other.Feeds[i].Every, 15*time.Minute)
	}
	other.Relays = slices.Clone(relays)
	for i := range other.Relays {
		other.Relays[i] = other.Relays[i].WithDefaults()
	}
	return &other
}

// problem words a message about a marked place of the file.
func (c *Config) problem(place, format string, args ...any) Problem {
	if c.source == nil {
		return Problem{File: c.File, Message: fmt.Sprintf(format, args...)}
	}
	return c.source.problem(c.source.marks[place], format, args...)
}
