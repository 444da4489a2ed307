package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
)

// Assigned meets [digest.Chunk]. The transaction is alone (lanes.go), so what is counted here holds until the chunk's own
// are added: two processes that open issues do not pass a relay's cap.
func (c *chunk) Assigned(ctx context.Context) (int64, map[string]int, error) {
	counts, err := assigned(ctx, c.q, c.day)
	return c.day, counts, err
}

// Assigned counts the deliveries that each relay has been assigned for a day in UTC, as
// [digest.UTCDay] numbers it.
func (db *DB) Assigned(ctx context.Context, day int64) (map[string]int, error) {
	return assigned(ctx, db.read(), day)
}

func assigned(ctx context.Context, q querier, day int64) (map[string]int, error) {
	type count struct {
		relay string
		n     int
	}
	list, err := selectAll(ctx, q, `SELECT relay, assigned FROM relay_days WHERE day = ?1`, args{day},
		func(r *sql.Rows) (c count, err error) { return c, r.Scan(&c.relay, &c.n) })
	if err != nil {
		return nil, fmt.Errorf("count assigned deliveries: %w", err)
	}
	counts := make(map[string]int, len(list))
	for _, c := range list {
		counts[c.relay] = c.n
	}
	return counts, nil
}

// assign adds to what relays were assigned on a day.
func (t *tx) assign(ctx context.Context, day int64, counts map[string]int) error {
	for _, relay := range slices.Sorted(maps.Keys(counts)) {
		if _, err := t.exec(ctx, `INSERT INTO relay_days (day, relay, assigned) VALUES (?1, ?2, ?3)
			ON CONFLICT (day, relay) DO UPDATE SET assigned = relay_days.assigned + ?3`, day, relay, counts[relay]); err != nil {
			return fmt.Errorf("count assigned deliveries: %w", err)
		}
	}
	return nil
}

// Reassign gives the open deliveries of relays that routes does not know to those that it names
// for their readers now, and says how many each got; one that no relay takes has failed. Batches
// that a sender has are left alone: call it after [DB.Recover], when none is at work.
func (db *DB) Reassign(ctx context.Context, routes *digest.Routes, now time.Time) (moved map[string]int, err error) {
	known, err := json.Marshal(routes.Names())
	if err != nil {
		return nil, err
	}
	if _, err := db.endLeases(ctx, now); err != nil {
		return nil, fmt.Errorf("reassign deliveries: %w", err)
	}
	list, err := selectAll(ctx, db.read(), `SELECT b.id FROM batches b`+db.dialect.by("batches_due")+`
		WHERE b.done = 0 AND b.lease_until = 0 AND b.relay NOT IN (SELECT value FROM `+db.dialect.texts(1)+`) ORDER BY b.id`, args{string(known)}, number)
	moved = make(map[string]int)
	for k := 0; k < len(list) && err == nil; k++ {
		var got map[string]int
		if got, err = db.reassign(ctx, list[k], routes, now); err == nil {
			for relay, n := range got {
				moved[relay] += n
			}
		}
	}
	if err != nil {
		return moved, fmt.Errorf("reassign deliveries: %w", err)
	}
	return moved, nil
}

// reassign does so for a batch. What goes to the first of several relays stays in it.
func (db *DB) reassign(ctx context.Context, batch int64, routes *digest.Routes, now time.Time) (counts map[string]int, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		counts = make(map[string]int)
		var leased, start int64
		var due sql.NullInt64
		if err := t.scan(ctx, `SELECT lease_until, start, due FROM batches WHERE id = ?1`, args{batch}, &leased, &start, &due); err != nil || leased > 0 {
			return err
		}
		type reader struct {
			key
			address string
		}
		s, err := spanOf(ctx, t, batch)
		if err != nil {
			return err
		}
		list, err := selectAll(ctx, t, `SELECT d.slot, d.subscriber, coalesce(st.address, '') FROM `+t.w.dialect.deliveries(s.slot)+` d `+ofSettings+`
			WHERE `+t.w.dialect.within()+` AND d.state IN ('queued', 'deferred') ORDER BY d.slot, d.subscriber`, s.args(),
			func(r *sql.Rows) (d reader, err error) { return d, r.Scan(&d.slot, &d.subscriber, &d.address) })
		if err != nil {
			return err
		}
		day := max(digest.UTCDay(now), digest.UTCDay(fromUS(start)))
		before, err := assigned(ctx, t, day)
		if err != nil {
			return err
		}
		give := routes.Day(day, before)
		byRelay := make(map[string][]key)
		for _, r := range list {
			if relay, ok := give.Assign(r.subscriber, r.address); ok {
				byRelay[relay] = append(byRelay[relay], r.key)
				counts[relay]++
				continue
			}
			d, err := t.delivery(ctx, r.slot, r.subscriber)
			if err != nil {
				return err
			}
			d.State, d.Reason = mailer.Failed, digest.ReasonNoRelay
			if err := t.save(ctx, d, now); err != nil {
				return err
			}
		}
		for n, relay := range slices.Sorted(maps.Keys(byRelay)) {
			if n == 0 {
				_, err = t.exec(ctx, `UPDATE batches SET relay = ?2 WHERE id = ?1`, batch, relay)
			} else {
				_, err = t.split(ctx, batch, relay, byRelay[relay])
			}
			if err != nil {
				return err
			}
		}
		if due.Valid { // else its issue is being opened, and FinishIssue says when it is due
			if err := t.free(ctx, s); err != nil {
				return err
			}
		}
		return t.assign(ctx, day, counts)
	})
	return counts, err
}

// split moves deliveries of a batch to a new one like it, for that relay.
func (t *tx) split(ctx context.Context, batch int64, relay string, list []key) (id int64, err error) {
	if err := t.scan(ctx, `INSERT INTO batches (issue, edition, relay, first, last, size, priority, shuffle, start, due, urgent)
		SELECT issue, edition, ?2, ?3, ?4, ?5, priority, shuffle, start, due, urgent FROM batches WHERE id = ?1 RETURNING id`,
		args{batch, relay, list[0].subscriber, list[len(list)-1].subscriber, len(list)}, &id); err != nil {
		return 0, err
	}
	for _, k := range list {
		if _, err := t.exec(ctx, `UPDATE deliveries SET batch = ?3 WHERE slot = ?1 AND subscriber = ?2`, k.slot, k.subscriber, id); err != nil {
			return 0, err
		}
	}
	_, err = t.exec(ctx, `UPDATE batches SET size = max(size - ?2, 0) WHERE id = ?1`, batch, len(list)) // nothing is estimated twice
	return id, err
}

// looked is how many batches of an issue and relay, of those begun and of the others, are read to
// estimate what is in all of them.
const looked = 8

// Loads says about how much mail is still to go, by issue and relay, of one edition or of all with
// 0. It counts exactly what is in a few batches and estimates beyond.
func (db *DB) Loads(ctx context.Context, edition int64, domains *mailer.Domains) ([]digest.Load, error) {
	type batch struct {
		issue, id, size, fence, start int64
		relay                         string
	}
	list, err := selectAll(ctx, db.read(), `SELECT b.issue, b.relay, b.id, b.size, b.fence, b.start FROM batches b`+db.dialect.by("batches_due")+`
		WHERE b.done = 0 AND b.due IS NOT NULL AND (?1 = 0 OR b.edition = ?1) ORDER BY b.issue, b.relay, b.fence = 0, b.id`, args{edition},
		func(r *sql.Rows) (b batch, err error) {
			return b, r.Scan(&b.issue, &b.relay, &b.id, &b.size, &b.fence, &b.start)
		})
	var out []digest.Load
	var l *digest.Load
	for len(list) > 0 && err == nil {
		// A run of batches of one issue and relay that are alike.
		n := 1
		for n < len(list) && list[n].issue == list[0].issue && list[n].relay == list[0].relay && (list[n].fence == 0) == (list[0].fence == 0) {
			n++
		}
		if l == nil || l.Issue.ID != list[0].issue || l.Relay != list[0].relay {
			out = append(out, digest.Load{Relay: list[0].relay, Groups: make(map[*mailer.DomainLimit]int), Begins: fromUS(list[0].start)})
			l = &out[len(out)-1]
			if l.Issue, err = db.Issue(ctx, list[0].issue); err != nil {
				break
			}
		}
		var seen, read, all int64 // what is to go in the batches that are read, what was written into them, and into all
		groups := make(map[*mailer.DomainLimit]int64)
		take := min(n, looked)
		for k := range take {
			var found []string
			if found, err = db.waiting(ctx, list[k*n/take].id); err != nil {
				break
			}
			seen, read = seen+int64(len(found)), read+list[k*n/take].size
			for _, address := range found {
				if g := domains.Group(address); g != nil {
					groups[g]++
				}
			}
		}
		for _, b := range list[:n] {
			all += b.size
			if at := fromUS(b.start); at.Before(l.Begins) {
				l.Begins = at
			} else if at.After(l.Last) {
				l.Last = at
			}
		}
		l.Mails += int(seen * all / max(read, 1))
		for g, k := range groups {
			l.Groups[g] += int(k * all / max(read, 1))
		}
		list = list[n:]
	}
	if err != nil {
		return nil, fmt.Errorf("count what is to go: %w", err)
	}
	return slices.DeleteFunc(out, func(l digest.Load) bool { return l.Mails == 0 }), nil
}

// waiting lists the addresses of a batch's open deliveries.
func (db *DB) waiting(ctx context.Context, batch int64) ([]string, error) {
	s, err := spanOf(ctx, db.read(), batch)
	if err != nil {
		return nil, err
	}
	return selectAll(ctx, db.read(), `SELECT coalesce(st.address, '') FROM deliveries d `+ofSettings+`
		WHERE `+db.dialect.within()+` AND d.state IN ('queued', 'deferred', 'sending', 'handed')`, s.args(),
		func(r *sql.Rows) (address string, err error) { return address, r.Scan(&address) })
}
