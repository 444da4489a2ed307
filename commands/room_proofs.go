package commands

import (
	"context"

	"broadsheet/web/room"
)

// roomProofs meets [room.Proofs].
type roomProofs struct{ *engine }

// alarms lists what is wrong here.
func (w roomProofs) alarms(ctx context.Context) ([]room.Alarm, error) { return nil, nil }
