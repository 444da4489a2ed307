package commands

import (
	"context"

	"broadsheet/web/room"
)

// roomFeeds meets [room.Feeds].
type roomFeeds struct{ *engine }

// alarms lists what is wrong here.
func (w roomFeeds) alarms(ctx context.Context) ([]room.Alarm, error) { return nil, nil }
