package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"broadsheet/digest"
	"broadsheet/subscribers"
)

// Taken is what became of forms.
type Taken struct {
	Forms   int  // looked through
	Mails   int  // notices that they came to
	Dropped int  // too old, or too many
	Held    bool // forms wait because perHour mails went out within an hour
}

// signUpsAtATime is how many forms a transaction takes, which must not hold up senders.
const signUpsAtATime = 100

// TakeSignUps looks through the forms that came in, each once and in their order, and writes what
// follows from them: for an address that may sign up a request with its draft and its consent, and
// a notice. What may not be mailed, or not again so soon, comes to nothing. Forms wait, up to a
// day, while perHour mails went out within an hour.
func (db *DB) TakeSignUps(ctx context.Context, perHour int, now time.Time) (taken Taken, err error) {
	if db.opts.AddressHash == nil {
		return taken, fmt.Errorf("take sign-ups: %w", ErrNoKey)
	}
	for more := true; more; {
		var waiting bool
		if err := db.read().scan(ctx, `SELECT EXISTS (SELECT 1 FROM signups WHERE id > 0)`, nil, &waiting); err != nil {
			return taken, fmt.Errorf("take sign-ups: %w", err)
		}
		if !waiting {
			return taken, nil
		}
		var part Taken
		err := db.write(ctx, func(ctx context.Context, t *tx) error {
			part = Taken{}
			more, err = db.takeSignUps(ctx, t, &part, perHour, now)
			return err
		})
		if err != nil {
			return taken, fmt.Errorf("take sign-ups: %w", err)
		}
		taken.Forms += part.Forms
		taken.Mails += part.Mails
		taken.Dropped += part.Dropped
		taken.Held = part.Held
	}
	return taken, nil
}

// signUp is a row of signups.
type signUp struct {
	id int64
	subscribers.SignUp
	choices choices
}

func scanSignUp(r *sql.Rows) (s signUp, err error) {
	var at int64
	var form []byte
	if err := r.Scan(&s.id, &at, &s.Subscriber, &s.Client, &s.Page, &s.Wording, &s.Language, &s.Address, &form); err != nil {
		return s, err
	}
	s.At = fromUS(at)
	return s, json.Unmarshal(form, &s.choices)
}

func (db *DB) takeSignUps(ctx context.Context, t *tx, taken *Taken, perHour int, now time.Time) (more bool, err error) {
	n, err := t.exec(ctx, `DELETE FROM signups WHERE id <= (SELECT max(id) FROM signups) - ?1`, signUpsWaiting)
	if err != nil {
		return false, err
	}
	taken.Dropped += int(n)
	list, err := selectAll(ctx, t, `SELECT id, at, subscriber, client, page, wording, language, address, choices FROM signups
		WHERE id > 0 ORDER BY id LIMIT ?1`, args{signUpsAtATime}, scanSignUp)
	if err != nil {
		return false, err
	}
	left, err := t.asked(ctx, askedAll, subscribers.Hash{}, now.Add(-time.Hour))
	if err != nil {
		return false, err
	}
	left = perHour - left
	for n := range list {
		s := &list[n]
		if now.Sub(s.At) > signUpsHeld {
			taken.Dropped++
		} else {
			mailed, err := db.takeSignUp(ctx, t, s, left > 0, now)
			if errors.Is(err, errHeld) {
				taken.Held = true
				return false, nil
			}
			if err != nil {
				return false, err
			}
			if mailed {
				left--
				taken.Mails++
			}
		}
		taken.Forms++
		if _, err := t.exec(ctx, `DELETE FROM signups WHERE id = ?1`, s.id); err != nil {
			return false, err
		}
	}
	return len(list) == signUpsAtATime, nil
}

// errHeld says that a form must wait.
var errHeld = errors.New("held")

// takeSignUp says whether a form came to a mail. It is errHeld, with nothing written, if it would
// and there is none left.
func (db *DB) takeSignUp(ctx context.Context, t *tx, s *signUp, left bool, now time.Time) (mailed bool, err error) {
	client := db.opts.AddressHash("client " + s.Client) // no address has a blank
	n, err := t.asked(ctx, askedClient, client, now.Add(-time.Hour))
	if err != nil || n >= clientAnHour {
		return false, err
	}
	wish, err := db.wish(ctx, t, s, now)
	if err != nil {
		return false, err
	}
	if wish != nil && !left {
		return false, errHeld
	}
	if err := t.ask(ctx, askedClient, client, now); err != nil || wish == nil {
		return false, err
	}
	if err := t.ask(ctx, askedAddress, wish.hash, now); err != nil {
		return false, err
	}
	if err := t.ask(ctx, askedAll, subscribers.Hash{}, now.Truncate(time.Minute)); err != nil {
		return false, err
	}
	return true, db.answer(ctx, t, s, wish, now)
}

// wish is a form that may be answered by mail.
type wish struct {
	address string
	hash    subscribers.Hash
	known   *subscribers.Subscriber // who has that address; nil = nobody
	mover   *subscribers.Subscriber // whose address is to change; nil = a sign-up
}

// wish says what a form asks for; nil if it is not to be answered. It writes nothing.
func (db *DB) wish(ctx context.Context, t *tx, s *signUp, now time.Time) (*wish, error) {
	address, err := subscribers.ParseAddress(s.Address)
	if err != nil {
		return nil, nil //nolint:nilerr // the visitor is told nothing, and nobody else needs to know
	}
	folded := subscribers.Fold(address)
	w := &wish{address: address, hash: db.opts.AddressHash(folded)}
	for _, limit := range []struct {
		within time.Duration
		most   int
	}{{day, addressADay}, {month, addressAMonth}} {
		n, err := t.asked(ctx, askedAddress, w.hash, now.Add(-limit.within))
		if err != nil || n >= limit.most {
			return nil, err
		}
	}
	barred, err := db.barred(ctx, t, []string{address})
	if err != nil || barred[0] != nil && !subscribers.MayReturn(barred[0].Reason, subscribers.ByConfirm) {
		return nil, err
	}
	if w.known, err = load(ctx, t, "s.address = ?1", folded); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	if w.known != nil {
		w.known.Suppressed = barred[0]
	}
	if s.Subscriber == 0 {
		return w, nil
	}
	if w.mover, err = load(ctx, t, "s.id = ?1", s.Subscriber); err != nil {
		if errors.Is(err, sql.ErrNoRows) { // erased meanwhile
			return nil, nil
		}
		return nil, err
	}
	if !mailed(w.mover) || w.known != nil && (w.known.ID == w.mover.ID || w.known.Status == subscribers.Unsubscribed) {
		return nil, nil // the links of another reader, who left, are to go on working
	}
	return w, nil
}

// mailed reports whether a reader gets mail, or will when a pause ends.
func mailed(r *subscribers.Subscriber) bool {
	return r.Status == subscribers.Active || r.Status == subscribers.Paused
}

// answer writes what a wish comes to.
func (db *DB) answer(ctx context.Context, t *tx, s *signUp, w *wish, now time.Time) error {
	if w.known != nil && mailed(w.known) && w.known.Suppressed == nil {
		return t.notice(ctx, digest.NoticeKnown, w.known.ID, w.known.SettingsID, 0, "", now)
	}
	if w.mover != nil {
		draft := w.mover.Settings
		draft.Address = w.address
		return db.request(ctx, t, subscribers.RequestAddress, digest.NoticeNewAddress, w.mover.ID, draft, 0, now)
	}
	draft := s.choices.settings(w.address, subscribers.Active)
	var id int64
	if w.known == nil {
		pending := subscribers.NewSettings(w.address)
		pending.Language = draft.Language
		var err error
		if id, err = db.insert(ctx, t, pending, "reader", now); err != nil {
			return err
		}
	} else {
		id = w.known.ID
		if w.known.Status != subscribers.Pending {
			// Addresses that fold to one may be two mailboxes: the one that was confirmed counts.
			draft.Address = w.known.Address
		}
		draft.Name, draft.ExternalID = w.known.Name, w.known.ExternalID
	}
	consent, err := t.consent(ctx, id, &s.SignUp)
	if err != nil {
		return err
	}
	return db.request(ctx, t, subscribers.RequestSignUp, digest.NoticeConfirm, id, draft, consent, now)
}

// consent keeps what was agreed to.
func (t *tx) consent(ctx context.Context, subscriber int64, s *subscribers.SignUp) (id int64, err error) {
	var wording int64
	if err := t.scan(ctx, `INSERT INTO wordings (body) VALUES (?1) ON CONFLICT (body) DO UPDATE SET body = ?1 RETURNING id`,
		args{s.Wording}, &wording); err != nil {
		return 0, err
	}
	err = t.scan(ctx, `INSERT INTO consents (subscriber, wording, page, language, at, client) VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id`,
		args{subscriber, wording, s.Page, s.Language, us(s.At), s.Client}, &id)
	return id, err
}
