package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"broadsheet/digest"
	"broadsheet/subscribers"
)

// unconfirmed is how long a request is kept, and a reader who never confirmed. Its link works for
// 48 hours after its mail was made, which a relay that is down may put off.
const unconfirmed = 7 * day

// request puts a request on record, with the draft of what it asks for, and has its mail written.
func (db *DB) request(ctx context.Context, t *tx, kind, notice string, subscriber int64, draft subscribers.Settings, consent int64, now time.Time) error {
	row, err := db.draft(ctx, t, subscriber, draft, now)
	if err != nil {
		return err
	}
	var id int64
	if err := t.scan(ctx, `INSERT INTO requests (kind, subscriber, settings, consent, at, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id`,
		args{kind, subscriber, row, consent, us(now), us(now.Add(unconfirmed))}, &id); err != nil {
		return err
	}
	return t.notice(ctx, notice, subscriber, row, id, "", now)
}

// draft writes a settings row that is not in force.
func (db *DB) draft(ctx context.Context, t *tx, subscriber int64, s subscribers.Settings, now time.Time) (row int64, err error) {
	if s.Format == "" {
		s.Format = subscribers.HTML
	}
	err = t.scan(ctx, `INSERT INTO settings (subscriber, address, name, external_id, status, sections, editions, hour, days,
			zone, language, format, consent_source, at, real_at, by, draft)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, '', ?13, ?14, 'reader', 1) RETURNING id`,
		args{subscriber, s.Address, s.Name, s.ExternalID, string(s.Status), subscribers.FormatFollows(s.Sections), strings.Join(s.Editions, ";"),
			s.Hour, dayBits(s.Days), s.Zone, s.Language, string(s.Format), us(now), us(db.real())}, &row)
	return row, err
}

// request as it is kept.
type requestRow struct {
	subscribers.Request
	consent int64
	page    string // of the consent
}

// loadRequest is [ErrNotFound] where there is none, or none of that reader.
func loadRequest(ctx context.Context, q querier, id, subscriber int64) (r requestRow, err error) {
	list, err := selectAll(ctx, q, `SELECT `+settingsColumns+`, r.id, r.kind, r.subscriber, r.consent, r.at, r.expires, r.used, coalesce(c.page, '')
		FROM requests r JOIN settings st ON st.id = r.settings LEFT JOIN consents c ON c.id = r.consent
		WHERE r.id = ?1 AND r.subscriber = ?2`, args{id, subscriber}, func(rows *sql.Rows) (r requestRow, err error) {
		var at, expires, used int64
		c, err := scanChange(rows, &r.ID, &r.Kind, &r.Subscriber, &r.consent, &at, &expires, &used, &r.page)
		r.Draft, r.At, r.Expires, r.Used = c.Settings, fromUS(at), fromUS(expires), fromUS(used)
		return r, err
	})
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return r, err
	}
	return list[0], nil
}

// Request loads a reader's request; [ErrNotFound] if there is none, or not any more.
func (db *DB) Request(ctx context.Context, id, subscriber int64) (subscribers.Request, error) {
	r, err := loadRequest(ctx, db.read(), id, subscriber)
	if err != nil {
		return r.Request, fmt.Errorf("load request %d: %w", id, err)
	}
	return r.Request, nil
}

// Confirm brings what a request asks for into force, once. client is where the confirmation comes
// from. Changed is false if that was done already; then it says how the rows stand now. Errors:
// [ErrNotFound], [subscribers.ErrBarred], and [ErrTaken] where another reader has the address.
func (db *DB) Confirm(ctx context.Context, id, subscriber int64, client string, now time.Time) (r subscribers.Request, done subscribers.Edited, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		done = subscribers.Edited{}
		row, err := loadRequest(ctx, t, id, subscriber)
		if err != nil {
			return err
		}
		if row.Used.IsZero() {
			if done.Row, err = db.confirm(ctx, t, &row, client, now); err != nil {
				return err
			}
			done.Changed = true
		}
		r = row.Request
		now, err := db.withSuppression(ctx, t, "s.id = ?1", subscriber)
		if err == nil {
			done.Subscriber = *now
		}
		return err
	})
	if err != nil {
		return r, done, fmt.Errorf("confirm request %d: %w", id, err)
	}
	return r, done, nil
}

func (db *DB) confirm(ctx context.Context, t *tx, r *requestRow, client string, now time.Time) (row int64, err error) {
	old, err := load(ctx, t, "s.id = ?1", r.Subscriber)
	if err != nil {
		return 0, notFound(err, "subscriber %d", r.Subscriber)
	}
	if r.Kind == subscribers.RequestAddress {
		row, err = db.move(ctx, t, old, r, now)
	} else {
		row, err = db.enter(ctx, t, old, r, now)
	}
	if err != nil {
		return 0, err
	}
	if r.consent != 0 {
		if _, err := t.exec(ctx, `UPDATE consents SET confirmed_at = ?2, confirmed_client = ?3 WHERE id = ?1`, r.consent, us(now), client); err != nil {
			return 0, err
		}
	}
	// Others of the kind ask for what this one has done; they must not come into force later.
	r.Used = now
	_, err = t.exec(ctx, `UPDATE requests SET used = ?3 WHERE subscriber = ?1 AND kind = ?2 AND used = 0`, r.Subscriber, r.Kind, us(now))
	return row, err
}

// enter makes a reader of who signed up.
func (db *DB) enter(ctx context.Context, t *tx, old *subscribers.Subscriber, r *requestRow, now time.Time) (row int64, err error) {
	if err := db.comeBack(ctx, t, r.Draft.Address, now); err != nil {
		return 0, err
	}
	if db.opts.AddressHash != nil {
		hash := db.opts.AddressHash(subscribers.Fold(r.Draft.Address))
		for _, edition := range append([]string{""}, r.Draft.Editions...) {
			t.journalReturn(hash, edition, now)
		}
		t.note(lineConsent, hash, "", now)
	}
	s := r.Draft
	s.Status, s.ConsentSource, s.ConsentAt = subscribers.Active, r.page, now
	return db.apply(ctx, t, old.ID, &old.Settings, s, "reader", now)
}

// move has a reader's mail go to another address, and tells the old one.
func (db *DB) move(ctx context.Context, t *tx, old *subscribers.Subscriber, r *requestRow, now time.Time) (row int64, err error) {
	if !mailed(old) { // left meanwhile
		return 0, ErrNotFound
	}
	if err := db.comeBack(ctx, t, r.Draft.Address, now); err != nil {
		return 0, err
	}
	if err := db.vacate(ctx, t, r.Draft.Address, old.ID, now); err != nil {
		return 0, err
	}
	s := old.Settings // as it is by now, not as it was when the request was made
	s.Address = r.Draft.Address
	if row, err = db.apply(ctx, t, old.ID, &old.Settings, s, "reader", now); err != nil {
		return 0, err
	}
	return row, t.notice(ctx, digest.NoticeMoved, old.ID, old.SettingsID, row, "", now)
}

// vacate makes an address free for a reader who has pressed a button in its mailbox. The error is
// [ErrTaken] if it is another reader's.
func (db *DB) vacate(ctx context.Context, t *tx, address string, id int64, now time.Time) error {
	other, err := load(ctx, t, "s.address = ?1", subscribers.Fold(address))
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && other.ID == id:
		return nil
	case err != nil:
		return err
	case other.Status == subscribers.Pending: // whoever reads that mailbox has confirmed this, not that
		return db.forget(ctx, t, other.ID, now)
	}
	return ErrTaken
}

// comeBack lifts the suppression of an address whose owner has confirmed that mail may come.
func (db *DB) comeBack(ctx context.Context, t *tx, address string, now time.Time) error {
	_, err := db.lift(ctx, t, address, subscribers.ByConfirm, "confirmed by the reader", now)
	if errors.Is(err, subscribers.ErrNoWayBack) {
		return fmt.Errorf("%w: %w", subscribers.ErrBarred, err)
	}
	return err
}
