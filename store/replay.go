package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"broadsheet/mailer"
)

const (
	// reasonPutBack ends a delivery whose mail left after the backup that the database is now.
	reasonPutBack = "handed before the database was put back"
	// keepJournal is how long a journal stays that says nothing new.
	keepJournal = 3 * 24 * time.Hour
	// keepLeaves is how long one stays all the same that says of readers that they left: for so long a
	// backup may be put back without writing to them again.
	keepLeaves = 90 * 24 * time.Hour
	// keepHanded is how long mails of slots that the database does not have are remembered.
	keepHanded = 30 * 24 * time.Hour
)

// replay reads what the journals say beyond what is on record here. Who left stays so. A last group
// alone, of which nothing says that its transaction was committed, is that of a sender that died
// in between: nothing of it has left, for that waits for the commit. More than that means that an
// older database was put back: those mails have left, what became of them is not known, and they
// do not go again.
func (db *DB) replay(ctx context.Context, t *tx, now time.Time) error {
	var database string
	if err := t.scan(ctx, `SELECT value FROM meta WHERE name = 'database'`, nil, &database); err != nil {
		return err
	}
	known, err := t.journals(ctx)
	if err != nil {
		return err
	}
	files, err := os.ReadDir(filepath.Dir(db.path))
	if err != nil {
		return err
	}
	var leaves []journalLine
	for _, f := range files {
		name, ok := strings.CutPrefix(f.Name(), filepath.Base(db.path)+journalInfix)
		if !ok {
			continue
		}
		from := known[name]
		delete(known, name)
		if name == db.ledger.journal.name {
			continue
		}
		found, err := db.replayFile(ctx, t, name, from, database, now)
		if err != nil {
			return fmt.Errorf("journal %s: %w", f.Name(), err)
		}
		leaves = append(leaves, found...)
	}
	delete(known, db.ledger.journal.name)
	for name := range known { // the file is gone
		if _, err := t.exec(ctx, `DELETE FROM journals WHERE name = ?1`, name); err != nil {
			return err
		}
	}
	if _, err := t.exec(ctx, `DELETE FROM handed_before WHERE at < ?1`, us(now.Add(-keepHanded))); err != nil {
		return err
	}
	return db.replayLeaves(ctx, t, leaves)
}

// journals lists how far each journal is on record.
func (t *tx) journals(ctx context.Context) (map[string]int64, error) {
	sizes := make(map[string]int64)
	_, err := selectAll(ctx, t, `SELECT name, size FROM journals`, nil, func(r *sql.Rows) (none struct{}, err error) {
		var name string
		var size int64
		err = r.Scan(&name, &size)
		sizes[name] = size
		return none, err
	})
	return sizes, err
}

// replayFile takes in what a journal says of mails, and returns what it says of readers who left.
func (db *DB) replayFile(ctx context.Context, t *tx, name string, from int64, database string, now time.Time) (leaves []journalLine, err error) {
	f, err := os.Open(db.path + journalInfix + name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	lines, end, left, err := readJournal(f, info.Size(), from, database)
	if err != nil {
		return nil, err
	}
	if len(lines) == 0 {
		age := db.real().Sub(info.ModTime())
		if age < keepJournal {
			return nil, nil
		}
		all, _, _, err := readJournal(f, info.Size(), 0, database)
		if err != nil || age < keepLeaves && slices.ContainsFunc(all, func(l journalLine) bool { return l.hash != nil }) {
			return nil, err
		}
		if err := os.Remove(f.Name()); err != nil {
			return nil, err
		}
		_, err = t.exec(ctx, `DELETE FROM journals WHERE name = ?1`, name)
		return nil, err
	}
	for _, l := range lines {
		switch {
		case l.hash != nil: // whether or not that was committed: the reader wished it
			leaves = append(leaves, l)
		case left:
			if err := t.putBack(ctx, &l, now); err != nil {
				return nil, err
			}
		}
	}
	_, err = t.exec(ctx, `INSERT INTO journals (name, size) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET size = ?2`, name, end)
	return leaves, err
}

// putBack ends the deliveries of a journal's line, and remembers those that are not here yet.
func (t *tx) putBack(ctx context.Context, l *journalLine, now time.Time) error {
	var slot int64
	err := t.scan(ctx, `SELECT s.id FROM slots s JOIN editions e ON e.id = s.edition WHERE e.name = ?1 AND s.slot_key = ?2`, args{l.edition, l.key}, &slot)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	for _, id := range l.subscribers {
		err := t.endPutBack(ctx, slot, id, l.at, now)
		if errors.Is(err, sql.ErrNoRows) {
			_, err = t.exec(ctx, `INSERT INTO handed_before (edition, slot_key, subscriber, at) VALUES (?1, ?2, ?3, ?4)
				ON CONFLICT (edition, slot_key, subscriber) DO NOTHING`, l.edition, l.key, id, us(l.at))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// endPutBack ends a delivery that would go, or go again; [sql.ErrNoRows] if there is none.
func (t *tx) endPutBack(ctx context.Context, slot, subscriber int64, at, now time.Time) error {
	d, err := t.delivery(ctx, slot, subscriber)
	if err != nil || !open(d.State) {
		return err
	}
	d.State, d.Reason, d.Copies = mailer.Uncertain, reasonPutBack, max(d.Copies, 1)
	if err := t.save(ctx, d, now); err != nil {
		return err
	}
	if _, err := t.exec(ctx, `UPDATE deliveries SET handed = ?3 WHERE slot = ?1 AND subscriber = ?2`, slot, subscriber, us(at)); err != nil {
		return err
	}
	return t.attempt(ctx, d)
}

// leftBefore ends those of a chunk's new deliveries, of subscribers from first to last, whose
// mail left before the database was put back. A reader who came later may have got the number of
// another.
func (w *chunkWriter) leftBefore(ctx context.Context, first, last int64) error {
	type left struct{ subscriber, at int64 }
	i := w.c.issue
	list, err := selectAll(ctx, w.t, `SELECT h.subscriber, h.at FROM handed_before h JOIN subscribers s ON s.id = h.subscriber
		WHERE h.edition = ?1 AND h.slot_key = ?2 AND h.subscriber BETWEEN ?3 AND ?4 AND s.created <= h.at`, args{i.Edition, i.Slot, first, last},
		func(r *sql.Rows) (l left, err error) { return l, r.Scan(&l.subscriber, &l.at) })
	for _, l := range list {
		if err == nil {
			err = w.t.endPutBack(ctx, i.SlotID, l.subscriber, fromUS(l.at), w.now)
		}
		if errors.Is(err, sql.ErrNoRows) {
			err = nil // not in this chunk
		}
	}
	return err
}
