package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"broadsheet/mailer"
	"broadsheet/subscribers"
)

const (
	// forwardsAnHour is how many answers of one reader are passed on within an hour, and how many of all
	// who name no mail of ours: an address alone can be anybody's.
	forwardsAnHour = 20
	// forwardLease is how long one try to pass an answer on may take. What is on record as handed for
	// longer was cut short.
	forwardLease = 10 * time.Minute
	// forwardCopies is how many copies of an answer may leave without any reply.
	forwardCopies = 2
)

// Reasons why an answer was not passed on, or nobody knows whether it was.
const (
	forwardFlood   = "more than 20 answers within an hour"
	forwardLoose   = "more than 20 answers within an hour that name no mail of ours"
	forwardUnknown = "nobody knows whether it was taken"
)

// effectForward is the effect of an answer that is to be passed on; what became of it takes its place.
const effectForward = "to be forwarded"

// Forward is an answer on its way to the publication.
type Forward struct {
	Inbound  int64     // message on record
	At       time.Time // when it came on record: its mail is dated so, and its life is counted from here
	State    mailer.State
	Attempts int
	Copies   int // that may have arrived

	From     string    // sender, folded
	Received time.Time // when it came in
	Raw      []byte
	Cut      bool
	Task     int64 // the task that it opened by asking to leave; 0 = none

	Edition string // name of the edition of the mail that it answers; "" = no mail is known
	Slot    string // key of the slot
	Reader  *subscribers.Subscriber
	Claimed bool      // Reader is by the sender's address alone, which may be anybody's
	Since   time.Time // since when the reader's status is what it is
}

// addForward has an answer passed on, in the transaction in which it comes on record, and says what
// will become of it. Of one reader, and of all who name no mail, only so many are within an hour; the
// others are held, for the reason that it returns too. Who merely calls themselves a reader takes none
// of that reader's.
func (t *tx) addForward(ctx context.Context, inbound int64, now time.Time) (effect, held string, err error) {
	var subscriber int64
	var passed int
	err = t.scan(ctx, `SELECT i.subscriber, (SELECT count(*) FROM forwards WHERE subscriber = i.subscriber AND at > ?2 AND state <> 'aside')
		FROM inbound i WHERE i.id = ?1`, args{inbound, us(now.Add(-time.Hour))}, &subscriber, &passed)
	if err != nil {
		return "", "", err
	}
	state, effect := "queued", effectForward
	if passed >= forwardsAnHour {
		if held = forwardFlood; subscriber == 0 {
			held = forwardLoose
		}
		state, effect = "aside", "not forwarded: "+held
		if _, _, err := t.addTask(ctx, TaskFlood, subscriber, inbound, held+"; the rest is not forwarded", now); err != nil {
			return "", "", err
		}
	}
	_, err = t.exec(ctx, `INSERT INTO forwards (inbound, state, attempts, due, at, reason, subscriber) VALUES (?1, ?2, 0, ?3, ?3, ?4, ?5)`,
		inbound, state, us(now), held, subscriber)
	return effect, held, err
}

// NextForward returns an answer that is due to be passed on; nil if there is none. One of which so
// many copies left without a reply that no more may go ends here.
func (db *DB) NextForward(ctx context.Context, now time.Time) (*Forward, error) {
	for {
		f, err := db.nextForward(ctx, now)
		if err != nil {
			return nil, fmt.Errorf("read answer to forward: %w", err)
		}
		if f == nil || f.Copies < forwardCopies {
			return f, nil
		}
		if err := db.SettleForward(ctx, f, mailer.Outcome{State: mailer.Uncertain, Reason: forwardUnknown, Copies: f.Copies}, now); err != nil {
			return nil, err
		}
	}
}

func (db *DB) nextForward(ctx context.Context, now time.Time) (*Forward, error) {
	var f Forward
	var at, received, subscriber int64
	q := db.read()
	err := q.scan(ctx, `SELECT f.inbound, f.at, f.state, f.attempts, f.copies, i.sender, i.at, coalesce(i.raw, ''), i.cut, CASE WHEN i.subscriber > 0 THEN i.subscriber ELSE i.writer END, i.subscriber = 0,
			coalesce((SELECT t.id FROM tasks t WHERE t.id = i.task AND t.kind = 'leave'), 0),
			coalesce(e.name, ''), coalesce(s.slot_key, '')
		FROM forwards f JOIN inbound i ON i.id = f.inbound LEFT JOIN slots s ON s.id = i.slot LEFT JOIN editions e ON e.id = s.edition
		WHERE f.state IN ('queued', 'handed') AND f.due <= ?1 ORDER BY f.due, f.inbound LIMIT 1`, args{us(now)},
		&f.Inbound, &at, &f.State, &f.Attempts, &f.Copies, &f.From, &received, &f.Raw, &f.Cut, &subscriber, &f.Claimed, &f.Task, &f.Edition, &f.Slot)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f.At, f.Received = fromUS(at), fromUS(received)
	if f.Reader, err = load(ctx, q, "s.id = ?1", subscriber); errors.Is(err, sql.ErrNoRows) {
		f.Reader, err = nil, nil
	}
	if err == nil && f.Reader != nil {
		var since sql.NullInt64
		err = q.scan(ctx, `SELECT min(at) FROM settings WHERE subscriber = ?1 AND id > coalesce((SELECT max(id) FROM settings WHERE subscriber = ?1 AND status <> ?2), 0)`,
			args{subscriber, string(f.Reader.Status)}, &since)
		f.Since = fromUS(since.Int64)
	}
	return &f, err
}

// BeginForward writes down that an answer is about to leave, before a relay sees any of it.
// [mailer.ErrLost] if somebody else has it, or it is gone.
func (db *DB) BeginForward(ctx context.Context, f *Forward, now time.Time) error {
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE forwards SET state = 'handed', attempts = attempts + 1, copies = copies + 1, due = ?4
			WHERE inbound = ?1 AND state = ?2 AND attempts = ?3`, f.Inbound, string(f.State), f.Attempts, us(now.Add(forwardLease)))
		if err == nil && n == 0 {
			err = mailer.ErrLost
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("begin forwarding answer %d: %w", f.Inbound, err)
	}
	f.State = mailer.Handed
	f.Attempts++
	f.Copies++
	return nil
}

// Aside is the state of an answer that is not passed on, for a reason.
const Aside mailer.State = "aside"

// SettleForward writes down what came of an answer: accepted, queued or deferred (due again), or
// the end: failed, expired, uncertain, aside. Of an answer that was not taken, a task tells.
func (db *DB) SettleForward(ctx context.Context, f *Forward, o mailer.Outcome, now time.Time) error {
	state, due := o.State, o.Due
	switch o.State {
	case mailer.Deferred, mailer.Queued:
		state = mailer.Queued
	case mailer.Expired:
		state = mailer.Failed
	}
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE forwards SET state = ?4, copies = ?5, due = ?6, reason = ?7 WHERE inbound = ?1 AND state = ?2 AND attempts = ?3`,
			f.Inbound, string(f.State), f.Attempts, string(state), o.Copies, us(due), oneLine(o.Reason, 200))
		switch {
		case err != nil:
			return err
		case n == 0:
			return mailer.ErrLost
		}
		if became := becameOf(state, oneLine(o.Reason, 200), now); became != "" {
			if _, err := t.exec(ctx, `UPDATE inbound SET effect = replace(effect, ?2, ?3) WHERE id = ?1`, f.Inbound, effectForward, became); err != nil {
				return err
			}
		}
		if state != mailer.Failed && state != mailer.Uncertain {
			return nil
		}
		subscriber := int64(0)
		if f.Reader != nil {
			subscriber = f.Reader.ID
		}
		_, err = t.openTask(ctx, TaskForward, subscriber, f.Inbound, string(o.State)+": "+oneLine(o.Reason, 200), now)
		return err
	})
	if err != nil {
		return fmt.Errorf("put on record what came of answer %d: %w", f.Inbound, err)
	}
	f.State, f.Copies = state, o.Copies
	return nil
}

// becameOf says what became of an answer that was to be passed on; "" while it still is.
func becameOf(state mailer.State, reason string, now time.Time) string {
	switch state {
	case mailer.Accepted:
		return "forwarded at " + now.UTC().Format("2006-01-02 15:04:05")
	case mailer.Uncertain:
		return "perhaps forwarded: " + reason
	case mailer.Failed, Aside:
		return "not forwarded: " + reason
	}
	return ""
}

// NextForwardDue is when the next answer is due to be passed on; ok is false if none waits.
func (db *DB) NextForwardDue(ctx context.Context) (at time.Time, ok bool, err error) {
	var due sql.NullInt64
	err = db.read().scan(ctx, `SELECT min(due) FROM forwards WHERE state IN ('queued', 'handed')`, nil, &due)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("look for answers to forward: %w", err)
	}
	return fromUS(due.Int64), due.Valid, nil
}
