package mailer

import (
	"bufio"
	_ "embed"
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

//go:embed domains.txt
var providers string

// DomainLimit is what one relay may do at a time for a group of recipients' domains: as a rule
// those of one provider, whose servers they share. A relay has an address of its own that
// providers judge, so each relay is held to it by itself. It is not changed once made, and a
// pointer to it names its group.
type DomainLimit struct {
	Name        string
	Rate        float64 // mails a second; 0 = no limit
	Connections int     // mails under way at once; 0 = no limit
}

// DomainGroup changes or makes a group. Domains, if there are any, leave the group they were in.
type DomainGroup struct {
	DomainLimit          // a number that is 0 leaves what the group has
	Domains     []string // A-labels, in any case
}

// Domains knows which domains go together: those of the large providers (domains.txt), and what
// an operator made of them. It may be used by many goroutines. The zero value knows none.
type Domains struct {
	groups map[string]*DomainLimit // by domain
}

// NewDomains takes the shipped list and applies changes in their order. A change of a name that
// is in the list is one of that group; any other makes a group.
func NewDomains(changes []DomainGroup) *Domains {
	d := &Domains{groups: make(map[string]*DomainLimit, 512)}
	byName := make(map[string]*DomainLimit)
	for _, g := range append(shipped(), changes...) {
		l := byName[g.Name]
		if l == nil {
			l = &DomainLimit{Name: g.Name}
			byName[g.Name] = l
		}
		if g.Rate > 0 {
			l.Rate = g.Rate
		}
		if g.Connections > 0 {
			l.Connections = g.Connections
		}
		for _, domain := range g.Domains {
			d.groups[strings.ToLower(domain)] = l
		}
	}
	return d
}

// Providers names the groups of the shipped list.
func Providers() []string {
	names := make(map[string]bool)
	for _, g := range shipped() {
		names[g.Name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// Group is the limit of the group that an address belongs to, nil if it has none. It allocates
// nothing for ASCII domains.
func (d *Domains) Group(address string) *DomainLimit {
	if d == nil {
		return nil
	}
	var lower [255]byte
	domain, n := address[strings.LastIndexByte(address, '@')+1:], 0
	for ; n < len(domain) && n < len(lower) && domain[n] < 0x80; n++ {
		c := domain[n]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[n] = c
	}
	if n < len(domain) { // beyond ASCII, or no domain at all
		return d.groups[DomainOf(address)]
	}
	return d.groups[string(lower[:n])]
}

// GroupOf names the group of an address: the one of its provider, else the domain itself.
func (d *Domains) GroupOf(address string) string {
	if l := d.Group(address); l != nil {
		return l.Name
	}
	return DomainOf(address)
}

// DomainOf is the domain of an address, lower case and in A-labels (RFC 5890), so that all ways to
// write it compare equal. One that is no domain name comes back in lower case, as it is. It
// allocates nothing if there is nothing to change.
func DomainOf(address string) string {
	domain := address[strings.LastIndexByte(address, '@')+1:]
	if !ascii(domain) {
		if wire, err := idna.Lookup.ToASCII(domain); err == nil {
			return wire
		}
	}
	return strings.ToLower(domain)
}

// shipped reads the list that comes with the program. Its form is held by a test.
func shipped() (groups []DomainGroup) {
	lines := bufio.NewScanner(strings.NewReader(providers))
	for lines.Scan() {
		line := lines.Text()
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || line[0] == '#':
		case line[0] == ' ':
			last := &groups[len(groups)-1]
			last.Domains = append(last.Domains, words...)
		default:
			groups = append(groups, DomainGroup{DomainLimit{words[0], float64(number(words[2])), number(words[1])}, words[3:]})
		}
	}
	return groups
}

// number reads a limit of the list; - is none, and -1 comes back for what is no number.
func number(s string) int {
	if s == "-" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}
