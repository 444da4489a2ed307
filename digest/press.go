package digest

import (
	"bytes"
	"fmt"
	"io"
	"net/mail"
	"strings"
	"sync"
	texttemplate "text/template"
	"time"

	"golang.org/x/net/idna"

	"broadsheet/schedule"
	"broadsheet/stories"
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
	pub      schedule.Publication
	edition  schedule.Edition
	domain   string            // of From
	sections map[string]string // id to name
	cities   map[string]string // zone to the publication's own name of its city
	set      *templates.Set
	subject  *texttemplate.Template // nil = the default form

	mu    sync.Mutex
	kept  *lru[fragmentKey, *rendered]
	zones map[string]*time.Location
}

// NewPress makes the press of an edition. The error says what is wrong with the edition's own
// subject line or with the publication's address.
func NewPress(c *schedule.Config, e schedule.Edition, set *templates.Set) (*Press, error) {
	p := &Press{
		pub: c.Publication, edition: e, set: set,
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
		p.cities[city.Zone] = city.Name
	}
	if e.Subject != "" {
		if p.subject, err = texttemplate.New("subject").Option("missingkey=error").Parse(e.Subject); err != nil {
			return nil, fmt.Errorf("read subject of edition %s: %w", e.Name, err)
		}
		if err := p.subject.Execute(io.Discard, SubjectData{}); err != nil {
			return nil, fmt.Errorf("read subject of edition %s: %w", e.Name, err)
		}
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

// SubjectData is what an edition's own subject line may use.
type SubjectData struct {
	Headline    string // of the reader's lead, cut at 60 characters
	More        int    // stories beside it
	Stories     int
	Edition     string // title
	Publication string
	Date        string // of the slot, in the digest's language
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
	return clean(id)
}

// fragmentKey is what a fragment depends on.
type fragmentKey struct {
	name     string // template with its kind: story-card.html
	revision int64
	section  string
	language string
	variant  int
}

// rendered is what a press keeps: a fragment and what its HTML weighs, or what a story says.
type rendered struct {
	fragment *Fragment
	size     int // octets decoded, links at their longest, values left out
	brief    *brief
}

// piece renders a template once for its key. Plain text whose script runs against the page's
// has a direction mark at the start of each line.
func (p *Press) piece(k fragmentKey, script templates.Script, page templates.Script, view any) (*rendered, error) {
	p.mu.Lock()
	r, ok := p.kept.get(k)
	p.mu.Unlock()
	if ok {
		return r, nil
	}
	var out bytes.Buffer
	var err error
	if name, ok := strings.CutSuffix(k.name, ".html"); ok {
		err = p.set.HTML(&out, name, view)
	} else {
		err = p.set.Text(&out, strings.TrimSuffix(k.name, ".txt"), view)
	}
	if err != nil {
		return nil, err
	}
	text := out.String()
	if strings.HasSuffix(k.name, ".txt") && (script.RTL() || page.RTL()) {
		text = directed(text, script.RTL())
	}
	body := quoteBody(text)
	segs, err := parse(body)
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", k.name, err)
	}
	r = &rendered{fragment: &Fragment{Body: body}, size: decodedSize(text, segs)}
	p.mu.Lock()
	defer p.mu.Unlock()
	if other, ok := p.kept.get(k); ok {
		return other, nil // one fragment for one key, so that digests share it
	}
	p.kept.put(k, r, len(body)+256)
	return r, nil
}

// directed puts a direction mark before each line that is not an address.
func directed(text string, rtl bool) string {
	mark := "\u200e"
	if rtl {
		mark = "\u200f"
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		bare := strings.TrimSpace(line)
		if bare != "" && !strings.HasPrefix(bare, "http") && !strings.HasPrefix(bare, "--") {
			b.WriteString(mark)
		}
		b.WriteString(line)
	}
	return b.String()
}

// decodedSize is how long rendered text is on the other side, with links and addresses as long
// as they can be.
func decodedSize(text string, segs []segment) int {
	n := len(text) + strings.Count(text, "\n") + 2
	for _, s := range segs {
		switch s.kind {
		case markLink:
			n += maxToken(s.action.Section)
		case markAddress:
			n += maxAddressHTML
		}
	}
	return n
}

// image is a picture as a template may show it.
type image struct {
	URL    string
	Alt    string
	Credit string
	Height int
}

// picture prepares a story's image for a width in pixels; nil if it cannot be shown: mail
// clients load nothing but https.
func picture(s *stories.Story, width int, credit string) *image {
	if s.Image == nil || !strings.HasPrefix(s.Image.URL, "https://") || clean(s.Image.URL) != s.Image.URL || len(s.Image.URL) > 2000 {
		return nil
	}
	im := &image{URL: s.Image.URL, Alt: cut(clean(s.Image.Alt), 160), Height: width * 2 / 3}
	if s.Image.Width > 0 && s.Image.Height > 0 {
		im.Height = min(max(width*s.Image.Height/s.Image.Width, 1), width*2)
	}
	if c := cut(clean(s.Image.Credit), 80); c != "" && credit != "" {
		im.Credit = templates.Fill(credit, "name", c)
	}
	return im
}
