package store

import (
	"bytes"
	"context"
	"fmt"

	"broadsheet/digest"
)

// A chunk's digests and deliveries go to PostgreSQL in a statement each, as lists: a round trip costs more than a row.

// storeAll puts the digests of deliveries on record that are not there. SQLite stores them one by one.
func (w *chunkWriter) storeAll(ctx context.Context, planned []digest.Planned) error {
	if w.t.w.dialect.name != postgresDialect.name {
		return nil
	}
	fresh := make(map[string]*digest.Digest)
	var keys, languages, zones, subjects []string
	var textOnly, sizes []int64
	var bodies [][]byte
	for n := range planned {
		d := planned[n].Digest
		if d == nil || d.ID != 0 || fresh[d.Key] == d {
			continue
		}
		if fresh[d.Key] != nil { // two of one key: the second finds the first on record
			continue
		}
		fresh[d.Key] = d
		w.ids = w.ids[:0]
		for n := range d.Pieces {
			id, err := w.fragment(ctx, d.Pieces[n].Fragment)
			if err != nil {
				return fmt.Errorf("store fragment: %w", err)
			}
			w.ids = append(w.ids, id)
		}
		text := int64(0)
		if d.TextOnly {
			text = 1
		}
		keys, languages, zones, subjects = append(keys, d.Key), append(languages, d.Language), append(zones, d.Zone), append(subjects, d.Subject)
		textOnly, sizes = append(textOnly, text), append(sizes, int64(d.HTMLSize))
		bodies = append(bodies, bytes.Clone(w.packer.Pack(d, w.ids)))
	}
	if len(keys) == 0 {
		return nil
	}
	rows, err := w.t.rows(ctx, `INSERT INTO digests (issue, digest_key, language, zone, text_only, subject, html_size, body)
		SELECT ?1, * FROM unnest(?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (issue, digest_key) DO NOTHING RETURNING id, digest_key`,
		w.c.issue.ID, keys, languages, zones, textOnly, subjects, sizes, bodies)
	if err != nil {
		return err
	}
	defer rows.Close()
	if w.stored == nil {
		w.stored = make(map[*digest.Digest]bool)
	}
	var id int64
	var key string
	for rows.Next() {
		if err := rows.Scan(&id, &key); err != nil {
			return err
		}
		d := fresh[key]
		d.ID = id
		w.stored[d] = true
		w.fresh = append(w.fresh, d)
	}
	return rows.Err() // those that were written before a crash are found one by one
}

// deliverAll writes the deliveries.
func (w *chunkWriter) deliverAll(ctx context.Context) error {
	if len(w.rows) == 0 {
		return nil
	}
	var subscribers, settings, starts, ends []int64
	var digests, batches []*int64
	var states, reasons []string
	null := func(v any) *int64 {
		if id, ok := v.(int64); ok {
			return &id
		}
		return nil
	}
	for _, row := range w.rows {
		subscribers, settings = append(subscribers, row[0].(int64)), append(settings, row[1].(int64))
		digests, batches = append(digests, null(row[2])), append(batches, null(row[3]))
		states, reasons = append(states, row[4].(string)), append(reasons, row[5].(string))
		starts, ends = append(starts, row[6].(int64)), append(ends, row[7].(int64))
	}
	must := int64(len(w.rows))
	w.rows = nil
	return w.t.later(ctx, `INSERT INTO `+w.t.w.dialect.deliveries(w.c.issue.SlotID)+` (slot, issue, at, subscriber, settings, digest, batch, state, reason, window_start, window_end)
		SELECT ?1, ?2, ?3, * FROM unnest(?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)`, must,
		w.c.issue.SlotID, w.c.issue.ID, us(w.now), subscribers, settings, digests, batches, states, reasons, starts, ends)
}

// alone has the chunks of all processes run one after the other, and holds the batches of readers' open deliveries
// of earlier issues: their senders say nothing of them until the chunk is on record. With that a chunk may run beside
// senders.
func (t *tx) alone(ctx context.Context, edition int64, readers neighbours) error {
	if t.w.dialect.name != postgresDialect.name {
		return nil
	}
	if _, err := selectAll(ctx, t, `SELECT value FROM counters WHERE name = 'planner' FOR NO KEY UPDATE`, nil, number); err != nil {
		return fmt.Errorf("wait for other openings: %w", err)
	}
	if len(readers) == 0 {
		return nil
	}
	in, values := readers.where(t.w.dialect, "subscriber", 2) // batches of those between them do no harm
	slots, err := selectAll(ctx, t, `SELECT DISTINCT last_slot FROM followers WHERE edition = ?1 AND `+in+` AND last_slot > 0`, append(args{edition}, values...), number)
	var batches []int64
	for n := 0; n < len(slots) && err == nil; n++ {
		var some []int64
		some, err = selectAll(ctx, t, `SELECT DISTINCT batch::bigint FROM deliveries d WHERE d.slot = ?1 AND `+in+`
			AND d.state IN ('queued', 'sending', 'handed', 'deferred') AND d.batch IS NOT NULL`, append(args{slots[n]}, values...), number)
		batches = append(batches, some...)
	}
	if err == nil && len(batches) > 0 {
		err = t.lockBatches(ctx, batches)
	}
	if err != nil {
		return fmt.Errorf("hold batches of earlier issues: %w", err)
	}
	return nil
}
