package store

import (
	"context"
	"math"
	"time"

	"broadsheet/subscribers"
)

// A mail is kept if a relay took it and it did not come back, as far as is known.

// kept reports whether an address ever kept a mail. It looks from the latest mail back, so for most
// readers it is done with the first; what is older than lookBack, if a relay took a mail then, it
// takes for kept.
func (t *tx) kept(ctx context.Context, r *marked, now time.Time) (bool, error) {
	if !r.accepted {
		return false, nil
	}
	editions, err := selectAll(ctx, t, `SELECT edition FROM followers WHERE subscriber = ?1`, args{r.id}, number)
	if err != nil {
		return false, err
	}
	since := max(r.created, us(now.Add(-lookBack)))
	for _, edition := range editions {
		is, err := t.keptOne(ctx, r, `slots s `+t.w.dialect.by("slots_edition")+`CROSS JOIN deliveries d ON d.slot = s.id AND d.subscriber = ?1 `+ofSettings+`
			WHERE s.edition = ?2 AND s.ends >= ?3 AND d.state IN ('accepted', 'delayed', 'delivered') ORDER BY s.ends DESC`, r.id, edition, since)
		if is || err != nil {
			return is, err
		}
	}
	is, err := t.keptOne(ctx, r, `notice_slots n CROSS JOIN deliveries d ON d.slot = n.slot AND d.subscriber = ?1 `+ofSettings+`
		WHERE n.subscriber = ?1 AND d.state IN ('accepted', 'delayed', 'delivered')`, r.id)
	return is || since > r.created, err
}

// keptOne reports whether one of the deliveries of a query went to the address.
func (t *tx) keptOne(ctx context.Context, r *marked, from string, values ...any) (bool, error) {
	rows, err := t.rows(ctx, `SELECT coalesce(st.address, '') FROM `+from, values...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	for rows.Next() {
		var address string
		if err := rows.Scan(&address); err != nil {
			return false, err
		}
		if subscribers.Fold(address) == r.folded {
			return true, nil
		}
	}
	return false, explain(rows.Err())
}

// keptAround finds when the last mail before sent and the first after it left that a reader kept,
// of those that left at first or later.
func (t *tx) keptAround(ctx context.Context, id, sent, first int64) (before, after int64, err error) {
	const columns = `SELECT coalesce(max(CASE WHEN d.handed < ?2 THEN d.handed END), 0) before,
		coalesce(min(CASE WHEN d.handed > ?2 THEN d.handed END), ?4) after FROM `
	const kept = ` AND d.subscriber = ?1 AND d.state IN ('accepted', 'delayed', 'delivered') AND d.handed >= ?3 `
	err = t.scan(ctx, `SELECT max(before), min(after) FROM (`+columns+`followers f CROSS JOIN slots s `+t.w.dialect.by("slots_edition")+`
			ON s.edition = f.edition AND s.ends >= ?3 CROSS JOIN deliveries d ON d.slot = s.id`+kept+`WHERE f.subscriber = ?1
		UNION ALL `+columns+`notice_slots n CROSS JOIN deliveries d ON d.slot = n.slot`+kept+`WHERE n.subscriber = ?1) found`,
		args{id, sent, first, int64(math.MaxInt64)}, &before, &after)
	return before, after, err
}
