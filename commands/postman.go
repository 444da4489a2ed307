package commands

import (
	"context"
	"time"

	"broadsheet/digest"
)

// postman posts the notices that wait: when it is kicked, and every second in any case, for another
// program may have noted one.
type postman struct {
	digest.Postman
	kicked chan struct{} // holds one
}

func newPostman(p digest.Postman) *postman { return &postman{p, make(chan struct{}, 1)} }

// kick has the postman look soon. It never waits.
func (m *postman) kick() {
	select {
	case m.kicked <- struct{}{}:
	default: // it is about to look
	}
}

// deliver posts until ctx ends.
func (e *engine) deliver(ctx context.Context) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for ctx.Err() == nil {
		_, err := e.postman.Post(ctx)
		e.complain(ctx, "post notices", err)
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-e.postman.kicked:
		}
	}
}
