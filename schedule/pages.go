package schedule

import (
	"net/netip"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// pages reads how the pages for readers behave; n is nil if the file does not say.
func (r *reader) pages(n ast.Node) Pages {
	p := Pages{OneClick: "edition", SignUpsPerHour: 1000}
	if n == nil {
		return p
	}
	t, ok := r.table(n, "pages", "one_click", "count_clicks", "proxies", "sign_ups_per_hour")
	if !ok {
		return p
	}
	p.OneClick = t.choice("one_click", "edition", "all")
	p.CountClicks = t.flag("count_clicks")
	p.SignUpsPerHour = t.whole("sign_ups_per_hour", p.SignUpsPerHour, 1, 1_000_000)
	list, places := t.texts("proxies", "addresses or networks such as 10.0.0.0/8")
	for i, s := range list {
		prefix, problem := network(s)
		if problem != "" {
			t.wrong(places[i], "pages: proxy %q %s", clip(s), problem)
			continue
		}
		p.Proxies = append(p.Proxies, prefix)
	}
	return p
}

// network is an address or a network; problem is "" if it is one.
func network(s string) (p netip.Prefix, problem string) {
	const wrong = "is not an address or a network; write e.g. 127.0.0.1, ::1 or 10.0.0.0/8"
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return p, wrong
		}
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), ""
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil || p.Addr().Is4In6():
		return p, wrong
	case p.Bits() == 0:
		return p, "is everybody: any client could then claim any address; name the proxies"
	case p != p.Masked():
		return p, "is an address in the network " + p.Masked().String() + "; write one or the other"
	}
	return p, ""
}

// noticesFrom is the address of notices: a bare one, at the domain of from, in whose name the
// mails are signed.
func (t *table) noticesFrom(from string) string {
	domain := from[strings.LastIndexByte(from, '@')+1:]
	if !t.has("notices_from") {
		if domain == "" { // from is wrong, and that is said already
			return ""
		}
		return "confirm@" + domain
	}
	name, address := t.mailbox("notices_from")
	switch {
	case address == "":
	case name != "":
		t.bad("notices_from", "notices_from must be the address alone, %s; the name beside it is that of from", address)
	case domain != "" && !strings.EqualFold(address[strings.LastIndexByte(address, '@')+1:], domain):
		t.bad("notices_from", "notices_from must be at %s as from is, for SPF, DKIM and DMARC hold for that domain; write e.g. confirm@%[1]s", domain)
	default:
		return address
	}
	return ""
}
