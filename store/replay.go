package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"broadsheet/mailer"
)

const (
	// reasonPutBack ends a delivery whose mail left after the backup that the database is now.
	reasonPutBack = "handed before the database was put back"
	// keepJournal is how long a journal stays that says nothing new: for so long a backup may be put back.
	keepJournal = 30 * 24 * time.Hour
	// keepLeaves is how long one stays all the same that says of readers that they left or are barred.
	keepLeaves = 90 * 24 * time.Hour
	// keepHanded is how long mails of slots that the database does not have are remembered.
	keepHanded = 30 * 24 * time.Hour
)

// replay reads what the journals say beyond what is on record here. Who left stays so. A last group
// alone, of which nothing says that its transaction was committed, is that of a sender that died
// in between: nothing of it has left, for that waits for the commit. More than that means that an
// older database was put back: those mails have left, what became of them is not known, and they
// do not go again. old says that this is known without them. Of a mail that was in hand when the backup
// was made, its hand is on record and its answer is not: it does not go again either.
func (db *DB) replay(ctx context.Context, t *tx, old bool, now time.Time) error {
	if db.path == "" {
		return nil
	}
	var database string
	if err := t.scan(ctx, `SELECT value FROM meta WHERE name = 'database'`, nil, &database); err != nil {
		return err
	}
	known, err := t.journals(ctx)
	if err != nil {
		return err
	}
	files, err := journalFiles(db.path)
	if err != nil {
		return err
	}
	var leaves []journalLine
	var back PutBack
	for _, name := range files { // of one that is gone the row stays: see Standing
		if name == db.ledger.journal.name {
			continue
		}
		found, err := db.replayFile(ctx, t, name, max(known[name], 0), database, now, &back)
		if err != nil {
			return fmt.Errorf("journal %s: %w", filepath.Base(db.path)+journalInfix+name, err)
		}
		leaves = append(leaves, found...)
	}
	if old || back.Mails > 0 {
		if err := t.endHanded(ctx, &back, now); err != nil {
			return err
		}
	}
	if _, err := t.exec(ctx, `DELETE FROM handed_before WHERE at < ?1`, us(now.Add(-keepHanded))); err != nil {
		return err
	}
	t.replaying = true
	defer func() { t.replaying = false }()
	if err := db.replayLeaves(ctx, t, leaves, &back); err != nil {
		return err
	}
	return t.keepPutBack(ctx, &back, now)
}

// journals lists how far each journal is on record.
func (t *tx) journals(ctx context.Context) (map[string]int64, error) {
	sizes := make(map[string]int64)
	_, err := selectAll(ctx, t, `SELECT name, size FROM journals`, nil, into(sizes))
	return sizes, err
}

// into puts rows of a name and a number into a map.
func into(m map[string]int64) func(*sql.Rows) (struct{}, error) {
	return func(r *sql.Rows) (none struct{}, err error) {
		var name string
		var n int64
		err = r.Scan(&name, &n)
		m[name] = n
		return none, err
	}
}

// replayFile takes in what a journal says of mails, and returns what it says of readers who left.
func (db *DB) replayFile(ctx context.Context, t *tx, name string, from int64, database string, now time.Time, back *PutBack) (leaves []journalLine, err error) {
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
		if err := noteJournal(db.path, '-', name); err != nil {
			return nil, err
		}
		if err := os.Remove(f.Name()); err != nil {
			return nil, err
		}
		// That it was is kept: a database that does not know so much was put back.
		_, err = t.exec(ctx, `INSERT INTO journals (name, size) VALUES (?1, -1) ON CONFLICT (name) DO UPDATE SET size = -1`, name)
		return nil, err
	}
	for _, l := range lines {
		switch {
		case l.hash != nil: // whether or not that was committed: the reader wished it
			leaves = append(leaves, l)
		case left:
			back.saw(l.at)
			back.Mails += len(l.subscribers)
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
	// A reader who joins later must not get the number of one whose mails are out: their links would open.
	if _, err := t.exec(ctx, `UPDATE counters SET value = max(value, ?1) WHERE name = 'gone'`, slices.Max(l.subscribers)); err != nil {
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

// endHanded ends the deliveries that are in hand by what the database says.
func (t *tx) endHanded(ctx context.Context, back *PutBack, now time.Time) error {
	type hand struct{ slot, subscriber, at int64 }
	list, err := selectAll(ctx, t, `SELECT d.slot, d.subscriber, d.handed FROM batches b CROSS JOIN deliveries d ON d.batch = b.id
		WHERE b.lease_until > 0 AND d.batch IS NOT NULL AND d.state = 'handed'`, nil,
		func(r *sql.Rows) (h hand, err error) { return h, r.Scan(&h.slot, &h.subscriber, &h.at) })
	for n := 0; n < len(list) && err == nil; n++ {
		h := list[n]
		back.saw(fromUS(h.at))
		back.Mails++
		err = t.endPutBack(ctx, h.slot, h.subscriber, fromUS(h.at), now)
	}
	return err
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
