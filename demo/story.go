package demo

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

//go:embed stories/*.yaml
var storyFiles embed.FS

// Site is the web address of the demo's publication; pages below it are named in the
// feeds but exist nowhere.
const Site = "https://www.meridian-courier.example"

// PictureSite is where the feeds say that pictures are. The inbox page shows them from
// [Pictures] instead, as a webmail's image proxy would.
const PictureSite = "https://pictures.meridian-courier.example/"

// Section is one part of the demo's publication.
type Section struct {
	ID   string
	Name string
}

// Sections lists the sections that have stories, in the publication's order.
func Sections() []Section {
	return []Section{
		{"world", "World"}, {"politics", "Politics"}, {"business", "Business"},
		{"technology", "Technology"}, {"science", "Science"}, {"health", "Health"},
		{"sport", "Sport"}, {"culture", "Culture"},
	}
}

// Story is one story as its file has it. See demo/stories for the form.
type Story struct {
	Slug     string        // last part of its address, unique
	Ago      time.Duration // published so long before the end of the demo's day, at most 48 h
	Language string        // BCP 47; "en" if the file does not say
	Sections []string      // ids; the first is the file's own
	Headline string
	Lead     string
	Authors  []string
	Agencies []string
	City     string
	Tags     []string
	Picture  *Picture
	Text     string // paragraphs with empty lines between; "## " a crosshead, "> " a quote, "- " a list
	Later    *Later // nil = never changed
}

// Picture is a drawing made for a story. Its address is [PictureSite] + Slug + ".png".
type Picture struct {
	Scene  string // one of dusk, morning, evening, winter, sand, sea; "sea town" with houses
	Alt    string
	Credit string
}

// Later is a new wording of a story. An empty field keeps the old one.
type Later struct {
	Ago      time.Duration
	Headline string
	Lead     string
	Text     string
}

// URL is the story's address.
func (s Story) URL() string { return Site + "/" + s.Sections[0] + "/" + s.Slug }

// At is the story as it stood at now, if the demo's day ends at end. updated is zero for a
// first wording; ok is false if it was not yet published.
func (s Story) At(end, now time.Time) (story Story, published, updated time.Time, ok bool) {
	published = end.Add(-s.Ago)
	if published.After(now) {
		return s, published, time.Time{}, false
	}
	if l := s.Later; l != nil && !end.Add(-l.Ago).After(now) {
		updated = end.Add(-l.Ago)
		keep := func(to *string, from string) {
			if from != "" {
				*to = from
			}
		}
		keep(&s.Headline, l.Headline)
		keep(&s.Lead, l.Lead)
		keep(&s.Text, l.Text)
	}
	return s, published, updated, true
}

// Stories reads all stories of the demo, newest first.
func Stories() ([]Story, error) {
	files, err := fs.Glob(storyFiles, "stories/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list stories: %w", err)
	}
	var all []Story
	slugs := map[string]bool{}
	for _, name := range files {
		b, err := storyFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read stories: %w", err)
		}
		some, err := parseStories(b, path.Base(name))
		if err != nil {
			return nil, err
		}
		for _, s := range some {
			if slugs[s.Slug] {
				return nil, fmt.Errorf("read %s: slug %q is taken by another story", name, s.Slug)
			}
			slugs[s.Slug] = true
		}
		all = append(all, some...)
	}
	slices.SortStableFunc(all, func(a, b Story) int { return int(a.Ago - b.Ago) })
	return all, nil
}

// slugForm keeps addresses and picture names free of anything that would need escaping.
var slugForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// parseStories reads one file. Its name says section and language: world.yaml, world.ar.yaml.
func parseStories(b []byte, name string) ([]Story, error) {
	var list []struct {
		Slug, Ago, Headline, Lead, By, Agency, City, Also, Tags, Text string
		Picture                                                       *Picture
		Later                                                         *struct{ Ago, Headline, Lead, Text string }
	}
	if err := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict()).Decode(&list); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	section, language, _ := strings.Cut(strings.TrimSuffix(name, ".yaml"), ".")
	if language == "" {
		language = "en"
	}
	var out []Story
	for i, f := range list {
		s := Story{
			Slug: f.Slug, Language: language, Headline: line(f.Headline), Lead: line(f.Lead),
			Sections: append([]string{section}, split(f.Also)...), Authors: split(f.By),
			Agencies: split(f.Agency), City: f.City, Tags: split(f.Tags),
			Picture: f.Picture, Text: strings.TrimSpace(f.Text),
		}
		bad := func(what string) error {
			return fmt.Errorf("read %s: story %d (%q): %s", name, i+1, f.Slug, what)
		}
		var err error
		if s.Ago, err = ago(f.Ago); err != nil {
			return nil, bad(err.Error())
		}
		if l := f.Later; l != nil {
			s.Later = &Later{Headline: line(l.Headline), Lead: line(l.Lead), Text: strings.TrimSpace(l.Text)}
			if s.Later.Ago, err = ago(l.Ago); err != nil || s.Later.Ago > s.Ago {
				return nil, bad("later.ago must be a time after the story's own, such as 2h")
			}
		}
		switch {
		case !slugForm.MatchString(s.Slug):
			return nil, bad("slug must be lower-case words with hyphens between")
		case s.Headline == "" || s.Lead == "" || s.Text == "":
			return nil, bad("headline, lead and text are required")
		}
		if p := s.Picture; p != nil {
			name, place, _ := strings.Cut(p.Scene, " ")
			if _, ok := scenes[name]; !ok || place != "" && place != "town" || p.Alt == "" {
				return nil, bad("picture wants an alt, and a scene such as dusk or \"dusk town\"")
			}
		}
		for _, id := range s.Sections {
			if !slices.ContainsFunc(Sections(), func(x Section) bool { return x.ID == id }) {
				return nil, bad(fmt.Sprintf("unknown section %q", id))
			}
		}
		out = append(out, s)
	}
	return out, nil
}

func ago(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > 48*time.Hour {
		return 0, fmt.Errorf("ago is %q, want a duration from 0m to 48h such as 3h20m", s)
	}
	return d, nil
}

// line folds the line breaks that a long value has in its file.
func line(s string) string { return strings.Join(strings.Fields(s), " ") }

// split takes a list apart that is written as "a; b".
func split(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ";") {
		if part = line(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
