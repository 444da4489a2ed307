package commands

import (
	"context"

	"broadsheet/web/room"
)

// roomToday meets [room.Today].
type roomToday struct{ *engine }

// Alarms meets [room.Today].
func (w roomToday) Alarms(ctx context.Context) (all []room.Alarm, err error) {
	e := w.engine
	for _, look := range []func(context.Context) ([]room.Alarm, error){
		roomKeeping{e}.alarms, roomRuns{e}.alarms, roomProofs{e}.alarms, roomFeeds{e}.alarms, roomDoctor{e}.alarms, roomWayBack{e}.alarms,
	} {
		found, err := look(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}
