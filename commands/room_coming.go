package commands

import (
	"context"
	"slices"
	"sync"
	"time"

	"broadsheet/digest"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/web/room"
)

// places keeps how many readers editions have where. The zero value is empty.
type places struct {
	mu    sync.Mutex
	of    map[string][]store.Followed // by edition
	until time.Time
}

const (
	placesLeast = 30 * time.Second
	placesShare = 50 // and so many times what counting took
	comingMost  = 12 // runs on the first page
)

// followed counts the readers of all editions, or says what that came to a while ago.
func (p *places) followed(ctx context.Context, e *engine) (map[string][]store.Followed, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	began := time.Now()
	if p.of != nil && began.Before(p.until) {
		return p.of, nil
	}
	of := make(map[string][]store.Followed)
	for i := range e.cfg.Editions {
		list, err := e.db.FollowersByPlace(ctx, e.cfg.Editions[i].Name)
		if err != nil {
			return nil, err
		}
		of[e.cfg.Editions[i].Name] = list
	}
	p.of, p.until = of, began.Add(max(placesLeast, placesShare*time.Since(began)))
	return of, nil
}

// Coming meets [room.Today].
func (w roomToday) Coming(ctx context.Context) ([]room.NextRun, error) {
	e := w.engine
	followed, err := e.board.places.followed(ctx, e)
	if err != nil {
		return nil, err
	}
	var all []room.NextRun
	for i := range e.cfg.Editions {
		ed := &e.cfg.Editions[i]
		list := followed[ed.Name]
		runs := make(map[digest.Place][]store.Followed)
		if ed.Zone != schedule.ReaderZone {
			runs[digest.Place{Zone: ed.Zone, Hour: -1}] = list
		} else {
			for _, f := range list {
				runs[f.Place] = append(runs[f.Place], f)
			}
		}
		for place, list := range runs {
			zone, err := e.cfg.Location(editionZone(e.cfg, ed, place.Zone))
			if err != nil { // one that this machine does not know: served at home
				if zone, err = e.cfg.Location(editionZone(e.cfg, ed, "")); err != nil {
					return nil, err
				}
			}
			slot, ok := ed.Next(zone, ed.ReaderHour(place.Hour), e.now().Add(ed.Prepare))
			if !ok {
				continue
			}
			run := room.NextRun{Edition: ed.Name, Title: ed.Title, Slot: slot.Key, Zone: zone.String(), Local: slot.Local, Due: slot.Due, Opens: slot.Due.Add(-ed.Prepare)}
			for _, f := range list {
				if f.Days == 0 || f.Days&weekdayBit(slot.Local) != 0 {
					run.Readers += f.Readers
				}
			}
			same := func(r room.NextRun) bool {
				return r.Edition == run.Edition && r.Slot == run.Slot && r.Zone == run.Zone && r.Due.Equal(run.Due)
			}
			if n := slices.IndexFunc(all, same); n >= 0 { // places that are the same one
				all[n].Readers += run.Readers
				continue
			}
			all = append(all, run)
		}
	}
	slices.SortFunc(all, func(a, b room.NextRun) int {
		if c := a.Due.Compare(b.Due); c != 0 {
			return c
		}
		return b.Readers - a.Readers
	})
	return all[:min(len(all), comingMost)], nil
}

// weekdayBit is the bit of a local time's weekday among a reader's days; Monday is bit 0.
func weekdayBit(local string) int64 {
	t, err := time.Parse("2006-01-02 15:04", local)
	if err != nil {
		return ^int64(0)
	}
	return 1 << ((int(t.Weekday()) + 6) % 7)
}
