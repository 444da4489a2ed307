package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"broadsheet/operators"
	"broadsheet/stories"
	"broadsheet/subscribers"
)

// PutBack is what journals said beyond what was on record: so it is after an older database was put in
// the place of this one, and after a writer was killed.
type PutBack struct {
	At         time.Time `json:"at"`
	Since      time.Time `json:"since"`      // of the first line that was new
	Mails      int       `json:"mails"`      // that had left, and do not go again
	Gone       int       `json:"left"`       // readers and addresses that have left again
	Barred     int       `json:"barred"`     // addresses barred again
	Lifted     int       `json:"lifted"`     // suppressions lifted again
	Complaints int       `json:"complaints"` // addresses barred again for a complaint
	Erased     int       `json:"erased"`     // readers erased again
	Paused     int       `json:"paused"`     // readers paused again
	Withdrawn  int       `json:"withdrawn"`  // stories withdrawn again
	Confirmed  int       `json:"confirmed"`  // sign-ups that were confirmed since and are lost: only their hash is known
}

// Any reports whether there was anything new.
func (b *PutBack) Any() bool { return !b.Since.IsZero() }

// saw notes the time of a line that is new.
func (b *PutBack) saw(at time.Time) {
	if b.Since.IsZero() || at.Before(b.Since) {
		b.Since = at
	}
}

// keepPutBack writes it down, unless nothing came of it.
func (t *tx) keepPutBack(ctx context.Context, b *PutBack, now time.Time) error {
	if b.Mails+b.Gone+b.Barred+b.Lifted+b.Complaints+b.Erased+b.Paused+b.Withdrawn+b.Confirmed == 0 {
		return nil
	}
	_, err := t.exec(ctx, `INSERT INTO put_back (at, since, mails, gone, barred, lifted, complaints, erased, paused, confirmed, withdrawn)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)`,
		us(now), us(b.Since), b.Mails, b.Gone, b.Barred, b.Lifted, b.Complaints, b.Erased, b.Paused, b.Confirmed, b.Withdrawn)
	return err
}

// PutBacks lists what came of journals after older databases were put back, the latest first.
func (db *DB) PutBacks(ctx context.Context, most int) ([]PutBack, error) {
	list, err := selectAll(ctx, db.read(), `SELECT at, since, mails, gone, barred, lifted, complaints, erased, paused, confirmed, withdrawn
		FROM put_back WHERE id > 0 ORDER BY id DESC LIMIT ?1`, args{most}, func(r *sql.Rows) (b PutBack, err error) {
		var at, since int64
		err = r.Scan(&at, &since, &b.Mails, &b.Gone, &b.Barred, &b.Lifted, &b.Complaints, &b.Erased, &b.Paused, &b.Confirmed, &b.Withdrawn)
		b.At, b.Since = fromUS(at), fromUS(since)
		return b, err
	})
	if err != nil {
		return nil, fmt.Errorf("list what was put back: %w", err)
	}
	return list, nil
}

// liftAgain lifts a suppression as a journal's line says, if it is for the same reason and not newer.
func (db *DB) liftAgain(ctx context.Context, t *tx, l *journalLine, back *PutBack) error {
	var same bool
	if err := t.scan(ctx, `SELECT EXISTS (SELECT 1 FROM suppressions WHERE hash = ?1 AND reason = ?2 AND at <= ?3)`,
		args{l.hash[:], l.edition, us(l.at)}, &same); err != nil || !same {
		return err
	}
	back.Lifted++
	return t.liftRow(ctx, *l.hash, "lifted before the database was put back", l.at)
}

// pauseAgain pauses a reader as a journal's line says, unless they have decided something later.
func (db *DB) pauseAgain(ctx context.Context, t *tx, l *journalLine, id int64, back *PutBack) error {
	old, err := load(ctx, t, "s.id = ?1", id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	until, err := strconv.ParseInt(l.edition, 10, 64)
	if err != nil {
		return fmt.Errorf("end of a pause: %w", err)
	}
	var later bool
	if err := t.scan(ctx, `SELECT at > ?2 FROM settings WHERE id = ?1`, args{old.SettingsID, us(l.at)}, &later); err != nil ||
		later || old.Status != subscribers.Active {
		return err
	}
	s := old.Clone()
	s.Status, s.PausedUntil = subscribers.Paused, fromUS(until)
	back.Paused++
	_, err = db.apply(ctx, t, id, &old.Settings, s, "reader", l.at)
	return err
}

// withdrawAgain withdraws a story as a journal's line says. One that is not here is put on record as nothing but
// withdrawn, so that its source does not bring it back.
func (db *DB) withdrawAgain(ctx context.Context, t *tx, l *journalLine, back *PutBack) error {
	back.saw(l.at)
	c := &counter{t: t, now: us(l.at)}
	var keys []stories.Key
	for line := range strings.Lines(l.edition) {
		kind, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		keys = append(keys, stories.Key{Kind: kind, Value: value})
	}
	sure := slices.DeleteFunc(slices.Clone(keys), func(k stories.Key) bool { return k.Kind == "title" && len(keys) > 1 })
	id, err := c.find(ctx, sure)
	if err != nil {
		return err
	}
	if id == 0 {
		if err := t.scan(ctx, `INSERT INTO stories (revision, created, first) VALUES (0, ?1, 0) RETURNING id`, args{us(l.at)}, &id); err != nil {
			return err
		}
		if _, err := c.reword(ctx, id, &stories.Story{Headline: "A story that came after the backup and was withdrawn", Published: l.at}, ""); err != nil {
			return err
		}
		if err := c.remember(ctx, id, keys); err != nil {
			return err
		}
	}
	news, err := db.withdraw(ctx, t, id, l.at)
	if err != nil || !news {
		return err
	}
	back.Withdrawn++
	return t.audit(ctx, operators.By{Who: "restore"}, "withdraw story", storyName(id), "withdrawn before the database was put back", l.at)
}

// confirmedAgain counts a sign-up that was confirmed and is not here: nobody can be written to by a hash.
func (db *DB) confirmedAgain(ctx context.Context, t *tx, id int64, back *PutBack) error {
	old, err := load(ctx, t, "s.id = ?1", id)
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && (old.Status == subscribers.Pending || old.Status == subscribers.Unsubscribed):
		back.Confirmed++
		return nil
	}
	return err
}
