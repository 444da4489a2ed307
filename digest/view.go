package digest

import (
	"strings"

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
	Name                          string
	More                          templates.Mark // "" = none
	MoreLink, Less, Mute, Up      templates.Mark
	LessLabel, MuteLabel, UpLabel string
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

// addressMark is the reader's own address, in HTML or in text.
func addressMark(name string) templates.Mark {
	if strings.HasSuffix(name, ".html") {
		return plainMark(markAddress)
	}
	return plainMark(markAddrText)
}

func (p *Press) frame(w *templates.Words, name string) frameView {
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
		Address:     addressMark(name),
	}
	v.WhyText = templates.Fill(w.Why, "edition", isolate(v.Edition, w.RTL()), "publication", isolate(v.Publication, w.RTL()))
	v.LeaveText = templates.Fill(w.LeaveEdition, "edition", isolate(v.Edition, w.RTL()))
	v.LeaveAllText = templates.Fill(w.LeaveAll, "publication", isolate(v.Publication, w.RTL()))
	for i, c := range p.pub.Cities {
		v.Cities = append(v.Cities, cityView{Name: isolate(w.City(clean(c.Name)), w.RTL()), Time: valueMark(headCities + i)})
	}
	v.Postal = p.postal()
	return v
}

// postal is the postal address, by lines, without the publication's name, which stands above it.
func (p *Press) postal() (lines []string) {
	name := cut(clean(p.pub.Name), 80)
	for line := range strings.Lines(p.pub.PostalAddress) {
		if line = clean(line); line != "" && line != name {
			lines = append(lines, line)
		}
	}
	return lines
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
