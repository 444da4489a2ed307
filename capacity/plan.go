package capacity

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"broadsheet/schedule"
)

// Million is what shares are parts of.
const Million = 1_000_000

// Plan is what is to be replayed.
type Plan struct {
	Readers int64
	Zones   []Zone
	Hours   Hours
	Date    time.Time // its year, month and day: the local date of the slots, or of the first
	Days    int       // how many dates, at least 1
	Edition *schedule.Edition
	Fleet   Fleet

	Providers []Provider

	Accepted int64         // tries of a million that the relay takes
	Refused  int64         // that it refuses for good; the rest is deferred
	Urgent   int64         // urgent mails a minute
	Target   time.Duration // how long mail that is due may wait before the summary counts the time as late
}

// Provider is a mailbox provider that takes no more than so much through each relay.
type Provider struct {
	Name  string
	Share int64 // of a million readers; those of all providers are a million at most
	Rate  int64 // thousandths of a mail a second
}

// Edition is a daily for readers in all zones who choose their hour. Spans are whole seconds;
// what schedule.yaml does not take comes back as an error.
func Edition(spread, prepare, deliverWithin time.Duration) (*schedule.Edition, error) {
	cfg, err := schedule.Parse("simulate", fmt.Appendf(nil, `publication: {name: Paper, from: "Paper <news@paper.example>", postal_address: none, public_url: "https://paper.example"}
sections: [{id: news, name: News}]
editions: [{name: daily, title: Daily, cron: "0 7 * * *", zone: reader, min_gap: 0s,
  hours: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23],
  spread: %ds, prepare: %ds, deliver_within: %ds}]
relays: [{name: main, host: localhost, tls: none, auth: none}]
`, int64(spread.Seconds()), int64(prepare.Seconds()), int64(deliverWithin.Seconds())))
	if err != nil {
		return nil, err
	}
	return cfg.Edition("daily"), nil
}

// batch is how many deliveries are due together at most (store's maxBatch).
const batch = 500

// issue is the mail of one zone and hour on one date. Instants are minutes since 1970.
type issue struct {
	zone    int // in Plan.Zones
	slot    schedule.Slot
	readers int64
	begins  int64 // opening may begin: slot − prepare
	due     int64 // the slot
	ends    int64 // end of life; until it is begun, when it counts as missed
	spread  int64 // seconds

	begun, open, over bool

	opened   int64    // deliveries on record
	arrived  int64    // mails whose time has come
	pending  []parcel // of them, while the issue is not open
	waiting  int64    // mails in pending
	ready    int64    // mails in the queue
	deferred int64
}

// parcel is mails of one issue that were due in the same minute and were tried as often.
type parcel struct {
	due   int64
	issue *issue
	lane  int
	tries int
	n     int64
}

// dueBefore is how many of the issue's mails are due before so many seconds after its slot: batch k of
// n, from 0, at k/n of the spread.
func (i *issue) dueBefore(seconds int64) int64 {
	if seconds <= 0 {
		return 0
	}
	n := (i.readers + batch - 1) / batch
	if i.spread <= 0 || seconds >= i.spread {
		return i.readers
	}
	return min(i.readers, batch*((seconds*n+i.spread-1)/i.spread))
}

// issues deals the readers out and finds their slots. Readers whose zone skips the date have none.
func (p *Plan) issues() (list []*issue, without int64, err error) {
	var zones schedule.Zones
	weights := make([]int64, len(p.Zones))
	for n, z := range p.Zones {
		weights[n] = z.Weight
	}
	for z, n := range deal(p.Readers, weights) {
		loc, err := zones.Load(p.Zones[z].Name)
		if err != nil {
			return nil, 0, err
		}
		for hour, readers := range deal(n, p.Hours[:]) {
			if readers == 0 {
				continue
			}
			for day := range max(p.Days, 1) {
				slot, ok := slotOf(p.Edition, loc, hour, p.Date.AddDate(0, 0, day))
				if !ok {
					without += readers
					continue
				}
				list = append(list, &issue{zone: z, slot: slot, readers: readers, due: minuteOf(slot.Due),
					begins: minuteOf(slot.Due.Add(-p.Edition.Prepare)), ends: minuteOf(slot.Due.Add(p.Edition.CatchUp)),
					spread: int64(p.Edition.Spread.Seconds())})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b *issue) int { return cmp.Compare(a.begins, b.begins) })
	return list, without, nil
}

// slotOf is the edition's slot of a local date; ok is false if the date has none.
func slotOf(e *schedule.Edition, loc *time.Location, hour int, date time.Time) (s schedule.Slot, ok bool) {
	y, m, d := date.Date()
	key := date.Format(time.DateOnly)
	for after := time.Date(y, m, d, 0, 0, 0, 0, loc).Add(-26 * time.Hour); ; after = s.Due {
		if s, ok = e.Next(loc, hour, after); !ok || s.Key >= key {
			return s, ok && s.Key == key
		}
	}
}

// minuteOf is the minute since 1970 in which t lies, timeOf its beginning.
func minuteOf(t time.Time) int64 { return t.Unix() / 60 }
func timeOf(m int64) time.Time   { return time.Unix(m*60, 0).UTC() }
