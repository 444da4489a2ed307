package store

import (
	"context"
	"fmt"
)

// Where the deliveries of a batch are. SQLite has an index of them by batch. PostgreSQL does without: a row's
// three versions would each take a place in it, and a batch is a stretch of its slot's readers, which the primary
// key finds.

// span is where a batch's deliveries are.
type span struct{ batch, slot, first, last int64 }

// span says where a batch's deliveries are; [sql.ErrNoRows] if there is no such batch.
func spanOf(ctx context.Context, q querier, batch int64) (s span, err error) {
	s.batch = batch
	err = q.scan(ctx, `SELECT i.slot, b.first, b.last FROM batches b JOIN issues i ON i.id = b.issue WHERE b.id = ?1`, args{batch}, &s.slot, &s.first, &s.last)
	return s, err
}

// args are the first four of a query with the condition [dialect.within].
func (s span) args(more ...any) args { return append(args{s.batch, s.slot, s.first, s.last}, more...) }

// within is the condition that a delivery d belongs to a span, whose values are ?1 to ?4.
func (d dialect) within() string {
	if d.name == postgresDialect.name {
		return "d.slot = ?2 AND d.subscriber BETWEEN ?3 AND ?4 AND d.batch = ?1"
	}
	return "d.batch = ?1 AND ?2 + ?3 + ?4 IS NOT NULL"
}

// partSlots is how many slots share a part of the deliveries; see deliveries_part in the schema.
const partSlots = 32

// hasPart is a condition, with AND before it, that retention has not dropped the part of a slot.
func (d dialect) hasPart(slot string) string {
	if d.name == postgresDialect.name {
		return fmt.Sprintf(" AND to_regclass('deliveries_' || %s / %d) IS NOT NULL", slot, partSlots)
	}
	return ""
}

// deliveries is the table of a slot's deliveries. A statement that names the part is spared the search for it.
func (d dialect) deliveries(slot int64) string {
	if d.name == postgresDialect.name && slot > 0 {
		return fmt.Sprintf("deliveries_%d", slot/partSlots)
	}
	return "deliveries"
}
