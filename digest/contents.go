package digest

import (
	"bytes"
	"fmt"
	"html"
	"strings"

	"broadsheet/templates"
)

type contentsView struct {
	W        *templates.Words
	Sections []string // with their counts
}

// entries are the sections with their counts, as the line of contents has them.
func (l *sheet) entries() []string {
	list := make([]string, len(l.columns))
	for i, c := range l.columns {
		list[i] = templates.Fill(l.words.SectionCount,
			"section", isolate(l.p.section(c.id), l.words.RTL()), "n", l.words.Number(len(c.articles)))
	}
	return list
}

// contentsText is the line that says what the mail holds, in plain text.
func (l *sheet) contentsText(entries []string) (string, error) {
	var b strings.Builder
	err := l.p.set.Text(&b, "contents", contentsView{W: l.words, Sections: entries})
	return templates.Wrap("", b.String()), err
}

// contents is the same in HTML: a fragment for so many sections, whose values are the entries.
// It stands within a line of the head.
func (l *sheet) contents(sections int) (*rendered, error) {
	k := fragmentKey{name: "contents.html", language: l.words.Language, variant: sections}
	if r, ok := l.p.cached(k); ok {
		return r, nil
	}
	v := contentsView{W: l.words}
	for n := range sections {
		v.Sections = append(v.Sections, string(valueMark(n)))
	}
	var b strings.Builder
	if err := l.p.set.HTML(&b, "contents", v); err != nil {
		return nil, err
	}
	text := strings.TrimSpace(b.String())
	body := bytes.TrimSuffix(quoteBody(text), []byte("\r\n"))
	if !bytes.HasSuffix(body, []byte("=\r\n")) {
		body = append(body, "=\r\n"...)
	}
	segs, err := parse(body)
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", k.name, err)
	}
	return l.p.keep(k, &rendered{fragment: &Fragment{Body: body}, size: decodedSize(text, segs)}), nil
}

// contentsSize is what the HTML contents weigh.
func (l *sheet) contentsSize() (int, error) {
	entries := l.entries()
	r, err := l.contents(len(entries))
	if err != nil {
		return 0, err
	}
	size := r.size
	for _, e := range entries {
		size += len(html.EscapeString(e))
	}
	return size, nil
}

// head renders the HTML frame's head in parts: between each two of them stand the contents.
func (l *sheet) head() ([]*rendered, error) {
	k := fragmentKey{name: "parts of head.html", language: l.words.Language}
	if r, ok := l.p.cached(k); ok {
		return r.parts, nil
	}
	whole, err := l.frame("head.html", 0)
	if err != nil {
		return nil, err
	}
	r := &rendered{fragment: whole.fragment}
	for n, body := range bytes.Split(whole.fragment.Body, []byte(valueMark(headContents))) {
		part := &rendered{size: whole.size}
		if n > 0 { // a mark stands between soft line breaks, and the contents end with one of their own
			part.size, body = 0, bytes.TrimPrefix(body, []byte("=\r\n"))
		}
		part.fragment = &Fragment{Body: bytes.Clone(body)}
		r.parts = append(r.parts, part)
	}
	return l.p.keep(k, r).parts, nil
}
