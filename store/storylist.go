package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"broadsheet/digest"
	"broadsheet/stories"
)

// StoryQuery says which stories are wanted. Zero fields do not filter.
type StoryQuery struct {
	Text    string // in the headline, without regard to case of ASCII letters
	Section string
	Source  string // feed URL, path of a file, or [stories.PushScope]
	State   string // new, held, pinned, lead, corrected or withdrawn
	Since   time.Time
	Before  int64 // only stories with a lower id
}

// StoryLine is a story in a list, with what editors did to it.
type StoryLine struct {
	ID        int64
	Headline  string
	Sections  []string
	Source    string
	Published time.Time
	First     time.Time // arrival in any section; zero while it is held
	Held      time.Time // until when; zero = not
	Withdrawn time.Time
	Corrected bool
	Pin       int // the highest
	Revisions int
	Tops      []digest.Top
}

// FindStories lists stories, the latest first.
func (db *DB) FindStories(ctx context.Context, q StoryQuery, now time.Time, limit int) ([]StoryLine, error) {
	like := ""
	if q.Text != "" {
		like = "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(q.Text) + "%"
	}
	on, err := tops(ctx, db.read())
	if err != nil {
		return nil, fmt.Errorf("list stories: %w", err)
	}
	list, err := selectAll(ctx, db.read(), `SELECT `+db.dialect.storyColumns()+`, s.first, r.published,
			(SELECT coalesce(max(release_at), 0) FROM story_sections WHERE story = s.id AND arrival IS NULL),
			(SELECT coalesce(max(pin), 0) FROM story_sections WHERE story = s.id),
			(SELECT count(*) FROM revisions WHERE story = s.id)
		FROM stories s JOIN revisions r ON r.id = s.revision
		WHERE (?1 = 0 OR s.id < ?1) AND (?2 = '' OR r.headline `+db.dialect.like+` ?2 ESCAPE '\')
		AND (?3 = '' OR EXISTS (SELECT 1 FROM story_sections p WHERE p.story = s.id AND p.section = ?3))
		AND (?4 = '' OR `+db.dialect.text("r.body", "source")+` = ?4 OR `+db.dialect.text("r.body", "scope")+` = ?4)
		AND (?5 = 0 OR s.created >= ?5)
		AND (?6 = '' OR ?6 = 'withdrawn' AND s.withdrawn > 0 OR ?6 = 'corrected' AND r.editor <> ''
			OR ?6 = 'lead' AND s.id IN (SELECT story FROM leads WHERE until > ?7)
			OR ?6 = 'pinned' AND s.withdrawn = 0 AND s.id IN (SELECT story FROM story_sections WHERE pin <> 0)
			OR ?6 = 'held' AND s.withdrawn = 0 AND s.id IN (SELECT story FROM story_sections WHERE arrival IS NULL AND release_at > 0))
		ORDER BY s.id DESC LIMIT ?8`,
		args{q.Before, like, q.Section, q.Source, us(q.Since), q.State, us(now), limit}, func(r *sql.Rows) (l StoryLine, err error) {
			var first, published, held int64
			s, err := scanWording(r, &first, &published, &held, &l.Pin, &l.Revisions)
			if err != nil {
				return l, err
			}
			l.ID, l.Headline, l.Sections, l.Source, l.Withdrawn, l.Corrected = s.ID, s.Headline, s.Sections, s.Source, s.Withdrawn, !s.Corrected.IsZero()
			if s.Scope == stories.PushScope {
				l.Source = stories.PushScope
			}
			l.First, l.Published = fromUS(first), fromUS(published)
			if held > 0 {
				l.First, l.Held = time.Time{}, fromUS(held)
			}
			l.Tops = on[s.ID]
			return l, nil
		})
	if err != nil {
		return nil, fmt.Errorf("list stories: %w", err)
	}
	return list, nil
}

// StorySection is a story in one of its sections.
type StorySection struct {
	Section string
	Arrival int64 // 0 while it is held
	Arrived time.Time
	Release time.Time // of what is held
	Pin     int
}

// StorySections lists the sections of a story in the order in which it entered them.
func (db *DB) StorySections(ctx context.Context, story int64) ([]StorySection, error) {
	list, err := selectAll(ctx, db.read(), `SELECT section, coalesce(arrival, 0), arrived, release_at, pin FROM story_sections
		WHERE story = ?1 ORDER BY arrival IS NULL, arrival, section`, args{story}, func(r *sql.Rows) (s StorySection, err error) {
		var arrived, release int64
		err = r.Scan(&s.Section, &s.Arrival, &arrived, &release, &s.Pin)
		s.Arrived = fromUS(arrived)
		if s.Arrival == 0 {
			s.Release = fromUS(release)
		}
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("list sections of story %d: %w", story, err)
	}
	return list, nil
}

// StoryRevision is a wording of a story.
type StoryRevision struct {
	ID       int64
	At       time.Time
	Editor   string // who corrected it so; "" = its source
	Headline string
	Lead     string
}

// StoryRevisions lists the wordings of a story, the latest first.
func (db *DB) StoryRevisions(ctx context.Context, story int64) ([]StoryRevision, error) {
	list, err := selectAll(ctx, db.read(), `SELECT id, at, editor, headline, lead FROM revisions WHERE story = ?1 ORDER BY id DESC`, args{story},
		func(r *sql.Rows) (v StoryRevision, err error) {
			var at int64
			err = r.Scan(&v.ID, &at, &v.Editor, &v.Headline, &v.Lead)
			v.At = fromUS(at)
			return v, err
		})
	if err != nil {
		return nil, fmt.Errorf("list revisions of story %d: %w", story, err)
	}
	return list, nil
}

// StoryTops lists where a story is on top.
func (db *DB) StoryTops(ctx context.Context, story int64) ([]digest.Top, error) {
	on, err := tops(ctx, db.read())
	if err != nil {
		return nil, fmt.Errorf("list leads: %w", err)
	}
	return on[story], nil
}

// StoryClicks counts how often links to a story were followed, by edition and the slot's wall time in
// minutes since 1970, the latest first.
func (db *DB) StoryClicks(ctx context.Context, story int64) ([]StoryClick, error) {
	list, err := selectAll(ctx, db.read(), `SELECT e.name, c.slot, sum(c.n) FROM clicks c JOIN editions e ON e.id = c.edition
		WHERE c.story = ?1 GROUP BY e.name, c.slot ORDER BY c.slot DESC, e.name`, args{story}, func(r *sql.Rows) (c StoryClick, err error) {
		var wall int64
		err = r.Scan(&c.Edition, &wall, &c.Clicks)
		c.Slot = time.Unix(wall*60, 0).UTC()
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("count clicks on story %d: %w", story, err)
	}
	return list, nil
}

// StoryClick is how often links to a story were followed in the mails of a slot.
type StoryClick struct {
	Edition string
	Slot    time.Time // wall time, as if in UTC
	Clicks  int
}
