package store

import (
	"context"
	"database/sql"
	"fmt"

	"broadsheet/digest"
)

// AddClicks adds to the counts of followed links.
func (db *DB) AddClicks(ctx context.Context, counts map[digest.Click]int64) error {
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		for c, n := range counts {
			if _, err := t.exec(ctx, `INSERT INTO clicks (edition, slot, story, section, n) VALUES (?1, ?2, ?3, ?4, ?5)
				ON CONFLICT (edition, slot, story, section) DO UPDATE SET n = clicks.n + ?5`, c.Edition, c.Slot, c.Story, c.Section, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("add clicks: %w", err)
	}
	return nil
}

// ClickCount is how often a link in the mails of a slot was followed.
type ClickCount struct {
	Story    int64  `json:"story,omitempty"` // 0 = the link to the rest of Section
	Headline string `json:"headline,omitempty"`
	Section  string `json:"section,omitempty"`
	Clicks   int    `json:"clicks"`
	Readers  int    `json:"readers"` // who had the link
}

// fewReaders is how many readers must have had a link for its clicks to be shown: of fewer, a count
// could tell what one of them reads.
const fewReaders = 20

// Clicks lists how often links in the mails of an issue's slot were followed, the most followed
// first. Links that fewer than twenty readers had are left out.
func (db *DB) Clicks(ctx context.Context, i *digest.Issue) ([]ClickCount, error) {
	q := db.read()
	list, err := selectAll(ctx, q, `SELECT c.story, c.section, c.n, coalesce(r.headline, '') FROM clicks c
		LEFT JOIN stories s ON s.id = c.story LEFT JOIN revisions r ON r.id = s.revision
		WHERE c.edition = ?1 AND c.slot = ?2 ORDER BY c.n DESC, c.story, c.section`, args{i.EditionID, i.Wall()},
		func(r *sql.Rows) (c ClickCount, err error) {
			return c, r.Scan(&c.Story, &c.Section, &c.Clicks, &c.Headline)
		})
	if err != nil {
		return nil, fmt.Errorf("list clicks: %w", err)
	}
	if len(list) == 0 {
		return nil, nil
	}
	stories, sections := map[int64]int{}, map[string]int{}
	_, err = selectAll(ctx, q, `SELECT n, g.subject, g.body FROM (SELECT digest AS shown, count(*) AS n FROM deliveries
			WHERE slot = ?1 AND digest IS NOT NULL AND state IN ('handed', 'accepted', 'delayed', 'delivered', 'uncertain') GROUP BY digest) found
		CROSS JOIN digests g WHERE g.id = shown`, args{i.SlotID}, func(r *sql.Rows) (none struct{}, _ error) {
		var n int
		var d digest.Digest
		var body sql.RawBytes
		if err := r.Scan(&n, &d.Subject, &body); err != nil {
			return none, err
		}
		if err := digest.Unpack(body, &d); err != nil {
			return none, damaged(err)
		}
		met := map[string]bool{}
		for _, item := range d.Items {
			stories[item.Story] += n
			if !met[item.Section] {
				met[item.Section] = true
				sections[item.Section] += n
			}
		}
		return none, nil
	})
	if err != nil {
		return nil, fmt.Errorf("list clicks: %w", err)
	}
	shown := list[:0]
	for _, c := range list {
		if c.Readers = stories[c.Story]; c.Story == 0 {
			c.Readers = sections[c.Section]
		}
		if c.Readers >= fewReaders {
			shown = append(shown, c)
		}
	}
	return shown, nil
}
