package web

import (
	"encoding/xml"
	"html"
	"net/http"
	"strings"
	"time"
)

// atomFeed is a feed (RFC 4287).
type atomFeed struct {
	XMLName xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
	Lang    string      `xml:"xml:lang,attr,omitempty"`
	ID      string      `xml:"id"`
	Title   string      `xml:"title"`
	Updated string      `xml:"updated"`
	Author  string      `xml:"author>name"`
	Links   []atomLink  `xml:"link"`
	Entries []atomEntry `xml:"entry"`
}

type atomLink struct {
	Rel  string `xml:"rel,attr"`
	Type string `xml:"type,attr"`
	Href string `xml:"href,attr"`
}

type atomEntry struct {
	Lang    string      `xml:"xml:lang,attr,omitempty"`
	ID      string      `xml:"id"`
	Title   string      `xml:"title"`
	Updated string      `xml:"updated"`
	Link    atomLink    `xml:"link"`
	Content atomContent `xml:"content"`
}

type atomContent struct {
	Type string `xml:"type,attr"`
	HTML string `xml:",chardata"`
}

const (
	typeAtom = "application/atom+xml"
	typeHTML = "text/html"
)

func atomTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// atomStories lists stories as an entry's content.
func atomStories(lines []line) atomContent {
	var b strings.Builder
	b.WriteString("<ul>")
	for _, l := range lines {
		headline := html.EscapeString(l.Headline)
		if l.URL != "" {
			headline = `<a href="` + html.EscapeString(l.URL) + `">` + headline + "</a>"
		}
		b.WriteString("<li>" + headline)
		if l.Summary != "" {
			b.WriteString("<br>" + html.EscapeString(l.Summary))
		}
		b.WriteString("</li>")
	}
	b.WriteString("</ul>")
	return atomContent{"html", b.String()}
}

// writeFeed writes a feed, or says that it is the one that the asker has.
func (p *Pages) writeFeed(w http.ResponseWriter, r *http.Request, f atomFeed) {
	b, err := xml.MarshalIndent(f, "", " ")
	if err != nil {
		p.broken(w, err)
		return
	}
	b = append([]byte(xml.Header), append(b, '\n')...)
	if same(w, r, b) {
		return
	}
	w.Header().Set("Content-Type", typeAtom+"; charset=utf-8")
	_, _ = w.Write(b)
}

// feedShown is how many issues a public feed holds.
const feedShown = 10

// feed is the Atom feed of an edition: its issues as the public may see them.
func (p *Pages) feed(w http.ResponseWriter, r *http.Request) {
	e := p.named(w, r)
	if e == nil {
		return
	}
	language := p.issueLanguage(e, r.URL.Query().Get("lang"))
	list, _, err := p.recentIn(r.Context(), e, language, "", feedShown)
	if err != nil {
		p.trouble(w, r, "make feed", err)
		return
	}
	home := p.Config.Publication.PublicURL
	query := ""
	if language != p.issueLanguages(e)[0] {
		query = "?lang=" + language
	}
	self := home + "/e/" + e.Name + "/feed.atom" + query
	f := atomFeed{Lang: language, ID: self, Title: p.Config.Publication.Name + ": " + p.editionTitle(e.Name), Author: p.Config.Publication.Name,
		Updated: atomTime(time.Unix(0, 0)),
		Links:   []atomLink{{"self", typeAtom, self}, {"alternate", typeHTML, home + "/e/" + e.Name + query}}}
	for n, i := range list {
		address := home + issuePath(e.Name, i.Issue.Slot) + query
		if n == 0 {
			f.Updated = atomTime(i.Issue.Due)
		}
		f.Entries = append(f.Entries, atomEntry{ID: address, Title: i.Page.Subject, Updated: atomTime(i.Issue.Due),
			Link: atomLink{"alternate", typeHTML, address}, Content: atomStories(i.Lines)})
	}
	open(w)
	p.writeFeed(w, r, f)
}
