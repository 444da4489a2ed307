package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"broadsheet/digest"
	"broadsheet/operators"
	"broadsheet/stories"
)

// ErrUnchanged says that an act of an editor would change nothing.
var ErrUnchanged = errors.New("that changes nothing")

// onStory runs an act of an editor on a story that is not withdrawn, which is numbered and audited. With
// digests those on record may have to follow; then senders are called back.
func (db *DB) onStory(ctx context.Context, by operators.By, act string, story int64, digests bool, now time.Time,
	do func(ctx context.Context, t *tx) (detail string, err error)) error {
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		at, err := t.withdrawnAt(ctx, story)
		if err != nil {
			return err
		}
		if !at.IsZero() {
			return stories.ErrWithdrawn
		}
		detail, err := do(ctx, t)
		if err != nil {
			return err
		}
		if err := t.edited(ctx, story, digests); err != nil {
			return err
		}
		if digests {
			if err := db.recall(ctx, t, now); err != nil {
				return fmt.Errorf("recall from senders: %w", err)
			}
		}
		return t.audit(ctx, by, act+" story", storyName(story), detail, now)
	})
	if err != nil {
		return fmt.Errorf("%s story %d: %w", act, story, err)
	}
	return nil
}

// PinStory sets the pin of a story in a section, or in all of its sections with "": in issues opened from
// now on stories with a higher pin come first. 0 takes it off.
func (db *DB) PinStory(ctx context.Context, by operators.By, story int64, section string, pin int, now time.Time) error {
	return db.onStory(ctx, by, "pin", story, false, now, func(ctx context.Context, t *tx) (string, error) {
		n, err := t.exec(ctx, `UPDATE story_sections SET pin = ?3 WHERE story = ?1 AND (?2 = '' OR section = ?2)`, story, section, pin)
		if err == nil && n == 0 {
			err = fmt.Errorf("it is not in section %q", section)
		}
		return strings.TrimSpace(fmt.Sprint(pin, " ", section)), err
	})
}

// LeadStory puts a story on top until a time, in issues opened from now on: of the mail of every reader of
// an edition for whom it is chosen, or of a section. One story is on top of each; until zero takes this
// one down.
func (db *DB) LeadStory(ctx context.Context, by operators.By, story int64, top digest.Top, now time.Time) error {
	return db.onStory(ctx, by, "lead", story, false, now, func(ctx context.Context, t *tx) (string, error) {
		where := strings.TrimSpace(top.Edition + " " + top.Section)
		if top.Until.IsZero() {
			n, err := t.exec(ctx, `DELETE FROM leads WHERE edition = ?1 AND section = ?2 AND story = ?3`, top.Edition, top.Section, story)
			if err == nil && n == 0 {
				err = ErrUnchanged
			}
			return where + " no more", err
		}
		_, err := t.exec(ctx, `INSERT INTO leads (edition, section, story, until) VALUES (?1, ?2, ?3, ?4)
			ON CONFLICT (edition, section) DO UPDATE SET story = ?3, until = ?4`, top.Edition, top.Section, story, us(top.Until))
		return where + " until " + top.Until.UTC().Format(time.RFC3339), err
	})
}

// tops lists where stories are on top, by story.
func tops(ctx context.Context, q querier) (map[int64][]digest.Top, error) {
	type row struct {
		digest.Top
		story int64
	}
	list, err := selectAll(ctx, q, `SELECT edition, section, story, until FROM leads ORDER BY edition, section`, nil, func(r *sql.Rows) (o row, err error) {
		var until int64
		err = r.Scan(&o.Edition, &o.Section, &o.story, &until)
		o.Until = fromUS(until)
		return o, err
	})
	if err != nil {
		return nil, err
	}
	found := make(map[int64][]digest.Top, len(list))
	for _, o := range list {
		found[o.story] = append(found[o.story], o.Top)
	}
	return found, nil
}

// HoldStory holds a story back until a time, whatever its source says: it is chosen no more, leaves the
// digests of deliveries without a copy, and gets a new arrival number when its time has come, so that
// windows take it in.
func (db *DB) HoldStory(ctx context.Context, by operators.By, story int64, until, now time.Time) error {
	return db.onStory(ctx, by, "hold", story, true, now, func(ctx context.Context, t *tx) (string, error) {
		if _, err := t.takeCounter(ctx, now); err != nil { // nobody gives it a number or takes a cut-off meanwhile
			return "", err
		}
		if _, err := t.exec(ctx, `UPDATE stories SET held = ?2 WHERE id = ?1`, story, us(until)); err != nil {
			return "", err
		}
		_, err := t.exec(ctx, `UPDATE story_sections SET arrival = NULL, arrived = 0, release_at = ?2 WHERE story = ?1`, story, us(until))
		return "until " + until.UTC().Format(time.RFC3339), err
	})
}

// ReleaseStory lets a story go that is held back, by an editor or by its own date.
func (db *DB) ReleaseStory(ctx context.Context, by operators.By, story int64, now time.Time) error {
	return db.onStory(ctx, by, "release", story, false, now, func(ctx context.Context, t *tx) (string, error) {
		c, err := t.takeCounter(ctx, now)
		if err != nil {
			return "", err
		}
		n, err := t.exec(ctx, `UPDATE story_sections SET release_at = ?2 WHERE story = ?1 AND arrival IS NULL`, story, c.now)
		if err != nil {
			return "", err
		}
		if n == 0 {
			return "", ErrUnchanged
		}
		return "", errors.Join(c.release(ctx), c.put(ctx))
	})
}

// CorrectStory gives a story new words: what correct makes of it is a revision of the editor's. Deliveries
// without a copy get it, and its source does not overwrite it unless it says something new itself.
func (db *DB) CorrectStory(ctx context.Context, by operators.By, story int64, correct func(s *stories.Story) error, now time.Time) (revision int64, err error) {
	err = db.onStory(ctx, by, "correct", story, true, now, func(ctx context.Context, t *tx) (string, error) {
		list, err := selectAll(ctx, t, db.dialect.storyRow()+`WHERE s.id = ?1`, args{story}, scanStory)
		if err != nil {
			return "", err
		}
		s := &list[0].Story
		before := s.Hash()
		if err := correct(s); err != nil {
			return "", err
		}
		if s.Hash() == before {
			return "", ErrUnchanged
		}
		c := &counter{t: t, now: us(now)}
		revision, err = c.reword(ctx, story, s, by.Who)
		return fmt.Sprint("revision ", revision), err
	})
	return revision, err
}

// PushStory adds a story of a newsroom's own system, or changes the one that it has called so before.
// added says what came of it; the error is [stories.ErrWithdrawn] if it was withdrawn.
func (db *DB) PushStory(ctx context.Context, by operators.By, externalID string, s stories.Story, now time.Time) (id int64, added stories.Added, err error) {
	s.GUID, s.SharedGUID, s.Scope = externalID, false, stories.PushScope
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		added = stories.Added{}
		c, err := t.takeCounter(ctx, now)
		if err != nil {
			return err
		}
		if err := c.add(ctx, &s, &added); err != nil {
			return err
		}
		if id, err = pushed(ctx, t, externalID); err != nil {
			return err
		}
		at, err := t.withdrawnAt(ctx, id)
		if err != nil {
			return err
		}
		if !at.IsZero() {
			return stories.ErrWithdrawn
		}
		if added.New == 0 {
			if err := c.restate(ctx, id, &s, &added); err != nil {
				return err
			}
		}
		if err := errors.Join(c.release(ctx), c.put(ctx)); err != nil {
			return err
		}
		if added.New+added.Revised+added.Placed == 0 {
			return nil
		}
		return t.audit(ctx, by, "push story", storyName(id), externalID, now)
	})
	if err != nil {
		return 0, stories.Added{}, fmt.Errorf("push story %q: %w", externalID, err)
	}
	return id, added, nil
}

// restate makes a story that is known what a push says it is. Beside new words, which every source may bring,
// that is another address, language or date, sections that it is no longer in, and a date to come: then the
// story waits, as long as no issue has looked at it.
func (c *counter) restate(ctx context.Context, story int64, s *stories.Story, added *stories.Added) error {
	body, err := encodeStory(s)
	if err != nil {
		return err
	}
	var have string // what the source said last
	if err := c.t.scan(ctx, `SELECT body FROM revisions WHERE story = ?1 AND editor = '' ORDER BY id DESC LIMIT 1`, args{story}, &have); err != nil {
		return err
	}
	if have != body {
		if _, err := c.reword(ctx, story, s, ""); err != nil {
			return err
		}
		added.Revised, added.Known = 1, 0
	}
	in, err := selectAll(ctx, c.t, `SELECT section FROM story_sections WHERE story = ?1`, args{story}, func(r *sql.Rows) (section string, err error) { return section, r.Scan(&section) })
	if err != nil {
		return err
	}
	for _, section := range in {
		if slices.Contains(s.Sections, section) {
			continue
		}
		if _, err := c.t.exec(ctx, `DELETE FROM story_sections WHERE story = ?1 AND section = ?2`, story, section); err != nil {
			return err
		}
		if _, err := c.t.exec(ctx, `DELETE FROM leads WHERE story = ?1 AND section = ?2`, story, section); err != nil {
			return err
		}
		added.Placed = 1
	}
	if us(s.Published) <= c.now {
		return nil
	}
	n, err := c.t.exec(ctx, `UPDATE story_sections SET arrival = NULL, arrived = 0, release_at = ?2 WHERE story = ?1 AND arrival IS NOT NULL
		AND NOT EXISTS (SELECT 1 FROM story_sections p JOIN issues i ON i.opened >= p.arrived AND i.cutoff >= p.arrival JOIN editions e ON e.id = i.edition
			WHERE p.story = ?1 AND p.arrival IS NOT NULL AND e.name <> '`+digest.NoticeEdition+`')`, story, us(s.Published))
	if err == nil && n > 0 {
		added.Placed = 1
		_, err = c.t.exec(ctx, `UPDATE stories SET first = 0 WHERE id = ?1`, story)
	}
	return err
}

// PushedStory is the story that a newsroom's own system calls so; [ErrNotFound] if there is none.
func (db *DB) PushedStory(ctx context.Context, externalID string) (id int64, err error) {
	if id, err = pushed(ctx, db.read(), externalID); err != nil {
		return 0, fmt.Errorf("find pushed story %q: %w", externalID, err)
	}
	return id, nil
}

func pushed(ctx context.Context, q querier, externalID string) (id int64, err error) {
	k := stories.PushKey(externalID)
	err = q.scan(ctx, `SELECT story FROM story_keys WHERE kind = ?1 AND value = ?2`, args{k.Kind, k.Value}, &id)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return id, err
}
