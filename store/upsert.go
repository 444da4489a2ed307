package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"broadsheet/operators"
	"broadsheet/subscribers"
)

// What an upsert came to.
const (
	UpsertNew     = "new"
	UpsertChanged = "changed"
	UpsertSame    = "same" // so it was already: nothing is put on record
)

// ErrNotHere says that an upsert would bring somebody back, or take a reader for another.
var ErrNotHere = errors.New("not by this way")

// UpsertReader makes or changes the reader who has an external id, by the rules of an import
// ([subscribers.Merge]): only what row gives is changed; who is pending or unsubscribed stays so; a row
// that unsubscribes bars the address, and none lifts a bar. The same row twice changes nothing the second
// time, and a pause that the reader or an operator made is not ended. A reader of that address who has no
// external id yet gets this one. Errors: [ErrErased];
// [ErrTaken] if another reader has the new address; [ErrNotHere] if the address is that of a reader with
// another external id; for a new address of one who has unsubscribed or is barred, for that would bring
// them back; and for a new address that is barred itself.
func (db *DB) UpsertReader(ctx context.Context, by operators.By, externalID string, row subscribers.Row, now time.Time) (s *subscribers.Subscriber, came string, err error) {
	row.Given |= subscribers.FieldExternalID
	row.Settings.ExternalID = externalID
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		s, came, err = db.upsertReader(ctx, t, by, externalID, row, now)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("upsert reader: %w", err)
	}
	return s, came, nil
}

// ReaderByExternalID finds the reader who has an external id, the first one if several do; [ErrNotFound]
// if none has.
func (db *DB) ReaderByExternalID(ctx context.Context, externalID string) (*subscribers.Subscriber, error) {
	s, err := db.external(ctx, db.read(), externalID)
	if err == nil && s == nil {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("load reader by external id: %w", err)
	}
	return s, nil
}

// external is nil if no reader has that id.
func (db *DB) external(ctx context.Context, q querier, id string) (*subscribers.Subscriber, error) {
	if id == "" {
		return nil, nil
	}
	list, err := selectAll(ctx, q, `SELECT s.id FROM settings st`+db.dialect.by("settings_external")+`CROSS JOIN subscribers s
		ON s.id = st.subscriber AND s.settings = st.id WHERE st.external_id = ?1 AND st.external_id <> '' ORDER BY s.id LIMIT 1`, args{id}, number)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return db.withSuppression(ctx, q, "s.id = ?1", list[0])
}

func (db *DB) upsertReader(ctx context.Context, t *tx, by operators.By, externalID string, row subscribers.Row, now time.Time) (*subscribers.Subscriber, string, error) {
	old, err := db.external(ctx, t, externalID)
	if err != nil {
		return nil, "", err
	}
	other, err := db.withSuppression(ctx, t, "s.address = ?1", subscribers.Fold(row.Settings.Address))
	if is := notFound(err, "reader"); errors.Is(is, ErrNotFound) {
		other = nil
	} else if err != nil {
		return nil, "", err
	}
	switch {
	case old == nil && other != nil && other.ExternalID != "":
		return nil, "", fmt.Errorf("%w: the address is that of a reader with another external id", ErrNotHere)
	case old == nil:
		old = other
	case other != nil && other.ID != old.ID:
		return nil, "", ErrTaken
	}
	if old == nil {
		if erased, err := db.erased(ctx, t, row.Settings.Address); err != nil || erased {
			return nil, "", cmp.Or(err, ErrErased)
		}
	}
	if old != nil && old.Status == subscribers.Paused && row.Given.Has(subscribers.FieldStatus) && row.Settings.Status == subscribers.Active {
		if ours, err := pausedByFile(ctx, t, old.ID); err != nil {
			return nil, "", err
		} else if !ours {
			row.Given &^= subscribers.FieldStatus | subscribers.FieldPausedUntil
		}
	}
	s, suppress := subscribers.Merge(old, row)
	if old != nil && subscribers.Fold(old.Address) != subscribers.Fold(row.Settings.Address) {
		if old.Suppressed != nil || old.Status == subscribers.Unsubscribed {
			return nil, "", fmt.Errorf("%w: a new address would bring back a reader who has left or is barred", ErrNotHere)
		}
		barred, err := db.barred(ctx, t, []string{row.Settings.Address})
		if err != nil {
			return nil, "", err
		}
		if barred[0] != nil {
			if erased, err := db.erased(ctx, t, row.Settings.Address); err != nil || erased {
				return nil, "", cmp.Or(err, ErrErased)
			}
			return nil, "", fmt.Errorf("%w: the new address is barred", ErrNotHere)
		}
		s.Address = row.Settings.Address
	}
	if err := s.Validate(); err != nil {
		return nil, "", err
	}
	came := UpsertChanged
	var id int64
	switch {
	case old == nil:
		came = UpsertNew
		id, err = db.insert(ctx, t, s, "api", now)
	case old.Equal(s) && !suppress:
		return old, UpsertSame, nil
	default:
		id = old.ID
		if !old.Equal(s) {
			_, err = db.apply(ctx, t, id, &old.Settings, s, "api", now)
		}
	}
	if err == nil && suppress {
		_, err = db.suppress(ctx, t, subscribers.Suppression{Address: s.Address, Reason: "unsubscribed", Note: "api", At: now}, nil, 0, now)
	}
	if err == nil {
		err = t.audit(ctx, by, "reader upsert", readerObject(id), came, now)
	}
	if err != nil {
		return nil, "", err
	}
	made, err := db.withSuppression(ctx, t, "s.id = ?1", id)
	return made, came, err
}

// pausedByFile reports whether the pause that a reader is in was made by another system or an import, and
// not by the reader or an operator.
func pausedByFile(ctx context.Context, q querier, id int64) (bool, error) {
	by, err := selectAll(ctx, q, `SELECT by FROM settings WHERE subscriber = ?1 AND status = 'paused'
		AND id > coalesce((SELECT max(id) FROM settings WHERE subscriber = ?1 AND status <> 'paused'), 0) ORDER BY id LIMIT 1`, args{id},
		func(r *sql.Rows) (by string, err error) { return by, r.Scan(&by) })
	return len(by) > 0 && (by[0] == "api" || by[0] == "import"), err
}
