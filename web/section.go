package web

import (
	"net/http"

	"broadsheet/digest"
	"broadsheet/subscribers"
)

// sectionKeys are the words of what the links under a section's stories do.
var sectionKeys = map[subscribers.Kind]string{
	subscribers.SectionLess: "less",
	subscribers.SectionMute: "mute",
	subscribers.SectionUp:   "up",
}

// askSection asks about what a link under a section does.
func (p *Pages) askSection(w http.ResponseWriter, r *http.Request, v *visit) {
	name, ok := p.sectionName(w, r, v)
	if !ok || !p.active(w, r, v) {
		return
	}
	q := question{key: sectionKeys[v.Kind], pairs: []string{"section", isolated(v.lang, name)}}
	s := v.reader.Clone()
	if p.changeSection(&s, v); s.Equal(v.reader.Settings) {
		q.now = q.key + "_now"
	}
	p.question(w, r, v, q)
}

// section does what a link under a section says.
func (p *Pages) section(w http.ResponseWriter, r *http.Request, v *visit) {
	name, ok := p.sectionName(w, r, v)
	if !ok {
		return
	}
	e, err := p.edit(r, v, digest.NoticeChanged, func(s *subscribers.Settings) { p.changeSection(s, v) })
	key := sectionKeys[v.Kind] + "_done"
	p.changed(w, r, v, e, err, outcome{key: key, same: key, pairs: []string{"section", isolated(v.lang, name)}})
}

func (p *Pages) changeSection(s *subscribers.Settings, v *visit) {
	id := p.sectionOf(s, v.Section)
	switch v.Kind {
	case subscribers.SectionLess:
		s.SetLevel(id, subscribers.Less)
	case subscribers.SectionMute:
		s.SetLevel(id, subscribers.Muted)
	case subscribers.SectionUp:
		s.MoveUp(id)
	}
}

// sectionOf is the id under which the reader has a section that may have moved since.
func (p *Pages) sectionOf(s *subscribers.Settings, id string) string {
	for _, f := range s.Sections {
		if f.Section == id {
			return id
		}
	}
	for _, f := range s.Sections {
		if p.Config.MovedTo(f.Section) == p.Config.MovedTo(id) {
			return f.Section
		}
	}
	return p.Config.MovedTo(id)
}

// sectionName is what the link's section is called today. It answers itself if there is none.
func (p *Pages) sectionName(w http.ResponseWriter, r *http.Request, v *visit) (string, bool) {
	s, ok := p.Config.Section(p.Config.MovedTo(v.Section))
	if !ok || s.Retired {
		p.message(w, r, http.StatusNotFound, v.lang, "no_section")
		return "", false
	}
	return s.Name, true
}
