package doctor

import (
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Key is a public key that should be in DNS for signatures to hold.
type Key struct {
	Selector string
	Domain   string
	Value    string // of the TXT record, as it should be
	Signs    bool   // messages begun now are signed with it
}

// DKIM looks whether DNS has a key, and the one that signs (RFC 6376, RFC 8463 for Ed25519).
func (d *DNS) DKIM(ctx context.Context, k Key) Finding {
	name := k.Selector + "._domainkey." + k.Domain
	f := d.lookAtDKIM(ctx, name, k)
	f.Name = "DKIM key " + name
	if f.Level == Red && !k.Signs {
		f.Level = Amber
		f.Seen += "; nothing new is signed with it, second copies of older mails may be"
	}
	return f
}

func (d *DNS) lookAtDKIM(ctx context.Context, name string, k Key) Finding {
	publish := "Publish a TXT record at " + name + ": broadsheet keys dkim prints it."
	list, err := d.txt(ctx, name)
	if err != nil {
		return unanswered(err)
	}
	if len(list) == 0 {
		return red("there is no such record: every signature fails", publish)
	}
	if len(list) > 1 {
		return red(fmt.Sprintf("there are %d TXT records: which one counts is not defined", len(list)), "Leave one.")
	}
	have, ok := tags(list[0])
	want, _ := tags(k.Value)
	p, written := have["p"]
	p = unspaced(p)
	switch {
	case !ok || !written:
		return red("the record is no DKIM key: "+cut(list[0]), publish)
	case have["v"] != "" && have["v"] != "DKIM1":
		return red("the record says v="+have["v"]+", which is not DKIM1", publish)
	case p == "":
		return red("the key is revoked: p= is empty", "Publish the key again, or sign with another: broadsheet keys dkim.")
	case kind(have) != kind(want):
		return red(fmt.Sprintf("the record has a key of kind %s, mails are signed with one of %s", kind(have), kind(want)), publish)
	case p != unspaced(want["p"]) && !sameKey(p, unspaced(want["p"])):
		return red("the key in DNS is another one than that which signs: every signature fails", publish)
	case have["h"] != "" && !slices.Contains(strings.Split(unspaced(have["h"]), ":"), "sha256"):
		return red("the record allows h="+have["h"]+" alone, and mails are signed with sha256", "Drop h= from the record.")
	case have["s"] != "" && !slices.ContainsFunc(strings.Split(unspaced(have["s"]), ":"), func(s string) bool { return s == "*" || s == "email" }):
		return red("the record is not for mail: s="+have["s"], "Drop s= from the record.")
	case slices.Contains(strings.Split(unspaced(have["t"]), ":"), "y"):
		return amber("the record says that the key is being tried (t=y): some receivers disregard its signatures", "Drop t=y from the record.")
	}
	return greenf("the key in DNS is the one that signs (%s)", kind(have))
}

func kind(t map[string]string) string {
	if t["k"] == "" {
		return "rsa"
	}
	return strings.ToLower(t["k"])
}

func unspaced(s string) string { return strings.Join(strings.Fields(s), "") }

func cut(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

// sameKey compares keys that may be written in two ways: RSA's with the algorithm's name around it and
// without, as some tools publish it.
func sameKey(a, b string) bool {
	x, y := publicKey(a), publicKey(b)
	switch x := x.(type) {
	case *rsa.PublicKey:
		return x.Equal(y)
	case ed25519.PublicKey:
		return x.Equal(y)
	}
	return false
}

func publicKey(text string) any {
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	if len(der) == ed25519.PublicKeySize {
		return ed25519.PublicKey(der)
	}
	if k, err := x509.ParsePKIXPublicKey(der); err == nil {
		return k
	}
	if k, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return k
	}
	return nil
}

// organization is the domain under which a company has its names, as public suffixes tell.
func organization(domain string) string {
	if org, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil {
		return org
	}
	return domain
}

// DMARC looks at the policy of the domain in From, and whether mails can hold to it: signed for
// signed ("" = the relay signs, and for whom is not known), with bounces going to bounce.
func (d *DNS) DMARC(ctx context.Context, from, signed, bounce string) Finding {
	f := d.lookAtDMARC(ctx, from, signed, bounce)
	f.Name = "DMARC of " + from
	return f
}

func (d *DNS) lookAtDMARC(ctx context.Context, from, signed, bounce string) Finding {
	names := []string{from}
	if org := organization(from); org != from {
		names = append(names, org)
	}
	record, at := "", ""
	for _, name := range names {
		list, err := d.txt(ctx, "_dmarc."+name)
		if err != nil {
			return unanswered(err)
		}
		list = slices.DeleteFunc(list, func(t string) bool { return !strings.HasPrefix(unspaced(t), "v=DMARC1") })
		if len(list) > 1 {
			return red(fmt.Sprintf("_dmarc.%s has %d records: receivers then see none", name, len(list)), "Leave one.")
		}
		if len(list) == 1 {
			record, at = list[0], name
			break
		}
	}
	if record == "" {
		return red("there is no DMARC record: large providers refuse bulk mail without one", "Publish a TXT record at _dmarc."+from+", to begin with: v=DMARC1; p=none; rua=mailto:dmarc@"+from)
	}
	t, ok := tags(record)
	policy := strings.ToLower(t["p"])
	if at != from && t["sp"] != "" {
		policy = strings.ToLower(t["sp"])
	}
	if !ok || !slices.Contains([]string{"none", "quarantine", "reject"}, policy) {
		return red(fmt.Sprintf("the record at _dmarc.%s cannot be read: %s", at, cut(record)), "It begins with v=DMARC1; and p= is none, quarantine or reject.")
	}
	seen := fmt.Sprintf("p=%s at _dmarc.%s", policy, at)
	byKey := signed != "" && aligned(from, signed, t["adkim"])
	bySPF := aligned(from, bounce, t["aspf"])
	switch {
	case byKey && bySPF:
		seen += "; signatures and SPF are both for the domain in From"
	case byKey:
		seen += "; signatures are for the domain in From"
	case bySPF && signed == "":
		seen += "; SPF is for the domain in From, and for whom the relay signs is not known here"
	case bySPF:
		seen += fmt.Sprintf("; SPF is for the domain in From, signatures are for %s", signed)
	default:
		fix := "Sign for the domain in From (broadsheet keys dkim)."
		if policy == "none" {
			return amber(seen+"; neither signature nor SPF is for the domain in From", fix)
		}
		return red(seen+"; neither signature nor SPF is for the domain in From: mail fails the policy", fix)
	}
	if t["rua"] == "" {
		return amber(seen+"; nobody gets reports", "Add rua=mailto: with an address that somebody reads.")
	}
	return green(seen)
}

// aligned is DMARC's alignment of a domain with that of From; mode is s for strict.
func aligned(from, domain, mode string) bool {
	if strings.EqualFold(mode, "s") {
		return strings.EqualFold(from, domain)
	}
	return strings.EqualFold(organization(from), organization(domain))
}

// MX looks whether what comes back has somewhere to go. read says that the program reads it.
func (d *DNS) MX(ctx context.Context, domain string, read bool) Finding {
	f := d.lookAtMX(ctx, domain, read)
	f.Name = "MX of " + domain
	return f
}

func (d *DNS) lookAtMX(ctx context.Context, domain string, read bool) Finding {
	hosts, err := d.mx(ctx, domain)
	if err != nil {
		return unanswered(err)
	}
	if len(hosts) == 1 && hosts[0] == "." {
		return red("the domain says that it takes no mail (null MX): bounces are lost, and many receivers refuse its mail", "Publish an MX record that names your mail server.")
	}
	implicit := len(hosts) == 0
	if implicit {
		hosts = []string{domain}
	}
	var good, bad []string
	for _, h := range hosts {
		list, err := d.addresses(ctx, h)
		switch h = strings.TrimSuffix(h, "."); {
		case err != nil:
			return unanswered(err)
		case len(list) == 0:
			bad = append(bad, h)
		default:
			good = append(good, h)
		}
	}
	seen := "mail goes to " + strings.Join(good, ", ")
	switch {
	case len(good) == 0 && implicit:
		return red("there is neither an MX record nor an address: bounces are lost, and many receivers refuse mail from there", "Publish an MX record that names your mail server.")
	case len(good) == 0:
		return red("its mail servers have no addresses: "+strings.Join(bad, ", "), "Mend the names in the MX records.")
	case len(bad) > 0:
		return amber(seen+"; without an address are "+strings.Join(bad, ", "), "Drop them from the MX records, or give them addresses.")
	case implicit:
		return amber("there is no MX record, only an address: mail goes there", "Publish an MX record that names your mail server.")
	case !read:
		return amber(seen+"; the program does not read it: bounces and complaints change nothing", "Set intake: in schedule.yaml (docs/operating.md).")
	}
	return green(seen)
}

// PTR looks whether addresses that mail leaves from have a name that leads back to them.
func (d *DNS) PTR(ctx context.Context, from []netip.Addr) Finding {
	f := d.lookAtPTR(ctx, from)
	f.Name = "PTR"
	return f
}

func (d *DNS) lookAtPTR(ctx context.Context, from []netip.Addr) Finding {
	if len(from) == 0 {
		return green("mail leaves by relays of others, who look after their names")
	}
	var good, bad []string
	for _, ip := range from {
		names, err := d.resolver().LookupAddr(ctx, ip.String())
		if err != nil && !absent(err) {
			return unanswered(err)
		}
		back := ""
		for _, n := range names {
			list, err := d.addresses(ctx, n)
			if err != nil {
				return unanswered(err)
			}
			if slices.Contains(list, ip.Unmap()) {
				back = strings.TrimSuffix(n, ".")
				break
			}
		}
		switch {
		case back != "":
			good = append(good, ip.String()+" is "+back)
		case len(names) == 0:
			bad = append(bad, ip.String()+" has no name")
		default:
			bad = append(bad, fmt.Sprintf("%s is %s, which does not lead back to it", ip, strings.TrimSuffix(names[0], ".")))
		}
	}
	if len(bad) > 0 {
		return red(strings.Join(append(bad, good...), "; ")+": large providers refuse mail from there", "Ask who gave you the address for a PTR record, and give that name an A or AAAA record with the address.")
	}
	return green(strings.Join(good, "; "))
}

// Outward keeps the addresses that the world may see: no private ones, none of this machine alone.
func Outward(list []netip.Addr) (out []netip.Addr) {
	shared := netip.MustParsePrefix("100.64.0.0/10")
	for _, a := range list {
		a = a.Unmap().WithZone("")
		if a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a) {
			out = append(out, a)
		}
	}
	return out
}
