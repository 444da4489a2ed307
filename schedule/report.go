package schedule

import (
	"net/mail"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Report says to whom the morning report goes, and when.
type Report struct {
	To   []string // bare addresses
	At   string   // local time of day 15:04, default 07:30
	Zone string   // IANA name, default the first city's, else UTC
}

// report reads the morning report's recipients; nil if n is: nobody gets it.
func (r *reader) report(n ast.Node, c *Config) *Report {
	if n == nil {
		return nil
	}
	t, ok := r.table(n, "report", "to", "at", "zone")
	if !ok {
		return nil
	}
	p := &Report{At: "07:30", Zone: "UTC"}
	if t.need("to", "to: [desk@lantern.example]") {
		p.To = t.mailboxes("to")
	}
	if t.has("at") {
		p.At = t.text("at")
		if clock, err := parseClock(p.At); err != nil || clock == dayMinutes {
			t.bad("at", "at must be a time of day in quotes; write e.g. \"07:30\"")
		}
	}
	if cities := c.Publication.Cities; len(cities) > 0 && cities[0].Zone != "" {
		p.Zone = cities[0].Zone
	}
	if t.has("zone") {
		p.Zone = t.zone("zone", c.zones)
	}
	return p
}

// mailboxes is one mail address or a list of them.
func (t *table) mailboxes(key string) (addresses []string) {
	var texts []string
	var places []mark
	if s, isText := textOf(t.values[key]); isText {
		texts, places = []string{s}, []mark{t.at(key)}
	} else if texts, places = t.texts(key, "mail addresses"); len(texts) == 0 {
		t.bad(key, "%s names nobody; write at least one mail address", key)
	}
	for i, s := range texts {
		a, err := mail.ParseAddress(s)
		switch {
		case err != nil || !plainAddress(a.Address) || !mailDomain(a.Address[strings.LastIndexByte(a.Address, '@')+1:]):
			t.wrong(places[i], "%s: %s: %q is not a mail address; write e.g. desk@lantern.example", t.name, key, clip(s))
		case slices.ContainsFunc(addresses, func(known string) bool { return strings.EqualFold(known, a.Address) }):
			t.wrong(places[i], "%s: %s: %q is given twice", t.name, key, clip(s))
		default:
			addresses = append(addresses, a.Address)
		}
	}
	return addresses
}
