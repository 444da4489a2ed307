package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
)

// What became of mails is counted by day, domain and relay (table domain_days). A transaction counts
// in memory and writes at its end. Those of senders, whose mails are many, leave it to one in a
// second, and to the one that gives a batch back.

// tallyPause is how often transactions of senders write their counts.
const tallyPause = time.Second

// tallied is what is counted, by its column.
type tallied int

const (
	tallyNone tallied = iota - 1
	tallyTaken
	tallyDelivered
	tallyDelayed
	tallyHard
	tallySoft
	tallyPolicy
	tallyContent
	tallyComplaints
	tallyRefused
	tallies
)

// tallyOf is what news of a class count as.
func tallyOf(c mailer.Class) tallied {
	switch c {
	case mailer.Arrived:
		return tallyDelivered
	case mailer.Put:
		return tallyDelayed
	case mailer.Hard:
		return tallyHard
	case mailer.Soft:
		return tallySoft
	case mailer.Policy:
		return tallyPolicy
	case mailer.Content:
		return tallyContent
	case mailer.Complained:
		return tallyComplaints
	}
	return tallyNone
}

type tallyKey struct {
	day           int64
	domain, relay string
}

// tally is counts that are not written yet. The zero value is empty.
type tally map[tallyKey]*[tallies]int

func (c *tally) add(k tallyKey, what tallied, n int) {
	if *c == nil {
		*c = make(tally)
	}
	row := (*c)[k]
	if row == nil {
		row = new([tallies]int)
		(*c)[k] = row
	}
	row[what] += n
}

// join adds other to c.
func (c *tally) join(other tally) {
	for k, row := range other {
		for what, n := range row {
			if n != 0 {
				c.add(k, tallied(what), n)
			}
		}
	}
}

// tally counts a mail of a delivery that left at a time, by way of a relay; by is -1 if it was counted
// as what it is not.
func (t *tx) tally(sent time.Time, d *mailer.Delivery, relay string, what tallied, by int) {
	if what != tallyNone && d.Address != "" {
		t.counts.add(tallyKey{digest.UTCDay(sent), mailer.DomainOf(d.Address), relay}, what, by)
	}
}

// countArrived counts a mail that has arrived, and had been in a state. here is false if its reader was erased.
func (t *tx) countArrived(ctx context.Context, k key, was mailer.State, at time.Time) (here bool, err error) {
	var d mailer.Delivery
	var relay string
	var handed int64
	err = t.scan(ctx, `SELECT coalesce(st.address, ''), d.relay, d.handed, d.issue FROM deliveries d `+ofSettings+` WHERE d.slot = ?1 AND d.subscriber = ?2`,
		args{k.slot, k.subscriber}, &d.Address, &relay, &handed, &d.Issue)
	t.moved(at, d.Issue, relay, was, mailer.Delivered, 1)
	t.tally(fromUS(handed), &d, relay, tallyDelivered, 1)
	return d.Address != "", err
}

// writeTally puts counts on record.
func (t *tx) writeTally(ctx context.Context, counts tally) error {
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b tallyKey) int { // who writes beside another takes rows in one order
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.domain, b.domain), cmp.Compare(a.relay, b.relay))
	})
	for _, k := range keys {
		row := counts[k]
		values := args{k.day, k.domain, k.relay}
		for _, n := range row {
			values = append(values, n)
		}
		if err := t.later(ctx, `INSERT INTO domain_days (day, domain, relay, taken, delivered, delayed, hard, soft, policy, content, complaints, refused)
			VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT (day, domain, relay) DO UPDATE SET taken = domain_days.taken + ?4,
			delivered = domain_days.delivered + ?5, delayed = domain_days.delayed + ?6, hard = domain_days.hard + ?7, soft = domain_days.soft + ?8,
			policy = domain_days.policy + ?9, content = domain_days.content + ?10, complaints = domain_days.complaints + ?11,
			refused = domain_days.refused + ?12`, anyRows, values...); err != nil {
			return err
		}
	}
	return nil
}
