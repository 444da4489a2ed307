package digest

import (
	"html"
	"strings"
	"time"

	"broadsheet/mailer"
	"broadsheet/templates"
)

func (l *sheet) moreText(c *column) string {
	return l.words.Count(l.words.More, c.more, "section", isolate(l.p.section(c.id), l.words.RTL()))
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
	d.Pieces, d.Items, d.More = nil, nil, nil
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
		d.More = append(d.More, c.more)
		for _, e := range c.articles {
			d.Items = append(d.Items, Item{Story: e.story.ID, Revision: e.story.Revision, Section: c.id, Role: e.role})
		}
	}
	head, err := l.headValues(d.Subject)
	if err != nil {
		return err
	}
	if d.TextOnly {
		_, err := l.part(d, ".txt", head)
		return err
	}
	d.Pieces = append(d.Pieces, Piece{Fragment: l.p.fixed(partText)})
	if _, err := l.part(d, ".txt", head); err != nil {
		return err
	}
	d.Pieces = append(d.Pieces, Piece{Fragment: l.p.fixed(partHTML)})
	if d.HTMLSize, err = l.part(d, ".html", head); err != nil {
		return err
	}
	d.Pieces = append(d.Pieces, Piece{Fragment: l.p.fixed(partEnd)})
	return nil
}

// part adds one form of the mail, with the values of its head, and returns its size on the other side.
func (l *sheet) part(d *Digest, kind string, head []string) (int, error) {
	size := 0
	escape := func(values ...string) []string {
		if kind != ".html" {
			return values
		}
		escaped := make([]string, len(values))
		for i, v := range values {
			escaped[i] = html.EscapeString(v)
		}
		return escaped
	}
	add := func(r *rendered, err error, values ...string) error {
		if err != nil {
			return err
		}
		size += r.size
		coded := make([]string, len(values))
		for i, v := range values {
			size += len(v) + strings.Count(v, "\n")
			coded[i] = l.quoted(v)
		}
		d.Pieces = append(d.Pieces, Piece{r.fragment, coded})
		return nil
	}
	values, entries := escape(head...), l.entries()
	parts, err := l.head(kind)
	if err != nil {
		return 0, err
	}
	for n, part := range parts {
		if n > 0 {
			r, err := l.contents(kind, entries)
			if err := add(r, err, escape(entries...)...); err != nil {
				return 0, err
			}
		}
		if err := add(part, nil, values[:part.values]...); err != nil {
			return 0, err
		}
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
			if e.values == nil {
				e.values = l.storyValues(n, e.story)
			}
			if err := add(r, nil, escape(e.values...)...); err != nil {
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
		r, err := l.frame("tail"+kind, 1)
		return size, add(r, err)
	}
	r, err := l.frame("tail"+kind, 0)
	next := templates.Fill(l.words.Next, "time", l.words.DayTime(l.issue.Next.In(l.zone), l.p.cities[l.zone.String()]))
	err = add(r, err, escape(next)...)
	return size, err
}

// quoted codes a value; most of them stand in both parts.
func (l *sheet) quoted(v string) string {
	q, ok := l.coded[v]
	if !ok {
		q = quoteValue(v)
		l.coded[v] = q
	}
	return q
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
