package web

import "net/http"

// embedPage is what the page for editors of the publication's own site shows.
type embedPage struct {
	Action   string
	Editions []prefsEdition
	Sections []prefsSection
}

// showEmbed shows the form to be put on the publication's own site.
func (p *Pages) showEmbed(w http.ResponseWriter, r *http.Request) {
	d := embedPage{Action: p.Config.Publication.PublicURL + "/signup/embed"}
	for _, e := range p.Config.Editions {
		d.Editions = append(d.Editions, prefsEdition{Name: e.Name, Title: e.Title})
	}
	for _, s := range p.Config.Sections {
		if !s.Retired && s.MovedTo == "" {
			d.Sections = append(d.Sections, prefsSection{ID: s.ID, Name: s.Name})
		}
	}
	p.show(w, r, http.StatusOK, p.language(r, ""), "embed", "embed_title", d)
}
