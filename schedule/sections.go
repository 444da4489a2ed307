package schedule

import (
	"net/url"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// sections reads what readers follow, and that each id leads somewhere.
func (r *reader) sections(t *table) (sections []Section) {
	var tables []*table
	ids, names := make(map[string]mark), make(map[string]mark)
	nodes := t.list("sections", "{id, name}")
	if _, isList := t.values["sections"].(*ast.SequenceNode); isList && len(nodes) == 0 {
		t.bad("sections", "sections is empty; write e.g. sections: [{id: world}]")
	}
	for i, n := range nodes {
		s, ok := r.table(n, called("section", i, nameIn(n, "id")), "id", "name", "weight", "moved_to", "retired")
		if !ok {
			continue
		}
		section := Section{Name: s.text("name"), Weight: s.whole("weight", 1, 0, 1000), MovedTo: s.text("moved_to"), Retired: s.flag("retired")}
		if s.need("id", "id: world") {
			section.ID = s.id("id")
		}
		preset(&section.Name, title(section.ID))
		if s.unique("id", strings.ToLower(section.ID), ids) {
			s.unique("name", strings.ToLower(section.Name), names)
		}
		sections, tables = append(sections, section), append(tables, s)
	}
	next := make(map[string]string)
	for _, s := range sections {
		next[s.ID] = s.MovedTo
	}
	for i, s := range sections {
		if s.MovedTo == "" {
			continue
		}
		if _, known := next[s.MovedTo]; !known {
			tables[i].bad("moved_to", "moved_to %q is no section of this file", clip(s.MovedTo))
		} else if circular(next, s.ID) {
			tables[i].bad("moved_to", "moved_to %q leads in a circle", clip(s.MovedTo))
		}
	}
	return sections
}

// circular reports whether following moved_to from id never ends.
func circular(next map[string]string, id string) bool {
	for range len(next) {
		if id = next[id]; id == "" {
			return false
		}
	}
	return true
}

// id is a name that also serves in commands, files and links.
func (t *table) id(key string) string {
	s := t.text(key)
	for i, c := range []byte(s) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || c != '-' && c != '_') || i >= 64 {
			t.bad(key, "%s %q must be letters a-z, digits, - and _, at most 64, with a letter or digit first", key, clip(s))
			return ""
		}
	}
	return s
}

// unique complains of a value that an entry before has, in the form in which they are compared.
func (t *table) unique(key, value string, seen map[string]mark) bool {
	if value == "" {
		return false
	}
	if first, ok := seen[value]; ok {
		t.bad(key, "%s %q is taken by the entry in line %d", key, clip(value), first.line)
		return false
	}
	seen[value] = t.at(key)
	return true
}

// known is the id of a section in the file.
func (t *table) known(key string, c *Config) string {
	id := t.text(key)
	if _, ok := c.Section(id); id != "" && !ok {
		t.bad(key, "section %q is not among the sections; %s", clip(id), c.sectionHint(id))
	}
	return id
}

// sectionHint names the section that was probably meant, or all.
func (c *Config) sectionHint(id string) string {
	ids := make([]string, len(c.Sections))
	for i, s := range c.Sections {
		ids[i] = s.ID
		if len(id) < 40 && len(s.ID) < 40 && distance(strings.ToLower(id), strings.ToLower(s.ID)) <= 2 {
			return "did you mean " + s.ID + "?"
		}
	}
	return "they are " + clip(strings.Join(ids, ", "))
}

func (r *reader) feeds(t *table, c *Config) (feeds []Feed) {
	seen := make(map[string]mark)
	for i, n := range t.list("feeds", "{url, section}") {
		f, ok := r.table(n, called("feed", i, nameIn(n, "url")), "url", "section", "every")
		if !ok {
			continue
		}
		feed := Feed{Section: f.known("section", c), Every: f.span("every", time.Minute, "15m")}
		preset(&feed.Every, 15*time.Minute)
		if f.need("url", "url: https://news.lantern.example/world.rss") {
			feed.URL = f.text("url")
		}
		if feed.URL != "" {
			u, err := url.Parse(feed.URL)
			if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || !validPort(u.Port(), true) || len(feed.URL) > 2000 {
				f.bad("url", "url must be an http or https address, e.g. https://news.lantern.example/world.rss")
			}
		}
		f.unique("url", feed.URL, seen)
		feeds = append(feeds, feed)
	}
	return feeds
}

func (r *reader) articles(t *table, c *Config) (articles []Articles) {
	seen := make(map[string]mark)
	for i, n := range t.list("articles", "{dir, section}") {
		a, ok := r.table(n, called("articles", i, nameIn(n, "dir")), "dir", "section")
		if !ok {
			continue
		}
		folder := Articles{Section: a.known("section", c)}
		if a.need("dir", "dir: articles") {
			folder.Dir = a.text("dir")
		}
		a.unique("dir", folder.Dir, seen)
		articles = append(articles, folder)
	}
	return articles
}
