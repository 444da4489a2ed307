package digest

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"broadsheet/mailer"
	"broadsheet/stories"
	"broadsheet/templates"
)

// How long what a composer fills in can get.
const (
	maxAddressHTML = 254 * len("&#39;")
	valueSlack     = 64 // octets by which the values of a section or story may grow while others are cut
)

// maxToken is the length of the longest link token for a section.
func maxToken(section string) int {
	return base64.RawURLEncoding.EncodedLen(2 + 4*9 + len(section) + 16)
}

// sheet is a digest being laid out.
type sheet struct {
	p       *Press
	issue   *Issue
	words   *templates.Words
	zone    *time.Location
	html    bool
	columns []*column
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
	l := &sheet{p: p, issue: i, words: p.set.Words(s.Language), zone: zone, html: !s.TextOnly}
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
		with, err := l.contents("contents.html")
		if err != nil {
			return err
		}
		l.columns = l.columns[:len(l.columns)-1]
		without, err := l.contents("contents.html")
		if err != nil {
			return err
		}
		size -= head + foot + len(with) - len(without)
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
	contents, err := l.contents("contents.html")
	if err != nil {
		return 0, err
	}
	size += len(contents)
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
	script := l.p.script(e.story)
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
				r, err = l.p.piece(k, script, l.words.Script, v)
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

// contents is the line that says what the mail holds.
func (l *sheet) contents(name string) (string, error) {
	v := contentsView{W: l.words}
	for _, c := range l.columns {
		v.Sections = append(v.Sections, templates.Fill(l.words.SectionCount,
			"section", isolate(l.p.section(c.id), l.words.RTL()), "n", l.words.Number(len(c.articles))))
	}
	var b bytes.Buffer
	var err error
	if base, ok := strings.CutSuffix(name, ".html"); ok {
		err = l.p.set.HTML(&b, base, v)
	} else {
		err = l.p.set.Text(&b, strings.TrimSuffix(name, ".txt"), v)
		return templates.Wrap("", b.String()), err
	}
	return strings.TrimSpace(b.String()), err
}

func (l *sheet) moreText(c *column) string {
	return l.words.Count(l.words.More, c.more, "section", isolate(l.p.section(c.id), l.words.RTL()))
}

// subject is the reader's own lead headline and how many more there are, or what the edition wants.
func (l *sheet) subject() (string, error) {
	all := l.all()
	lead := cut(all[0].brief.headline, 60)
	more := len(all) - 1
	if l.p.subject != nil {
		var b strings.Builder
		err := l.p.subject.Execute(&b, SubjectData{Headline: lead, More: more, Stories: len(all),
			Edition: l.p.title(), Publication: clean(l.p.pub.Name), Date: l.words.Day(l.local())})
		if err != nil {
			return "", fmt.Errorf("fill subject of edition %s: %w", l.p.edition.Name, err)
		}
		if s := cut(clean(b.String()), 200); s != "" {
			return s, nil
		}
	}
	lead = isolate(lead, l.words.RTL())
	if more == 0 {
		return lead, nil
	}
	return l.words.Count(l.words.Subject, more, "headline", lead), nil
}

// preheader is what an inbox shows beside the subject: the next headlines, or else how the lead
// goes on; it never says again what the subject says.
func (l *sheet) preheader() string {
	const least, most = 40, 130
	all := l.all()
	var parts []string
	length := 0
	add := func(s string) {
		if s != "" && !slices.Contains(parts, s) && s != all[0].brief.headline {
			parts = append(parts, s)
			length += utf8.RuneCountInString(s)
		}
	}
	for n, e := range all[1:] {
		if n < 2 || length < least {
			add(e.brief.headline)
		}
	}
	for _, s := range []string{all[0].brief.two, clean(l.p.pub.Tagline)} {
		if length < least {
			add(s)
		}
	}
	room := most
	for n, s := range parts {
		if room < 20 {
			parts = parts[:n]
			break
		}
		parts[n] = cut(s, room-1) // and an ellipsis
		room -= utf8.RuneCountInString(parts[n]) + len(" · ")
		parts[n] = isolate(parts[n], l.words.RTL())
	}
	return strings.Join(parts, " · ")
}

// local is the slot's own date and wall time, in the zone of the issue.
func (l *sheet) local() time.Time {
	t, err := time.Parse("2006-01-02 15:04", l.issue.Local)
	if err != nil {
		return l.issue.Due.In(l.zone)
	}
	return t
}

// wordsShown counts what there is to read in the mail itself.
func (l *sheet) wordsShown() int {
	n := 0
	for _, e := range l.all() {
		_, words := e.brief.summary(e.role)
		n += words
	}
	return n
}

// assemble puts the pieces in order, with the values of their marks.
func (l *sheet) assemble(d *Digest) error {
	d.Pieces, d.Items = nil, nil
	var err error
	if d.Subject, err = l.subject(); err != nil {
		return err
	}
	h, err := l.p.header(d.TextOnly)
	if err != nil {
		return err
	}
	var field mailer.Header
	field.Add("Subject", mailer.NewLine(d.Subject))
	subject, err := field.AppendTo(nil)
	if err != nil {
		return err
	}
	d.Pieces = append(d.Pieces, Piece{h, []string{string(subject)}})
	for _, c := range l.columns {
		for _, e := range c.articles {
			d.Items = append(d.Items, Item{Story: e.story.ID, Revision: e.story.Revision, Section: c.id, Role: e.role})
		}
	}
	if d.TextOnly {
		_, err := l.part(d, ".txt")
		return err
	}
	d.Pieces = append(d.Pieces, Piece{Fragment: l.p.fixed(partText)})
	if _, err := l.part(d, ".txt"); err != nil {
		return err
	}
	d.Pieces = append(d.Pieces, Piece{Fragment: l.p.fixed(partHTML)})
	if d.HTMLSize, err = l.part(d, ".html"); err != nil {
		return err
	}
	d.Pieces = append(d.Pieces, Piece{Fragment: l.p.fixed(partEnd)})
	return nil
}

// part adds one form of the mail and returns its size on the other side.
func (l *sheet) part(d *Digest, kind string) (int, error) {
	size := 0
	escape := func(values ...string) []string {
		if kind == ".html" {
			for i, v := range values {
				values[i] = html.EscapeString(v)
			}
		}
		return values
	}
	add := func(r *rendered, err error, values ...string) error {
		if err != nil {
			return err
		}
		size += r.size
		coded := make([]string, len(values))
		for i, v := range values {
			size += len(v) + strings.Count(v, "\n")
			coded[i] = quoteValue(v)
		}
		d.Pieces = append(d.Pieces, Piece{r.fragment, coded})
		return nil
	}
	values, err := l.headValues(d.Subject)
	if err != nil {
		return 0, err
	}
	values = escape(values...)
	if values[headContents], err = l.contents("contents" + kind); err != nil { // a template escapes for itself
		return 0, err
	}
	r, err := l.frame("head"+kind, 0)
	if err := add(r, err, values...); err != nil {
		return 0, err
	}
	n := 0
	for ci, c := range l.columns {
		r, err := l.section("section-head"+kind, c, false, false)
		if err := add(r, err); err != nil {
			return 0, err
		}
		for _, e := range c.articles {
			n++
			r := e.html
			if kind == ".txt" {
				r = e.text
			}
			if err := add(r, nil, escape(l.storyValues(n, e.story)...)...); err != nil {
				return 0, err
			}
		}
		r, err = l.section("section-foot"+kind, c, c.more > 0, ci == 0)
		if c.more > 0 {
			err = add(r, err, escape(l.moreText(c))...)
		} else {
			err = add(r, err)
		}
		if err != nil {
			return 0, err
		}
	}
	if l.issue.Next.IsZero() {
		r, err = l.frame("tail"+kind, 1)
		return size, add(r, err)
	}
	r, err = l.frame("tail"+kind, 0)
	next := templates.Fill(l.words.Next, "time", l.words.DayTime(l.issue.Next.In(l.zone), l.p.cities[l.zone.String()]))
	err = add(r, err, escape(next)...)
	return size, err
}

// headValues are what the frame's head says, but for the contents.
func (l *sheet) headValues(subject string) ([]string, error) {
	v := make([]string, headCities+len(l.p.pub.Cities))
	v[headSubject] = subject
	v[headPreheader] = l.preheader()
	v[headDate] = l.words.Day(l.local())
	v[headCount] = l.words.Count(l.words.Stories, len(l.all()))
	v[headMinutes] = l.words.Count(l.words.MailMin, minutes(l.wordsShown()))
	for i, c := range l.p.pub.Cities {
		loc, err := l.p.zone(c.Zone)
		if err != nil {
			return nil, err
		}
		v[headCities+i] = l.words.Clock(l.issue.Due.In(loc))
	}
	return v, nil
}

// storyValues are the number of a story and its times as the reader's zone has them.
func (l *sheet) storyValues(n int, s *stories.Story) []string {
	v := make([]string, storyValues)
	v[storyNumber] = l.words.Number(n)
	if s.Published.IsZero() {
		return v
	}
	city := l.p.cities[l.zone.String()]
	at := s.Published.In(l.zone)
	v[storyTime] = isolate(l.words.When(at, l.issue.Due, city), l.words.RTL())
	if updated(s) {
		change := s.Updated.In(l.zone)
		text := l.words.When(change, l.issue.Due, city)
		if change.YearDay() == at.YearDay() && change.Year() == at.Year() {
			text = l.words.Clock(change)
		}
		v[storyUpdated] = isolate(templates.Fill(l.words.Updated, "time", text), l.words.RTL())
	}
	return v
}

// script is how a story is written. Where its language is not understood its headline tells the direction.
func (p *Press) script(s *stories.Story) templates.Script {
	lang := s.Language
	if lang == "" {
		lang = p.pub.Language
	}
	script := templates.ScriptOf(lang)
	if script.Language == "" && hasRTL(s.Headline) {
		script.Direction = "rtl"
	}
	return script
}

// brief reads a story once.
func (p *Press) brief(s *stories.Story) *brief {
	k := fragmentKey{name: "brief", revision: s.Revision}
	if r, ok := p.cached(k); ok {
		return r.brief
	}
	b := newBrief(s)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept.put(k, &rendered{brief: b}, len(b.headline)+len(b.two)+len(b.one)+256)
	return b
}

func (p *Press) cached(k fragmentKey) (*rendered, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kept.get(k)
}

// fixed is a fragment without marks.
func (p *Press) fixed(text string) *Fragment {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := fragmentKey{name: text}
	if r, ok := p.kept.get(k); ok {
		return r.fragment
	}
	f := &Fragment{Body: []byte(text)}
	p.kept.put(k, &rendered{fragment: f}, len(text)+256)
	return f
}
