package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"broadsheet/digest"
	"broadsheet/subscribers"
)

// noticePause is how far apart two notices of a kind to a reader are: whoever turns many knobs is
// told once.
const noticePause = 24 * time.Hour

// EditReader changes what a reader decided: e.Do is given the settings as they stand in the same
// transaction, so that of two changes made at a time none is lost. The error is
// [subscribers.ErrNotActive] if the reader asks and is pending or unsubscribed; to leave is then
// no error, and there is nothing to leave for who has unsubscribed. Mail that waits is taken back
// where the reader does not want it any more.
func (db *DB) EditReader(ctx context.Context, id int64, e subscribers.Edit, now time.Time) (out subscribers.Edited, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		out, err = db.editReader(ctx, t, id, e, now)
		return err
	})
	if err != nil {
		return subscribers.Edited{}, fmt.Errorf("edit reader: %w", err)
	}
	return out, nil
}

// editReader is [DB.EditReader] in a transaction.
func (db *DB) editReader(ctx context.Context, t *tx, id int64, e subscribers.Edit, now time.Time) (out subscribers.Edited, err error) {
	old, err := db.withSuppression(ctx, t, "s.id = ?1", id)
	if err != nil {
		return out, notFound(err, "subscriber %d", id)
	}
	out = subscribers.Edited{Subscriber: *old}
	if e.By == "reader" {
		switch {
		case old.Status == subscribers.Unsubscribed && e.Leave:
			return out, t.sealLeave(ctx, old, now)
		case old.Status == subscribers.Unsubscribed, old.Status == subscribers.Pending && !e.Leave:
			return out, subscribers.ErrNotActive
		}
	}
	s := old.Clone()
	if err := e.Do(&s); err != nil {
		return out, err
	}
	if err := s.Validate(); err != nil && !e.Leave { // to leave is never refused for what else stands there
		return out, err
	}
	if out, err = db.edit(ctx, t, old, s, e.By, e.Notice, e.Detail, now); err == nil && e.Leave && !out.Changed {
		err = t.sealLeave(ctx, old, now)
	}
	return out, err
}

// LeaveAll unsubscribes a reader and bars the address, by a line in the journal first. It changes
// nothing for who has left already. notice is the kind of notice that tells the reader, "" = none.
func (db *DB) LeaveAll(ctx context.Context, id int64, by, notice string, now time.Time) (out subscribers.Edited, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		out, err = db.leaveAll(ctx, t, id, by, notice, now)
		return err
	})
	if err != nil {
		return subscribers.Edited{}, fmt.Errorf("unsubscribe reader: %w", err)
	}
	return out, nil
}

// leaveAll is [DB.LeaveAll] in a transaction.
func (db *DB) leaveAll(ctx context.Context, t *tx, id int64, by, notice string, now time.Time) (out subscribers.Edited, err error) {
	old, err := db.withSuppression(ctx, t, "s.id = ?1", id)
	if err != nil {
		return out, notFound(err, "subscriber %d", id)
	}
	s := old.Clone()
	s.Status = subscribers.Unsubscribed
	if out, err = db.edit(ctx, t, old, s, by, notice, "", now); err == nil && !out.Changed {
		err = t.sealLeave(ctx, old, now)
	}
	return out, err
}

// pressedTwice is how soon after the first a second press on a button may come.
const pressedTwice = 10 * time.Second

// sealLeave notes that a reader who had left has said so again. The way back on the page behind
// the first press is closed then: a stranger with a forwarded mail may have been there first.
func (t *tx) sealLeave(ctx context.Context, r *subscribers.Subscriber, now time.Time) error {
	made, before, err := t.step(ctx, r.ID, r.SettingsID)
	if errors.Is(err, sql.ErrNoRows) || err == nil && len(left(&before.Settings, &made.Settings)) == 0 {
		return nil // another change stands above
	}
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `UPDATE settings SET sealed = 1 WHERE id = ?1 AND sealed = 0 AND at < ?2`, r.SettingsID, us(now.Add(-pressedTwice)))
	return err
}

// edit brings a reader from old to s, with the journal, suppression and notice that this takes.
func (db *DB) edit(ctx context.Context, t *tx, old *subscribers.Subscriber, s subscribers.Settings, by, notice, detail string, now time.Time) (subscribers.Edited, error) {
	out := subscribers.Edited{Subscriber: *old}
	gone := s.Status == subscribers.Unsubscribed
	if old.Equal(s) && (!gone || old.Suppressed != nil) {
		return out, nil
	}
	left, back := left(&old.Settings, &s), left(&s, &old.Settings)
	if by != "reader" {
		back = nil
	}
	if len(left)+len(back) > 0 || notice != "" {
		if db.opts.AddressHash == nil {
			return out, ErrNoKey
		}
		hash := db.opts.AddressHash(subscribers.Fold(old.Address))
		for _, edition := range left {
			t.journalLeave(hash, edition, now)
		}
		for _, edition := range back {
			t.journalReturn(hash, edition, now)
		}
	}
	out.Changed = true
	var err error
	if !old.Equal(s) {
		if out.Row, err = db.apply(ctx, t, old.ID, &old.Settings, s, by, now); err != nil {
			return out, err
		}
	}
	if gone {
		if _, err := db.suppress(ctx, t, subscribers.Suppression{Address: s.Address, Reason: "unsubscribed", At: now}, nil, out.Row, now); err != nil {
			return out, err
		}
	}
	if notice != "" && out.Row != 0 {
		if notice == digest.NoticeLeft && !gone && len(left) > 0 {
			detail = left[0]
		}
		if err := db.noticeOnce(ctx, t, notice, old, out.Row, detail, now); err != nil {
			return out, err
		}
	}
	is, err := db.withSuppression(ctx, t, "s.id = ?1", old.ID)
	if err == nil {
		out.Subscriber = *is
	}
	return out, err
}

// left lists what a change leaves: editions, or "" for everything.
func left(old, s *subscribers.Settings) (list []string) {
	if s.Status == subscribers.Unsubscribed {
		return []string{""}
	}
	for _, name := range old.Editions {
		if !slices.Contains(s.Editions, name) {
			list = append(list, name)
		}
	}
	return list
}

// noticeOnce tells a reader of a change, unless they were told of one of its kind within a day.
func (db *DB) noticeOnce(ctx context.Context, t *tx, kind string, r *subscribers.Subscriber, row int64, detail string, now time.Time) error {
	hash := db.opts.AddressHash(subscribers.Fold(r.Address))
	var told int
	if err := t.scan(ctx, `SELECT count(*) FROM asked WHERE kind = ?1 AND hash = ?2 AND at > ?3 AND at <= ?4`,
		args{kind, hash[:], us(now.Add(-noticePause)), us(now)}, &told); err != nil || told > 0 {
		return err
	}
	if _, err := t.exec(ctx, `INSERT INTO asked (kind, hash, at, n) VALUES (?1, ?2, ?3, 1)
		ON CONFLICT (kind, hash, at) DO NOTHING`, kind, hash[:], us(now)); err != nil {
		return err
	}
	to := row
	if kind == digest.NoticeChanged {
		to = r.SettingsID // in the language of the reader and not of whoever changed it
	}
	return t.notice(ctx, kind, r.ID, to, row, detail, now)
}

// Undo takes back the change that made a settings row, with the suppression that came with it.
// The error is [subscribers.ErrLater] if another change stands above it, or if the reader has left
// once more since. Who has the mail that told of the change (mailed) is the reader, of whom others
// may have changed more: all that came after it goes too then, but for leaving everything and
// another address. A change of address alone is taken back in any case, for who got hold of the
// mailbox's links may have made others since, and a sign-up of the old one that nobody confirmed goes;
// the error is [ErrTaken] if it is another reader's by now. What was undone already stays so. Mail that was suppressed is not sent any more:
// its stories are in the next window, as if the reader had never been away.
func (db *DB) Undo(ctx context.Context, id, row int64, mailed bool, now time.Time) (out subscribers.Edited, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		old, err := db.withSuppression(ctx, t, "s.id = ?1", id)
		if err != nil {
			return notFound(err, "subscriber %d", id)
		}
		out = subscribers.Edited{Subscriber: *old}
		made, before, err := t.step(ctx, id, row)
		if err != nil {
			return notFound(err, "change %d of subscriber %d", row, id)
		}
		s := before.Clone()
		if old.SettingsID != row {
			moved := made.Clone()
			moved.Address = before.Address
			switch {
			case old.Equal(before.Settings):
				return nil
			case made.Address != before.Address && moved.Equal(before.Settings) && old.Address == made.Address:
				s = old.Clone()
				s.Address = before.Address
			case mailed && old.Status != subscribers.Unsubscribed && old.Address == before.Address:
			default:
				return subscribers.ErrLater
			}
		} else if !mailed {
			var sealed bool
			if err := t.scan(ctx, `SELECT sealed FROM settings WHERE id = ?1`, args{row}, &sealed); err != nil {
				return err
			}
			if sealed {
				return subscribers.ErrLater
			}
		}
		if err := db.liftOf(ctx, t, row, old.Address, now); err != nil {
			return err
		}
		if old, err = db.withSuppression(ctx, t, "s.id = ?1", id); err != nil {
			return err
		}
		if subscribers.Fold(s.Address) != subscribers.Fold(old.Address) {
			if err := db.vacate(ctx, t, s.Address, id, now); err != nil {
				return err
			}
		}
		returned, err := t.returned(ctx, id)
		if err != nil {
			return err
		}
		if out, err = db.edit(ctx, t, old, s, "reader", "", "", now); err != nil {
			return err
		}
		_, err = t.exec(ctx, `UPDATE followers SET returned = 0 WHERE subscriber = ?1 AND NOT EXISTS
			(SELECT 1 FROM `+db.dialect.ids(2)+` v WHERE v.value = followers.edition)`, id, idList(returned))
		return err
	})
	if err != nil {
		return subscribers.Edited{}, fmt.Errorf("undo change: %w", err)
	}
	return out, nil
}

// step reads a change and the one before it; [sql.ErrNoRows] if there are none.
func (t *tx) step(ctx context.Context, id, row int64) (made, before subscribers.Change, err error) {
	list, err := selectAll(ctx, t, `SELECT `+settingsColumns+` FROM settings st WHERE st.subscriber = ?1 AND st.id <= ?2
		AND st.draft = 0 ORDER BY st.id DESC LIMIT 2`, args{id, row},
		func(r *sql.Rows) (subscribers.Change, error) { return scanChange(r) })
	switch {
	case err != nil:
		return made, before, err
	case len(list) < 2 || list[0].ID != row:
		return made, before, sql.ErrNoRows
	}
	return list[0], list[1], nil
}

// returned lists the editions in which a reader counts as having been away.
func (t *tx) returned(ctx context.Context, id int64) ([]int64, error) {
	return selectAll(ctx, t, `SELECT edition FROM followers WHERE subscriber = ?1 AND returned = 1`, args{id}, number)
}

// liftOf takes back the suppression that a change made.
func (db *DB) liftOf(ctx context.Context, t *tx, row int64, address string, now time.Time) error {
	if db.opts.AddressHash == nil {
		return ErrNoKey
	}
	hash := db.opts.AddressHash(subscribers.Fold(address))
	var by int64
	err := t.scan(ctx, `SELECT settings FROM suppressions WHERE hash = ?1`, args{hash[:]}, &by)
	if errors.Is(err, sql.ErrNoRows) || err == nil && by != row {
		return nil
	}
	if err != nil {
		return err
	}
	return t.unbar(ctx, hash, subscribers.Fold(address), "undone by the reader", now)
}
