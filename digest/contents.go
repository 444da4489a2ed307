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

// unbroken stands for a blank at which a line is not to be broken.
const unbroken = "\x1f"

// contents is the line that says what the mail holds: a fragment whose values are the entries. It
// stands within a line of the head. In plain text it is broken between entries.
func (l *sheet) contents(kind string, entries []string) (*rendered, error) {
	v := contentsView{W: l.words, Sections: make([]string, len(entries))}
	k := fragmentKey{name: "contents" + kind, language: l.words.Language, variant: len(entries)}
	if kind == ".html" {
		if r, ok := l.p.cached(k); ok {
			return r, nil
		}
		for n := range entries {
			v.Sections[n] = string(valueMark(n))
		}
		var b strings.Builder
		if err := l.p.set.HTML(&b, "contents", v); err != nil {
			return nil, err
		}
		return l.inline(k, strings.TrimSpace(b.String()))
	}
	for n, e := range entries {
		v.Sections[n] = strings.ReplaceAll(e, " ", unbroken)
	}
	var b strings.Builder
	if err := l.p.set.Text(&b, "contents", v); err != nil {
		return nil, err
	}
	rest := templates.Wrap("", b.String())
	b.Reset()
	for n, e := range v.Sections {
		before, behind, found := strings.Cut(rest, e)
		if !found {
			break
		}
		b.WriteString(before + string(valueMark(n)))
		rest = behind
	}
	k.section = strings.ReplaceAll(b.String()+rest, unbroken, " ")
	return l.inline(k, k.section)
}

// inline keeps text as a fragment that ends within a line.
func (l *sheet) inline(k fragmentKey, text string) (*rendered, error) {
	if r, ok := l.p.cached(k); ok {
		return r, nil
	}
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
	r, err := l.contents(".html", entries)
	if err != nil {
		return 0, err
	}
	size := r.size
	for _, e := range entries {
		size += len(html.EscapeString(e))
	}
	return size, nil
}

// head renders the frame's head in parts: between each two of them stand the contents.
func (l *sheet) head(kind string) ([]*rendered, error) {
	k := fragmentKey{name: "parts of head" + kind, language: l.words.Language}
	if r, ok := l.p.cached(k); ok {
		return r.parts, nil
	}
	whole, err := l.frame("head"+kind, 0)
	if err != nil {
		return nil, err
	}
	r := &rendered{fragment: whole.fragment}
	for n, body := range bytes.Split(whole.fragment.Body, []byte(valueMark(headContents))) {
		part := &rendered{size: whole.size}
		if n > 0 { // a mark stands between soft line breaks, and the contents end with one of their own
			part.size, body = 0, bytes.TrimPrefix(body, []byte("=\r\n"))
		}
		segs, err := parse(body)
		if err != nil {
			return nil, fmt.Errorf("render %s: %w", k.name, err)
		}
		for _, s := range segs {
			if s.kind == markValue {
				part.values = max(part.values, int(s.value)+1)
			}
		}
		part.fragment = &Fragment{Body: bytes.Clone(body)}
		r.parts = append(r.parts, part)
	}
	return l.p.keep(k, r).parts, nil
}
