package commands

import (
	"context"

	"broadsheet/web/room"
)

// roomKeeping meets [room.Keeping].
type roomKeeping struct{ *engine }

// alarms lists what is wrong here.
func (w roomKeeping) alarms(ctx context.Context) ([]room.Alarm, error) { return nil, nil }
