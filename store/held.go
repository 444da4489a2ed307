package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"broadsheet/mailer"
)

// held is a batch that this process has leased, with its due rows as they stand on record. It
// spares most marks the reading of a row: what others may have changed since is in the
// conditions of what is written (bulk.go) or shows in the counter `readers`. It is looked at
// and changed in the writer's turn only.
type held struct {
	issueRow
	fence int64
	until time.Time // end of the lease
	rows  []heldRow // by subscriber
	whole bool      // they are all that are open
}

// issueRow is what an issue says about all of its deliveries.
type issueRow struct {
	slot, edition int64
	ends          time.Time
	minGap        time.Duration
	zone, quiet   string
	notice        bool  // a run of notices
	readers       int64 // the counter
}

// heldRow is a delivery of a held batch.
type heldRow struct {
	d        mailer.Delivery // as on record
	id       any             // d.Subscriber, ready for a statement
	relay    string          // that answered last
	sure     bool            // false: look at the row
	mayGo    bool            // the reader gets the edition and the address is not barred
	fresh    bool            // intended by marks that are not written yet
	settings int64           // with which the mail was written
	first    int             // whether an accepted mail may be the first that the reader's address takes
	caller   int64           // that has it in hand, see callers; 0 = none
}

// What is known of whether an accepted mail is the first that an address takes.
const (
	firstNo  = 0
	firstYes = 1
	firstAsk = 2
)

// find returns the row of a delivery; nil if it is not in hand.
func (h *held) find(slot, subscriber int64) *heldRow {
	if slot != h.slot {
		return nil
	}
	n := h.place(subscriber)
	if n == len(h.rows) || h.rows[n].d.Subscriber != subscriber {
		return nil
	}
	return &h.rows[n]
}

// place is where the row of a subscriber is in rows, or would be.
func (h *held) place(subscriber int64) int {
	return sort.Search(len(h.rows), func(n int) bool { return h.rows[n].d.Subscriber >= subscriber })
}

func (t *tx) issueRow(ctx context.Context, id int64) (i issueRow, err error) {
	var ends, gap int64
	err = t.scan(ctx, `SELECT i.slot, i.edition, i.ends, i.min_gap, i.zone, i.quiet, `+isNotice+`,
			(SELECT value FROM counters WHERE name = 'readers')
		FROM issues i WHERE i.id = ?1`, args{id},
		&i.slot, &i.edition, &ends, &gap, &i.zone, &i.quiet, &i.notice, &i.readers)
	i.ends, i.minGap = fromUS(ends), time.Duration(gap)*time.Microsecond
	return i, err
}

const (
	untried   = `d.state = 'queued' AND d.reason = '' AND d.attempts = 0 AND d.copies = 0 AND d.date = 0 AND d.due = 0`
	holdOrder = ` ORDER BY d.slot, d.subscriber`
)

// hold reads the open deliveries of a batch that is being leased: those that are due, or that
// of one reader alone.
func (db *DB) hold(ctx context.Context, t *tx, b *leased, now time.Time, only int64) (*held, error) {
	i, err := t.issueRow(ctx, b.issue)
	if err != nil {
		return nil, err
	}
	h := &held{issueRow: i, whole: true}
	var at, of int64
	read := func(query string, scan func(*sql.Rows, *heldRow) error) error {
		rows, err := t.rows(ctx, query, b.span.args()...)
		if err != nil {
			return err
		}
		defer rows.Close()
		r := heldRow{sure: true, d: mailer.Delivery{Issue: b.issue, Slot: i.slot, Ends: i.ends, State: mailer.Queued}}
		for rows.Next() {
			if err := scan(rows, &r); err != nil {
				return err
			}
			from := r.d.Due
			if start := fromUS(b.start); only == 0 && start.After(from) {
				from = start
			}
			if from.After(now) || only != 0 && r.d.Subscriber != only {
				h.whole = false
				continue
			}
			r.id = r.d.Subscriber
			r.settings = of
			h.rows = append(h.rows, r)
		}
		return rows.Err()
	}
	from := ` FROM ` + db.dialect.deliveries(i.slot) + ` d WHERE ` + db.dialect.within()
	// Most have never been tried: of them little need be read.
	err = read(`SELECT d.subscriber, d.settings, coalesce(d.digest, 0), d.at`+from+` AND `+untried+holdOrder,
		func(rows *sql.Rows, r *heldRow) error {
			err := rows.Scan(&r.d.Subscriber, &of, &r.d.Digest, &at)
			r.d.At = fromUS(at)
			return err
		})
	if err != nil {
		return nil, err
	}
	fresh := len(h.rows)
	var state string
	var date, due int64
	err = read(`SELECT d.subscriber, d.settings, coalesce(d.digest, 0), d.state, d.reason, d.attempts, d.copies, d.date, d.key_id, d.selector, d.due, d.at, d.relay`+
		from+` AND d.state IN ('queued', 'deferred') AND NOT (`+untried+`)`+holdOrder,
		func(rows *sql.Rows, r *heldRow) error {
			d := &r.d
			err := rows.Scan(&d.Subscriber, &of, &d.Digest, &state, &d.Reason, &d.Attempts, &d.Copies, &date, &d.KeyID, &d.Selector, &due, &at, &r.relay)
			d.State, d.Date, d.Due, d.At = mailer.State(state), fromUS(date), fromUS(due), fromUS(at)
			return err
		})
	if err != nil {
		return nil, err
	}
	if len(h.rows) > fresh && fresh > 0 {
		sort.Slice(h.rows, func(a, b int) bool { return h.rows[a].d.Subscriber < h.rows[b].d.Subscriber })
	}
	addresses, err := h.address(ctx, t)
	if err != nil {
		return nil, err
	}
	if err := h.lookUp(ctx, t, b.span); err != nil {
		return nil, err
	}
	barred, err := db.barred(ctx, t, addresses)
	for n := range h.rows {
		r := &h.rows[n]
		r.mayGo = (r.mayGo || h.notice) && r.d.Address != "" && !i.stops(barred[n]) && db.mayGet(r.d.Address) && err == nil
	}
	if errors.Is(err, ErrNoKey) {
		err = nil // the intent will say so
	}
	return h, err
}

// address finds the addresses of rows, by the settings with which their mails were written, and lists them. That of
// who is erased is "".
func (h *held) address(ctx context.Context, t *tx) ([]string, error) {
	if len(h.rows) == 0 {
		return nil, nil
	}
	wanted := make(neighbours, len(h.rows))
	for n := range h.rows {
		wanted[n] = h.rows[n].settings
	}
	slices.Sort(wanted)
	type owned struct {
		subscriber int64
		address    string
	}
	found := make(map[int64]owned, len(wanted))
	in, values := wanted.where(t.w.dialect, "id", 1)
	_, err := selectAll(ctx, t, `SELECT id, subscriber, address FROM settings WHERE `+in, values, func(r *sql.Rows) (none struct{}, err error) {
		var id int64
		var o owned
		err = r.Scan(&id, &o.subscriber, &o.address)
		found[id] = o
		return none, err
	})
	addresses := make([]string, len(h.rows))
	for n := range h.rows {
		r := &h.rows[n]
		if o := found[r.settings]; o.subscriber == r.d.Subscriber {
			r.d.Address = o.address
		}
		addresses[n] = r.d.Address
	}
	return addresses, err
}

// lookUp says of rows whether their readers get the edition, and whether their addresses have taken a mail before.
// It looks at the batch's stretch of readers for those who do not and have not: of a row's own they are mostly none.
func (h *held) lookUp(ctx context.Context, t *tx, s span) error {
	away, err := selectAll(ctx, t, `SELECT subscriber FROM followers WHERE edition = ?1 AND subscriber BETWEEN ?2 AND ?3 AND active = 0`,
		args{h.edition, s.first, s.last}, number)
	if err != nil {
		return err
	}
	type newcomer struct {
		id      int64
		address string
	}
	fresh, err := selectAll(ctx, t, `SELECT id, address FROM subscribers WHERE id BETWEEN ?1 AND ?2 AND accepted = 0`, args{s.first, s.last},
		func(r *sql.Rows) (n newcomer, err error) { return n, r.Scan(&n.id, &n.address) })
	if err != nil {
		return err
	}
	for n := range h.rows {
		h.rows[n].mayGo, h.rows[n].first = true, firstNo
	}
	for _, id := range away {
		if r := h.find(h.slot, id); r != nil {
			r.mayGo = false
		}
	}
	for _, n := range fresh {
		r := h.find(h.slot, n.id)
		switch {
		case r == nil:
		case n.address == lower(r.d.Address):
			r.first = firstYes
		default: // compared when the mail has been accepted: it is the reader's own but for more than the case of ASCII letters
			r.first = firstAsk
		}
	}
	return nil
}

// lower is a text with the ASCII letters in lower case.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// keep remembers a leased batch and forgets those whose owners went without a word.
func (l *ledger) keep(id int64, h *held, now time.Time) {
	maps.DeleteFunc(l.held, func(_ int64, h *held) bool { return now.Sub(h.until) > silence })
	if l.held == nil {
		l.held = make(map[int64]*held)
	}
	l.held[id] = h
}

// quietNow says whether the issue's quiet hours hold at t.
func (db *DB) quietNow(i *issueRow, t time.Time) bool {
	_, quiet := db.quietUntil(&delivery{zone: i.zone, quiet: i.quiet}, t)
	return quiet
}
