package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Limits of RFC 7208 section 4.6.4.
const (
	spfLookups = 10
	spfVoid    = 2
)

// spfResult is what a domain's SPF records say of an address.
type spfResult string

const (
	spfPass, spfFail, spfSoft, spfNeutral spfResult = "pass", "fail", "softfail", "neutral"
	spfNone                               spfResult = "none"
)

var (
	errSPF     = errors.New("its records are wrong")
	errSPFMany = errors.New("it has several SPF records")
)

// spf follows a domain's SPF records (RFC 7208). Without an address it follows all of them, and so
// counts what the worst case costs a receiver.
type spf struct {
	dns           *DNS
	ip            netip.Addr // invalid = matches nothing
	local, domain string     // of the sender, for macros
	lookups, void int
	open          bool // somewhere it lets everybody pass
	depth         int
}

// SPF looks at the SPF record of a domain that mails are sent in the name of, and whether it covers the
// addresses that they leave from. What those are is mostly not known where a relay is another's: then
// sure is false, and an address that is not covered is no fault.
func (d *DNS) SPF(ctx context.Context, domain string, from []netip.Addr, sure bool) Finding {
	name := "SPF of " + domain
	f := d.lookAtSPF(ctx, domain, from, sure)
	f.Name = name
	return f
}

func (d *DNS) lookAtSPF(ctx context.Context, domain string, from []netip.Addr, sure bool) Finding {
	record, err := d.spfRecord(ctx, domain)
	switch {
	case errors.Is(err, errSPFMany):
		return red("there are several records that begin with v=spf1: receivers take that for an error", "Leave one TXT record with v=spf1, and put all of its parts into that.")
	case err != nil:
		return unanswered(err)
	case record == "":
		return red("there is no SPF record", "Publish a TXT record at "+domain+" with what your relay's provider asks for, e.g. v=spf1 include:spf.provider.example ~all")
	}
	all := &spf{dns: d, local: "bounce", domain: domain}
	if _, err := all.check(ctx, domain); err != nil {
		if !errors.Is(err, errSPF) {
			return unanswered(err)
		}
		return red(fmt.Sprintf("%s: %v", record, err), "Mend the TXT record at "+domain+" or at the domain that is named: receivers take this for an error, as if all mail failed.")
	}
	seen := fmt.Sprintf("%s: %d of %d look-ups", record, all.lookups, spfLookups)
	switch {
	case all.open:
		return red(seen+"; it lets everybody send in your name", "End it with ~all or -all instead of +all.")
	case all.lookups > spfLookups:
		return red(seen+": receivers give up and take it for an error", "Drop parts that nobody needs, or put their addresses in as ip4: and ip6:.")
	case all.void > spfVoid:
		return amber(fmt.Sprintf("%s, %d of them name what is not there; some receivers give up after %d", seen, all.void, spfVoid), "Drop the parts whose names have no records.")
	}
	var bare, covered []string
	for _, ip := range from {
		one := &spf{dns: d, local: "bounce", domain: domain, ip: ip.Unmap()}
		result, err := one.check(ctx, domain)
		if err != nil && !errors.Is(err, errSPF) {
			return unanswered(err)
		}
		if result == spfPass {
			covered = append(covered, ip.String())
		} else {
			bare = append(bare, fmt.Sprintf("%s (%s)", ip, result))
		}
	}
	switch {
	case len(bare) > 0 && sure:
		return red(seen+"; it does not cover "+strings.Join(bare, ", "), "Add the address as ip4: or ip6:, or what your relay's provider asks for.")
	case len(bare) > 0:
		return amber(seen+"; it does not cover the relay's own address "+strings.Join(bare, ", "),
			"If your provider sends from other addresses than it takes mail at, this is well: look for spf=pass in the headers of a test mail. Else add it.")
	case len(covered) > 0:
		return green(seen + "; it covers " + strings.Join(covered, ", "))
	}
	return amber(seen+"; from which address mail leaves is not known here", "Look for spf=pass in the headers of a test mail.")
}

// spfRecord is the record of a domain, "" if it has none.
func (d *DNS) spfRecord(ctx context.Context, domain string) (record string, err error) {
	list, err := d.txt(ctx, domain)
	for _, t := range list {
		if lower := strings.ToLower(t); lower == "v=spf1" || strings.HasPrefix(lower, "v=spf1 ") {
			if record != "" {
				return "", errSPFMany
			}
			record = t
		}
	}
	return record, err
}

// check is check_host() of section 4. An error that is errSPF is a permerror, another a temperror.
func (s *spf) check(ctx context.Context, domain string) (spfResult, error) {
	if s.depth++; s.depth > spfLookups+1 {
		return "", fmt.Errorf("%w: %s includes itself, or too many others", errSPF, domain)
	}
	defer func() { s.depth-- }()
	record, err := s.dns.spfRecord(ctx, domain)
	if errors.Is(err, errSPFMany) {
		return "", fmt.Errorf("%w: %s has several SPF records", errSPF, domain)
	}
	if err != nil || record == "" {
		return spfNone, err
	}
	redirect, matched := "", spfResult("")
	for _, term := range strings.Fields(record)[1:] {
		if name, value, ok := strings.Cut(term, "="); ok && !strings.ContainsAny(name, ":/") {
			switch {
			case strings.EqualFold(name, "redirect") && (redirect != "" || value == ""), name == "":
				return "", fmt.Errorf("%w: %q in %q", errSPF, term, record)
			case strings.EqualFold(name, "redirect"):
				redirect = value
			}
			continue
		}
		if matched != "" {
			continue // only a modifier may matter behind the end
		}
		result := spfPass
		if q := strings.IndexByte("+-~?", term[0]); q >= 0 {
			result, term = []spfResult{spfPass, spfFail, spfSoft, spfNeutral}[q], term[1:]
		}
		is, err := s.mechanism(ctx, domain, term)
		if err != nil {
			return "", err
		}
		if strings.EqualFold(term, "all") {
			is = true
			s.open = s.open || result == spfPass
		}
		if is {
			matched = result
		}
	}
	if matched != "" {
		return matched, nil
	}
	if redirect == "" {
		return spfNeutral, nil
	}
	target, err := s.expand(redirect, domain)
	if err != nil {
		return "", err
	}
	s.lookups++
	result, err := s.check(ctx, target)
	if err == nil && result == spfNone {
		return "", fmt.Errorf("%w: redirect to %s, which has no SPF record", errSPF, target)
	}
	return result, err
}

// mechanism reports whether a mechanism without its qualifier matches.
func (s *spf) mechanism(ctx context.Context, domain, term string) (bool, error) {
	wrong := fmt.Errorf("%w: %q", errSPF, term)
	head, four, six, err := cidr(term)
	if err != nil {
		return false, wrong
	}
	name, arg, hasArg := strings.Cut(head, ":")
	name = strings.ToLower(name)
	switch name {
	case "all":
		if hasArg || term != head {
			return false, wrong
		}
		return false, nil
	case "ip4", "ip6":
		_, text, _ := strings.Cut(term, ":")
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				return false, wrong
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		if prefix.Addr().Is4() != (name == "ip4") {
			return false, wrong
		}
		return s.ip.IsValid() && prefix.Masked().Contains(s.ip), nil
	case "a", "mx", "include", "exists", "ptr":
	default:
		return false, wrong
	}
	s.lookups++
	if s.lookups > 4*spfLookups { // enough is known
		return false, fmt.Errorf("%w: more than %d look-ups", errSPF, s.lookups-1)
	}
	target := domain
	if hasArg {
		if target, err = s.expand(arg, domain); err != nil || target == "" {
			return false, wrong
		}
	} else if name == "include" || name == "exists" {
		return false, wrong
	}
	switch name {
	case "include":
		result, err := s.check(ctx, target)
		if err == nil && result == spfNone {
			s.void++
			err = fmt.Errorf("%w: it includes %s, which has no SPF record", errSPF, target)
		}
		return result == spfPass, err
	case "exists":
		list, err := s.dns.addresses(ctx, target)
		if len(list) == 0 && err == nil && !strings.Contains(arg, "%") { // a macro's name differs with each sender
			s.void++
		}
		return len(list) > 0, err
	case "ptr":
		return false, nil // not to be used (section 5.5), and slow: receivers skip it
	}
	hosts := []string{target}
	if name == "mx" {
		if hosts, err = s.dns.mx(ctx, target); err != nil {
			return false, err
		}
		if len(hosts) > spfLookups {
			return false, fmt.Errorf("%w: %s has more than %d mail servers", errSPF, target, spfLookups)
		}
	}
	found := false
	is := false
	for _, h := range hosts {
		list, err := s.dns.addresses(ctx, h)
		if err != nil {
			return false, err
		}
		for _, a := range list {
			found = true
			bits := four
			if a.Is6() {
				bits = six
			}
			is = is || s.ip.IsValid() && a.BitLen() == s.ip.BitLen() && netip.PrefixFrom(a, bits).Masked().Contains(s.ip)
		}
	}
	if !found {
		s.void++
	}
	return is, nil
}

// cidr cuts "/24//64" off a mechanism of names.
func cidr(term string) (head string, four, six int, err error) {
	four, six = 32, 128
	if lower := strings.ToLower(term); strings.HasPrefix(lower, "ip4:") || strings.HasPrefix(lower, "ip6:") {
		return term, four, six, nil
	}
	head, rest, found := strings.Cut(term, "/")
	if !found {
		return head, four, six, nil
	}
	a, b, both := strings.Cut(rest, "//")
	if !both && strings.HasPrefix(rest, "/") {
		a, b = "", rest[1:]
	}
	if a != "" {
		if four, err = strconv.Atoi(a); err != nil || four < 0 || four > 32 {
			return head, 0, 0, errSPF
		}
	}
	if b != "" {
		if six, err = strconv.Atoi(b); err != nil || six < 0 || six > 128 {
			return head, 0, 0, errSPF
		}
	}
	return head, four, six, nil
}
