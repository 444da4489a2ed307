package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"broadsheet/digest"
	"broadsheet/operators"
	"broadsheet/subscribers"
)

// What operators do for readers: the paths that readers themselves go, with a line in the audit log in
// the same transaction. A reader is called by number there, so that nothing has to be looked for when
// they are erased.

// readerObject is what the audit log calls a reader.
func readerObject(id int64) string { return fmt.Sprintf("reader %d", id) }

// EditFor is [DB.EditReader] by an operator. Nothing is put on record if nothing changes.
func (db *DB) EditFor(ctx context.Context, by operators.By, id int64, e subscribers.Edit, now time.Time) (out subscribers.Edited, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		old, err := load(ctx, t, "s.id = ?1", id)
		if err != nil {
			return notFound(err, "subscriber %d", id)
		}
		if out, err = db.editReader(ctx, t, id, e, now); err != nil || !out.Changed {
			return err
		}
		return t.audit(ctx, by, "reader change", readerObject(id), inWords(old.Differences(out.Settings)), now)
	})
	if err != nil {
		return subscribers.Edited{}, fmt.Errorf("change reader %d: %w", id, err)
	}
	return out, nil
}

// ChangeFor is [DB.ChangeSettings] by an operator on the command line.
func (db *DB) ChangeFor(ctx context.Context, by operators.By, id int64, s subscribers.Settings, now time.Time) (changed bool, err error) {
	if err := s.Validate(); err != nil {
		return false, fmt.Errorf("change reader %d: %w", id, err)
	}
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		old, err := db.changeSettings(ctx, t, id, s, "command", now)
		if changed = old != nil; err != nil || !changed {
			return err
		}
		return t.audit(ctx, by, "reader change", readerObject(id), inWords(old.Differences(s)), now)
	})
	if err != nil {
		return false, fmt.Errorf("change reader %d: %w", id, err)
	}
	return changed, nil
}

// inWords is a change in a line. Addresses and names are not repeated there.
func inWords(list []subscribers.Difference) string {
	var parts []string
	for _, d := range list {
		switch d.Field {
		case "email", "name", "external_id":
			parts = append(parts, d.Field+" changed")
		default:
			parts = append(parts, fmt.Sprintf("%s: %q → %q", d.Field, d.Was, d.Is))
		}
	}
	return strings.Join(parts, "; ")
}

// LeaveFor is [DB.LeaveAll] by an operator, who was asked for it.
func (db *DB) LeaveFor(ctx context.Context, by operators.By, id int64, now time.Time) (out subscribers.Edited, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		if out, err = db.leaveAll(ctx, t, id, "operator", "", now); err != nil || !out.Changed {
			return err
		}
		return t.audit(ctx, by, "reader unsubscribe", readerObject(id), "left everything; the address is barred as unsubscribed", now)
	})
	if err != nil {
		return subscribers.Edited{}, fmt.Errorf("unsubscribe reader %d: %w", id, err)
	}
	return out, nil
}

// ErrNoLink says why a reader cannot be sent a link.
var ErrNoLink = errors.New("no link can be sent")

// LinkFor has the link to their preferences mailed to a reader, or once more the confirmation to one who
// has asked for mail and not confirmed it. The error is [ErrNoLink] for who gets no mail, and where one
// waits already.
func (db *DB) LinkFor(ctx context.Context, by operators.By, id int64, now time.Time) (kind string, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		r, err := db.withSuppression(ctx, t, "s.id = ?1", id)
		if err != nil {
			return notFound(err, "subscriber %d", id)
		}
		if r.Suppressed != nil && stopsNotices(r.Suppressed.Reason) {
			return fmt.Errorf("%w: the address is barred (%s)", ErrNoLink, r.Suppressed.Reason)
		}
		row, number := r.SettingsID, int64(0)
		switch {
		case mailed(r):
			kind = digest.NoticeLink
		case r.Status == subscribers.Pending:
			kind = digest.NoticeConfirm
			if err := t.scan(ctx, `SELECT id, settings FROM requests WHERE subscriber = ?1 AND kind = ?2 AND used = 0 AND expires > ?3
				ORDER BY id DESC LIMIT 1`, args{id, subscribers.RequestSignUp, us(now)}, &number, &row); err != nil {
				if is := notFound(err, "request"); errors.Is(is, ErrNotFound) {
					return fmt.Errorf("%w: the reader is pending, and no sign-up waits for a confirmation", ErrNoLink)
				}
				return err
			}
		default:
			return fmt.Errorf("%w: the reader has unsubscribed; the way back is a new sign-up", ErrNoLink)
		}
		var waits int
		if err := t.scan(ctx, `SELECT count(*) FROM notices WHERE subscriber = ?1 AND kind = ?2`, args{id, kind}, &waits); err != nil {
			return err
		}
		if waits > 0 {
			return fmt.Errorf("%w: one waits to be sent already", ErrNoLink)
		}
		if err := t.notice(ctx, kind, id, row, number, "", now); err != nil {
			return err
		}
		return t.audit(ctx, by, "reader link", readerObject(id), kind+" mail noted", now)
	})
	if err != nil {
		return "", fmt.Errorf("send link to reader %d: %w", id, err)
	}
	return kind, nil
}

// EraseFor is [DB.Erase] by an operator. The audit log keeps who did it and when; what operators wrote
// about the reader before goes with the rest.
func (db *DB) EraseFor(ctx context.Context, by operators.By, id int64, now time.Time) error {
	return db.eraseBy(ctx, &by, id, now)
}

// forgetAudit takes what operators wrote about a reader out of the audit log.
func (t *tx) forgetAudit(ctx context.Context, id int64, addresses []string) error {
	objects := []string{readerObject(id)}
	for _, a := range addresses {
		objects = append(objects, subscribers.Fold(a))
	}
	tasks, err := selectAll(ctx, t, `SELECT id FROM tasks WHERE subscriber = ?1`, args{id}, number)
	if err != nil {
		return err
	}
	for _, task := range tasks {
		objects = append(objects, taskObject(task))
	}
	for n, object := range objects {
		gone := object
		if n > 0 && n <= len(addresses) {
			gone = "an erased address"
		}
		if _, err := t.exec(ctx, `UPDATE audit SET object = ?2, why = 'erased', detail = 'erased' WHERE object = ?1`, object, gone); err != nil {
			return err
		}
	}
	return nil
}

func taskObject(id int64) string { return fmt.Sprintf("task %d", id) }

// LiftFor is [DB.LiftSuppression] by an operator, for the reason of by.
func (db *DB) LiftFor(ctx context.Context, by operators.By, address string, now time.Time) (lifted bool, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		if lifted, err = db.lift(ctx, t, address, subscribers.ByOperator, by.Why, now); err != nil || !lifted {
			return err
		}
		object, err := t.addressObject(ctx, address)
		if err != nil {
			return err
		}
		return t.audit(ctx, by, "suppression lift", object, "", now)
	})
	if err != nil {
		return false, fmt.Errorf("lift suppression of %s: %w", subscribers.Mask(address), err)
	}
	return lifted, nil
}

// SuppressFor is [DB.Suppress] by an operator.
func (db *DB) SuppressFor(ctx context.Context, by operators.By, s subscribers.Suppression, now time.Time) (added bool, err error) {
	if s.At.IsZero() {
		s.At = now
	}
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		if added, err = db.suppress(ctx, t, s, nil, 0, now); err != nil || !added {
			return err
		}
		object, err := t.addressObject(ctx, s.Address)
		if err != nil {
			return err
		}
		return t.audit(ctx, by, "suppression add", object, s.Reason, now)
	})
	if err != nil {
		return false, fmt.Errorf("suppress %s: %w", subscribers.Mask(s.Address), err)
	}
	return added, nil
}

// addressObject is what the audit log calls an address: the reader who has it, else itself.
func (t *tx) addressObject(ctx context.Context, address string) (string, error) {
	folded := subscribers.Fold(address)
	list, err := selectAll(ctx, t, `SELECT id FROM subscribers WHERE address = ?1`, args{folded}, number)
	if err != nil || len(list) == 0 {
		return folded, err
	}
	return readerObject(list[0]), nil
}
