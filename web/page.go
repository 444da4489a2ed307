package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"mime"
	"net/http"
	"path"
	"strings"

	"broadsheet/schedule"
	"broadsheet/templates"
)

//go:embed pages/*.html words/*.yaml assets/*
var files embed.FS

// view is what a page's template sees.
type view struct {
	templates.Script                  // Language, Direction and what follows from it
	W                *templates.Words // dates, times and numbers
	Pub              schedule.Publication
	Base             string // before every path
	Others           []otherLanguage
	Title            string
	Data             any // the page's own
	texts            map[string]string
	zones            string
	query            string // what keeps the language asked for in a link
}

// otherLanguage is one that the page can be had in: at its own address with ?lang=. Addresses are
// not spelled out, so that all wrong links give the same bytes.
type otherLanguage struct {
	templates.Script
	Name string
}

// whose says whether a setting is the reader's own.
type whose struct {
	Own  bool
	Name string
}

// Whose is the mark beside a setting: the reader's own, or the default.
func (v view) Whose(own bool) (whose, error) {
	key := "by_default"
	if own {
		key = "by_reader"
	}
	name, err := v.T(key)
	return whose{own, name}, err
}

// Link is the address of a token's page, in the language of this one.
func (v view) Link(token string) string { return v.Base + "/l/" + token + v.query }

// Path is the address of a page of ours, in the language of this one.
func (v view) Path(path string) string { return v.Base + path + v.query }

// T is a text in the page's language, with {name} filled from pairs. A key that is not there is
// an error, and a test looks at all of them.
func (v view) T(key string, pairs ...string) (string, error) { return text(v.texts, key, pairs) }

// Asset is the address of a file of ours, which changes with its content.
func (v view) Asset(name string) string { return v.Base + "/assets/" + name + "?" + assetHash(name) }

// show writes a page: the template pages/NAME.html inside the layout. Title is a key of the words.
func (p *Pages) show(w http.ResponseWriter, r *http.Request, status int, lang, name, title string, data any, pairs ...string) {
	v := view{Script: templates.ScriptOf(lang), W: p.texts.set.Words(lang), Pub: p.Config.Publication, Base: p.base(), Data: data, texts: p.texts.in(lang), zones: p.texts.zones[lang]}
	if r.URL.Query().Has("lang") {
		v.query = "?lang=" + lang
	}
	for _, other := range p.texts.names {
		if other != lang {
			v.Others = append(v.Others, otherLanguage{templates.ScriptOf(other), p.texts.words[other]["language_name"]})
		}
	}
	var err error
	if v.Title, err = v.T(title, pairs...); err != nil {
		p.broken(w, err)
		return
	}
	var b bytes.Buffer
	if err := p.texts.pages[name].ExecuteTemplate(&b, "layout.html", v); err != nil {
		p.broken(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", v.Language)
	hand(w, r, status, b.Bytes())
}

// hand sends a page. Of one that may be kept, whoever has it already is told so alone.
func hand(w http.ResponseWriter, r *http.Request, status int, page []byte) {
	if status == http.StatusOK && strings.HasPrefix(w.Header().Get("Cache-Control"), "public") && same(w, r, page) {
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(page)
}

// same gives an answer its tag, and reports whether whoever asks has just that, and was told so.
func same(w http.ResponseWriter, r *http.Request, body []byte) bool {
	sum := sha256.Sum256(body)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	w.Header().Set("ETag", tag)
	if !strings.Contains(r.Header.Get("If-None-Match"), tag) {
		return false
	}
	w.WriteHeader(http.StatusNotModified)
	return true
}

func (p *Pages) broken(w http.ResponseWriter, err error) {
	p.Log.Error("write page", "error", err)
	http.Error(w, "This page cannot be shown.", http.StatusInternalServerError)
}

// message writes a page that says one thing: title and text are the words key_title and key_text.
// lang "" = by the request.
func (p *Pages) message(w http.ResponseWriter, r *http.Request, status int, lang, key string, pairs ...string) {
	if lang == "" {
		lang = p.language(r, "")
	}
	text, err := text(p.texts.in(lang), key+"_text", pairs)
	if err != nil {
		p.broken(w, err)
		return
	}
	p.show(w, r, status, lang, "message", key+"_title", text, pairs...)
}

// language is that of a page: the one asked for with ?lang=, the reader's own, what the browser
// prefers, or the publication's; always one that we have words for.
func (p *Pages) language(r *http.Request, readers string) string {
	return p.texts.match(r.URL.Query().Get("lang"), readers, r.Header.Get("Accept-Language"), p.Config.Publication.Language)
}

func assetHash(name string) string {
	b, _ := files.ReadFile("assets/" + name)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:6])
}

// asset serves style and script.
func (p *Pages) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	b, err := files.ReadFile("assets/" + path.Base(name))
	if err != nil {
		p.message(w, r, http.StatusNotFound, "", "not_found")
		return
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(b)
}

var layout = template.Must(template.ParseFS(files, "pages/layout.html"))
