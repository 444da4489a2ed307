package commands

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/store"
	"broadsheet/stories"
)

func (p *program) stories() *cobra.Command {
	return group("stories", "Stories: fetch, import, list, edit", p.storiesFetch(), p.storiesImport(), p.storiesList(), p.storiesShow(),
		p.storiesPin(), p.storiesLead(), p.storiesHold(), p.storiesRelease(), p.storiesCorrect(), p.storiesWithdraw(), p.storiesHave())
}

func (p *program) storiesFetch() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "fetch", Short: "Fetch all feeds that are due and read the folders of saved pages", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			now, err := p.clock()
			if err != nil {
				return err
			}
			cfg, db, err := p.configAndDatabase(c.Context(), false)
			if err != nil {
				return err
			}
			b := progress(p.stderr, "feeds and files", 0)
			e := &engine{cfg: cfg, db: db, now: now, log: p.logger(), read: b.step} // intake wants neither keys nor templates
			feeds, files, err := e.intake(c.Context(), force)
			b.done()
			t := p.table("FEED", "STATUS", "ITEMS", "NEW", "REVISED", "NOTE")
			failed := 0
			for _, f := range feeds {
				note := strings.Join(f.Warnings, "; ")
				if f.Err != nil {
					failed++
					note = fmt.Sprintf("%v (%d in a row, next try %s)", f.Err, f.Failures, f.Due.UTC().Format(time.RFC3339))
				}
				if errors.Is(f.Err, context.Canceled) {
					note = "interrupted"
				}
				if f.Status == stories.NotDue {
					note = "next try " + f.Due.UTC().Format(time.RFC3339) + "; --force fetches now"
				}
				if f.Status == stories.Busy {
					note = "another process is fetching it"
				}
				t.row(f.URL, f.Status, strconv.Itoa(f.Items), strconv.Itoa(f.Added.New), strconv.Itoa(f.Added.Revised), note)
			}
			if err := errors.Join(t.flush(), p.files(files), err); err != nil {
				return err
			}
			if failed > 0 && failed == len(feeds) {
				return errors.New("not one feed could be fetched")
			}
			return nil
		},
	}
	p.clockFlag(c)
	c.Flags().BoolVar(&force, "force", false, "also feeds that are not due yet")
	return c
}

func (p *program) storiesImport() *cobra.Command {
	var section string
	c := &cobra.Command{
		Use: "import PATH...", Short: "Import feed files, saved article pages (.txt) and folders of them", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			now, err := p.clock()
			if err != nil {
				return err
			}
			cfg, db, err := p.configAndDatabase(c.Context(), false)
			if err != nil {
				return err
			}
			names := sectionNames(cfg)
			if _, ok := names[section]; section != "" && !ok {
				return usagef("--section: %s has no section %q", cfg.File, section)
			}
			b := progress(p.stderr, "files", 0)
			files, err := stories.Import(c.Context(), db, args, section, names, now(), b.step)
			b.done()
			if err := errors.Join(p.files(files), err); err != nil {
				return err
			}
			for _, f := range files {
				if f.Err == nil {
					return nil
				}
			}
			return errors.New("not one file could be imported")
		},
	}
	p.clockFlag(c)
	c.Flags().StringVar(&section, "section", "", "section `id` for stories that name none we know")
	return c
}

// files prints what became of files, and bad ones with their reason.
func (p *program) files(files []stories.FileResult) error {
	if len(files) == 0 {
		return nil
	}
	t := p.table("FILE", "ITEMS", "NEW", "REVISED", "KNOWN", "NOTE")
	for _, f := range files {
		note := strings.Join(f.Warnings, "; ")
		if f.Err != nil {
			note = f.Err.Error()
		}
		t.row(f.Path, strconv.Itoa(f.Items), strconv.Itoa(f.Added.New), strconv.Itoa(f.Added.Revised), strconv.Itoa(f.Added.Known), note)
	}
	return t.flush()
}

// storyJSON is a story as --json prints it.
type storyJSON struct {
	ID            int64           `json:"id"`
	Arrival       *int64          `json:"arrival"`
	GUID          *string         `json:"guid"`
	URL           *string         `json:"url"`
	Canonical     *string         `json:"canonical"`
	Headline      *string         `json:"headline"`
	Sections      []string        `json:"sections"`
	SectionRaw    *string         `json:"section_raw"`
	Byline        *string         `json:"byline"`
	Desk          *string         `json:"desk"`
	City          *string         `json:"city"`
	Agencies      []string        `json:"agencies"`
	Authors       []string        `json:"authors"`
	Published     *string         `json:"published"`
	Updated       *string         `json:"updated"`
	Lead          *string         `json:"lead"`
	Blocks        []stories.Block `json:"blocks"`
	Crossheads    []string        `json:"crossheads"`
	Tags          []string        `json:"tags"`
	Masthead      *string         `json:"masthead"`
	EditionCities []string        `json:"edition_cities"`
	PageClock     *string         `json:"page_clock"`
	Extra         []string        `json:"extra"`
	Language      *string         `json:"language"`
	Words         int             `json:"words"`
	Source        *string         `json:"source"`
}

func jsonStory(r store.StoryRow) storyJSON {
	s := r.Story
	j := storyJSON{ID: s.ID, Arrival: present(r.Arrival), GUID: text(s.GUID), URL: text(s.URL), Canonical: text(s.Canonical), Headline: text(s.Headline),
		Sections: list(s.Sections), SectionRaw: text(s.SectionRaw), Byline: text(s.Byline), Desk: text(s.Desk), City: text(s.City),
		Agencies: list(s.Agencies), Authors: list(s.Authors), Published: stamp(s.Published), Updated: stamp(s.Updated), Lead: text(s.Lead),
		Blocks: list(s.Blocks), Crossheads: list(s.Crossheads), Tags: list(s.Tags), Masthead: text(s.Masthead),
		EditionCities: list(s.EditionCities), PageClock: stamp(s.PageClock), Extra: list(s.Extra), Language: text(s.Language),
		Words: s.Words, Source: text(s.Source)}
	return j
}

func (p *program) storiesList() *cobra.Command {
	var filter store.StoryFilter
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List stories by arrival", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			db, err := p.database(c.Context(), false)
			if err != nil {
				return err
			}
			return printRows(p, db.ListStories(c.Context(), filter), asJSON,
				func(r store.StoryRow) any { return jsonStory(r) },
				[]string{"ID", "SECTIONS", "PUBLISHED (UTC)", "HEADLINE", "CREDIT"},
				func(r store.StoryRow) []string {
					published := "-"
					if !r.Story.Published.IsZero() {
						published = r.Story.Published.UTC().Format(time.DateTime)
					}
					return []string{itoa(r.Story.ID), strings.Join(r.Story.Sections, ", "), published, r.Story.Headline, credit(&r.Story)}
				})
		},
	}
	c.Flags().StringVar(&filter.Section, "section", "", "only stories of this `section`")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

func credit(s *stories.Story) string {
	if s.Byline != "" {
		return s.Byline
	}
	return strings.Join(append(append([]string{}, s.Authors...), s.Agencies...), ", ")
}

func (p *program) storiesShow() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "show ID", Short: "Show a story in full", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			db, err := p.database(c.Context(), false)
			if err != nil {
				return err
			}
			r, err := db.Story(c.Context(), id)
			if errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("there is no story %d", id)
			}
			if err != nil {
				return err
			}
			if asJSON {
				return p.printJSON(jsonStory(r))
			}
			s := &r.Story
			t := p.table("headline", s.Headline)
			t.row("url", s.URL)
			t.row("sections", strings.Join(s.Sections, ", "))
			t.row("credit", credit(s))
			t.row("published", deref(stamp(s.Published)))
			t.row("language", s.Language)
			t.row("words", strconv.Itoa(s.Words))
			t.row("source", s.Source)
			if err := t.flush(); err != nil {
				return err
			}
			for _, b := range s.Blocks {
				fmt.Fprintf(p.stdout, "\n%s\n", printable(b.Text))
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}
