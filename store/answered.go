package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"broadsheet/digest"
	"broadsheet/intake"
)

var (
	_ intake.Readers = (*DB)(nil)
	_ intake.Record  = (*DB)(nil)
)

// lookBackSlots is how many of the latest slots are gone through for mails of one reader.
const lookBackSlots = 1000

// OnRecord reports whether a message with that hash has been taken in.
func (db *DB) OnRecord(ctx context.Context, hash [32]byte) (bool, error) {
	var id int64
	err := db.read().scan(ctx, `SELECT id FROM inbound WHERE hash = ?1`, args{hash[:]}, &id)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("find message that came in: %w", err)
	}
	return true, nil
}

// SentTo lists the latest mails that left for a reader, the latest first, at most n.
func (db *DB) SentTo(ctx context.Context, subscriber int64, n int) ([]intake.Sent, error) {
	list, err := selectAll(ctx, db.read(), `SELECT e.id, e.name, s.slot_key
		FROM slots s CROSS JOIN deliveries d ON d.slot = s.id AND d.subscriber = ?1 JOIN editions e ON e.id = s.edition
		WHERE s.id > (SELECT max(id) FROM slots) - ?3 AND d.handed > 0 ORDER BY s.id DESC LIMIT ?2`, args{subscriber, n, lookBackSlots}, func(r *sql.Rows) (v intake.Sent, err error) {
		err = r.Scan(&v.Edition, &v.EditionName, &v.Slot)
		i := digest.Issue{Slot: v.Slot}
		v.Wall, v.Subscriber = i.Wall(), subscriber
		return v, err
	})
	if err != nil {
		return nil, fmt.Errorf("list mails of a reader: %w", err)
	}
	return list, nil
}
