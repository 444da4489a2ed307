package demo

import (
	"bytes"
	"embed"
	"encoding/json"
	"encoding/xml"
	"html"
	"strings"
	"text/template"
	"time"
)

//go:embed feeds/*.tmpl
var formatFiles embed.FS

// formatTemplates writes the XML formats. text/template and not html/template, because what
// is written is XML; every value goes through xml or cdata.
var formatTemplates = template.Must(template.New("").Funcs(template.FuncMap{
	"xml": func(s string) string {
		var b bytes.Buffer
		_ = xml.EscapeText(&b, []byte(s)) // a bytes.Buffer does not fail
		return b.String()
	},
	"cdata":   func(s string) string { return "<![CDATA[" + strings.ReplaceAll(s, "]]>", "]]]]><![CDATA[>") + "]]>" },
	"rfc822":  func(t time.Time) string { return t.UTC().Format(time.RFC1123Z) },
	"rfc3339": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"site":    func() string { return Site },
}).ParseFS(formatFiles, "feeds/*.tmpl"))

func writeRSS(c channel) ([]byte, error)  { return execute("rss.tmpl", c) }
func writeAtom(c channel) ([]byte, error) { return execute("atom.tmpl", c) }
func writeRDF(c channel) ([]byte, error)  { return execute("rdf.tmpl", c) }

func execute(name string, c channel) ([]byte, error) {
	var b bytes.Buffer
	err := formatTemplates.ExecuteTemplate(&b, name, c)
	return b.Bytes(), err
}

// writeJSON writes JSON Feed 1.1 (jsonfeed.org/version/1.1).
func writeJSON(c channel) ([]byte, error) {
	type author struct {
		Name string `json:"name"`
	}
	type entry struct {
		ID        string   `json:"id"`
		URL       string   `json:"url"`
		Title     string   `json:"title"`
		Summary   string   `json:"summary"`
		HTML      string   `json:"content_html"`
		Published string   `json:"date_published"`
		Modified  string   `json:"date_modified,omitempty"`
		Image     string   `json:"image,omitempty"`
		Authors   []author `json:"authors,omitempty"`
		Tags      []string `json:"tags,omitempty"`
		Language  string   `json:"language"`
	}
	feed := struct {
		Version  string  `json:"version"`
		Title    string  `json:"title"`
		Home     string  `json:"home_page_url"`
		Language string  `json:"language"`
		Items    []entry `json:"items"`
	}{"https://jsonfeed.org/version/1.1", c.Title(), Site + "/" + c.ID, c.Language, []entry{}}
	for _, it := range c.Items {
		e := entry{ID: it.URL(), URL: it.URL(), Title: it.Headline, Summary: it.Lead, HTML: it.HTML(),
			Published: it.Published.Format(time.RFC3339), Image: it.ImageURL(),
			Tags: it.Categories, Language: it.Language}
		if !it.Updated.IsZero() {
			e.Modified = it.Updated.Format(time.RFC3339)
		}
		for _, name := range it.Credits() {
			e.Authors = append(e.Authors, author{name})
		}
		feed.Items = append(feed.Items, e)
	}
	return json.MarshalIndent(feed, "", " ")
}

// Title is the channel's name.
func (c channel) Title() string { return "The Meridian Courier: " + c.Name }

// Credits are authors, then agencies, as feeds name both in one place.
func (s Story) Credits() []string {
	return append(append([]string(nil), s.Authors...), s.Agencies...)
}

// ImageURL is the address of the story's picture, "" if it has none.
func (s Story) ImageURL() string {
	if s.Picture == nil {
		return ""
	}
	return PictureSite + s.Slug + ".png"
}

// HTML is the story's text as a feed carries it.
func (s Story) HTML() string {
	var b strings.Builder
	inList := false
	for part := range strings.SplitSeq(s.Text, "\n\n") {
		for row := range strings.SplitSeq(strings.TrimSpace(part), "\n- ") {
			if item, ok := strings.CutPrefix(row, "- "); ok || inList {
				if !inList {
					b.WriteString("<ul>")
					inList = true
				}
				b.WriteString("<li>" + html.EscapeString(line(item)) + "</li>")
				continue
			}
			switch {
			case strings.HasPrefix(row, "## "):
				b.WriteString("<h2>" + html.EscapeString(line(row[3:])) + "</h2>\n")
			case strings.HasPrefix(row, "> "):
				quote := strings.ReplaceAll(row[2:], "\n> ", "\n")
				b.WriteString("<blockquote><p>" + html.EscapeString(line(quote)) + "</p></blockquote>\n")
			case row != "":
				b.WriteString("<p>" + html.EscapeString(line(row)) + "</p>\n")
			}
		}
		if inList {
			b.WriteString("</ul>\n")
			inList = false
		}
	}
	return b.String()
}
