package digest

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"mime/quotedprintable"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"broadsheet/stories"
	"broadsheet/subscribers"
)

// Page is a digest as it is shown in a browser: as sent, but for what is its reader's own. There
// is no name, no address and no token in it, so that it may be passed on.
type Page struct {
	Subject   string
	Language  string // BCP 47
	Direction string // ltr or rtl
	Style     string // of its classes, fit to stand in a style element
	Class     string // of the body
	Body      string // HTML
	Text      string // instead of Style, Class and Body where the digest is text only
}

// What stands on a page for what the mail has of its reader. Text of stories has no control
// characters, so these are told from it: see [clean].
const (
	ownLink    = "\x01"
	ownAddress = "\x02"
	storyLink  = "\x03" // around the story's id
)

// BrowserPage makes the page of a digest whose pieces have their fragments' bodies. story gives the
// address of a story, "" if there is none: pages link there and need no token. In the place of a story
// for which gone has a text that text stands, as the subject too if it was the story's headline; gone may
// be nil. The error says that the digest is damaged, or is [stories.ErrWithdrawn] if it cannot be told
// where in it a story stands that is gone.
func BrowserPage(d *Digest, story, gone func(id int64) string) (*Page, error) {
	if gone == nil {
		gone = func(int64) string { return "" }
	}
	p := &Page{Subject: d.Subject, Language: d.Language, Direction: "ltr"}
	if len(d.Items) > 0 {
		p.Subject = cmp.Or(gone(d.Items[0].Story), p.Subject)
	}
	raw, err := bare(d, gone)
	if err != nil {
		return nil, fmt.Errorf("make page of digest: %w", err)
	}
	_, body, ok := bytes.Cut(raw, []byte("\r\n\r\n")) // behind the header
	if !ok {
		return nil, fmt.Errorf("make page of digest: %w", ErrPacked)
	}
	if d.TextOnly {
		text, err := decodeBody(body)
		if err != nil {
			return nil, fmt.Errorf("make page of digest: %w", err)
		}
		p.Text = textPage(text, story)
		if hasRTL(p.Subject) {
			p.Direction = "rtl"
		}
		return p, nil
	}
	_, body, ok = bytes.Cut(body, []byte(partHTML))
	body, _, end := bytes.Cut(body, []byte(partEnd))
	if !ok || !end {
		return nil, fmt.Errorf("make page of digest: %w", ErrPacked)
	}
	text, err := decodeBody(body)
	if err == nil {
		err = p.fromHTML(text, story)
	}
	if err != nil {
		return nil, fmt.Errorf("make page of digest: %w", err)
	}
	return p, nil
}

// bare is the message with nothing of a reader in it, and nothing of stories that are gone.
func bare(d *Digest, gone func(id int64) string) ([]byte, error) {
	var b []byte
	absent := map[int64]bool{} // gone, and not met yet
	for _, item := range d.Items {
		if gone(item.Story) != "" {
			absent[item.Story] = true
		}
	}
	page := false
	for n, piece := range d.Pieces {
		segs, err := parse(piece.Fragment.Body)
		if err != nil {
			return nil, fmt.Errorf("piece %d: %w", n, err)
		}
		page = page || string(piece.Fragment.Body) == partHTML
		if text, ok := instead(segs, gone, absent); ok {
			if page {
				text = `<tr><td class="pad" style="padding:16px 32px"><p class="muted" style="margin:0;color:#5f594f">` + html.EscapeString(text) + "</p></td></tr>\n"
			} else {
				text = "\n" + text + "\n"
			}
			b = append(b, quoteBody(text)...)
			continue
		}
		for _, s := range segs {
			b = append(b, s.text...)
			switch s.kind {
			case markValue:
				if int(s.value) >= len(piece.Values) {
					return nil, fmt.Errorf("piece %d: value %d is missing", n, s.value)
				}
				b = append(b, piece.Values[s.value]...)
			case markLink:
				if s.link.kind == subscribers.Read {
					b = append(b, "=03"+strconv.FormatInt(s.link.story, 10)+"=03"...)
				} else {
					b = append(b, "=01"...)
				}
			case markAddress, markAddrText:
				b = append(b, "=02"...)
			}
		}
	}
	if len(absent) > 0 { // an operator's own template shows stories without a link: what is theirs is not known
		return nil, stories.ErrWithdrawn
	}
	return b, nil
}

// instead is the text that stands for a fragment, if it is a story that is gone. A story is known by the
// link to it.
func instead(segs []segment, gone func(id int64) string, absent map[int64]bool) (text string, ok bool) {
	for _, s := range segs {
		if s.kind == markLink && s.link.kind == subscribers.Read {
			if text = gone(s.link.story); text != "" {
				delete(absent, s.link.story)
				return text, true
			}
		}
	}
	return "", false
}

// ownWord is a link or an address that stands in a text.
var ownWord = regexp.MustCompile("[^\\s]*[\x01-\x03][^\\s]*")

func decodeBody(b []byte) (string, error) {
	text, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(b)))
	return string(text), err
}

// textPage leaves out links of the reader's own, each with the line above it that names it, and
// the line with the address.
func textPage(text string, story func(int64) string) string {
	var lines []string
	blank := false
	for line := range strings.Lines(strings.ReplaceAll(text, "\r\n", "\n")) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.Contains(line, ownAddress):
			continue
		case strings.Contains(line, ownLink):
			if n := len(lines); n > 0 && lines[n-1] != "" {
				lines = lines[:n-1]
			}
			blank = len(lines) == 0 || lines[len(lines)-1] == ""
			continue
		case strings.Contains(line, storyLink):
			address := story(storyOf(line))
			if address == "" {
				continue
			}
			line = line[:len(line)-len(strings.TrimLeft(line, " "))] + address
		}
		if bare := strings.Trim(line, " \u200e\u200f") == ""; bare && blank {
			continue // two that what is left out has brought together
		} else {
			blank = bare
		}
		lines = append(lines, line)
	}
	return strings.TrimSpace(strings.Join(lines, "\n")) + "\n"
}

// storyOf is the story that a link is to; 0 if it is to none.
func storyOf(link string) int64 {
	_, rest, _ := strings.Cut(link, storyLink)
	id, _, _ := strings.Cut(rest, storyLink)
	n, _ := strconv.ParseInt(id, 10, 64)
	return n
}

// sheets gathers styles: what an attribute says becomes a class, so that pages do without inline
// styles.
type sheets struct {
	class map[string]string
	rules strings.Builder
}

func (s *sheets) of(style string) (class string, ok bool) {
	style = strings.TrimSpace(style)
	if style == "" || strings.ContainsAny(style, "<>{}\\@\x01\x02\x03") {
		return "", false // could end the rule, or the style element
	}
	class, ok = s.class[style]
	if !ok {
		class = "m" + strconv.Itoa(len(s.class))
		s.class[style] = class
		s.rules.WriteString("." + class + "{" + style + "}\n")
	}
	return class, true
}

// fromHTML takes over the HTML part.
func (p *Page) fromHTML(text string, story func(int64) string) error {
	doc, err := html.Parse(strings.NewReader(text))
	if err != nil {
		return err
	}
	var body *html.Node
	var own strings.Builder // the mail's own style elements
	for n := range doc.Descendants() {
		switch n.DataAtom {
		case atom.Html:
			if dir := attribute(n, "dir"); dir != "" {
				p.Direction = dir
			}
		case atom.Style:
			if n.FirstChild != nil && !strings.Contains(n.FirstChild.Data, "<") {
				own.WriteString(n.FirstChild.Data)
			}
		case atom.Body:
			body = n
		}
	}
	if body == nil {
		return ErrPacked
	}
	s := sheets{class: map[string]string{}}
	p.bare(body, &s, story)
	p.Class = attribute(body, "class")
	p.Style = own.String() + s.rules.String()
	var b strings.Builder
	for n := range body.ChildNodes() {
		if err := html.Render(&b, n); err != nil {
			return err
		}
	}
	p.Body = b.String()
	return nil
}

// bare takes out of n what is the reader's own or of use in an inbox only.
func (p *Page) bare(n *html.Node, s *sheets, story func(int64) string) {
	attrs := n.Attr[:0]
	class := attribute(n, "class")
	for _, a := range n.Attr {
		switch {
		case a.Key == "class" || strings.HasPrefix(a.Key, "on"):
		case a.Key == "style":
			if name, ok := s.of(a.Val); ok {
				class = strings.TrimSpace(class + " " + name)
			}
		case strings.Contains(a.Val, storyLink):
			if address := story(storyOf(a.Val)); address != "" {
				attrs = append(attrs, html.Attribute{Key: a.Key, Val: address})
			}
		case !strings.Contains(a.Val, ownLink) && !strings.Contains(a.Val, ownAddress):
			attrs = append(attrs, a)
		}
	}
	if n.Attr = attrs; class != "" {
		n.Attr = append(n.Attr, html.Attribute{Key: "class", Val: class})
	}
	for child := range slices.Values(slices.Collect(n.ChildNodes())) {
		switch {
		case child.Type == html.TextNode:
			child.Data = ownWord.ReplaceAllString(child.Data, "")
		case child.Type != html.ElementNode || ofReader(child):
			n.RemoveChild(child)
		default:
			p.bare(child, s, story)
		}
	}
}

// ofReader reports whether an element is not for everybody, or not for a page. An operator's own
// templates may lack the class: a link by token goes in any case.
func ofReader(n *html.Node) bool {
	switch n.DataAtom {
	case atom.Script, atom.Style, atom.Link, atom.Meta, atom.Base, atom.Form, atom.Iframe, atom.Object, atom.Embed:
		return true
	}
	return slices.Contains(strings.Fields(attribute(n, "class")), "own") ||
		strings.Contains(attribute(n, "href"), ownLink) ||
		unseen(attribute(n, "style")) // the inbox's line of text, which has headlines of stories that may be gone
}

// unseen reports whether an inline style hides what it is of from readers of the mail.
func unseen(style string) bool {
	for rule := range strings.SplitSeq(strings.ToLower(style), ";") {
		name, value, _ := strings.Cut(rule, ":")
		value, _, _ = strings.Cut(value, "!")
		switch name, value = strings.TrimSpace(name), strings.TrimSpace(value); name {
		case "display":
			if value == "none" {
				return true
			}
		case "visibility":
			if value == "hidden" {
				return true
			}
		case "mso-hide":
			if value == "all" {
				return true
			}
		case "max-height", "opacity":
			if n := strings.TrimRight(value, "abcdefghijklmnopqrstuvwxyz%"); n != "" && strings.Trim(n, "0.") == "" {
				return true
			}
		}
	}
	return false
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}
