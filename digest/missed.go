package digest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"broadsheet/schedule"
)

// Missed is a slot that is past and has no issue on record.
type Missed struct {
	Edition  string
	Slot     schedule.Slot // its Hour is -1 where readers have none of their own
	Audience Audience      // for whom it was; without EditionID
	Gone     bool          // no issue of its own will be opened any more: it is too old, or a later one is due
	Into     string        // key of the slot that takes its stories; "" = the next that is opened
}

// Missed lists the slots of an edition that are past at now and not on record, the oldest first: those
// still to be opened, and those that will not be. Who knows when readers came must leave out slots for which
// nobody was there. Of a long standstill they are the latest hundred in each place.
func (f *Finder) Missed(ctx context.Context, e *schedule.Edition, now time.Time) ([]Missed, error) {
	places := map[Place]Audience{{e.Zone, -1}: {}}
	if e.Zone == schedule.ReaderZone {
		var err error
		if places, err = f.served(ctx, e); err != nil {
			return nil, err
		}
	}
	var out []Missed
	for p, a := range places {
		zone, err := f.Zones.Load(p.Zone)
		if err != nil {
			return nil, fmt.Errorf("find missed slots of edition %s: %w", e.Name, err)
		}
		last, ok, err := f.Diary.LastIssue(ctx, e.Name, p.Zone, p.Hour)
		if err != nil {
			return nil, fmt.Errorf("load last issue of edition %s in %s: %w", e.Name, p.Zone, err)
		}
		opened := ""
		if ok {
			opened = last.Slot
		}
		slot, missed, ok := e.Due(zone, p.Hour, now, opened)
		add := func(s schedule.Slot, gone bool, into string) {
			out = append(out, Missed{Edition: e.Name, Slot: s, Audience: on(a, s.Local), Gone: gone, Into: into})
		}
		for _, s := range missed {
			add(s, true, slot.Key)
		}
		if ok && slot.Due.Before(now) {
			add(slot, false, "")
		}
	}
	slices.SortFunc(out, func(a, b Missed) int {
		return cmp.Or(a.Slot.Due.Compare(b.Slot.Due), cmp.Compare(a.Slot.Zone, b.Slot.Zone), cmp.Compare(a.Slot.Hour, b.Slot.Hour))
	})
	return out, nil
}
