package digest

import (
	"context"
	"errors"
	"fmt"
	"html"
	"slices"
	"strings"
	"time"

	"broadsheet/stories"
	"broadsheet/templates"
)

// sheet is a digest being laid out.
type sheet struct {
	p       *Press
	issue   *Issue
	words   *templates.Words
	zone    *time.Location
	html    bool
	columns []*column
	coded   map[string]string // values, by what they say
}

// column is one section of it.
type column struct {
	id       string
	more     int
	articles []*article
}

// article is one story of it.
type article struct {
	story *stories.Story
	brief *brief
	role  Role
	html  *rendered
	text  *rendered

	values []string
}

// Layout makes the mail of a selection: header, text part and HTML part as fragments with the
// values of their marks. story loads a revision. The HTML stays under [MaxHTML] whatever the
// composer fills in: pictures are left out first, then summaries, both from the end backwards,
// then stories from the end, which their section's "N more" then counts; a section that loses
// its last story goes too. The text part shows the same. If a story cannot be laid out the error
// is a [StoryError]. It is the same digest for the same selection each time.
func (p *Press) Layout(ctx context.Context, i *Issue, s *Selection, story func(revision int64) (*stories.Story, error)) (*Digest, error) {
	zone, err := p.zone(s.Zone)
	if err != nil {
		return nil, fmt.Errorf("lay out digest: %w", err)
	}
	l := &sheet{p: p, issue: i, words: p.set.Words(s.Language), zone: zone, html: !s.TextOnly, coded: map[string]string{}}
	for _, picked := range s.Sections {
		c := &column{id: picked.Section, more: picked.More}
		for _, pick := range picked.Stories {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			st, err := story(pick.Revision)
			if err != nil {
				return nil, fmt.Errorf("lay out digest: %w", err)
			}
			e := &article{story: st, brief: p.brief(st), role: Card}
			if len(l.columns) == 0 && len(c.articles) == 0 {
				e.role = Lead
			}
			c.articles = append(c.articles, e)
		}
		if len(c.articles) > 0 {
			l.columns = append(l.columns, c)
		}
	}
	if len(l.columns) == 0 {
		return nil, errors.New("lay out digest: nothing was chosen")
	}
	d := &Digest{Language: s.Language, Zone: zone.String(), TextOnly: s.TextOnly}
	for _, exact := range []bool{false, true} {
		if err := l.fit(exact); err != nil {
			return nil, fmt.Errorf("lay out digest: %w", err)
		}
		if err := l.assemble(d); err != nil {
			return nil, fmt.Errorf("lay out digest: %w", err)
		}
		if d.HTMLSize <= MaxHTML {
			return d, nil
		}
	}
	return nil, fmt.Errorf("lay out digest: HTML part has %d octets, more than %d", d.HTMLSize, MaxHTML)
}

// all lists the stories in order.
func (l *sheet) all() []*article {
	var all []*article
	for _, c := range l.columns {
		all = append(all, c.articles...)
	}
	return all
}

// fit renders every story and takes away until the HTML part is small enough. Nearly every digest
// is far from the limit: unless it is to be exact, those are not weighed.
func (l *sheet) fit(exact bool) error {
	for _, e := range l.all() {
		if err := l.render(e); err != nil {
			return err
		}
	}
	if !l.html {
		return nil
	}
	all := l.all()
	size := 0
	for _, e := range all {
		size += e.html.size
	}
	if !exact && len(all) <= 20 && size <= MaxHTML/3 {
		return nil
	}
	size, err := l.bound()
	if err != nil || size <= MaxHTML {
		return err
	}
	for _, less := range []Role{Plain, Headline} {
		for _, e := range slices.Backward(all) {
			before := e.html.size
			e.role = less
			if err := l.render(e); err != nil {
				return err
			}
			if size -= before - e.html.size; size <= MaxHTML {
				return nil
			}
		}
	}
	return l.trim(size)
}

// trim takes stories away from the end; the first one stays.
func (l *sheet) trim(size int) error {
	for size > MaxHTML {
		c := l.columns[len(l.columns)-1]
		n := len(c.articles) - 1
		if n == 0 && len(l.columns) == 1 {
			return fmt.Errorf("one story and its frame alone have %d octets, more than %d", size, MaxHTML)
		}
		size -= c.articles[n].html.size + valueSlack
		c.articles = c.articles[:n]
		c.more++
		if n > 0 {
			continue
		}
		head, foot, err := l.sectionSize(c)
		if err != nil {
			return err
		}
		with, err := l.contentsSize()
		if err != nil {
			return err
		}
		l.columns = l.columns[:len(l.columns)-1]
		without, err := l.contentsSize()
		if err != nil {
			return err
		}
		size -= head + foot + with - without
	}
	return nil
}

// bound is at least the size of the HTML part, however stories and counts change from here.
func (l *sheet) bound() (int, error) {
	head, err := l.frame("head.html", 0)
	if err != nil {
		return 0, err
	}
	tail, err := l.frame("tail.html", 0)
	if err != nil {
		return 0, err
	}
	size := head.size + tail.size + 1024
	contents, err := l.contentsSize()
	if err != nil {
		return 0, err
	}
	size += contents
	subject, err := l.subject()
	if err != nil {
		return 0, err
	}
	size += len(html.EscapeString(subject)) + len(html.EscapeString(l.preheader())) + valueSlack*len(l.p.pub.Cities)
	for _, c := range l.columns {
		head, foot, err := l.sectionSize(c)
		if err != nil {
			return 0, err
		}
		size += head + foot
		for _, e := range c.articles {
			size += e.html.size + valueSlack
		}
	}
	return size, nil
}

func (l *sheet) sectionSize(c *column) (head, foot int, err error) {
	h, err := l.section("section-head.html", c, true, false)
	if err != nil {
		return 0, 0, err
	}
	f, err := l.section("section-foot.html", c, true, false)
	if err != nil {
		return 0, 0, err
	}
	return h.size, f.size + len(html.EscapeString(l.moreText(c))) + valueSlack, nil
}

// render makes both forms of a story in the role it has now.
func (l *sheet) render(e *article) error {
	var err error
	kinds := []string{".txt"}
	if l.html {
		kinds = append(kinds, ".html")
	}
	for _, kind := range kinds {
		k := fragmentKey{name: "story-" + string(e.role) + kind, revision: e.story.Revision, language: l.words.Language}
		r, ok := l.p.cached(k)
		if !ok {
			var v storyView
			if v, err = l.p.storyView(l.words, e.story, e.brief, e.role); err == nil {
				r, err = l.p.piece(k, l.p.script(e.story), l.words.Script, v)
			}
		}
		if err != nil {
			return &StoryError{Revision: e.story.Revision, Err: err}
		}
		if kind == ".txt" {
			e.text = r
		} else {
			e.html = r
		}
	}
	return nil
}

func (l *sheet) frame(name string, variant int) (*rendered, error) {
	k := fragmentKey{name: name, language: l.words.Language, variant: variant}
	if r, ok := l.p.cached(k); ok {
		return r, nil
	}
	v := l.p.frame(l.words, name)
	if strings.HasPrefix(name, "tail") && variant == 0 {
		v.Next = valueMark(0)
	}
	return l.p.piece(k, l.words.Script, l.words.Script, v)
}

func (l *sheet) section(name string, c *column, more, first bool) (*rendered, error) {
	k := fragmentKey{name: name, section: c.id, language: l.words.Language}
	if strings.HasPrefix(name, "section-foot") {
		if more {
			k.variant++
		}
		if first {
			k.variant += 2
		}
	}
	if r, ok := l.p.cached(k); ok {
		return r, nil
	}
	return l.p.piece(k, l.words.Script, l.words.Script, l.p.sectionView(l.words, c.id, more, first))
}
