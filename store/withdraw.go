package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"broadsheet/operators"
	"broadsheet/stories"
	"broadsheet/subscribers"
)

// edited numbers an act of an editor on a story. With digests those on record may have to follow it.
func (t *tx) edited(ctx context.Context, story int64, digests bool) error {
	var n int64
	if err := t.scan(ctx, `UPDATE counters SET value = value + 1 WHERE name = 'stories' RETURNING value`, nil, &n); err != nil {
		return err
	}
	if !digests {
		return nil
	}
	_, err := t.exec(ctx, `UPDATE stories SET edited = ?2 WHERE id = ?1`, story, n)
	return err
}

// storyName is a story in the audit log.
func storyName(id int64) string { return "story " + strconv.FormatInt(id, 10) }

// withdrawnAt is when a story was withdrawn, zero if it was not; [ErrNotFound] if there is none.
func (t *tx) withdrawnAt(ctx context.Context, story int64) (time.Time, error) {
	var at int64
	err := t.scan(ctx, `SELECT withdrawn FROM stories WHERE id = ?1`, args{story}, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, ErrNotFound
	}
	return fromUS(at), err
}

// WithdrawStory withdraws a story, for good: it is chosen no more, no fetch brings it back, and from the
// commit of this one transaction on nothing with it leaves, in no process, but for a copy whose last octet
// is on its way. news is false if it was withdrawn before. Digests on record follow with [DB.Recast];
// until then their batches are not leased.
func (db *DB) WithdrawStory(ctx context.Context, by operators.By, story int64, now time.Time) (news bool, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		if news, err = db.withdraw(ctx, t, story, now); err != nil || !news {
			return err
		}
		return t.audit(ctx, by, "withdraw story", storyName(story), "", now)
	})
	if err != nil {
		return false, fmt.Errorf("withdraw story %d: %w", story, err)
	}
	return news, nil
}

// withdraw is WithdrawStory in a transaction, without the audit log. It has a line in the journal, so that an older
// database that is put back does not have the story again.
func (db *DB) withdraw(ctx context.Context, t *tx, story int64, now time.Time) (news bool, err error) {
	at, err := t.withdrawnAt(ctx, story)
	if err != nil || !at.IsZero() {
		return false, err
	}
	if _, err := t.exec(ctx, `UPDATE stories SET withdrawn = ?2 WHERE id = ?1`, story, us(now)); err != nil {
		return false, err
	}
	if _, err := t.exec(ctx, `DELETE FROM leads WHERE story = ?1`, story); err != nil {
		return false, err
	}
	if err := t.edited(ctx, story, true); err != nil {
		return false, err
	}
	if err := db.recall(ctx, t, now); err != nil {
		return false, fmt.Errorf("recall from senders: %w", err)
	}
	// A title is another story's some day: it comes last, for who has nothing else.
	keys, err := selectAll(ctx, t, `SELECT kind, value FROM story_keys WHERE story = ?1 ORDER BY kind = 'title', kind, value`, args{story},
		func(r *sql.Rows) (k stories.Key, err error) { return k, r.Scan(&k.Kind, &k.Value) })
	if err != nil {
		return false, err
	}
	var lines strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&lines, "%s %s\n", k.Kind, k.Value)
	}
	t.note(lineWithdrawn, subscribers.Hash{}, lines.String(), now)
	return true, nil
}
