package commands

import (
	"context"

	"broadsheet/web/room"
)

// roomRuns meets [room.Runs].
type roomRuns struct{ *engine }

// alarms lists what is wrong here.
func (w roomRuns) alarms(ctx context.Context) ([]room.Alarm, error) { return nil, nil }
