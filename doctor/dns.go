package doctor

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// DNS asks for records. The zero value asks as this machine is set up to.
type DNS struct {
	Resolver *net.Resolver // nil = the machine's
}

func (d *DNS) resolver() *net.Resolver {
	if d.Resolver == nil {
		return net.DefaultResolver
	}
	return d.Resolver
}

// unanswered is the finding where DNS does not say.
func unanswered(err error) Finding {
	return amber("DNS does not answer: "+reason(err), "Try again; if it stays so, look at this machine's resolver and at the domain's name servers.")
}

func reason(err error) string {
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return e.Err
	}
	return err.Error()
}

// absent reports whether DNS says that there is no such record.
func absent(err error) bool {
	e, ok := errors.AsType[*net.DNSError](err)
	return ok && e.IsNotFound
}

// rooted keeps the machine's search domains out of it.
func rooted(name string) string { return strings.TrimSuffix(name, ".") + "." }

// txt lists the TXT records of a name, none if there are none.
func (d *DNS) txt(ctx context.Context, name string) ([]string, error) {
	list, err := d.resolver().LookupTXT(ctx, rooted(name))
	if absent(err) {
		return nil, nil
	}
	return list, err
}

// addresses lists a name's addresses, none if there are none.
func (d *DNS) addresses(ctx context.Context, name string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{a}, nil
	}
	list, err := d.resolver().LookupNetIP(ctx, "ip", rooted(name))
	if absent(err) {
		return nil, nil
	}
	for n := range list {
		list[n] = list[n].Unmap()
	}
	return list, err
}

// mx lists a domain's mail servers, the first one first; none if there are none, one "." if the domain
// says that it takes no mail.
func (d *DNS) mx(ctx context.Context, name string) (hosts []string, err error) {
	list, err := d.resolver().LookupMX(ctx, rooted(name))
	if absent(err) {
		return nil, nil
	}
	slices.SortStableFunc(list, func(a, b *net.MX) int { return int(a.Pref) - int(b.Pref) })
	for _, m := range list {
		hosts = append(hosts, m.Host)
	}
	return hosts, err
}

// tags reads "v=DKIM1; k=rsa; p=…" (RFC 6376 section 3.2). ok is false if it is none.
func tags(record string) (t map[string]string, ok bool) {
	t = make(map[string]string)
	for part := range strings.SplitSeq(record, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, value, found := strings.Cut(part, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := t[name]; !found || name == "" || twice {
			return nil, false
		}
		t[name] = strings.TrimSpace(value)
	}
	return t, len(t) > 0
}
