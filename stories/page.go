package stories

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Limits on one saved page. Real ones have a hundredth of that.
const (
	maxPage  = 1 << 20 // bytes
	maxLines = 20_000
)

// ParsePage reads the saved plain text of an article page. The sections are the names of those the
// publication has; a section line of up to three words need not be among them.
//
// A page has its masthead, its edition cities and the moment it was saved; then headline, section,
// byline and the story's own time; then the text with crossheads, and tags in the last line. Any of
// it may be missing but some text. The time is what is found first, for the rest lies around it.
//
// Every block of the page ends up in a field, or in Extra; Warnings say what was not found or
// looked wrong, each beginning with the field. SectionRaw is set and Sections is not.
func ParsePage(data []byte, sections []string) (Story, error) {
	if len(data) > maxPage {
		return Story{}, pageError("it is larger than 1 MB")
	}
	p := page{sections: map[string]bool{}}
	for _, s := range sections {
		p.sections[fold(s)] = true
	}
	text := pageText(toUTF8(data, ""))
	if strings.Count(text, "\n") > maxLines {
		return Story{}, pageError(fmt.Sprintf("it has more than %d lines", maxLines))
	}
	p.split(text)
	if len(p.blocks) == 0 {
		return Story{}, pageError("it holds no text")
	}
	p.story.Scope = pageScope
	p.read()
	for _, b := range p.story.Blocks {
		p.story.Words += countWords(b.Text)
	}
	return p.story, nil
}

type pageError string

func (e pageError) Error() string { return "parse page: " + string(e) }

type page struct {
	sections map[string]bool
	blocks   []pageBlock
	story    Story
}

// pageBlock is one block of a page with the time it is, if it is nothing else.
type pageBlock struct {
	text   string // as written, without white space around it
	match  string // with plain spaces, for matching
	anchor time.Time
	odd    bool // the weekday is not that of the date
}

// pageText puts line ends right and cuts control characters.
func pageText(data []byte) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == 0x2028 || r == 0x2029 || r == 0x85 || r == '\f' || r == '\v':
			return '\n'
		case !keepRune(r):
			return -1
		}
		return r
	}, strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data)))
}

// split cuts the page into blocks: at blank lines or, if there are none, at every line. What lies
// before the text is one line each in any case, for no field there is longer.
func (p *page) split(text string) {
	var paras [][]string
	var para []string
	lines := 0
	for l := range strings.SplitSeq(text+"\n\n", "\n") {
		if strings.TrimSpace(l) != "" {
			para = append(para, l)
			lines++
			continue
		}
		if len(para) > 0 {
			paras = append(paras, para)
		}
		para = nil
	}
	byLine := len(paras) == 1 && lines > 1
	last := -1 // the last paragraph that holds a time before the text begins
	for i, para := range paras {
		if slices.ContainsFunc(para, func(l string) bool { _, _, ok := anchor(spaced(l)); return ok }) {
			last = i
		}
		if len(para) == 1 && isProse(spaced(para[0])) {
			break
		}
	}
	for i, para := range paras {
		if !byLine && i > last {
			p.add(strings.Join(para, " "))
			continue
		}
		for _, l := range para {
			p.add(l)
		}
	}
}

func (p *page) add(text string) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\t", " "))
	b := pageBlock{text: text, match: spaced(text)}
	if t, odd, ok := anchor(b.match); ok {
		b.anchor, b.odd = t, odd
	}
	p.blocks = append(p.blocks, b)
}

func (p *page) read() {
	prose := slices.IndexFunc(p.blocks, func(b pageBlock) bool { return isProse(b.match) })
	var anchors []int
	for i, b := range p.blocks {
		if prose >= 0 && i > prose {
			break
		}
		if !b.anchor.IsZero() {
			anchors = append(anchors, i)
		}
	}
	clock, at := -1, -1
	switch n := len(anchors); {
	case n == 0:
	case n == 1 && p.onlyFurniture(anchors[0]) && p.headFollows(anchors[0], prose):
		clock = anchors[0]
	default:
		at = anchors[n-1]
		if n > 1 {
			clock = anchors[0]
		}
	}
	end := at // where the head ends
	if at >= 0 {
		p.story.Published, p.story.PublishedRaw = p.blocks[at].anchor, p.blocks[at].text
		if p.blocks[at].odd {
			p.warn("published", "the weekday is not that of the date")
		}
	} else {
		p.warn("published", "no story time found")
		end = p.headEnd(clock+1, prose)
	}
	if clock >= 0 {
		p.story.PageClock = p.blocks[clock].anchor
		p.furniture(p.blocks[:clock])
	}
	start := clock + 1
	if clock < 0 {
		start = p.leadingFurniture(end)
		p.furniture(p.blocks[:start])
	}
	p.head(p.blocks[start:max(start, end)])
	body := max(start, end)
	if at >= 0 {
		body = at + 1
	}
	p.body(p.blocks[body:])
}

func (p *page) warn(field, text string) {
	p.story.Warnings = append(p.story.Warnings, field+": "+text)
}

// onlyFurniture says whether before block i there is nothing but masthead and cities.
func (p *page) onlyFurniture(i int) bool {
	for _, b := range p.blocks[:i] {
		if !isTagline(b.match) && !isPlace(b.match) {
			return false
		}
	}
	return true
}

// headFollows says whether between block i and the text there is something like a headline or a section: then i is
// the page's clock, and the story has no time of its own.
func (p *page) headFollows(i, prose int) bool {
	if prose < 0 {
		prose = len(p.blocks)
	}
	return slices.ContainsFunc(p.blocks[i+1:max(i+1, min(i+4, prose))], func(b pageBlock) bool { return !endsInStop(b.match) })
}

// headEnd guesses where the head of a page without story time ends: headline, and after it what looks
// like a section or a byline.
func (p *page) headEnd(start, prose int) int {
	if prose < 0 {
		prose = len(p.blocks)
	}
	i := start
	for i < prose && (isTagline(p.blocks[i].match) || isPlace(p.blocks[i].match)) {
		i++
	}
	if i >= prose {
		return i
	}
	for i++; i < prose && i < start+8; i++ {
		m := p.blocks[i].match
		if !p.sections[fold(m)] && !isByline(m) && !(words(m) <= 3 && !endsInStop(m)) {
			break
		}
	}
	return i
}

// leadingFurniture counts masthead and cities at the top of a page without a clock. It leaves one block
// for the headline; and a headline may be set in capitals as well, so a masthead needs a city or another
// headline after it.
func (p *page) leadingFurniture(end int) int {
	n := 0
	if end > 1 && isTagline(p.blocks[0].match) {
		if next := p.blocks[1].match; isPlace(next) || !p.isSection(next) && !isByline(next) {
			n = 1
		}
	}
	for n < end-1 && isPlace(p.blocks[n].match) {
		n++
	}
	return n
}

// furniture reads masthead and edition cities.
func (p *page) furniture(blocks []pageBlock) {
	for i, b := range blocks {
		switch {
		case !b.anchor.IsZero():
			p.extra(b)
		case p.story.Masthead == "" && !isPlace(b.match) && (isTagline(b.match) || i == 0):
			p.story.Masthead = p.oneLine(b)
		case isPlace(b.match) || words(b.match) <= 3 && !endsInStop(b.match) && p.story.Masthead != "":
			p.story.EditionCities = append(p.story.EditionCities, p.oneLine(b))
		default:
			p.extra(b)
		}
	}
}

// oneLine gives a block as a field of one line. If that loses anything, the whole block is kept as well.
func (p *page) oneLine(b pageBlock) string {
	s := line(b.text)
	if s != b.match {
		p.extra(b)
	}
	return s
}

// extra keeps a block that fits no field.
func (p *page) extra(b pageBlock) { p.story.Extra = append(p.story.Extra, b.text) }

// head reads headline, section and byline, backwards from the story's time.
func (p *page) head(blocks []pageBlock) {
	head := blocks[:0:0]
	for _, b := range blocks {
		if !b.anchor.IsZero() {
			p.extra(b) // a further time, as of an update
			p.warn("published", "more than one time above the text")
			continue
		}
		head = append(head, b)
	}
	if len(head) == 0 {
		p.warn("headline", "none found")
		p.warn("section", "none found")
		p.warn("byline", "none found")
		return
	}
	n := len(head) - 1
	if n >= 1 && !p.sections[fold(head[n].match)] && (isByline(head[n].match) || isCredit(head[n].match)) {
		p.byline(head[n])
		n--
	} else if n >= 2 && !p.sections[fold(head[n].match)] && p.isSection(head[n-1].match) {
		p.byline(head[n]) // after a section there can only be a byline
		n--
	} else {
		p.warn("byline", "none found")
	}
	if n >= 1 && p.isSection(head[n].match) {
		p.story.SectionRaw = p.oneLine(head[n])
		n--
	} else {
		p.warn("section", "none found")
	}
	p.story.Headline = p.oneLine(head[0])
	for _, b := range head[1 : n+1] {
		p.extra(b)
	}
}

func (p *page) isSection(s string) bool {
	return p.sections[fold(s)] || words(s) <= 3 && !endsInStop(s) && !isByline(s)
}

// byline splits "desk city - agency, agency".
func (p *page) byline(b pageBlock) {
	s := &p.story
	s.Byline = p.oneLine(b)
	parts := dash.Split(b.match, 2)
	left := parts[0]
	if len(parts) == 2 {
		for _, a := range splitNames(parts[1]) {
			if !slices.Contains(s.Agencies, a) {
				s.Agencies = append(s.Agencies, a)
			}
		}
	}
	if by := nameWords.FindString(left); by != "" {
		left = left[len(by):]
		if name, city, ok := strings.Cut(left, ","); ok && isPlace(strings.TrimSpace(city)) {
			left, s.City = name, line(city)
		}
		s.Authors = splitNames(left)
		return
	}
	city := trailingPlace(left)
	if city == "" && words(left) > 1 {
		city = cityAfterDesk(left)
		p.warn("city", "not a place we know")
	}
	s.City = line(city)
	s.Desk = line(strings.TrimRight(strings.TrimSuffix(left, city), " ,"))
}

// cityAfterDesk guesses where the city begins that no list knows: after the first word, an article not counted, and
// after the words that desks are called by.
func cityAfterDesk(s string) string {
	fields := strings.Fields(s)
	n := 1
	if strings.EqualFold(fields[0], "the") && len(fields) > 2 {
		n = 2
	}
	for n < len(fields)-1 && isDeskWord(fields[n]) {
		n++
	}
	return strings.Join(fields[n:], " ")
}

// body reads the text: paragraphs, crossheads, and tags at the end.
func (p *page) body(blocks []pageBlock) {
	s := &p.story
	if n := len(blocks); n > 1 && blocks[n-1].anchor.IsZero() && isTagLine(blocks[n-1].match) {
		s.TagsRaw = spaced(blocks[n-1].text)
		s.Tags = splitPlaces(blocks[n-1].match)
		blocks = blocks[:n-1]
	} else {
		p.warn("tags", "none found")
	}
	for i, b := range blocks {
		text := spacedKeep(b.text)
		kind := "p"
		if i > 0 && i < len(blocks)-1 && b.anchor.IsZero() && isCrosshead(b.match) {
			kind = "crosshead"
			s.Crossheads = append(s.Crossheads, text)
		}
		s.Blocks = append(s.Blocks, Block{kind, text})
	}
	if len(s.Blocks) == 0 {
		p.warn("lead", "no text found")
		return
	}
	s.Lead = s.Blocks[0].Text
}

// spacedKeep folds runs of plain spaces, as line breaks within a block make them; a no-break space stays.
func spacedKeep(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\n' || r == '\t' }), " ")
}
