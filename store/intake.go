package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"broadsheet/stories"
)

var _ stories.Shelf = (*DB)(nil)

const feedColumns = `url, etag, last_modified, fetched, ok, due, failures, error, items, fence`

// feedClaim is how long one fetch of a feed may take before another process may begin one: some times what a
// [stories.Fetcher] gives it.
const feedClaim = 2 * time.Minute

func scanFeedRow(r *sql.Rows) (f stories.FeedState, err error) {
	var fetched, ok, due int64
	err = r.Scan(&f.URL, &f.ETag, &f.LastModified, &fetched, &ok, &due, &f.Failures, &f.Error, &f.Items, &f.Fence)
	f.Fetched, f.OK, f.Due = fromUS(fetched), fromUS(ok), fromUS(due)
	return f, err
}

// TakeFeed meets [stories.Shelf].
func (db *DB) TakeFeed(ctx context.Context, url string, force bool, now time.Time) (f stories.FeedState, taken bool, err error) {
	list, err := selectAll(ctx, db.read(), `SELECT `+feedColumns+` FROM feeds WHERE url = ?1`, args{url}, scanFeedRow)
	if err == nil && len(list) > 0 && !force && list[0].Due.After(now) { // mostly: a look does not take the writer's turn
		return list[0], false, nil
	}
	if err == nil {
		err = db.writeIn(ctx, ownLane, func(ctx context.Context, t *tx) error {
			clock := db.leaseClock()
			// One conditional update: of several processes that ask in the same moment one gets it.
			list, err = selectAll(ctx, t, `INSERT INTO feeds (url, etag, last_modified, fetched, ok, due, failures, error, items, fence, claimed)
				VALUES (?1, '', '', 0, 0, 0, 0, '', 0, 1, ?2)
				ON CONFLICT (url) DO UPDATE SET fence = feeds.fence + 1, claimed = excluded.claimed
				WHERE feeds.claimed < ?3 AND (?4 <> 0 OR feeds.due <= ?5) RETURNING `+feedColumns, args{url, us(clock.Add(feedClaim)), us(clock), force, us(now)}, scanFeedRow)
			if taken = len(list) > 0; err != nil || taken {
				return err
			}
			list, err = selectAll(ctx, t, `SELECT `+feedColumns+` FROM feeds WHERE url = ?1`, args{url}, scanFeedRow)
			return err
		})
	}
	if err != nil {
		return stories.FeedState{URL: url}, false, fmt.Errorf("take feed: %w", err)
	}
	if len(list) == 0 {
		return stories.FeedState{URL: url}, false, nil
	}
	return list[0], taken, nil
}

// LeaveFeed meets [stories.Shelf].
func (db *DB) LeaveFeed(ctx context.Context, f stories.FeedState) error {
	err := db.writeIn(ctx, ownLane, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE feeds SET claimed = 0 WHERE url = ?1 AND fence = ?2`, f.URL, f.Fence)
		return err
	})
	if err != nil {
		return fmt.Errorf("leave feed: %w", err)
	}
	return nil
}

// Feeds lists what is known of all feeds that were fetched, by URL.
func (db *DB) Feeds(ctx context.Context) ([]stories.FeedState, error) {
	list, err := selectAll(ctx, db.read(), `SELECT `+feedColumns+` FROM feeds WHERE fetched > 0 ORDER BY url`, nil, scanFeedRow)
	if err != nil {
		return nil, fmt.Errorf("list feeds: %w", err)
	}
	return list, nil
}

// SaveFeed meets [stories.Shelf].
func (db *DB) SaveFeed(ctx context.Context, f stories.FeedState) error {
	err := db.writeIn(ctx, ownLane, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE feeds SET etag = ?2, last_modified = ?3, fetched = ?4, ok = ?5, due = ?6, failures = ?7, error = ?8, items = ?9, claimed = 0
			WHERE url = ?1 AND fence = ?10`, f.URL, f.ETag, f.LastModified, us(f.Fetched), us(f.OK), us(f.Due), f.Failures, f.Error, f.Items, f.Fence)
		switch {
		case err != nil:
			return err
		case n == 0:
			return stories.ErrTaken
		}
		return t.countFeed(ctx, &f)
	})
	if err != nil {
		return fmt.Errorf("save feed: %w", err)
	}
	return nil
}

// AddStories meets [stories.Shelf].
func (db *DB) AddStories(ctx context.Context, batch []stories.Story, now time.Time) (stories.Added, error) {
	var added stories.Added
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		added = stories.Added{}
		c, err := t.takeCounter(ctx, now)
		if err != nil {
			return err
		}
		for i := range batch {
			if err := c.add(ctx, &batch[i], &added); err != nil {
				return fmt.Errorf("%q: %w", batch[i].Headline, err)
			}
		}
		if err := c.release(ctx); err != nil {
			return err
		}
		return c.put(ctx)
	})
	if err != nil {
		return stories.Added{}, fmt.Errorf("add stories: %w", err)
	}
	return added, nil
}

// counter is the counter of arrivals, held until the transaction ends: whoever gives numbers
// or takes a cut-off waits for it, so numbers commit in their order and without a gap.
type counter struct {
	t     *tx
	now   int64
	value int64
}

func (t *tx) takeCounter(ctx context.Context, now time.Time) (*counter, error) {
	c := &counter{t: t, now: us(now)}
	// An update, because that holds the row in every engine.
	err := t.scan(ctx, `UPDATE counters SET value = value WHERE name = 'arrival' RETURNING value`, nil, &c.value)
	return c, err
}

func (c *counter) put(ctx context.Context) error {
	_, err := c.t.exec(ctx, `UPDATE counters SET value = ?1 WHERE name = 'arrival'`, c.value)
	return err
}

// release gives numbers to what was held until now.
func (c *counter) release(ctx context.Context) error {
	type held struct {
		story   int64
		section string
	}
	list, err := selectAll(ctx, c.t, `SELECT story, section FROM story_sections
		WHERE arrival IS NULL AND release_at <= ?1 ORDER BY release_at, story, section`, args{c.now},
		func(r *sql.Rows) (h held, err error) { return h, r.Scan(&h.story, &h.section) })
	if err != nil {
		return err
	}
	for _, h := range list {
		c.value++
		if _, err := c.t.exec(ctx, `UPDATE story_sections SET arrival = ?3, arrived = ?4 WHERE story = ?1 AND section = ?2`,
			h.story, h.section, c.value, c.now); err != nil {
			return err
		}
		if err := c.arrived(ctx, h.story); err != nil {
			return err
		}
	}
	return nil
}

func (c *counter) arrived(ctx context.Context, story int64) error {
	_, err := c.t.exec(ctx, `UPDATE stories SET first = CASE WHEN first = 0 THEN ?2 ELSE first END, held = 0 WHERE id = ?1 AND (first = 0 OR held > 0)`, story, c.now)
	return err
}

// add puts one story on record, or recognises it.
func (c *counter) add(ctx context.Context, s *stories.Story, added *stories.Added) error {
	keys := stories.Keys(s)
	id, err := c.find(ctx, keys)
	if err != nil {
		return err
	}
	isNew := id == 0
	if isNew {
		if err := c.t.scan(ctx, `INSERT INTO stories (revision, created, first) VALUES (0, ?1, 0) RETURNING id`,
			args{c.now}, &id); err != nil {
			return err
		}
	}
	if err := c.remember(ctx, id, keys); err != nil {
		return err
	}
	if at, err := c.t.withdrawnAt(ctx, id); err != nil {
		return err
	} else if !at.IsZero() { // its source does not bring it back
		added.Known++
		return nil
	}
	revised, err := c.revise(ctx, id, s)
	if err != nil {
		return err
	}
	placed, held, err := c.place(ctx, id, s)
	if err != nil {
		return err
	}
	switch {
	case isNew:
		added.New++
	case revised:
		added.Revised++
	default:
		added.Known++
	}
	if placed && !isNew {
		added.Placed++
	}
	if held {
		added.Held++
	}
	return nil
}

// find returns the story that shares a key, 0 if none does. The first key counts most.
func (c *counter) find(ctx context.Context, keys []stories.Key) (int64, error) {
	for _, k := range keys {
		var story, seen int64
		err := c.t.scan(ctx, `SELECT story, seen FROM story_keys WHERE kind = ?1 AND value = ?2`, args{k.Kind, k.Value}, &story, &seen)
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return 0, err
		case k.Window == 0 || max(c.now-seen, seen-c.now) <= k.Window.Microseconds():
			return story, nil
		}
	}
	return 0, nil
}

// remember keeps the keys by which the story is known from now on. A key that counts for a
// while counts from the last sighting.
func (c *counter) remember(ctx context.Context, story int64, keys []stories.Key) error {
	for _, k := range keys {
		query := `INSERT INTO story_keys (kind, value, story, seen) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (kind, value) DO NOTHING`
		if k.Window > 0 {
			query = `INSERT INTO story_keys (kind, value, story, seen) VALUES (?1, ?2, ?3, ?4)
				ON CONFLICT (kind, value) DO UPDATE SET story = ?3, seen = ?4`
		}
		if _, err := c.t.exec(ctx, query, k.Kind, k.Value, story, c.now); err != nil {
			return err
		}
	}
	return nil
}

// revise adds a revision if the wording is new.
func (c *counter) revise(ctx context.Context, story int64, s *stories.Story) (bool, error) {
	hash := s.Hash()
	var have string // what the source said last: an editor's correction stands until it says something else
	err := c.t.scan(ctx, `SELECT hash FROM revisions WHERE story = ?1 AND editor = '' ORDER BY id DESC LIMIT 1`, args{story}, &have)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	if err == nil && have == hash {
		return false, nil
	}
	_, err = c.reword(ctx, story, s, "")
	return err == nil, err
}

// reword gives the story a new revision, of an editor's or, with "", of its source's.
func (c *counter) reword(ctx context.Context, story int64, s *stories.Story, editor string) (revision int64, err error) {
	body, err := encodeStory(s)
	if err != nil {
		return 0, err
	}
	if err := c.t.scan(ctx, `INSERT INTO revisions (story, hash, at, published, language, headline, lead, body, editor)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) RETURNING id`,
		args{story, s.Hash(), c.now, us(s.Published), s.Language, s.Headline, s.Lead, body, editor}, &revision); err != nil {
		return 0, err
	}
	_, err = c.t.exec(ctx, `UPDATE stories SET revision = ?2 WHERE id = ?1`, story, revision)
	return revision, err
}

// place enters the story into its sections, with a number if it may be shown already.
func (c *counter) place(ctx context.Context, story int64, s *stories.Story) (placed, held bool, err error) {
	// The release of what is held follows the latest date, unless an editor holds it for longer.
	var until int64
	if err := c.t.scan(ctx, `SELECT held FROM stories WHERE id = ?1`, args{story}, &until); err != nil {
		return false, false, err
	}
	until = max(until, us(s.Published))
	if _, err := c.t.exec(ctx, `UPDATE story_sections SET release_at = ?2 WHERE story = ?1 AND arrival IS NULL`, story, until); err != nil {
		return false, false, err
	}
	hold := until > c.now
	for _, section := range s.Sections {
		var arrival any
		var arrived, release int64
		if hold {
			release = until
		} else {
			arrival, arrived = c.value+1, c.now
		}
		n, err := c.t.exec(ctx, `INSERT INTO story_sections (story, section, arrival, arrived, release_at)
			VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (story, section) DO NOTHING`, story, section, arrival, arrived, release)
		if err != nil {
			return placed, held, err
		}
		if n == 0 {
			continue
		}
		placed = true
		if hold {
			held = true
			continue
		}
		c.value++
	}
	if placed && !hold {
		err = c.arrived(ctx, story)
	}
	return placed, held, err
}
