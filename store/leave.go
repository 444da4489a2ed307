package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"time"

	"broadsheet/subscribers"
)

// leave is a line for the journal.
type leave struct {
	at      time.Time
	edition string // "" = everything
	hash    subscribers.Hash
	kind    byte // of lineKinds
}

// Kinds of lines in the journal, beside those of handed mails.
const (
	lineLeft    = 'l' // left the edition, or was taken out of it by an operator or an import
	lineBack    = 'r' // took it back
	lineErased  = 'e'
	lineSpam    = 's' // said that our mail is spam
	lineBarred  = 'b' // is barred for another reason, which stands in place of the edition
	lineLifted  = 'u' // is not barred any more for the reason that stands there
	linePaused  = 'p' // paused, until the time that stands there, 0 = without an end
	lineActive  = 'a' // is active again, after a pause
	lineConsent = 'c' // confirmed that mail may come

	// A story is withdrawn, by the keys that stand in place of the edition: its number may be another's. The hash is of nobody.
	lineWithdrawn = 'w'

	lineKinds = "lresbupacw"
)

// journalLeave has a line in the journal beside the database, synced before the transaction t
// commits, that says that an address leaves an edition, or everything if edition is "".
func (t *tx) journalLeave(hash subscribers.Hash, edition string, now time.Time) {
	t.leaves = append(t.leaves, leave{now, edition, hash, lineLeft})
}

// journalReturn has a line there that says that an address has come back, by the reader's own wish,
// so that an older database does not lose who left and undid it.
func (t *tx) journalReturn(hash subscribers.Hash, edition string, now time.Time) {
	t.leaves = append(t.leaves, leave{now, edition, hash, lineBack})
}

// journalErased has a line there that says that an address was erased at its owner's wish.
func (t *tx) journalErased(hash subscribers.Hash, now time.Time) {
	t.leaves = append(t.leaves, leave{now, "", hash, lineErased})
}

// journalComplaint has a line there that says that the owner of an address said that our mail is spam.
func (t *tx) journalComplaint(hash subscribers.Hash, now time.Time) {
	t.leaves = append(t.leaves, leave{now, "", hash, lineSpam})
}

// note has a line there of any other kind, unless one of the same transaction says as much.
func (t *tx) note(kind byte, hash subscribers.Hash, what string, now time.Time) {
	if t.replaying {
		return
	}
	says := map[string]byte{"unsubscribed": lineLeft, "complaint": lineSpam, "erased": lineErased}
	for _, l := range t.leaves {
		if l.hash == hash && (l.kind == kind && l.edition == what || kind == lineBarred && l.kind == says[what] && l.edition == "") {
			return
		}
	}
	t.leaves = append(t.leaves, leave{now, what, hash, kind})
}

// noteChange has lines there of what a change of settings stops, whoever makes it: what is left, and a pause.
func (db *DB) noteChange(t *tx, old, s *subscribers.Settings, now time.Time) error {
	var leaves []string
	if old.Status != subscribers.Unsubscribed || s.Status != subscribers.Unsubscribed {
		leaves = left(old, s)
	}
	paused := s.Status == subscribers.Paused && (old.Status != subscribers.Paused || !old.PausedUntil.Equal(s.PausedUntil))
	again := old.Status == subscribers.Paused && s.Status == subscribers.Active
	if len(leaves) == 0 && !paused && !again || t.replaying {
		return nil
	}
	if db.opts.AddressHash == nil {
		return ErrNoKey
	}
	hash := db.opts.AddressHash(subscribers.Fold(old.Address))
	for _, edition := range leaves {
		t.note(lineLeft, hash, edition, now)
	}
	switch {
	case paused:
		t.note(linePaused, hash, strconv.FormatInt(us(s.PausedUntil), 10), now)
	case again:
		t.note(lineActive, hash, "", now)
	}
	return nil
}

// journalLeaves writes a transaction's leaves into the journal.
func (db *DB) journalLeaves(ctx context.Context, t *tx) error {
	if len(t.leaves) == 0 {
		return nil
	}
	var b []byte
	for _, l := range t.leaves {
		b = fmt.Appendf(b, "%c %d %q %x\n", l.kind, us(l.at), l.edition, l.hash[:])
	}
	return db.journalAdd(ctx, t, sealGroup(b))
}

// replayLeaves has readers leave again who are back with an older database. It reads all
// addresses to find them, which is once after a backup was put back or a writer was killed.
func (db *DB) replayLeaves(ctx context.Context, t *tx, lines []journalLine, back *PutBack) error {
	var readers []journalLine
	for _, l := range lines {
		if l.kind != lineWithdrawn {
			readers = append(readers, l)
		} else if err := db.withdrawAgain(ctx, t, &l, back); err != nil {
			return fmt.Errorf("withdraw a story again: %w", err)
		}
	}
	if lines = readers; len(lines) == 0 {
		return nil
	}
	if db.opts.AddressHash == nil {
		return fmt.Errorf("find readers who left: %w", ErrNoKey)
	}
	ids := make(map[subscribers.Hash]int64)
	for _, l := range lines {
		ids[*l.hash] = 0
	}
	type row struct {
		id      int64
		address string
	}
	for after := int64(0); ; {
		list, err := selectAll(ctx, t, `SELECT id, address FROM subscribers WHERE id > ?1 ORDER BY id LIMIT ?2`, args{after, pageSize},
			func(r *sql.Rows) (v row, err error) { return v, r.Scan(&v.id, &v.address) })
		if err != nil {
			return err
		}
		if len(list) == 0 {
			break
		}
		for _, v := range list {
			hash := db.opts.AddressHash(v.address)
			if _, left := ids[hash]; left {
				ids[hash] = v.id
			}
		}
		after = list[len(list)-1].id
	}
	slices.SortStableFunc(lines, func(a, b journalLine) int { return a.at.Compare(b.at) })
	// Of what undoes each other the last one counts: leaving and coming back, pausing and going on. What bars an
	// address and what lifts that is done in turn.
	type what struct {
		hash    subscribers.Hash
		edition string
		kind    byte
	}
	about := func(l *journalLine) what {
		switch l.kind {
		case lineLeft, lineBack, lineErased:
			return what{*l.hash, l.edition, lineLeft}
		case linePaused, lineActive:
			return what{*l.hash, "", linePaused}
		}
		return what{*l.hash, l.edition, l.kind}
	}
	last := make(map[what]int)
	for n := range lines {
		last[about(&lines[n])] = n
	}
	for n, l := range lines {
		back.saw(l.at)
		id, again := ids[*l.hash], last[about(&l)] == n
		var err error
		switch l.kind {
		case lineSpam, lineBarred:
			err = db.barAgain(ctx, t, &l, id, back)
		case lineLifted:
			err = db.liftAgain(ctx, t, &l, back)
		case lineLeft, lineErased:
			if again {
				err = db.leaveAgain(ctx, t, &l, id, back)
			}
		case linePaused:
			if again {
				err = db.pauseAgain(ctx, t, &l, id, back)
			}
		case lineConsent:
			if again {
				err = db.confirmedAgain(ctx, t, id, back)
			}
		}
		if err != nil {
			return fmt.Errorf("say %q again: %w", l.kind, err)
		}
	}
	return nil
}

// leaveAgain does what a line says, dated as it says, unless the reader, 0 if there is none of that
// address, has decided something later. Who is not here any more, or not yet, is barred all the same.
func (db *DB) leaveAgain(ctx context.Context, t *tx, l *journalLine, id int64, back *PutBack) error {
	var later bool
	if err := t.scan(ctx, `SELECT EXISTS (SELECT 1 FROM subscribers s JOIN settings st ON st.id = s.settings WHERE s.id = ?1 AND st.at > ?2)
		OR EXISTS (SELECT 1 FROM lifted_suppressions WHERE hash = ?3 AND lifted_at > ?2 AND ?4 = '')`, args{id, us(l.at), l.hash[:], l.edition}, &later); err != nil || later {
		return err
	}
	if id == 0 {
		if l.edition != "" {
			return nil
		}
		reason := "unsubscribed"
		if l.kind == lineErased {
			reason = "erased"
		}
		is, err := db.suppress(ctx, t, subscribers.Suppression{Reason: reason, At: l.at}, l.hash, 0, l.at)
		if is {
			back.Gone++
		}
		return err
	}
	if l.kind == lineErased {
		loose, err := db.looseMail(ctx, t, id)
		if err != nil {
			return err
		}
		back.Erased++
		return db.erase(ctx, t, id, loose, l.at)
	}
	old, err := db.withSuppression(ctx, t, "s.id = ?1", id)
	if err != nil {
		return err
	}
	s := old.Clone()
	if l.edition == "" {
		s.Status = subscribers.Unsubscribed
	} else {
		s.LeaveEdition(l.edition)
	}
	made, err := db.edit(ctx, t, old, s, "reader", "", "", l.at)
	if made.Changed {
		back.Gone++
	}
	return err
}
