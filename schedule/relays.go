package schedule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"broadsheet/secrets"
)

func (r *reader) relays(t *table) (relays []Relay) {
	seen, events := make(map[string]mark), make(map[string]mark)
	var tables []*table
	nodes := t.list("relays", "{name, host}")
	if _, isList := t.values["relays"].(*ast.SequenceNode); isList && len(nodes) == 0 {
		t.bad("relays", "relays is empty; write e.g. relays: [{host: smtp.example.org}]")
	}
	for i, n := range nodes {
		name := nameIn(n, "name")
		if name == "" {
			name = nameIn(n, "host")
		}
		y, ok := r.table(n, called("relay", i, name), "name", "host", "port", "tls", "auth", "connections", "rate",
			"weight", "in_doubt", "dialogue", "profile", "domains", "standby", "warm_up", "log", "events")
		if !ok {
			continue
		}
		relay := y.relay(len(nodes) == 1)
		// Two names that differ in signs alone would share their secrets unseen.
		if first, ok := seen[relay.variable()]; ok {
			y.bad("name", "name %q reads the same secrets, %s_…, as the relay in line %d", relay.Name, relay.variable(), first.line)
		}
		seen[relay.variable()] = y.at("name")
		if relay.Events != nil {
			events[relay.eventVariable()] = y.at("name")
		}
		r.marks["relay "+relay.Name] = y.at("name")
		relays, tables = append(relays, relay), append(tables, y)
	}
	for i, y := range relays {
		if first, ok := events[y.eventVariable()+"_FILE"]; ok && y.Events != nil {
			tables[i].bad("name", "name %q reads the secret of its events from %s_FILE too, and that is the relay's in line %d", y.Name, y.eventVariable(), first.line)
		}
	}
	if len(relays) == len(nodes) { // else the one that is missing may be the one that is needed
		together(relays, tables)
	}
	return relays
}

// together checks what only all relays can tell: that somebody is there for the mail that a relay
// leaves to others.
func together(relays []Relay, tables []*table) {
	for i, y := range relays {
		others := slices.ContainsFunc(relays, func(o Relay) bool {
			return o.Name != y.Name && o.WarmUp.From.IsZero() && o.Covers(y)
		})
		switch {
		case y.Standby && !slices.ContainsFunc(relays, func(o Relay) bool { return !o.Standby }):
			tables[i].bad("standby", "every relay is a standby, and a standby only helps others; leave standby away at one")
			return
		case y.Standby && tables[i].has("warm_up"):
			tables[i].bad("warm_up", "a standby gets no mail of its own to warm up with; leave standby or warm_up away")
		case tables[i].has("warm_up") && !others:
			tables[i].bad("warm_up", "nobody takes what is over the warm-up's cap; add a relay without warm_up that takes the same recipients, or leave warm_up away and begin with a low rate")
		}
	}
}

// Covers reports whether y takes all the recipients that o takes.
func (y Relay) Covers(o Relay) bool {
	if len(y.Domains) == 0 || len(o.Domains) == 0 {
		return len(y.Domains) == 0
	}
	return !slices.ContainsFunc(o.Domains, func(d string) bool { return !slices.Contains(y.Domains, d) })
}

func (t *table) relay(alone bool) Relay {
	y := Relay{
		Port:        t.whole("port", 0, 1, 65535),
		TLS:         t.choice("tls", "implicit", "starttls", "none"),
		Connections: t.whole("connections", 0, 1, 1000),
		Rate:        t.rate("rate", 0),
		Weight:      t.whole("weight", 0, 1, 1000),
		InDoubt:     t.whole("in_doubt", 0, 1, 50),
		Dialogue:    t.choice("dialogue", "auto", "pipelining", "plain"),
		Profile:     t.choice("profile", "plain", "ses"),
		Standby:     t.flag("standby"),
	}
	if n := t.values["warm_up"]; n != nil {
		y.WarmUp = t.warmUp(n)
	}
	if t.has("log") {
		y.Log = t.text("log")
	}
	if n := t.values["events"]; n != nil {
		y.Events = t.events(n)
	}
	if t.has("auth") {
		y.Auth = t.choice("auth", "auto", "none")
	}
	if t.has("name") {
		y.Name = t.id("name")
	} else if !alone {
		t.need("name", "name: main")
	}
	if t.need("host", "host: smtp.example.org") {
		y.Host = t.text("host")
	}
	if y.Host != "" && hostProblem(y.Host) != "" {
		t.bad("host", "host %q %s", clip(y.Host), hostProblem(y.Host))
	} else if y.Host != "" && y.TLS == "none" && !Loopback(y.Host) {
		t.bad("tls", "tls: none is for a relay on this machine (localhost, 127.0.0.1, ::1), and host is %q", clip(y.Host))
	}
	y.Domains, _ = t.domains("domains")
	return y.WithDefaults()
}

// WithDefaults returns the relay with every field that is zero set to its default.
func (y Relay) WithDefaults() Relay {
	preset(&y.Name, "main")
	preset(&y.TLS, "implicit")
	preset(&y.Port, map[string]int{"implicit": 465, "starttls": 587, "none": 25}[y.TLS])
	if y.TLS == "none" {
		preset(&y.Auth, "none")
	}
	preset(&y.Auth, "auto")
	preset(&y.Connections, 4)
	preset(&y.Rate, 10)
	preset(&y.Weight, 1)
	preset(&y.InDoubt, 1)
	preset(&y.Dialogue, "auto")
	preset(&y.Profile, "plain")
	return y
}

// variable is the beginning of the names of the relay's secrets in the environment.
func (y Relay) variable() string { return "BROADSHEET_SMTP_" + y.inCapitals() }

// PasswordFile is the variable of the environment that may name a file with the relay's password.
func (y Relay) PasswordFile() string { return y.variable() + "_PASSWORD_FILE" }

// EventsFile is the one that may name a file with the secret of its provider's events.
func (y Relay) EventsFile() string { return "BROADSHEET_EVENTS_" + y.inCapitals() + "_FILE" }

// inCapitals is the relay's name as variables of the environment carry it.
func (y Relay) inCapitals() string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z' || r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, y.Name)
}

// Secrets fills in the relays' users and passwords, and what their providers' events are known by,
// and says which are missing; commands that send call it before they share the configuration. Only
// relays with auth: auto or events have any.
func (c *Config) Secrets(getenv func(string) string) error {
	if wrong := c.secrets(getenv); len(wrong) > 0 {
		return wrong
	}
	return nil
}

func (c *Config) secrets(getenv func(string) string) (wrong Error) {
	for i := range c.Relays {
		y := &c.Relays[i]
		var messages []string
		if y.Auth == "auto" {
			messages = y.secrets(getenv)
		}
		if y.Events != nil {
			messages = append(messages, y.eventSecret(getenv)...)
		}
		for _, message := range messages {
			wrong = append(wrong, c.problem("relay "+y.Name, "relay %q: %s", y.Name, message))
		}
	}
	return wrong
}

func (y *Relay) secrets(getenv func(string) string) (wrong []string) {
	v := y.variable()
	if y.User = getenv(v + "_USER"); y.User == "" {
		wrong = append(wrong, fmt.Sprintf("%s_USER is not set in the environment; set it, or write auth: none", v))
	}
	var message string
	if y.Password, message = secret(getenv, v+"_PASSWORD", ", or write auth: none"); message != "" {
		wrong = append(wrong, message)
	}
	return wrong
}

// secret is what a variable of the environment holds, or the file that name_FILE names. wrong says
// why there is none; otherwise is what else one may do then.
func secret(getenv func(string) string, name, otherwise string) (value, wrong string) {
	value, err := secrets.Value(getenv, name)
	switch {
	case err != nil:
		return "", err.Error()
	case value == "":
		return "", fmt.Sprintf("%s (or %[1]s_FILE) is not set in the environment; set it%s", name, otherwise)
	}
	return value, ""
}
