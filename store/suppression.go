package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"broadsheet/subscribers"
)

// barred finds the suppressions of addresses, in their order, nil where there is none.
func (db *DB) barred(ctx context.Context, q querier, addresses []string) ([]*subscribers.Suppression, error) {
	found := make([]*subscribers.Suppression, len(addresses))
	var some bool
	if err := q.scan(ctx, `SELECT EXISTS (SELECT 1 FROM suppressions)`, nil, &some); err != nil || !some {
		return found, err
	}
	if db.opts.AddressHash == nil {
		return found, ErrNoKey
	}
	hashes := make([]subscribers.Hash, len(addresses))
	for i, a := range addresses {
		hashes[i] = db.opts.AddressHash(subscribers.Fold(a))
	}
	const run = 100 // as many as one statement asks for
	for from := 0; from < len(hashes); from += run {
		part := hashes[from:min(from+run, len(hashes))]
		args := make([]any, run)
		for i := range args { // always the same number, so that the statement is prepared once
			args[i] = part[min(i, len(part)-1)][:]
		}
		query := `SELECT hash, address, reason, note, at FROM suppressions WHERE hash IN (` + marks(run) + `)`
		if len(part) == 1 {
			args, query = args[:1], `SELECT hash, address, reason, note, at FROM suppressions WHERE hash = ?1`
		}
		list, err := selectAll(ctx, q, query, args, scanSuppression)
		if err != nil {
			return found, err
		}
		for _, s := range list {
			for i, h := range part {
				if h == s.Hash {
					found[from+i] = &s.Suppression
				}
			}
		}
	}
	return found, nil
}

func marks(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ", ?%d", i+1)
	}
	return b.String()[2:]
}

func scanSuppression(r *sql.Rows) (s Suppressed, err error) {
	var hash []byte
	var address sql.NullString
	var at int64
	if err := r.Scan(&hash, &address, &s.Reason, &s.Note, &at); err != nil {
		return s, err
	}
	if len(hash) != len(s.Hash) {
		return s, fmt.Errorf("suppression of %d bytes instead of %d", len(hash), len(s.Hash))
	}
	s.Hash, s.Address, s.At = subscribers.Hash(hash), address.String, fromUS(at)
	return s, nil
}

// Suppressed is a suppression with the hash by which it is found.
type Suppressed struct {
	subscribers.Suppression
	Hash subscribers.Hash
}

// Suppressions lists all suppressions by hash. Memory stays flat.
func (db *DB) Suppressions(ctx context.Context) iter.Seq2[Suppressed, error] {
	return func(yield func(Suppressed, error) bool) {
		after := []byte{}
		for {
			list, err := selectAll(ctx, db.read(), `SELECT hash, address, reason, note, at FROM suppressions
				WHERE hash > ?1 ORDER BY hash LIMIT ?2`, args{after, pageSize}, scanSuppression)
			if err != nil {
				yield(Suppressed{}, fmt.Errorf("list suppressions: %w", err))
				return
			}
			for _, s := range list {
				if !yield(s, nil) {
					return
				}
			}
			if len(list) < pageSize {
				return
			}
			after = list[len(list)-1].Hash[:]
		}
	}
}

// Suppress bars an address and takes the mail that waits for it out of the queue. A zero At
// becomes now. added is false if the address was barred already, for a reason from which the way
// back ([subscribers.WayBack]) is as long or longer; then nothing changes.
func (db *DB) Suppress(ctx context.Context, s subscribers.Suppression, now time.Time) (added bool, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		added, err = db.suppress(ctx, t, s, nil, 0, now)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("suppress %s: %w", subscribers.Mask(s.Address), err)
	}
	return added, nil
}

// ImportSuppressions bars the addresses of rows, all in one transaction. Call it with some 500
// rows at a time.
func (db *DB) ImportSuppressions(ctx context.Context, rows []subscribers.SuppressionRow, now time.Time) (added int, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		added = 0
		for _, row := range rows {
			var hash *subscribers.Hash
			if row.Address == "" {
				hash = &row.Hash
			}
			is, err := db.suppress(ctx, t, row.Suppression, hash, 0, now)
			if err != nil {
				return fmt.Errorf("line %d: %w", row.Line, err)
			}
			if is {
				added++
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("import suppressions: %w", err)
	}
	return added, nil
}

// suppress bars an address, or one that only its hash is known of. settings is the row of the
// change that does so, 0 if none does. A reason from which the way back is longer takes the place
// of one from which it is shorter: a confirmation must not lift what a complaint would have barred.
func (db *DB) suppress(ctx context.Context, t *tx, s subscribers.Suppression, hash *subscribers.Hash, settings int64, now time.Time) (added bool, err error) {
	var address any
	if hash == nil {
		if db.opts.AddressHash == nil {
			return false, ErrNoKey
		}
		h := db.opts.AddressHash(subscribers.Fold(s.Address))
		hash, address = &h, s.Address
	}
	if s.At.IsZero() {
		s.At = now
	}
	var was string
	var slot int64
	err = t.scan(ctx, `SELECT reason, slot FROM suppressions WHERE hash = ?1`, args{hash[:]}, &was, &slot)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	if err == nil && subscribers.WayBack(s.Reason) <= subscribers.WayBack(was) {
		if slot != 0 && !byMark(s.Reason) { // it stays, even if the mark is taken back
			_, err = t.exec(ctx, `UPDATE suppressions SET slot = 0 WHERE hash = ?1`, hash[:])
		}
		return false, err
	}
	if _, err := t.exec(ctx, `INSERT INTO suppressions (hash, address, reason, note, at, real_at, settings)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (hash) DO UPDATE SET reason = ?3, note = ?4, at = ?5, real_at = ?6, settings = ?7, slot = 0`,
		hash[:], address, s.Reason, s.Note, us(s.At), us(db.real()), settings); err != nil {
		return false, err
	}
	t.note(lineBarred, *hash, s.Reason, now)
	if err := t.readersChanged(ctx); err != nil || address == nil {
		return true, err
	}
	var id int64
	err = t.scan(ctx, `SELECT id FROM subscribers WHERE address = ?1`, args{subscribers.Fold(s.Address)}, &id)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	if err != nil {
		return true, err
	}
	return true, t.bar(ctx, id, s.Reason, now)
}

// LiftSuppression takes a suppression back, for a reason that is kept, and forgives the address
// its marks. It is false if the address was not barred. Mail that was suppressed stays so. The error
// is [subscribers.ErrNoWayBack] if the way by does not lead back from the suppression's reason,
// and [subscribers.ErrWhy] where only an operator may lift it and why is "".
func (db *DB) LiftSuppression(ctx context.Context, address string, by subscribers.Way, why string, now time.Time) (lifted bool, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		lifted, err = db.lift(ctx, t, address, by, why, now)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("lift suppression of %s: %w", subscribers.Mask(address), err)
	}
	return lifted, nil
}

// lift is [DB.LiftSuppression] in a transaction.
func (db *DB) lift(ctx context.Context, t *tx, address string, by subscribers.Way, why string, now time.Time) (bool, error) {
	if db.opts.AddressHash == nil {
		return false, ErrNoKey
	}
	folded := subscribers.Fold(address)
	hash := db.opts.AddressHash(folded)
	var reason string
	err := t.scan(ctx, `SELECT reason FROM suppressions WHERE hash = ?1`, args{hash[:]}, &reason)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	case !subscribers.MayReturn(reason, by):
		return false, fmt.Errorf("%w: it is for reason %s", subscribers.ErrNoWayBack, reason)
	case why == "" && subscribers.WayBack(reason) == subscribers.ByOperator:
		return false, subscribers.ErrWhy
	}
	return true, t.unbar(ctx, hash, folded, cmp.Or(why, by.String()), now)
}

// unbar lifts a suppression that is there, whatever its reason, and forgives the address its marks.
func (t *tx) unbar(ctx context.Context, hash subscribers.Hash, folded, why string, now time.Time) error {
	if err := t.liftRow(ctx, hash, why, now); err != nil {
		return err
	}
	var id int64
	err := t.scan(ctx, `SELECT id FROM subscribers WHERE address = ?1`, args{folded}, &id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return t.forgive(ctx, id)
}

// liftRow moves a suppression to those that were lifted.
func (t *tx) liftRow(ctx context.Context, hash subscribers.Hash, why string, now time.Time) error {
	var reason string
	if err := t.scan(ctx, `SELECT reason FROM suppressions WHERE hash = ?1`, args{hash[:]}, &reason); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if reason != "" {
		t.note(lineLifted, hash, reason, now)
	}
	if _, err := t.exec(ctx, `INSERT INTO lifted_suppressions (hash, address, reason, note, at, lifted_at, why)
		SELECT hash, address, reason, note, at, ?2, ?3 FROM suppressions WHERE hash = ?1`, hash[:], us(now), why); err != nil {
		return err
	}
	if _, err := t.exec(ctx, `DELETE FROM suppressions WHERE hash = ?1`, hash[:]); err != nil {
		return err
	}
	return t.readersChanged(ctx)
}
