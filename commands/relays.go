package commands

import (
	"cmp"
	"fmt"
	"net"
	"slices"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/subscribers"
)

// relayOf is a configured relay as mailer knows it.
func relayOf(cfg *schedule.Config, r schedule.Relay) mailer.Relay {
	return mailer.Relay{Name: r.Name, Host: r.Host, Port: r.Port, TLS: r.TLS, Auth: r.Auth, User: r.User, Password: r.Password,
		Connections: r.Connections, Rate: r.Rate, InDoubt: r.InDoubt, Dialogue: r.Dialogue, HELO: domainOf(cfg.Publication.From)}
}

// relayFor is the relay that a reader's mail goes through.
func (e *engine) relayFor(s *subscribers.Subscriber) (mailer.Relay, error) {
	name, ok := e.routes.Day(digest.UTCDay(e.now()), nil).Assign(s.ID, s.Address)
	for _, r := range e.cfg.Relays {
		if ok && r.Name == name {
			return relayOf(e.cfg, r), nil
		}
	}
	return mailer.Relay{}, fmt.Errorf("%s: %s", s.Address, digest.ReasonNoRelay)
}

// profile is that of a relay; of one that is not there, that of the first.
func (e *engine) profile(relay string) string {
	for _, r := range e.cfg.Relays {
		if r.Name == relay {
			return r.Profile
		}
	}
	return e.cfg.Relays[0].Profile
}

// domainsOf is the shipped list of providers' domains with what the configuration says of it.
func domainsOf(cfg *schedule.Config) *mailer.Domains {
	var changes []mailer.DomainGroup
	for _, l := range cfg.Limits {
		changes = append(changes, mailer.DomainGroup{Domains: l.Domains,
			DomainLimit: mailer.DomainLimit{Name: l.Name, Rate: l.Rate, Connections: l.Connections}})
	}
	return mailer.NewDomains(changes)
}

// standIns names for each relay those that may take its mail while it is down, in the order in
// which they are asked: relays that take all its recipients, standbys first, then by weight. One
// that warms up does not help: its cap would not hold.
func standIns(cfg *schedule.Config) map[string][]string {
	out := make(map[string][]string)
	for _, y := range cfg.Relays {
		others := slices.DeleteFunc(slices.Clone(cfg.Relays), func(o schedule.Relay) bool {
			return o.Name == y.Name || !o.Covers(y) || !o.WarmUp.From.IsZero()
		})
		slices.SortStableFunc(others, func(a, b schedule.Relay) int {
			return cmp.Or(cmp.Compare(standing(b), standing(a)), cmp.Compare(b.Weight, a.Weight))
		})
		for _, o := range others {
			out[y.Name] = append(out[y.Name], o.Name)
		}
	}
	return out
}

func standing(y schedule.Relay) int {
	if y.Standby {
		return 1
	}
	return 0
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
