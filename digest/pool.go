package digest

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"broadsheet/schedule"
)

// maxStories is the most stories a digest may hold, whatever the edition asks for.
const maxStories = 20

// Pool is everything an issue may show, put in order once so that choosing for a reader is cheap. It is not changed
// by choosing; a [Chooser] each may read it from many goroutines.
type Pool struct {
	language   string // the publication's
	languages  map[string]bool
	places     int
	perSection int

	sections map[string]int32 // by id; ids that moved lead to the section that took over
	ids      []string         // the id shown for a section
	closed   []bool           // sections the edition does not draw from
	pairs    []pair           // best rank first
	tops     bool             // some are on top
	in       [][]int32        // pairs of each section, best rank first
	arrivals []arrived        // by rising number
	stories  []entry          // in order of their first arrival
	index    map[int64]int32  // story id → place in stories
	twins    map[int32][]int32
}

// pair is one (story, section); its place in Pool.pairs is its rank.
type pair struct {
	story   int32
	section int32
	arrival int64
	arrived int64 // Unix nanoseconds
	top     place // where editors want it
}

// place is how far up editors want a pair.
type place int8

const (
	asRanked place = iota
	topOfSection
	topOfMail
)

type arrived struct {
	number int64
	at     time.Time
}

type entry struct {
	id       int64
	revision int64
	first    int64  // Unix nanoseconds
	language string // base
	dropped  bool   // could not be laid out

	withdrawn bool
}

// NewPool orders candidates, in any order, by the rules of an edition for an issue due at due: editor's pin first,
// then age divided by the section's weight, so that a story of a section of weight 2 ranks with one half as old.
func NewPool(candidates []Candidate, c *schedule.Config, e *schedule.Edition, due time.Time) *Pool {
	p := &Pool{
		language:   base(c.Publication.Language),
		places:     e.Stories,
		perSection: e.PerSection,
		sections:   map[string]int32{},
		index:      map[int64]int32{},
	}
	if p.places <= 0 {
		p.places = 12
	}
	p.places = min(p.places, maxStories)
	if len(e.Languages) > 0 {
		p.languages = map[string]bool{}
		for _, l := range e.Languages {
			p.languages[base(l)] = true
		}
	}
	weights := p.addSections(c, e)

	list := make([]*Candidate, len(candidates))
	for i := range candidates {
		list[i] = &candidates[i]
	}
	slices.SortFunc(list, func(a, b *Candidate) int {
		return cmp.Or(a.First.Compare(b.First), cmp.Compare(a.Story, b.Story), cmp.Compare(a.Arrival, b.Arrival))
	})
	var texts []wording
	for _, c := range list {
		if _, ok := p.index[c.Story]; !ok {
			p.index[c.Story] = int32(len(p.stories))
			p.stories = append(p.stories, entry{id: c.Story, revision: c.Revision, first: c.First.UnixNano(), language: p.base(c.Language), withdrawn: c.Withdrawn})
			texts = append(texts, newWording(c))
		}
		p.arrivals = append(p.arrivals, arrived{c.Arrival, c.Arrived})
	}
	p.twins = sameEvents(texts)
	slices.SortFunc(p.arrivals, func(a, b arrived) int { return cmp.Compare(a.number, b.number) })

	age := func(c *Candidate) int64 {
		at := c.Arrived
		if !c.Published.IsZero() && c.Published.Before(at) {
			at = c.Published
		}
		w := 1
		if s, ok := p.sections[c.Section]; ok && weights[s] > 1 {
			w = weights[s]
		}
		return int64(max(0, due.Sub(at))) / int64(w)
	}
	slices.SortFunc(list, func(a, b *Candidate) int {
		return cmp.Or(cmp.Compare(b.Pin, a.Pin), cmp.Compare(age(a), age(b)), cmp.Compare(b.Arrival, a.Arrival),
			cmp.Compare(a.Story, b.Story), cmp.Compare(a.Section, b.Section))
	})
	for _, c := range list {
		s, ok := p.sections[c.Section]
		if !ok { // no longer in the configuration: nobody is shown it, but a reader may still have it muted
			s = p.addSection(c.Section, true)
		}
		p.in[s] = append(p.in[s], int32(len(p.pairs)))
		one := pair{p.index[c.Story], s, c.Arrival, c.Arrived.UnixNano(), asRanked}
		for _, t := range c.Tops {
			section, known := p.sections[t.Section]
			switch {
			case !due.Before(t.Until):
			case t.Edition != "" && t.Edition == e.Name:
				one.top = topOfMail
			case t.Edition == "" && known && section == s:
				one.top = max(one.top, topOfSection)
			}
		}
		p.tops = p.tops || one.top != asRanked
		p.pairs = append(p.pairs, one)
	}
	return p
}

// addSections takes over the configuration's sections and returns their weights.
func (p *Pool) addSections(c *schedule.Config, e *schedule.Edition) []int {
	var weights []int
	moved := map[string]string{}
	for _, s := range c.Sections {
		if s.MovedTo != "" {
			moved[s.ID] = s.MovedTo
			continue
		}
		p.addSection(s.ID, s.Retired)
		weights = append(weights, s.Weight)
	}
	for from, to := range moved {
		for range len(moved) { // a section may have moved more than once
			next, ok := moved[to]
			if !ok {
				break
			}
			to = next
		}
		if s, ok := p.sections[to]; ok {
			p.sections[from] = s
		}
	}
	if len(e.Sections) > 0 {
		drawn := make([]bool, len(p.ids))
		for _, id := range e.Sections {
			if s, ok := p.sections[id]; ok {
				drawn[s] = true
			}
		}
		for s := range p.closed {
			p.closed[s] = p.closed[s] || !drawn[s]
		}
	}
	return weights
}

func (p *Pool) addSection(id string, closed bool) int32 {
	s := int32(len(p.ids))
	p.sections[id] = s
	p.ids = append(p.ids, id)
	p.closed = append(p.closed, closed)
	p.in = append(p.in, nil)
	return s
}

// Drop takes a story out of the pool because it cannot be laid out, and reports whether it was still in. Not while
// another goroutine chooses.
func (p *Pool) Drop(story int64) bool {
	s, ok := p.index[story]
	if !ok || p.stories[s].dropped {
		return false
	}
	p.stories[s].dropped = true
	return true
}

// edit does to the pool what editors have done since it was made. A story that is held back is as if it
// were not there. Not while another goroutine chooses.
func (p *Pool) edit(edits map[int64]Edit) {
	for id, e := range edits {
		s, ok := p.index[id]
		if !ok {
			continue
		}
		story := &p.stories[s]
		story.withdrawn = story.withdrawn || e.gone()
		if e.Revision != 0 {
			story.revision = e.Revision
		}
	}
}

// NumberAt is the highest arrival number given before t, as far as the pool reaches; end is the answer for a pool
// without a later arrival.
func (p *Pool) NumberAt(t time.Time, end int64) int64 {
	// Numbers and times rise together as long as the clock does. Where it was set back, the first late
	// arrival counts: rather a story too many (one seen before is left out anyway) than one too few.
	for _, a := range p.arrivals {
		if !a.at.Before(t) {
			return a.number - 1
		}
	}
	return end
}

// Reach is how far back it matters what a reader has seen, if stories that arrived before oldest are too old for the
// reader: as far as a story that is not, or one that tells the same event, may have been sent. One that
// entered a further section today may have been sent from its first one long ago.
func (p *Pool) Reach(oldest time.Time) time.Time {
	first := oldest.UnixNano()
	for i := range p.pairs {
		if pair := &p.pairs[i]; pair.arrived >= oldest.UnixNano() {
			first = min(first, p.stories[pair.story].first)
		}
	}
	return time.Unix(0, first).Add(-eventSpan)
}

// base is the language of a BCP 47 tag without script and region, in lower case.
func base(tag string) string {
	if i := strings.IndexAny(tag, "-_"); i >= 0 {
		tag = tag[:i]
	}
	return strings.ToLower(tag)
}

// base is [base] with the publication's language for "".
func (p *Pool) base(tag string) string {
	if tag == "" {
		return p.language
	}
	return base(tag)
}
