package digest

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// Finding is something about a mail that readers or their mail programs would stumble over.
type Finding struct {
	Rule  string `json:"rule"`  // what was looked at, steady: "links"
	Text  string `json:"text"`  // what is wrong
	Grave bool   `json:"grave"` // it should not go like this
}

// Linted is what [Lint] found out about a mail.
type Linted struct {
	Subject   string         `json:"subject"`
	Preheader string         `json:"preheader"` // what an inbox shows beside the subject
	Size      int            `json:"size"`      // octets of the whole mail
	HTMLSize  int            `json:"html_size"` // of the decoded HTML part, 0 = there is none
	TextSize  int            `json:"text_size"`
	Links     int            `json:"links"`
	Hosts     map[string]int `json:"hosts"` // links by where they lead
	Findings  []Finding      `json:"findings"`

	Text string `json:"-"` // the decoded parts
	HTML string `json:"-"`
}

const (
	longSubject  = 90 // characters, beyond which no inbox shows it
	leastPreview = 20 // characters; less lets the first links of the mail show in the inbox
	mostPreview  = 200
	leastMail    = 100 // octets of a text part that says anything
)

// Lint reads a finished mail as a strict mail program and an editor would. A mail that cannot be read
// has that as its finding.
func Lint(raw []byte) Linted {
	l := linter{Linted: Linted{Size: len(raw), Hosts: map[string]int{}, Findings: []Finding{}}}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		l.grave("header", "the mail cannot be read: %v", err)
		return l.Linted
	}
	l.header(m.Header)
	if err := l.parts(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body, 0); err != nil {
		l.grave("parts", "%v", err)
	}
	l.body()
	return l.Linted
}

type linter struct{ Linted }

func (l *linter) grave(rule, format string, args ...any) {
	l.Findings = append(l.Findings, Finding{rule, fmt.Sprintf(format, args...), true})
}

func (l *linter) note(rule, format string, args ...any) {
	l.Findings = append(l.Findings, Finding{rule, fmt.Sprintf(format, args...), false})
}

func (l *linter) header(h mail.Header) {
	for _, name := range []string{"From", "To", "Subject", "Date", "Message-Id", "Mime-Version"} {
		if n := len(h[name]); n != 1 {
			l.grave("header", "%s is there %d times, not once", name, n)
		}
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	l.Subject = subject
	switch n := utf8.RuneCountInString(subject); {
	case err != nil:
		l.grave("subject", "it cannot be decoded: %v", err)
	case strings.TrimSpace(subject) == "":
		l.grave("subject", "it is empty")
	case n > longSubject:
		l.note("subject", "it has %d characters; no inbox shows more than %d", n, longSubject)
	}
	l.leftover("subject", subject)
	if h.Get("List-Id") == "" { // a notice
		return
	}
	pages := 0
	for _, way := range strings.Split(h.Get("List-Unsubscribe"), ",") {
		way = strings.Trim(strings.TrimSpace(way), "<>")
		if u, err := url.Parse(way); err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http" && here(u.Hostname())) {
			pages++
		}
	}
	if pages != 1 {
		l.grave("one-click", "List-Unsubscribe has %d https addresses, not one", pages)
	}
	if h.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" {
		l.grave("one-click", "List-Unsubscribe-Post is not List-Unsubscribe=One-Click")
	}
}

// here reports whether a host is this machine, as in trials.
func here(host string) bool {
	return host == "localhost" || strings.HasPrefix(host, "127.") || host == "::1"
}

// parts decodes the text and the HTML part.
func (l *linter) parts(kind, coding string, body io.Reader, depth int) error {
	media, params, err := mime.ParseMediaType(kind)
	if err != nil {
		return fmt.Errorf("read Content-Type %q: %w", kind, err)
	}
	if strings.HasPrefix(media, "multipart/") && depth < 5 {
		r := multipart.NewReader(body, params["boundary"])
		for {
			p, err := r.NextRawPart()
			if err == io.EOF {
				return nil
			}
			if err == nil {
				err = l.parts(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p, depth+1)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", media, err)
			}
		}
	}
	if strings.EqualFold(coding, "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("%s: %w", media, err)
	}
	if !utf8.Valid(b) {
		return fmt.Errorf("%s is not valid UTF-8", media)
	}
	switch text := strings.ReplaceAll(string(b), "\r\n", "\n"); media {
	case "text/plain":
		l.Text, l.TextSize = text, len(b)
	case "text/html":
		l.HTML, l.HTMLSize = text, len(b)
	}
	return nil
}

func (l *linter) body() {
	if len(strings.TrimSpace(l.Text)) < leastMail {
		l.grave("text", "the text part says next to nothing: %d octets", l.TextSize)
	}
	l.leftover("text", l.Text)
	if l.HTML == "" {
		return
	}
	switch {
	case l.HTMLSize > MaxHTML:
		l.grave("size", "the HTML part has %s; Gmail cuts it off, and the way to leave with it, at about 102 KB: keep below %s", kib(float64(l.HTMLSize)), kib(MaxHTML))
	case l.HTMLSize >= NearLimit:
		l.note("size", "the HTML part has %s of %s: stories may have been left out for want of room", kib(float64(l.HTMLSize)), kib(MaxHTML))
	}
	root, err := html.Parse(strings.NewReader(l.HTML))
	if err != nil {
		l.grave("html", "it cannot be read: %v", err)
		return
	}
	w := lintedPage{linter: l}
	w.walk(root, colours{text: black, ground: white})
	l.Preheader = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '\u034f' || r == '\u200c' || r == '\u00a0' {
			return -1
		}
		return r
	}, w.preheader))
	switch n := utf8.RuneCountInString(l.Preheader); {
	case n < leastPreview:
		l.note("preheader", "it has %d characters: inboxes will show the first links of the mail instead", n)
	case n > mostPreview:
		l.note("preheader", "it has %d characters; inboxes show half of that", n)
	}
	if !w.lang {
		l.note("language", "the page does not say its language: screen readers guess")
	}
	if w.title == "" {
		l.note("title", "the page has no title")
	}
}

// leftover looks for what a template leaves when it goes wrong.
func (l *linter) leftover(where, text string) {
	for _, s := range []string{"{{", "}}", "<no value>", "%!", "%!(EXTRA", "<nil>"} {
		if strings.Contains(text, s) {
			l.note(where, "%q stands in it, as if a template had not been filled in", s)
			return
		}
	}
}

// tags that do nothing in mail, or harm.
var badTags = []string{"script", "form", "input", "iframe", "object", "embed", "video", "audio", "link", "base"}

type lintedPage struct {
	*linter
	preheader string
	lang      bool
	title     string
	faint     bool // text too faint was told
}

func (w *lintedPage) walk(n *html.Node, c colours) {
	if n.Type == html.TextNode {
		if !w.faint && strings.TrimSpace(n.Data) != "" && !c.hidden && contrastOf(c.text, c.ground) < 4.5 {
			w.faint = true
			w.note("contrast", "%q stands out %.1f to 1 from what is behind it; 4.5 can be read", cut(strings.TrimSpace(n.Data), 30), contrastOf(c.text, c.ground))
		}
		return
	}
	if n.Type == html.ElementNode {
		if !w.element(n) {
			return
		}
		c = c.of(n)
		if c.hidden && w.preheader == "" {
			w.preheader = textOf(n)
		}
	}
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		w.walk(child, c)
	}
}

// element looks at one element; false if what is in it is no text of the page.
func (w *lintedPage) element(n *html.Node) bool {
	if slices.Contains(badTags, n.Data) {
		w.grave("html", "<%s> does nothing in mail, and makes filters suspicious", n.Data)
	}
	for _, a := range n.Attr {
		if strings.HasPrefix(a.Key, "on") {
			w.grave("html", "<%s %s> is a script", n.Data, a.Key)
		}
	}
	switch n.Data {
	case "html":
		w.lang = attribute(n, "lang") != ""
	case "title":
		w.title = strings.TrimSpace(textOf(n))
		return false
	case "style", "head":
		return n.Data == "head"
	case "img":
		w.image(n)
	case "a":
		w.link(n)
	}
	return true
}

func (w *lintedPage) image(n *html.Node) {
	src := attribute(n, "src")
	if !slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "alt" }) {
		w.grave("alt", "the picture %s has no alt text", cut(src, 80))
	}
	if u, err := url.Parse(src); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		w.grave("pictures", "%q is no address of a picture", cut(src, 80))
	}
	if attribute(n, "width") == "" {
		w.note("pictures", "%s has no width: the mail jumps when it is loaded", cut(src, 80))
	}
}

func (w *lintedPage) link(n *html.Node) {
	to := strings.TrimSpace(attribute(n, "href"))
	w.Links++
	u, err := url.Parse(to)
	switch {
	case err != nil || to == "" || strings.HasPrefix(to, "#") || strings.ContainsAny(to, " {}<>"):
		w.grave("links", "%q leads nowhere", cut(to, 80))
	case u.Scheme == "mailto":
		w.Hosts["mailto"]++
	case u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		w.grave("links", "%q leads nowhere: it needs https:// and a host", cut(to, 80))
	default:
		w.Hosts[hostOf(to)]++
	}
	if strings.TrimSpace(textOf(n)) == "" && attribute(n, "aria-label") == "" && !named(n) && attribute(n, "aria-hidden") != "true" {
		w.note("links", "the link to %s has no words: screen readers spell its address", cut(to, 80))
	}
}

// named reports whether a picture within says what a link is.
func named(n *html.Node) bool {
	for child := range n.Descendants() {
		if child.Data == "img" && attribute(child, "alt") != "" {
			return true
		}
	}
	return false
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for child := range n.Descendants() {
		if child.Type == html.TextNode {
			b.WriteString(child.Data)
		}
	}
	return b.String()
}
