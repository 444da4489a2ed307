package commands

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"broadsheet/doctor"
	"broadsheet/mailer"
	"broadsheet/mailer/inbox"
	"broadsheet/schedule"
	"broadsheet/web"
)

// relayLimit is how long looking at a relay, a mailbox or a page may take.
const relayLimit = 20 * time.Second

// checks are all that the doctor looks at.
func (e *engine) checks(full bool) []doctor.Check {
	dns := e.dns
	if dns == nil {
		dns = &doctor.DNS{}
	}
	list := []doctor.Check{
		{Name: "configuration", Look: func(context.Context) doctor.Finding { return e.examineConfig() }},
		{Name: "database", Limit: time.Hour, Look: func(ctx context.Context) doctor.Finding { return e.examineDatabase(ctx, full) }},
		{Name: "free space", Look: func(context.Context) doctor.Finding { return e.examineSpace() }},
		{Name: "files with secrets", Look: func(context.Context) doctor.Finding { return doctor.Private(e.secretFiles) }},
	}
	for _, r := range e.cfg.Relays {
		list = append(list, doctor.Check{Name: "relay " + r.Name, Limit: relayLimit, Look: func(ctx context.Context) doctor.Finding { return e.examineRelay(ctx, r) }})
	}
	for _, s := range e.sources() {
		list = append(list, doctor.Check{Name: "intake from " + s.Name(), Limit: relayLimit, Look: func(ctx context.Context) doctor.Finding { return examineSource(ctx, s) }})
	}
	list = append(list, e.dnsChecks(dns)...)
	return append(list,
		doctor.Check{Name: "public_url", Limit: 2 * relayLimit, Look: e.examinePublic},
		doctor.Check{Name: "clock", Limit: relayLimit, Look: e.examineClock},
		doctor.Check{Name: "time zone data", Look: e.examineZones},
		doctor.Check{Name: "scheduler", Look: e.examineWake})
}

// invented says that a domain is one for examples, which DNS knows nothing of (RFC 2606).
func invented(domain string) bool {
	last := domain[strings.LastIndexByte(domain, '.')+1:]
	return slices.Contains([]string{"example", "test", "invalid", "localhost"}, last)
}

// dnsChecks look at what others ask about the publication's domain.
func (e *engine) dnsChecks(dns *doctor.DNS) (list []doctor.Check) {
	domain := domainOf(e.cfg.Publication.From)
	if invented(domain) && e.dns == nil {
		return []doctor.Check{{Name: "DNS of " + domain, Look: func(context.Context) doctor.Finding {
			return doctor.Finding{Level: doctor.Amber, Seen: "the domain is one for examples: SPF, DKIM, DMARC, MX and PTR were not looked at", Fix: "Set from: in schedule.yaml to an address at a domain of yours before mail goes to readers."}
		}}}
	}
	from, sure := e.leavesFrom, false
	local := slices.ContainsFunc(e.cfg.Relays, func(r schedule.Relay) bool { return loopback(r.Host) })
	if from == nil {
		from = func(ctx context.Context) []netip.Addr { return e.relayAddresses(ctx, local) }
	}
	sure = local
	signed := ""
	if e.dkim.keys != nil {
		signed = domain
	}
	list = append(list,
		doctor.Check{Name: "SPF of " + domain, Look: func(ctx context.Context) doctor.Finding { return dns.SPF(ctx, domain, from(ctx), sure) }},
		doctor.Check{Name: "DMARC of " + domain, Look: func(ctx context.Context) doctor.Finding { return dns.DMARC(ctx, domain, signed, domain) }},
		doctor.Check{Name: "MX of " + domain, Look: func(ctx context.Context) doctor.Finding { return dns.MX(ctx, domain, e.hears()) }},
		doctor.Check{Name: "PTR", Look: func(ctx context.Context) doctor.Finding {
			if !local {
				return dns.PTR(ctx, nil)
			}
			if own := from(ctx); len(own) > 0 {
				return dns.PTR(ctx, own)
			}
			return doctor.Finding{Level: doctor.Amber, Seen: "a relay on this machine sends, which has no address of its own on the internet: from which one mail leaves is not known here",
				Fix: "Look whether the address that the world sees has a name that leads back to it."}
		}})
	for _, r := range e.dkim.records {
		k := doctor.Key{Selector: r.Selector, Domain: domain, Value: r.Value, Signs: r.Signs}
		list = append(list, doctor.Check{Name: "DKIM key " + r.Name, Look: func(ctx context.Context) doctor.Finding { return dns.DKIM(ctx, k) }})
	}
	if e.dkim.keys == nil {
		list = append(list, doctor.Check{Name: "DKIM key", Look: func(context.Context) doctor.Finding {
			return doctor.Finding{Level: doctor.Green, Seen: "the relay signs, with a key that is not known here: look for dkim=pass in the headers of a test mail"}
		}})
	}
	return list
}

// hears reports whether the program learns what became of mails.
func (e *engine) hears() bool {
	return e.cfg.Intake.On() || slices.ContainsFunc(e.cfg.Relays, func(r schedule.Relay) bool { return r.Events != nil })
}

// relayAddresses are those that mail may leave from: this machine's, where a relay on it sends, else
// the relays' own.
func (e *engine) relayAddresses(ctx context.Context, local bool) (list []netip.Addr) {
	if local {
		all, err := net.InterfaceAddrs()
		if err != nil {
			return nil
		}
		for _, a := range all {
			if n, ok := a.(*net.IPNet); ok {
				if ip, ok := netip.AddrFromSlice(n.IP); ok {
					list = append(list, ip)
				}
			}
		}
		return doctor.Outward(list)
	}
	for _, r := range e.cfg.Relays {
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", r.Host)
		if err == nil { // else looking at the relay tells
			list = append(list, found...)
		}
	}
	return doctor.Outward(list)
}

func (e *engine) examineConfig() doctor.Finding {
	seen := fmt.Sprintf("%s: %d sections, %d feeds, %d editions, %d relays", e.cfg.File, len(e.cfg.Sections), len(e.cfg.Feeds), len(e.cfg.Editions), len(e.cfg.Relays))
	var notes, fixes []string
	note := func(seen, fix string) { notes, fixes = append(notes, seen), append(fixes, fix) }
	if !slices.ContainsFunc(e.cfg.Relays, func(r schedule.Relay) bool { return len(r.Domains) == 0 }) {
		note("every relay has domains: mail to others fails", "Leave domains out of one relay.")
	}
	if len(e.cfg.Pages.Proxies) == 0 && strings.HasPrefix(e.cfg.Publication.PublicURL, "https://") {
		note("pages: proxies is empty: all readers who come through a web server share one client's limits", "Name the web server's address in pages: proxies.")
	}
	for _, w := range e.dkim.warnings() {
		note(w, "Make a new key: broadsheet keys dkim.")
	}
	if len(notes) > 0 {
		return doctor.Finding{Level: doctor.Amber, Seen: seen + "; " + strings.Join(notes, "; "), Fix: strings.Join(fixes, " ")}
	}
	return doctor.Finding{Level: doctor.Green, Seen: seen}
}

func (e *engine) examineDatabase(ctx context.Context, full bool) doctor.Finding {
	if err := e.db.Sound(ctx, full); err != nil {
		return doctor.Finding{Level: doctor.Red, Seen: err.Error(), Fix: "Stop the program, keep the file, and put the last backup back (docs/keeping.md)."}
	}
	how := "quick_check finds nothing wrong"
	switch {
	case e.db.Path() == "":
		how = "the server answers; its files are its own to check (pg_amcheck)"
	case full:
		how = "integrity_check finds nothing wrong"
	}
	return doctor.Finding{Level: doctor.Green, Seen: e.db.Place() + ": " + how}
}

// examineSpace looks at the disk where the database lies.
func (e *engine) examineSpace() doctor.Finding {
	if e.db.Path() != "" {
		return doctor.Disk(e.db.Path())
	}
	size, err := e.db.Size()
	if err != nil {
		return doctor.Finding{Level: doctor.Red, Seen: err.Error(), Fix: "Look at the database server."}
	}
	return doctor.Finding{Level: doctor.Green, Seen: fmt.Sprintf("the database has %s; how much its server has free is not seen from here", octets(uint64(size)))}
}

func (e *engine) examineRelay(ctx context.Context, r schedule.Relay) doctor.Finding {
	relay := relayOf(e.cfg, r)
	relay.RootCAs = e.roots
	where := net.JoinHostPort(r.Host, itoa(int64(r.Port)))
	saw, err := mailer.Look(ctx, relay)
	switch {
	case err != nil && saw.Held:
		return doctor.Finding{Level: doctor.Red, Seen: where + " refuses us: " + err.Error(), Fix: "Mend what it complains of: name and password, most often. Until then everything stays queued."}
	case err != nil:
		return doctor.Finding{Level: doctor.Red, Seen: where + " does not let us in: " + err.Error(), Fix: "See whether the relay runs and can be reached from here; mail waits meanwhile."}
	}
	in := " lets us in"
	if relay.Auth == "none" {
		in = " greets us"
	}
	if saw.Until.IsZero() {
		return doctor.Finding{Level: doctor.Green, Seen: where + in + ", without TLS: it is on this machine"}
	}
	f := doctor.Certificate(saw.Until, time.Now())
	f.Seen = where + in + " over TLS; " + f.Seen
	return f
}

func examineSource(ctx context.Context, s watched) doctor.Finding {
	var err error
	switch source := s.Source.(type) {
	case *inbox.Maildir:
		err = source.Check(ctx)
	case *inbox.IMAP:
		err = source.Check(ctx)
		_ = source.Close() // what it was asked for is known by then
	}
	if err != nil {
		return doctor.Finding{Level: doctor.Red, Seen: err.Error(), Fix: "Until it is mended bounces, complaints and readers who leave by mail are not heard of."}
	}
	return doctor.Finding{Level: doctor.Green, Seen: "it can be read"}
}

func (e *engine) examinePublic(ctx context.Context) doctor.Finding {
	u, err := url.Parse(e.cfg.Publication.PublicURL)
	if err == nil && loopback(u.Hostname()) {
		return doctor.Finding{Level: doctor.Amber, Seen: u.String() + " is this machine alone: no reader can follow a link", Fix: "Set public_url to the address of your web server (docs/readers.md)."}
	}
	var well int
	var wrong []string
	probe := &web.Probe{PublicURL: e.cfg.Publication.PublicURL, Keys: e.keys, Now: time.Now, Roots: e.roots}
	probe.Run(ctx, func(what string, err error) {
		if err != nil {
			wrong = append(wrong, what+": "+err.Error())
		} else {
			well++
		}
	})
	if len(wrong) > 0 {
		return doctor.Finding{Level: doctor.Red, Seen: strings.Join(wrong, "; "), Fix: "Readers cannot leave with one click, which providers ask for: see that serve runs and that the web server in front passes all of it on (docs/readers.md). broadsheet check --public-url says more."}
	}
	return doctor.Finding{Level: doctor.Green, Seen: fmt.Sprintf("%s: %d things tried as providers and scanners do, all well", e.cfg.Publication.PublicURL, well)}
}

// clocksAsked is how many web servers are asked at most.
const clocksAsked = 3

func (e *engine) examineClock(ctx context.Context) doctor.Finding {
	var urls []string
	for _, f := range e.cfg.Feeds {
		if u, err := url.Parse(f.URL); err == nil && !loopback(u.Hostname()) && len(urls) < clocksAsked {
			urls = append(urls, f.URL)
		}
	}
	return doctor.Clock(ctx, http.DefaultClient, urls)
}

func (e *engine) examineZones(ctx context.Context) doctor.Finding {
	var zones []string
	for i := range e.cfg.Editions {
		ed := &e.cfg.Editions[i]
		if ed.Zone != schedule.ReaderZone {
			zones = append(zones, ed.Zone)
			continue
		}
		places, err := e.db.Places(ctx, ed.Name)
		if err != nil {
			return doctor.Finding{Level: doctor.Amber, Seen: err.Error(), Fix: "See what is wrong with the database."}
		}
		for _, p := range places {
			if p.Zone != "" {
				zones = append(zones, p.Zone)
			}
		}
	}
	slices.Sort(zones)
	return doctor.Zones(slices.Compact(zones), nil, time.Now())
}

func (e *engine) examineWake(ctx context.Context) doctor.Finding {
	found, err := e.db.Findings(ctx)
	if err != nil {
		return doctor.Finding{Level: doctor.Red, Seen: err.Error(), Fix: "See what is wrong with the database."}
	}
	opened, err := e.lastOpened(ctx)
	if err != nil {
		return doctor.Finding{Level: doctor.Red, Seen: err.Error(), Fix: "See what is wrong with the database."}
	}
	return doctor.Wake(found[findingWake].At, opened, time.Now())
}

// secretFiles are the files with secrets that the environment names, by what is in them.
func secretFiles(cfg *schedule.Config, db string, getenv func(string) string) map[string]string {
	files := map[string]string{"keys of links": getenv("BROADSHEET_KEY_FILE"), "DKIM keys": getenv("BROADSHEET_DKIM_FILE"),
		"password of the mailbox": getenv("BROADSHEET_IMAP_PASSWORD_FILE"), "database": db}
	for _, r := range cfg.Relays {
		files["password of relay "+r.Name] = getenv(r.PasswordFile())
		files["secret of "+r.Name+"'s events"] = getenv(r.EventsFile())
	}
	for _, h := range cfg.Webhooks {
		files["secret of webhook "+h.Name] = getenv(h.Variable() + "_FILE")
	}
	for what, path := range files {
		if path != "" && !filepath.IsAbs(path) {
			if abs, err := filepath.Abs(path); err == nil {
				files[what] = abs
			}
		}
	}
	return files
}

// firstLine is an error's first line: those of a configuration have one for each fault.
func firstLine(err error) string {
	line, rest, more := strings.Cut(err.Error(), "\n")
	if more {
		return fmt.Sprintf("%s (and %d more)", line, strings.Count(rest, "\n")+1)
	}
	return line
}

var errNotWell = errors.New("not everything is well, see above")
