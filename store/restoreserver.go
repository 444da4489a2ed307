package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"broadsheet/operators"
)

// restoredInstance is the instance of an adoption that says that a PostgreSQL database was put back: no copy that
// there is has it, so that a person must adopt it.
const restoredInstance = "put back"

// RestoreServer puts a backup into an empty PostgreSQL database, whichever engine the backup is of. It is read
// through first, refused for the same reasons as [Restore] does, and journals that lie beside it are replayed. What
// was done since then is not known, so the database waits to be adopted. Run again, it begins anew. The error is
// [ErrNotEmpty] if the database is not empty.
func RestoreServer(ctx context.Context, to, from string, m Move) (done Restored, back *PutBack, err error) {
	if m.Now == nil {
		m.Now = time.Now
	}
	done = Restored{From: from}
	fail := func(err error) (Restored, *PutBack, error) {
		return done, nil, fmt.Errorf("restore %s: %w", from, full(explain(err)))
	}
	// A database of its own is made of the file first: of an older program it is brought up to date there, and
	// journals are replayed as ever.
	dir, err := os.MkdirTemp("", "broadsheet-restore-")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "broadsheet.db")
	if done, err = restore(ctx, path, from, m.Fingerprint, m.Now()); err != nil {
		return fail(err)
	}
	source, err := Open(ctx, path, Options{Existing: true, AddressHash: m.AddressHash})
	if err != nil {
		return fail(err)
	}
	defer source.Close()
	if back, err = source.PutBack(ctx, m.Now()); err != nil {
		return fail(err)
	}
	target, err := Open(ctx, to, Options{name: carrierName})
	if err != nil {
		return fail(err)
	}
	defer target.Close()
	done.Path = target.place
	r := &run{Move: m, from: source, to: target}
	if err := r.putIn(ctx, from); err != nil {
		return fail(err)
	}
	return done, back, nil
}

// putIn carries a restored database into an empty one.
func (r *run) putIn(ctx context.Context, from string) error {
	if err := r.to.alone(ctx); err != nil {
		return fmt.Errorf("target: %w", err)
	}
	var free func()
	var err error
	if r.target, free, err = r.to.newEnd(ctx); err != nil {
		return err
	}
	defer free()
	var database string
	if err := r.from.read().scan(ctx, `SELECT value FROM meta WHERE name = 'database'`, nil, &database); err != nil {
		return err
	}
	if r.state, err = movingInto(ctx, r.to.read()); err != nil {
		return err
	}
	if err := r.takes(ctx, database); err != nil {
		return err
	}
	r.state = r.newMoving(database, from)
	if err := r.clear(ctx); err != nil {
		return err
	}
	if r.source, free, err = r.from.newEnd(ctx); err != nil {
		return err
	}
	defer free()
	if err := sameTables(r.source.tables, r.target.tables); err != nil {
		return err
	}
	if err := r.hold(ctx); err != nil {
		return err
	}
	if err := r.fill(ctx, &MoveReport{}); err != nil {
		return err
	}
	if err := r.to.reopen(ctx); err != nil {
		return err
	}
	return r.to.write(ctx, func(ctx context.Context, t *tx) error {
		last, err := t.lastAdoption(ctx)
		if err != nil {
			return err
		}
		last.Instance = restoredInstance
		_, journals := t.exec(ctx, `DELETE FROM journals`)
		return errors.Join(journals, t.adopt(ctx, operators.By{Who: r.By.Who, Why: from}, last, r.Now()), t.forgetMoving(ctx))
	})
}
