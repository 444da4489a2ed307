package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"broadsheet/digest"
	"broadsheet/schedule"
	"broadsheet/subscribers"
	"broadsheet/templates"
)

// frontRoutes are the pages for everybody.
func (p *Pages) frontRoutes() []route {
	return []route{
		{"GET /{$}", p.front},
		{"GET /e/{$}", p.front},
		{"GET /e/{edition}", p.aboutEdition},
		{"GET /e/{edition}/archive", p.archive},
		{"GET /e/{edition}/feed.atom", p.feed},
		{"GET /e/{edition}/{slot}", p.issue},
		{"GET /robots.txt", p.robots},
	}
}

// open lets everybody keep a page and ask each time whether it is still the same, for a story may be withdrawn.
// Search engines find it.
func open(w http.ResponseWriter) {
	h := w.Header()
	h.Del("X-Robots-Tag")
	h.Set("Cache-Control", "public, no-cache")
	h.Set("Vary", "Accept-Language")
}

// robots keeps search engines from links with tokens.
func (p *Pages) robots(w http.ResponseWriter, _ *http.Request) {
	open(w)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("User-agent: *\nDisallow: " + p.base() + "/l/\n"))
}

// editionCard is what a page says of an edition.
type editionCard struct {
	Name, Title, Address string // Address is the whole one
	Next                 string // when the next issue comes
	Hours                string // that readers may choose; "" = none
	Sections             []string
	Languages            []otherLanguage // if there are several
	Latest               *latestIssue
}

// latestIssue is a sample.
type latestIssue struct {
	Path, Subject, Date string
	Language            string
	Lines               []line
}

// front lists the editions; where there is only one, it shows that.
func (p *Pages) front(w http.ResponseWriter, r *http.Request) {
	if len(p.Config.Editions) == 1 {
		p.showEdition(w, r, &p.Config.Editions[0])
		return
	}
	lang := p.language(r, "")
	var cards []editionCard
	for i := range p.Config.Editions {
		c, err := p.card(lang, &p.Config.Editions[i])
		if err != nil {
			p.broken(w, err)
			return
		}
		cards = append(cards, c)
	}
	open(w)
	p.show(w, r, http.StatusOK, lang, "editions", "front_title", cards)
}

// named is the edition that the path names; it answers itself if there is none.
func (p *Pages) named(w http.ResponseWriter, r *http.Request) *schedule.Edition {
	e := p.Config.Edition(r.PathValue("edition"))
	if e == nil {
		p.notFound(w, r)
	}
	return e
}

func (p *Pages) aboutEdition(w http.ResponseWriter, r *http.Request) {
	if e := p.named(w, r); e != nil {
		p.showEdition(w, r, e)
	}
}

func (p *Pages) showEdition(w http.ResponseWriter, r *http.Request, e *schedule.Edition) {
	lang := p.language(r, "")
	c, err := p.card(lang, e)
	if err != nil {
		p.broken(w, err)
		return
	}
	recent, _, err := p.recent(r.Context(), e, lang, "", 1)
	if err != nil {
		p.trouble(w, r, "find the latest issue", err)
		return
	}
	if len(recent) > 0 {
		i := recent[0]
		c.Latest = p.latest(lang, i)
		c.Latest.Lines = i.Lines[:min(len(i.Lines), 4)]
	}
	open(w)
	p.show(w, r, http.StatusOK, lang, "edition", "edition_title", c, "edition", c.Title)
}

// issueLanguage is that of issues for whoever reads pages in lang.
func (p *Pages) issueLanguage(e *schedule.Edition, lang string) string {
	list := p.issueLanguages(e)
	if slices.Contains(list, lang) {
		return lang
	}
	return list[0]
}

func (p *Pages) latest(lang string, i *publicIssue) *latestIssue {
	words := p.texts.set.Words(lang)
	path := p.base() + issuePath(i.Issue.Edition, i.Issue.Slot)
	if e := p.Config.Edition(i.Issue.Edition); i.Page.Language != p.issueLanguages(e)[0] {
		path += "?lang=" + i.Page.Language
	}
	return &latestIssue{Path: path, Subject: i.Page.Subject, Language: i.Page.Language,
		Date: words.Day(i.Issue.Due.In(p.zone(i.Issue.Zone)))}
}

// mostMade is how many slots one request looks into that may hold nothing: each takes a while.
const mostMade = 40

// recent makes the latest issues of an edition that hold something, for whoever reads pages in
// lang: in that language if there are any, else in the edition's own. behind is where it stopped
// looking, "" if it did not.
func (p *Pages) recent(ctx context.Context, e *schedule.Edition, lang, before string, limit int) (list []*publicIssue, behind string, err error) {
	language := p.issueLanguage(e, lang)
	list, behind, err = p.recentIn(ctx, e, language, before, limit)
	if own := p.issueLanguages(e)[0]; len(list) == 0 && err == nil && language != own {
		return p.recentIn(ctx, e, own, before, limit)
	}
	return list, behind, err
}

func (p *Pages) recentIn(ctx context.Context, e *schedule.Edition, language, before string, limit int) (list []*publicIssue, behind string, err error) {
	for looked := 0; len(list) < limit; {
		keys, err := p.publicKeys(ctx, e, before, limit)
		if err != nil || len(keys) == 0 {
			return list, "", err
		}
		for _, key := range keys {
			if _, known := p.empty.Load(issueKey{e.Name, key, language}); !known {
				looked++
			}
			if looked > mostMade {
				return list, before, nil
			}
			before = key
			i, err := p.publicIssue(ctx, e, key, language)
			if errors.Is(err, subscribers.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, "", err
			}
			if list = append(list, i); len(list) == limit {
				break
			}
		}
	}
	return list, "", nil
}

// card says of an edition what does not need its stories.
func (p *Pages) card(lang string, e *schedule.Edition) (editionCard, error) {
	words := p.texts.set.Words(lang)
	c := editionCard{Name: e.Name, Title: p.editionTitle(e.Name), Address: p.Config.Publication.PublicURL + "/e/" + e.Name}
	for _, s := range digest.PublicSections(p.Config, e) {
		c.Sections = append(c.Sections, s.Name)
	}
	if list := p.issueLanguages(e); len(list) > 1 {
		for _, l := range list {
			c.Languages = append(c.Languages, p.languageName(l))
		}
	}
	zone, hour := p.place(e)
	s, ok := e.Next(zone, hour, p.Now())
	if !ok {
		return c, nil
	}
	due := s.Due.In(zone)
	var err error
	if e.Zone != schedule.ReaderZone {
		c.Next, err = text(p.texts.in(lang), "next_issue", []string{"time", words.DayTime(due, p.city(zone))})
		return c, err
	}
	c.Next, err = text(p.texts.in(lang), "next_issue_yours", []string{"date", words.Day(due), "time", words.Clock(due)})
	if err == nil && len(e.Hours) > 1 {
		var hours []string
		for _, h := range e.Hours {
			hours = append(hours, words.Clock(time.Date(2006, 1, 2, h, due.Minute(), 0, 0, time.UTC)))
		}
		c.Hours = strings.Join(hours, words.Comma)
	}
	return c, err
}

// languageName is a language with its own name, if there are words in it.
func (p *Pages) languageName(lang string) otherLanguage {
	name := lang
	if own := p.texts.words[lang]["language_name"]; own != "" {
		name = own
	}
	return otherLanguage{templates.ScriptOf(lang), name}
}

// archiveShown is how many issues a page of the archive lists.
const archiveShown = 14

type archivePage struct {
	Name, Title string
	Issues      []*latestIssue
	Older       string
}

// archive lists past issues, a page at a time.
func (p *Pages) archive(w http.ResponseWriter, r *http.Request) {
	e := p.named(w, r)
	if e == nil {
		return
	}
	lang := p.language(r, "")
	before := r.URL.Query().Get("before")
	if _, ok := p.slotOf(e, before); before != "" && !ok {
		p.notFound(w, r)
		return
	}
	list, behind, err := p.recent(r.Context(), e, lang, before, archiveShown+1)
	if err != nil {
		p.trouble(w, r, "list issues", err)
		return
	}
	page := archivePage{Name: e.Name, Title: p.editionTitle(e.Name), Older: behind}
	if len(list) > archiveShown {
		list = list[:archiveShown]
		page.Older = list[archiveShown-1].Issue.Slot
	}
	for _, i := range list {
		page.Issues = append(page.Issues, p.latest(lang, i))
	}
	open(w)
	p.show(w, r, http.StatusOK, lang, "archive", "archive_title", page, "edition", page.Title)
}

// issue shows an issue as the public may see it.
func (p *Pages) issue(w http.ResponseWriter, r *http.Request) {
	e := p.named(w, r)
	if e == nil {
		return
	}
	key := strings.Replace(r.PathValue("slot"), "T", " ", 1)
	languages := p.issueLanguages(e)
	language := languages[0]
	if asked := r.URL.Query().Get("lang"); slices.Contains(languages, asked) {
		language = asked
	}
	i, err := p.publicIssue(r.Context(), e, key, language)
	switch {
	case errors.Is(err, subscribers.ErrNotFound):
		p.message(w, r, http.StatusNotFound, "", "no_issue")
		return
	case err != nil:
		p.trouble(w, r, "make public issue", err)
		return
	}
	l := letter{Page: i.Page, Edition: e.Name, Title: p.editionTitle(e.Name), Address: p.Config.Publication.PublicURL + issuePath(e.Name, key)}
	if language != languages[0] {
		l.Address += "?lang=" + language
	}
	if len(i.Lines) > 0 {
		l.Description = i.Lines[0].Summary
	}
	for _, other := range languages {
		if other == language {
			continue
		}
		switch _, err := p.publicIssue(r.Context(), e, key, other); {
		case err == nil:
			l.Languages = append(l.Languages, p.languageName(other))
		case !errors.Is(err, subscribers.ErrNotFound):
			p.trouble(w, r, "make public issue", err)
			return
		}
	}
	keys, err := p.publicKeys(r.Context(), e, key, 1)
	if err != nil {
		p.trouble(w, r, "list slots", err)
		return
	}
	if len(keys) > 0 {
		l.Earlier = p.base() + issuePath(e.Name, keys[0])
	}
	open(w)
	p.showLetter(w, r, l)
}
