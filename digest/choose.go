package digest

import "slices"

// Reason says why a story does or does not stand in a reader's digest.
type Reason string

const (
	Sent          Reason = "sent"
	OverCap       Reason = "over the cap"             // counted in "N more"
	LessLimit     Reason = "less"                     // the reader wants at most one story of its section; counted in "N more"
	Muted         Reason = "muted"                    // the reader muted a section it is in
	SeenBefore    Reason = "seen before"              // sent to the reader already
	Duplicate     Reason = "duplicate"                // of one that was sent, now or before
	TooOld        Reason = "too old"                  // arrived before max_age
	Earlier       Reason = "in an earlier issue"      // in a window that reached the reader, or before the reader's first
	BeforeFirst   Reason = "too old for a first mail" // instead of Earlier, where no issue has reached the reader yet
	NotYet        Reason = "in a later issue"         // arrived after the cut-off
	Embargoed     Reason = "embargoed"                // held back, so without an arrival number; not in the pool
	OtherLanguage Reason = "other language"           // one that edition and reader do not share
	NotFollowed   Reason = "not in your sections"
	NotDrawn      Reason = "not in this edition"   // the edition does not draw from its section
	Elsewhere     Reason = "under another section" // chosen from in the first of the reader's sections that has it
	Unfit         Reason = "could not be laid out" // its template failed
	Withdrawn     Reason = "withdrawn"             // by an editor
	Unmailed      Reason = "no mail"               // there is no mail that it could stand in: the address is barred, or no relay takes it
)

// Verdict is what became of one (story, section) for one reader.
type Verdict struct {
	Story    int64
	Revision int64
	Section  string
	Arrival  int64 // 0 while it is held back
	Reason   Reason
	Of       int64 // for Duplicate: the story that tells the same event
}

// Chooser chooses stories out of a pool for one reader after the other. It keeps its working memory between
// readers, so it serves one goroutine at a time.
type Chooser struct {
	// Told, if set, gets a verdict on every (story, section) of the pool, in no particular order.
	Told func(Verdict)

	pool   *Pool
	notes  []note
	now    uint32 // notes of an older number are void
	offers []offer
	rolled []int32
}

// NewChooser returns a chooser for pool.
func NewChooser(pool *Pool) *Chooser {
	return &Chooser{pool: pool, notes: make([]note, len(pool.stories))}
}

// note is what is known of a story while choosing for one reader.
type note struct {
	now  uint32
	bits uint8
	of   int32 // with isTwin: the story that tells the same event
}

const (
	isSeen    = 1 << iota // in an earlier mail
	isMuted               // in a section the reader muted
	isClaimed             // waits in an offer
	isTwin                // tells the same event as a story that is seen, taken or counted
)

// offer is what one of the reader's sections offers, best first.
type offer struct {
	section int32
	limit   int // 0 = none
	less    bool
	pairs   []int32
	next    int // the first that is neither taken nor passed over
	taken   []int32
}

// Choose says which stories a reader gets. The order in which seen is given and in which the pool was filled does
// not matter; equal input gives an equal selection. The steps:
//
//  1. A story is eligible if one of its sections is followed, none is muted, it lies in the window, is young
//     enough, in a language that reader and edition share, and not seen. It belongs to the first section of the
//     reader's order that makes it so.
//  2. Every section with news gets one place, in the reader's order, until the places run out.
//     What editors have put on top comes first: of its section, or, with its section, of the whole mail.
//  3. The places left go by rank over all sections: what arrived since the last mail before what rolled over
//     from one that failed, then as the pool has them. A section takes one story if the reader wants less of it, and never
//     more than per_section.
//  4. Of two stories that tell one event only the first to be taken counts, here and among what was seen.
//  5. What is eligible and found no place is counted: the section's "N more".
func (c *Chooser) Choose(r *Reader, w Window, sent []int64) Selection {
	c.begin(r, w, sent)
	c.gather(r, w)

	places := c.pool.places
	for i := range c.offers {
		if places > 0 && c.ready(&c.offers[i]) {
			c.take(&c.offers[i])
			places--
		}
	}
	for ; places > 0; places-- {
		best := c.best(w)
		if best == nil {
			break
		}
		c.take(best)
	}
	return c.finish(r)
}

// begin voids the notes on the reader before and notes what this one has seen or muted.
func (c *Chooser) begin(r *Reader, w Window, sent []int64) {
	if c.now++; c.now == 0 { // the number came round
		clear(c.notes)
		c.now = 1
	}
	for _, id := range sent {
		if s, ok := c.pool.index[id]; ok {
			c.set(s, isSeen)
			if !c.pool.stories[s].withdrawn { // else what tells of the event now is news
				c.settle(s)
			}
		}
	}
	for _, f := range r.Sections {
		s, ok := c.pool.sections[f.Section]
		if !f.Muted || !ok {
			continue
		}
		for _, i := range c.pool.in[s] {
			if p := &c.pool.pairs[i]; p.arrival <= w.End {
				c.set(p.story, isMuted)
			}
		}
	}
}

func (c *Chooser) set(story int32, bit uint8) {
	m := &c.notes[story]
	if m.now != c.now {
		*m = note{now: c.now}
	}
	m.bits |= bit
}

func (c *Chooser) has(story int32, bit uint8) bool {
	m := &c.notes[story]
	return m.now == c.now && m.bits&bit != 0
}

// settle rules out every other story that tells the same event.
func (c *Chooser) settle(story int32) {
	for _, t := range c.pool.twins[story] {
		if !c.has(t, isTwin) {
			c.set(t, isTwin)
			c.notes[t].of = story
		}
	}
}

// gather fills the offers with what is eligible, each story once.
func (c *Chooser) gather(r *Reader, w Window) {
	c.offers = c.offers[:0]
	language := c.pool.base(r.Language)
	for _, f := range r.Sections {
		s, ok := c.pool.sections[f.Section]
		if !ok || f.Muted || slices.ContainsFunc(c.offers, func(o offer) bool { return o.section == s }) {
			continue
		}
		o := c.open(s, f.Less)
		c.rolled = c.rolled[:0]
		for _, i := range c.pool.in[s] {
			p := &c.pool.pairs[i]
			if reason := c.judge(p, w, language); reason != "" {
				c.tell(i, reason)
				continue
			}
			c.set(p.story, isClaimed)
			if p.arrival > w.Fresh {
				o.pairs = append(o.pairs, i)
			} else {
				c.rolled = append(c.rolled, i)
			}
		}
		o.pairs = append(o.pairs, c.rolled...)
	}
	if c.pool.tops {
		c.lift()
	}
	if c.Told != nil {
		c.tellRest(r)
	}
}

// lift puts on top what editors want there: a story of its section's offer, and the lead with its section
// before all others.
func (c *Chooser) lift() {
	for _, to := range []place{topOfSection, topOfMail} {
		for n := range c.offers {
			o := &c.offers[n]
			k := slices.IndexFunc(o.pairs, func(i int32) bool { return c.pool.pairs[i].top == to })
			if k < 0 {
				continue
			}
			first := o.pairs[k]
			copy(o.pairs[1:k+1], o.pairs[:k])
			o.pairs[0] = first
			if to == topOfMail {
				lead := *o
				copy(c.offers[1:n+1], c.offers[:n])
				c.offers[0] = lead
				break
			}
		}
	}
}

// open starts the next offer, in the memory of one that is no longer needed.
func (c *Chooser) open(section int32, less bool) *offer {
	if n := len(c.offers); n < cap(c.offers) {
		c.offers = c.offers[:n+1]
	} else {
		c.offers = append(c.offers, offer{})
	}
	o := &c.offers[len(c.offers)-1]
	*o = offer{section: section, less: less, limit: c.pool.perSection, pairs: o.pairs[:0], taken: o.taken[:0]}
	if less {
		o.limit = 1
	}
	return o
}

// judge gives the reason why a pair of a followed section is not eligible, "" if it is.
func (c *Chooser) judge(p *pair, w Window, language string) Reason {
	story := &c.pool.stories[p.story]
	switch {
	case c.pool.closed[p.section]:
		return NotDrawn
	case p.arrival > w.End:
		return NotYet
	case p.arrival <= w.Start:
		if c.has(p.story, isSeen) {
			return SeenBefore
		}
		return Earlier
	case story.withdrawn:
		return Withdrawn
	case c.has(p.story, isMuted):
		return Muted
	case story.language != language || c.pool.languages != nil && !c.pool.languages[language]:
		return OtherLanguage
	case c.has(p.story, isSeen):
		return SeenBefore
	case p.arrived < w.Oldest.UnixNano():
		return TooOld
	case story.dropped:
		return Unfit
	case c.has(p.story, isClaimed):
		return Elsewhere
	}
	return ""
}

// ready reports whether o has a story to give and room for it, and makes it the next.
func (c *Chooser) ready(o *offer) bool {
	if o.limit > 0 && len(o.taken) >= o.limit {
		return false
	}
	for ; o.next < len(o.pairs); o.next++ {
		i := o.pairs[o.next]
		if !c.has(c.pool.pairs[i].story, isTwin) {
			return true
		}
		c.tell(i, Duplicate)
	}
	return false
}

// take gives the next story of o a place.
func (c *Chooser) take(o *offer) {
	i := o.pairs[o.next]
	o.next++
	o.taken = append(o.taken, i)
	c.settle(c.pool.pairs[i].story)
	c.tell(i, Sent)
}

// best is the offer whose next story ranks highest, nil if none has one.
func (c *Chooser) best(w Window) *offer {
	var best *offer
	var bestRank int64
	for i := range c.offers {
		o := &c.offers[i]
		if !c.ready(o) {
			continue
		}
		pair := o.pairs[o.next]
		rank := int64(pair)
		if c.pool.pairs[pair].arrival <= w.Fresh {
			rank += int64(len(c.pool.pairs)) // behind all that is fresh
		}
		if best == nil || rank < bestRank {
			best, bestRank = o, rank
		}
	}
	return best
}

// finish counts what found no place and makes the selection. What a section that is not shown has left is counted
// nowhere, so it must not make another section's count smaller.
func (c *Chooser) finish(r *Reader) Selection {
	s := Selection{Language: r.Language, Zone: r.Zone, TextOnly: r.TextOnly}
	shown, stories := 0, 0
	for i := range c.offers {
		if n := len(c.offers[i].taken); n > 0 {
			shown, stories = shown+1, stories+n
		}
	}
	picks := make([]Pick, 0, stories)
	s.Sections = make([]Picked, 0, shown)
	for i := range c.offers {
		o := &c.offers[i]
		if len(o.taken) == 0 {
			continue
		}
		from := len(picks)
		for _, p := range o.taken {
			e := &c.pool.stories[c.pool.pairs[p].story]
			picks = append(picks, Pick{Story: e.id, Revision: e.revision})
		}
		s.Sections = append(s.Sections, Picked{
			Section: c.pool.ids[o.section],
			Stories: picks[from:len(picks):len(picks)],
			More:    c.rest(o),
		})
	}
	if c.Told != nil {
		for i := range c.offers {
			if o := &c.offers[i]; len(o.taken) == 0 {
				c.rest(o)
			}
		}
	}
	return s
}

// rest counts the events that o has left.
func (c *Chooser) rest(o *offer) int {
	more := 0
	for _, i := range o.pairs[o.next:] {
		s := c.pool.pairs[i].story
		if c.has(s, isTwin) {
			c.tell(i, Duplicate)
			continue
		}
		c.settle(s)
		more++
		if o.less {
			c.tell(i, LessLimit)
		} else {
			c.tell(i, OverCap)
		}
	}
	return more
}

// tell passes a verdict on.
func (c *Chooser) tell(i int32, reason Reason) {
	if c.Told == nil {
		return
	}
	p := &c.pool.pairs[i]
	story := &c.pool.stories[p.story]
	v := Verdict{Story: story.id, Revision: story.revision, Section: c.pool.ids[p.section], Arrival: p.arrival, Reason: reason}
	if reason == Duplicate {
		v.Of = c.pool.stories[c.notes[p.story].of].id
	}
	c.Told(v)
}

// tellRest gives the verdict on the sections that no offer stands for.
func (c *Chooser) tellRest(r *Reader) {
	for s := range c.pool.in {
		if slices.ContainsFunc(c.offers, func(o offer) bool { return o.section == int32(s) }) {
			continue
		}
		reason := NotFollowed
		for _, f := range r.Sections {
			if at, ok := c.pool.sections[f.Section]; ok && at == int32(s) {
				reason = Muted // were it followed, it would be an offer
			}
		}
		for _, i := range c.pool.in[s] {
			c.tell(i, reason)
		}
	}
}
