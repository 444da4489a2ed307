package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"broadsheet/digest"
	"broadsheet/stories"
)

// wording is the stored form of a revision: its names stay as they are, whatever becomes of
// the fields of [stories.Story]. Sections are rows of their own.
type wording struct {
	GUID          string          `json:"guid,omitempty"`
	URL           string          `json:"url,omitempty"`
	Canonical     string          `json:"canonical,omitempty"`
	Headline      string          `json:"headline,omitempty"`
	SectionRaw    string          `json:"section_raw,omitempty"`
	Byline        string          `json:"byline,omitempty"`
	Desk          string          `json:"desk,omitempty"`
	City          string          `json:"city,omitempty"`
	Agencies      []string        `json:"agencies,omitempty"`
	Authors       []string        `json:"authors,omitempty"`
	Published     time.Time       `json:"published,omitzero"`
	PublishedRaw  string          `json:"published_raw,omitempty"`
	Updated       time.Time       `json:"updated,omitzero"`
	Lead          string          `json:"lead,omitempty"`
	Blocks        []stories.Block `json:"blocks,omitempty"`
	Crossheads    []string        `json:"crossheads,omitempty"`
	Tags          []string        `json:"tags,omitempty"`
	TagsRaw       string          `json:"tags_raw,omitempty"`
	Masthead      string          `json:"masthead,omitempty"`
	EditionCities []string        `json:"edition_cities,omitempty"`
	PageClock     time.Time       `json:"page_clock,omitzero"`
	Extra         []string        `json:"extra,omitempty"`
	Language      string          `json:"language,omitempty"`
	Words         int             `json:"words,omitempty"`
	Image         *stories.Image  `json:"image,omitempty"`
	Source        string          `json:"source,omitempty"`
	Scope         string          `json:"scope,omitempty"`
	Warnings      []string        `json:"warnings,omitempty"`
}

func encodeStory(s *stories.Story) (string, error) {
	b, err := json.Marshal(wording{s.GUID, s.URL, s.Canonical, s.Headline, s.SectionRaw, s.Byline, s.Desk, s.City,
		s.Agencies, s.Authors, s.Published, s.PublishedRaw, s.Updated, s.Lead, s.Blocks, s.Crossheads, s.Tags, s.TagsRaw,
		s.Masthead, s.EditionCities, s.PageClock, s.Extra, s.Language, s.Words, s.Image, s.Source, s.Scope, s.Warnings})
	return string(b), err
}

// storyColumns are those that scanWording reads, of stories s and revisions r.
func (d dialect) storyColumns() string {
	return `s.id, r.id, ` + d.sectionsOf() + `, r.body, CASE WHEN r.editor <> '' THEN r.at ELSE 0 END, s.withdrawn`
}

// scanWording reads storyColumns and what follows them.
func scanWording(r *sql.Rows, more ...any) (*stories.Story, error) {
	var id, revision, corrected, withdrawn int64
	var sections, body string
	if err := r.Scan(append([]any{&id, &revision, &sections, &body, &corrected, &withdrawn}, more...)...); err != nil {
		return nil, err
	}
	s, err := decodeStory(id, revision, sections, body)
	if err != nil {
		return nil, err
	}
	s.Corrected, s.Withdrawn = fromUS(corrected), fromUS(withdrawn)
	return s, nil
}

// decodeStory reads a wording, and sections as a JSON array.
func decodeStory(id, revision int64, sections, body string) (*stories.Story, error) {
	var w wording
	if err := json.Unmarshal([]byte(body), &w); err != nil {
		return nil, fmt.Errorf("read revision %d: %w", revision, err)
	}
	s := &stories.Story{ID: id, Revision: revision, GUID: w.GUID, URL: w.URL, Canonical: w.Canonical, Headline: w.Headline,
		SectionRaw: w.SectionRaw, Byline: w.Byline, Desk: w.Desk, City: w.City, Agencies: w.Agencies, Authors: w.Authors,
		Published: w.Published, PublishedRaw: w.PublishedRaw, Updated: w.Updated, Lead: w.Lead, Blocks: w.Blocks,
		Crossheads: w.Crossheads, Tags: w.Tags, TagsRaw: w.TagsRaw, Masthead: w.Masthead, EditionCities: w.EditionCities,
		PageClock: w.PageClock, Extra: w.Extra, Language: w.Language, Words: w.Words, Image: w.Image, Source: w.Source, Scope: w.Scope,
		Warnings: w.Warnings}
	if err := json.Unmarshal([]byte(sections), &s.Sections); err != nil {
		return nil, fmt.Errorf("read sections of story %d: %w", id, err)
	}
	return s, nil
}

// Pool meets [digest.Ledger].
func (db *DB) Pool(ctx context.Context, since time.Time, upTo int64) ([]digest.Candidate, error) {
	list, err := selectAll(ctx, db.read(), `SELECT p.story, r.id, p.section, p.arrival, p.arrived, s.first, r.published, p.pin,
			r.language, r.headline, r.lead, s.withdrawn > 0
		FROM story_sections p JOIN stories s ON s.id = p.story JOIN revisions r ON r.id = s.revision
		WHERE p.arrival <= ?2 AND p.story IN
			(SELECT story FROM story_sections WHERE arrival IS NOT NULL AND arrived >= ?1 AND +arrival <= ?2)
		ORDER BY p.arrival`, args{us(since), upTo}, func(r *sql.Rows) (c digest.Candidate, err error) {
		var arrived, first, published int64
		err = r.Scan(&c.Story, &c.Revision, &c.Section, &c.Arrival, &arrived, &first, &published, &c.Pin,
			&c.Language, &c.Headline, &c.Lead, &c.Withdrawn)
		c.Arrived, c.First, c.Published = fromUS(arrived), fromUS(first), fromUS(published)
		return c, err
	})
	var on map[int64][]digest.Top
	if err == nil {
		on, err = tops(ctx, db.read())
	}
	if err != nil {
		return nil, fmt.Errorf("list candidates: %w", err)
	}
	for n := range list {
		list[n].Tops = on[list[n].Story]
	}
	return list, nil
}

// Embargoed lists the (story, section) pairs that were held back when an issue was opened, or are now
// if it is not on record. Their Published says until when.
func (db *DB) Embargoed(ctx context.Context, i *digest.Issue) ([]digest.Candidate, error) {
	then, values := `p.arrival IS NULL AND p.release_at > 0`, args(nil)
	if i.ID != 0 {
		then, values = `(p.arrival > ?1 AND p.release_at > ?2 OR `+then+`) AND s.created <= ?2`, args{i.Cutoff, us(i.Opened)}
	}
	list, err := selectAll(ctx, db.read(), `SELECT p.story, s.revision, p.section, p.release_at
		FROM story_sections p JOIN stories s ON s.id = p.story WHERE `+then+` ORDER BY p.release_at, p.story, p.section`, values,
		func(r *sql.Rows) (c digest.Candidate, err error) {
			var until int64
			err = r.Scan(&c.Story, &c.Revision, &c.Section, &until)
			c.Published = fromUS(until)
			return c, err
		})
	if err != nil {
		return nil, fmt.Errorf("list embargoed stories: %w", err)
	}
	return list, nil
}

// sectionsOf is story s's sections as a JSON array in the order in which it entered them.
func (d dialect) sectionsOf() string {
	return `(SELECT coalesce(` + d.list(`section`) + `, '[]') FROM
		(SELECT section FROM story_sections WHERE story = s.id ORDER BY arrival IS NULL, arrival, section) own)`
}

// Stories meets [digest.Ledger].
func (db *DB) Stories(ctx context.Context, revisions []int64) (map[int64]*stories.Story, error) {
	list, err := selectAll(ctx, db.read(), `SELECT `+db.dialect.storyColumns()+`
		FROM `+db.dialect.ids(1)+` v CROSS JOIN revisions r JOIN stories s ON s.id = r.story WHERE r.id = v.value`, args{idList(revisions)},
		func(r *sql.Rows) (*stories.Story, error) { return scanWording(r) })
	if err != nil {
		return nil, fmt.Errorf("load stories: %w", err)
	}
	found := make(map[int64]*stories.Story, len(list))
	for _, s := range list {
		found[s.Revision] = s
	}
	return found, nil
}

// Headlines loads the headlines of revisions, by revision id.
func (db *DB) Headlines(ctx context.Context, revisions []int64) (map[int64]string, error) {
	found := make(map[int64]string, len(revisions))
	_, err := selectAll(ctx, db.read(), `SELECT r.id, r.headline FROM `+db.dialect.ids(1)+` v CROSS JOIN revisions r WHERE r.id = v.value`,
		args{idList(revisions)}, func(r *sql.Rows) (struct{}, error) {
			var id int64
			var headline string
			err := r.Scan(&id, &headline)
			found[id] = headline
			return struct{}{}, err
		})
	if err != nil {
		return nil, fmt.Errorf("load headlines: %w", err)
	}
	return found, nil
}

// StoryRow is a story with its place in the order of arrivals.
type StoryRow struct {
	stories.Story
	Arrival int64     // first arrival number in any section, 0 while held
	Arrived time.Time // when it got it
	Held    time.Time // until when it is held in every section; zero once it has arrived
}

// StoryFilter says which stories to list. Zero fields do not filter.
type StoryFilter struct {
	Section string
	Since   time.Time // arrived at or after
}

func (d dialect) storyRow() string {
	return `SELECT ` + d.storyColumns() + `,
		(SELECT coalesce(min(arrival), 0) FROM story_sections WHERE story = s.id), s.first,
		(SELECT coalesce(min(release_at), 0) FROM story_sections WHERE story = s.id AND arrival IS NULL)
		FROM stories s JOIN revisions r ON r.id = s.revision `
}

func scanStory(r *sql.Rows) (StoryRow, error) {
	var row StoryRow
	var first, held int64
	s, err := scanWording(r, &row.Arrival, &first, &held)
	if err != nil {
		return row, err
	}
	row.Story, row.Arrived = *s, fromUS(first)
	if row.Arrival == 0 {
		row.Held = fromUS(held)
	}
	return row, nil
}

// ListStories lists stories by id, each with its latest revision. Memory stays flat.
func (db *DB) ListStories(ctx context.Context, f StoryFilter) iter.Seq2[StoryRow, error] {
	return pages(func(after StoryRow) ([]StoryRow, error) {
		return selectAll(ctx, db.read(), db.dialect.storyRow()+`WHERE s.id > ?1 AND s.first >= ?2 AND
			(?3 = '' OR EXISTS (SELECT 1 FROM story_sections p WHERE p.story = s.id AND p.section = ?3))
			ORDER BY s.id LIMIT ?4`, args{after.ID, us(f.Since), f.Section, pageSize}, scanStory)
	}, "list stories")
}

// Story loads a story with its latest revision; [ErrNotFound] if there is none.
func (db *DB) Story(ctx context.Context, id int64) (StoryRow, error) {
	list, err := selectAll(ctx, db.read(), db.dialect.storyRow()+`WHERE s.id = ?1`, args{id}, scanStory)
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return StoryRow{}, fmt.Errorf("load story %d: %w", id, err)
	}
	return list[0], nil
}

// StoryLink meets web.StoryFinder.
func (db *DB) StoryLink(ctx context.Context, story int64) (url, headline string, err error) {
	list, err := selectAll(ctx, db.read(), db.dialect.storyRow()+`WHERE s.id = ?1`, args{story}, scanStory)
	if err != nil {
		return "", "", fmt.Errorf("find story %d: %w", story, err)
	}
	if len(list) == 0 {
		return "", "", nil
	}
	if !list[0].Withdrawn.IsZero() {
		return "", "", stories.ErrWithdrawn
	}
	return list[0].URL, list[0].Headline, nil
}

// pageSize is how many rows a listing reads at a time, so that no read transaction stays open
// while its caller writes to a slow terminal: that would keep the journal from shrinking.
const pageSize = 500

// pages streams what next returns, until a page is short. next gets the last row so far, at
// first the zero value.
func pages[T any](next func(after T) ([]T, error), what string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var last T
		for {
			list, err := next(last)
			if err != nil {
				var zero T
				yield(zero, fmt.Errorf("%s: %w", what, err))
				return
			}
			for _, v := range list {
				if !yield(v, nil) {
					return
				}
			}
			if len(list) < pageSize {
				return
			}
			last = list[len(list)-1]
		}
	}
}
