package web

import (
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"

	"github.com/goccy/go-yaml"
	"golang.org/x/text/language"

	"broadsheet/templates"
)

// texts are the words of all languages, by language and key, and the pages' templates by name.
// The words of one part of the pages stand in words/PART.LANGUAGE.yaml.
type texts struct {
	words   map[string]map[string]string
	tags    []language.Tag // English first
	names   []string       // of words, in the order of tags
	matcher language.Matcher
	pages   map[string]*template.Template
	set     *templates.Set    // the mails' words: dates, times, plurals
	zones   map[string]string // as options of a select
}

func loadTexts() (*texts, error) {
	t := &texts{words: map[string]map[string]string{}, pages: map[string]*template.Template{}, zones: map[string]string{}}
	var err error
	if t.set, err = templates.Load(""); err != nil {
		return nil, err
	}
	list, err := fs.Glob(files, "words/*.yaml")
	if err != nil {
		return nil, err
	}
	for _, file := range list {
		b, err := files.ReadFile(file)
		if err != nil {
			return nil, err
		}
		_, lang, _ := strings.Cut(strings.TrimSuffix(path.Base(file), ".yaml"), ".")
		part := map[string]string{}
		if err := yaml.Unmarshal(b, &part); err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		if t.words[lang] == nil {
			t.words[lang] = map[string]string{}
		}
		for key, s := range part {
			if _, twice := t.words[lang][key]; twice {
				return nil, fmt.Errorf("read %s: key %q is in another file too", file, key)
			}
			t.words[lang][key] = s
		}
	}
	if t.words["en"] == nil {
		return nil, errors.New("read words: there are none in English")
	}
	t.names = []string{"en"}
	for lang := range t.words {
		if lang != "en" {
			t.names = append(t.names, lang)
		}
	}
	for _, lang := range t.names {
		t.tags = append(t.tags, language.MustParse(lang))
		t.zones[lang] = zoneOptions(t.set.Words(lang))
	}
	t.matcher = language.NewMatcher(t.tags)
	pages, err := fs.Glob(files, "pages/*.html")
	if err != nil {
		return nil, err
	}
	for _, file := range pages {
		one := template.Must(layout.Clone())
		if _, err := one.ParseFS(files, file); err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		t.pages[strings.TrimSuffix(path.Base(file), ".html")] = one
	}
	return t, nil
}

// in are the words of a language that match has given.
func (t *texts) in(lang string) map[string]string {
	if w := t.words[lang]; w != nil {
		return w
	}
	return t.words["en"]
}

// match is the first language of wishes, each a tag or a list as Accept-Language has it, that
// there are words for; English if there is none.
func (t *texts) match(wishes ...string) string {
	for _, wish := range wishes {
		tags, _, err := language.ParseAcceptLanguage(wish)
		if err != nil || len(tags) == 0 {
			continue
		}
		if _, n, confidence := t.matcher.Match(tags...); confidence >= language.High {
			return t.names[n]
		}
	}
	return t.names[0]
}

func text(words map[string]string, key string, pairs []string) (string, error) {
	s, ok := words[key]
	if !ok {
		return "", fmt.Errorf("there is no text %q", key)
	}
	return templates.Fill(s, pairs...), nil
}
