package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"broadsheet/intake"
)

// LogPlace is how far a log was read.
type LogPlace struct {
	File   string // that it was read in, as mailer/maillog names it; "" = it was never read
	Offset int64
}

// LogLine is what a line of a relay's log comes to. Its Event names the mail by Of or by Relay and
// Queue, and is sure; one without a class only helps to know the mail.
type LogLine struct {
	intake.Event
	Next    string    // the relay has the mail in its queue once more, under this name
	Removed bool      // the mail is out of the queue
	Told    bool      // the log has told the envelope sender: one without a token of ours is another's, as a rule
	Place   LogPlace  // where the line begins
	Seen    time.Time // when it was read first, on the machine's clock
}

// LogPlace is how far a log was read, by the name that [DB.TakeLog] has for it; the zero value if it
// never was.
func (db *DB) LogPlace(ctx context.Context, log string) (p LogPlace, err error) {
	err = db.read().scan(ctx, `SELECT file, "offset" FROM log_positions WHERE log = ?1`, args{log}, &p.File, &p.Offset)
	if errors.Is(err, sql.ErrNoRows) {
		return p, nil
	}
	if err != nil {
		return p, fmt.Errorf("look up place in log: %w", err)
	}
	return p, nil
}

// earlyTime is how long a line waits for the name of its mail to come on record.
const earlyTime = 3 * time.Second

// Ours keeps of the lines of one relay those that speak of our mails, as far as they can be told: by
// a token, or by a name on record. A name that is not there may be on its way there while we send: lines
// of which nothing else tells whose they are are kept until they are three seconds old.
func (db *DB) Ours(ctx context.Context, relay string, lines []LogLine) ([]LogLine, error) {
	var ids []string
	for n := range lines {
		if lines[n].Of == (intake.Of{}) {
			ids = append(ids, lines[n].Queue)
		}
	}
	known := make(map[string]bool)
	if len(ids) > 0 {
		list, err := json.Marshal(ids)
		if err != nil {
			return nil, err
		}
		found, err := selectAll(ctx, db.read(), `SELECT q.id FROM `+db.dialect.texts(2)+` v CROSS JOIN queue_ids q
			WHERE q.relay = ?1 AND q.id = v.value AND q.ended = 0`, args{relay, string(list)},
			func(r *sql.Rows) (id string, err error) { return id, r.Scan(&id) })
		if err != nil {
			return nil, fmt.Errorf("find mails of a log: %w", err)
		}
		for _, id := range found {
			known[id] = true
		}
	}
	var sending bool
	if len(known) < len(ids) {
		err := db.read().scan(ctx, `SELECT EXISTS (SELECT 1 FROM batches WHERE done = 0 AND relay = ?1 AND lease_until >= ?2)`,
			args{relay, us(db.leaseClock())}, &sending)
		if err != nil {
			return nil, fmt.Errorf("find mails of a log: %w", err)
		}
	}
	ours := lines[:0]
	for _, l := range lines {
		switch {
		case l.Of != (intake.Of{}) || known[l.Queue]:
			if l.Next != "" {
				known[l.Next] = true
			}
		case l.Told || !sending || db.real().Sub(l.Seen) > earlyTime:
			continue
		}
		ours = append(ours, l)
	}
	return ours, nil
}

// LogTaken is what came of lines of a log.
type LogTaken struct {
	Held   []LogLine // of mails that a sender has in hand: to be brought again
	New    int       // said something new
	Old    int       // are from before their mails left, and of others
	Failed []error   // why lines could not be put on record, of which each was tried alone
}

// TakeLog puts on record what lines of a relay's log say of our mails and how far that log was read,
// both or neither. Lines of a mail that a sender has in hand are held: they come back, and the place on
// record stays before the first of them. One line that cannot be put on record is left out, and the
// others are there; an error is the database's.
func (db *DB) TakeLog(ctx context.Context, relay, log string, lines []LogLine, end LogPlace, now time.Time) (taken LogTaken, err error) {
	left := make(map[int]bool) // out
	var failed []error
	for {
		var at int
		taken, at, err = db.takeLines(ctx, relay, log, lines, left, end, now)
		if err == nil || at < 0 || !ofRow(err) {
			break
		}
		left[at] = true
		failed = append(failed, fmt.Errorf("line at octet %d of %s: %w", lines[at].Place.Offset, log, err))
	}
	if err != nil {
		return LogTaken{}, fmt.Errorf("take in log of relay %s: %w", relay, err)
	}
	taken.Failed = failed
	return taken, nil
}

// takeLines does so in one transaction, but for those that are left out. at is the line that failed, -1
// if none did.
func (db *DB) takeLines(ctx context.Context, relay, log string, lines []LogLine, left map[int]bool, end LogPlace, now time.Time) (taken LogTaken, at int, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		taken, at = LogTaken{}, -1
		end := end
		waits := make(map[string]bool) // mails of which a line is held
		for n := range lines {
			l := &lines[n]
			if left[n] {
				continue
			}
			f, old, err := fateEarly, false, error(nil)
			if !waits[l.Queue] {
				f, old, err = db.takeLine(ctx, t, relay, l, now)
			}
			switch {
			case err != nil:
				at = n
				return err
			case old:
				taken.Old++
			case f == fateEarly:
				waits[l.Queue] = true
				taken.Held = append(taken.Held, *l)
			case f == fateDone:
				taken.New++
			}
		}
		if len(taken.Held) > 0 {
			end = taken.Held[0].Place
		}
		_, err := t.exec(ctx, `INSERT INTO log_positions (log, file, "offset", at) VALUES (?1, ?2, ?3, ?4)
			ON CONFLICT (log) DO UPDATE SET file = excluded.file, "offset" = excluded."offset", at = excluded.at`, log, end.File, end.Offset, us(now))
		return err
	})
	return taken, at, err
}

// logSlack is how much earlier than its mail a line may be: logs know whole seconds, and so does the
// way from their clock to ours.
const logSlack = 2 * time.Second

// takeLine puts a line on record. old says that it is from before the mail left that it names, and so
// about another: the database was put back or made anew, or the relay has used a name again.
func (db *DB) takeLine(ctx context.Context, t *tx, relay string, l *LogLine, now time.Time) (f fate, old bool, err error) {
	k, err := t.named(ctx, &l.Event)
	if errors.Is(err, sql.ErrNoRows) {
		if l.Of == (intake.Of{}) && db.real().Sub(l.Seen) <= earlyTime {
			return fateEarly, false, nil
		}
		return fateUnknown, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	var left int64
	err = t.scan(ctx, `SELECT CASE WHEN handed > 0 THEN handed ELSE at END FROM deliveries WHERE slot = ?1 AND subscriber = ?2`, args{k.slot, k.subscriber}, &left)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, false, err
	}
	if !l.At.IsZero() && l.At.Add(logSlack).Before(fromUS(left)) {
		return fateUnknown, true, nil
	}
	if l.Next != "" {
		return fateDone, false, t.keepNext(ctx, relay, l.Next, k, now)
	}
	if l.Removed {
		_, err := t.exec(ctx, `UPDATE queue_ids SET ended = 1 WHERE relay = ?1 AND id = ?2`, relay, l.Queue)
		return fateAgain, false, err
	}
	if l.Class == "" {
		return fateAgain, false, nil
	}
	f, _, err = db.takeEvent(ctx, t, &l.Event, 0, now)
	return f, false, err
}
