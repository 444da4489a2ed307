package digest

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"broadsheet/stories"
	"broadsheet/subscribers"
	"broadsheet/templates"
)

// The types here are what templates see. HTML and text get the same ones, and whatever varies
// from reader to reader is a mark in them.

type frameView struct {
	W           *templates.Words
	Publication string
	Tagline     string
	Edition     string
	Postal      []string

	// head
	Subject, Preheader, Date, Count, Minutes, Contents templates.Mark
	Cities                                             []cityView
	Padding                                            []struct{} // keeps the body's text out of the inbox's preview
	View                                               templates.Mark

	// tail
	Next                                     templates.Mark
	WhyText, LeaveText, LeaveAllText         string
	Why, Preferences, Pause, Leave, LeaveAll templates.Mark
	Address                                  templates.Mark
}

type cityView struct {
	Name string
	Time templates.Mark
}

type sectionView struct {
	W                             *templates.Words
	Name, Anchor                  string
	More                          templates.Mark // "" = none
	MoreLink, Less, Mute, Up      templates.Mark
	LessLabel, MuteLabel, UpLabel string
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

type contentsView struct {
	W        *templates.Words
	Sections []string // with their counts
}

// Values of the frame's head; the cities' times follow.
const (
	headSubject = iota
	headPreheader
	headDate
	headCount
	headMinutes
	headContents
	headCities
)

// Values of a story.
const (
	storyNumber = iota
	storyTime
	storyUpdated
	storyValues
)

// addressMark is the reader's own address, in HTML or in text.
func addressMark(name string) templates.Mark {
	if strings.HasSuffix(name, ".html") {
		return plainMark(markAddress)
	}
	return plainMark(markAddrText)
}

func (p *Press) frame(w *templates.Words, ext string) frameView {
	v := frameView{
		W:           w,
		Publication: cut(clean(p.pub.Name), 80),
		Tagline:     cut(clean(p.pub.Tagline), 160),
		Edition:     p.title(),
		Subject:     valueMark(headSubject),
		Preheader:   valueMark(headPreheader),
		Date:        valueMark(headDate),
		Count:       valueMark(headCount),
		Minutes:     valueMark(headMinutes),
		Contents:    valueMark(headContents),
		Padding:     make([]struct{}, 60),
		View:        p.link(subscribers.ViewInBrowser, 0, ""),
		Why:         p.link(subscribers.Why, 0, ""),
		Preferences: p.link(subscribers.Preferences, 0, ""),
		Pause:       p.link(subscribers.Pause, 0, ""),
		Leave:       p.link(subscribers.LeaveEdition, 0, ""),
		LeaveAll:    p.link(subscribers.LeaveAll, 0, ""),
		Address:     addressMark(ext),
	}
	v.WhyText = templates.Fill(w.Why, "edition", isolate(v.Edition, w.RTL()), "publication", isolate(v.Publication, w.RTL()))
	v.LeaveText = templates.Fill(w.LeaveEdition, "edition", isolate(v.Edition, w.RTL()))
	v.LeaveAllText = templates.Fill(w.LeaveAll, "publication", isolate(v.Publication, w.RTL()))
	for i, c := range p.pub.Cities {
		name := clean(c.Name)
		if own := w.Cities[c.Zone]; own != "" {
			name = own
		}
		v.Cities = append(v.Cities, cityView{Name: isolate(name, w.RTL()), Time: valueMark(headCities + i)})
	}
	for line := range strings.Lines(p.pub.PostalAddress) {
		if line = clean(line); line != "" && line != v.Publication { // which stands above it
			v.Postal = append(v.Postal, line)
		}
	}
	return v
}

// title is the edition's own, or its name.
func (p *Press) title() string {
	if t := clean(p.edition.Title); t != "" {
		return cut(t, 80)
	}
	return cut(clean(p.edition.Name), 80)
}

func (p *Press) link(kind subscribers.Kind, story int64, section string) templates.Mark {
	return templates.Mark(p.pub.PublicURL+"/l/") + linkMark(kind, story, section)
}

func (p *Press) sectionView(w *templates.Words, id string, more, first bool) sectionView {
	name := p.section(id)
	label := isolate(name, w.RTL())
	v := sectionView{
		W: w, Name: name,
		Less:      p.link(subscribers.SectionLess, 0, id),
		Mute:      p.link(subscribers.SectionMute, 0, id),
		LessLabel: templates.Fill(w.Less, "section", label),
		MuteLabel: templates.Fill(w.Mute, "section", label),
	}
	if more {
		v.More, v.MoreLink = valueMark(0), p.link(subscribers.SectionMore, 0, id)
	}
	if !first {
		v.Up, v.UpLabel = p.link(subscribers.SectionUp, 0, id), templates.Fill(w.MoveUp, "section", label)
	}
	return v
}

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

// bounded spares us from walking a whole story that came as one paragraph.
func bounded(s string) string {
	if len(s) <= 8<<10 {
		return s
	}
	return strings.ToValidUTF8(s[:8<<10], "")
}

// meta is the line below a story: who, where, whose, when, how long.
func (p *Press) meta(w *templates.Words, s *stories.Story) []metaPart {
	var parts []string
	if names := authors(w, s.Authors); names != "" {
		parts = append(parts, templates.Fill(w.By, "names", names))
	} else {
		parts = append(parts, clean(s.Desk))
	}
	parts = append(parts, clean(s.City))
	for _, a := range s.Agencies {
		parts = append(parts, clean(a))
	}
	if strings.Join(parts, "") == "" {
		parts = []string{clean(s.Byline)}
	}
	var meta []metaPart
	for _, part := range parts {
		if part = cut(part, 120); part != "" {
			meta = append(meta, metaPart{Text: templates.Mark(isolate(part, w.RTL()))})
		}
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
	for _, n := range names {
		if n = clean(n); n != "" {
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

// minutes is the time to read so many words, at least one minute.
func minutes(words int) int { return max(1, (words+115)/230) }
