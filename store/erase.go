package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"broadsheet/digest"
	"broadsheet/operators"
	"broadsheet/subscribers"
)

// Erase deletes everything that is held about a reader. What stays is a suppression that knows the
// address by its keyed hash alone, so that no import brings it back, and the reader's deliveries as
// numbers, so that books balance; those that have not left are suppressed. Nothing of it is to be
// found in the database's files afterwards, as soon as [DB.Scrub] gets its turn. The error is
// [ErrNotFound] if there is no such reader.
func (db *DB) Erase(ctx context.Context, id int64, now time.Time) error {
	return db.eraseBy(ctx, nil, id, now)
}

// eraseBy is Erase by an operator, nil = by the reader.
func (db *DB) eraseBy(ctx context.Context, by *operators.By, id int64, now time.Time) error {
	loose, err := db.looseMail(ctx, db.read(), id) // long where much came in, so not in the writer's turn
	if err == nil {
		err = db.write(ctx, func(ctx context.Context, t *tx) error {
			if err := db.erase(ctx, t, id, loose, now); err != nil || by == nil {
				return err
			}
			return t.audit(ctx, *by, "reader erase", readerObject(id), "everything held is deleted", now)
		})
	}
	if err != nil {
		return fmt.Errorf("erase reader: %w", err)
	}
	if err := db.Scrub(ctx); err != nil && !errors.Is(err, ErrBusy) {
		return fmt.Errorf("erase reader: %w", err)
	}
	return nil
}

// erase is Erase in a transaction; what it leaves in the file of changes is for Scrub. loose is what
// looseMail found.
func (db *DB) erase(ctx context.Context, t *tx, id int64, loose []int64, now time.Time) error {
	old, err := load(ctx, t, "s.id = ?1", id)
	if err != nil {
		return notFound(err, "subscriber %d", id)
	}
	if db.opts.AddressHash == nil {
		return ErrNoKey
	}
	hash := db.opts.AddressHash(subscribers.Fold(old.Address))
	t.journalErased(hash, now)
	if err := t.bar(ctx, id, "erased", now); err != nil {
		return err
	}
	// The reader's own addresses; a draft has one that may be another person's.
	owned, err := owned(ctx, t, id)
	if err != nil {
		return err
	}
	if err := db.cutAddresses(ctx, t, id, owned); err != nil {
		return err
	}
	if err := t.forgetAudit(ctx, id, owned); err != nil {
		return err
	}
	if err := t.forgetMail(ctx, loose); err != nil {
		return err
	}
	if err := db.forget(ctx, t, id, now); err != nil {
		return err
	}
	if _, err := t.exec(ctx, `DELETE FROM signups WHERE id > ?1 AND subscriber = ?2`, 0, id); err != nil {
		return err
	}
	for _, address := range owned {
		if err := db.forgetAddress(ctx, t, address); err != nil {
			return err
		}
	}
	_, err = t.exec(ctx, `INSERT INTO suppressions (hash, reason, note, at, real_at, erased) VALUES (?1, 'erased', '', ?2, ?3, 1)
			ON CONFLICT (hash) DO UPDATE SET reason = CASE WHEN suppressions.reason IN ('complaint', 'operator', 'legal') THEN suppressions.reason ELSE 'erased' END,
			settings = 0, slot = 0, erased = 1`, hash[:], us(now), us(db.real()))
	db.unscrubbed.Store(true)
	return err
}

func text(r *sql.Rows) (s string, err error) { return s, r.Scan(&s) }

// forgetAddress takes an address out of the lists of those that are barred, were barred, asked for
// mail or wait to be looked through, unless it is another reader's by now.
func (db *DB) forgetAddress(ctx context.Context, t *tx, address string) error {
	folded := subscribers.Fold(address)
	var others int
	if err := t.scan(ctx, `SELECT count(*) FROM subscribers WHERE address = ?1`, args{folded}, &others); err != nil || others > 0 {
		return err
	}
	hash := db.opts.AddressHash(folded)
	for _, query := range []string{
		`UPDATE suppressions SET address = NULL, note = '', erased = 1 WHERE hash = ?1`,
		`DELETE FROM lifted_suppressions WHERE hash = ?1`,
		`DELETE FROM asked WHERE hash = ?1`,
	} {
		if _, err := t.exec(ctx, query, hash[:]); err != nil {
			return err
		}
	}
	type form struct {
		id      int64
		address string
	}
	forms, err := selectAll(ctx, t, `SELECT id, address FROM signups WHERE id > ?1`, args{0},
		func(r *sql.Rows) (f form, err error) { return f, r.Scan(&f.id, &f.address) })
	for n := 0; n < len(forms) && err == nil; n++ {
		if subscribers.Fold(strings.TrimSpace(forms[n].address)) == folded {
			_, err = t.exec(ctx, `DELETE FROM signups WHERE id = ?1`, forms[n].id)
		}
	}
	return err
}

// owned lists the addresses that are a reader's own.
func owned(ctx context.Context, q querier, id int64) ([]string, error) {
	return selectAll(ctx, q, `SELECT DISTINCT address FROM settings WHERE subscriber = ?1 AND draft = 0`, args{id}, text)
}

// formsOf lists the ways in which others write addresses, in small letters.
func formsOf(addresses []string) (forms []string) {
	for _, a := range addresses {
		if a == "" {
			continue
		}
		forms = append(forms, strings.ToLower(a), subscribers.Fold(a))
		if wire, err := subscribers.ParseAddress(a); err == nil {
			forms = append(forms, strings.ToLower(wire))
		}
		if at := strings.LastIndexByte(a, '@'); at > 0 {
			if ascii, err := subscribers.ASCIIDomain(a[at+1:]); err == nil {
				forms = append(forms, strings.ToLower(a[:at]+"@"+ascii))
			}
		}
	}
	return forms
}

// slotsOf finds all slots in which reader ?1 may have a delivery; a notice's slot is one reader's.
const slotsOf = `SELECT slots.id FROM editions CROSS JOIN slots
		WHERE editions.name <> '` + digest.NoticeEdition + `' AND slots.edition = editions.id
	UNION ALL SELECT slot FROM notice_slots WHERE subscriber = ?1`

// cutAddresses takes a reader's addresses out of the words of relays and of the reasons that were
// kept about their mail.
func (db *DB) cutAddresses(ctx context.Context, t *tx, id int64, addresses []string) error {
	forms := formsOf(addresses)
	names := func(s string) bool {
		s = strings.ToLower(s)
		for _, f := range forms {
			if strings.Contains(s, f) {
				return true
			}
		}
		return false
	}
	type said struct {
		slot   int64
		n      int64 // of the attempt, -1 = the delivery
		reason string
		reply  int64
		words  string
	}
	list, err := selectAll(ctx, t, `SELECT d.slot, -1, d.reason, coalesce(d.reply, 0), coalesce(rt.body, '')
		FROM deliveries d LEFT JOIN reply_texts rt ON rt.id = d.reply WHERE d.slot `+t.w.dialect.among(slotsOf)+` AND d.subscriber = ?1
		UNION ALL SELECT a.slot, a.n, a.reason, coalesce(a.reply, 0), coalesce(rt.body, '')
		FROM attempts a LEFT JOIN reply_texts rt ON rt.id = a.reply WHERE a.slot `+t.w.dialect.among(slotsOf)+` AND a.subscriber = ?1`,
		args{id}, func(r *sql.Rows) (s said, err error) {
			return s, r.Scan(&s.slot, &s.n, &s.reason, &s.reply, &s.words)
		})
	if err != nil {
		return err
	}
	for _, s := range list {
		if names(s.words) {
			delete(db.ledger.texts, s.words)
			if _, err := t.exec(ctx, `UPDATE reply_texts SET body = '(erased ' || id || ')' WHERE id = ?1`, s.reply); err != nil {
				return err
			}
		}
		if !names(s.reason) {
			continue
		}
		if s.n < 0 {
			_, err = t.exec(ctx, `UPDATE deliveries SET reason = 'erased' WHERE slot = ?1 AND subscriber = ?2`, s.slot, id)
		} else {
			_, err = t.exec(ctx, `UPDATE attempts SET reason = 'erased' WHERE slot = ?1 AND subscriber = ?2 AND n = ?3`, s.slot, id, s.n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// scrubWait is how long a scrub waits for those who read: senders wait for it meanwhile.
const scrubWait = 500 * time.Millisecond

// Scrub takes what erased readers left in the file of changes beside the database (its WAL) out of
// it, and does nothing where nothing is left. What is deleted in the database itself is written
// over at once. The error is [ErrBusy] while somebody reads for long; call it again later.
func (db *DB) Scrub(ctx context.Context) error {
	if !db.unscrubbed.Load() || db.path == "" {
		return nil
	}
	w := db.writer
	if err := w.take(ctx); err != nil {
		return err
	}
	defer w.leave()
	if w.conn == nil {
		return nil // its last word was an error; the next transaction opens another
	}
	timeout := func(d time.Duration) error {
		_, err := w.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout(%d)", d.Milliseconds()))
		return err
	}
	if err := timeout(scrubWait); err != nil {
		return fmt.Errorf("scrub database: %w", explain(err))
	}
	var busy, pages, moved int
	err := w.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved)
	err = errors.Join(err, timeout(db.opts.BusyTimeout))
	if err == nil && busy != 0 {
		err = ErrBusy
	}
	if err != nil {
		return fmt.Errorf("scrub database: %w", explain(err))
	}
	db.unscrubbed.Store(false)
	return nil
}
