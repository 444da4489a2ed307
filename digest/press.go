package digest

import (
	"fmt"
	"io"
	"net/mail"
	"slices"
	"strings"
	"sync"
	texttemplate "text/template"
	"time"

	"golang.org/x/net/idna"

	"broadsheet/schedule"
	"broadsheet/templates"
)

// MaxHTML is the most octets a decoded HTML part may have: Gmail clips at about 102 KB, and what
// is clipped would hide the way out.
const MaxHTML = 90 << 10

// pressMemory bounds the fragments a press keeps, in octets; a story needs about 5 KB a role.
const pressMemory = 32 << 20

// Press lays out the digests of one edition. What does not vary from reader to reader is
// rendered and coded once and kept as fragments. Safe for many goroutines.
type Press struct {
	pub       schedule.Publication
	edition   schedule.Edition
	leaves    bool              // there is an intake: a mail to unsub+TOKEN@domain leaves
	answers   bool              // answers go to reply+TOKEN@domain
	domain    string            // of From
	sections  map[string]string // id to name
	cities    map[string]string // zone to the publication's own name of its city
	providers []string          // that report on mails, each once, in order of name
	set       *templates.Set
	subject   *texttemplate.Template // nil = the default form

	mu    sync.Mutex
	kept  *lru[fragmentKey, *rendered]
	zones map[string]*time.Location
}

// NewPress makes the press of an edition. The error says what is wrong with the edition's own
// subject line, with a template that names what is not there, or with the publication's address.
func NewPress(c *schedule.Config, e schedule.Edition, set *templates.Set) (*Press, error) {
	p := &Press{
		pub: c.Publication, edition: e, set: set,
		leaves: c.Intake.On(), answers: c.Intake.On() && c.Intake.Replies,
		sections: map[string]string{},
		cities:   map[string]string{},
		kept:     newLRU[fragmentKey, *rendered](pressMemory),
		zones:    map[string]*time.Location{},
	}
	from, err := mail.ParseAddress(c.Publication.From)
	if err != nil {
		return nil, fmt.Errorf("make press: publication.from %q: %w", c.Publication.From, err)
	}
	p.domain = domainOf(from.Address)
	for _, s := range c.Sections {
		p.sections[s.ID] = cut(clean(s.Name), 60)
	}
	for _, city := range c.Publication.Cities {
		p.cities[city.Zone] = clean(city.Name)
	}
	for _, y := range c.Relays { // of all of them: a mail may go by any relay, and is the same to the byte
		if y.Events != nil {
			p.providers = append(p.providers, y.Events.Provider)
		}
	}
	slices.Sort(p.providers)
	p.providers = slices.Compact(p.providers)
	if e.Subject != "" {
		if p.subject, err = texttemplate.New("subject").Option("missingkey=error").Parse(e.Subject); err != nil {
			return nil, fmt.Errorf("read subject of edition %s: %w", e.Name, err)
		}
		if err := p.subject.Execute(io.Discard, SubjectData{}); err != nil {
			return nil, fmt.Errorf("read subject of edition %s: %w", e.Name, err)
		}
	}
	if err := p.proof(); err != nil {
		return nil, err
	}
	return p, nil
}

// domainOf is the domain of an address, as it stands in ASCII.
func domainOf(address string) string {
	domain := address[strings.LastIndexByte(address, '@')+1:]
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
		return ascii
	}
	return domain
}

// zone loads a time zone once. "" is the publication's first city, else UTC.
func (p *Press) zone(name string) (*time.Location, error) {
	if name == "" && len(p.pub.Cities) > 0 {
		name = p.pub.Cities[0].Zone
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if loc := p.zones[name]; loc != nil {
		return loc, nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("load zone %q: %w", name, err)
	}
	p.zones[name] = loc
	return loc, nil
}

// section names a section; one that left the configuration goes by its id.
func (p *Press) section(id string) string {
	if name := p.sections[id]; name != "" {
		return name
	}
	return cut(clean(id), 60)
}
