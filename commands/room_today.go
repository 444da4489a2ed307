package commands

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"broadsheet/web/room"
)

// roomToday meets [room.Today].
type roomToday struct{ *engine }

// Levels of alarms.
const (
	red   = "red"
	amber = "amber"
)

// How long what was found is good for another asker: figures are at most so old.
const (
	alarmsKept   = 2 * time.Second
	prospectKept = 20 * time.Second // reads some of every batch that waits
)

// keptAlarms are those that were last found.
type keptAlarms struct {
	mu   sync.Mutex
	at   time.Time
	list []room.Alarm

	foreseen time.Time // when late was looked for
	late     []room.Alarm
}

// Alarms meets [room.Today]. However many ask, it looks once in two seconds. What cannot be looked at is
// an alarm itself and hides no other.
func (w roomToday) Alarms(ctx context.Context) ([]room.Alarm, error) {
	k := &w.kept
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.list == nil || time.Since(k.at) > alarmsKept {
		list := w.look(ctx)
		if err := ctx.Err(); err != nil { // who asked has gone: what was found is not all
			return nil, err
		}
		k.at, k.list = time.Now(), list
	}
	return slices.Clone(k.list), nil
}

func (w roomToday) look(ctx context.Context) []room.Alarm {
	e := w.engine
	all := []room.Alarm{}
	for _, subject := range []struct {
		name string
		look func(context.Context) ([]room.Alarm, error)
	}{
		{"database", w.databaseAlarms}, {"disk", w.diskAlarms}, {"keeping", roomKeeping{e}.alarms},
		{"slots", w.missedAlarms}, {"relays", w.relayAlarms}, {"runs", roomRuns{e}.alarms}, {"openings", w.openingAlarms},
		{"forecast", w.lateAlarms}, {"scheduler", w.wakeAlarms}, {"roles", w.roleAlarms}, {"public URL", w.publicAlarms},
		{"certificates", w.certificateAlarms}, {"feeds", roomFeeds{e}.alarms}, {"what came back", w.wayBackAlarms},
		{"clock", w.clockAlarms}, {"pings", w.pingAlarms}, {"webhooks", e.webhookAlarms}, {"report", w.reportAlarms}, {"doctor", roomDoctor{e}.alarms},
	} {
		found, err := subject.look(ctx)
		if err != nil && ctx.Err() == nil {
			e.log.Error("look for alarms", slog.String("subject", subject.name), slog.Any("error", err))
			found = append(found, room.Alarm{Key: "look " + subject.name, Level: red, What: "The state of " + subject.name + " cannot be read: " + err.Error() + ".",
				Since: e.now(), Next: "Look at the database: is its disk full, or another program holding it?", Do: "broadsheet check"})
		}
		all = append(all, found...)
	}
	// The gravest first; among equals those of the order above, for a relay that is down is why a run is late.
	slices.SortStableFunc(all, func(a, b room.Alarm) int { return cmp.Compare(grave(a), grave(b)) })
	return all
}

func grave(a room.Alarm) int {
	if a.Level == red {
		return 0
	}
	return 1
}

// home is where times are told: the publication's first city.
func (e *engine) home() *time.Location {
	if cities := e.cfg.Publication.Cities; len(cities) > 0 {
		if zone, err := e.cfg.Location(cities[0].Zone); err == nil {
			return zone
		}
	}
	return time.UTC
}

// moment is a time of day at home, with its date if that is not today's.
func (e *engine) moment(t time.Time) string {
	t = t.In(e.home())
	if t.Format(time.DateOnly) == time.Now().In(e.home()).Format(time.DateOnly) {
		return t.Format("15:04:05 MST")
	}
	return t.Format("15:04 MST on 2 January")
}
