package schedule

import (
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Tripwires say how far an issue may be from those before it. Each is a share above 0: a figure may
// fall by that share, or grow by as many times as that fall is undone with (0.5: from half to double).
// A share of 1 or more lets that figure be whatever it is. The zero value stands for [UsualTripwires].
type Tripwires struct {
	Readers float64 // the audience
	Stories float64 // a mail
	Empty   float64 // of the readers, on top of the usual share, for whom there is nothing
	Feeds   float64 // new stories of a feed
	Links   float64 // of the new stories, that lead to a host not seen before
	Size    float64 // octets of an HTML part
	Digests float64 // distinct ones to a mail; they may only not become too few
}

// UsualTripwires are those of an edition that says nothing of them.
var UsualTripwires = Tripwires{Readers: 0.5, Stories: 0.75, Empty: 0.4, Feeds: 0.8, Links: 0.5, Size: 0.6, Digests: 0.8}

// NoTripwires hold nothing.
var NoTripwires = Tripwires{Readers: 1, Stories: 1, Empty: 1, Feeds: 1, Links: 1, Size: 1, Digests: 1}

// tripwires reads how far an issue may be from those before it: off, or some of the bounds.
func (t *table) tripwires() Tripwires {
	w := UsualTripwires
	n, ok := t.values["tripwires"]
	if !ok {
		return w
	}
	if off(n) {
		return NoTripwires
	}
	if _, isText := textOf(n); isText {
		t.bad("tripwires", "tripwires must be off, or bounds such as {readers: 50%%, links: off}")
		return w
	}
	p, ok := t.table(n, t.name+": tripwires", "readers", "stories", "empty", "feeds", "links", "size", "digests")
	if !ok {
		return w
	}
	for key, share := range map[string]*float64{"readers": &w.Readers, "stories": &w.Stories, "empty": &w.Empty, "feeds": &w.Feeds,
		"links": &w.Links, "size": &w.Size, "digests": &w.Digests} {
		p.share(key, share)
	}
	return w
}

// off reports whether a value says so; YAML 1.1 has it as false.
func off(n ast.Node) bool {
	if b, ok := n.(*ast.BoolNode); ok {
		return !b.Value
	}
	s, _ := textOf(n)
	return s == "off"
}

// share is from 1% to 99%, or off, which is all of it.
func (t *table) share(key string, into *float64) {
	n, ok := t.values[key]
	if !ok {
		return
	}
	if off(n) {
		*into = 1
		return
	}
	s, _ := textOf(n)
	digits, percent := strings.CutSuffix(s, "%")
	v, err := strconv.Atoi(strings.TrimSpace(digits))
	if !percent || err != nil || v < 1 || v > 99 {
		t.bad(key, "%s must be a share from 1%% to 99%%, or off, not %s", key, shown(n))
		return
	}
	*into = float64(v) / 100
}
