package store

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
)

// maxBatch is how many deliveries a batch has at most.
const maxBatch = 500

// chunkWriter writes what was planned for a chunk.
type chunkWriter struct {
	t       *tx
	c       *chunk
	now     time.Time
	batches map[string]*openBatch // by relay
	queued  map[string]int        // deliveries, by relay
	digests int                   // new ones
	figures figures

	rows   []args                  // of deliveries that are not written yet
	stored map[*digest.Digest]bool // new ones that nothing has counted so far
	fresh  []*digest.Digest        // that were given an ID, to be taken back if it does not stay
	used   map[*digest.Fragment]int64
	ids    []int64 // for one digest
	packer digest.Packer
}

type openBatch struct{ id, first, last, size, priority int64 }

func (w *chunkWriter) write(ctx context.Context, planned []digest.Planned) error {
	readers := make(map[int64]*digest.Reader, len(w.c.readers))
	for n := range w.c.readers {
		readers[w.c.readers[n].Subscriber] = &w.c.readers[n]
	}
	var ids []int64
	planned = slices.SortedFunc(slices.Values(planned), func(a, b digest.Planned) int { return cmp.Compare(a.Subscriber, b.Subscriber) })
	if err := w.storeAll(ctx, planned); err != nil {
		return fmt.Errorf("store digests: %w", err)
	}
	for _, p := range planned {
		r := readers[p.Subscriber]
		if r == nil {
			return fmt.Errorf("subscriber %d was planned twice or is not in the chunk", p.Subscriber)
		}
		delete(readers, p.Subscriber)
		if err := w.one(ctx, r, &p); err != nil {
			return fmt.Errorf("subscriber %d: %w", p.Subscriber, err)
		}
		ids = append(ids, p.Subscriber)
	}
	if err := w.deliver(ctx); err != nil {
		return fmt.Errorf("write deliveries: %w", err)
	}
	// The new windows have taken in what was carried over.
	if err := w.t.later(ctx, `UPDATE followers SET last_slot = ?2, carry = NULL, returned = 0
		WHERE edition = ?1 AND subscriber `+w.t.w.dialect.in(3), anyRows, w.c.issue.EditionID, w.c.issue.SlotID, idList(ids)); err != nil {
		return fmt.Errorf("note last slot: %w", err)
	}
	if len(ids) > 0 {
		if err := w.leftBefore(ctx, ids[0], ids[len(ids)-1]); err != nil {
			return fmt.Errorf("look for mails that have left: %w", err)
		}
	}
	for _, b := range w.batches {
		if err := w.finish(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func (w *chunkWriter) one(ctx context.Context, r *digest.Reader, p *digest.Planned) error {
	var digestID, batch any
	isNew := false
	if p.Digest != nil {
		if w.stored[p.Digest] { // by the statement that stored many
			isNew = true
			delete(w.stored, p.Digest)
			w.digests++
		} else if p.Digest.ID == 0 {
			var err error
			if isNew, err = w.store(ctx, p.Digest); err != nil {
				return fmt.Errorf("store digest: %w", err)
			}
			if isNew {
				w.digests++
			}
		}
		digestID = p.Digest.ID
	}
	w.figures.count(p, isNew)
	if p.State == string(mailer.Queued) {
		b, err := w.batch(ctx, p)
		if err != nil {
			return fmt.Errorf("make batch: %w", err)
		}
		batch = b.id
		w.queued[p.Relay]++
	}
	if err := w.supersede(ctx, r); err != nil {
		return fmt.Errorf("supersede: %w", err)
	}
	w.t.moved(w.now, w.c.issue.ID, "", "", mailer.State(p.State), 1)
	w.rows = append(w.rows, args{p.Subscriber, p.SettingsID, digestID, batch, p.State, p.Reason, p.WindowStart, p.WindowEnd})
	return nil
}

// together is how many deliveries one statement writes.
const together = 50

var (
	insertOne  = insertDeliveries(1)
	insertMany = insertDeliveries(together)
)

func insertDeliveries(n int) string {
	var b strings.Builder
	b.WriteString(`INSERT INTO deliveries (slot, issue, at, subscriber, settings, digest, batch, state, reason, window_start, window_end) VALUES`)
	for k := range n {
		if k > 0 {
			b.WriteByte(',')
		}
		b.WriteString(" (?1, ?2, ?3")
		for v := range 8 {
			fmt.Fprintf(&b, ", ?%d", 4+8*k+v)
		}
		b.WriteByte(')')
	}
	return b.String()
}

// deliver writes the deliveries.
func (w *chunkWriter) deliver(ctx context.Context) error {
	if w.t.w.dialect.name == postgresDialect.name {
		return w.deliverAll(ctx)
	}
	for len(w.rows) > 0 {
		n, query := 1, insertOne
		if len(w.rows) >= together {
			n, query = together, insertMany
		}
		values := args{w.c.issue.SlotID, w.c.issue.ID, us(w.now)}
		for _, row := range w.rows[:n] {
			values = append(values, row...)
		}
		if _, err := w.t.exec(ctx, query, values...); err != nil {
			return err
		}
		w.rows = w.rows[n:]
	}
	return nil
}

// supersede ends the reader's open delivery of an earlier slot. Its late `handed` then finds
// no row. One that is handed already waits for its answer.
func (w *chunkWriter) supersede(ctx context.Context, r *digest.Reader) error {
	p := r.Previous
	if p == nil || !open(mailer.State(p.State)) || p.State == string(mailer.Handed) {
		return nil
	}
	to := mailer.Superseded
	if p.Copies > 0 {
		to = mailer.Uncertain
	}
	var issue int64
	var relay string
	err := w.t.scan(ctx, `UPDATE deliveries SET state = ?4, reason = 'superseded by a later issue', due = 0, at = ?3
		WHERE slot = ?1 AND subscriber = ?2 RETURNING issue, relay`, args{p.Slot, r.Subscriber, us(w.now), string(to)}, &issue, &relay)
	if err == nil {
		w.t.moved(w.now, issue, relay, mailer.State(p.State), to, 1)
	}
	return err
}

// batch returns the batch that takes one more delivery.
func (w *chunkWriter) batch(ctx context.Context, p *digest.Planned) (*openBatch, error) {
	b := w.batches[p.Relay]
	if b != nil && b.size == maxBatch {
		if err := w.finish(ctx, b); err != nil {
			return nil, err
		}
		b = nil
	}
	if b == nil {
		b = &openBatch{first: p.Subscriber}
		if err := w.t.scan(ctx, `INSERT INTO batches (issue, edition, relay, first, last, size, priority, shuffle, start)
			VALUES (?1, ?2, ?3, ?4, ?4, 0, 0, 0, 0) RETURNING id`,
			args{w.c.issue.ID, w.c.issue.EditionID, p.Relay, p.Subscriber}, &b.id); err != nil {
			return nil, err
		}
		w.batches[p.Relay] = b
	}
	b.size++
	b.last = p.Subscriber
	if p.Unreached {
		b.priority++
	}
	return b, nil
}

func (w *chunkWriter) finish(ctx context.Context, b *openBatch) error {
	h := fnv.New32a()
	fmt.Fprintf(h, "%d/%d", w.c.issue.ID, b.id)
	return w.t.later(ctx, `UPDATE batches SET last = ?2, size = ?3, priority = ?4, shuffle = ?5 WHERE id = ?1`, 1,
		b.id, b.last, b.size, b.priority, int64(h.Sum32()))
}
