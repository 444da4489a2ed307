package doctor

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"
)

func TestDKIM(t *testing.T) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text := base64.StdEncoding.EncodeToString
	whole := func(k *rsa.PrivateKey) string {
		der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		return text(der)
	}
	p, bare := whole(k), text(x509.MarshalPKCS1PublicKey(&k.PublicKey))
	z := zone{"FAIL broken._domainkey.p.example.": {""}}
	for selector, records := range map[string][]string{
		"good": {"v=DKIM1; k=rsa; p=" + p}, "least": {"p=" + p}, "spaced": {"v=DKIM1 ; p=" + p[:100] + " " + p[100:] + ";"}, "bare": {"v=DKIM1; p=" + bare},
		"ed": {"v=DKIM1; k=ed25519; p=" + text(ed)}, "other": {"v=DKIM1; p=" + whole(other)}, "revoked": {"v=DKIM1; p="}, "two": {"v=DKIM1; p=" + p, "v=DKIM1; p=" + p},
		"try": {"v=DKIM1; t=y:s; p=" + p}, "sha1": {"v=DKIM1; h=sha1; p=" + p}, "both": {"v=DKIM1; h=sha1 : sha256; p=" + p}, "web": {"v=DKIM1; s=web; p=" + p},
		"words": {"hello there"}, "version": {"v=DKIM2; p=" + p}, "torn": {"v=DKIM1; p=" + p[:200]}, "twice": {"v=DKIM1; p=x; p=" + p},
	} {
		z["TXT "+selector+"._domainkey.p.example."] = records
	}
	d := serve(t, z)
	for _, c := range []struct {
		selector string
		level    Level
		seen     string
	}{
		{"good", Green, "is the one that signs (rsa)"}, {"least", Green, ""}, {"spaced", Green, ""}, {"bare", Green, ""}, {"both", Green, ""}, {"ed", Red, "of kind ed25519"},
		{"other", Red, "another one"}, {"torn", Red, "another one"}, {"revoked", Red, "revoked"}, {"two", Red, "2 TXT records"}, {"try", Amber, "t=y"}, {"sha1", Red, "h=sha1"}, {"web", Red, "s=web"},
		{"words", Red, "no DKIM key"}, {"twice", Red, "no DKIM key"}, {"version", Red, "DKIM2"}, {"gone", Red, "no such record"}, {"broken", Amber, "DNS does not answer"},
	} {
		f := d.DKIM(t.Context(), Key{Selector: c.selector, Domain: "p.example", Value: "v=DKIM1; k=rsa; p=" + p, Signs: true})
		f.wants(t, c.selector, c.level, c.seen)
	}
	d.DKIM(t.Context(), Key{Selector: "ed", Domain: "p.example", Value: "v=DKIM1; k=ed25519; p=" + text(ed), Signs: true}).wants(t, "ed25519", Green, "(ed25519)")
	d.DKIM(t.Context(), Key{Selector: "good", Domain: "p.example", Value: "v=DKIM1; k=ed25519; p=" + text(ed), Signs: true}).wants(t, "ed25519", Red, "of kind rsa")
	d.DKIM(t.Context(), Key{Selector: "gone", Domain: "p.example", Value: "v=DKIM1; p=" + p}).wants(t, "old key", Amber, "nothing new is signed with it")
}

func TestDMARC(t *testing.T) {
	d := serve(t, zone{
		"TXT _dmarc.none.example.": {"v=DMARC1; p=none; rua=mailto:d@none.example"}, "TXT _dmarc.reject.example.": {"v=DMARC1;p=reject;rua=mailto:x@y.example"},
		"TXT _dmarc.quiet.example.": {"v=DMARC1; p=quarantine"}, "TXT _dmarc.two.example.": {"v=DMARC1; p=none", "v=DMARC1; p=reject"}, "TXT _dmarc.mixed.example.": {"x", "v=DMARC1; p=none; rua=mailto:a@b.example"},
		"TXT _dmarc.word.example.": {"v=DMARC1; p=maybe"}, "TXT _dmarc.nop.example.": {"v=DMARC1; rua=mailto:x@y.example"}, "TXT _dmarc.torn.example.": {"v=DMARC1; p"},
		"TXT _dmarc.strict.example.": {"v=DMARC1; p=reject; adkim=s; aspf=s; rua=mailto:x@y.example"}, "TXT _dmarc.spf.example.": {"v=spf1 -all"},
		"TXT _dmarc.org.co.uk.": {"v=DMARC1; p=reject; sp=none; rua=mailto:x@y.example"}, "FAIL _dmarc.broken.example.": {""},
	})
	for _, c := range []struct {
		from, signed, bounce string
		level                Level
		seen                 string
	}{
		{"none.example", "none.example", "none.example", Green, "p=none at _dmarc.none.example; signatures and SPF are both"},
		{"reject.example", "reject.example", "bounces.other.example", Green, "signatures are for the domain in From"},
		{"reject.example", "", "mail.reject.example", Green, "for whom the relay signs is not known"},
		{"reject.example", "esp.example", "reject.example", Green, "signatures are for esp.example"},
		{"reject.example", "esp.example", "esp.example", Red, "fails the policy"},
		{"none.example", "", "esp.example", Amber, "neither"},
		{"quiet.example", "quiet.example", "quiet.example", Amber, "nobody gets reports"},
		{"two.example", "two.example", "two.example", Red, "2 records"}, {"mixed.example", "mixed.example", "mixed.example", Green, ""},
		{"word.example", "", "word.example", Red, "cannot be read"}, {"nop.example", "", "nop.example", Red, "cannot be read"}, {"torn.example", "", "torn.example", Red, "cannot be read"},
		{"strict.example", "mail.strict.example", "mail.strict.example", Red, "neither"}, {"strict.example", "strict.example", "mail.strict.example", Green, "signatures"},
		{"spf.example", "", "spf.example", Red, "no DMARC record"}, {"gone.example", "", "gone.example", Red, "no DMARC record"},
		{"news.org.co.uk", "org.co.uk", "news.org.co.uk", Green, "p=none at _dmarc.org.co.uk"}, {"org.co.uk", "", "org.co.uk", Green, "p=reject"},
		{"broken.example", "", "broken.example", Amber, "DNS does not answer"},
	} {
		d.DMARC(t.Context(), c.from, c.signed, c.bounce).wants(t, c.from+" "+c.signed+" "+c.bounce, c.level, c.seen)
	}
}

func TestMX(t *testing.T) {
	d := serve(t, zone{
		"MX good.example.": {"mx.good.example."}, "A mx.good.example.": {"192.0.2.1"}, "MX null.example.": {"."}, "A bare.example.": {"192.0.2.2"},
		"MX gone.example.": {"mx.nowhere.example."}, "MX half.example.": {"mx.good.example.", "mx.nowhere.example."}, "FAIL broken.example.": {""}, "TXT nothing.example.": {"x"},
	})
	for _, c := range []struct {
		domain string
		read   bool
		level  Level
		seen   string
	}{
		{"good.example", true, Green, "mx.good.example"}, {"good.example", false, Amber, "does not read it"}, {"null.example", true, Red, "null MX"}, {"bare.example", true, Amber, "no MX record"},
		{"gone.example", true, Red, "have no addresses: mx.nowhere.example"}, {"half.example", true, Amber, "without an address"}, {"nothing.example", true, Red, "neither"}, {"no.example", true, Red, "neither"}, {"broken.example", true, Amber, "DNS"},
	} {
		d.MX(t.Context(), c.domain, c.read).wants(t, c.domain, c.level, c.seen)
	}
}

func TestPTR(t *testing.T) {
	d := serve(t, zone{
		"PTR 1.2.0.192.in-addr.arpa.": {"mail.good.example."}, "A mail.good.example.": {"192.0.2.1"}, "PTR 2.2.0.192.in-addr.arpa.": {"mail.good.example."},
		"PTR " + strings.Repeat("1.", 1) + strings.Repeat("0.", 23) + "8.b.d.0.1.0.0.2.ip6.arpa.": {"six.example."}, "AAAA six.example.": {"2001:db8::1"},
	})
	for _, c := range []struct {
		from  string
		level Level
		seen  string
	}{
		{"192.0.2.1", Green, "192.0.2.1 is mail.good.example"}, {"192.0.2.2", Red, "does not lead back"}, {"192.0.2.3", Red, "has no name"}, {"2001:db8::1", Green, "six.example"},
		{"192.0.2.1 192.0.2.3", Red, "192.0.2.3 has no name; 192.0.2.1 is"}, {"", Green, "relays of others"},
	} {
		var from []netip.Addr
		for _, a := range strings.Fields(c.from) {
			from = append(from, netip.MustParseAddr(a))
		}
		d.PTR(t.Context(), from).wants(t, c.from, c.level, c.seen)
	}
	got := Outward([]netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("::ffff:192.0.2.1"), netip.MustParseAddr("100.70.1.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("fd00::1")})
	if len(got) != 2 || got[0].String() != "192.0.2.1" || got[1].String() != "2001:db8::1" {
		t.Error(got)
	}
}
