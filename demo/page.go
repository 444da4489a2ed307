package demo

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

//go:embed inbox/*
var inboxFiles embed.FS

// pageHeaders go with every answer. The mail itself lies in a frame that has its own.
var pageHeaders = map[string]string{
	"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; " +
		"frame-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
	"X-Content-Type-Options":       "nosniff",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), geolocation=(), microphone=()",
	"Cache-Control":                "no-store",
}

// mailPolicy is for the frame: no script, no form, nothing from another address, an origin of
// its own. Links open in a new tab.
const mailPolicy = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; form-action 'none'; " +
	"frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"

// Page is the inbox as web pages: "/inbox" lists every mail, "/inbox/N" shows one, and "/pictures/" are the pictures of the stories. It reads only; GET and HEAD are all it takes.
type Page struct {
	Inbox    *Inbox
	Readers  []Reader // whose zone and sections are shown beside their mail
	Pictures http.Handler
	Title    string // name of the publication; "" shows "Inbox" alone
}

// Handler is the page, to be mounted at its paths beside the pages for readers, to which it leads.
func (p *Page) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /inbox", p.list)
	mux.HandleFunc("GET /inbox/count", p.count)
	mux.HandleFunc("GET /inbox/{id}", p.show)
	mux.HandleFunc("GET /inbox/{id}/body", p.body)
	mux.HandleFunc("GET /inbox/{id}/source", p.source)
	mux.Handle("GET /inbox-files/", http.StripPrefix("/inbox-files/", http.HandlerFunc(asset)))
	if p.Pictures != nil {
		mux.Handle("GET /pictures/", p.Pictures)
	}
	return headed(mux)
}

// headed sends pageHeaders with every answer.
func headed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range pageHeaders {
			w.Header().Set(name, value)
		}
		next.ServeHTTP(w, r)
	})
}

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"size": func(n int) string {
		if n < 1024 {
			return fmt.Sprintf("%d B", n)
		}
		return fmt.Sprintf("%.1f KB", float64(n)/1024)
	},
}).ParseFS(inboxFiles, "inbox/*.tmpl"))

// row is a mail in the list.
type row struct {
	Mail
	Name    string // reader, or the address
	When    string // by the reader's own clock
	Place   string // city of that clock
	Follows []follow
	Format  string
	Note    string
	Current bool
}

type follow struct {
	Name  string
	Level string
}

type listing struct {
	Title    string
	Rows     []row
	Refusals []Refusal
	Dropped  int
	Version  string
	To       string // only this recipient; "" = all
}

type showing struct {
	List listing
	row
	Part, Width, Scheme string
	Newer, Older        int // 0 = none
}

func (p *Page) list(w http.ResponseWriter, r *http.Request) {
	render(w, "list.tmpl", p.listing(r.URL.Query().Get("to"), 0))
}

func (p *Page) listing(to string, current int) listing {
	mails, refusals := p.Inbox.version()
	l := listing{Title: p.Title, Refusals: p.Inbox.Refusals(), Dropped: p.Inbox.Dropped(), To: to,
		Version: fmt.Sprintf("%d-%d", mails, refusals)}
	for _, m := range p.Inbox.Mails() {
		if to == "" || strings.EqualFold(to, m.Recipient) {
			x := p.row(m)
			x.Current = m.ID == current
			l.Rows = append(l.Rows, x)
		}
	}
	return l
}

func (p *Page) row(m Mail) row {
	x := row{Mail: m, Name: m.Recipient, Place: "UTC"}
	zone := time.UTC
	for _, r := range p.Readers {
		if !strings.EqualFold(r.Address, m.Recipient) {
			continue
		}
		x.Name, x.Format, x.Note = r.Name, string(r.Format), r.Note
		if z, err := time.LoadLocation(r.Zone); err == nil && r.Zone != "" {
			zone, x.Place = z, strings.ReplaceAll(r.Zone[strings.LastIndex(r.Zone, "/")+1:], "_", " ")
		}
		for _, f := range r.Sections {
			name := f.Section
			for _, s := range Sections() {
				if s.ID == f.Section {
					name = s.Name
				}
			}
			x.Follows = append(x.Follows, follow{name, string(f.Level)})
		}
	}
	at := m.Date
	if at.IsZero() {
		at = m.Arrived
	}
	x.When = at.In(zone).Format("Mon 2 Jan, 15:04")
	return x
}

// find is the mail that a request names; it answers itself if there is none.
func (p *Page) find(w http.ResponseWriter, r *http.Request) (Mail, bool) {
	id, err := strconv.Atoi(r.PathValue("id"))
	m, ok := p.Inbox.Get(id)
	if err != nil || !ok {
		http.Error(w, "there is no such mail in the inbox", http.StatusNotFound)
		return Mail{}, false
	}
	return m, true
}

func (p *Page) show(w http.ResponseWriter, r *http.Request) {
	m, ok := p.find(w, r)
	if !ok {
		return
	}
	q := r.URL.Query()
	s := showing{List: p.listing(q.Get("to"), m.ID), row: p.row(m)}
	s.Part = oneOf(q.Get("part"), "html", "text", "source", "headers")
	if m.HTML == "" && q.Get("part") == "" {
		s.Part = "text"
	}
	s.Width = oneOf(q.Get("width"), "desktop", "phone")
	s.Scheme = oneOf(q.Get("scheme"), "auto", "light", "dark")
	for i, x := range s.List.Rows {
		if !x.Current {
			continue
		}
		if i > 0 {
			s.Newer = s.List.Rows[i-1].ID
		}
		if i+1 < len(s.List.Rows) {
			s.Older = s.List.Rows[i+1].ID
		}
	}
	render(w, "mail.tmpl", s)
}

// oneOf is v if it is known, else the first of known.
func oneOf(v string, known ...string) string {
	for _, k := range known {
		if v == k {
			return v
		}
	}
	return known[0]
}

// Link is the address of this mail's page with one choice changed.
func (s showing) Link(key, value string) string {
	q := url.Values{}
	for k, v := range map[string]string{"part": s.Part, "width": s.Width, "scheme": s.Scheme, "to": s.List.To, key: value} {
		if v != "" {
			q.Set(k, v)
		}
	}
	return fmt.Sprintf("/inbox/%d?%s", s.ID, q.Encode())
}

// SourceText is the message as it came, made fit to be shown.
func (s showing) SourceText() string { return strings.ToValidUTF8(string(s.Raw), "\uFFFD") }

func (p *Page) body(w http.ResponseWriter, r *http.Request) {
	m, ok := p.find(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Security-Policy", mailPolicy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(preview(m.HTML, r.URL.Query().Get("scheme"))))
}

func (p *Page) source(w http.ResponseWriter, r *http.Request) {
	m, ok := p.find(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "message/rfc822")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="mail-%d.eml"`, m.ID))
	_, _ = w.Write(m.Raw)
}

func (p *Page) count(w http.ResponseWriter, _ *http.Request) {
	mails, refusals := p.Inbox.version()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"version": fmt.Sprintf("%d-%d", mails, refusals), "mails": mails})
}

var (
	headTag    = regexp.MustCompile(`(?i)<head(\s[^>]*)?>`)
	darkQuery  = regexp.MustCompile(`(?i)\(\s*prefers-color-scheme\s*:\s*dark\s*\)`)
	lightQuery = regexp.MustCompile(`(?i)\(\s*prefers-color-scheme\s*:\s*light\s*\)`)
)

// preview is a copy of a mail's HTML for the frame: pictures come from this page's own
// address, links open in a new tab, and with a scheme of light or dark the question after the
// reader's colours is answered in the copy, since a frame cannot be told to prefer one.
func preview(html, scheme string) string {
	html = here("", html)
	head := `<base target="_blank">`
	const yes, no = "(min-width: 0px)", "(max-width: 0px)"
	switch scheme {
	case "dark":
		html = darkQuery.ReplaceAllString(html, yes)
		html = lightQuery.ReplaceAllString(html, no)
		head += `<style>:root{color-scheme:dark !important}</style>`
	case "light":
		html = darkQuery.ReplaceAllString(html, no)
		html = lightQuery.ReplaceAllString(html, yes)
		head += `<style>:root{color-scheme:light !important}</style>`
	}
	if at := headTag.FindStringIndex(html); at != nil {
		return html[:at[1]] + head + html[at[1]:]
	}
	return head + html
}

func render(w http.ResponseWriter, name string, data any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, "the page cannot be shown: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

// asset serves style and script.
func asset(w http.ResponseWriter, r *http.Request) {
	kind := map[string]string{"style.css": "text/css; charset=utf-8", "refresh.js": "text/javascript; charset=utf-8"}[r.URL.Path]
	b, err := inboxFiles.ReadFile("inbox/" + r.URL.Path)
	if kind == "" || err != nil {
		http.NotFound(w, r)
		return
	}
	sum := sha256.Sum256(b)
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}
