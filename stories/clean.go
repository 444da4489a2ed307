package stories

import (
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Clean returns feed HTML with nothing left in it but text and its plain structure: paragraphs,
// headings, lists, quotes, tables, emphasis, and links to http, https and mailto. No scripts,
// handlers, styles, forms, frames, embedded objects or pictures survive.
func Clean(s string) string { return policy.Sanitize(s) }

// policy is read only once built; bluemonday allows concurrent use then.
var policy = newPolicy()

func newPolicy() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "hr", "div", "span", "section", "article", "header", "footer", "main", "aside", "figure", "figcaption",
		"h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "dl", "dt", "dd", "blockquote", "q", "cite", "pre", "code",
		"b", "strong", "i", "em", "u", "s", "del", "ins", "sub", "sup", "small", "mark", "abbr", "time",
		"table", "caption", "thead", "tbody", "tfoot", "tr", "td", "th")
	p.AllowAttrs("dir").Matching(bluemonday.Direction).Globally()
	p.AllowAttrs("href").OnElements("a")
	p.AllowURLSchemes("http", "https", "mailto")
	p.RequireParseableURLs(true)
	p.AllowRelativeURLs(false)
	p.RequireNoFollowOnLinks(true)
	p.SkipElementsContent("script", "style", "template", "noscript", "iframe", "frame", "frameset", "object", "embed", "applet",
		"svg", "math", "title", "textarea", "select", "option", "button", "audio", "video", "canvas", "xmp", "noembed", "noframes", "plaintext")
	return p
}

// hidden are elements whose text is not for readers.
var hidden = map[atom.Atom]bool{atom.Script: true, atom.Style: true, atom.Template: true, atom.Noscript: true, atom.Iframe: true,
	atom.Object: true, atom.Svg: true, atom.Math: true, atom.Title: true, atom.Textarea: true, atom.Select: true, atom.Button: true,
	atom.Audio: true, atom.Video: true, atom.Canvas: true, atom.Xmp: true, atom.Noembed: true, atom.Noframes: true}

// breaks are elements that begin and end a paragraph.
var breaks = map[atom.Atom]bool{atom.P: true, atom.Div: true, atom.Section: true, atom.Article: true, atom.Header: true, atom.Footer: true,
	atom.Main: true, atom.Aside: true, atom.Figure: true, atom.Figcaption: true, atom.Ul: true, atom.Ol: true, atom.Dl: true, atom.Dt: true,
	atom.Dd: true, atom.Table: true, atom.Tr: true, atom.Caption: true, atom.Hr: true, atom.Pre: true, atom.Form: true, atom.Li: true,
	atom.Blockquote: true, atom.H1: true, atom.H2: true, atom.H3: true, atom.H4: true, atom.H5: true, atom.H6: true}

// plain turns a title or name that may hold HTML into one line of text. A tag that HTML does not know, or that
// reads like a word in brackets ("List<T> explained", "What is <object>?"), is text.
func plain(s string) string {
	if !strings.ContainsAny(s, "<&") {
		return line(s)
	}
	if end := strings.LastIndexByte(s, '>') + 1; !strings.Contains(s[end:], "=") {
		s = s[:end] + strings.ReplaceAll(s[end:], "<", "&lt;") // "A<B": no half of a tag
	}
	s = keepTail(s)
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(s))
	skip := atom.Atom(0)        // the element whose content is passed over
	ends := map[atom.Atom]int{} // where the last end tag of an element is
	for at := 0; ; {
		kind := z.Next()
		raw := string(z.Raw())
		at += len(raw)
		if kind == html.ErrorToken {
			return line(b.String())
		}
		if kind == html.TextToken {
			if skip == 0 {
				b.WriteString(html.UnescapeString(raw))
			}
			continue
		}
		if kind == html.CommentToken || kind == html.DoctypeToken {
			continue
		}
		t := z.Token()
		begins := hidden[t.DataAtom] && kind == html.StartTagToken
		if _, ok := ends[t.DataAtom]; begins && !ok {
			ends[t.DataAtom] = strings.LastIndex(lowerASCII(s), "</"+t.Data)
		}
		switch {
		case skip != 0:
			if t.DataAtom == skip && kind == html.EndTagToken {
				skip = 0
			}
		case t.DataAtom == 0 || !markup(raw, &t) || begins && ends[t.DataAtom] < at:
			b.WriteString(html.UnescapeString(raw))
			z.NextIsNotRawText()
		case begins:
			skip = t.DataAtom
		case t.DataAtom == atom.Img:
			for _, a := range t.Attr {
				if a.Key == "alt" {
					b.WriteString(" " + a.Val + " ")
				}
			}
		case breaks[t.DataAtom] || t.DataAtom == atom.Br:
			b.WriteByte(' ')
		}
	}
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// markup says whether a token looks like a tag that somebody meant: <b>, </i>, <a href=…>, but not "a <b and c> d".
func markup(raw string, t *html.Token) bool {
	return len(raw) > 2 && strings.HasSuffix(raw, ">") && (len(t.Attr) == 0 || strings.Contains(raw, "="))
}

// keepTail makes text of what looks like the beginning of a tag but never ends, as in "profit <expected",
// for HTML drops that. The first half of a real tag, as shortened summaries end in, may go.
func keepTail(s string) string {
	end := strings.LastIndexByte(s, '>') + 1
	if i := strings.IndexByte(s[end:], '<'); i < 0 || looksHTML(s[end+i:]+">") {
		return s
	}
	return s[:end] + strings.ReplaceAll(s[end:], "<", "&lt;")
}

// blocksOf reads HTML or plain text into paragraph-like blocks.
func blocksOf(s string) []Block {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	if !looksHTML(s) {
		return plainBlocks(html.UnescapeString(s))
	}
	b := blockBuilder{}
	b.read(Clean(keepTail(s)))
	return b.blocks
}

// looksHTML says whether a text holds at least one tag that HTML knows.
func looksHTML(s string) bool {
	for i := strings.IndexByte(s, '<'); i >= 0 && i < len(s); {
		j := i + 1
		if j < len(s) && s[j] == '/' {
			j++
		}
		k := j
		for k < len(s) && k-j < 12 && (s[k]|0x20 >= 'a' && s[k]|0x20 <= 'z' || s[k] >= '1' && s[k] <= '6') {
			k++
		}
		if k > j && k < len(s) && (s[k] == '>' || s[k] == '/' || isSpace(s[k])) && atom.Lookup([]byte(strings.ToLower(s[j:k]))) != 0 {
			return true
		}
		n := strings.IndexByte(s[i+1:], '<')
		if n < 0 {
			return false
		}
		i += 1 + n
	}
	return false
}

// plainBlocks splits plain text at blank lines.
func plainBlocks(s string) []Block {
	var blocks []Block
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	var para []string
	flush := func() {
		if t := paragraph(strings.Join(para, " ")); t != "" {
			blocks = append(blocks, Block{"p", t})
		}
		para = para[:0]
	}
	for l := range strings.SplitSeq(s, "\n") {
		if strings.TrimSpace(l) == "" {
			flush()
			continue
		}
		para = append(para, l)
	}
	flush()
	return blocks
}

// paragraph folds a block's white space. Unlike a line it has no limit of its own.
func paragraph(s string) string { return strings.Join(strings.Fields(printable(s)), " ") }

type blockBuilder struct {
	blocks []Block
	text   strings.Builder
	quote  int // depth of blockquotes
	kind   string
}

func (b *blockBuilder) flush() {
	t := paragraph(b.text.String())
	b.text.Reset()
	kind := b.kind
	if kind == "" {
		kind = "p"
		if b.quote > 0 {
			kind = "quote"
		}
	}
	if t != "" && strings.Trim(t, "*-_·•|/ ") != "" {
		b.blocks = append(b.blocks, Block{kind, t})
	}
}

// read walks flat over tokens: no tree, so no depth can hurt.
func (b *blockBuilder) read(s string) {
	z := html.NewTokenizer(strings.NewReader(s))
	skip := atom.Atom(0)
	nested, brs := 0, 0
	for {
		tt := z.Next()
		if tt == html.ErrorToken {
			b.flush()
			return
		}
		if tt == html.TextToken {
			if skip == 0 {
				text := string(z.Text())
				if strings.TrimSpace(text) != "" {
					brs = 0
				}
				b.text.WriteString(text)
			}
			continue
		}
		if tt != html.StartTagToken && tt != html.EndTagToken && tt != html.SelfClosingTagToken {
			continue
		}
		name, _ := z.TagName()
		a := atom.Lookup(name)
		if skip != 0 {
			if a == skip && tt == html.StartTagToken {
				nested++
			} else if a == skip && tt == html.EndTagToken {
				if nested--; nested == 0 {
					skip = 0
				}
			}
			continue
		}
		if hidden[a] && tt == html.StartTagToken {
			skip, nested = a, 1
			continue
		}
		switch a {
		case atom.Br:
			b.text.WriteByte(' ')
			if brs++; brs == 2 {
				b.flush()
			}
			continue
		case atom.Td, atom.Th:
			b.text.WriteByte(' ')
			continue
		}
		if !breaks[a] {
			continue
		}
		b.flush()
		brs = 0
		begin := tt == html.StartTagToken
		switch a {
		case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
			b.kind = ""
			if begin {
				b.kind = "crosshead"
			}
		case atom.Li:
			b.kind = ""
			if begin {
				b.kind = "list"
			}
		case atom.Ul, atom.Ol:
			b.kind = ""
		case atom.Blockquote:
			if begin {
				b.quote++
			} else {
				b.quote = max(0, b.quote-1)
			}
		}
	}
}
