package schedule

import (
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"golang.org/x/text/language"
)

func (r *reader) publication(n ast.Node, zones *Zones) (p Publication) {
	t, ok := r.table(n, "publication", "name", "tagline", "from", "reply_to", "notices_from", "postal_address", "public_url", "language", "cities")
	if !ok {
		return p
	}
	if t.need("name", "name: The Daily Lantern") {
		p.Name = t.text("name")
	}
	p.Tagline = t.text("tagline")
	if t.need("from", `from: "The Daily Lantern <news@lantern.example>"`) {
		p.FromName, p.From = t.mailbox("from")
	}
	preset(&p.FromName, p.Name)
	if t.has("reply_to") {
		_, p.ReplyTo = t.mailbox("reply_to")
	}
	preset(&p.ReplyTo, p.From)
	p.NoticesFrom = t.noticesFrom(p.From)
	if t.need("postal_address", `postal_address: "1 Harbour Street, London"`) {
		p.PostalAddress = t.block("postal_address")
	}
	if t.need("public_url", "public_url: https://news.lantern.example") {
		p.PublicURL = t.publicURL("public_url")
	}
	p.Language = "en"
	if t.has("language") {
		p.Language = t.language(t.text("language"), t.at("language"))
	}
	p.Cities = r.cities(t, zones)
	return p
}

func (r *reader) cities(t *table, zones *Zones) (cities []City) {
	for i, n := range t.list("cities", "{name, zone}") {
		c, ok := r.table(n, called("city", i, nameIn(n, "name")), "name", "zone")
		if !ok {
			continue
		}
		city := City{Name: c.text("name")}
		c.need("name", "name: London")
		if c.need("zone", "zone: Europe/London") {
			city.Zone = c.zone("zone", zones)
		}
		cities = append(cities, city)
	}
	return cities
}

// zone is the IANA name of a place.
func (t *table) zone(key string, zones *Zones) string {
	name := t.text(key)
	if name == "" {
		return ""
	}
	if _, err := zones.Load(name); err != nil {
		t.bad(key, "zone %q is not a known IANA time zone; write e.g. Asia/Dubai", clip(name))
		return ""
	}
	return name
}

// language checks a BCP 47 tag and writes it in its usual form.
func (t *table) language(tag string, at mark) string {
	if tag == "" {
		return ""
	}
	parsed, err := language.Parse(tag)
	if err != nil || len(tag) > 35 {
		t.wrong(at, "%s: language %q is not a language tag; write e.g. en or ar", t.name, clip(tag))
		return ""
	}
	return parsed.String()
}

// mailbox is a single address, with or without a display name.
func (t *table) mailbox(key string) (name, address string) {
	s := t.text(key)
	if s == "" {
		return "", ""
	}
	a, err := mail.ParseAddress(s)
	if err != nil {
		t.bad(key, "%s must be one mail address; write e.g. \"The Daily Lantern <news@lantern.example>\"", key)
		return "", ""
	}
	domain := a.Address[strings.LastIndexByte(a.Address, '@')+1:]
	switch {
	case !plainAddress(a.Address):
		t.bad(key, "%s: address %q must be plain ASCII without spaces (a domain in its xn-- form)", key, clip(a.Address))
	case !mailDomain(domain):
		t.bad(key, "%s: %q is not a domain that mail can come from; write e.g. news@lantern.example", key, clip(domain))
	case strings.IndexFunc(a.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0:
		t.bad(key, "%s: the name must be one line without control characters", key)
	default:
		return a.Name, a.Address
	}
	return "", ""
}

// plainAddress reports whether an address needs no SMTPUTF8.
func plainAddress(address string) bool {
	return strings.IndexFunc(address, func(r rune) bool { return r > 0x7e || r <= ' ' }) < 0
}

func mailDomain(domain string) bool {
	return strings.Contains(domain, ".") && !isAddress(domain) && hostProblem(domain) == ""
}

// publicURL is where readers' links lead.
func (t *table) publicURL(key string) string {
	s := t.text(key)
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || !validPort(u.Port(), true) || u.Scheme != "https" && u.Scheme != "http" {
		t.bad(key, "%s must be an address like https://news.lantern.example", key)
		return ""
	}
	switch {
	case u.Scheme == "http" && !Loopback(u.Hostname()):
		t.bad(key, "%s must begin with https:// (http only on this machine, e.g. http://localhost:8080)", key)
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(s, "#"):
		t.bad(key, "%s must have no user, query or fragment", key)
	case hostProblem(u.Hostname()) != "":
		t.bad(key, "%s: host %q %s", key, clip(u.Hostname()), hostProblem(u.Hostname()))
	default:
		return strings.TrimRight(u.String(), "/")
	}
	return ""
}

// Loopback reports whether a host name or address means this machine.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// hostProblem says what is wrong with a host name or address, "" if nothing.
func hostProblem(host string) string {
	if isAddress(host) {
		return ""
	}
	if len(host) > 253 {
		return "is too long"
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "is not a host name"
		}
		for _, c := range []byte(label) {
			if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return "is not a host name (write it without scheme, port and spaces, a foreign one in its xn-- form)"
			}
		}
	}
	if strings.Trim(labels[len(labels)-1], "0123456789") == "" { // 10.0.0.256 and the like
		return "is not an address"
	}
	return ""
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

func validPort(port string, optional bool) bool {
	if port == "" {
		return optional
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// fetch reads the exceptions from the rule against private addresses.
func (r *reader) fetch(n ast.Node) (f Fetch) {
	t, ok := r.table(n, "fetch", "allow")
	if !ok {
		return f
	}
	list, places := t.texts("allow", "host:port")
	for i, s := range list {
		host, port, err := net.SplitHostPort(s)
		if err != nil || hostProblem(host) != "" || !validPort(port, false) {
			t.wrong(places[i], "fetch: allow %q is not host:port; write e.g. 127.0.0.1:8080", clip(s))
			continue
		}
		f.Allow = append(f.Allow, s)
	}
	return f
}
