package report

import (
	"strings"

	"golang.org/x/net/html"
)

// htmlText returns the text of HTML without what mail programs mark as quoted: the other mail's
// words are not the sender's. It is one walk over the tokens, whatever they are.
func htmlText(source string) string {
	if len(source) > MaxSize {
		source = source[:MaxSize]
	}
	var b strings.Builder
	skipped, depth := "", 0 // the element that is left out, and how many of its name are open
	z := html.NewTokenizer(strings.NewReader(source))
	for b.Len() < textMax {
		kind := z.Next()
		switch kind {
		case html.ErrorToken:
			return b.String()
		case html.TextToken:
			if skipped == "" {
				b.WriteString(strings.Join(strings.Fields(" "+string(z.Text())+" "), " ") + " ")
			}
		case html.StartTagToken, html.SelfClosingTagToken, html.EndTagToken:
			t := z.Token()
			switch {
			case skipped == "" && kind == html.StartTagToken && endsWords(t):
				return b.String()
			case skipped == "" && kind == html.StartTagToken && leftOut(t):
				skipped, depth = t.Data, 1
			case t.Data == skipped && kind == html.StartTagToken:
				depth++
			case t.Data == skipped && kind == html.EndTagToken:
				if depth--; depth == 0 {
					skipped = ""
				}
			case skipped == "" && breaksLine(t.Data):
				b.WriteByte('\n')
			}
		}
	}
	return b.String()
}

// breaksLine reports whether text behind the tag begins on a new line.
func breaksLine(name string) bool {
	switch name {
	case "br", "p", "div", "tr", "li", "ul", "ol", "table", "blockquote", "hr", "pre", "h1", "h2", "h3", "h4", "h5", "h6":
		return true
	}
	return false
}

// leftOut reports whether an element holds nothing that its sender wrote: quoted text of Gmail,
// Apple Mail, Thunderbird, Yahoo and Proton, and what is never shown.
func leftOut(t html.Token) bool {
	switch t.Data {
	case "style", "script", "title", "template", "blockquote":
		return true
	}
	for _, a := range t.Attr {
		if a.Key == "class" && (strings.Contains(a.Val, "gmail_quote") || strings.Contains(a.Val, "gmail_attr") || strings.Contains(a.Val, "gmail_signature") ||
			strings.Contains(a.Val, "yahoo_quoted") || strings.Contains(a.Val, "moz-cite-prefix") || strings.Contains(a.Val, "moz-signature") ||
			strings.Contains(a.Val, "protonmail_quote") || strings.Contains(a.Val, "zmail_extra")) {
			return t.Data == "div" || t.Data == "span" || t.Data == "pre"
		}
	}
	return false
}

// endsWords reports whether all behind an element is the other mail, as Outlook has it.
func endsWords(t html.Token) bool {
	for _, a := range t.Attr {
		if a.Key != "id" {
			continue
		}
		switch name := strings.TrimPrefix(strings.TrimPrefix(a.Val, "x_"), "mail-editor-"); name {
		case "appendonsend", "divRplyFwdMsg", "reference-message-container", "ms-outlook-mobile-reference", "OLK_SRC_BODY_SECTION":
			return true
		}
	}
	return false
}
