package mailer

import (
	"slices"
	"strings"
	"testing"
)

func TestDomains(t *testing.T) {
	d := NewDomains([]DomainGroup{
		{DomainLimit: DomainLimit{Name: "gmail", Rate: 50}},
		{DomainLimit: DomainLimit{Name: "gmx", Connections: 7}, Domains: []string{"Port.Example"}},
		{DomainLimit: DomainLimit{Name: "bank", Rate: 0.5}, Domains: []string{"bank.example", "web.de", "xn--bnk-qla.example"}},
	})
	for address, want := range map[string]DomainLimit{
		"ada@gmail.com":             {"gmail", 50, 4},
		"ada@GoogleMail.COM":        {"gmail", 50, 4},
		`"odd@gmail.com"@yahoo.com`: {"yahoo", 10, 3},
		"ada@aol.co.uk":             {"yahoo", 10, 3},
		"ada@hotmail.co.uk":         {"outlook", 10, 4},
		"ada@mac.com":               {"icloud", 5, 3},
		"ada@gmx.net":               {"gmx", 5, 7},
		"ada@port.example":          {"gmx", 5, 7},
		"ada@web.de":                {"bank", 0.5, 0}, // it left gmx
		"ada@bank.example":          {"bank", 0.5, 0},
		"ada@bänk.example":          {"bank", 0.5, 0},
		"ada@BÄNK.example":          {"bank", 0.5, 0},
	} {
		if got := d.Group(address); got == nil || *got != want {
			t.Errorf("%s: got %+v, want %+v", address, got, want)
		}
		if got := d.GroupOf(address); got != want.Name {
			t.Errorf("%s: got group %s, want %s", address, got, want.Name)
		}
	}
	// Everybody else is a group of their own, without a limit.
	for address, domain := range map[string]string{
		"ada@reader.example": "reader.example", "ada@Reader.Example": "reader.example", "ada@mail.gmail.com": "mail.gmail.com",
		"ada@lesärmel.example": "xn--lesrmel-7wa.example", "ada@": "", "ada": "ada", "": "", "ada@" + strings.Repeat("x", 300): strings.Repeat("x", 300),
	} {
		if got := d.Group(address); got != nil {
			t.Errorf("%q: got %+v", address, got)
		}
		if got := d.GroupOf(address); got != domain {
			t.Errorf("%q: got group %q, want %q", address, got, domain)
		}
	}
	if (*Domains)(nil).Group("ada@gmail.com") != nil || new(Domains).Group("ada@gmail.com") != nil {
		t.Error("no list has a group")
	}
	if d.Group("a@gmail.com") != d.Group("b@googlemail.com") {
		t.Error("one group has two limits")
	}
}

// TestProviders holds the shipped list to its form.
func TestProviders(t *testing.T) {
	seen := map[string]string{}
	for _, g := range shipped() {
		if g.Rate < 0 || g.Connections < 0 || g.Rate == 0 && g.Connections == 0 || len(g.Domains) == 0 || g.Name != strings.ToLower(g.Name) {
			t.Errorf("group %+v", g)
		}
		for _, domain := range g.Domains {
			if DomainOf("x@"+domain) != domain || !strings.Contains(domain, ".") || strings.ContainsAny(domain, "@:,;") {
				t.Errorf("group %s: %q is not a domain in its plain form", g.Name, domain)
			}
			if other, ok := seen[domain]; ok {
				t.Errorf("%s is in %s and %s", domain, other, g.Name)
			}
			seen[domain] = g.Name
		}
	}
	if names := Providers(); len(names) < 20 || !slices.Contains(names, "gmail") || !slices.IsSorted(names) {
		t.Errorf("names %v", names)
	}
}

func TestGroupAllocates(t *testing.T) {
	d := NewDomains(nil)
	for _, address := range []string{"ada@gmail.com", "ada@GMail.com", "ada@reader.example"} {
		if n := testing.AllocsPerRun(100, func() { d.Group(address) }); n != 0 {
			t.Errorf("%s: %v allocations", address, n)
		}
	}
	if n := testing.AllocsPerRun(100, func() { d.GroupOf("ada@reader.example") }); n != 0 {
		t.Errorf("name of a group: %v allocations", n)
	}
}

// FuzzGroup asks for any address: what it is a group of does not hang on how it is written.
func FuzzGroup(f *testing.F) {
	for _, s := range []string{"ada@gmail.com", "ADA@GMAIL.COM", "ada@bänk.example", "", "@", "a@\xff", "a@" + strings.Repeat("x", 256)} {
		f.Add(s)
	}
	d := NewDomains(nil)
	f.Fuzz(func(t *testing.T, address string) {
		name := d.GroupOf(address)
		if l := d.Group(address); l != nil && l.Name != name {
			t.Fatalf("%q is of %q and of %q", address, l.Name, name)
		}
		if other := d.GroupOf("x@" + DomainOf(address)); other != name {
			t.Fatalf("%q is of %q, its domain %q of %q", address, name, DomainOf(address), other)
		}
	})
}

func BenchmarkGroup(b *testing.B) {
	d := NewDomains(nil)
	b.ReportAllocs()
	for b.Loop() {
		d.Group("somebody@Hotmail.co.uk")
	}
}
