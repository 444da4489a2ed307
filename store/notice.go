package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"broadsheet/digest"
	"broadsheet/subscribers"
)

var _ digest.Outbox = (*DB)(nil)

// isNotice says of an issue i whether it is a run of notices.
const isNotice = `i.edition = coalesce((SELECT id FROM editions WHERE name = '` + digest.NoticeEdition + `'), 0)`

// stopsNotices says whether a suppression bars an address from notices too. The others bar it
// from newsletters: who left may come back, and a confirmation is how.
func stopsNotices(reason string) bool {
	return reason == "complaint" || reason == "legal" || reason == "operator"
}

// stops says whether a suppression, nil for none, keeps the issue's deliveries from an address.
func (i *issueRow) stops(s *subscribers.Suppression) bool {
	return s != nil && (!i.notice || stopsNotices(s.Reason))
}

// notice notes that a mail which is no digest is to be written to a reader, in the transaction of
// the change that it tells of. kind, number and detail are as in [digest.Notice]; the mail goes to
// the address of the settings row, in its language. [DB.PostNotices] makes a delivery of it.
func (t *tx) notice(ctx context.Context, kind string, subscriber, settings, number int64, detail string, now time.Time) error {
	_, err := t.exec(ctx, `INSERT INTO notices (kind, subscriber, settings, number, detail, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,
		kind, subscriber, settings, number, detail, us(now))
	return err
}

// PostNotices meets [digest.Outbox]. A notice whose settings row is gone goes with it.
func (db *DB) PostNotices(ctx context.Context, limit int, now time.Time,
	plan func(r digest.NoticeRun) ([]digest.Planned, error)) (n int, err error) {
	var some bool // mostly not: a look does not take the writer's turn
	if err := db.read().scan(ctx, `SELECT EXISTS (SELECT 1 FROM notices WHERE id > 0)`, nil, &some); err != nil {
		return 0, fmt.Errorf("look for notices: %w", err)
	}
	if !some {
		return 0, nil
	}
	var w chunkWriter
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		w.forget()
		run, lost, err := t.waitingNotices(ctx, limit)
		if err != nil {
			return err
		}
		for _, notice := range run.Notices {
			lost = append(lost, notice.ID)
		}
		n = len(lost)
		if _, err := t.exec(ctx, `DELETE FROM notices WHERE id `+db.dialect.in(1)+``, idList(lost)); err != nil || len(run.Notices) == 0 {
			return err
		}
		run.Day = digest.UTCDay(now)
		if run.Assigned, err = assigned(ctx, t, run.Day); err != nil {
			return err
		}
		planned, err := plan(run)
		if err != nil || len(planned) == 0 {
			return err
		}
		w, err = db.postRun(ctx, t, &run, planned, now)
		return err
	})
	if err != nil {
		w.forget()
		return 0, fmt.Errorf("post notices: %w", err)
	}
	return n, nil
}

// waitingNotices lists those that may go in one run, and those that nobody can get any more.
func (t *tx) waitingNotices(ctx context.Context, limit int) (run digest.NoticeRun, lost []int64, err error) {
	list, err := selectAll(ctx, t, `SELECT n.id, n.kind, n.subscriber, n.settings, n.number, n.detail, n.at,
			st.address, coalesce(st.language, ''), coalesce(st.format, ''), coalesce(st.zone, ''), coalesce(st.paused_until, 0)
		FROM notices n LEFT JOIN settings st ON st.id = n.settings WHERE n.id > ?1 ORDER BY n.id LIMIT ?2`, args{0, limit},
		func(r *sql.Rows) (n digest.Notice, err error) {
			var at, paused int64
			var address sql.NullString
			var format string
			err = r.Scan(&n.ID, &n.Kind, &n.Subscriber, &n.SettingsID, &n.Number, &n.Detail, &at, &address, &n.Language, &format, &n.Zone, &paused)
			n.At, n.Paused, n.Address, n.TextOnly = fromUS(at), fromUS(paused), address.String, format == "text"
			return n, err
		})
	if err != nil {
		return run, nil, err
	}
	has := make(map[int64]bool)
	for _, n := range list {
		if n.Address == "" {
			lost = append(lost, n.ID)
			continue
		}
		if len(run.Notices) == 0 {
			run.Life = digest.NoticeLife(n.Kind)
		}
		// One mail per reader and slot, and one end of life for all of an issue.
		if digest.NoticeLife(n.Kind) == run.Life && !has[n.Subscriber] {
			has[n.Subscriber] = true
			run.Notices = append(run.Notices, n)
		}
	}
	return run, lost, nil
}

// postRun writes a run's issue, which is open at once, its deliveries and batches.
func (db *DB) postRun(ctx context.Context, t *tx, run *digest.NoticeRun, planned []digest.Planned, now time.Time) (w chunkWriter, err error) {
	i := &digest.Issue{Edition: digest.NoticeEdition, Zone: "UTC", Hour: now.UTC().Hour(), Local: now.UTC().Format("2006-01-02 15:04")}
	if i.EditionID, err = t.editionID(ctx, i.Edition); err != nil {
		return w, err
	}
	for at := now.UTC(); ; at = at.Add(time.Microsecond) { // a clock that stands still must not hold anything up
		i.Slot = at.Format(digest.NoticeSlot)
		// Slots are looked through by their ends for mails that are near; notices are near to none.
		err := t.scan(ctx, `INSERT INTO slots (edition, slot_key, ends) VALUES (?1, ?2, 0) ON CONFLICT (edition, slot_key) DO NOTHING RETURNING id`,
			args{i.EditionID, i.Slot}, &i.SlotID)
		if err == nil {
			break
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return w, err
		}
	}
	if err := t.scan(ctx, `INSERT INTO issues (edition, slot, zone, hour, local, due, next, ends, opened, cutoff, state, position, audience, digests,
			min_gap, quiet)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?6, 0, ?8, 0, ?9, 0, 0, 'null') RETURNING id`, args{i.EditionID, i.SlotID, i.Zone, i.Hour, i.Local,
		us(now), us(now.Add(run.Life)), digest.Open, len(planned)}, &i.ID); err != nil {
		return w, err
	}
	c := &chunk{db: db, q: t, issue: i, day: run.Day}
	var ids []int64
	for _, n := range run.Notices {
		c.readers = append(c.readers, digest.Reader{Subscriber: n.Subscriber, SettingsID: n.SettingsID, Address: n.Address})
	}
	for _, p := range planned {
		ids = append(ids, p.Subscriber)
	}
	w = chunkWriter{t: t, c: c, now: now, batches: make(map[string]*openBatch), queued: make(map[string]int), used: make(map[*digest.Fragment]int64)}
	if err := w.write(ctx, planned); err != nil {
		return w, err
	}
	if _, err := t.exec(ctx, `INSERT INTO notice_slots (subscriber, slot) SELECT value, ?1 FROM `+db.dialect.ids(2), i.SlotID, idList(ids)); err != nil {
		return w, err
	}
	if _, err := t.exec(ctx, `UPDATE batches SET start = ?2, due = ?2, urgent = 1 WHERE issue = ?1`, i.ID, us(now)); err != nil {
		return w, err
	}
	if _, err := t.exec(ctx, `UPDATE issues SET digests = ?2 WHERE id = ?1`, i.ID, w.digests); err != nil {
		return w, err
	}
	if err := t.assign(ctx, run.Day, w.queued); err != nil {
		return w, err
	}
	return w, t.noticesLeftBefore(ctx, i.SlotID, run, now)
}

// noticesLeftBefore ends those of a run whose mail left before the database was put back: it went
// in a run that this database does not know, after the notice was noted.
func (t *tx) noticesLeftBefore(ctx context.Context, slot int64, run *digest.NoticeRun, now time.Time) error {
	for _, n := range run.Notices {
		var at sql.NullInt64
		err := t.scan(ctx, `SELECT max(at) FROM handed_before WHERE edition = ?1 AND subscriber = ?2 AND at >= ?3`,
			args{digest.NoticeEdition, n.Subscriber, us(n.At)}, &at)
		if err == nil && at.Valid {
			err = t.endPutBack(ctx, slot, n.Subscriber, fromUS(at.Int64), now)
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) { // left out by plan
			return err
		}
	}
	return nil
}

// barNotices takes a reader's notices out of the queue, those not written yet among them.
func (t *tx) barNotices(ctx context.Context, subscriber int64, reason string, now time.Time) error {
	if _, err := t.exec(ctx, `DELETE FROM notices WHERE subscriber = ?1`, subscriber); err != nil {
		return err
	}
	slots, err := selectAll(ctx, t, `SELECT slot FROM notice_slots WHERE subscriber = ?1 ORDER BY slot DESC`, args{subscriber}, number)
	for n := 0; n < len(slots) && err == nil; n++ {
		err = t.barOne(ctx, slots[n], subscriber, reason, now)
	}
	return err
}
