package store

import (
	"context"
	"time"

	"broadsheet/subscribers"
)

// gone is what follows from news of a reader who is not here any more.
const gone = "the reader is gone"

// complained bars the address to which a mail went of which its reader said that it is spam, and the
// one that the reader has by now: it is the reader who does not want them. A notice may have gone to a
// stranger, whose address is barred alone. A line in the journal says so first. Only an operator lifts it.
func (db *DB) complained(ctx context.Context, t *tx, d *delivery, now time.Time, note string) (string, error) {
	theirs, err := t.theirs(ctx, d)
	if err != nil {
		return "", err
	}
	var list []string
	if theirs {
		if list, err = selectAll(ctx, t, `SELECT st.address FROM subscribers s JOIN settings st ON st.id = s.settings WHERE s.id = ?1`, args{d.Subscriber}, text); err != nil {
			return "", err
		}
	}
	if d.Address != "" && (len(list) == 0 || subscribers.Fold(list[0]) != subscribers.Fold(d.Address)) {
		list = append(list, d.Address)
	}
	effect := "barred before"
	for _, address := range list {
		if db.opts.AddressHash == nil {
			return "", ErrNoKey
		}
		t.journalComplaint(db.opts.AddressHash(subscribers.Fold(address)), now)
		is, err := db.suppress(ctx, t, subscribers.Suppression{Address: address, Reason: "complaint", Note: note, At: now}, nil, 0, now)
		if err != nil {
			return "", err
		}
		if is {
			effect = "address barred"
		}
	}
	if len(list) == 0 {
		effect = gone
	}
	return effect, nil
}

// barAgain bars the address of a journal's line, dated as it says, unless that was lifted since. id is its
// reader's, 0 if there is none.
func (db *DB) barAgain(ctx context.Context, t *tx, l *journalLine, id int64, back *PutBack) error {
	var lifted bool
	if err := t.scan(ctx, `SELECT EXISTS (SELECT 1 FROM lifted_suppressions WHERE hash = ?1 AND lifted_at > ?2)`, args{l.hash[:], us(l.at)}, &lifted); err != nil || lifted {
		return err
	}
	s, hash, count := subscribers.Suppression{Reason: "complaint", At: l.at}, l.hash, &back.Complaints
	if l.kind == lineBarred {
		s.Reason, count = l.edition, &back.Barred
	}
	if id != 0 {
		r, err := load(ctx, t, "s.id = ?1", id)
		if err != nil {
			return err
		}
		s.Address, hash = r.Address, nil
	}
	is, err := db.suppress(ctx, t, s, hash, 0, l.at)
	if is {
		*count++
	}
	return err
}
