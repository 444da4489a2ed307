package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"broadsheet/mailer"
)

// Marks of the common kind are written many rows to a statement: intents of new messages, hands,
// and messages accepted at the first try. What they may do is known from the lease ([held]); each
// statement names the states in which it may find its rows, and if it finds fewer than it should,
// the group is rolled back and every mark of it takes the slow way, one by one (send.go). That way
// also goes whatever is not common, and it is the rule: both must leave the same rows.

// errDiffers says that rows are not as they were held to be.
var errDiffers = errors.New("rows are not as expected")

// group is one transaction's marks.
type group struct {
	db   *DB
	t    *tx
	slow bool // nothing in bulk
	now  time.Time

	batches map[int64]*groupBatch
	seen    map[int64]seenMark // by subscriber
	round   int                // sets of an earlier round are written
	sets    map[setKey]*set
	order   []*set
	undo    []undone
	touched [][]*heldRow     // by call
	texts   map[string]int64 // reply texts that are on record once this is
	hands   []hand
	sync    time.Duration // of the journal
	rows    int           // marks written in bulk
	slots   []int64       // see near
	gap     time.Duration // that they are for; 0 = they were not looked for
}

// groupBatch is what a group knows of a batch.
type groupBatch struct {
	*held                  // nil: all of its marks go one by one
	late    bool           // the lease is over: nothing new is begun
	stays   bool           // its issue is on hold: nothing more leaves
	moved   bool           // readers have changed since the lease
	intends []int64        // subscribers
	waits   map[int64]bool // of intends: need a look of their own
}

type seenMark struct {
	slot  int64
	step  mailer.Step
	round int
}

type undone struct {
	row *heldRow
	old heldRow
}

// hand is a mark for the journal.
type hand struct {
	slot, subscriber int64
	at               time.Time
}

// setKey is what the rows of a set have in common.
type setKey struct {
	batch           int64
	step            mailer.Step
	keyID, selector string // Intend
	reason, relay   string // Settle
	code, copies    int
	enhanced, text  string
}

type set struct {
	setKey
	h     *held
	rows  []*heldRow
	ids   []string   // names that the relay has given the mails, where that is followed, in the order of rows
	first []*heldRow // whose addresses take their first mail
	ask   []*heldRow // who may be such
}

// prepare looks at the batches of all marks once.
func (g *group) prepare(ctx context.Context, calls []*call) error {
	var ids []int64
	for _, c := range calls {
		for n := range c.marks {
			if id := c.marks[n].Batch.ID; !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	looks, err := g.look(ctx, ids)
	if err != nil {
		return err
	}
	if err := g.lockReaders(ctx, calls); err != nil || g.slow {
		return err
	}
	for _, c := range calls {
		for n := range c.marks {
			m := &c.marks[n]
			b := g.batches[m.Batch.ID]
			if b == nil {
				if b, err = g.batch(ctx, m.Batch, looks); err != nil {
					return err
				}
				g.batches[m.Batch.ID] = b
			}
			if m.Step == mailer.Intend {
				b.intends = append(b.intends, m.Delivery.Subscriber)
			}
		}
	}
	for _, b := range g.batches {
		if b.held == nil || b.late || b.stays || len(b.intends) == 0 {
			continue
		}
		if err := g.check(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// batchLook is what is asked about a batch at the beginning of a group.
type batchLook struct{ id, fence, until, readers, hold int64 }

func scanLook(r *sql.Rows) (l batchLook, err error) {
	return l, r.Scan(&l.id, &l.fence, &l.until, &l.readers, &l.hold)
}

const lookColumns = `SELECT b.id, b.fence, b.lease_until, (SELECT value FROM counters WHERE name = 'readers'), ` + onHold + `b.issue)) FROM batches b WHERE `

// look locks batches in order and looks at them, all at once. SQLite has no need of it.
func (g *group) look(ctx context.Context, ids []int64) (map[int64]batchLook, error) {
	if g.db.dialect.name != postgresDialect.name {
		return nil, nil
	}
	list, err := selectAll(ctx, g.t, lookColumns+`b.id = ANY (?1) ORDER BY b.id FOR NO KEY UPDATE OF b`, args{ids}, scanLook)
	looks := make(map[int64]batchLook, len(list))
	for _, l := range list {
		looks[l.id] = l
	}
	return looks, err
}

// batch checks fence and lease.
func (g *group) batch(ctx context.Context, m *mailer.Batch, looks map[int64]batchLook) (*groupBatch, error) {
	h := g.db.ledger.held[m.ID]
	if h == nil {
		return &groupBatch{}, nil
	}
	l, seen := looks[m.ID]
	if !seen {
		list, err := selectAll(ctx, g.t, lookColumns+`b.id = ?1`, args{m.ID}, scanLook)
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			return nil, sql.ErrNoRows
		}
		l = list[0]
	}
	if l.fence != h.fence || l.until == 0 {
		return &groupBatch{}, nil
	}
	return &groupBatch{held: h, late: l.until < us(g.db.leaseClock()), stays: l.hold > 0, moved: l.readers != h.readers}, nil
}

// check finds those of a batch's intents that need a look of their own: the reader is away or
// barred by now, or has another mail that is near.
func (g *group) check(ctx context.Context, b *groupBatch) error {
	b.late = b.late || g.now.After(b.ends) || g.db.quietNow(&b.issueRow, g.now)
	b.waits = make(map[int64]bool)
	ids := idList(b.intends)
	if b.moved {
		active, err := selectAll(ctx, g.t, `SELECT f.subscriber FROM followers f WHERE f.edition = ?1 AND f.subscriber `+g.db.dialect.in(2)+` AND f.active = 1`, args{b.edition, ids}, number)
		if err != nil {
			return err
		}
		var addresses []string
		for _, id := range b.intends {
			b.waits[id] = true
			address := ""
			if r := b.find(b.slot, id); r != nil {
				address = r.d.Address
			}
			addresses = append(addresses, address)
		}
		if b.notice { // asks for no follower
			active = b.intends
		}
		for _, id := range active {
			delete(b.waits, id)
		}
		barred, err := g.db.barred(ctx, g.t, addresses)
		if err != nil {
			return err
		}
		for n, id := range b.intends {
			b.waits[id] = b.waits[id] || b.stops(barred[n])
		}
	}
	if g.db.onlyTo.Load() != nil { // may be newer than the lease
		for _, id := range b.intends {
			if r := b.find(b.slot, id); r == nil || !g.db.mayGet(r.d.Address) {
				b.waits[id] = true
			}
		}
	}
	if b.minGap == 0 {
		return nil
	}
	near, err := g.near(ctx, b.minGap)
	if err != nil {
		return err
	}
	for _, slot := range near {
		if slot == b.slot {
			continue
		}
		list, err := selectAll(ctx, g.t, `SELECT d.subscriber FROM `+g.db.dialect.deliveries(slot)+` d WHERE d.slot = ?1
			AND d.subscriber `+g.db.dialect.in(2)+` AND (d.state = 'sending' OR d.copies > 0 AND d.handed > ?3)`, args{slot, ids, us(g.now.Add(-b.minGap))}, number)
		if err != nil {
			return err
		}
		for _, id := range list {
			b.waits[id] = true
		}
	}
	return nil
}

// near lists slots of which mails may be nearer than gap. Mails of those that are long over cannot be; mostly
// there is none but the one that is being sent.
func (g *group) near(ctx context.Context, gap time.Duration) ([]int64, error) {
	if gap <= g.gap && g.gap > 0 {
		return g.slots, nil
	}
	var err error
	g.slots, err = selectAll(ctx, g.t, `SELECT id FROM slots WHERE ends >= ?1`, args{us(g.now.Add(-gap - silence))}, number)
	g.gap = gap
	return g.slots, err
}

// mark writes a mark, or puts it into a set that [group.flush] writes. It returns the row that
// the caller's delivery becomes.
func (g *group) mark(ctx context.Context, m *mailer.Mark, now time.Time) (*mailer.Delivery, error) {
	m.Err = nil
	var row *heldRow
	if h := g.db.ledger.held[m.Batch.ID]; h != nil && h.fence == m.Batch.Fence {
		if row = h.find(m.Delivery.Slot, m.Delivery.Subscriber); row != nil {
			last := len(g.touched) - 1
			g.touched[last] = append(g.touched[last], row)
		}
		b := g.batches[m.Batch.ID]
		before, again := g.seen[m.Delivery.Subscriber]
		another := again && before.slot != m.Delivery.Slot
		if row != nil && !another && now.Sub(g.now).Abs() < time.Second && g.common(b, row, m) {
			if again && before.round == g.round && before.step >= m.Step {
				if err := g.flush(ctx); err != nil {
					return nil, err
				}
			}
			g.seen[m.Delivery.Subscriber] = seenMark{m.Delivery.Slot, m.Step, g.round}
			g.put(b, row, m)
			return &row.d, nil
		}
	}
	// What was said before it is on record before it.
	if err := g.flush(ctx); err != nil {
		return nil, err
	}
	g.seen[m.Delivery.Subscriber] = seenMark{m.Delivery.Slot, m.Step, g.round - 1}
	d, err := g.one(ctx, m, now)
	if err != nil {
		return nil, err
	}
	if row != nil {
		g.undo = append(g.undo, undone{row, *row})
		if row.sure = d != nil; row.sure {
			row.d, row.relay = d.Delivery, d.relay
		}
	}
	if d == nil {
		return nil, nil
	}
	if m.Step == mailer.Hand {
		g.hands = append(g.hands, hand{d.Slot, d.Subscriber, now})
	}
	return &d.Delivery, nil
}

// one writes a mark by itself.
func (g *group) one(ctx context.Context, m *mailer.Mark, now time.Time) (d *delivery, err error) {
	switch m.Step {
	case mailer.Intend:
		d, m.Err, err = g.db.intend(ctx, g.t, m, now)
	case mailer.Hand:
		d, m.Err, err = g.t.hand(ctx, m, now)
	case mailer.Settle:
		d, m.Err, err = g.db.settle(ctx, g.t, m, now)
		g.slow = g.slow || m.Outcome.Hard || m.Outcome.Doubted // it may have barred any address, or freed it
	default:
		err = fmt.Errorf("mark of unknown step %d", m.Step)
	}
	return d, err
}

// common says whether a mark is of the kind that is written in bulk.
func (g *group) common(b *groupBatch, r *heldRow, m *mailer.Mark) bool {
	d := &r.d
	if g.slow || b == nil || b.held == nil || !r.sure {
		return false
	}
	switch m.Step {
	case mailer.Intend:
		return (d.State == mailer.Queued || d.State == mailer.Deferred) && d.Copies == 0 &&
			r.mayGo && !b.late && !b.stays && !b.waits[d.Subscriber]
	case mailer.Hand:
		return d.State == mailer.Sending && !b.stays
	case mailer.Settle:
		o := &m.Outcome
		return d.State == mailer.Handed && d.Attempts <= 1 && d.Copies <= 1 && o.State == mailer.Accepted && o.Charged
	}
	return false
}

// put adds a mark to its set.
func (g *group) put(b *groupBatch, r *heldRow, m *mailer.Mark) {
	g.undo = append(g.undo, undone{r, *r})
	g.rows++
	key := setKey{batch: m.Batch.ID, step: m.Step}
	d := &r.d
	d.At = g.now
	was := book{d.Issue, r.relay, string(d.State)}
	switch m.Step {
	case mailer.Intend:
		key.keyID, key.selector = m.KeyID, m.Selector
		d.State, d.Reason = mailer.Sending, ""
		d.Attempts++
		d.Date, d.KeyID, d.Selector = g.now.UTC().Truncate(time.Second), m.KeyID, m.Selector
		r.fresh = true
	case mailer.Hand:
		d.State = mailer.Handed
		d.Copies++
		g.hands = append(g.hands, hand{d.Slot, d.Subscriber, g.now})
	case mailer.Settle:
		o := &m.Outcome
		key.reason, key.relay, key.code, key.copies, key.enhanced = o.Reason, o.Relay, o.Reply.Code, o.Copies, o.Reply.Enhanced
		key.text = cutIDs(o.Reply.Text)
		d.State, d.Reason, d.Copies, d.Due = mailer.Accepted, o.Reason, o.Copies, time.Time{}
		r.relay = o.Relay
		g.t.tally(g.now, d, o.Relay, tallyTaken, 1)
	}
	g.t.answered(g.now, was, book{d.Issue, r.relay, string(d.State)}, 1)
	s := g.sets[key]
	if s == nil {
		s = &set{setKey: key, h: b.held}
		g.sets[key] = s
		g.order = append(g.order, s)
	}
	s.rows = append(s.rows, r)
	if m.Step == mailer.Settle && g.db.traces(m.Outcome.Relay) {
		s.ids = append(s.ids, mailer.QueueID(m.Outcome.Reply.Text))
	}
	switch {
	case m.Step != mailer.Settle:
	case b.moved:
		s.ask = append(s.ask, r)
	case r.first == firstAsk:
		s.ask = append(s.ask, r)
		r.first = firstNo
	case r.first == firstYes:
		s.first = append(s.first, r)
		r.first = firstNo
	}
}

// flush writes the sets: intents, hands, outcomes, each in the order of the primary key.
func (g *group) flush(ctx context.Context) error {
	if len(g.order) == 0 {
		return nil
	}
	slices.SortStableFunc(g.order, func(a, b *set) int {
		return cmp.Or(cmp.Compare(a.step, b.step), cmp.Compare(a.h.slot, b.h.slot), cmp.Compare(a.batch, b.batch))
	})
	for _, s := range g.order {
		if err := g.write(ctx, s); err != nil {
			return err
		}
	}
	for _, s := range g.order {
		for _, r := range s.rows {
			r.fresh = false
		}
	}
	g.order = g.order[:0]
	clear(g.sets)
	g.round++
	return nil
}

const (
	// The plus keeps SQLite from going through the index of batches. The part of the table is put in by tx.bulk.
	bulkIntend = `UPDATE deliveries SET state = 'sending', reason = '', attempts = attempts + 1, date = ?4, key_id = ?5, selector = ?6, at = ?3
		WHERE slot = ?1 AND +batch = ?2 AND state IN ('queued', 'deferred') AND copies = 0 AND subscriber IN `
	// Both in one, for deliveries of which nothing is left to say between the two.
	bulkIntendHand = `UPDATE deliveries SET state = 'handed', reason = '', attempts = attempts + 1, copies = 1, date = ?4, key_id = ?5, selector = ?6,
		handed = ?3, at = ?3 WHERE slot = ?1 AND +batch = ?2 AND state IN ('queued', 'deferred') AND copies = 0 AND subscriber IN `
	bulkHand = `UPDATE deliveries SET state = 'handed', copies = copies + 1, handed = ?3, at = ?3
		WHERE slot = ?1 AND +batch = ?2 AND state = 'sending' AND subscriber IN `
	bulkSettle = `UPDATE deliveries SET state = 'accepted', reason = ?4, copies = ?5, due = 0, relay = ?6, code = ?7, enhanced = ?8, reply = ?9, at = ?3
		WHERE slot = ?1 AND +batch = ?2 AND state = 'handed' AND attempts <= 1 AND copies <= 1 AND subscriber IN `
	bulkFirst = `UPDATE subscribers SET accepted = 1 WHERE id IN `
)

func (g *group) write(ctx context.Context, s *set) error {
	common := args{s.h.slot, s.batch, us(g.now)}
	var n int64
	var err error
	rows := s.rows
	switch s.step {
	case mailer.Intend:
		common = append(common, us(g.now.UTC().Truncate(time.Second)), s.keyID, s.selector)
		both, alone := parted(s.rows)
		if n, err = g.t.bulk(ctx, s.h, bulkIntendHand, common, both); err == nil {
			var more int64
			more, err = g.t.bulk(ctx, s.h, bulkIntend, common, alone)
			n += more
		}
	case mailer.Hand:
		_, rows = parted(s.rows)
		n, err = g.t.bulk(ctx, s.h, bulkHand, common, rows)
	case mailer.Settle:
		var reply any
		if reply, err = g.reply(ctx, s.text); err != nil {
			return err
		}
		if len(s.ids) > 0 { // before the rows are put in the order of the table
			if err := g.t.keepQueueIDs(ctx, s, g.now); err != nil {
				return err
			}
		}
		n, err = g.t.bulk(ctx, s.h, bulkSettle, append(common, s.reason, s.copies, s.relay, s.code, s.enhanced, reply), s.rows)
		if err == nil && len(s.first) > 0 {
			_, err = g.t.bulk(ctx, s.h, bulkFirst, nil, s.first)
		}
		if err == nil && len(s.ask) > 0 {
			err = g.ask(ctx, s)
		}
	}
	if err == nil && n != int64(len(rows)) {
		err = errDiffers
	}
	return err
}

// parted finds the rows that are intended and handed by the same flush, and no more than that.
func parted(rows []*heldRow) (both, others []*heldRow) {
	for _, r := range rows {
		if r.fresh && r.d.State == mailer.Handed {
			both = append(both, r)
		} else {
			others = append(others, r)
		}
	}
	return both, others
}

// ask finds those of a set's readers whose addresses take their first mail; they are few.
func (g *group) ask(ctx context.Context, s *set) error {
	ids := make([]int64, len(s.ask))
	for n, r := range s.ask {
		ids[n] = r.d.Subscriber
	}
	news, err := selectAll(ctx, g.t, `SELECT s.id FROM subscribers s WHERE s.id `+g.db.dialect.in(1)+` AND s.accepted = 0`, args{idList(ids)}, number)
	for k := 0; k < len(news) && err == nil; k++ {
		err = g.t.tookMail(ctx, &s.h.find(s.h.slot, news[k]).d)
	}
	return err
}

// reply is the id of a text.
func (g *group) reply(ctx context.Context, text string) (any, error) {
	if text == "" {
		return nil, nil
	}
	if id, ok := g.db.ledger.texts[text]; ok {
		return id, nil
	}
	id, err := g.t.replyText(ctx, text)
	if err != nil || !id.Valid {
		return nil, err
	}
	g.texts[text] = id.Int64
	return id.Int64, nil
}

// bulkSizes are how many rows the statements of a kind take; a list is filled up with its last.
var bulkSizes = [...]int{1, 4, 16, 50}

var bulkLists [len(bulkSizes)]map[string]string // kind → statement, by size

// Those of PostgreSQL take any number of rows: a list, or a run of neighbours.
var bulkArrays, bulkRanges = make(map[string]string), make(map[string]string)

func init() {
	for n, size := range bulkSizes {
		bulkLists[n] = make(map[string]string)
		for _, kind := range []string{bulkIntend, bulkIntendHand, bulkHand, bulkSettle, bulkFirst} {
			// Without numbers they follow the others; with them the driver is slow to find each.
			bulkLists[n][kind] = kind + "(?" + strings.Repeat(", ?", size-1) + ")"
			bulkArrays[kind] = strings.TrimSuffix(kind, "IN ") + "= ANY (?)"
			bulkRanges[kind] = strings.TrimSuffix(kind, "IN ") + "BETWEEN ? AND ?"
		}
	}
}

// bulk runs a statement of a kind for rows, in their order in the table, and returns how many
// it changed.
func (t *tx) bulk(ctx context.Context, h *held, kind string, common args, rows []*heldRow) (changed int64, err error) {
	slices.SortFunc(rows, func(a, b *heldRow) int { return cmp.Compare(a.d.Subscriber, b.d.Subscriber) })
	if t.w.dialect.name == postgresDialect.name {
		return int64(len(rows)), t.inRuns(ctx, h, kind, common, rows)
	}
	values := make(args, 0, len(common)+bulkSizes[len(bulkSizes)-1])
	for len(rows) > 0 {
		size := 0
		for size < len(bulkSizes)-1 && bulkSizes[size] < len(rows) {
			size++
		}
		values = append(values[:0], common...)
		for k := range bulkSizes[size] {
			values = append(values, rows[min(k, len(rows)-1)].id)
		}
		n, err := t.exec(ctx, bulkLists[size][kind], values...)
		if err != nil {
			return changed, err
		}
		changed += n
		rows = rows[min(bulkSizes[size], len(rows)):]
	}
	return changed, nil
}

const (
	// leastRun is how many neighbours are worth a statement of their own.
	leastRun = 4
	// widestGap is how far neighbours may be apart: what lies between, of other relays, is walked past.
	widestGap = 8
)

// inRuns is bulk for PostgreSQL, whose answer nobody waits for. Rows that are neighbours are found by one walk along
// the index, which takes a third of the time that a look-up of each would. Several runs in one statement would be
// fewer statements, but whether that goes by the index is then for the planner to choose.
func (t *tx) inRuns(ctx context.Context, h *held, kind string, common args, rows []*heldRow) error {
	run := func(queries map[string]string, n int, values ...any) error {
		query, must := queries[kind], int64(n)
		if kind == bulkFirst {
			must = anyRows // who is gone is gone
		} else {
			query = strings.Replace(query, "deliveries", t.w.dialect.deliveries(h.slot), 1)
		}
		return t.later(ctx, query, must, append(slices.Clip(common), values...)...)
	}
	var others []int64
	for from := 0; from < len(rows); {
		to := from + 1
		for to < len(rows) && h.neighbours(rows[to-1], rows[to], kind == bulkFirst) {
			to++
		}
		if to-from < leastRun {
			for _, r := range rows[from:to] {
				others = append(others, r.d.Subscriber)
			}
		} else if err := run(bulkRanges, to-from, rows[from].d.Subscriber, rows[to-1].d.Subscriber); err != nil {
			return err
		}
		from = to
	}
	if len(others) == 0 {
		return nil
	}
	return run(bulkArrays, len(others), others)
}

// neighbours says whether nothing of the batch that could change lies between two rows; of readers that there is none
// between them.
func (h *held) neighbours(a, b *heldRow, readers bool) bool {
	if readers {
		return a.d.Subscriber+1 == b.d.Subscriber
	}
	if !h.whole {
		return false
	}
	if b.d.Subscriber-a.d.Subscriber > widestGap {
		return false
	}
	n := h.place(b.d.Subscriber)
	return n > 0 && &h.rows[n-1] == a
}
