package web

import (
	"slices"
	"strconv"

	"golang.org/x/text/language"

	"broadsheet/schedule"
	"broadsheet/templates"
)

// mailLanguages are those of our words in which an edition brings stories.
func (p *Pages) mailLanguages() (list []string) {
	for _, lang := range p.texts.names {
		if slices.ContainsFunc(p.Config.Editions, func(e schedule.Edition) bool { return p.speaks(e.Name, lang) }) {
			list = append(list, lang)
		}
	}
	return list
}

// speaks reports whether an edition brings stories in a language; "" is the publication's. A
// reader gets stories in their own language alone.
func (p *Pages) speaks(edition, lang string) bool {
	e := p.Config.Edition(edition)
	if lang == "" {
		lang = p.Config.Publication.Language
	}
	return e != nil && (len(e.Languages) == 0 || slices.ContainsFunc(e.Languages, func(l string) bool { return baseOf(l) == baseOf(lang) }))
}

func baseOf(lang string) string {
	base, _ := language.Make(lang).Base()
	return base.String()
}

// firstEdition is the one that suits most visitors: in their own zone and in the page's language.
func (p *Pages) firstEdition(lang string) string {
	best, most := "", -1
	for i := range p.Config.Editions {
		e, fits := &p.Config.Editions[i], 0
		if p.speaks(e.Name, lang) {
			fits += 2
		}
		if e.Zone == schedule.ReaderZone {
			fits++
		}
		if fits > most {
			best, most = e.Name, fits
		}
	}
	return best
}

// dayOptions are the days of the week; no days are all of them.
func (p *Pages) dayOptions(words *templates.Words, days []int) (list []option) {
	for i, name := range words.WeekdaysShort {
		list = append(list, option{Value: strconv.Itoa(i + 1), Name: name, Chosen: len(days) == 0 || slices.Contains(days, i+1)})
	}
	return list
}
