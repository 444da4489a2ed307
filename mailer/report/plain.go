package report

import (
	"regexp"
	"strings"

	"golang.org/x/net/html"
)

// plain returns the part's text as people read it: of HTML what is shown.
func (p *part) plain() string {
	s := p.text()
	if p.kind != "text/html" {
		return s
	}
	var out strings.Builder
	z := html.NewTokenizer(strings.NewReader(s))
	hidden := 0
	for {
		switch z.Next() {
		case html.ErrorToken:
			return out.String()
		case html.TextToken:
			if hidden == 0 {
				out.Write(z.Text())
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			switch string(name) {
			case "style", "script", "head", "title":
				hidden++
			case "br", "p", "div", "tr", "table", "h1", "h2", "h3", "li", "ul", "hr", "td", "blockquote", "body":
				out.WriteByte('\n')
			}
		case html.EndTagToken:
			switch name, _ := z.TagName(); string(name) {
			case "style", "script", "head", "title":
				hidden = max(hidden-1, 0)
			case "p", "div", "tr", "h1", "h2", "h3", "li":
				out.WriteByte('\n')
			}
		}
	}
}

// saidMax is how much of what a report says is looked at, in octets.
const saidMax = 64 << 10

// words returns what a report says to people: its text parts without what is sent back.
func (m *message) words() string {
	if m.said == nil {
		m.said = new(wordsIn(m.part))
	}
	return *m.said
}

func wordsIn(m *part) string {
	var plain, rich []string
	for p := range m.own() {
		switch {
		case p.kind == "text/plain" && len(p.parts) == 0:
			plain = append(plain, p.plain())
		case p.kind == "text/html":
			rich = append(rich, p.plain())
		}
	}
	if len(strings.TrimSpace(strings.Join(plain, ""))) < 20 {
		plain = append(plain, rich...)
	}
	text := strings.Join(plain, "\n")
	if len(text) > saidMax {
		text = strings.ToValidUTF8(text[:saidMax], "")
	}
	text, _ = cutReturned(text)
	return mimeLines.ReplaceAllString(text, "")
}

// mimeLines are lines of MIME that stand in a text where a message is broken.
var mimeLines = regexp.MustCompile(`(?im)^(content-[a-z-]+|mime-version): .*(\n[ \t].*=.*)*$`)
