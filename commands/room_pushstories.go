package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/language"

	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/stories"
	"broadsheet/web/room"
)

// The bounds of a pushed story, in characters: those of what feeds bring, or less.
const (
	longestHeadline = 500
	longestLead     = 5_000
	longestText     = 200_000
	mostBlocks      = 500
	mostNames       = 50 // authors, tags, sections
	longestName     = 200
)

// PutStory meets [room.Push].
func (w roomPush) PutStory(ctx context.Context, by operators.By, externalID string, p room.PushedStory) (out room.PushedOutcome, err error) {
	if err := checkExternalID(externalID); err != nil {
		return out, err
	}
	s, err := w.story(&p)
	if err != nil {
		return out, err
	}
	id, added, err := w.db.PushStory(ctx, by, externalID, *s, w.now())
	if errors.Is(err, stories.ErrWithdrawn) {
		return out, fmt.Errorf("%w: %w", room.ErrRefused, stories.ErrWithdrawn)
	}
	if err != nil {
		return out, err
	}
	out = room.PushedOutcome{ExternalID: externalID, ID: id, Came: "same"}
	switch {
	case added.New > 0:
		out.Came = "new"
	case added.Revised+added.Placed > 0:
		out.Came = "changed"
	}
	return out, nil
}

// pushed finds a story by the newsroom's id.
func (w roomPush) pushed(ctx context.Context, externalID string) (int64, error) {
	id, err := w.db.PushedStory(ctx, externalID)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("%w: story %s", room.ErrNotFound, externalID)
	}
	return id, err
}

// PatchStory meets [room.Push].
func (w roomPush) PatchStory(ctx context.Context, by operators.By, externalID string, p room.StoryPatch) (out room.PushedOutcome, err error) {
	id, err := w.pushed(ctx, externalID)
	if err != nil {
		return out, err
	}
	row, err := w.db.Story(ctx, id)
	if err != nil {
		return out, err
	}
	s := asPushed(&row.Story)
	s.Why = p.Why
	patch(&s.Headline, p.Headline)
	patch(&s.Sections, p.Sections)
	patch(&s.URL, p.URL)
	patch(&s.Lead, p.Lead)
	patch(&s.Blocks, p.Blocks)
	patch(&s.Byline, p.Byline)
	patch(&s.Authors, p.Authors)
	patch(&s.Tags, p.Tags)
	patch(&s.Language, p.Language)
	patch(&s.Published, p.Published)
	if p.Image != nil {
		s.Image = p.Image
	}
	return w.PutStory(ctx, by, externalID, s)
}

func patch[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// asPushed is a story as it would be pushed.
func asPushed(s *stories.Story) room.PushedStory {
	p := room.PushedStory{Headline: s.Headline, Sections: s.Sections, URL: s.URL, Lead: s.Lead, Byline: s.Byline, Authors: s.Authors, Tags: s.Tags, Language: s.Language}
	if !s.Published.IsZero() {
		p.Published = s.Published.UTC().Format(time.RFC3339)
	}
	for _, b := range s.Blocks {
		p.Blocks = append(p.Blocks, room.StoryBlock(b))
	}
	if s.Image != nil {
		i := room.StoryImage(*s.Image)
		p.Image = &i
	}
	return p
}

// DropStory meets [room.Push].
func (w roomPush) DropStory(ctx context.Context, by operators.By, externalID string) (string, error) {
	id, err := w.pushed(ctx, externalID)
	if err != nil {
		return "", err
	}
	by.Why = cmp.Or(by.Why, "withdrawn in the newsroom's system") // which knows who and why
	return roomStories(w).Withdraw(ctx, by, id)
}

// story checks a pushed story, and says all that is wrong with it.
func (w roomPush) story(p *room.PushedStory) (*stories.Story, error) {
	var wrong room.Invalid
	bad := func(format string, a ...any) { wrong = append(wrong, fmt.Sprintf(format, a...)) }
	line := func(name, text string, most int) string {
		if n := utf8.RuneCountInString(text); n > most || !utf8.ValidString(text) {
			bad("%s: has %d characters, %d at most", name, n, most)
		}
		return strings.TrimSpace(printable(text))
	}
	lines := func(name string, list []string) (out []string) {
		if len(list) > mostNames {
			bad("%s: has %d entries, %d at most", name, len(list), mostNames)
			return nil
		}
		for _, text := range list {
			if text = line(name, text, longestName); text != "" {
				out = append(out, text)
			}
		}
		return out
	}
	link := func(name, text string) string {
		if text == "" {
			return ""
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || len(text) > 2000 {
			bad("%s: %.80q is no web address", name, text)
		}
		return text
	}
	s := &stories.Story{Headline: line("headline", p.Headline, longestHeadline), Lead: line("lead", p.Lead, longestLead), Byline: line("byline", p.Byline, longestName),
		Authors: lines("authors", p.Authors), Tags: lines("tags", p.Tags), Sections: lines("sections", p.Sections), URL: link("url", p.URL), Source: "push"}
	s.Canonical = stories.Canonical(s.URL)
	if s.Headline == "" {
		bad("headline: is missing")
	}
	known := known(w.cfg).Sections
	for _, id := range s.Sections {
		if !known[id] {
			bad("sections: there is no section %q", id)
		}
	}
	if len(s.Sections) == 0 {
		bad("sections: name one at least")
	}
	if p.Published != "" {
		at, err := time.Parse(time.RFC3339, p.Published)
		if err != nil {
			bad("published: %.40q is no RFC 3339 instant; write e.g. 2026-04-02T07:00:00Z", p.Published)
		}
		s.Published, s.PublishedRaw = at.UTC(), at.UTC().Format(time.RFC3339)
	}
	if p.Language != "" {
		if tag, err := language.Parse(p.Language); err != nil {
			bad("language: %.40q is no language; write e.g. en or ar", p.Language)
		} else {
			s.Language = tag.String()
		}
	}
	if len(p.Blocks) > mostBlocks {
		bad("blocks: has %d entries, %d at most", len(p.Blocks), mostBlocks)
	} else {
		total := 0
		for i, b := range p.Blocks {
			if b.Type != "p" && b.Type != "crosshead" && b.Type != "quote" && b.Type != "list" {
				bad("blocks[%d].type: %.20q is none of p, crosshead, quote, list", i, b.Type)
			}
			text := line(fmt.Sprintf("blocks[%d].text", i), b.Text, longestText)
			total += len(text)
			s.Words += len(strings.Fields(text))
			if s.Lead == "" && b.Type != "crosshead" {
				s.Lead = stories.Excerpt(text, longestHeadline)
			}
			s.Blocks = append(s.Blocks, stories.Block{Type: b.Type, Text: text})
			if b.Type == "crosshead" {
				s.Crossheads = append(s.Crossheads, text)
			}
		}
		if total > 4*longestText {
			bad("blocks: are longer than %d octets in all", 4*longestText)
		}
	}
	if p.Image != nil {
		i := stories.Image(*p.Image)
		i.URL, i.Alt, i.Credit, i.Caption = link("image.url", i.URL), line("image.alt", i.Alt, longestHeadline), line("image.credit", i.Credit, longestName), line("image.caption", i.Caption, longestLead)
		if i.URL == "" || i.Width < 0 || i.Height < 0 || i.Width > 20_000 || i.Height > 20_000 {
			bad("image: needs an address, and a size that can be")
		}
		s.Image = &i
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return s, nil
}
