package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

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
	if b.Mails+b.Gone+b.Barred+b.Lifted+b.Complaints+b.Erased+b.Paused+b.Confirmed == 0 {
		return nil
	}
	_, err := t.exec(ctx, `INSERT INTO put_back (at, since, mails, gone, barred, lifted, complaints, erased, paused, confirmed)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)`,
		us(now), us(b.Since), b.Mails, b.Gone, b.Barred, b.Lifted, b.Complaints, b.Erased, b.Paused, b.Confirmed)
	return err
}

// PutBacks lists what came of journals after older databases were put back, the latest first.
func (db *DB) PutBacks(ctx context.Context, most int) ([]PutBack, error) {
	list, err := selectAll(ctx, db.read(), `SELECT at, since, mails, gone, barred, lifted, complaints, erased, paused, confirmed
		FROM put_back WHERE id > 0 ORDER BY id DESC LIMIT ?1`, args{most}, func(r *sql.Rows) (b PutBack, err error) {
		var at, since int64
		err = r.Scan(&at, &since, &b.Mails, &b.Gone, &b.Barred, &b.Lifted, &b.Complaints, &b.Erased, &b.Paused, &b.Confirmed)
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
