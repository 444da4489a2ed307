package store

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"math"
	"time"

	"broadsheet/mailer"
)

// DeliveryRow is a delivery for people to look at.
type DeliveryRow struct {
	mailer.Delivery
	Edition string
	SlotKey string
	Relay   string       // that gave the last reply
	Reply   mailer.Reply // the last, or of a server behind the relay; Text without ids
	Taken   time.Time    // when the relay took it; zero if it did not, or nobody knows
}

// ID is the delivery's number: its slot and its subscriber in one.
func (d *DeliveryRow) ID() int64 { return DeliveryID(d.Slot, d.Subscriber) }

// DeliveryID makes one number of a slot and a subscriber.
func DeliveryID(slot, subscriber int64) int64 { return slot<<32 | subscriber }

// DeliveryFilter says which deliveries to list. Zero fields do not filter.
type DeliveryFilter struct {
	Issue      int64
	Subscriber int64
	State      mailer.State
}

const deliveryColumns = `SELECT d.issue, d.slot, d.subscriber, coalesce(d.digest, 0), coalesce(st.address, ''), d.state, d.reason, d.attempts, d.copies,
	d.date, d.key_id, d.selector, d.due, i.ends, d.at, e.name, s.slot_key, coalesce(nullif(d.relay, ''), b.relay, ''), d.code, d.enhanced, coalesce(rt.body, ''),
	` + takenAt + ` FROM `

// takenAt is when the relay took a delivery d, 0 if it did not, or nobody knows.
const takenAt = `CASE WHEN d.taken > 0 THEN d.taken WHEN d.state = 'accepted' THEN d.at ELSE 0 END`

// ofSettings joins the settings that a delivery used; there are none once its reader is erased.
const ofSettings = `LEFT JOIN settings st ON st.id = d.settings AND st.subscriber = d.subscriber`

const deliveryJoins = ` JOIN editions e ON e.id = s.edition JOIN issues i ON i.id = d.issue
	` + ofSettings + ` LEFT JOIN batches b ON b.id = d.batch LEFT JOIN reply_texts rt ON rt.id = d.reply `

func scanDelivery(r *sql.Rows) (d DeliveryRow, err error) {
	var date, due, ends, at, taken int64
	err = r.Scan(&d.Issue, &d.Slot, &d.Subscriber, &d.Digest, &d.Address, &d.State, &d.Reason, &d.Attempts, &d.Copies,
		&date, &d.KeyID, &d.Selector, &due, &ends, &at, &d.Edition, &d.SlotKey, &d.Relay, &d.Reply.Code, &d.Reply.Enhanced, &d.Reply.Text, &taken)
	d.Date, d.Due, d.Ends, d.At, d.Taken = fromUS(date), fromUS(due), fromUS(ends), fromUS(at), fromUS(taken)
	return d, err
}

// Deliveries lists deliveries by slot and subscriber. Memory stays flat.
func (db *DB) Deliveries(ctx context.Context, f DeliveryFilter) iter.Seq2[DeliveryRow, error] {
	if f.Subscriber != 0 {
		// A look into each slot; there are few of them, but for runs of notices.
		return pages(func(after DeliveryRow) ([]DeliveryRow, error) {
			return selectAll(ctx, db.read(), deliveryColumns+`deliveries d CROSS JOIN slots s ON s.id = d.slot`+deliveryJoins+`
				WHERE d.slot `+db.dialect.among(slotsOf)+` AND d.subscriber = ?1 AND d.slot > ?2 AND (?3 = 0 OR d.issue = ?3) AND (?4 = '' OR d.state = ?4)
				ORDER BY d.slot LIMIT ?5`,
				args{f.Subscriber, after.Slot, f.Issue, string(f.State), pageSize}, scanDelivery)
		}, "list deliveries")
	}
	first, last := int64(0), int64(math.MaxInt64) // slots
	if f.Issue != 0 {
		if err := db.read().scan(ctx, `SELECT slot FROM issues WHERE id = ?1`, args{f.Issue}, &first); err != nil {
			return func(yield func(DeliveryRow, error) bool) {
				yield(DeliveryRow{}, fmt.Errorf("list deliveries: %w", notFound(err, "issue %d", f.Issue)))
			}
		}
		last = first
	}
	return pages(func(after DeliveryRow) ([]DeliveryRow, error) {
		return selectAll(ctx, db.read(), deliveryColumns+`deliveries d JOIN slots s ON s.id = d.slot`+deliveryJoins+`
			WHERE (d.slot, d.subscriber) > (?1, ?2) AND d.slot <= ?3 AND (?4 = 0 OR d.issue = ?4) AND (?5 = '' OR d.state = ?5)
			ORDER BY d.slot, d.subscriber LIMIT ?6`,
			args{max(first, after.Slot), after.Subscriber, last, f.Issue, string(f.State), pageSize}, scanDelivery)
	}, "list deliveries")
}

// Delivery loads one delivery by its ID; [ErrNotFound] if there is none.
func (db *DB) Delivery(ctx context.Context, id int64) (DeliveryRow, error) {
	list, err := selectAll(ctx, db.read(), deliveryColumns+`deliveries d JOIN slots s ON s.id = d.slot`+deliveryJoins+`
		WHERE d.slot = ?1 AND d.subscriber = ?2`, args{id >> 32, id & math.MaxUint32}, scanDelivery)
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return DeliveryRow{}, fmt.Errorf("load delivery %d: %w", id, err)
	}
	return list[0], nil
}

// Attempt is a try that was not accepted at once.
type Attempt struct {
	At     time.Time
	State  mailer.State // of the delivery after it
	Reason string
	Relay  string
	Reply  mailer.Reply
}

// Attempts lists the tries of a delivery, the first one first. A delivery that the relay took
// at the first try has none.
func (db *DB) Attempts(ctx context.Context, id int64) ([]Attempt, error) {
	list, err := selectAll(ctx, db.read(), `SELECT a.at, a.state, a.reason, a.relay, a.code, a.enhanced, coalesce(rt.body, '')
		FROM attempts a LEFT JOIN reply_texts rt ON rt.id = a.reply WHERE a.slot = ?1 AND a.subscriber = ?2 ORDER BY a.n`,
		args{id >> 32, id & math.MaxUint32}, func(r *sql.Rows) (a Attempt, err error) {
			var at int64
			err = r.Scan(&at, &a.State, &a.Reason, &a.Relay, &a.Reply.Code, &a.Reply.Enhanced, &a.Reply.Text)
			a.At = fromUS(at)
			return a, err
		})
	if err != nil {
		return nil, fmt.Errorf("list attempts of delivery %d: %w", id, err)
	}
	return list, nil
}
