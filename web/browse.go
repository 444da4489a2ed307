package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html"
	"html/template"
	"net/http"
	"strings"

	"broadsheet/digest"
	"broadsheet/stories"
	"broadsheet/templates"
)

// letter is a digest as a page.
type letter struct {
	*digest.Page
	Sheet       template.HTML // style element
	Content     template.HTML
	Edition     string // name; "" if it is not in the file any more
	Title       string // of the edition
	Address     string // of a public issue; "" = it is a reader's
	Description string
	Earlier     string // path of the public issue before, "" = none
	Languages   []otherLanguage
}

// inBrowser shows a mail as it was sent, with nothing of its reader in it.
func (p *Pages) inBrowser(w http.ResponseWriter, r *http.Request, v *visit) {
	past, e, ok := p.past(w, r, v)
	if !ok {
		return
	}
	d, err := p.Archive.WholeDigest(r.Context(), past.Digest)
	if err != nil {
		p.trouble(w, r, "load digest", err)
		return
	}
	story, gone, err := p.addresses(r.Context(), d.Items, d.Language)
	if err != nil {
		p.trouble(w, r, "load stories", err)
		return
	}
	page, err := digest.BrowserPage(d, story, gone)
	if errors.Is(err, stories.ErrWithdrawn) {
		p.message(w, r, http.StatusGone, v.lang, "withdrawn")
		return
	}
	if err != nil {
		p.trouble(w, r, "show digest", err)
		return
	}
	l := letter{Page: page, Title: p.editionTitle(past.Issue.Edition)}
	if e != nil {
		l.Edition = e.Name
	}
	p.showLetter(w, r, l)
}

// letterStyle is that of what stands around a digest, and of one that is text only.
const letterStyle = `
body{margin:0}
.strip{display:flex;flex-wrap:wrap;justify-content:center;gap:0 14px;padding:6px 18px;font:14px/1.5 -apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;text-align:center;color:#5f594f;background:#f3f0e9}
.strip a{padding:8px 4px;color:#94231a;text-underline-offset:2px}
.strip:lang(ar){font-size:16px;font-family:'Noto Naskh Arabic','Geeza Pro','Segoe UI',Tahoma,Arial,sans-serif}
.letter{max-width:40rem;margin:0 auto;padding:24px 18px;background:#fffdf9;color:#1b1916;font:16px/1.5 ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre-wrap;overflow-wrap:anywhere}
.letter a{color:#94231a}
.letter hr{margin:4px 0;border:0;border-top:1px solid #8a8272}
@media (max-width:480px){.letter{font-size:14px}}
:focus-visible{outline:3px solid #94231a;outline-offset:2px}
@media (prefers-color-scheme:dark){
body,.strip{background:#11110f}.strip{color:#aca598}.strip a,.letter a{color:#ff9d8c}.letter{background:#1c1b19;color:#f1ede5}:focus-visible{outline-color:#ff9d8c}
}
`

// showLetter writes a digest as a page of its own, in its own look: the policy lets in its
// stylesheet by hash, and pictures.
func (p *Pages) showLetter(w http.ResponseWriter, r *http.Request, l letter) {
	style := l.Style + letterStyle
	sum := sha256.Sum256([]byte(style))
	l.Sheet = template.HTML("<style>" + style + "</style>") // digest.Page says that it is fit to
	if l.Body != "" {
		l.Content = template.HTML(l.Body) // made by html.Render, of what the mail's templates have escaped
	} else {
		l.Content = template.HTML(`<pre class="letter" dir="auto">` + linked(l.Text) + "</pre>")
	}
	lang := p.texts.match(l.Language)
	v := view{Script: templates.ScriptOf(lang), W: p.texts.set.Words(lang), Pub: p.Config.Publication, Base: p.base(), Data: l, texts: p.texts.in(lang)}
	var b bytes.Buffer
	if err := p.texts.pages["letter"].ExecuteTemplate(&b, "letter.html", v); err != nil {
		p.broken(w, err)
		return
	}
	w.Header().Set("Content-Security-Policy", strings.NewReplacer(
		"style-src 'self'", "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'",
		"img-src 'self'", "img-src 'self' https:").Replace(policy))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", l.Language)
	hand(w, r, http.StatusOK, b.Bytes())
}

// linked is plain text as HTML, with lines that are addresses as links, and rules as wide as the
// screen.
func linked(text string) string {
	var b strings.Builder
	for whole := range strings.Lines(text) {
		bare := strings.TrimSpace(whole)
		escaped := html.EscapeString(bare)
		switch {
		case public(bare):
			b.WriteString(`<a href="` + escaped + `">` + escaped + "</a>\n")
		case len(bare) > 40 && strings.Trim(bare, "-") == "":
			b.WriteString("<hr>")
		default:
			b.WriteString(html.EscapeString(whole))
		}
	}
	return b.String()
}
