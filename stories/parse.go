package stories

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/mmcdole/gofeed"
	"github.com/mmcdole/gofeed/atom"
	feedjson "github.com/mmcdole/gofeed/json"
	"github.com/mmcdole/gofeed/rss"
	"golang.org/x/text/language"
)

// Meta is what a feed says of itself.
type Meta struct {
	Title    string
	Link     string // home page, resolved
	Self     string // the feed's own address by its own word, resolved
	Language string // BCP 47
	Format   string // rss, atom or json
	Warnings []string
}

// Parse reads a feed: RSS 0.9 to 2.0, RDF, Atom 0.3 and 1.0, JSON Feed. The contentType is the HTTP
// header and base the address it came from; both may be "". The stories have everything but
// Sections, Source and Scope. Parse gives an error when the document is no feed or oversteps a limit;
// what can be mended is mended, and what was lost by it stands in Meta.Warnings.
func Parse(data []byte, contentType, base string) (list []Story, meta Meta, err error) {
	// The feed parser is not ours. A panic in it is that feed's failure, not the program's.
	defer func() {
		if p := recover(); p != nil {
			list, meta, err = nil, Meta{}, fmt.Errorf("parse feed: the parser gave up: %v", p)
		}
	}()
	if len(data) > maxUnpacked {
		return nil, meta, fmt.Errorf("parse feed: it is larger than %d MB", maxUnpacked>>20)
	}
	doc, warnings, err := prepare(toUTF8(data, contentType))
	if err != nil {
		return nil, meta, fmt.Errorf("parse feed: %w", err)
	}
	p := gofeed.NewParser()
	p.KeepOriginalFeed = true
	p.RSSTranslator = &gofeed.DefaultRSSTranslator{DisableContentImageScan: true}
	feed, err := p.Parse(bytes.NewReader(doc))
	if errors.Is(err, gofeed.ErrFeedTypeNotDetected) {
		return nil, meta, errors.New("parse feed: it is neither RSS, RDF, Atom nor JSON Feed" + looksLike(doc))
	}
	if err != nil {
		return nil, meta, fmt.Errorf("parse feed: %w", err)
	}
	r := newReader(feed, base)
	r.meta.Warnings = warnings
	for i, item := range feed.Items {
		if item == nil {
			continue
		}
		if len(list) == maxItems {
			r.meta.Warnings = append(r.meta.Warnings, fmt.Sprintf("more than %d items: the first %d were read", maxItems, maxItems))
			break
		}
		list = append(list, r.story(i, item))
		feed.Items[i] = nil // so that its text can be freed while the rest is read
	}
	clearShared(list, Canonical(r.meta.Link))
	return list, r.meta, nil
}

// prepare makes a document safe for the feed parser.
func prepare(doc []byte) ([]byte, []string, error) {
	start := bytes.TrimLeft(doc, " \t\r\n\x00\ufeff")
	switch {
	case len(start) == 0:
		return nil, nil, errors.New("it is empty")
	case start[0] == '{':
		return repairJSON(start)
	}
	return repairXML(doc)
}

// looksLike adds a hint to the commonest mistake, the address of a page instead of a feed.
func looksLike(doc []byte) string {
	if bytes.Contains(bytes.ToLower(doc[:min(len(doc), 512)]), []byte("<html")) {
		return ": it is a web page; look in it for the address of its feed"
	}
	return ""
}

// reader turns the items of one feed into stories.
type reader struct {
	meta  Meta
	bases []*url.URL // what relative links are resolved against, best first
	rss   []*rss.Item
	atom  []*atom.Entry
	json  []*feedjson.Item
}

func newReader(feed *gofeed.Feed, base string) *reader {
	r := &reader{meta: Meta{Title: plain(feed.Title), Language: bcp47(feed.Language), Format: feed.FeedType}}
	fetched, _ := absolute(nil, base)
	self, _ := absolute(fetched, feed.FeedLink)
	home, _ := absolute(first(self, fetched), feed.Link)
	switch o := feed.OriginalFeed().(type) {
	case *rss.Feed:
		r.rss = o.Items
		r.bases = []*url.URL{home, self, fetched}
	case *atom.Feed:
		r.atom = o.Entries
		r.bases = []*url.URL{fetched, self, home}
	case *feedjson.Feed:
		r.json = o.Items
		r.bases = []*url.URL{home, self, fetched}
	}
	if home != nil {
		r.meta.Link = home.String()
	}
	if self != nil {
		r.meta.Self = self.String()
	}
	return r
}

func first(list ...*url.URL) *url.URL {
	for _, u := range list {
		if u != nil {
			return u
		}
	}
	return nil
}

// absolute resolves ref and gives nil unless an http or https address comes out.
func absolute(base *url.URL, ref string) (*url.URL, bool) {
	u, err := url.Parse(strings.TrimSpace(ref))
	if err != nil || ref == "" {
		return nil, false
	}
	if base != nil {
		u = base.ResolveReference(u)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, false
	}
	return u, true
}

// link resolves an item's link. An absolute one stays as written; one with another scheme than http and
// https is dropped; a relative one stays relative only where nothing says what it is relative to.
func (r *reader) link(ref string) string {
	ref = strings.Join(strings.Fields(printable(ref)), "%20")
	if ref == "" {
		return ""
	}
	if low := strings.ToLower(ref); strings.HasPrefix(low, "http://") || strings.HasPrefix(low, "https://") {
		return ref
	}
	u, err := url.Parse(ref)
	if err != nil || u.Scheme != "" || strings.ContainsAny(ref, `<>"`) {
		return ""
	}
	if base := first(r.bases...); base != nil {
		return base.ResolveReference(u).String()
	}
	return ref
}

func (r *reader) story(i int, item *gofeed.Item) Story {
	s := Story{
		GUID:         strings.TrimSpace(printable(item.GUID)),
		URL:          r.link(item.Link),
		Headline:     plain(item.Title),
		PublishedRaw: line(item.Published),
		Language:     r.meta.Language,
	}
	content, summary := item.Content, item.Description
	var source string
	if i < len(r.rss) {
		content, source = r.fromRSS(&s, r.rss[i], content)
	}
	if i < len(r.atom) && r.atom[i].Source != nil {
		source = r.atom[i].Source.Title
	}
	if i < len(r.json) {
		r.fromJSON(&s, r.json[i])
	}
	if s.URL != "" {
		s.Canonical = Canonical(s.URL)
	}
	s.dates(item)
	s.people(item, source)
	s.categories(item.Categories)
	s.words(content, summary)
	s.Image = r.image(item, content, summary)
	if s.Headline == "" && s.Lead == "" && s.URL == "" {
		s.Warnings = append(s.Warnings, "the item has neither title, text nor link")
	}
	if s.URL != "" && s.Canonical == "" {
		s.Warnings = append(s.Warnings, "the link cannot be followed: "+clip(s.URL, 200))
	}
	return s
}

// fromRSS adds what only RSS has: a GUID that is the link, the source, loosely named elements.
func (r *reader) fromRSS(s *Story, o *rss.Item, content string) (string, string) {
	if s.URL == "" && o.GUID != nil && !strings.EqualFold(o.GUID.IsPermalink, "false") {
		g := strings.TrimSpace(o.GUID.Value)
		if strings.HasPrefix(g, "http://") || strings.HasPrefix(g, "https://") || strings.HasPrefix(g, "/") && first(r.bases...) != nil {
			s.URL = r.link(g)
		}
	}
	if content == "" {
		content = o.Custom["encoded"]
	}
	if content == "" {
		content = o.Custom["body"]
	}
	source := ""
	if o.Source != nil {
		source = o.Source.Title
	}
	if source == "" && o.DublinCoreExt != nil {
		source = strings.Join(append(o.DublinCoreExt.Source, o.DublinCoreExt.Publisher...), ", ")
	}
	return content, source
}

func (r *reader) fromJSON(s *Story, o *feedjson.Item) {
	if s.URL == "" {
		s.URL = r.link(o.ExternalURL)
	}
	if o.Language != "" {
		s.Language = bcp47(o.Language)
	}
}

// dates prefers our own reading of the text: it knows more zones, and invents none.
func (s *Story) dates(item *gofeed.Item) {
	if t, ok := parseDate(item.Published); ok {
		s.Published = t
	} else if item.PublishedParsed != nil && s.PublishedRaw == "" {
		s.Published = item.PublishedParsed.UTC()
	}
	if t, ok := parseDate(item.Updated); ok {
		s.Updated = t
	}
	for _, e := range item.Extensions["dcterms"]["modified"] {
		if t, ok := parseDate(e.Value); ok && s.Updated.IsZero() {
			s.Updated = t
		}
	}
	for _, name := range []string{"issued", "created"} {
		for _, e := range item.Extensions["dcterms"][name] {
			if t, ok := parseDate(e.Value); ok && s.PublishedRaw == "" {
				s.Published, s.PublishedRaw = t, line(e.Value)
			}
		}
	}
	if s.Published.IsZero() && s.PublishedRaw == "" && !s.Updated.IsZero() {
		s.Published, s.PublishedRaw = s.Updated, line(item.Updated)
	}
	if s.Published.IsZero() && s.PublishedRaw != "" {
		s.Warnings = append(s.Warnings, "the date cannot be read: "+clip(s.PublishedRaw, 100))
	}
}

// words fills lead, blocks, crossheads and the count from an item's content and summary.
func (s *Story) words(content, summary string) {
	s.Blocks = blocksOf(content)
	short := blocksOf(summary)
	if len(s.Blocks) == 0 {
		s.Blocks = short
	}
	if len(short) == 0 {
		short = s.Blocks
	}
	for _, b := range short {
		if b.Type != "crosshead" {
			s.Lead = Excerpt(b.Text, 500)
			break
		}
	}
	for _, b := range s.Blocks {
		s.Words += countWords(b.Text)
		if b.Type == "crosshead" {
			s.Crossheads = append(s.Crossheads, b.Text)
		}
	}
}

// categories keeps them all as tags; SectionRaw is the first.
func (s *Story) categories(list []string) {
	for _, c := range list {
		c = plain(c)
		if c != "" && !slices.Contains(s.Tags, c) && len(s.Tags) < 100 {
			s.Tags = append(s.Tags, c)
		}
	}
	if len(s.Tags) > 0 {
		s.SectionRaw = s.Tags[0]
		s.TagsRaw = strings.Join(s.Tags, ", ")
	}
}

// bcp47 tidies a language tag; what is none gives "".
func bcp47(s string) string {
	tag, err := language.Parse(strings.TrimSpace(s))
	if err != nil || tag == language.Und {
		return ""
	}
	return tag.String()
}
