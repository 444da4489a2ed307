package digest

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"broadsheet/stories"
	"broadsheet/subscribers"
	"broadsheet/templates"
)

// image is a picture as a template may show it.
type image struct {
	URL    string
	Alt    string
	Credit string
	Height int
}

// picture prepares a story's image for a width in pixels; nil if it cannot be shown: mail
// clients load nothing but https.
func picture(s *stories.Story, width int, credit string) *image {
	if s.Image == nil || !strings.HasPrefix(s.Image.URL, "https://") || clean(s.Image.URL) != s.Image.URL || len(s.Image.URL) > 2000 {
		return nil
	}
	im := &image{URL: s.Image.URL, Alt: cut(clean(s.Image.Alt), 160), Height: width * 2 / 3}
	if s.Image.Width > 0 && s.Image.Height > 0 {
		im.Height = min(max(width*s.Image.Height/s.Image.Width, 1), width*2)
	}
	if c := cut(clean(s.Image.Credit), 80); c != "" && credit != "" {
		im.Credit = templates.Fill(credit, "name", c)
	}
	return im
}

type storyView struct {
	W        *templates.Words
	Story    templates.Script // of the story's own language
	Number   templates.Mark
	Headline string
	Summary  string
	Link     templates.Mark
	Meta     []metaPart
	Image    *image
}

// metaPart is one part of the line below a story.
type metaPart struct {
	Text  templates.Mark
	Whole bool // not to be broken over lines
}

// MetaLines is the line below a story for plain text, broken between parts where it gets too
// long. A mark counts as the width its filling usually has.
func (v storyView) MetaLines() []string {
	const columns, indent, filling = 72, 3, 12
	var lines []string
	col := 0
	for _, part := range v.Meta {
		width := utf8.RuneCountInString(string(part.Text))
		if strings.IndexByte(string(part.Text), markOpen) >= 0 {
			width = filling
		}
		switch {
		case len(lines) == 0 || col+3+width > columns:
			lines = append(lines, string(part.Text))
			col = indent + width
		default:
			lines[len(lines)-1] += " · " + string(part.Text)
			col += 3 + width
		}
	}
	return lines
}

// Values of a story.
const (
	storyNumber = iota
	storyTime
	storyUpdated
	storyValues
)

// How much of a story is shown, in characters. Longer is cut at a word.
const (
	maxHeadline = 300
	maxLead     = 360 // two sentences
	maxSummary  = 240 // one
)

// brief is what a digest says of a story, cut to size and made safe, once for all its roles.
type brief struct {
	headline string
	two, one string // sentences
	words    [3]int // in each of them
}

func newBrief(s *stories.Story) *brief {
	lead := opening(s)
	b := &brief{headline: cut(clean(s.Headline), maxHeadline), two: sentences(lead, 2, maxLead), one: sentences(lead, 1, maxSummary)}
	if b.headline == "" { // then it is known by how it begins
		b.headline = cut(lead, 80)
	}
	for i, text := range []string{b.headline, b.two, b.one} {
		b.words[i] = len(strings.Fields(text))
	}
	return b
}

// Brief is a story's headline and the sentence below it as a digest shows them: cut to size, one
// line each, with nothing that turns the direction of its neighbours.
func Brief(s *stories.Story) (headline, sentence string) {
	b := newBrief(s)
	return b.headline, b.one
}

// summary is what stands below the headline, and how many words both have.
func (b *brief) summary(role Role) (text string, words int) {
	switch role {
	case Lead:
		return b.two, b.words[0] + b.words[1]
	case Card, Plain:
		return b.one, b.words[0] + b.words[2]
	}
	return "", b.words[0]
}

func (p *Press) storyView(w *templates.Words, s *stories.Story, b *brief, role Role) (storyView, error) {
	v := storyView{
		W:        w,
		Story:    p.script(s),
		Number:   valueMark(storyNumber),
		Headline: b.headline,
		Link:     p.link(subscribers.Read, s.ID, ""),
		Meta:     p.meta(w, s),
	}
	v.Summary, _ = b.summary(role)
	switch role {
	case Lead:
		v.Image = picture(s, 576, w.Credit)
	case Card:
		v.Image = picture(s, 120, "")
	}
	if v.Headline == "" {
		return v, fmt.Errorf("story %d has neither headline nor text", s.ID)
	}
	return v, nil
}

// opening is the story's lead, or its first paragraph.
func opening(s *stories.Story) string {
	if lead := clean(bounded(s.Lead)); lead != "" {
		return lead
	}
	for _, b := range s.Blocks {
		if b.Type == "p" {
			return clean(bounded(b.Text))
		}
	}
	return ""
}

// meta is the line below a story: who, where, whose, when, how long.
func (p *Press) meta(w *templates.Words, s *stories.Story) []metaPart {
	var parts []string
	add := func(text string) {
		if text = cut(clean(text), 80); text != "" && !slices.Contains(parts, text) {
			parts = append(parts, text)
		}
	}
	if names := authors(w, s.Authors); names != "" {
		parts = append(parts, templates.Fill(w.By, "names", names))
	} else {
		add(s.Desk)
	}
	add(s.City)
	for _, a := range s.Agencies[:min(len(s.Agencies), 4)] {
		add(a)
	}
	if len(parts) == 0 {
		add(s.Byline)
	}
	var meta []metaPart
	if !s.Corrected.IsZero() {
		meta = append(meta, metaPart{templates.Mark(isolate(w.Corrected, w.RTL())), true})
	}
	for _, part := range parts {
		meta = append(meta, metaPart{Text: templates.Mark(isolate(part, w.RTL()))})
	}
	if !s.Published.IsZero() {
		meta = append(meta, metaPart{valueMark(storyTime), true})
	}
	if updated(s) {
		meta = append(meta, metaPart{valueMark(storyUpdated), true})
	}
	if s.Words > 0 {
		meta = append(meta, metaPart{templates.Mark(isolate(w.Count(w.StoryMin, minutes(s.Words)), w.RTL())), true})
	}
	return meta
}

func authors(w *templates.Words, names []string) string {
	var all []string
	for _, n := range names[:min(len(names), 8)] {
		if n = cut(clean(n), 60); n != "" {
			all = append(all, isolate(n, w.RTL()))
		}
	}
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	last := len(all) - 1
	return strings.Join(all[:last], w.Comma) + w.And + all[last]
}

// updated says that a story changed after it was published: many sources set both at once.
func updated(s *stories.Story) bool {
	return !s.Published.IsZero() && s.Updated.Sub(s.Published) >= time.Minute
}

// minutes is the time to read so many words, at 230 a minute, at least one minute.
func minutes(words int) int { return max(1, (words+115)/230) }

// storyValues are the number of a story and its times as the reader's zone has them.
func (l *sheet) storyValues(n int, s *stories.Story) []string {
	v := make([]string, storyValues)
	v[storyNumber] = l.words.Number(n)
	if s.Published.IsZero() {
		return v
	}
	city := l.p.cities[l.zone.String()]
	at := s.Published.In(l.zone)
	v[storyTime] = isolate(l.words.When(at, l.issue.Due, city), l.words.RTL())
	if updated(s) {
		change := s.Updated.In(l.zone)
		text := l.words.When(change, l.issue.Due, city)
		if change.YearDay() == at.YearDay() && change.Year() == at.Year() {
			text = l.words.Clock(change)
		}
		v[storyUpdated] = isolate(templates.Fill(l.words.Updated, "time", text), l.words.RTL())
	}
	return v
}

// script is how a story is written. Where its language is not understood its headline tells the direction.
func (p *Press) script(s *stories.Story) templates.Script {
	lang := s.Language
	if lang == "" {
		lang = p.pub.Language
	}
	script := templates.ScriptOf(lang)
	if script.Language == "" && hasRTL(s.Headline) {
		script.Direction = "rtl"
	}
	return script
}

// brief reads a story once.
func (p *Press) brief(s *stories.Story) *brief {
	k := fragmentKey{name: "brief", revision: s.Revision}
	if r, ok := p.cached(k); ok {
		return r.brief
	}
	b := newBrief(s)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept.put(k, &rendered{brief: b}, len(b.headline)+len(b.two)+len(b.one)+256)
	return b
}
