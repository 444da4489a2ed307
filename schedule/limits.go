package schedule

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// limits reads what is to be done at most for groups of recipients' domains.
func (r *reader) limits(t *table) (limits []Limit) {
	names, domains := make(map[string]mark), make(map[string]mark)
	for i, n := range t.list("limits", "{domains, rate}") {
		name := nameIn(n, "name")
		l, ok := r.table(n, called("limit", i, name), "name", "domains", "connections", "rate")
		if !ok {
			continue
		}
		limit := Limit{Connections: l.whole("connections", 0, 1, 1000), Rate: l.rate("rate", 0)}
		var places []mark
		limit.Domains, places = l.domains("domains")
		for k, d := range limit.Domains {
			if first, ok := domains[d]; ok {
				l.wrong(places[k], "%s: domain %q has a limit already in line %d", l.name, clip(d), first.line)
			}
			domains[d] = places[k]
		}
		switch {
		case l.has("name"):
			limit.Name = strings.ToLower(l.id("name"))
		case len(limit.Domains) > 0:
			limit.Name = limit.Domains[0]
		case noList(l.values["domains"]):
			l.bad("domains", "it needs domains, or the name of a known group; write e.g. {domains: [example.org], rate: 5}")
		}
		if !l.has("connections") && !l.has("rate") {
			l.bad("rate", "it needs connections, rate or both; write e.g. rate: 5")
		}
		l.unique("name", limit.Name, names)
		r.marks["limit "+limit.Name] = l.at("name")
		limits = append(limits, limit)
	}
	return limits
}

// noList reports whether a value is not there, or is a list of nothing.
func noList(n ast.Node) bool {
	s, ok := n.(*ast.SequenceNode)
	return n == nil || ok && len(s.Values) == 0
}

// CheckLimits says which limits are for a group that is neither among known nor has domains.
func (c *Config) CheckLimits(known []string) error {
	var wrong Error
	for _, l := range c.Limits {
		if len(l.Domains) == 0 && !slices.Contains(known, l.Name) {
			wrong = append(wrong, c.problem("limit "+l.Name, "limit %q: there is no group of that name; name its domains, or one of %s", clip(l.Name), strings.Join(known, ", ")))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return wrong
}

// domains is a list of different mail domains, lower case.
func (t *table) domains(key string) (domains []string, places []mark) {
	texts, at := t.texts(key, "mail domains such as example.org")
	for i, d := range texts {
		d = strings.ToLower(d)
		if hostProblem(d) != "" || slices.Contains(domains, d) {
			t.wrong(at[i], "%s: %s %q must be different mail domains such as example.org", t.name, key, clip(d))
			continue
		}
		domains, places = append(domains, d), append(places, at[i])
	}
	return domains, places
}

// warmUp reads the plan of a new relay.
func (t *table) warmUp(n ast.Node) (w WarmUp) {
	p, ok := t.table(n, t.name+": warm_up", "from", "first", "growth")
	if !ok {
		return w
	}
	w.First, w.Growth = p.whole("first", 200, 1, 1e9), 1.5
	if p.need("from", "from: 2026-12-01") {
		from, err := time.Parse(time.DateOnly, p.text("from"))
		if err != nil {
			p.bad("from", "from %s is not a date; write e.g. 2026-12-01", shown(p.values["from"]))
		}
		w.From = from
	}
	if n := p.values["growth"]; n != nil {
		v, err := strconv.ParseFloat(n.GetToken().Value, 64)
		_, isText := textOf(n)
		if isText || err != nil || !(v >= 1.05 && v <= 10) {
			p.bad("growth", "growth must be a number from 1.05 to 10, by how much each day's mail grows, not %s", shown(n))
		} else {
			w.Growth = v
		}
	}
	return w
}

// Cap is how many deliveries the relay may be given on t's day in UTC: none before From, First on
// From, then Growth times as many each day. Without a warm-up there is no bound.
func (w WarmUp) Cap(t time.Time) int {
	if w.From.IsZero() {
		return math.MaxInt
	}
	if t.Before(w.From) {
		return 0
	}
	days := int(t.Sub(w.From) / (24 * time.Hour))
	// Beyond any list of readers there is no need to count on, nor would it fit an int.
	return int(min(float64(w.First)*math.Pow(w.Growth, float64(days)), 1e12))
}
