package digest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"broadsheet/schedule"
)

// Due is an issue that is to be opened now, and whose it is.
type Due struct {
	Issue    Issue
	Audience Audience
	Missed   []schedule.Slot // earlier slots that will have no issue of their own: their stories are in this one
}

// Finder finds the issues that are due. The zero value of Zones is ready.
type Finder struct {
	Diary  Diary
	Config *schedule.Config
	Zones  schedule.Zones
}

// Due lists the issues of an edition that are to be opened at now: with prepare, that long before their slot. An
// edition for one place has one issue per slot, one in readers' zones an issue for each zone and hour that readers
// have. An issue left half open comes back too, before the one that follows it. The order is by due time, zone and
// hour.
func (f *Finder) Due(ctx context.Context, e *schedule.Edition, now time.Time) ([]Due, error) {
	if e.Zone != schedule.ReaderZone {
		return f.dueIn(ctx, e, Place{e.Zone, -1}, Audience{}, now)
	}
	places, err := f.served(ctx, e)
	if err != nil {
		return nil, err
	}
	var out []Due
	for place, audience := range places {
		due, err := f.dueIn(ctx, e, place, audience, now)
		if err != nil {
			return nil, err
		}
		out = append(out, due...)
	}
	inOrder(out)
	return out, nil
}

// Coming lists the next issue of an edition in each zone and hour that readers have, of those that are not
// open yet: what is due already is not among them. The order is that of [Finder.Due].
func (f *Finder) Coming(ctx context.Context, e *schedule.Edition, now time.Time) ([]Due, error) {
	places := map[Place]Audience{{e.Zone, -1}: {}}
	if e.Zone == schedule.ReaderZone {
		wishes, err := f.Diary.Places(ctx, e.Name)
		if err != nil {
			return nil, fmt.Errorf("list readers' zones of edition %s: %w", e.Name, err)
		}
		places = f.places(e, wishes)
	}
	var out []Due
	for p, a := range places {
		zone, err := f.Zones.Load(p.Zone)
		if err != nil {
			return nil, fmt.Errorf("find coming issues of edition %s: %w", e.Name, err)
		}
		last, opened, err := f.Diary.LastIssue(ctx, e.Name, p.Zone, p.Hour)
		if err != nil {
			return nil, fmt.Errorf("load last issue of edition %s in %s: %w", e.Name, p.Zone, err)
		}
		slot, ok := e.Next(zone, p.Hour, now)
		if ok && opened && last.Slot == slot.Key {
			slot, ok = e.Next(zone, p.Hour, slot.Due)
		}
		if ok {
			out = append(out, Due{Issue: NewIssue(e, zone, p.Hour, slot, now), Audience: on(a, slot.Local)})
		}
	}
	inOrder(out)
	return out, nil
}

// inOrder sorts by due time, zone and hour.
func inOrder(list []Due) {
	slices.SortFunc(list, func(a, b Due) int {
		return cmp.Or(a.Issue.Due.Compare(b.Issue.Due), cmp.Compare(a.Issue.Zone, b.Issue.Zone),
			cmp.Compare(a.Issue.Hour, b.Issue.Hour))
	})
}

// served is where an edition in readers' zones is served, and whom.
func (f *Finder) served(ctx context.Context, e *schedule.Edition) (map[Place]Audience, error) {
	wishes, err := f.Diary.Places(ctx, e.Name)
	if err != nil {
		return nil, fmt.Errorf("list readers' zones of edition %s: %w", e.Name, err)
	}
	return f.places(e, wishes), nil
}

// places turns readers' wishes into the places an edition is served at, each with the settings that lead there.
func (f *Finder) places(e *schedule.Edition, wishes []Place) map[Place]Audience {
	out := map[Place]Audience{}
	for _, wish := range wishes {
		p := Place{wish.Zone, e.ReaderHour(wish.Hour)}
		if _, err := f.Zones.Load(p.Zone); err != nil { // none given, or one that this machine does not know
			p.Zone = f.home()
		}
		a := out[p]
		if !slices.Contains(a.Zones, wish.Zone) {
			a.Zones = append(a.Zones, wish.Zone)
		}
		a.Hours = hoursOf(e, p.Hour)
		out[p] = a
	}
	return out
}

// hoursOf lists every hour a reader's settings may hold (-1 for none) that is served at hour. It does not go by the
// wishes at hand: one may come in before the issue is written.
func hoursOf(e *schedule.Edition, hour int) []int {
	var hours []int
	for h := -1; h < 24; h++ {
		if e.ReaderHour(h) == hour {
			hours = append(hours, h)
		}
	}
	return hours
}

// home is the zone of readers who named none.
func (f *Finder) home() string {
	if cities := f.Config.Publication.Cities; len(cities) > 0 {
		return cities[0].Zone
	}
	return "UTC"
}

func (f *Finder) dueIn(ctx context.Context, e *schedule.Edition, p Place, a Audience, now time.Time) ([]Due, error) {
	zone, err := f.Zones.Load(p.Zone)
	if err != nil {
		return nil, fmt.Errorf("find due issues of edition %s: %w", e.Name, err)
	}
	last, ok, err := f.Diary.LastIssue(ctx, e.Name, p.Zone, p.Hour)
	if err != nil {
		return nil, fmt.Errorf("load last issue of edition %s in %s: %w", e.Name, p.Zone, err)
	}
	var out []Due
	if ok && last.State == Opening {
		out = append(out, Due{Issue: last, Audience: on(a, last.Local)})
	}
	opened := ""
	if ok {
		opened = last.Slot
	}
	slot, missed, ok := e.Due(zone, p.Hour, now, opened)
	if !ok {
		return out, nil
	}
	i := NewIssue(e, zone, p.Hour, slot, now)
	return append(out, Due{Issue: i, Audience: on(a, slot.Local), Missed: missed}), nil
}

// NewIssue is the issue of a slot as it would be opened at now. zone and hour are its readers'.
func NewIssue(e *schedule.Edition, zone *time.Location, hour int, slot schedule.Slot, now time.Time) Issue {
	i := Issue{
		Edition: e.Name,
		Slot:    slot.Key,
		Zone:    slot.Zone,
		Hour:    slot.Hour,
		Local:   slot.Local,
		Due:     slot.Due,
		Ends:    e.Ends(slot, now),
		MinGap:  e.MinGap,
		Quiet:   e.Quiet,
	}
	if next, ok := e.Next(zone, hour, slot.Due); ok {
		i.Next = next.Due
	}
	return i
}

// on limits an audience to readers who want mail on the weekday of a local date.
func on(a Audience, local string) Audience {
	if d, err := time.Parse("2006-01-02 15:04", local); err == nil {
		a.Weekday = weekday(d)
	}
	return a
}
