package doctor

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func TestSPF(t *testing.T) {
	z := zone{
		"TXT several.example.":                    {"v=spf1 -all", "v=spf1 ~all"},
		"TXT other.example.":                      {"google-site-verification=x", "v=spf10 -all"},
		"TXT good.example.":                       {"x", "v=spf1 include:spf.provider.example ip4:192.0.2.0/28 ~all"},
		"TXT case.example.":                       {"V=SPF1 IP4:192.0.2.0/28 -ALL"},
		"TXT v6.example.":                         {"v=spf1 ip6:2001:db8::/32 -all"},
		"TXT spf.provider.example.":               {"v=spf1 ip4:198.51.100.0/24 a:out.provider.example -all"},
		"A out.provider.example.":                 {"203.0.113.7"},
		"TXT open.example.":                       {"v=spf1 +all"},
		"TXT open2.example.":                      {"v=spf1 all"},
		"TXT syntax.example.":                     {"v=spf1 ipv4:192.0.2.1 -all"},
		"TXT badip.example.":                      {"v=spf1 ip4:192.0.2.300 -all"},
		"TXT swapped.example.":                    {"v=spf1 ip4:2001:db8::1 -all"},
		"TXT dangling.example.":                   {"v=spf1 include:gone.example -all"},
		"TXT loop.example.":                       {"v=spf1 include:loop.example -all"},
		"TXT redirect.example.":                   {"v=spf1 redirect=good.example"},
		"TXT nowhere.example.":                    {"v=spf1 redirect=gone.example"},
		"TXT neutral.example.":                    {"v=spf1 ip4:192.0.2.1"},
		"TXT mx.example.":                         {"v=spf1 mx/30 -all"},
		"MX mx.example.":                          {"one.mx.example.", "two.mx.example."},
		"A one.mx.example.":                       {"192.0.2.9"},
		"AAAA two.mx.example.":                    {"2001:db8::9"},
		"TXT macro.example.":                      {"v=spf1 exists:%{ir}.%{v}.list.macro.example -all"},
		"A 1.2.0.192.in-addr.list.macro.example.": {"127.0.0.2"},
		"TXT macrobad.example.":                   {"v=spf1 exists:%{q}.example -all"},
		"TXT void.example.":                       {"v=spf1 a:n1.example a:n2.example a:n3.example -all"},
		"TXT after.example.":                      {"v=spf1 -all include:gone.example"},
		"TXT exp.example.":                        {"v=spf1 ip4:192.0.2.1 -all exp=why.example"},
		"TXT temp.example.":                       {"v=spf1 include:broken.example -all"},
		"FAIL broken.example.":                    {""},
		"TXT ten.example.":                        {"v=spf1"},
		"TXT eleven.example.":                     {"v=spf1"},
		"TXT nested.example.":                     {"v=spf1 include:half1.example include:half2.example -all"},
	}
	for n := range 11 {
		z[fmt.Sprintf("A h%d.example.", n)] = []string{"203.0.113.1"}
		z["TXT eleven.example."][0] += fmt.Sprintf(" a:h%d.example", n)
		if n < 10 {
			z["TXT ten.example."][0] += fmt.Sprintf(" a:h%d.example", n)
		}
	}
	half := strings.Repeat(" a:h1.example", 5)
	z["TXT half1.example."], z["TXT half2.example."] = []string{"v=spf1" + half + " ?all"}, []string{"v=spf1" + half + " ?all"}
	d := serve(t, z)
	for _, c := range []struct {
		domain, from string
		sure         bool
		level        Level
		seen         string
	}{
		{"gone.example", "", false, Red, "no SPF record"},
		{"other.example", "", false, Red, "no SPF record"},
		{"several.example", "", false, Red, "several records"},
		{"good.example", "", false, Amber, "2 of 10 look-ups; from which address mail leaves is not known"},
		{"good.example", "192.0.2.15", true, Green, "covers 192.0.2.15"},
		{"good.example", "198.51.100.200", true, Green, "covers"},
		{"good.example", "203.0.113.7", false, Green, "covers"},
		{"good.example", "192.0.2.16", true, Red, "does not cover 192.0.2.16 (softfail)"},
		{"good.example", "192.0.2.16", false, Amber, "does not cover the relay's own address"},
		{"good.example", "192.0.2.1 192.0.2.99", true, Red, "does not cover 192.0.2.99"},
		{"case.example", "192.0.2.1", true, Green, ""},
		{"v6.example", "2001:db8::77", true, Green, ""},
		{"v6.example", "192.0.2.1", true, Red, "(fail)"},
		{"open.example", "", false, Red, "everybody"},
		{"open2.example", "192.0.2.1", true, Red, "everybody"},
		{"syntax.example", "", false, Red, "ipv4:192.0.2.1"},
		{"badip.example", "", false, Red, "192.0.2.300"},
		{"swapped.example", "", false, Red, "ip4:2001:db8::1"},
		{"dangling.example", "", false, Red, "gone.example, which has no SPF record"},
		{"loop.example", "", false, Red, "includes itself"},
		{"redirect.example", "192.0.2.1", true, Green, "3 of 10"},
		{"nowhere.example", "", false, Red, "redirect to gone.example"},
		{"neutral.example", "192.0.2.1", true, Green, ""},
		{"neutral.example", "192.0.2.2", true, Red, "(neutral)"},
		{"mx.example", "192.0.2.10", true, Green, "1 of 10"},
		{"mx.example", "2001:db8::9", true, Green, ""},
		{"mx.example", "192.0.2.12", true, Red, ""},
		{"macro.example", "192.0.2.1", true, Green, ""},
		{"macro.example", "192.0.2.2", true, Red, ""},
		{"macrobad.example", "", false, Red, "exists:%{q}.example"},
		{"void.example", "", false, Amber, "3 of them name what is not there"},
		{"after.example", "", false, Amber, "0 of 10"},
		{"exp.example", "192.0.2.1", true, Green, "0 of 10"},
		{"temp.example", "", false, Amber, "DNS does not answer"},
		{"broken.example", "", false, Amber, "DNS does not answer"},
		{"ten.example", "203.0.113.1", true, Green, "10 of 10"},
		{"eleven.example", "203.0.113.1", true, Red, "11 of 10"},
		{"nested.example", "203.0.113.1", true, Red, "12 of 10"},
	} {
		var from []netip.Addr
		for _, a := range strings.Fields(c.from) {
			from = append(from, netip.MustParseAddr(a))
		}
		f := d.SPF(t.Context(), c.domain, from, c.sure)
		f.wants(t, c.domain+" "+c.from, c.level, c.seen)
		if f.Name != "SPF of "+c.domain {
			t.Error(f.Name)
		}
	}
}

// TestMacros are those of RFC 7208 section 7.4.
func TestMacros(t *testing.T) {
	for _, c := range []struct{ text, ip, want string }{
		{"%{s}", "", "strong-bad@email.example.com"}, {"%{o}", "", "email.example.com"}, {"%{d}", "", "email.example.com"},
		{"%{d4}", "", "email.example.com"}, {"%{d3}", "", "email.example.com"}, {"%{d2}", "", "example.com"}, {"%{d1}", "", "com"},
		{"%{dr}", "", "com.example.email"}, {"%{d2r}", "", "example.email"}, {"%{l}", "", "strong-bad"}, {"%{l-}", "", "strong.bad"},
		{"%{lr}", "", "strong-bad"}, {"%{lr-}", "", "bad.strong"}, {"%{l1r-}", "", "strong"},
		{"%{ir}.%{v}._spf.%{d2}", "192.0.2.3", "3.2.0.192.in-addr._spf.example.com"},
		{"%{lr-}.lp._spf.%{d2}", "", "bad.strong.lp._spf.example.com"},
		{"%{ir}.%{v}._spf.%{d2}", "2001:db8::cb01", "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"},
		{"%%a%_b%-", "", "%a b%20"},
		{"%", "", "!"}, {"%x", "", "!"}, {"%{", "", "!"}, {"%{}", "", "!"}, {"%{d0}", "", "!"}, {"%{dx}", "", "!"}, {"%{z}", "", "!"},
	} {
		s := &spf{local: "strong-bad", domain: "email.example.com"}
		if c.ip != "" {
			s.ip = netip.MustParseAddr(c.ip)
		}
		got, err := s.expand(c.text, s.domain)
		if err != nil {
			got = "!"
		}
		if got != c.want {
			t.Errorf("%s is %q, want %q", c.text, got, c.want)
		}
	}
}
