package commands

import (
	"context"

	"broadsheet/web/room"
)

// roomDoctor meets [room.Doctor].
type roomDoctor struct{ *engine }

// alarms lists what is wrong here.
func (w roomDoctor) alarms(ctx context.Context) ([]room.Alarm, error) { return nil, nil }
