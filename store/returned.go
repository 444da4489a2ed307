package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Returned is a bounce or complaint, by whatever way it is known.
type Returned struct {
	EventRow
	Slot       int64 // with Subscriber the delivery; 0 = not known which
	Subscriber int64
	Address    string // of the reader now; "" if there is none any more
}

// Delivery is the number of the delivery, 0 if it is not known.
func (r *Returned) Delivery() int64 {
	if r.Slot == 0 {
		return 0
	}
	return DeliveryID(r.Slot, r.Subscriber)
}

// Returned lists what came back since then, the latest first, so many at most.
func (db *DB) Returned(ctx context.Context, since time.Time, limit int) ([]Returned, error) {
	list, err := selectAll(ctx, db.read(), `SELECT e.slot, e.subscriber, coalesce(st.address, ''), e.class, e.at, e.sure, e.reason, e.status, e.code,
			coalesce(rt.body, ''), e.host, e.source, e.relay, e.inbound
		FROM events e`+db.dialect.by("events_returned")+` LEFT JOIN reply_texts rt ON rt.id = e.reply
		LEFT JOIN subscribers s ON s.id = e.subscriber LEFT JOIN settings st ON st.id = s.settings
		WHERE e.class IN ('hard', 'soft', 'policy', 'content', 'complaint') AND e.at >= ?1 ORDER BY e.at DESC LIMIT ?2`, args{us(since), limit},
		func(rows *sql.Rows) (r Returned, err error) {
			var at int64
			err = rows.Scan(&r.Slot, &r.Subscriber, &r.Address, &r.Class, &at, &r.Sure, &r.Reason, &r.Status, &r.Code, &r.Text, &r.Host, &r.Source, &r.Relay, &r.Inbound)
			r.At = fromUS(at)
			return r, err
		})
	if err != nil {
		return nil, fmt.Errorf("list what came back: %w", err)
	}
	return list, nil
}
