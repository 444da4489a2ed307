package templates

import (
	"embed"
	"errors"
	"fmt"
	"html"
	htmltemplate "html/template"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	texttemplate "text/template"

	"golang.org/x/text/language"
)

//go:embed *.html *.txt words/*.yaml
var shipped embed.FS

// Mark is a place in a rendered piece that is filled later. In HTML it is printed as it is, and
// the function href makes an attribute of one, for html/template would rewrite it in a URL.
type Mark string

// Set is a full set of templates and words. It is read only and may be used by any number of
// goroutines.
type Set struct {
	html  *htmltemplate.Template
	text  *texttemplate.Template
	words map[string]*Words
	match language.Matcher
	tags  []string // languages in the matcher's order
}

// Load reads the shipped templates and words. Files in dir, if dir is not "", take the place of
// those of the same name; words/ there may also bring further languages. A file in dir with a
// name that no piece has is an error, since it is a slip of the pen.
func Load(dir string) (*Set, error) {
	files := map[string]string{}
	if err := read(shipped, func(name string) bool { return true }, files); err != nil {
		return nil, fmt.Errorf("load templates: %w", err)
	}
	known := len(files)
	if dir != "" {
		if _, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("load templates: %w", err)
		}
		err := read(os.DirFS(dir), isTemplate, files)
		if err != nil {
			return nil, fmt.Errorf("load templates from %s: %w", dir, err)
		}
	}
	if dir != "" && len(files) > known {
		if err := checkNames(dir, files); err != nil {
			return nil, err
		}
	}
	s := &Set{
		html:  htmltemplate.New("").Funcs(htmltemplate.FuncMap{"href": href, "mark": markHTML}).Option("missingkey=error"),
		text:  texttemplate.New("").Funcs(texttemplate.FuncMap{"wrap": Wrap, "hang": hang, "upper": strings.ToUpper}).Option("missingkey=error"),
		words: map[string]*Words{},
	}
	for _, name := range sorted(files) {
		if err := s.add(name, files[name], where(dir, name)); err != nil {
			return nil, err
		}
	}
	return s, s.index()
}

// where is the path of a file for messages: the operator's own if there is one.
func where(dir, name string) string {
	if dir != "" {
		if p := filepath.Join(dir, filepath.FromSlash(name)); exists(p) {
			return p
		}
	}
	return "templates/" + name
}

func exists(p string) bool { _, err := os.Stat(p); return err == nil }

func (s *Set) add(name, text, file string) error {
	var err error
	switch path.Ext(name) {
	case ".html":
		_, err = s.html.New(strings.TrimSuffix(name, ".html")).Parse(text)
	case ".txt":
		_, err = s.text.New(strings.TrimSuffix(name, ".txt")).Parse(text)
	case ".yaml":
		lang := strings.TrimSuffix(path.Base(name), ".yaml")
		s.words[lang], err = parseWords(lang, file, []byte(text))
		return err
	}
	if err != nil {
		return fmt.Errorf("read template %s: %w", file, err)
	}
	return nil
}

func (s *Set) index() error {
	if s.words["en"] == nil {
		return errors.New("load templates: words/en.yaml is missing")
	}
	for _, lang := range sorted(s.words) {
		for _, key := range sorted(s.words["en"].Notices) {
			if _, ok := s.words[lang].Notices[key]; !ok {
				return fmt.Errorf("load templates: words/%s.yaml: key %q is missing", lang, "notices."+key)
			}
		}
	}
	s.tags = []string{"en"} // the matcher falls back to the first
	for _, l := range sorted(s.words) {
		if l != "en" {
			s.tags = append(s.tags, l)
		}
	}
	var tags []language.Tag
	for _, l := range s.tags {
		tags = append(tags, s.words[l].tag)
	}
	s.match = language.NewMatcher(tags)
	return nil
}

// Words is the catalogue of the language that serves best for lang (BCP 47): "ar-AE" is served
// by ar.yaml, and a language without a file by English.
func (s *Set) Words(lang string) *Words {
	if w := s.words[lang]; w != nil {
		return w
	}
	tag, err := language.Parse(lang)
	if err != nil {
		return s.words["en"]
	}
	_, i, conf := s.match.Match(tag)
	if conf == language.No {
		return s.words["en"]
	}
	return s.words[s.tags[i]]
}

// Languages lists the languages that have a file of words.
func (s *Set) Languages() []string { return sorted(s.words) }

// HTML renders the piece of that name, such as "head" or "story-card".
func (s *Set) HTML(w io.Writer, name string, data any) error {
	if err := s.html.ExecuteTemplate(w, name, data); err != nil {
		return fmt.Errorf("render %s.html: %w", name, err)
	}
	return nil
}

// Text renders the plain-text twin of a piece.
func (s *Set) Text(w io.Writer, name string, data any) error {
	if err := s.text.ExecuteTemplate(w, name, data); err != nil {
		return fmt.Errorf("render %s.txt: %w", name, err)
	}
	return nil
}

// href is a whole attribute, since html/template passes an attribute on as it is but
// percent-codes what it finds inside a URL.
func href(m Mark) htmltemplate.HTMLAttr {
	return htmltemplate.HTMLAttr(`href="` + html.EscapeString(string(m)) + `"`)
}

// markHTML prints a mark, whose filling is HTML, where text stands.
func markHTML(m Mark) htmltemplate.HTML { return htmltemplate.HTML(html.EscapeString(string(m))) }

func isTemplate(name string) bool {
	ext := path.Ext(name)
	if path.Dir(name) == "words" {
		return ext == ".yaml"
	}
	return path.Dir(name) == "." && (ext == ".html" || ext == ".txt")
}

func checkNames(dir string, files map[string]string) error {
	for _, name := range sorted(files) {
		if _, err := fs.Stat(shipped, name); err != nil && path.Ext(name) != ".yaml" {
			return fmt.Errorf("load templates: %s replaces no shipped file; names are %s",
				filepath.Join(dir, name), strings.Join(names(), ", "))
		}
	}
	return nil
}

// names lists the shipped templates.
func names() []string {
	var n []string
	for _, pattern := range []string{"*.html", "*.txt"} {
		m, _ := fs.Glob(shipped, pattern) // the patterns are well formed
		n = append(n, m...)
	}
	return n
}

func read(fsys fs.FS, take func(string) bool, into map[string]string) error {
	return fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !take(name) {
			return err
		}
		b, err := fs.ReadFile(fsys, name)
		into[name] = string(b)
		return err
	})
}

func sorted[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
