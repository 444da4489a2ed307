package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// On PostgreSQL deliveries are dropped a part at a time: [partSlots] slots, once all of them ended before then. A part
// is not emptied row by row, it goes as a whole. What has to stay, the latest delivery of a reader in an edition,
// moves to the part for all other slots (deliveries_kept). A delivery so stays up to that many slots longer than it must.

// partWait is how long a drop waits for those who read deliveries. Whoever comes after it waits too, so it rather
// comes again.
const partWait = 500 * time.Millisecond

// dropPart drops the oldest part that is over. It returns the number of deliveries that are gone with it.
func (db *DB) dropPart(ctx context.Context, before int64) (dropped int, err error) {
	part, err := db.oldPart(ctx, before)
	if err != nil || part < 0 {
		return 0, err
	}
	// Who is kept is found beside all others: it is the long part. last_slot only rises, so nobody comes to it.
	kept, err := selectAll(ctx, db.read(), `SELECT d.slot, d.subscriber FROM slots s JOIN `+db.dialect.deliveries(part*partSlots+1)+` d ON d.slot = s.id
		JOIN followers f ON f.edition = s.edition AND f.subscriber = d.subscriber AND f.last_slot = s.id WHERE s.id BETWEEN ?1 AND ?2`,
		args{part * partSlots, part*partSlots + partSlots - 1}, func(r *sql.Rows) (k key, err error) { return k, r.Scan(&k.slot, &k.subscriber) })
	if err != nil {
		return 0, err
	}
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		dropped, err = t.dropPart(ctx, part, kept)
		return err
	})
	if e, is := errors.AsType[*pgconn.PgError](err); is && e.Code == "55P03" {
		return 0, nil // somebody reads: the next call does it
	}
	return dropped, err
}

// oldPart is the number of the oldest part whose slots all ended before then, and after whose slots there are
// others; -1 if there is none.
func (db *DB) oldPart(ctx context.Context, before int64) (part int64, err error) {
	parts, err := selectAll(ctx, db.read(), `SELECT substr(c.relname, 12)::bigint FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
		WHERE h.inhparent = 'deliveries'::regclass AND c.relname ~ '^deliveries_[0-9]+$' ORDER BY 1`, nil, number)
	if err != nil {
		return -1, err
	}
	for _, part := range parts {
		var over bool
		err := db.read().scan(ctx, `SELECT EXISTS (SELECT 1 FROM slots WHERE id > ?2) AND NOT EXISTS (SELECT 1 FROM slots s WHERE s.id BETWEEN ?1 AND ?2
			AND (s.ends >= ?3 OR EXISTS (SELECT 1 FROM issues i WHERE i.slot = s.id AND i.ends >= ?3)))`,
			args{part * partSlots, part*partSlots + partSlots - 1, before}, &over)
		if err != nil {
			return -1, err
		}
		if over {
			return part, nil
		}
	}
	return -1, nil
}

// dropPart does so in a transaction. What an issue's deliveries had come to its books know.
func (t *tx) dropPart(ctx context.Context, part int64, kept []key) (dropped int, err error) {
	first, last := part*partSlots, part*partSlots+partSlots-1
	name := t.w.dialect.deliveries(first + 1)
	for _, query := range []string{
		fmt.Sprintf(`SET LOCAL lock_timeout = %d`, partWait.Milliseconds()),
		`ALTER TABLE deliveries DETACH PARTITION ` + name,
	} {
		if _, err := t.simple(ctx, query); err != nil {
			return 0, err
		}
	}
	var slots, readers []int64
	for _, k := range kept {
		slots, readers = append(slots, k.slot), append(readers, k.subscriber)
	}
	if _, err := t.exec(ctx, `INSERT INTO deliveries_kept SELECT d.* FROM unnest(?1, ?2) AS k (slot, subscriber)
		JOIN `+name+` d ON d.slot = k.slot AND d.subscriber = k.subscriber`, slots, readers); err != nil {
		return 0, err
	}
	const issues = `(SELECT id FROM issues WHERE slot BETWEEN ?1 AND ?2)`
	var n sql.NullInt64
	if err := t.scan(ctx, `SELECT sum(n) FROM issue_states WHERE issue IN `+issues, args{first, last}, &n); err != nil {
		return 0, err
	}
	// All that was there, less what is kept.
	if _, err := t.exec(ctx, `DELETE FROM dropped_states WHERE issue IN `+issues, first, last); err != nil {
		return 0, err
	}
	if _, err := t.exec(ctx, `INSERT INTO dropped_states (issue, relay, state, n)
		SELECT b.issue, b.relay, b.state, b.n - coalesce(k.n, 0) FROM issue_states b
		LEFT JOIN (SELECT issue, relay, state, count(*) AS n FROM deliveries WHERE slot BETWEEN ?1 AND ?2 GROUP BY issue, relay, state) k
			ON k.issue = b.issue AND k.relay = b.relay AND k.state = b.state
		WHERE b.issue IN `+issues+` AND b.n <> coalesce(k.n, 0)`, first, last); err != nil {
		return 0, err
	}
	for _, table := range []string{"attempts", "marks", "notice_slots"} {
		if _, err := t.exec(ctx, `DELETE FROM `+table+` x WHERE x.slot BETWEEN ?1 AND ?2
			AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.slot = x.slot AND d.subscriber = x.subscriber)`, first, last); err != nil {
			return 0, err
		}
	}
	if _, err := t.exec(ctx, `UPDATE slots SET ends = `+noticeDropped+` WHERE id BETWEEN ?1 AND ?2 AND ends = 0`, first, last); err != nil {
		return 0, err
	}
	_, err = t.simple(ctx, `DROP TABLE `+name)
	return int(n.Int64) - len(kept), err
}

const (
	// digestsTogether is how many digests a transaction drops.
	digestsTogether = 2000
	// digestsMost is how many transactions of them there are at most in one call.
	digestsMost = 100
)

// dropDigests drops digests of parts that are gone which no delivery that is kept has, as many as one call may: the
// next one goes on.
func (db *DB) dropDigests(ctx context.Context) error {
	for range digestsMost {
		var issue int64
		err := db.read().scan(ctx, `SELECT coalesce((SELECT i.id FROM dropped_states w JOIN issues i ON i.id = w.issue
			WHERE EXISTS (SELECT 1 FROM digests g WHERE g.issue = i.id AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.slot = i.slot AND d.digest = g.id)) LIMIT 1), 0)`, nil, &issue)
		if err != nil || issue == 0 {
			return err
		}
		if _, err := db.dropRows(ctx, `DELETE FROM digests WHERE id IN (SELECT g.id FROM digests g JOIN issues i ON i.id = g.issue WHERE g.issue = ?1
			AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.slot = i.slot AND d.digest = g.id) LIMIT ?2)`, issue, digestsTogether); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(dropPause):
		}
	}
	return nil
}
